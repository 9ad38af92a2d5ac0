//! Sessions: begun with a login, listed, ended.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::sessions::{Credentials, SessionKind, SessionView, SessionWish};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::accounts::AccountOut;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, Newcomer, SESSION_COOKIE, cookie};
use super::page::{Page, PageParams};
use super::problem::Problem;

/// The longest that a cookie is kept, as sessions are: 365 days.
const TTL_MS_MAX: u64 = 365 * 24 * 3_600_000;

/// A login.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LoginWish {
    /// The account; absent when the request shows its credentials by itself.
    login: Option<String>,
    /// Its password.
    password: Option<String>,
    /// For how many milliseconds the session holds after its last use. Default 30 days, 12 hours for a cookie.
    #[schema(minimum = 1, maximum = 31_536_000_000_u64)]
    ttl_ms: Option<u64>,
    /// What the client calls itself.
    #[schema(max_length = 256)]
    client: Option<String>,
    /// Set the token as a cookie, for a page in a browser. With `ttl_ms` the browser keeps it so long, without as long as it is open.
    cookie: bool,
}

/// A session that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Opened {
    /// Show it as `Authorization: Bearer`; it is not shown again. Absent when it went into a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// Send it as X-CSRF-Token with whatever changes something, when the session is a cookie's.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
    /// The session.
    session: SessionOut,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionOut {
    /// The name by which it is ended.
    id: String,
    /// The account.
    login: String,
    /// The interface that it came in by.
    door: String,
    /// The client's address.
    address: String,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// How it proves itself: token, cookie, connection or basic.
    kind: &'static str,
    /// When it began, in milliseconds since 1970.
    since_ms: u64,
    /// When it was last used, in milliseconds since 1970.
    last_seen_ms: u64,
    /// When it ends unless it is used before, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_ms: Option<u64>,
    /// The virtual host, if it is a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    vhost: Option<String>,
    /// It is the one that asks.
    present: bool,
}

/// A session, and whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Present {
    /// The session.
    session: SessionOut,
    /// The account.
    account: AccountOut,
    /// Send it as X-CSRF-Token with whatever changes something; for the page whose cookie this session is.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
}

/// Which sessions to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionListParams {
    /// Whose; an administrator may ask for those of others, and `*` for all. Default one's own.
    login: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

impl SessionOut {
    fn of(view: SessionView, caller: &Caller) -> Self {
        Self {
            present: caller.login.session() == Some(&*view.id),
            id: view.id,
            login: view.login.to_string(),
            door: view.door,
            address: view.address,
            client: view.client,
            kind: match view.kind {
                SessionKind::Token => "token",
                SessionKind::Cookie => "cookie",
                SessionKind::Connection => "connection",
                SessionKind::Basic => "basic",
            },
            since_ms: view.since_ms,
            last_seen_ms: view.last_seen_ms,
            expires_ms: view.expires_ms,
            vhost: view.vhost.map(|vhost| vhost.to_string()),
        }
    }
}

/// Log in
///
/// Answers with a token that opens everything that the password opens, until the session ends; or sets it as a cookie.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", security((), ("basic" = []), ("token" = [])),
    request_body = LoginWish,
    responses(
        (status = 201, description = "You are logged in", body = Opened),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    Newcomer(visitor): Newcomer,
    JsonBody(wish): JsonBody<LoginWish>,
) -> Result<Response, Problem> {
    let engine = web.gateway().engine();
    let mut origin = visitor.origin;
    origin.client = wish.client.or(origin.client);
    let login = match (wish.login, wish.password, visitor.caller) {
        (Some(login), Some(password), _) => {
            let credentials = Credentials::Password {
                login: &login,
                password: &password,
            };
            engine.log_in(credentials, &origin).await?
        }
        (None, None, Some(caller)) => caller.login,
        (Some(_), None, _) | (None, Some(_), _) | (None, None, None) => {
            return Err(Problem::invalid("give login and password"));
        }
    };
    let session = SessionWish {
        ttl_ms: wish.ttl_ms,
        is_cookie: wish.cookie,
    };
    let opened = engine.open_session(&login, &origin, session).await?;
    let cookie = wish
        .cookie
        .then(|| set_cookie(&opened.token, wish.ttl_ms, visitor.is_tls))
        .flatten();
    let peer = std::net::SocketAddr::from((origin.address, 0));
    let caller = Caller::new(login, origin, peer);
    let body = Json(Opened {
        token: cookie.is_none().then_some(opened.token),
        csrf: opened.csrf,
        session: SessionOut::of(opened.view, &caller),
    });
    let mut response = (StatusCode::CREATED, body).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The cookie of a session. It goes with the browser's window, unless it is to hold for a time.
fn set_cookie(token: &str, ttl_ms: Option<u64>, is_tls: bool) -> Option<HeaderValue> {
    // A browser would not keep a Secure cookie that came without TLS.
    let secure = if is_tls { "; Secure" } else { "" };
    let age = ttl_ms.map(|ttl_ms| format!("; Max-Age={}", ttl_ms.min(TTL_MS_MAX) / 1_000));
    let age = age.unwrap_or_default();
    let cookie =
        format!("{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict{age}{secure}");
    HeaderValue::from_str(&cookie).ok()
}

/// List sessions
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(SessionListParams),
    responses(
        (status = 200, description = "A page of sessions, by their ids", body = Page<SessionOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<SessionListParams>,
) -> Result<Json<Page<SessionOut>>, Problem> {
    let whose = params
        .login
        .unwrap_or_else(|| caller.login.name.to_string());
    caller.check_self_or_administrator(&whose)?;
    let page = PageParams::new(params.cursor, params.limit)?;
    let engine = web.gateway().engine();
    let mut views = engine.sessions(Some(&*whose).filter(|whose| *whose != "*"));
    views.retain(|view| page.is_behind_cursor(&view.id));
    views.sort_by(|one, other| one.id.cmp(&other.id));
    views.truncate(page.limit() + 1);
    Ok(Json(page.cut(
        views,
        |view| view.id.clone(),
        |view| SessionOut::of(view, &caller),
    )))
}

/// Look at a session
///
/// A page that was loaded again learns so who it is, and what to send as X-CSRF-Token: when it asks for `present` with its cookie, from
/// this server's own address.
#[utoipa::path(get, path = "/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "The session, or `present` for the one that asks")),
    responses(
        (status = 200, description = "The session", body = Present),
        (status = "4XX", description = "There is none of yours of this id", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    InPath(session): InPath<String>,
) -> Result<Json<Present>, Problem> {
    let engine = web.gateway().engine();
    let is_administrator = caller.login.is_administrator();
    let own = (!is_administrator).then_some(&*caller.login.name);
    let (wanted, csrf) = match (session.as_str(), caller.login.session()) {
        ("present", Some(present)) => (present, own_csrf(engine, &caller, &headers)?),
        _ => (session.as_str(), None),
    };
    let views = engine.sessions(own).into_iter();
    let view = views
        .into_iter()
        .find(|view| view.id == wanted)
        .ok_or_else(|| unknown(&session))?;
    Ok(Json(Present {
        account: super::accounts::find(&web, &view.login)?,
        session: SessionOut::of(view, &caller),
        csrf,
    }))
}

/// What the caller's page has to send beside its cookie; nothing for whoever came without one.
fn own_csrf(
    engine: &engine::Handle,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<String>, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let Some(token) = cookie(headers) else {
        return Ok(None);
    };
    if !is_own_page(headers) {
        return Err(Problem::forbidden(
            "this is for the page of this server alone, not for those of others",
        ));
    }
    Ok(engine.csrf_of(&caller.login, &token))
}

/// Says whether a browser sends the request for a page of this server. What browsers say of it stays away where they do not trust the
/// connection; then no other page can read the answer, as none is allowed to.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let is_own_site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let host = text("host").unwrap_or_default();
    let is_own_origin = text("origin").is_none_or(|origin| {
        let address = origin.split_once("://").map(|(_, address)| address);
        address.is_some_and(|address| address.eq_ignore_ascii_case(host))
    });
    is_own_site && is_own_origin
}

/// End a session
///
/// Its connections are closed and its deliveries stop within a second.
#[utoipa::path(delete, path = "/v1/sessions/{session}", tag = "sessions",
    params(("session" = String, Path, description = "The session, or `present` for the one that asks")),
    responses(
        (status = 204, description = "It has ended"),
        (status = "4XX", description = "There is none of yours of this id", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn end(
    State(web): State<Web>,
    caller: Caller,
    headers: HeaderMap,
    InPath(session): InPath<String>,
) -> Result<Response, Problem> {
    let engine = web.gateway().engine();
    let is_present = session == "present";
    let id = match (session.as_str(), caller.login.session()) {
        ("present", Some(present)) => present.to_owned(),
        _ => session,
    };
    let is_administrator = caller.login.is_administrator();
    let own = (!is_administrator).then_some(&*caller.login.name);
    let is_there = engine.sessions(own).iter().any(|view| view.id == id);
    if is_there && engine.end_session(&id, &caller.author()).await? {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if is_present && cookie(&headers).is_some() {
            let gone = format!("{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
            if let Ok(gone) = HeaderValue::try_from(gone) {
                response.headers_mut().insert(header::SET_COOKIE, gone);
            }
        }
        return Ok(response);
    }
    Err(unknown(&id))
}

fn unknown(id: &str) -> Problem {
    Problem::not_found(format!("there is no session '{id}' of yours"))
}
