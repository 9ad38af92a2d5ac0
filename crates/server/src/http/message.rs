//! Messages as JSON, and as one request with a body and parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker::Annotation;
use bytes::Bytes;
use codec::amqp::field::{Table, Value};
use codec::amqp::properties::{Properties, PropertiesRef};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::gateway::{Deliver, Delivered, Draft, Link, Outgoing};
use crate::json::{json_of_table, table_of_json};

/// How a body is written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BodyEncoding {
    /// As text.
    #[default]
    Utf8,
    /// As base64, for bytes that are no text.
    Base64,
}

/// What a message has beside its body.
#[derive(Debug, Clone, Default, Deserialize, ToSchema, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Attributes {
    /// The routing key, for a topic.
    pub(super) routing_key: Option<String>,
    /// It survives a restart of the server, in a durable queue. Default true.
    pub(super) persistent: Option<bool>,
    /// From 0 to 255, for queues with priorities.
    pub(super) priority: Option<u8>,
    /// How many milliseconds it may wait before it expires.
    pub(super) ttl_ms: Option<u64>,
    /// The sender's name for the message.
    pub(super) message_id: Option<String>,
    /// What a reply is matched by.
    pub(super) correlation_id: Option<String>,
    /// The queue that replies are to go to.
    pub(super) reply_to: Option<String>,
    /// What kind of message it is, in the sender's words.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// The sender's account; checked.
    pub(super) user_id: Option<String>,
    /// The sender's application.
    pub(super) app_id: Option<String>,
    /// The encoding of the body, such as gzip.
    pub(super) content_encoding: Option<String>,
    /// When it was made, in seconds since 1970.
    pub(super) timestamp: Option<u64>,
    /// Nobody gets it for so many milliseconds.
    pub(super) deliver_after: Option<u64>,
    /// Nobody gets it before this time, in milliseconds since 1970.
    pub(super) deliver_at: Option<u64>,
    /// A queue that took a message with this id keeps no other: a publish that is tried again is harmless.
    #[schema(max_length = 128)]
    pub(super) deduplication_id: Option<String>,
    /// Messages with the same one keep their order in a partitioned queue or stream.
    #[schema(max_length = 255)]
    pub(super) partition_key: Option<String>,
}

/// A message to be published.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct MessageIn {
    /// The body.
    #[serde(default)]
    pub(super) body: String,
    /// How the body is written here.
    #[serde(default)]
    pub(super) body_encoding: BodyEncoding,
    /// What the body is, such as application/json.
    pub(super) content_type: Option<String>,
    /// Headers, by name.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) headers: serde_json::Map<String, serde_json::Value>,
    /// The rest of it.
    #[serde(flatten)]
    pub(super) attributes: Attributes,
    /// What is no part of a message; refused.
    #[serde(flatten)]
    #[schema(ignore)]
    pub(super) unknown: serde_json::Map<String, serde_json::Value>,
}

/// A message that was taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct MessageOut {
    /// The lease under which it is held; absent when there is nothing to settle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<String>,
    /// Its position in the queue; positions rise, with gaps.
    pub(super) position: u64,
    /// The partition that it comes from, if the queue is partitioned. Messages with the same key are in the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition: Option<u32>,
    /// Its offset, if it comes from a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// The exchange or topic that it was published to; empty when it was published to the queue itself.
    pub(super) exchange: String,
    /// The routing key that it was published with.
    pub(super) routing_key: String,
    /// It may have been delivered before.
    pub(super) redelivered: bool,
    /// How often it was delivered before, where the queue counts that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery_count: Option<u32>,
    /// The body.
    pub(super) body: String,
    /// How the body is written here.
    pub(super) body_encoding: BodyEncoding,
    /// What the body is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    /// The encoding of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    /// Headers, by name.
    #[schema(value_type = Object)]
    pub(super) headers: serde_json::Value,
    /// It survives a restart of the server.
    pub(super) persistent: bool,
    /// Its priority.
    pub(super) priority: u8,
    /// What a reply is matched by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) correlation_id: Option<String>,
    /// The queue that replies are to go to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_to: Option<String>,
    /// How many milliseconds it might wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl_ms: Option<u64>,
    /// The sender's name for the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<String>,
    /// When it was made, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<u64>,
    /// What kind of message it is, in the sender's words.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    /// The sender's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
    /// The sender's application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) app_id: Option<String>,
}

/// Where a message is to go.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) exchange: String,
    pub(super) routing_key: String,
}

impl MessageIn {
    /// Makes the message ready to be published.
    ///
    /// # Errors
    /// A field that cannot be.
    pub(super) fn outgoing(self, address: &Address, bytes_max: usize) -> Result<Outgoing, Problem> {
        let body = match self.body_encoding {
            BodyEncoding::Utf8 => Bytes::from(self.body),
            BodyEncoding::Base64 => STANDARD
                .decode(self.body.as_bytes())
                .map(Bytes::from)
                .map_err(|error| Problem::invalid(format!("the body is not base64: {error}")))?,
        };
        let headers = table_of_json(&self.headers).map_err(Problem::invalid)?;
        if let Some(name) = self.unknown.keys().next() {
            return Err(Problem::invalid(format!("a message has no field '{name}'")));
        }
        self.attributes
            .outgoing(address.clone(), self.content_type, headers, body, bytes_max)
    }
}

impl Attributes {
    /// Makes a message ready to be published.
    ///
    /// # Errors
    /// An attribute that cannot be, or a body that is too large.
    pub(super) fn outgoing(
        self,
        mut address: Address,
        content_type: Option<String>,
        headers: Table,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<Outgoing, Problem> {
        match self.routing_key {
            None => {}
            Some(key) if !address.exchange.is_empty() => address.routing_key = key,
            Some(_) => {
                return Err(Problem::invalid(
                    "a message to a queue has no routing_key; publish to a topic",
                ));
            }
        }
        let deliver = match (self.deliver_after, self.deliver_at) {
            (None, None) => None,
            (Some(after_ms), None) => Some(Deliver::After(after_ms)),
            (None, Some(at_ms)) => Some(Deliver::At(at_ms)),
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "give either deliver_after or deliver_at, not both",
                ));
            }
        };
        let draft = Draft {
            exchange: address.exchange,
            routing_key: address.routing_key,
            properties: Properties {
                content_type,
                content_encoding: self.content_encoding,
                headers: Some(headers),
                priority: self.priority,
                correlation_id: self.correlation_id,
                reply_to: self.reply_to,
                message_id: self.message_id,
                timestamp: self.timestamp,
                kind: self.kind,
                user_id: self.user_id,
                app_id: self.app_id,
                ..Properties::default()
            },
            persistent: self.persistent.unwrap_or(true),
            ttl_ms: self.ttl_ms,
            body,
            deliver,
            deduplication_id: self.deduplication_id,
            partition_key: self.partition_key,
        };
        draft.finish(bytes_max).map_err(Problem::from)
    }
}

impl MessageOut {
    /// Writes a delivery for a client.
    pub(super) fn of(delivered: &Delivered, link: &Link) -> Self {
        Self::cut(delivered, link, usize::MAX)
    }

    /// The same with at most so many bytes of its body.
    pub(super) fn cut(delivered: &Delivered, link: &Link, bytes_max: usize) -> Self {
        let message = &delivered.message;
        let properties = PropertiesRef::parse(message.properties())
            .ok()
            .and_then(|properties| properties.to_owned().ok())
            .unwrap_or_default();
        let (body, body_encoding) = written_body(message.body(), bytes_max);
        let (offset, delivery_count) = match delivered.annotation {
            Annotation::None => (None, None),
            Annotation::DeliveryCount(count) => (None, Some(count)),
            Annotation::StreamOffset(offset) => (Some(offset), None),
        };
        Self {
            lease: delivered.lease.map(|lease| link.lease_name(lease)),
            position: delivered.sequence,
            partition: delivered.partition,
            offset,
            exchange: message.exchange().to_string(),
            routing_key: message.routing_key().to_owned(),
            redelivered: delivered.redelivered,
            delivery_count,
            body,
            body_encoding,
            content_type: properties.content_type,
            content_encoding: properties.content_encoding,
            headers: properties
                .headers
                .map_or_else(|| serde_json::json!({}), |table| json_of_table(&table)),
            persistent: message.persistent,
            priority: message.priority,
            correlation_id: properties.correlation_id,
            reply_to: properties.reply_to,
            ttl_ms: message.expiration_ms,
            message_id: properties.message_id,
            timestamp: properties.timestamp,
            kind: properties.kind,
            user_id: properties.user_id,
            app_id: properties.app_id,
        }
    }
}

/// Writes the beginning of a body: text if all of it is, up to the last character that is whole.
fn written_body(body: &[u8], bytes_max: usize) -> (String, BodyEncoding) {
    match std::str::from_utf8(body) {
        Ok(text) => {
            let end = text.floor_char_boundary(bytes_max);
            (text[..end].to_owned(), BodyEncoding::Utf8)
        }
        Err(_) => {
            let shown = &body[..body.len().min(bytes_max)];
            (STANDARD.encode(shown), BodyEncoding::Base64)
        }
    }
}

/// The prefix of HTTP headers that become headers of the message.
pub(super) const HEADER_PREFIX: &str = "chaski-header-";

/// Reads the message's headers from those of a request.
pub(super) fn headers_of(headers: &axum::http::HeaderMap) -> Result<Table, Problem> {
    let mut table = Table::default();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(HEADER_PREFIX) else {
            continue;
        };
        let value = value
            .to_str()
            .map_err(|_| Problem::invalid(format!("the header '{name}' is no plain text")))?;
        table.insert(name, Value::LongString(value.as_bytes().to_vec()));
    }
    Ok(table)
}
