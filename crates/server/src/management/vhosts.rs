//! Virtual hosts.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use directory::{Change, Permission};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::body::{InPath, JsonBody, flag};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Administrator, Visitor};
use super::{NODE, Site, done};

/// A virtual host as it is shown.
#[derive(Debug, Serialize)]
struct VhostOut {
    name: String,
    description: &'static str,
    tags: [&'static str; 0],
    tracing: bool,
    default_queue_type: &'static str,
    metadata: Value,
    cluster_state: Map<String, Value>,
    messages: u64,
    messages_ready: u64,
    messages_unacknowledged: u64,
}

/// A virtual host to be made. Its description and tags are read and not kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VhostWish {
    #[serde(deserialize_with = "flag")]
    tracing: bool,
}

/// A virtual host in definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VhostRow {
    pub(super) name: String,
}

impl VhostOut {
    async fn of(site: &Site, name: &str) -> Self {
        let queues = site.engine().queues(Some(name)).await;
        let ready = queues.iter().map(|queue| queue.statistics.ready).sum();
        let unacked = queues.iter().map(|queue| queue.statistics.unacked).sum();
        Self {
            name: name.to_owned(),
            description: "",
            tags: [],
            tracing: false,
            default_queue_type: "undefined",
            metadata: json!({"description": "", "tags": []}),
            cluster_state: Map::from_iter([(NODE.to_owned(), "running".into())]),
            messages: ready + unacked,
            messages_ready: ready,
            messages_unacknowledged: unacked,
        }
    }
}

/// Makes a virtual host in which its maker may do everything, as RabbitMQ does.
pub(crate) fn made_by(login: &str, name: String) -> [Change; 2] {
    let everything = || ".*".to_owned();
    let permission = Permission {
        vhost: name.clone(),
        login: login.to_owned(),
        configure: everything(),
        write: everything(),
        read: everything(),
    };
    [
        Change::VhostAdded { name },
        Change::PermissionSet(permission),
    ]
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    let mut rows = Vec::new();
    for (name, _) in visitor.sights(&site, None)? {
        rows.push(VhostOut::of(&site, &name).await);
    }
    view.list(rows)
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(name): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    visitor.sight_of(&site, &name)?;
    view.one(VhostOut::of(&site, &name).await)
}

pub(super) async fn put(
    State(site): State<Site>,
    Administrator(visitor): Administrator,
    InPath(name): InPath<String>,
    JsonBody(wish): JsonBody<VhostWish>,
) -> Result<StatusCode, Failure> {
    if wish.tracing {
        let reason = "messages cannot be traced here; leave tracing off";
        return Err(Failure::bad_request(reason));
    }
    if site.engine().has_vhost(&name) {
        return Ok(done(false));
    }
    let changes = made_by(visitor.login(), name);
    site.commit(changes.into()).await?;
    Ok(done(true))
}

pub(super) async fn delete(
    State(site): State<Site>,
    _: Administrator,
    InPath(name): InPath<String>,
) -> Result<StatusCode, Failure> {
    if !site.engine().has_vhost(&name) {
        return Err(Failure::no_object());
    }
    site.commit(vec![Change::VhostDeleted { name }]).await?;
    Ok(StatusCode::NO_CONTENT)
}
