//! Dead letters: looked at where they lie, sent back to where they died, or discarded.
//!
//! Any queue that a dead-letter exchange leads to holds them; each message says in its headers where it died and why. While some are
//! looked through, nobody else gets them.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use broker::{Refusal, RefusalKind};
use codec::amqp::field::{Table, Value};
use codec::amqp::properties::{Properties, PropertiesRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::message::MessageOut;
use super::problem::Problem;
use crate::gateway::{Delivered, Link, Outgoing, Pull, PullFrom, Settle, SettleKind};

/// Messages of one look.
const LIST_MAX: u32 = 1_000;
/// Messages that are looked through for those that are wanted.
pub(crate) const SEARCHED_MAX: usize = 10_000;
/// How long they are held meanwhile, in milliseconds.
const HELD_MS: u64 = 60_000;
/// Headers that say how a message died.
const DEATH_HEADERS: [&str; 7] = [
    "x-death",
    "x-first-death-exchange",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-exchange",
    "x-last-death-queue",
    "x-last-death-reason",
];

/// How many to look at.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct LookParams {
    /// At most so many, from the head of the queue.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    /// The queue that it died in.
    #[serde(skip_serializing_if = "Option::is_none")]
    died_in: Option<String>,
    /// Why: rejected, expired, maxlen or delivery_limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How often it died there for that reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    /// The message.
    message: MessageOut,
}

/// Dead letters from the head of their queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetters {
    /// The letters.
    items: Vec<DeadLetter>,
}

/// Which dead letters are meant.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Chosen {
    /// Those at these positions of their queue.
    #[schema(max_items = 10_000)]
    positions: HashSet<u64>,
    /// All of them.
    all: bool,
}

/// What became of them.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Handled {
    /// How many were replayed or discarded.
    done: u64,
    /// Those that stay, and why.
    failed: Vec<Failed>,
}

/// A dead letter that stays where it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failed {
    /// Its position.
    position: u64,
    /// Why.
    detail: String,
}

/// Look at dead letters
///
/// They stay where they are.
#[utoipa::path(get, path = "/v1/queues/{queue}/deadletters", tag = "dead letters",
    params(("queue" = String, Path, description = "The queue that dead letters go to"), LookParams),
    responses(
        (status = 200, description = "Dead letters from the head of the queue", body = DeadLetters),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<LookParams>,
) -> Result<Json<DeadLetters>, Problem> {
    let limit = params.limit.unwrap_or(100);
    if !(1..=LIST_MAX).contains(&limit) {
        return Err(Problem::invalid(format!("limit is from 1 to {LIST_MAX}")));
    }
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let held = hold(&link, &queue, limit as usize).await?;
    let items = held.iter().map(|delivered| {
        let mut message = MessageOut::of(delivered, &link);
        message.lease = None;
        let death = Death::of(&properties_of(delivered));
        DeadLetter {
            died_in: death.queue,
            reason: death.reason,
            count: death.count,
            message,
        }
    });
    let items = items.collect();
    link.settle(settles(&held, SettleKind::Return)).await?;
    Ok(Json(DeadLetters { items }))
}

/// Send dead letters back to the queues that they died in
#[utoipa::path(post, path = "/v1/queues/{queue}/deadletters/replay", tag = "dead letters",
    params(("queue" = String, Path, description = "The queue that dead letters go to")),
    request_body = Chosen,
    responses(
        (status = 200, description = "What became of them", body = Handled),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn replay(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(chosen): JsonBody<Chosen>,
) -> Result<Json<Handled>, Problem> {
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let (wanted, mut handled) = choose(&link, &queue, &chosen).await?;
    let (sent, lost): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .map(|delivered| (resent(&delivered, false), delivered))
        .partition(|(message, _)| message.is_some());
    let messages = sent.iter().filter_map(|(message, _)| message.clone());
    let outcomes = link.publish(messages.collect()).await?;
    let mut verdicts: Vec<_> = lost
        .into_iter()
        .map(|(_, delivered)| (delivered, Some("it does not say where it died")))
        .collect();
    for ((_, delivered), outcome) in sent.into_iter().zip(outcomes) {
        let problem = match outcome {
            Ok(outcome) if outcome.is_rejected => Some("the queue that it died in is full"),
            Ok(outcome) if !outcome.is_routed => Some("the queue that it died in is gone"),
            Ok(_) => None,
            Err(_) => Some("you may not publish to the queue that it died in"),
        };
        verdicts.push((delivered, problem));
    }
    let (safe, back): (Vec<_>, Vec<_>) = verdicts
        .into_iter()
        .partition(|(_, problem)| problem.is_none());
    handled
        .failed
        .extend(back.iter().map(|(delivered, problem)| Failed {
            position: delivered.sequence,
            detail: problem.unwrap_or_default().to_owned(),
        }));
    let back: Vec<_> = back.into_iter().map(|(delivered, _)| delivered).collect();
    link.settle(settles(&back, SettleKind::Return)).await?;
    let safe: Vec<_> = safe.into_iter().map(|(delivered, _)| delivered).collect();
    finish(&link, &safe, handled).await
}

/// Discard dead letters
#[utoipa::path(post, path = "/v1/queues/{queue}/deadletters/discard", tag = "dead letters",
    params(("queue" = String, Path, description = "The queue that dead letters go to")),
    request_body = Chosen,
    responses(
        (status = 200, description = "What became of them", body = Handled),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn discard(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(chosen): JsonBody<Chosen>,
) -> Result<Json<Handled>, Problem> {
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let (wanted, handled) = choose(&link, &queue, &chosen).await?;
    finish(&link, &wanted, handled).await
}

/// Acknowledges what is done with.
async fn finish(
    link: &Link,
    done: &[Delivered],
    mut handled: Handled,
) -> Result<Json<Handled>, Problem> {
    let held = link.settle(settles(done, SettleKind::Ack)).await?;
    handled.done = held.iter().filter(|is_held| **is_held).count() as u64;
    Ok(Json(handled))
}

/// Holds the letters that are meant; the others go back, and those that are not there are named.
async fn choose(
    link: &Link,
    queue: &str,
    chosen: &Chosen,
) -> Result<(Vec<Delivered>, Handled), Problem> {
    if chosen.all != chosen.positions.is_empty() {
        return Err(Problem::invalid(
            "say which: either positions, or all as true",
        ));
    }
    let held = hold(link, queue, SEARCHED_MAX).await?;
    let is_wanted = |one: &Delivered| chosen.all || chosen.positions.contains(&one.sequence);
    let (wanted, others): (Vec<_>, Vec<_>) = held.into_iter().partition(is_wanted);
    link.settle(settles(&others, SettleKind::Return)).await?;
    let found: HashSet<u64> = wanted.iter().map(|one| one.sequence).collect();
    let mut missing: Vec<u64> = chosen.positions.difference(&found).copied().collect();
    missing.sort_unstable();
    let failed = missing.into_iter().map(|position| Failed {
        position,
        detail: "it is not there, or somebody else has it".to_owned(),
    });
    let handled = Handled {
        done: 0,
        failed: failed.collect(),
    };
    Ok((wanted, handled))
}

/// Takes up to `max` messages from the head of a queue.
pub(crate) async fn hold(link: &Link, queue: &str, max: usize) -> Result<Vec<Delivered>, Refusal> {
    let mut held = Vec::new();
    while held.len() < max {
        let left = u32::try_from(max - held.len()).unwrap_or(LIST_MAX);
        let pull = Pull {
            queue: queue.to_owned(),
            max: left.min(LIST_MAX),
            wait_ms: 0,
            lease_ms: HELD_MS,
            from: PullFrom::Queue,
            no_ack: false,
            hold: None,
        };
        let more = link.pull(pull).await?;
        if more.iter().any(|one| one.lease.is_none()) {
            return Err(Refusal::new(
                RefusalKind::PreconditionFailed,
                "a stream holds no dead letters that could be taken out; read it instead",
            ));
        }
        if more.is_empty() {
            break;
        }
        held.extend(more);
    }
    Ok(held)
}

/// The same for all that are held.
pub(crate) fn settles(messages: &[Delivered], kind: SettleKind) -> Vec<Settle> {
    let leases = messages.iter().filter_map(|message| message.lease);
    leases.map(|lease| Settle { lease, kind }).collect()
}

/// The properties of a message, as far as they can be read.
pub(crate) fn properties_of(delivered: &Delivered) -> Properties {
    PropertiesRef::parse(delivered.message.properties())
        .ok()
        .and_then(|properties| properties.to_owned().ok())
        .unwrap_or_default()
}

/// How a message died last.
#[derive(Debug, Default)]
pub(crate) struct Death {
    /// Where.
    pub(crate) queue: Option<String>,
    /// Why.
    pub(crate) reason: Option<String>,
    /// How often there for that reason.
    pub(crate) count: Option<i64>,
    /// What it had been published to.
    pub(crate) exchange: Option<String>,
    /// With which key.
    pub(crate) routing_key: Option<String>,
    /// When it died there for that reason for the first time, in seconds since 1970.
    pub(crate) first_at_s: Option<u64>,
}

impl Death {
    /// Reads the headers of a dead letter.
    pub(crate) fn of(properties: &Properties) -> Self {
        let deaths = properties
            .headers
            .as_ref()
            .and_then(|headers| headers.get("x-death")?.as_array());
        let Some(newest) = deaths.and_then(|deaths| deaths.first()?.as_table()) else {
            return Self::default();
        };
        let text = |name| newest.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            queue: text("queue"),
            reason: text("reason"),
            count: newest.get("count").and_then(Value::as_i64),
            exchange: text("exchange"),
            routing_key: newest
                .get("routing-keys")
                .and_then(|keys| keys.as_array()?.first()?.as_str())
                .map(str::to_owned),
            first_at_s: match newest.get("time") {
                Some(Value::Timestamp(seconds)) => Some(*seconds),
                Some(_) | None => None,
            },
        }
    }
}

/// The message as it was before it died, addressed to the queue that it died in; one that does not say where is sent only where that
/// does not matter.
pub(crate) fn resent(delivered: &Delivered, has_address: bool) -> Option<Outgoing> {
    let mut properties = properties_of(delivered);
    let queue = Death::of(&properties).queue;
    let queue = queue.or_else(|| has_address.then(String::new))?;
    let headers = properties.headers.take().unwrap_or_default();
    let mut kept = Table::default();
    for (name, value) in headers.iter() {
        if !DEATH_HEADERS.contains(&name) {
            kept.insert(name, value.clone());
        }
    }
    properties.headers = Some(kept).filter(|headers| headers.iter().len() > 0);
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    let message = &delivered.message;
    Some(Outgoing {
        exchange: String::new(),
        routing_key: queue,
        properties: encoded,
        body: message.shared_body().map_or_else(
            || bytes::Bytes::copy_from_slice(message.body()),
            Clone::clone,
        ),
        persistent: message.persistent,
        priority: message.priority,
        expiration_ms: message.expiration_ms,
        deliver: None,
        // What comes back is meant to be there twice.
        deduplication_id: None,
    })
}
