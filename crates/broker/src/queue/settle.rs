//! Moving messages that live long from memory into the backlog.

use super::ready::Ready;
use super::{Entry, Queue};
use crate::limits;
use crate::log::{Backlog, BacklogError, Log, Position, Stored};

/// The homes of messages: [`Queue::home_mut`].
const HOMES: [bool; 2] = [false, true];

impl<B: Backlog> Queue<B> {
    /// Settles everything that is only in memory, as a queue does that holds too much of it. A full disk leaves it in memory, and
    /// is not tried again with every message: each attempt looks at all that is held.
    pub(super) fn settle_all<L: Log<Backlog = B>>(&mut self, now_ms: u64, log: &mut L) {
        if self
            .stall
            .settling_until_ms
            .is_some_and(|until| now_ms < until)
        {
            return;
        }
        let settled = HOMES.map(|is_delayed| self.settle_below(self.next, is_delayed, log));
        let settled = settled.into_iter().collect::<Result<(), _>>();
        self.stall.settling_until_ms = settled
            .is_err()
            .then(|| now_ms.saturating_add(limits::SETTLE_RETRY_MS));
    }

    /// Settles what the log holds at or before `position`, so that the log may forget it.
    ///
    /// # Errors
    /// The messages stay in memory and in the log.
    pub(crate) fn settle_until<L: Log<Backlog = B>>(
        &mut self,
        position: Position,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        for is_delayed in HOMES {
            let end = self.settled_end(is_delayed);
            let is_old = |entry: &&Entry| {
                entry.is_delayed == is_delayed
                    && entry.sequence >= end
                    && entry.logged
                    && entry.position <= position
            };
            let newest = self
                .waiting_entries()
                .chain(self.held_entries())
                .filter(is_old)
                .map(|entry| entry.sequence)
                .max();
            if let Some(newest) = newest {
                self.settle_below(newest + 1, is_delayed, log)?;
            }
        }
        self.memory.settle_until(position, log)
    }

    /// The ready and the delayed messages that are entries in memory.
    fn waiting_entries(&self) -> impl Iterator<Item = &Entry> {
        let (fifo, levels) = match &self.ready {
            Ready::Fifo(fifo) => (Some(fifo), None),
            Ready::Priority(levels) => (None, Some(levels)),
        };
        let in_order = fifo.into_iter().flat_map(|fifo| {
            let due = fifo.due.iter().map(|(_, entry)| entry);
            fifo.returned.values().chain(due).chain(&fifo.tail)
        });
        let delayed = self.delayed.iter();
        in_order
            .chain(levels.into_iter().flat_map(|levels| levels.values()))
            .chain(delayed.flat_map(|delayed| delayed.fresh.values()))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "who asks sorts, or the order makes no difference"
    )]
    pub(super) fn held_entries(&self) -> impl Iterator<Item = &Entry> {
        self.unacked
            .values()
            .map(|unacked| &unacked.entry)
            .chain(self.transferring.values())
    }

    #[expect(clippy::disallowed_methods, reason = "the order makes no difference")]
    fn held_entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.unacked
            .values_mut()
            .map(|unacked| &mut unacked.entry)
            .chain(self.transferring.values_mut())
    }

    /// Settles every message of one home below `limit`, in order, and forgets their content.
    fn settle_below<L: Log<Backlog = B>>(
        &mut self,
        limit: u64,
        is_delayed: bool,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        let end = self.settled_end(is_delayed);
        if limit <= end || (is_delayed && self.delayed.is_none()) {
            return Ok(());
        }
        let is_wanted = |entry: &&Entry| {
            entry.is_delayed == is_delayed && (end..limit).contains(&entry.sequence)
        };
        let mut stored: Vec<(Stored, bool)> = self
            .waiting_entries()
            .chain(self.held_entries())
            .filter(is_wanted)
            .filter_map(|entry| entry.stored().map(|stored| (stored, entry.logged)))
            .collect();
        stored.sort_unstable_by_key(|(stored, _)| stored.sequence);
        let result = log.settle(self.home_mut(is_delayed), &mut stored.into_iter());
        // What was settled before a failure is settled.
        let limit = if result.is_ok() {
            limit
        } else {
            limit.min(self.settled_end(is_delayed))
        };
        if limit > end {
            self.release(end, limit, is_delayed);
        }
        result
    }

    /// Forgets the content of what was settled just now, from `end` on and below `limit`.
    fn release(&mut self, end: u64, limit: u64, is_delayed: bool) {
        let release = |entry: &mut Entry| {
            if entry.is_delayed == is_delayed && (end..limit).contains(&entry.sequence) {
                entry.message = None;
            }
        };
        if is_delayed && let Some(delayed) = &mut self.delayed {
            delayed.fresh = delayed.fresh.split_off(&limit);
        }
        match &mut self.ready {
            Ready::Fifo(fifo) => {
                fifo.returned.values_mut().for_each(release);
                fifo.due.iter_mut().for_each(|(_, entry)| release(entry));
            }
            Ready::Priority(levels) => levels.values_mut().for_each(release),
        }
        match &mut self.ready {
            Ready::Fifo(fifo) if !is_delayed => {
                // When the backlog was read to its end, reading goes on at the first fresh message: what lies before it is out.
                if fifo.read_from >= end {
                    fifo.read_from = fifo
                        .tail
                        .front()
                        .map_or(limit, |entry| entry.sequence.min(limit));
                }
                while fifo
                    .tail
                    .front()
                    .is_some_and(|entry| entry.sequence < limit)
                {
                    fifo.tail.pop_front();
                }
            }
            Ready::Fifo(_) | Ready::Priority(_) => {}
        }
        self.held_entries_mut().for_each(release);
        let unsettled = |entry: &Entry| self.unsettled_bytes(entry);
        let resident_bytes = self.waiting_entries().map(unsettled).sum();
        let held_bytes = self.held_entries().map(unsettled).sum();
        self.resident_bytes = resident_bytes;
        self.held_bytes = held_bytes;
    }
}
