//! A queue after a restart: what its log kept of it.

use super::Queue;
use super::ready::{Entry, Ready};
use crate::limits;
use crate::log::{Backlog, BacklogError, Stored};
use crate::shard::Kept;

impl<B: Backlog> Queue<B> {
    /// Fills a queue with what its log kept: the backlog's messages and those that only the journal has.
    ///
    /// # Errors
    /// The backlog cannot be read, and the queue's order hangs on it.
    pub(crate) fn restore(
        &mut self,
        next: u64,
        messages: Vec<Stored>,
        delayed: Option<Kept<B>>,
        now_ms: u64,
    ) -> Result<(), BacklogError> {
        let next_delayed = delayed.as_ref().map_or(0, |delayed| delayed.next);
        self.next = self.next.max(next).max(next_delayed);
        self.has_expiring |= self.backlog.live() > 0;
        match &mut self.ready {
            Ready::Fifo(fifo) => {
                fifo.read_from = self.backlog.first();
                self.ready_count = self.backlog.live();
                self.ready_bytes = self.backlog.bytes();
                self.is_estimated = self.ready_count > 0;
                self.count_ready_bytes();
            }
            // A priority queue's order needs every entry, so that its backlog is read once at start.
            Ready::Priority(_) => self.enlist_settled()?,
        }
        for mut stored in messages {
            if let Some(ttl) = self.options.message_ttl_ms {
                stored.expires_at_ms = stored
                    .expires_at_ms
                    .min(stored.received_ms.saturating_add(ttl));
            }
            let entry = Entry::from_stored(stored, self.place.id.is_durable());
            self.has_expiring |= entry.expires_at_ms != u64::MAX;
            self.resident_bytes += entry.footprint();
            self.make_ready(entry);
        }
        delayed.map_or(Ok(()), |kept| self.restore_delayed(kept, now_ms))
    }

    fn enlist_settled(&mut self) -> Result<(), BacklogError> {
        let mut chunk = Vec::new();
        let mut from = self.backlog.first();
        while let Some(next) = self.read_settled(from, &mut chunk)? {
            from = next;
            for stored in chunk.drain(..) {
                let mut entry = Entry::from_stored(stored, self.place.id.is_durable());
                entry.message = None;
                self.make_ready(entry);
            }
        }
        Ok(())
    }

    /// Replaces an estimate by the true number once a limit depends on it, which reads the backlog through. It stays an estimate
    /// where that fails.
    pub(super) fn count_ready_bytes(&mut self) {
        if !self.is_estimated || self.options.length_bytes_max.is_none() {
            return;
        }
        let Ready::Fifo(fifo) = &self.ready else {
            return;
        };
        let due = fifo.due.iter().map(|(_, entry)| entry);
        let in_memory = fifo.returned.values().chain(due);
        let in_memory = in_memory.chain(&fifo.window).chain(&fifo.tail);
        let mut bytes: u64 = in_memory.map(|entry| u64::from(entry.body_bytes)).sum();
        let mut from = fifo.read_from;
        let mut chunk = Vec::new();
        loop {
            let Ok(next) = self.read_settled(from, &mut chunk) else {
                return;
            };
            let Some(next) = next else { break };
            from = next;
            bytes += chunk
                .drain(..)
                .map(|stored| stored.message.body_length() as u64)
                .sum::<u64>();
        }
        self.ready_bytes = bytes;
        self.is_estimated = false;
    }

    /// Reads some settled messages; returns where to read on, `None` at the end.
    fn read_settled(
        &mut self,
        from: u64,
        chunk: &mut Vec<Stored>,
    ) -> Result<Option<u64>, BacklogError> {
        if from >= self.backlog.settled_end() {
            return Ok(None);
        }
        self.backlog.read(from, limits::BACKLOG_READ_BYTES, chunk)?;
        Ok(chunk.last().map(|last| last.sequence + 1))
    }
}
