//! What lies in a queue and around it, for whoever looks after it: samples of the last minutes, consumers, bindings, messages.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use broker::access::Resource;
use broker::arguments::QueueKind;
use broker::{Name, StreamOffset};
use engine::ConnectionView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, Params};
use super::caller::Caller;
use super::deadletters::settles;
use super::message::MessageOut;
use super::problem::Problem;
use super::pull::parse_offset;
use super::queues::find_as;
use super::samples::{OwnRights, SampleParams, Samples, VhostParams, vhost_of};
use crate::gateway::{Delivered, Link, Pull, PullFrom, SettleKind};
use crate::json::json_of_table;

/// Messages of one look.
const PEEK_MAX: usize = 100;
const PEEK_DEFAULT: usize = 20;
/// What is shown of a body.
const BODY_BYTES_DEFAULT: usize = 64 << 10;
const BODY_BYTES_MAX: usize = 1 << 20;
/// No more messages are read for one look once their bodies have so many bytes.
const LOOK_BYTES_MAX: usize = 4 << 20;
/// Messages that are read at a time: with the longest bodies that there are, too.
const PEEK_STEP: usize = 4;
/// How long they are held meanwhile.
const HELD_MS: u64 = 10_000;

/// A consumer of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConsumerOut {
    /// Its tag.
    tag: String,
    /// Whose it is; absent when its connection has just gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<String>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What its client calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    /// The interface that it came in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    door: Option<String>,
    /// Its connection.
    connection: String,
    /// Its channel there.
    channel: u16,
    /// Messages that it may have unacknowledged; 0 is no bound.
    prefetch: u32,
    /// Messages that it has unacknowledged.
    unacknowledged: u32,
    /// What it gets has to be acknowledged.
    ack_required: bool,
    /// It has the queue to itself.
    exclusive: bool,
    /// It is served; others wait for their turn where only one is at a time.
    active: bool,
}

/// The consumers of a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Consumers {
    /// The consumers.
    items: Vec<ConsumerOut>,
}

/// What leads to a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inbound {
    /// The topic that messages come from.
    topic: String,
    /// The binding's pattern, or routing key.
    pattern: String,
    /// The binding's arguments.
    #[schema(value_type = Object)]
    arguments: serde_json::Value,
}

/// Everything that leads to a queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inbounds {
    /// The bindings.
    items: Vec<Inbound>,
}

/// Which messages to look at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct PeekParams {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where to begin in a stream: first, last, next, an offset, or a time as @SECONDS since 1970. Default first.
    offset: Option<String>,
    /// How much of each body is shown.
    #[param(minimum = 0, maximum = 1_048_576, default = 65_536)]
    body_bytes: Option<usize>,
    /// The virtual host. Default `/`.
    vhost: Option<String>,
}

/// A message that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Peeked {
    /// The message.
    #[serde(flatten)]
    message: MessageOut,
    /// How many bytes its whole body has.
    body_bytes: usize,
    /// The body is longer than what is shown of it.
    body_truncated: bool,
}

/// Messages that were looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Look {
    /// The messages, in order.
    items: Vec<Peeked>,
    /// Where to go on in a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

/// See how a queue did lately
///
/// A sample every five seconds, for twelve minutes. Where there are more than a thousand queues, a queue is sampled from the first time
/// that somebody looks.
#[utoipa::path(get, path = "/v1/queues/{queue}/history", tag = "queues",
    params(("queue" = String, Path, description = "The queue"), SampleParams),
    responses(
        (status = 200, description = "The samples, the oldest first", body = Samples),
        (status = "4XX", description = "There is none that you have a right on", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn history(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<SampleParams>,
) -> Result<Json<Samples>, Problem> {
    let (limit, vhost) = params.read()?;
    let access = caller.access(&web, &vhost)?;
    let view = find_as(&web, &access, &queue).await?;
    let now_ms = web.gateway().engine().now_ms();
    let points = web
        .history()
        .of_queue(&(view.vhost, view.name), limit, now_ms);
    Ok(Json(Samples::of(&points)))
}

/// List a queue's consumers
#[utoipa::path(get, path = "/v1/queues/{queue}/consumers", tag = "queues",
    params(("queue" = String, Path, description = "The queue"), VhostParams),
    responses(
        (status = 200, description = "Its consumers, those of its partitions among them", body = Consumers),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn consumers(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<VhostParams>,
) -> Result<Json<Consumers>, Problem> {
    let vhost = vhost_of(params.vhost);
    let access = caller.access(&web, &vhost)?;
    find_as(&web, &access, &queue).await?;
    let engine = web.gateway().engine();
    // They tell of others: who is there, and from where.
    OwnRights::of(engine, &access, Resource::Queue, &queue).check_insight()?;
    let open: HashMap<_, _> = engine
        .connections()
        .into_iter()
        .map(|view| (view.id, view))
        .collect();
    let found = engine.consumers_of(&vhost, &queue).await;
    let mut items: Vec<_> = found
        .iter()
        .map(|consumer| ConsumerOut::of(consumer, open.get(&consumer.connection)))
        .collect();
    items.sort_by(|one, other| (&one.tag, &one.connection).cmp(&(&other.tag, &other.connection)));
    Ok(Json(Consumers { items }))
}

impl ConsumerOut {
    fn of(consumer: &broker::shard::ConsumerView, connection: Option<&ConnectionView>) -> Self {
        let info = connection.map(|view| &view.info);
        Self {
            tag: consumer.tag.to_string(),
            login: info.map(|info| info.login.to_string()),
            address: info.map(|info| info.peer.clone()),
            client: info.and_then(|info| info.client.clone()),
            door: info.map(|info| info.protocol.to_owned()),
            connection: consumer.connection.0.to_string(),
            channel: consumer.channel,
            prefetch: consumer.prefetch,
            unacknowledged: consumer.unacked,
            ack_required: !consumer.no_ack,
            exclusive: consumer.exclusive,
            active: consumer.active,
        }
    }
}

/// List what leads to a queue
#[utoipa::path(get, path = "/v1/queues/{queue}/bindings", tag = "queues",
    params(("queue" = String, Path, description = "The queue"), VhostParams),
    responses(
        (status = 200, description = "Bindings from topics that you have a right on", body = Inbounds),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn bindings(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<VhostParams>,
) -> Result<Json<Inbounds>, Problem> {
    let access = caller.access(&web, &vhost_of(params.vhost))?;
    find_as(&web, &access, &queue).await?;
    let engine = web.gateway().engine();
    let found = engine.bindings_to_queue_seen_by(&access, &queue);
    let items = found.iter().map(|view| Inbound {
        topic: view.source.to_string(),
        pattern: view.routing_key.to_string(),
        arguments: json_of_table(&view.arguments),
    });
    Ok(Json(Inbounds {
        items: items.collect(),
    }))
}

/// Look at messages without taking them
///
/// Of a queue those at its head: they stay where they are, and count as not delivered. For a moment nobody else gets them. A stream is
/// looked at from any place. There are fewer than were asked for when their bodies have more than 4 MiB.
#[utoipa::path(get, path = "/v1/queues/{queue}/peek", tag = "messages",
    params(("queue" = String, Path, description = "The queue or stream"), PeekParams),
    responses(
        (status = 200, description = "The messages, in order", body = Look),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn peek(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<PeekParams>,
) -> Result<Json<Look>, Problem> {
    let limit = params.limit.unwrap_or(PEEK_DEFAULT);
    if !(1..=PEEK_MAX).contains(&limit) {
        return Err(Problem::invalid(format!("limit is from 1 to {PEEK_MAX}")));
    }
    let body_bytes = params.body_bytes.unwrap_or(BODY_BYTES_DEFAULT);
    if body_bytes > BODY_BYTES_MAX {
        let detail = format!("body_bytes is at most {BODY_BYTES_MAX}");
        return Err(Problem::invalid(detail));
    }
    let vhost = vhost_of(params.vhost);
    let access = caller.access(&web, &vhost)?;
    let is_stream = find_as(&web, &access, &queue).await?.kind == QueueKind::Stream;
    let from = match (is_stream, params.offset) {
        (true, None) => PullFrom::Stream(StreamOffset::First),
        (true, Some(text)) => PullFrom::Stream(parse_offset(&text)?),
        (false, None) => PullFrom::Queue,
        (false, Some(_)) => {
            return Err(Problem::invalid(
                "only a stream is looked at from an offset; this is a queue, of which the head is shown",
            ));
        }
    };
    let link = caller.link(&web, &vhost).await?;
    let seen = look(&link, &queue, from, limit).await;
    let (seen, refusal) = match seen {
        Ok(seen) => (seen, None),
        Err((seen, refusal)) => (seen, Some(refusal)),
    };
    let items: Vec<_> = seen
        .iter()
        .map(|delivered| Peeked::of(delivered, &link, body_bytes))
        .collect();
    link.settle(settles(&seen, SettleKind::Return)).await?;
    if let Some(refusal) = refusal {
        return Err(refusal.into());
    }
    let last = items.last().and_then(|last| last.message.offset);
    Ok(Json(Look {
        next_offset: last.map(|last| last + 1),
        items,
    }))
}

/// Holds messages of a queue, or reads those of a stream, a few at a time. What is held already comes with the error.
async fn look(
    link: &Link,
    queue: &str,
    mut from: PullFrom,
    limit: usize,
) -> Result<Vec<Delivered>, (Vec<Delivered>, broker::Refusal)> {
    let mut seen: Vec<Delivered> = Vec::new();
    let mut bytes = 0;
    while seen.len() < limit && bytes < LOOK_BYTES_MAX {
        let step = (limit - seen.len()).min(PEEK_STEP);
        let pull = Pull {
            queue: queue.to_owned(),
            max: u32::try_from(step).unwrap_or(1),
            wait_ms: 0,
            lease_ms: HELD_MS,
            from,
            no_ack: false,
            hold: None,
        };
        let more = match link.pull(pull).await {
            Ok(more) => more,
            Err(refusal) => return Err((seen, refusal)),
        };
        let Some(last) = more.last() else { break };
        if matches!(from, PullFrom::Stream(_)) {
            // A stream's offsets are its sequence numbers less one.
            from = PullFrom::Stream(StreamOffset::Offset(last.sequence));
        }
        bytes += more
            .iter()
            .map(|one| one.message.body().len())
            .sum::<usize>();
        seen.extend(more);
    }
    Ok(seen)
}

impl Peeked {
    fn of(delivered: &Delivered, link: &Link, body_bytes: usize) -> Self {
        let mut message = MessageOut::cut(delivered, link, body_bytes);
        message.lease = None;
        let whole = delivered.message.body().len();
        Self {
            body_bytes: whole,
            body_truncated: whole > body_bytes,
            message,
        }
    }
}

/// The name under which samples of a queue are kept.
pub(super) fn sample_key(vhost: &Name, name: &Name) -> (Name, Name) {
    (vhost.clone(), name.clone())
}
