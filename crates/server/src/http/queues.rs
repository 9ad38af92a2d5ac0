//! Queues: made, listed, looked at, emptied, deleted.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use broker::Request;
use broker::access::{Access, Resource};
use broker::topology::PARTITIONS;
use codec::amqp::field::{Table, Value};
use engine::QueueView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::insight::sample_key;
use super::page::{Page, PageParams};
use super::problem::Problem;
use super::samples::{BRIEF_POINTS, OwnRights, Rates, Sparkline, VhostParams, vhost_of};
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
    /// A queue that is split: messages with the same key keep their order, others do not wait for them.
    Partitioned,
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
    /// Into how many partitions it is split; for the kinds partitioned, which needs it, and stream.
    #[schema(minimum = 1, maximum = 1_024)]
    partitions: Option<u32>,
    /// What else it does, each partition for itself.
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
    /// Into how many partitions it is split.
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<u32>,
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
    /// The virtual host.
    vhost: String,
    /// What you may do with it.
    rights: OwnRights,
    /// What happened per second in the last five seconds, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Rates>,
    /// How it was in the last minutes, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Sparkline>,
}

/// Which queues to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct QueueListParams {
    /// Only queues whose name contains this.
    name: Option<String>,
    /// Tell of each how it was in the last two and a half minutes.
    history: bool,
    /// The virtual host. Default `/`.
    vhost: Option<String>,
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
            Kind::Queue | Kind::Partitioned => None,
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
    /// Writes a queue for whoever has `access`; with as many samples of the last minutes as there are to be.
    fn of(web: &Web, access: &Access, view: QueueView, points: usize) -> Self {
        let engine = web.gateway().engine();
        let key = sample_key(&view.vhost, &view.name);
        let samples = web.history().of_queue(&key, points.max(1), engine.now_ms());
        Self {
            rights: OwnRights::of(engine, access, Resource::Queue, &view.name),
            rates: samples.last().map(|newest| newest.rates.into()),
            history: (points > 0).then(|| Sparkline::of(&samples)),
            vhost: view.vhost.to_string(),
            name: view.name.to_string(),
            partitions: Some(view.partitions).filter(|count| *count > 0),
            kind: match view.kind {
                broker::arguments::QueueKind::Classic if view.partitions > 0 => Kind::Partitioned,
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
#[utoipa::path(get, path = "/v1/queues", tag = "queues", params(QueueListParams),
    responses(
        (status = 200, description = "A page of queues, by name", body = Page<QueueOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<QueueListParams>,
) -> Result<Json<Page<QueueOut>>, Problem> {
    let access = caller.access(&web, &vhost_of(params.vhost))?;
    let page = PageParams::new(params.cursor, params.limit)?;
    let contains = params.name.unwrap_or_default();
    let points = if params.history { BRIEF_POINTS } else { 0 };
    let views = web
        .gateway()
        .engine()
        .queues_seen_by(
            &access,
            |queue| {
                let is_wanted = queue.partition_of.is_none() && queue.name.contains(&contains);
                is_wanted && page.is_behind_cursor(&queue.name)
            },
            page.limit() + 1,
        )
        .await;
    Ok(Json(page.cut(
        views,
        |view| view.name.to_string(),
        |view| QueueOut::of(&web, &access, view, points),
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
    let mut arguments = wish.settings.arguments(wish.kind);
    match (wish.kind, wish.partitions) {
        (Kind::Queue | Kind::Quorum | Kind::Stream, None) => {}
        (Kind::Partitioned | Kind::Stream, Some(count)) => {
            arguments.insert(PARTITIONS, i64::from(count));
        }
        (Kind::Partitioned, None) => {
            return Err(Problem::invalid("say by partitions how many it is to have"));
        }
        (Kind::Queue | Kind::Quorum, Some(_)) => {
            return Err(Problem::invalid(
                "only the kinds partitioned and stream have partitions",
            ));
        }
    }
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let was_there = find(&web, &caller, &queue).await.is_ok();
    link.request(Request::QueueDeclare {
        name: queue.clone(),
        passive: false,
        durable: wish.durable.unwrap_or(true),
        exclusive: false,
        auto_delete: wish.auto_delete,
        arguments,
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
    params(("queue" = String, Path, description = "The queue"), VhostParams),
    responses(
        (status = 200, description = "The queue", body = QueueOut),
        (status = "4XX", description = "There is none that you have a right on", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<VhostParams>,
) -> Result<Json<QueueOut>, Problem> {
    let access = caller.access(&web, &vhost_of(params.vhost))?;
    let view = find_as(&web, &access, &queue).await?;
    Ok(Json(QueueOut::of(&web, &access, view, 0)))
}

/// What is to change of a queue.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueChange {
    /// Its new name; bindings, grants, keys and partitions follow.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Into how many partitions it is split, not fewer than before. Some keys move to the new ones; messages stay where they are.
    #[schema(minimum = 1, maximum = 1_024)]
    partitions: Option<u32>,
}

/// Rename a queue, or split it further
#[utoipa::path(patch, path = "/v1/queues/{queue}", tag = "queues",
    params(("queue" = String, Path, description = "The queue")),
    request_body = QueueChange,
    responses(
        (status = 200, description = "The queue after the change", body = QueueOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn rename(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(change): JsonBody<QueueChange>,
) -> Result<Json<QueueOut>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let author = caller.author();
    if let Some(count) = change.partitions {
        let gateway = web.gateway();
        let raised = gateway.raise_partitions(&access, &queue, count, &author);
        raised.await?;
    }
    let Some(name) = change.name else {
        return find(&web, &caller, &queue).await.map(Json);
    };
    let engine = web.gateway().engine();
    check_name("name", &name)?;
    let renamed = engine.rename_queue(&access, &queue, &name, &author);
    renamed.await?;
    find(&web, &caller, &name).await.map(Json)
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
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let view = find_as(&web, &access, &queue).await?;
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let gateway = web.gateway();
    let deleted = gateway.delete(&link, &view, params.if_unused, params.if_empty);
    let messages = deleted.await?;
    Ok(Json(MessageCount { messages }))
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
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let purged = web.gateway().purge(&link, DEFAULT_VHOST, &queue);
    let messages = purged.await?;
    Ok(Json(MessageCount { messages }))
}

/// Finds a queue that the caller has a right on.
async fn find(web: &Web, caller: &Caller, queue: &str) -> Result<QueueOut, Problem> {
    let access = caller.access(web, DEFAULT_VHOST)?;
    let view = find_as(web, &access, queue).await?;
    Ok(QueueOut::of(web, &access, view, 0))
}

pub(super) async fn find_as(web: &Web, access: &Access, queue: &str) -> Result<QueueView, Problem> {
    let engine = web.gateway().engine();
    let found = engine
        .queues_seen_by(access, |one| *one.name == *queue, 1)
        .await;
    found.into_iter().next().ok_or_else(|| {
        Problem::not_found(format!(
            "there is no queue '{queue}' that you have a right on"
        ))
    })
}
