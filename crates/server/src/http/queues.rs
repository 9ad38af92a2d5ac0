//! Queues: made, listed, looked at, emptied, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use broker::access::Access;
use broker::{Reply, Request};
use codec::amqp::field::{Table, Value};
use engine::QueueView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::page::{Page, PageParams};
use super::problem::Problem;
use crate::flaw::check_name;
use crate::json::json_of_table;

/// How a queue keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Messages leave when they are acknowledged.
    #[default]
    Queue,
    /// The same, counting deliveries, so that a message that nobody can work on is set aside.
    Quorum,
    /// A log that many read from any offset; messages leave by age or size.
    Stream,
}

/// What happens when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Overflow {
    /// The oldest message goes.
    DropHead,
    /// The new message is refused.
    RejectPublish,
    /// The new message is refused and goes to the dead letters.
    RejectPublishDlx,
}

/// What a queue is asked to do beside keeping messages.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueSettings {
    /// How many milliseconds a message may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_ttl_ms: Option<u64>,
    /// After how many milliseconds without use the queue goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    expires_ms: Option<u64>,
    /// At most so many messages wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<u64>,
    /// At most so many bytes of bodies wait, or lie in the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length_bytes: Option<u64>,
    /// What happens beyond these.
    #[serde(skip_serializing_if = "Option::is_none")]
    overflow: Option<Overflow>,
    /// The exchange that dead messages go to; empty leads to the queue named by the routing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_exchange: Option<String>,
    /// The routing key that they get.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_routing_key: Option<String>,
    /// The highest priority.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 255)]
    max_priority: Option<u8>,
    /// Only one consumer at a time is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    single_active_consumer: Option<bool>,
    /// How often a message may be delivered before it is set aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_limit: Option<u32>,
    /// For how many milliseconds deduplication ids are remembered. Default 300,000; 0 is not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 86_400_000)]
    dedup_window_ms: Option<u64>,
    /// How long a stream keeps messages, as 7D, 12h, 30m or 45s.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<String>,
}

/// A queue to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueWish {
    /// How it keeps its messages.
    kind: Kind,
    /// It outlives a restart of the server. Default true.
    durable: Option<bool>,
    /// It goes with its last consumer.
    auto_delete: bool,
    /// What else it does.
    settings: QueueSettings,
}

/// A queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct QueueOut {
    /// Its name.
    name: String,
    /// How it keeps its messages.
    kind: Kind,
    /// It outlives a restart of the server.
    durable: bool,
    /// It goes with its last consumer.
    auto_delete: bool,
    /// Only one connection may use it.
    exclusive: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What it was declared with, in AMQP's terms.
    #[schema(value_type = Object)]
    arguments: serde_json::Value,
    /// The policy that holds for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    /// Messages that wait for delivery.
    messages_ready: u64,
    /// Messages whose time has not come.
    messages_delayed: u64,
    /// Messages that were delivered and not settled.
    messages_unacknowledged: u64,
    /// Bytes of the bodies of those that wait.
    message_bytes: u64,
    /// Consumers attached.
    consumers: u32,
}

/// Which queues to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only queues whose name contains this.
    name: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// How many messages were concerned.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageCount {
    /// So many.
    messages: u64,
}

/// When to delete a queue.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteParams {
    /// Only if it has no consumers.
    if_unused: bool,
    /// Only if it has no messages.
    if_empty: bool,
}

impl QueueSettings {
    fn arguments(&self, kind: Kind) -> Table {
        let mut table = Table::default();
        let mut number = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                table.insert(name, i64::try_from(value).unwrap_or(i64::MAX));
            }
        };
        number("x-message-ttl", self.message_ttl_ms);
        number("x-expires", self.expires_ms);
        number("x-max-length", self.max_length);
        number("x-max-length-bytes", self.max_length_bytes);
        number("x-max-priority", self.max_priority.map(u64::from));
        number("x-delivery-limit", self.delivery_limit.map(u64::from));
        number("x-dedup-window", self.dedup_window_ms);
        let overflow = self.overflow.map(|overflow| match overflow {
            Overflow::DropHead => "drop-head",
            Overflow::RejectPublish => "reject-publish",
            Overflow::RejectPublishDlx => "reject-publish-dlx",
        });
        let kind = match kind {
            Kind::Queue => None,
            Kind::Quorum => Some("quorum"),
            Kind::Stream => Some("stream"),
        };
        let mut text = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                table.insert(name, Value::LongString(value.as_bytes().to_vec()));
            }
        };
        text("x-queue-type", kind);
        text("x-overflow", overflow);
        text(
            "x-dead-letter-exchange",
            self.dead_letter_exchange.as_deref(),
        );
        text(
            "x-dead-letter-routing-key",
            self.dead_letter_routing_key.as_deref(),
        );
        text("x-max-age", self.max_age.as_deref());
        if let Some(flag) = self.single_active_consumer {
            table.insert("x-single-active-consumer", flag);
        }
        table
    }
}

impl QueueOut {
    fn of(view: QueueView) -> Self {
        Self {
            name: view.name.to_string(),
            kind: match view.kind {
                broker::arguments::QueueKind::Classic => Kind::Queue,
                broker::arguments::QueueKind::Quorum => Kind::Quorum,
                broker::arguments::QueueKind::Stream => Kind::Stream,
            },
            durable: view.durable,
            auto_delete: view.auto_delete,
            exclusive: view.exclusive,
            owner: view.owner.map(|owner| owner.to_string()),
            arguments: json_of_table(&view.arguments),
            policy: view.policy,
            messages_ready: view.statistics.ready,
            messages_delayed: view.statistics.delayed,
            messages_unacknowledged: view.statistics.unacked,
            message_bytes: view.statistics.ready_bytes,
            consumers: view.statistics.consumers,
        }
    }
}

/// List the queues that you have a right on
#[utoipa::path(get, path = "/v1/queues", tag = "queues", params(ListParams),
    responses(
        (status = 200, description = "A page of queues, by name", body = Page<QueueOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<QueueOut>>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let page = PageParams::new(params.cursor, params.limit)?;
    let contains = params.name.unwrap_or_default();
    let views = web
        .gateway()
        .engine()
        .queues_seen_by(
            &access,
            |name| page.is_behind_cursor(name) && name.contains(&contains),
            page.limit() + 1,
        )
        .await;
    Ok(Json(page.cut(
        views,
        |view| view.name.to_string(),
        QueueOut::of,
    )))
}

/// Make a queue
///
/// Making one that is there already in the same form changes nothing.
#[utoipa::path(put, path = "/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "The queue")),
    request_body = QueueWish,
    responses(
        (status = 200, description = "It was there", body = QueueOut),
        (status = 201, description = "It is new", body = QueueOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(wish): JsonBody<QueueWish>,
) -> Result<(StatusCode, Json<QueueOut>), Problem> {
    check_name("queue", &queue)?;
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let was_there = find(&web, &caller, &queue).await.is_ok();
    link.request(Request::QueueDeclare {
        name: queue.clone(),
        passive: false,
        durable: wish.durable.unwrap_or(true),
        exclusive: false,
        auto_delete: wish.auto_delete,
        arguments: wish.settings.arguments(wish.kind),
    })
    .await?;
    let status = if was_there {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(find(&web, &caller, &queue).await?)))
}

/// Look at a queue
#[utoipa::path(get, path = "/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "The queue", body = QueueOut),
        (status = "4XX", description = "There is none that you have a right on", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
) -> Result<Json<QueueOut>, Problem> {
    find(&web, &caller, &queue).await.map(Json)
}

/// What is to change of a queue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueChange {
    /// Its new name; bindings, grants and keys follow.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
}

/// Rename a queue
#[utoipa::path(patch, path = "/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "The queue")),
    request_body = QueueChange,
    responses(
        (status = 200, description = "The queue under its new name", body = QueueOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn rename(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(change): JsonBody<QueueChange>,
) -> Result<Json<QueueOut>, Problem> {
    check_name("name", &change.name)?;
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let engine = web.gateway().engine();
    let author = caller.author();
    let renamed = engine.rename_queue(&access, &queue, &change.name, &author);
    renamed.await?;
    find(&web, &caller, &change.name).await.map(Json)
}

/// Delete a queue with its messages
#[utoipa::path(delete, path = "/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "The queue"), DeleteParams),
    responses(
        (status = 200, description = "It is gone, with so many messages", body = MessageCount),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<DeleteParams>,
) -> Result<Json<MessageCount>, Problem> {
    // RabbitMQ's answer for a queue that is missing is that it is deleted; here one is told.
    find(&web, &caller, &queue).await?;
    let request = Request::QueueDelete {
        name: queue,
        if_unused: params.if_unused,
        if_empty: params.if_empty,
    };
    counted(&web, &caller, request).await
}

/// Delete all messages that wait in a queue
#[utoipa::path(post, path = "/v1/queues/{queue}/purge", tag = "queues",
    params(("queue" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "So many messages are gone", body = MessageCount),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn purge(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
) -> Result<Json<MessageCount>, Problem> {
    counted(&web, &caller, Request::QueuePurge { name: queue }).await
}

async fn counted(
    web: &Web,
    caller: &Caller,
    request: Request,
) -> Result<Json<MessageCount>, Problem> {
    let link = caller.link(web, DEFAULT_VHOST).await?;
    let messages = match link.request(request).await? {
        Reply::Purged(messages) | Reply::Deleted(messages) => messages,
        Reply::Done | Reply::QueueDeclared { .. } | Reply::Got(..) | Reply::Empty => 0,
    };
    Ok(Json(MessageCount { messages }))
}

/// Finds a queue that the caller has a right on.
async fn find(web: &Web, caller: &Caller, queue: &str) -> Result<QueueOut, Problem> {
    let access = caller.access(web, DEFAULT_VHOST)?;
    find_as(web, &access, queue).await.map(QueueOut::of)
}

pub(super) async fn find_as(web: &Web, access: &Access, queue: &str) -> Result<QueueView, Problem> {
    let engine = web.gateway().engine();
    let found = engine.queues_seen_by(access, |name| name == queue, 1).await;
    found.into_iter().next().ok_or_else(|| {
        Problem::not_found(format!(
            "there is no queue '{queue}' that you have a right on"
        ))
    })
}
