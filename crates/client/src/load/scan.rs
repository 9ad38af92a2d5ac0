//! Incoming bytes cut into confirms, deliveries and the rest, a read buffer at a time.
//!
//! Of a delivery only the tag and the first bytes of the body are looked at; the body is counted, not copied.

use codec::amqp::frame::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD};

use super::error::LoadError;
use super::mark::MARK_BYTES;

const HEADER_BYTES: usize = 7;
const BASIC_PUBLISH: [u8; 4] = [0, 60, 0, 40];
const BASIC_DELIVER: [u8; 4] = [0, 60, 0, 60];
const BASIC_RETURN: [u8; 4] = [0, 60, 0, 50];
const BASIC_ACK: [u8; 4] = [0, 60, 0, 80];
const BASIC_NACK: [u8; 4] = [0, 60, 0, 120];

/// Receives what a [`Scanner`] finds.
pub(crate) trait Sink {
    /// A whole message arrived.
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), LoadError>;
    /// The server confirmed (or refused) publishes.
    fn confirm(&mut self, tag: u64, multiple: bool, refused: bool) -> Result<(), LoadError>;
    /// A message came back: no queue took it.
    fn returned(&mut self);
    /// Any other method; `payload` begins with class and method id.
    fn method(&mut self, payload: &[u8]) -> Result<(), LoadError>;
    /// A heartbeat.
    fn heartbeat(&mut self);
}

/// One message as it arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) tag: u64,
    /// The consumer tag, which the generator makes a decimal number.
    pub(crate) consumer: u32,
    /// Body length.
    pub(crate) size: u64,
    /// The body's first bytes; zero beyond its end.
    pub(crate) head: [u8; MARK_BYTES],
}

/// Cuts one connection's incoming bytes.
#[derive(Default)]
pub(crate) struct Scanner {
    content: Content,
    delivery: Delivery,
    body_left: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Content {
    #[default]
    None,
    Header(Purpose),
    Body(Purpose),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Delivery,
    Return,
}

impl Scanner {
    /// Hands everything complete in `bytes` to the sink and returns how many bytes that took.
    ///
    /// # Errors
    ///
    /// Fails when the bytes are not AMQP frames in an order that a server may send, or the sink fails.
    pub(crate) fn scan(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, LoadError> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let Some(&[kind, _, _, s3, s2, s1, s0]) = rest.first_chunk::<HEADER_BYTES>() else {
                return Ok(at);
            };
            let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
            if size > FRAME_PAYLOAD_MAX {
                return Err(LoadError::Protocol("frame larger than negotiated"));
            }
            let Some(&end) = rest.get(HEADER_BYTES + size) else {
                return Ok(at);
            };
            if end != FRAME_END {
                return Err(LoadError::Protocol("frame without its end octet"));
            }
            let payload = &rest[HEADER_BYTES..HEADER_BYTES + size];
            at += HEADER_BYTES + size + 1;
            match kind {
                FRAME_METHOD => self.method(payload, sink)?,
                FRAME_HEADER => self.header(payload, sink)?,
                FRAME_BODY => self.body(payload, sink)?,
                FRAME_HEARTBEAT => sink.heartbeat(),
                _ => return Err(LoadError::Protocol("unknown frame type")),
            }
        }
    }

    #[inline]
    fn method(&mut self, payload: &[u8], sink: &mut impl Sink) -> Result<(), LoadError> {
        let Some((&id, arguments)) = payload.split_first_chunk::<4>() else {
            return Err(LoadError::Protocol("method frame too short"));
        };
        match id {
            BASIC_DELIVER => {
                let Some((tag, rest)) = arguments
                    .split_first()
                    .and_then(|(&bytes, rest)| rest.split_at_checked(usize::from(bytes)))
                else {
                    return Err(LoadError::Protocol("basic.deliver too short"));
                };
                let Some(&delivery_tag) = rest.first_chunk::<8>() else {
                    return Err(LoadError::Protocol("basic.deliver too short"));
                };
                self.delivery.consumer = tag.iter().fold(0, |number: u32, &digit| {
                    number.wrapping_mul(10).wrapping_add(u32::from(digit & 15))
                });
                self.delivery.tag = u64::from_be_bytes(delivery_tag);
                self.expect(Purpose::Delivery)
            }
            // A relay passes a producer's own frames on.
            BASIC_PUBLISH => self.expect(Purpose::Delivery),
            BASIC_RETURN => self.expect(Purpose::Return),
            BASIC_ACK | BASIC_NACK => {
                let Some((&tag, rest)) = arguments.split_first_chunk::<8>() else {
                    return Err(LoadError::Protocol("basic.ack too short"));
                };
                let multiple = rest.first().is_some_and(|bits| bits & 1 != 0);
                sink.confirm(u64::from_be_bytes(tag), multiple, id == BASIC_NACK)
            }
            _ => sink.method(payload),
        }
    }

    #[inline]
    fn expect(&mut self, purpose: Purpose) -> Result<(), LoadError> {
        if self.content != Content::None {
            return Err(LoadError::Protocol("content cut short by a method"));
        }
        self.content = Content::Header(purpose);
        Ok(())
    }

    #[inline]
    fn header(&mut self, payload: &[u8], sink: &mut impl Sink) -> Result<(), LoadError> {
        let Content::Header(purpose) = self.content else {
            return Err(LoadError::Protocol("content header out of order"));
        };
        let Some(&size) = payload.get(4..).and_then(|rest| rest.first_chunk::<8>()) else {
            return Err(LoadError::Protocol("content header too short"));
        };
        let size = u64::from_be_bytes(size);
        self.delivery.size = size;
        self.delivery.head = [0; MARK_BYTES];
        self.body_left = size;
        self.content = Content::Body(purpose);
        if size == 0 {
            return self.complete(purpose, sink);
        }
        Ok(())
    }

    #[inline]
    fn body(&mut self, payload: &[u8], sink: &mut impl Sink) -> Result<(), LoadError> {
        let Content::Body(purpose) = self.content else {
            return Err(LoadError::Protocol("body frame out of order"));
        };
        if self.body_left == self.delivery.size {
            if let Some(head) = payload.first_chunk::<MARK_BYTES>() {
                self.delivery.head = *head;
            } else {
                self.delivery.head[..payload.len()].copy_from_slice(payload);
            }
        }
        self.body_left = self
            .body_left
            .checked_sub(payload.len() as u64)
            .ok_or(LoadError::Protocol("body longer than announced"))?;
        if self.body_left == 0 {
            return self.complete(purpose, sink);
        }
        Ok(())
    }

    #[inline]
    fn complete(&mut self, purpose: Purpose, sink: &mut impl Sink) -> Result<(), LoadError> {
        self.content = Content::None;
        match purpose {
            Purpose::Delivery => sink.delivery(&self.delivery),
            Purpose::Return => {
                sink.returned();
                Ok(())
            }
        }
    }
}

/// Larger frames than the generator ever agrees on.
const FRAME_PAYLOAD_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
