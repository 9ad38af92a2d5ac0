//! Publishing: one message as the body of a request, or many as JSON.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use broker::Refusal;
use codec::amqp::properties::PropertiesRef;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, Params, read_bytes, read_json};
use super::caller::{Caller, DEFAULT_VHOST};
use super::message::{Address, Attributes, MessageIn, headers_of};
use super::problem::Problem;
use crate::gateway::{Outgoing, PublishOutcome};

/// Messages of one batch.
const BATCH_MESSAGES_MAX: usize = 10_000;
/// Room for the JSON around the bodies of a batch, and for base64.
const BATCH_BYTES_FACTOR: usize = 2;
/// How long a publish may wait for the log, for instance while the disk is full.
const PUBLISH_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Where a message is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Position {
    /// The queue.
    queue: String,
    /// Its partition, if the queue is partitioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u32>,
    /// Its position there; positions rise, with gaps.
    position: u64,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It is stored, and on disk if it is persistent.
    Stored,
    /// No queue took it: none is bound for its routing key.
    Unroutable,
    /// A queue that was full refused it.
    Rejected,
    /// It was not published.
    Refused,
}

/// What became of a published message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Published {
    /// In one word.
    outcome: Outcome,
    /// Where it is.
    positions: Vec<Position>,
    /// A message with its deduplication id was there already; the positions are that one's.
    duplicate: bool,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Many messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// The messages, in order.
    #[schema(max_items = 10_000)]
    messages: Vec<MessageIn>,
}

/// What became of each message of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchPublished {
    /// One for each message, in their order.
    results: Vec<Published>,
}

/// Publish one message to a queue
///
/// The body of the request is the body of the message, of any content type. Headers of the request that begin with
/// `Chaski-Header-` become headers of the message. Answers when the message is safe: one that is persistent, in a durable queue,
/// is on disk.
#[utoipa::path(post, path = "/v1/queues/{queue}/messages", tag = "messages",
    params(("queue" = String, Path, description = "The queue"), Attributes),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The message's body, of any content type"),
    responses(
        (status = 201, description = "It is stored", body = Published),
        (status = "4XX", description = "It was not stored", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It cannot be stored at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn to_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(attributes): Params<Attributes>,
    request: Request,
) -> Result<(StatusCode, Json<Published>), Problem> {
    let address = Address {
        exchange: String::new(),
        routing_key: queue,
    };
    let message = message_of(&web, request, attributes, address).await?;
    let published = publish_one(&web, &caller, message).await?;
    Ok((StatusCode::CREATED, Json(published)))
}

/// Publish many messages to a queue
///
/// Answers when the last one is safe; each has an outcome of its own.
#[utoipa::path(post, path = "/v1/queues/{queue}/messages/batch", tag = "messages",
    params(("queue" = String, Path, description = "The queue")),
    request_body = Batch,
    responses(
        (status = 200, description = "What became of each message", body = BatchPublished),
        (status = "4XX", description = "None was published", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "They cannot be stored at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn batch_to_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    request: Request,
) -> Result<Json<BatchPublished>, Problem> {
    let address = Address {
        exchange: String::new(),
        routing_key: queue,
    };
    publish_batch(&web, &caller, request, &address).await
}

/// Reads a message whose body is the request's.
pub(super) async fn message_of(
    web: &Web,
    request: Request,
    attributes: Attributes,
    address: Address,
) -> Result<Outgoing, Problem> {
    let (parts, body) = request.into_parts();
    let bytes_max = web.settings().message_bytes_max;
    let content_type = content_type(&parts.headers)?;
    let headers = headers_of(&parts.headers)?;
    let body = read_bytes(&parts.headers, body, bytes_max).await?;
    attributes.outgoing(address, content_type, headers, body, bytes_max)
}

fn content_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    headers
        .get(header::CONTENT_TYPE)
        .map(|kind| kind.to_str().map(str::to_owned))
        .transpose()
        .map_err(|_| Problem::invalid("the content type is no plain text"))
}

/// Publishes one message and says what became of it; anything but a stored one is a problem.
pub(super) async fn publish_one(
    web: &Web,
    caller: &Caller,
    message: Outgoing,
) -> Result<Published, Problem> {
    let queue = message.routing_key.clone();
    let published = publish_routed(web, caller, message).await?;
    if published.outcome == Outcome::Unroutable {
        return Err(Problem::not_found(format!(
            "no queue took the message: there is no queue '{queue}'"
        )));
    }
    Ok(published)
}

/// Publishes one message and says what became of it; that no queue took it is no problem.
pub(super) async fn publish_routed(
    web: &Web,
    caller: &Caller,
    message: Outgoing,
) -> Result<Published, Problem> {
    let mut outcomes = publish_all(web, caller, vec![message]).await?;
    let outcome = outcomes
        .pop()
        .ok_or_else(|| Problem::unavailable("the broker gave no answer"))??;
    if outcome.is_rejected {
        return Err(Problem::no_room(
            "the queue is full and refuses new messages; take some out first",
        ));
    }
    Ok(published(web, Ok(outcome)))
}

/// Reads a batch and publishes it.
pub(super) async fn publish_batch(
    web: &Web,
    caller: &Caller,
    request: Request,
    address: &Address,
) -> Result<Json<BatchPublished>, Problem> {
    let (parts, body) = request.into_parts();
    let bytes_max = web.settings().message_bytes_max;
    let batch: Batch = read_json(&parts.headers, body, bytes_max * BATCH_BYTES_FACTOR).await?;
    if batch.messages.len() > BATCH_MESSAGES_MAX {
        return Err(Problem::too_large(format!(
            "a batch has at most {BATCH_MESSAGES_MAX} messages; send several"
        )));
    }
    let messages = batch
        .messages
        .into_iter()
        .map(|message| message.outgoing(address, bytes_max))
        .collect::<Result<Vec<_>, _>>()?;
    let outcomes = publish_all(web, caller, messages).await?;
    let results = outcomes.into_iter().map(|outcome| published(web, outcome));
    Ok(Json(BatchPublished {
        results: results.collect(),
    }))
}

async fn publish_all(
    web: &Web,
    caller: &Caller,
    messages: Vec<Outgoing>,
) -> Result<Vec<Result<PublishOutcome, Refusal>>, Problem> {
    for message in &messages {
        check_sender(caller, &message.properties)?;
    }
    let link = caller.link(web, DEFAULT_VHOST).await?;
    let published = tokio::time::timeout(PUBLISH_PATIENCE, link.publish(messages)).await;
    let too_late = |_| {
        Problem::unavailable(
            "publishers have to wait, as the server is low on memory or disk; try again later. What was sent may still be stored",
        )
    };
    published.map_err(too_late)?.map_err(Problem::from)
}

/// Refuses a message in another's name.
fn check_sender(caller: &Caller, properties: &[u8]) -> Result<(), Problem> {
    let properties = PropertiesRef::parse(properties).ok();
    let Some(user) = properties.and_then(|properties| properties.user_id) else {
        return Ok(());
    };
    if caller.login.impersonator || user == &*caller.login.name {
        return Ok(());
    }
    Err(Problem::conflict(format!(
        "user_id is '{user}', but you are '{}'",
        caller.login.name
    )))
}

fn published(web: &Web, outcome: Result<PublishOutcome, Refusal>) -> Published {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(refusal) => {
            return Published {
                outcome: Outcome::Refused,
                positions: Vec::new(),
                duplicate: false,
                detail: Some(refusal.detail),
            };
        }
    };
    let word = match (outcome.is_routed, outcome.is_rejected) {
        (false, _) => Outcome::Unroutable,
        (true, true) => Outcome::Rejected,
        (true, false) => Outcome::Stored,
    };
    let engine = web.gateway().engine();
    let positions = outcome.places.iter().filter_map(|(place, position)| {
        let (queue, _, partition) = engine.known_queue(DEFAULT_VHOST, *place)?;
        Some(Position {
            queue: queue.to_string(),
            partition,
            position: *position,
        })
    });
    Published {
        outcome: word,
        positions: positions.collect(),
        duplicate: outcome.is_duplicate,
        detail: None,
    }
}
