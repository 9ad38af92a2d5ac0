//! Publishes laid out once, and only re-marked before they are sent again.
//!
//! A producer's messages differ in sixteen bytes of mark and perhaps in the routing key. So the frames of as many messages
//! as fit a send buffer are written once; to send the next message is to patch its mark, and a batch goes out
//! as one slice. Nothing is allocated and nothing but the mark is copied per message.

use super::mark::Mark;

/// Bytes of a frame beside its payload.
const FRAME_OVERHEAD: usize = 8;
const FRAME_END: u8 = 0xCE;
const CHANNEL: u16 = 1;

/// Describes the messages of one producer.
pub(crate) struct SlabShape<'a> {
    pub(crate) exchange: &'a str,
    /// Routing keys, used in turn; all of the same length.
    pub(crate) keys: &'a [String],
    pub(crate) mandatory: bool,
    pub(crate) persistent: bool,
    /// Body lengths, used in turn; at least one.
    pub(crate) sizes: &'a [usize],
    pub(crate) frame_max: usize,
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
    /// Bytes that are marked and not yet written.
    pending: std::ops::Range<usize>,
}

#[derive(Clone, Copy)]
struct Slot {
    key: usize,
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
            let slot = lay_out(&mut bytes, shape, size);
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

/// Writes one message's frames.
fn lay_out(bytes: &mut Vec<u8>, shape: &SlabShape<'_>, size: usize) -> Slot {
    let key = shape.keys.first().map_or("", String::as_str);
    frame(bytes, 1, |out| {
        out.extend([0, 60, 0, 40, 0, 0]);
        short_string(out, shape.exchange);
        short_string(out, key);
        out.push(u8::from(shape.mandatory));
    });
    let key = bytes.len() - 2 - key.len();
    frame(bytes, 2, |out| {
        out.extend([0, 60, 0, 0]);
        out.extend(u64::try_from(size).unwrap_or(u64::MAX).to_be_bytes());
        if shape.persistent {
            out.extend([0x10, 0, 2]);
        } else {
            out.extend([0, 0]);
        }
    });
    let body = bytes.len() + 7;
    let mut first_end = body;
    let mut left = size;
    while left > 0 {
        let part = left.min(shape.frame_max - FRAME_OVERHEAD);
        frame(bytes, 3, |out| out.resize(out.len() + part, b'x'));
        if left == size {
            first_end = body + part;
        }
        left -= part;
    }
    // The mark lies in the first body frame: a frame_max is at least 4,096.
    let body = body.min(bytes.len());
    Slot {
        key,
        body,
        body_end: first_end.min(bytes.len()).max(body),
        end: bytes.len(),
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    bytes.push(kind);
    bytes.extend(CHANNEL.to_be_bytes());
    let length_at = bytes.len();
    bytes.extend([0; 4]);
    payload(bytes);
    let length = u32::try_from(bytes.len() - length_at - 4).unwrap_or(u32::MAX);
    bytes[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
    bytes.push(FRAME_END);
}

fn short_string(bytes: &mut Vec<u8>, text: &str) {
    let text = &text.as_bytes()[..text.len().min(255)];
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text);
}

#[cfg(test)]
mod tests;
