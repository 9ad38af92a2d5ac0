//! What a queue does by the clock, and under another policy.

use super::{Queue, Work};
use crate::Sink;
use crate::arguments::QueueOptions;
use crate::log::{Backlog, Log};

impl<B: Backlog> Queue<B> {
    /// Takes new options after a policy changed.
    pub(crate) fn configure<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        options: QueueOptions,
        work: &mut Work<'_, L, S>,
    ) {
        self.has_expiring |= options.message_ttl_ms.is_some();
        self.options = options;
        self.last_used_ms = work.now_ms;
        self.count_ready_bytes();
        self.enforce_length(work);
    }

    /// When the queue wants to be looked at next, in milliseconds since 1970.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        let unused = match self.options.expires_ms {
            Some(expires) if self.consumers.count() == 0 => {
                Some(self.last_used_ms.saturating_add(expires))
            }
            _ => None,
        };
        let head = if self.cannot_read() {
            self.stall.reading_until_ms
        } else if self.has_expiring && self.ready_count > 0 {
            let expiry = self
                .ready
                .next_expiry(&mut self.backlog, self.place.id.is_durable());
            // When it cannot be read, at once: who does what is due knows the time to wait until.
            let expiry = if self.ready.has_failed() {
                Some(0)
            } else {
                expiry
            };
            expiry.filter(|at| *at != u64::MAX)
        } else {
            None
        };
        let forgetting = self.memory.next_deadline(self.options.dedup_window());
        [unused, head, self.next_due(), forgetting]
            .into_iter()
            .flatten()
            .min()
    }

    #[inline]
    pub(crate) const fn has_deadlines(&self) -> bool {
        self.has_expiring
            || self.options.expires_ms.is_some()
            || self.cannot_read()
            || self.delayed.is_some()
            || !self.memory.is_empty()
    }

    /// Does what is due.
    pub(crate) fn tick<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self
            .stall
            .reading_until_ms
            .take_if(|until| *until <= work.now_ms)
            .is_some()
        {
            self.dispatch(work);
            self.enforce_length(work);
        }
        if self.mature(work.now_ms) {
            self.dispatch(work);
            self.enforce_length(work);
        }
        if self.has_expiring {
            self.expire(work);
        }
        let window_ms = self.options.dedup_window();
        self.memory.sweep(window_ms, work.now_ms, work.log);
        let is_unused = self.consumers.count() == 0
            && self
                .options
                .expires_ms
                .is_some_and(|expires| work.now_ms >= self.last_used_ms.saturating_add(expires));
        if is_unused {
            work.effects.spent.push(self.place);
        }
    }
}
