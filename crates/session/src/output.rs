//! What is to be written: encoded bytes, with large bodies in between by reference.

use std::collections::VecDeque;

use bytes::Bytes;
use codec::amqp::content;
use codec::amqp::frame::{FRAME_BODY, FRAME_END, FRAME_MAX_HARD, FRAME_OVERHEAD};

use crate::limits;

#[cfg(test)]
mod tests;

/// Bytes that wait for the socket, in order.
///
/// # Shape
/// `bytes` is contiguous; each of `shared` goes between two of its bytes, at the offset that it names. What was written of `bytes`
/// stays in front until all is written or enough has gathered to be worth a move.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    written: usize,
    shared: VecDeque<(usize, Bytes)>,
    shared_bytes: usize,
    /// All bytes ever written, to tell whether anything went out since some moment.
    total_written: u64,
}

impl Output {
    /// Says whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written + self.shared_bytes
    }

    /// The waiting bytes in order, in pieces for a vectored write; no piece is empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.written;
        let mut shared = self.shared.iter();
        let mut pending: Option<&Bytes> = None;
        let mut is_done = false;
        std::iter::from_fn(move || {
            loop {
                if let Some(body) = pending.take() {
                    return Some(body.as_ref());
                }
                if is_done {
                    return None;
                }
                let until = match shared.next() {
                    Some((offset, body)) => {
                        pending = Some(body);
                        *offset
                    }
                    None => {
                        is_done = true;
                        self.bytes.len()
                    }
                };
                let piece = self.bytes.get(from..until).unwrap_or_default();
                from = until;
                if !piece.is_empty() {
                    return Some(piece);
                }
            }
        })
    }

    /// Takes off `count` bytes that were written; more than waits takes off all.
    pub fn advance(&mut self, count: usize) {
        let mut count = count.min(self.len());
        self.total_written = self.total_written.wrapping_add(count as u64);
        while let Some((offset, body)) = self.shared.front_mut() {
            let plain = (*offset - self.written).min(count);
            self.written += plain;
            count -= plain;
            if count == 0 {
                break;
            }
            if count < body.len() {
                let _ = body.split_to(count);
                self.shared_bytes -= count;
                count = 0;
                break;
            }
            count -= body.len();
            self.shared_bytes -= body.len();
            self.shared.pop_front();
        }
        self.written += count;
        if self.is_empty() {
            self.clear();
        } else if self.written >= limits::OUTPUT_COMPACT_BYTES
            && self.written * 2 >= self.bytes.len()
        {
            self.compact();
        }
    }

    /// Makes what waits take no more memory than it has bytes, for a peer that does not read.
    ///
    /// Bodies that are referred to are copied, oldest first and up to a limit, since each may keep the whole buffer alive that it was
    /// read into with others.
    pub fn detach(&mut self) {
        self.compact();
        let mut copied = 0;
        for (_, body) in &mut self.shared {
            copied += body.len();
            if copied > limits::OUTPUT_DETACH_BYTES_MAX {
                return;
            }
            *body = Bytes::copy_from_slice(body);
        }
    }

    /// Gives back all memory of an empty buffer.
    pub(crate) fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
            self.shared = VecDeque::new();
            self.written = 0;
        }
    }

    /// Where frames are encoded to.
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// All bytes that ever were put here, modulo 2^64.
    pub(crate) fn total(&self) -> u64 {
        self.total_written.wrapping_add(self.len() as u64)
    }

    /// Appends the body frames of a message; a large body that is shared already is referred to.
    #[inline]
    pub(crate) fn push_body(
        &mut self,
        channel: u16,
        body: &[u8],
        shared: Option<&Bytes>,
        frame_max: u32,
    ) {
        match shared {
            Some(shared) if body.len() >= limits::OUTPUT_SHARED_BYTES_MIN => {
                self.push_shared(channel, shared, frame_max)
            }
            _ => {
                self.grow_at_once(body.len());
                content::encode_body_frames(channel, body, frame_max, &mut self.bytes);
            }
        }
    }

    /// Goes from what an empty buffer keeps to all that deliveries may fill, in one step: growing by halves would leave blocks behind
    /// that together are as large as what a peer that does not read is allowed.
    #[inline]
    fn grow_at_once(&mut self, bytes: usize) {
        let wanted = self.bytes.len() + bytes + limits::OUTPUT_SLACK_BYTES;
        if wanted > self.bytes.capacity() && wanted > limits::OUTPUT_KEEP_BYTES {
            let whole = limits::OUTPUT_GROWN_BYTES.max(wanted);
            self.bytes.reserve_exact(whole - self.bytes.len());
        }
    }

    fn push_shared(&mut self, channel: u16, body: &Bytes, frame_max: u32) {
        let whole = if frame_max == 0 {
            FRAME_MAX_HARD
        } else {
            frame_max.min(FRAME_MAX_HARD)
        };
        let payload_max = whole as usize - FRAME_OVERHEAD;
        let [c1, c0] = channel.to_be_bytes();
        let mut rest = body.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(payload_max));
            let [s3, s2, s1, s0] = u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes();
            self.bytes
                .extend_from_slice(&[FRAME_BODY, c1, c0, s3, s2, s1, s0]);
            self.shared_bytes += piece.len();
            self.shared.push_back((self.bytes.len(), piece));
            self.bytes.push(FRAME_END);
        }
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.written = 0;
        self.bytes.shrink_to(limits::OUTPUT_KEEP_BYTES);
        if self.shared.capacity() > limits::OUTPUT_KEEP_BYTES / size_of::<(usize, Bytes)>() {
            self.shared = VecDeque::new();
        }
    }

    fn compact(&mut self) {
        self.bytes.drain(..self.written);
        for (offset, _) in &mut self.shared {
            *offset -= self.written;
        }
        self.written = 0;
    }
}
