//! Queues.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use broker::Request;
use broker::topology::PARTITIONS;
use engine::QueueView;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::body::{InPath, JsonBody, flag, object, optional_flag};
use super::consumers::ConsumerOut;
use super::failure::Failure;
use super::view::View;
use super::visitor::{Sight, Visitor};
use super::{NODE, Site, done};
use crate::json::{map_of_table, table_of_json};

/// A queue as it is shown. What is not counted is left out.
#[derive(Debug, Serialize)]
struct QueueOut {
    name: String,
    vhost: String,
    #[serde(rename = "type")]
    kind: &'static str,
    durable: bool,
    auto_delete: bool,
    exclusive: bool,
    arguments: Value,
    node: &'static str,
    state: &'static str,
    policy: Option<String>,
    operator_policy: Option<String>,
    effective_policy_definition: Value,
    consumers: u32,
    messages: u64,
    messages_ready: u64,
    messages_unacknowledged: u64,
    message_bytes_ready: u64,
    memory: u64,
    /// The account that declared it.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_who_performed_action: Option<String>,
    /// Of one queue alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_details: Option<Vec<ConsumerOut>>,
}

/// A queue to be made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct QueueWish {
    #[serde(deserialize_with = "optional_flag")]
    durable: Option<bool>,
    #[serde(deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// A queue in definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueueRow {
    pub(super) name: String,
    /// Missing in the definitions of one virtual host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vhost: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    durable: bool,
    #[serde(default, deserialize_with = "flag")]
    auto_delete: bool,
    #[serde(default, deserialize_with = "object")]
    arguments: Map<String, Value>,
}

/// When to delete a queue.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteParams {
    #[serde(rename = "if-unused")]
    if_unused: Option<String>,
    #[serde(rename = "if-empty")]
    if_empty: Option<String>,
}

/// What to do with a queue.
#[derive(Debug, Deserialize)]
pub(super) struct ActionWish {
    action: String,
}

impl QueueOut {
    fn of(site: &Site, view: QueueView) -> Self {
        let statistics = view.statistics;
        let policy = view.policy.as_deref();
        let definition = policy.and_then(|name| site.policy_definition(&view.vhost, name));
        Self {
            name: view.name.to_string(),
            vhost: view.vhost.to_string(),
            kind: view.kind.name(),
            durable: view.durable,
            auto_delete: view.auto_delete,
            exclusive: view.exclusive,
            arguments: map_of_table(&view.arguments).into(),
            node: NODE,
            state: "running",
            effective_policy_definition: definition.unwrap_or_else(|| Map::new().into()),
            policy: view.policy,
            operator_policy: None,
            consumers: statistics.consumers,
            messages: statistics.ready + statistics.unacked,
            messages_ready: statistics.ready,
            messages_unacknowledged: statistics.unacked,
            message_bytes_ready: statistics.ready_bytes,
            memory: statistics.resident_bytes,
            user_who_performed_action: view.owner.map(|owner| owner.to_string()),
            consumer_details: None,
        }
    }
}

impl QueueRow {
    pub(super) fn of(view: &QueueView, has_vhost: bool) -> Self {
        let mut arguments = map_of_table(&view.arguments);
        if view.partitions > 0 {
            // As many as there are by now.
            arguments.insert(PARTITIONS.to_owned(), view.partitions.into());
        }
        Self {
            name: view.name.to_string(),
            vhost: has_vhost.then(|| view.vhost.to_string()),
            durable: view.durable,
            auto_delete: view.auto_delete,
            arguments,
        }
    }

    /// The request that makes it.
    pub(super) fn declaration(&self) -> Result<Request, Failure> {
        let wish = QueueWish {
            durable: Some(self.durable),
            auto_delete: self.auto_delete,
            arguments: self.arguments.clone(),
        };
        wish.declaration(self.name.clone())
    }
}

impl QueueWish {
    fn declaration(self, name: String) -> Result<Request, Failure> {
        Ok(Request::QueueDeclare {
            name,
            passive: false,
            durable: self.durable.unwrap_or(false),
            exclusive: false,
            auto_delete: self.auto_delete,
            arguments: table_of_json(&self.arguments).map_err(Failure::bad_request)?,
        })
    }
}

/// Finds a queue that the visitor sees.
pub(super) async fn find(site: &Site, sight: &Sight, name: &str) -> Result<QueueView, Failure> {
    let engine = site.engine();
    let found = engine.queues_seen_by(sight.access(), |one| *one.name == *name, 1);
    found.await.pop().ok_or_else(Failure::no_object)
}

/// Every queue that the visitor sees.
pub(super) async fn seen(site: &Site, sights: &[(String, Sight)]) -> Vec<QueueView> {
    let mut views = Vec::new();
    for (_, sight) in sights {
        let of_host = site
            .engine()
            .queues_seen_by(sight.access(), |_| true, usize::MAX);
        views.extend(of_host.await);
    }
    views
}

async fn listed(
    site: &Site,
    visitor: &Visitor,
    vhost: Option<&str>,
    view: &View,
) -> Result<Response, Failure> {
    let sights = visitor.sights(site, vhost)?;
    let views = seen(site, &sights).await;
    view.list(views.into_iter().map(|queue| QueueOut::of(site, queue)))
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    listed(&site, &visitor, None, &view).await
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    listed(&site, &visitor, Some(&vhost), &view).await
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    let queue = find(&site, &sight, &name).await?;
    let mut out = QueueOut::of(&site, queue);
    let consumers = super::consumers::of_queue(&site, &vhost, &name).await;
    out.consumer_details = Some(consumers);
    view.one(out)
}

pub(super) async fn put(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<QueueWish>,
) -> Result<StatusCode, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    let is_new = find(&site, &sight, &name).await.is_err();
    let link = visitor.link(&site, &vhost).await?;
    link.request(wish.declaration(name)?).await?;
    Ok(done(is_new))
}

pub(super) async fn delete(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    axum::extract::Query(params): axum::extract::Query<DeleteParams>,
) -> Result<StatusCode, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    find(&site, &sight, &name).await?;
    let is_true = |text: Option<String>| text.is_some_and(|text| text == "true");
    let request = Request::QueueDelete {
        name,
        if_unused: is_true(params.if_unused),
        if_empty: is_true(params.if_empty),
    };
    visitor.link(&site, &vhost).await?.request(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn purge(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
) -> Result<StatusCode, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    find(&site, &sight, &name).await?;
    let request = Request::QueuePurge { name };
    visitor.link(&site, &vhost).await?.request(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Synchronising mirrors, which has nothing to do on one node.
pub(super) async fn act(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<ActionWish>,
) -> Result<StatusCode, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    find(&site, &sight, &name).await?;
    match wish.action.as_str() {
        "sync" | "cancel_sync" => Ok(StatusCode::NO_CONTENT),
        other => Err(Failure::bad_request(format!("unknown action '{other}'"))),
    }
}
