//! A queue after a restart: what its log kept of it.

use super::Queue;
use super::ready::{Entry, Ready};
use crate::limits;
use crate::log::{Backlog, Stored};

impl<B: Backlog> Queue<B> {
    /// Fills a queue with what its log kept: the backlog's messages and those that only the journal has.
    pub(crate) fn restore(&mut self, next: u64, messages: Vec<Stored>) {
        self.next = self.next.max(next);
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
            Ready::Priority(_) => self.enlist_settled(),
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
    }

    fn enlist_settled(&mut self) {
        let mut chunk = Vec::new();
        let mut from = self.backlog.first();
        while let Some(next) = self.read_settled(from, &mut chunk) {
            from = next;
            for stored in chunk.drain(..) {
                let mut entry = Entry::from_stored(stored, self.place.id.is_durable());
                entry.message = None;
                self.make_ready(entry);
            }
        }
    }

    /// Replaces an estimate by the true number once a limit depends on it, which reads the backlog through.
    pub(super) fn count_ready_bytes(&mut self) {
        if !self.is_estimated || self.options.length_bytes_max.is_none() {
            return;
        }
        let Ready::Fifo(fifo) = &self.ready else {
            return;
        };
        let in_memory = fifo.returned.values().chain(&fifo.window).chain(&fifo.tail);
        let mut bytes: u64 = in_memory.map(|entry| u64::from(entry.body_bytes)).sum();
        let mut from = fifo.read_from;
        let mut chunk = Vec::new();
        while let Some(next) = self.read_settled(from, &mut chunk) {
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
    fn read_settled(&mut self, from: u64, chunk: &mut Vec<Stored>) -> Option<u64> {
        if from >= self.backlog.settled_end() {
            return None;
        }
        self.backlog.read(from, limits::BACKLOG_READ_BYTES, chunk);
        chunk.last().map(|last| last.sequence + 1)
    }
}
