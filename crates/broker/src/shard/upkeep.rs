//! What a shard does by the clock, for its log, and under other policies.

use super::Shard;
use super::cell::{Cell, find};
use crate::arguments::QueueOptions;
use crate::log::{BacklogError, Log, Position};
use crate::{Name, QueueRef, Sink, limits};

impl<L: Log> Shard<L> {
    /// Gives a queue new options after a policy changed.
    pub fn configure<S: Sink>(
        &mut self,
        place: QueueRef,
        options: QueueOptions,
        now_ms: u64,
        sink: &mut S,
    ) {
        self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => queue.configure(options, work),
            Cell::Stream(stream) => stream.configure(options),
        });
        self.refresh(place.slot);
    }

    /// Gives a queue its new name, and the options that hold for it under that.
    pub fn rename<S: Sink>(
        &mut self,
        place: QueueRef,
        name: Name,
        options: QueueOptions,
        now_ms: u64,
        sink: &mut S,
    ) {
        match find(&mut self.cells, place) {
            Some(Cell::Queue(queue)) => queue.name = name,
            Some(Cell::Stream(stream)) => stream.name = name,
            None => {}
        }
        self.configure(place, options, now_ms, sink);
    }

    /// When the next queue wants to be looked at, in milliseconds since 1970.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due by now.
    pub fn tick<S: Sink>(&mut self, now_ms: u64, sink: &mut S) {
        // Each queue once: one that has more to do than fits is due again at the next call, after other work.
        let is_due = |timer: &&(u64, u32)| timer.0 <= now_ms;
        let due: Vec<_> = self
            .timers
            .iter()
            .take_while(is_due)
            .take(limits::DISPATCH_BATCH_MAX)
            .copied()
            .collect();
        for (at, slot) in due {
            self.timers.remove(&(at, slot));
            let Some(cell) = self
                .cells
                .get_mut(slot as usize)
                .and_then(Option::as_deref_mut)
            else {
                continue;
            };
            *cell.timer() = None;
            let place = cell.place();
            let spent_before = self.effects.spent.len();
            self.with(place, now_ms, sink, |cell, work| match cell {
                Cell::Queue(queue) => queue.tick(work),
                Cell::Stream(stream) => stream.tick(work),
            });
            // A queue that is to be deleted is not looked at again.
            if self.effects.spent.len() > spent_before
                && let Some(timer) =
                    find(&mut self.cells, place).and_then(|cell| cell.timer().take())
            {
                self.timers.remove(&(timer, slot));
            }
        }
    }

    /// Settles everything that the log holds at or before `position`.
    ///
    /// # Errors
    /// Some of it is still only in memory and in the log.
    pub fn settle_until(&mut self, position: Position) -> Result<(), BacklogError> {
        let mut result = Ok(());
        let mut resident_bytes = 0;
        for cell in self.cells.iter_mut().flatten() {
            // After a failure the rest is not tried, but still counted.
            result = result.and_then(|()| cell.settle_until(position, &mut self.log));
            resident_bytes += cell.resident_bytes();
        }
        self.resident_bytes = resident_bytes;
        result
    }

    /// The log and every durable queue's backlog and next sequence number, for a snapshot.
    pub fn durable_backlogs(&mut self) -> (&mut L, impl Iterator<Item = (&mut L::Backlog, u64)>) {
        let backlogs = self
            .cells
            .iter_mut()
            .flatten()
            .filter(|cell| cell.place().id.is_durable())
            .flat_map(|cell| {
                let next = cell.next_sequence();
                cell.backlogs_mut().map(move |backlog| (backlog, next))
            });
        (&mut self.log, backlogs)
    }

    pub(super) fn refresh(&mut self, slot: u32) {
        let Some(cell) = self
            .cells
            .get_mut(slot as usize)
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        let wanted = cell.next_deadline();
        let timer = cell.timer();
        if *timer == wanted {
            return;
        }
        if let Some(old) = timer.take() {
            self.timers.remove(&(old, slot));
        }
        *timer = wanted;
        if let Some(at) = wanted {
            self.timers.insert((at, slot));
        }
    }
}
