//! Retention: what is too old, or too much, goes from the oldest end.

use super::{Stream, weight};
use crate::log::{Backlog, Log, Stored};
use crate::queue::Work;
use crate::{Sink, limits};

impl<B: Backlog> Stream<B> {
    /// Says whether the size is worth a trim: an eighth above its limit, so that not every message costs one.
    pub(super) fn is_over_size(&self) -> bool {
        self.options
            .length_bytes_max
            .is_some_and(|max| self.live_bytes > max.saturating_add(max / 8))
    }

    /// Drops the oldest messages while they are too old or the stream is too large; the newest one always stays.
    pub(super) fn trim<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        self.trimmed_ms = work.now_ms;
        let oldest_ms = self
            .options
            .age_max_ms
            .map_or(0, |age_max| work.now_ms.saturating_sub(age_max));
        let bytes_max = if self.is_over_size() {
            self.options.length_bytes_max.unwrap_or(u64::MAX)
        } else {
            u64::MAX
        };
        let first = self.first();
        if bytes_max == u64::MAX
            && self
                .received_at(first)
                .is_ok_and(|received| received.is_some_and(|received| received >= oldest_ms))
        {
            return;
        }
        let newest = self.next - 1;
        let mut kept_from = first;
        let mut live_bytes = self.live_bytes;
        let mut goes = |stored: &Stored| {
            let is_gone = stored.sequence < newest
                && (stored.received_ms < oldest_ms || live_bytes > bytes_max);
            if is_gone {
                live_bytes = live_bytes.saturating_sub(weight(&stored.message));
                kept_from = stored.sequence + 1;
            }
            is_gone
        };
        let mut chunk = Vec::new();
        let mut from = first;
        let all_settled_go = loop {
            chunk.clear();
            if from < self.backlog.settled_end()
                && self
                    .backlog
                    .read(from, limits::BACKLOG_READ_BYTES, &mut chunk)
                    .is_err()
            {
                // What cannot be read now is looked at the next time.
                break false;
            }
            let Some(last) = chunk.last() else { break true };
            from = last.sequence + 1;
            if !chunk.iter().all(&mut goes) {
                break false;
            }
        };
        let in_tail = self
            .tail
            .iter()
            .take_while(|(stored, _)| all_settled_go && goes(stored))
            .count();
        (0..in_tail).for_each(|_| drop(self.pop_tail()));
        if kept_from > first {
            work.log.ack(&mut self.backlog, first, kept_from - 1);
        }
        self.live_bytes = live_bytes;
    }

    /// The bytes of what is on disk: counted where that is little, else estimated by the segments.
    pub(super) fn settled_bytes(&mut self) -> u64 {
        if self.options.length_bytes_max.is_none()
            || self.backlog.bytes() > limits::STREAM_COUNTED_BYTES_MAX
        {
            return self.backlog.bytes();
        }
        let mut bytes = 0;
        let mut from = self.backlog.first();
        let mut chunk = Vec::new();
        while from < self.backlog.settled_end() {
            let read = self
                .backlog
                .read(from, limits::BACKLOG_READ_BYTES, &mut chunk);
            if read.is_err() {
                return self.backlog.bytes();
            }
            let Some(last) = chunk.last() else { break };
            from = last.sequence + 1;
            bytes += chunk
                .drain(..)
                .map(|stored| weight(&stored.message))
                .sum::<u64>();
        }
        bytes
    }
}
