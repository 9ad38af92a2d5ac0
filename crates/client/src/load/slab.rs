//! Publishes laid out once, and only re-marked before they are sent again.
//!
//! A producer's messages differ in sixteen bytes of mark and perhaps in the routing key. So the frames of as many messages
//! as fit a send buffer are written once; to send the next message is to patch its mark, and a batch goes out
//! as one slice. Nothing is allocated and nothing but the mark is copied per message.

use super::mark::Mark;

mod amqp;
mod nats;

pub(crate) use amqp::AmqpLayout;
pub(crate) use nats::NatsLayout;

const HEX: &[u8; 16] = b"0123456789abcdef";
/// Digits of a publish's number in its reply subject.
pub(crate) const TAG_DIGITS: usize = 8;

/// Writes messages as a protocol wants them.
pub(crate) trait Layout {
    /// Appends one message and says where its parts are.
    fn lay_out(&self, bytes: &mut Vec<u8>, key: &str, size: usize) -> Slot;
}

/// Describes the messages of one producer.
pub(crate) struct SlabShape<'a> {
    pub(crate) layout: &'a dyn Layout,
    /// Routing keys, used in turn; all of the same length.
    pub(crate) keys: &'a [String],
    /// Body lengths, used in turn; at least one.
    pub(crate) sizes: &'a [usize],
    /// The most bytes to lay out; one message is always laid out.
    pub(crate) bytes_max: usize,
    /// The most messages to lay out.
    pub(crate) slots_max: usize,
}

/// Holds the laid out messages of one producer as a ring.
pub(crate) struct Slab {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    /// Routing keys end to end; empty when there is only one.
    keys: Vec<u8>,
    key_bytes: usize,
    routes: usize,
    next_slot: usize,
    next_route: usize,
    /// Sequence number of the next message on each route.
    sequences: Vec<u64>,
    /// Messages marked so far; the low bits are the next one's number less one.
    pushed: u32,
    /// Bytes that are marked and not yet written.
    pending: std::ops::Range<usize>,
}

/// Where the parts of one message are.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    /// The routing key, or the subject.
    key: usize,
    /// The message's number, [`TAG_DIGITS`] long, where the protocol wants one.
    tag: Option<usize>,
    /// What of the body may be marked.
    body: usize,
    body_end: usize,
    end: usize,
}

impl Slab {
    /// Lays out the messages.
    pub(crate) fn new(shape: &SlabShape<'_>) -> Self {
        let mut bytes = Vec::with_capacity(shape.bytes_max);
        let mut slots = Vec::new();
        let slots_max = shape.slots_max.max(1);
        for &size in shape.sizes.iter().cycle() {
            let key = shape.keys.first().map_or("", String::as_str);
            let slot = shape.layout.lay_out(&mut bytes, key, size);
            if !slots.is_empty() && slot.end > shape.bytes_max {
                break;
            }
            slots.push(slot);
            if slots.len() == slots_max {
                break;
            }
        }
        let keys = match shape.keys {
            [_] => Vec::new(),
            keys => keys.iter().flat_map(|key| key.bytes()).collect(),
        };
        Self {
            bytes,
            slots,
            keys,
            key_bytes: shape.keys.first().map_or(0, String::len),
            routes: shape.keys.len(),
            next_slot: 0,
            next_route: 0,
            sequences: vec![0; shape.keys.len()],
            pushed: 0,
            pending: 0..0,
        }
    }

    /// Marks the next message for sending and gives its body's length, or nothing when the ring is full until more is written.
    #[inline]
    pub(crate) fn push(&mut self, stamp: u64, producer: u32) -> Option<usize> {
        if self.next_slot == self.slots.len() {
            if !self.pending.is_empty() {
                return None;
            }
            self.next_slot = 0;
            self.pending = 0..0;
        }
        let slot = self.slots[self.next_slot];
        let route = self.next_route;
        if !self.keys.is_empty() {
            let key = &self.keys[route * self.key_bytes..(route + 1) * self.key_bytes];
            self.bytes[slot.key..slot.key + self.key_bytes].copy_from_slice(key);
            self.next_route = if route + 1 == self.routes {
                0
            } else {
                route + 1
            };
        }
        let sequence = self.sequences[route];
        self.sequences[route] = sequence + 1;
        let mark = Mark {
            stamp,
            producer,
            sequence,
        };
        mark.write(&mut self.bytes[slot.body..slot.body_end]);
        self.pushed = self.pushed.wrapping_add(1);
        if let Some(tag) = slot.tag {
            self.bytes[tag..tag + TAG_DIGITS].copy_from_slice(&tag_digits(self.pushed));
        }
        self.next_slot += 1;
        self.pending.end = slot.end;
        Some(slot.body_end - slot.body)
    }

    /// The bytes to write next.
    #[inline]
    pub(crate) fn pending(&self) -> &[u8] {
        &self.bytes[self.pending.clone()]
    }

    /// Notes that so many of the pending bytes are written.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.pending.start += bytes;
        debug_assert!(
            self.pending.start <= self.pending.end,
            "more written than pending"
        );
    }
}

/// Writes a number as hexadecimal digits.
#[inline]
fn tag_digits(number: u32) -> [u8; TAG_DIGITS] {
    let mut digits = [0; TAG_DIGITS];
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = HEX[(number >> (28 - 4 * place)) as usize & 15];
    }
    digits
}

/// Reads a number back.
#[inline]
pub(crate) fn parse_tag(digits: &[u8; TAG_DIGITS]) -> Option<u32> {
    let mut number = 0;
    for &digit in digits {
        number = number << 4 | char::from(digit).to_digit(16)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests;
