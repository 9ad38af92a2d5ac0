//! Open connections: listed, and closed.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use broker::ConnectionId;
use engine::ConnectionView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, Params};
use super::caller::Caller;
use super::page::{Page, PageParams};
use super::problem::Problem;

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 200;

/// An open connection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectionOut {
    /// The number by which it is closed.
    id: String,
    /// The account.
    login: String,
    /// The virtual host.
    vhost: String,
    /// The interface that it came in by.
    door: String,
    /// The client's address and port.
    address: String,
    /// The name that the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// Channels that it has open.
    channels: u32,
    /// When it was opened, in milliseconds since 1970.
    since_ms: u64,
    /// The session whose token opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
}

/// Which connections to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ConnectionListParams {
    /// Only those whose login, address, name or client contains this.
    name: Option<String>,
    /// Only those of this account.
    login: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// Why a connection is closed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct CloseParams {
    /// What its client is told.
    #[param(max_length = 200)]
    reason: Option<String>,
}

impl ConnectionOut {
    fn of(view: ConnectionView) -> Self {
        let info = view.info;
        Self {
            id: view.id.0.to_string(),
            login: info.login.to_string(),
            vhost: info.vhost.to_string(),
            door: info.protocol.to_owned(),
            address: info.peer,
            name: info.name,
            client: info.client,
            channels: info.channels.load(Ordering::Relaxed),
            since_ms: info.connected_at_ms,
            session: view.session,
        }
    }
}

/// By age: numbers rise.
fn key(view: &ConnectionView) -> String {
    format!("{:020}", view.id.0)
}

fn contains(view: &ConnectionView, wanted: &str) -> bool {
    let info = &view.info;
    let texts = [
        Some(&*info.login),
        Some(&*info.peer),
        info.name.as_deref(),
        info.client.as_deref(),
    ];
    texts
        .into_iter()
        .flatten()
        .any(|text| text.contains(wanted))
}

/// List open connections
///
/// One's own; administrators and accounts with the tag `monitoring` see all.
#[utoipa::path(get, path = "/v1/connections", tag = "sessions", params(ConnectionListParams),
    responses(
        (status = 200, description = "A page of connections, the oldest first", body = Page<ConnectionOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<ConnectionListParams>,
) -> Result<Json<Page<ConnectionOut>>, Problem> {
    let page = PageParams::new(params.cursor, params.limit)?;
    let engine = web.gateway().engine();
    let sees_all = engine.accounts().may_monitor(&caller.login);
    let (login, wanted) = (params.login, params.name.unwrap_or_default());
    let mut views = engine.connections();
    views.retain(|view| {
        (sees_all || is_own(&caller, view))
            && login
                .as_deref()
                .is_none_or(|login| *view.info.login == *login)
            && contains(view, &wanted)
            && page.is_behind_cursor(&key(view))
    });
    views.sort_by_key(|view| view.id.0);
    views.truncate(page.limit() + 1);
    Ok(Json(page.cut(views, key, ConnectionOut::of)))
}

/// Whoever holds a queue's key is no account, and has nothing of its owner's.
fn is_own(caller: &Caller, view: &ConnectionView) -> bool {
    caller.login.key().is_none() && view.info.login == caller.login.name
}

/// Close a connection
///
/// One's own; administrators close others', too. Its client may connect again; to keep it out, end its session or change its rights.
#[utoipa::path(delete, path = "/v1/connections/{connection}", tag = "sessions",
    params(("connection" = String, Path, description = "The connection's number"), CloseParams),
    responses(
        (status = 204, description = "It is being closed"),
        (status = "4XX", description = "There is none of yours of this number", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn close(
    State(web): State<Web>,
    caller: Caller,
    InPath(connection): InPath<String>,
    Params(params): Params<CloseParams>,
) -> Result<StatusCode, Problem> {
    let engine = web.gateway().engine();
    let unknown = || Problem::not_found(format!("there is no connection '{connection}' of yours"));
    let id = connection
        .parse()
        .map(ConnectionId)
        .map_err(|_| unknown())?;
    let is_administrator = caller.login.is_administrator();
    let mut open = engine.connections().into_iter();
    open.find(|view| view.id == id && (is_administrator || is_own(&caller, view)))
        .ok_or_else(unknown)?;
    let reason = params.reason.filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or_else(|| format!("closed by {}", caller.login.name));
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    // One that has gone in the meantime is closed as well.
    let _ = engine.close_connection_as(&caller.author(), id, &reason);
    Ok(StatusCode::NO_CONTENT)
}
