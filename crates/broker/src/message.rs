//! A message as the broker holds it: routing facts parsed, properties and body as the publisher sent them.

use std::sync::Arc;

use bytes::Bytes;

use crate::{DedupId, limits};

/// A shared name of an exchange, queue or virtual host.
pub type Name = Arc<str>;

/// Where the bytes of a body come from.
#[derive(Debug, Clone)]
pub enum Body<'a> {
    /// A small body: copied beside the message's properties, so that it does not pin a read buffer.
    Copy(&'a [u8]),
    /// A large body: shared by reference count.
    Share(Bytes),
}

/// One published message, shared by every queue that holds it.
///
/// # Shape
/// `block` is the routing key, the properties (flags and list as on the wire) and, when it was copied, the body.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    exchange: Name,
    block: Bytes,
    shared_body: Option<Bytes>,
    key_length: u8,
    properties_length: u32,
    /// The publisher asked that it survive a restart (delivery mode 2).
    pub persistent: bool,
    /// The priority property, 0 when absent.
    pub priority: u8,
    /// The expiration property in milliseconds.
    pub expiration_ms: Option<u64>,
    /// Queues do not deliver it before this time, in milliseconds since 1970; streams take no notice.
    pub deliver_at_ms: Option<u64>,
    /// The id by which queues and streams know that they took it already.
    pub dedup_id: Option<Box<DedupId>>,
}

impl Message {
    /// Puts a message together.
    ///
    /// # Shape
    /// `properties` is the property flags and list of a content header (AMQP 0-9-1 §4.2.6.1), already validated by the caller;
    /// a routing key past 255 bytes is cut.
    #[must_use]
    pub fn new(exchange: Name, routing_key: &str, properties: &[u8], body: Body<'_>) -> Self {
        let key = routing_key.as_bytes();
        let key = key.get(..key.len().min(255)).unwrap_or(key);
        let copied = match &body {
            Body::Copy(bytes) => *bytes,
            Body::Share(_) => &[],
        };
        let mut block = Vec::with_capacity(key.len() + properties.len() + copied.len());
        block.extend_from_slice(key);
        block.extend_from_slice(properties);
        block.extend_from_slice(copied);
        Self {
            exchange,
            block: Bytes::from(block),
            shared_body: match body {
                Body::Copy(_) => None,
                Body::Share(bytes) => Some(bytes),
            },
            key_length: u8::try_from(key.len()).unwrap_or(u8::MAX),
            properties_length: u32::try_from(properties.len()).unwrap_or(u32::MAX),
            persistent: false,
            priority: 0,
            expiration_ms: None,
            deliver_at_ms: None,
            dedup_id: None,
        }
    }

    /// The exchange that it was published to, or dead-lettered through.
    #[must_use]
    pub const fn exchange(&self) -> &Name {
        &self.exchange
    }

    /// The routing key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        std::str::from_utf8(self.routing_key_bytes()).unwrap_or_default()
    }

    /// The routing key as it is written, which needs no look at its characters.
    #[inline]
    #[must_use]
    pub fn routing_key_bytes(&self) -> &[u8] {
        self.block
            .get(..usize::from(self.key_length))
            .unwrap_or_default()
    }

    /// The length of the routing key. Units: bytes.
    #[must_use]
    pub const fn routing_key_length(&self) -> usize {
        self.key_length as usize
    }

    /// The properties as on the wire: flags and list.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        let start = usize::from(self.key_length);
        self.block
            .get(start..start + self.properties_length as usize)
            .unwrap_or_default()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.shared_body {
            Some(body) => body,
            None => self.block.get(self.body_start()..).unwrap_or_default(),
        }
    }

    /// The body to be written without a copy, when it is large enough to be shared.
    #[must_use]
    pub const fn shared_body(&self) -> Option<&Bytes> {
        self.shared_body.as_ref()
    }

    /// Sets when it is to be delivered: what is past means at once, and what is further off than [`limits::DELAY_MS_MAX`] means then.
    pub fn delay_until(&mut self, at_ms: u64, now_ms: u64) {
        let latest = now_ms.saturating_add(limits::DELAY_MS_MAX);
        self.deliver_at_ms = (at_ms > now_ms).then(|| at_ms.min(latest));
    }

    /// The bytes that count against limits: the body's.
    #[must_use]
    pub fn body_length(&self) -> usize {
        match &self.shared_body {
            Some(body) => body.len(),
            None => self.block.len().saturating_sub(self.body_start()),
        }
    }

    /// An estimate of the memory that the message holds, in bytes.
    #[must_use]
    pub fn footprint(&self) -> usize {
        size_of::<Self>() + 64 + self.block.len() + self.shared_body.as_ref().map_or(0, Bytes::len)
    }

    /// The same content under another exchange, key and property list, as dead-lettering needs it. It neither expires nor waits, and has no id.
    #[must_use]
    pub fn readdressed(&self, exchange: Name, routing_key: &str, properties: &[u8]) -> Self {
        let body = self
            .shared_body
            .as_ref()
            .map_or_else(|| Body::Copy(self.body()), |body| Body::Share(body.clone()));
        let mut message = Self::new(exchange, routing_key, properties, body);
        message.persistent = self.persistent;
        message.priority = self.priority;
        message
    }

    fn body_start(&self) -> usize {
        usize::from(self.key_length) + self.properties_length as usize
    }
}

#[cfg(test)]
pub(crate) mod tests;
