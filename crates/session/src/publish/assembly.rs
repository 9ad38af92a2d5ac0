//! Publishes that are kept for a while: half received, or until their transaction commits.

use broker::Body;
use bytes::Bytes;
use codec::amqp::content::ContentHeader;
use codec::amqp::method::BasicPublish;

use super::Content;
use crate::limits;

/// A publish whose content is coming in.
///
/// What the header announces is not believed: memory grows with what was received, at most by doubling.
#[derive(Debug)]
pub(crate) struct Assembly {
    exchange: String,
    routing_key: String,
    mandatory: bool,
    immediate: bool,
    /// Body size and properties, once the header came.
    header: Option<(u64, Vec<u8>)>,
    body: Vec<u8>,
}

impl Assembly {
    pub(crate) fn new(publish: &BasicPublish<'_>) -> Self {
        Self {
            exchange: publish.exchange.to_owned(),
            routing_key: publish.routing_key.to_owned(),
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            header: None,
            body: Vec::new(),
        }
    }

    pub(crate) const fn has_header(&self) -> bool {
        self.header.is_some()
    }

    pub(crate) fn set_header(&mut self, header: &ContentHeader<'_>) {
        self.header = Some((header.body_size, header.properties.to_vec()));
    }

    /// How many bytes of the body were put away here.
    pub(crate) const fn received(&self) -> usize {
        self.body.len()
    }

    /// How many bytes of the body are still to come; `None` before the header.
    pub(crate) fn missing(&self) -> Option<u64> {
        self.header
            .as_ref()
            .map(|(size, _)| size.saturating_sub(self.body.len() as u64))
    }

    /// Adds a piece of the body.
    pub(crate) fn append(&mut self, piece: &[u8]) {
        let announced = self
            .header
            .as_ref()
            .map_or(0, |(size, _)| usize::try_from(*size).unwrap_or(usize::MAX));
        let wanted = self.body.len() + piece.len();
        if wanted > self.body.capacity() {
            let capacity = wanted.max(self.body.capacity().saturating_mul(2).min(announced));
            self.body.reserve_exact(capacity - self.body.len());
        }
        self.body.extend_from_slice(piece);
    }

    pub(crate) fn take_body(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.body))
    }

    /// The publish with its body, which is kept elsewhere.
    pub(crate) fn content<'a>(&'a self, body: Body<'a>) -> Content<'a> {
        Content {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            immediate: self.immediate,
            properties: self
                .header
                .as_ref()
                .map_or(&[], |(_, properties)| properties),
            body,
        }
    }
}

/// A whole publish that waits for its transaction.
#[derive(Debug)]
pub(crate) struct OwnedContent {
    exchange: String,
    routing_key: String,
    mandatory: bool,
    properties: Vec<u8>,
    body: Bytes,
}

impl OwnedContent {
    pub(crate) fn new(content: &Content<'_>) -> Self {
        Self {
            exchange: content.exchange.to_owned(),
            routing_key: content.routing_key.to_owned(),
            mandatory: content.mandatory,
            properties: content.properties.to_vec(),
            body: match &content.body {
                Body::Copy(body) => Bytes::copy_from_slice(body),
                Body::Share(body) => body.clone(),
            },
        }
    }

    /// The memory that it takes. Units: bytes.
    pub(crate) const fn footprint(&self) -> usize {
        self.exchange.len()
            + self.routing_key.len()
            + self.properties.len()
            + self.body.len()
            + limits::TRANSACTION_OVERHEAD_BYTES
    }

    pub(crate) fn content(&self) -> Content<'_> {
        Content {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            mandatory: self.mandatory,
            immediate: false,
            properties: &self.properties,
            body: if self.body.len() >= limits::SHARED_BODY_BYTES_MIN {
                Body::Share(self.body.clone())
            } else {
                Body::Copy(&self.body)
            },
        }
    }
}
