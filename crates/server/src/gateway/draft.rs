//! Messages before they are sent: properties and body, checked and put into wire form.

use broker::limits::DEDUP_ID_BYTES_MAX;
use broker::topology::PARTITION_KEY;
use bytes::Bytes;
use codec::amqp::field::Value;
use codec::amqp::properties::Properties;

use super::command::{Deliver, Outgoing};
use crate::flaw::Flaw;

/// Delivery mode 2: the message survives a restart.
const PERSISTENT: u8 = 2;
/// The longest text property.
const TEXT_BYTES_MAX: usize = 255;

/// The header that a message's deduplication id is kept in, as AMQP's clients write it.
pub(crate) const DEDUPLICATION_HEADER: &str = "x-deduplication-header";

/// A message that is being put together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    /// The exchange; empty is the default one.
    pub(crate) exchange: String,
    /// The routing key.
    pub(crate) routing_key: String,
    /// The properties; delivery mode and expiration follow from the fields below.
    pub(crate) properties: Properties,
    /// It survives a restart in a durable queue.
    pub(crate) persistent: bool,
    /// How long it may wait, in milliseconds.
    pub(crate) ttl_ms: Option<u64>,
    /// The body.
    pub(crate) body: Bytes,
    /// Until when nobody gets it.
    pub(crate) deliver: Option<Deliver>,
    /// A queue that took a message with this id keeps no other.
    pub(crate) deduplication_id: Option<String>,
    /// Messages with the same one keep their order in a partitioned queue.
    pub(crate) partition_key: Option<String>,
}

impl Draft {
    /// Makes the message ready to be published.
    ///
    /// # Errors
    /// A property that cannot be, or a body of more than `bytes_max`.
    pub(crate) fn finish(self, bytes_max: usize) -> Result<Outgoing, Flaw> {
        if self.body.len() > bytes_max {
            let detail = format!(
                "the message has {} bytes; at most {bytes_max} are allowed",
                self.body.len()
            );
            return Err(Flaw::too_large("body", detail));
        }
        let mut headers = self.properties.headers.unwrap_or_default();
        if let Some(id) = &self.deduplication_id {
            if !(1..=DEDUP_ID_BYTES_MAX).contains(&id.len()) {
                let detail = format!("deduplication_id has 1 to {DEDUP_ID_BYTES_MAX} bytes");
                return Err(Flaw::new("deduplication_id", detail));
            }
            // Where consumers at every door see it.
            let value = Value::LongString(id.as_bytes().to_vec());
            headers.insert(DEDUPLICATION_HEADER, value);
        }
        if let Some(key) = self.partition_key {
            if !(1..=TEXT_BYTES_MAX).contains(&key.len()) {
                let detail = format!("partition_key has 1 to {TEXT_BYTES_MAX} bytes");
                return Err(Flaw::new("partition_key", detail));
            }
            headers.insert(PARTITION_KEY, Value::LongString(key.into_bytes()));
        }
        let properties = Properties {
            headers: Some(headers).filter(|headers| headers.iter().len() > 0),
            delivery_mode: self.persistent.then_some(PERSISTENT),
            expiration: self.ttl_ms.map(|ttl| ttl.to_string()),
            ..self.properties
        };
        check_lengths(&self.routing_key, &properties)?;
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        Ok(Outgoing {
            exchange: self.exchange,
            routing_key: self.routing_key,
            properties: encoded,
            body: self.body,
            persistent: self.persistent,
            priority: properties.priority.unwrap_or_default(),
            expiration_ms: self.ttl_ms,
            deliver: self.deliver,
            deduplication_id: self.deduplication_id,
        })
    }
}

fn check_lengths(routing_key: &str, properties: &Properties) -> Result<(), Flaw> {
    let texts = [
        ("routing_key", Some(routing_key)),
        ("content_type", properties.content_type.as_deref()),
        ("content_encoding", properties.content_encoding.as_deref()),
        ("correlation_id", properties.correlation_id.as_deref()),
        ("reply_to", properties.reply_to.as_deref()),
        ("message_id", properties.message_id.as_deref()),
        ("type", properties.kind.as_deref()),
        ("user_id", properties.user_id.as_deref()),
        ("app_id", properties.app_id.as_deref()),
    ];
    for (name, text) in texts {
        if text.is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
            let detail = format!("{name} has at most {TEXT_BYTES_MAX} bytes");
            return Err(Flaw::new(name, detail));
        }
    }
    Ok(())
}
