//! Publishing and taking single messages, for people who look after queues. It is no way to move many.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use codec::amqp::properties::{Properties, PropertiesRef};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::body::{self, InPath, JsonBody, object, optional_number};
use super::exchanges::in_path;
use super::failure::Failure;
use super::visitor::Visitor;
use super::{Site, queues};
use crate::gateway::{Delivered, Outgoing, Pull, PullFrom, Settle, SettleKind};
use crate::json::{json_of_table, table_of_json};

/// Delivery mode 2: the message survives a restart.
const PERSISTENT: u8 = 2;
/// The longest text property.
const TEXT_BYTES_MAX: usize = 255;
/// What a request to publish may have beside its body.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// The most messages of one answer.
const COUNT_MAX: i64 = 10_000;
/// The bodies of one answer: no more messages are taken once they have so many bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Messages that are taken at a time.
const PULL_MAX: u32 = 16;
/// How long what is taken is held, should the server not come to give it back.
const LEASE_MS: u64 = 30_000;

/// A message to be published.
#[derive(Debug, Deserialize)]
pub(super) struct PublishWish {
    #[serde(deserialize_with = "object")]
    properties: Map<String, Value>,
    routing_key: String,
    payload: String,
    payload_encoding: String,
}

/// Which messages to take, and what becomes of them.
#[derive(Debug, Deserialize)]
pub(super) struct TakeWish {
    #[serde(deserialize_with = "optional_number")]
    count: Option<i64>,
    ackmode: AckMode,
    encoding: Encoding,
    #[serde(default, deserialize_with = "optional_number")]
    truncate: Option<i64>,
}

/// What becomes of messages that were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AckMode {
    AckRequeueTrue,
    AckRequeueFalse,
    RejectRequeueTrue,
    RejectRequeueFalse,
}

/// How bodies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    /// As text if they are text.
    Auto,
    Base64,
}

/// A message that was taken.
#[derive(Debug, Serialize)]
struct MessageOut {
    payload_bytes: usize,
    redelivered: bool,
    exchange: String,
    routing_key: String,
    message_count: u64,
    properties: Value,
    payload: String,
    payload_encoding: &'static str,
}

impl AckMode {
    /// What settles a message; `None` when taking it settles it.
    const fn settle(self) -> Option<SettleKind> {
        match self {
            Self::AckRequeueTrue | Self::RejectRequeueTrue => {
                Some(SettleKind::Nack { delay_ms: 0 })
            }
            Self::AckRequeueFalse => None,
            Self::RejectRequeueFalse => Some(SettleKind::Reject),
        }
    }
}

impl PublishWish {
    fn outgoing(self, exchange: &str, bytes_max: usize) -> Result<Outgoing, Failure> {
        let body = match self.payload_encoding.as_str() {
            "string" => Bytes::from(self.payload),
            "base64" => STANDARD
                .decode(self.payload.as_bytes())
                .map(Bytes::from)
                .map_err(|_| Failure::bad_request("not_base64: the payload"))?,
            other => {
                return Err(Failure::bad_request(format!(
                    "unsupported_encoding: {other}"
                )));
            }
        };
        if body.len() > bytes_max {
            return Err(Failure::too_large(bytes_max));
        }
        if self.routing_key.len() > TEXT_BYTES_MAX {
            return Err(too_long("routing_key"));
        }
        let properties = properties(&self.properties)?;
        let expiration = properties.expiration.as_deref();
        let expiration_ms = expiration
            .map(|text| {
                let wrong = || Failure::bad_request(format!("invalid expiration '{text}'"));
                text.parse().map_err(|_| wrong())
            })
            .transpose()?;
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        Ok(Outgoing {
            exchange: in_path(exchange).to_owned(),
            routing_key: self.routing_key,
            properties: encoded,
            body,
            persistent: properties.delivery_mode == Some(PERSISTENT),
            priority: properties.priority.unwrap_or_default(),
            expiration_ms,
            deliver: None,
            deduplication_id: None,
        })
    }
}

/// Reads the properties; those that AMQP does not have are left out, as in RabbitMQ.
fn properties(written: &Map<String, Value>) -> Result<Properties, Failure> {
    let text = |name: &str| match written.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() > TEXT_BYTES_MAX => Err(too_long(name)),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Failure::bad_request(format!("not_string: {name}"))),
    };
    let number = |name: &str| match written.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .map(Some)
            .ok_or_else(|| Failure::bad_request(format!("not_int: {name}"))),
    };
    let octet = |name: &str| match number(name)?.map(u8::try_from).transpose() {
        Ok(octet) => Ok(octet),
        Err(_) => Err(Failure::bad_request(format!("not_octet: {name}"))),
    };
    let headers = match written.get("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Array(items)) if items.is_empty() => None,
        Some(Value::Object(headers)) => Some(table_of_json(headers).map_err(Failure::bad_request)?),
        Some(_) => return Err(Failure::bad_request("not_object: headers")),
    };
    Ok(Properties {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        headers,
        delivery_mode: octet("delivery_mode")?,
        priority: octet("priority")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        timestamp: number("timestamp")?,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
    })
}

fn too_long(name: &str) -> Failure {
    Failure::bad_request(format!("{name} has at most {TEXT_BYTES_MAX} bytes"))
}

fn shown_properties(delivered: &Delivered) -> Value {
    let properties = PropertiesRef::parse(delivered.message.properties())
        .ok()
        .and_then(|properties| properties.to_owned().ok())
        .unwrap_or_default();
    let all = [
        ("content_type", properties.content_type.map(Value::from)),
        (
            "content_encoding",
            properties.content_encoding.map(Value::from),
        ),
        ("headers", properties.headers.as_ref().map(json_of_table)),
        ("delivery_mode", properties.delivery_mode.map(Value::from)),
        ("priority", properties.priority.map(Value::from)),
        ("correlation_id", properties.correlation_id.map(Value::from)),
        ("reply_to", properties.reply_to.map(Value::from)),
        ("expiration", properties.expiration.map(Value::from)),
        ("message_id", properties.message_id.map(Value::from)),
        ("timestamp", properties.timestamp.map(Value::from)),
        ("type", properties.kind.map(Value::from)),
        ("user_id", properties.user_id.map(Value::from)),
        ("app_id", properties.app_id.map(Value::from)),
        ("cluster_id", properties.cluster_id.map(Value::from)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

impl MessageOut {
    fn of(delivered: &Delivered, wish: &TakeWish, message_count: u64) -> Self {
        let body = delivered.message.body();
        let shown_bytes = wish
            .truncate
            .and_then(|bytes| usize::try_from(bytes).ok())
            .map_or(body.len(), |bytes| bytes.min(body.len()));
        let shown = body.get(..shown_bytes).unwrap_or_default();
        let text = match wish.encoding {
            Encoding::Auto => std::str::from_utf8(shown).ok(),
            Encoding::Base64 => None,
        };
        let (payload, payload_encoding) = match text {
            Some(text) => (text.to_owned(), "string"),
            None => (STANDARD.encode(shown), "base64"),
        };
        Self {
            payload_bytes: body.len(),
            redelivered: delivered.redelivered,
            exchange: delivered.message.exchange().to_string(),
            routing_key: delivered.message.routing_key().to_owned(),
            message_count,
            properties: shown_properties(delivered),
            payload,
            payload_encoding,
        }
    }
}

pub(super) async fn publish(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, exchange)): InPath<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    visitor.sight_of(&site, &vhost)?;
    let bytes_max = site.web().settings().message_bytes_max;
    // Text is written with escapes, bytes as base64: neither takes more than twice its length in all that is usual.
    let written_max = bytes_max.saturating_mul(2).saturating_add(HEAD_BYTES_MAX);
    let wish: PublishWish = body::parse(&body::read(request, written_max).await?)?;
    let message = wish.outgoing(&exchange, bytes_max)?;
    let link = visitor.link(&site, &vhost).await?;
    let mut routed = false;
    for outcome in link.publish(vec![message]).await? {
        let outcome = outcome.map_err(|refusal| Failure::from(refusal).into_bad_request())?;
        if outcome.is_rejected {
            return Err(Failure::bad_request(
                "a queue is full and refused the message",
            ));
        }
        routed |= outcome.is_routed;
    }
    Ok(Json(json!({"routed": routed})).into_response())
}

pub(super) async fn take(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<TakeWish>,
) -> Result<Response, Failure> {
    let sight = visitor.sight_of(&site, &vhost)?;
    let count = wish.count.unwrap_or(1);
    if !(1..=COUNT_MAX).contains(&count) {
        let reason = format!("count is from 1 to {COUNT_MAX}");
        return Err(Failure::bad_request(reason));
    }
    queues::find(&site, &sight, &name).await?;
    let link = visitor.link(&site, &vhost).await?;
    let mut wanted = u32::try_from(count).unwrap_or(u32::MAX);
    let mut bytes = 0;
    let mut taken: Vec<Delivered> = Vec::new();
    let settle_kind = wish.ackmode.settle();
    while wanted > 0 && bytes < ANSWER_BYTES_MAX {
        let pull = Pull {
            queue: name.clone(),
            max: wanted.min(PULL_MAX),
            wait_ms: 0,
            lease_ms: LEASE_MS,
            from: PullFrom::Queue,
            no_ack: settle_kind.is_none(),
            hold: None,
        };
        let some = link.pull(pull).await?;
        if some.is_empty() {
            break;
        }
        wanted -= u32::try_from(some.len()).unwrap_or(wanted).min(wanted);
        bytes += some
            .iter()
            .map(|one| one.message.body().len())
            .sum::<usize>();
        taken.extend(some);
    }
    let left = queues::find(&site, &sight, &name).await;
    let left = left.map_or(0, |queue| queue.statistics.ready);
    let behind = (0..taken.len() as u64).rev();
    let rows: Vec<_> = taken
        .iter()
        .zip(behind)
        .map(|(one, behind)| MessageOut::of(one, &wish, left + behind))
        .collect();
    if let Some(kind) = settle_kind {
        let leases = taken.iter().filter_map(|one| one.lease);
        let settles = leases.map(|lease| Settle { lease, kind });
        link.settle(settles.collect()).await?;
    }
    Ok(Json(rows).into_response())
}
