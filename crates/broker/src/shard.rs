//! The queues that one thread owns, and the confirms that wait for its log.
//!
//! Every call takes the time and a [`Sink`] for what comes of it. What a shard cannot do alone it leaves to be taken: dead letters that
//! are to be routed ([`Shard::take_dead_letters`]) and queues whose time has come ([`Shard::take_spent`]).

mod cell;
mod pending;
mod publish;
mod upkeep;
mod views;

use std::collections::{BTreeSet, VecDeque};

use crate::arguments::{QueueKind, QueueOptions};
use crate::death::{Death, Deaths, bury, cyclic_queues};
use crate::log::{BacklogError, Log, Stored};
use crate::queue::{Effects, Work};
use crate::{
    ConnectionId, ConsumeRequest, ConsumerNumber, Delivery, Event, Message, Name, Outcome,
    QueueRef, Refusal, RefusalKind, Reply, Sink,
};
use cell::{Cell, find};
use pending::Pending;

pub use crate::queue::DeadLetter;
pub use views::ConsumerView;

/// A queue to be made.
#[derive(Debug, Clone)]
pub struct QueueSpecification {
    /// Its name.
    pub name: Name,
    /// Its virtual host.
    pub vhost: Name,
    /// Its place.
    pub place: QueueRef,
    /// Its kind.
    pub kind: QueueKind,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// Its options under its policy.
    pub options: QueueOptions,
}

/// What a log kept of a queue, or of a part of it.
#[derive(Debug)]
pub struct Kept<B> {
    /// What is settled.
    pub backlog: B,
    /// The next sequence number, as far as this part knows.
    pub next: u64,
    /// The messages that are not settled.
    pub messages: Vec<Stored>,
}

/// All that a log kept of a queue.
#[derive(Debug)]
pub struct Recovered<B> {
    /// What it has under the queue's number.
    pub ordinary: Option<Kept<B>>,
    /// What it has under [`QueueId::delayed`](crate::QueueId::delayed).
    pub delayed: Option<Kept<B>>,
    /// What it has under [`QueueId::dedup`](crate::QueueId::dedup).
    pub dedup: Option<Kept<B>>,
}

/// A queue that grows faster than the sockets of its consumers drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// The queue.
    pub queue: QueueRef,
    /// How often its consumers were served again after their sockets had drained: when this moves, they do.
    pub resumed: u64,
}

/// The queues of one shard.
#[derive(Debug)]
pub struct Shard<L: Log> {
    cells: Vec<Option<Box<Cell<L::Backlog>>>>,
    log: L,
    pending: VecDeque<Pending>,
    timers: BTreeSet<(u64, u32)>,
    effects: Effects,
    resident_bytes: usize,
    crowd: Option<Crowd>,
}

impl<L: Log> Shard<L> {
    /// Makes a shard without queues.
    pub const fn new(log: L) -> Self {
        Self {
            cells: Vec::new(),
            log,
            pending: VecDeque::new(),
            timers: BTreeSet::new(),
            effects: Effects {
                dead: Vec::new(),
                spent: Vec::new(),
                transferred: Vec::new(),
                deaths: Deaths::NONE,
            },
            resident_bytes: 0,
            crowd: None,
        }
    }

    /// The shard's log, for whoever submits its batches.
    pub const fn log(&mut self) -> &mut L {
        &mut self.log
    }

    /// Makes a queue that holds nothing yet.
    pub fn create(&mut self, specification: QueueSpecification, now_ms: u64) {
        let backlog = self.log.backlog(specification.place.id);
        self.insert(specification, backlog, now_ms);
    }

    /// Makes a queue that was there before, with what its log kept of it.
    ///
    /// # Errors
    /// The disk fails; the queue would serve its messages in a wrong order.
    pub fn restore(
        &mut self,
        specification: QueueSpecification,
        recovered: Recovered<L::Backlog>,
        now_ms: u64,
    ) -> Result<(), BacklogError> {
        let slot = specification.place.slot;
        let Recovered {
            ordinary,
            delayed,
            dedup,
        } = recovered;
        let Kept {
            backlog,
            next,
            messages,
        } = ordinary.unwrap_or_else(|| Kept {
            backlog: self.log.backlog(specification.place.id),
            next: 0,
            messages: Vec::new(),
        });
        self.insert(specification, backlog, now_ms);
        if let Some(cell) = self
            .cells
            .get_mut(slot as usize)
            .and_then(Option::as_deref_mut)
        {
            cell.restore(next, messages, (delayed, dedup), now_ms)?;
            self.resident_bytes += cell.resident_bytes();
        }
        self.refresh(slot);
        Ok(())
    }

    fn insert(&mut self, specification: QueueSpecification, backlog: L::Backlog, now_ms: u64) {
        let place = specification.place;
        let cell = Cell::new(specification, backlog, now_ms);
        let slot = place.slot as usize;
        if self.cells.len() <= slot {
            self.cells.resize_with(slot + 1, || None);
        }
        if let Some(free) = self.cells.get_mut(slot) {
            *free = Some(Box::new(cell));
        }
        self.refresh(place.slot);
    }

    /// Runs `operation` on a queue, keeps the sums, and watches its deadlines; `None` when the queue is gone.
    #[inline]
    fn with<S: Sink, T>(
        &mut self,
        place: QueueRef,
        now_ms: u64,
        sink: &mut S,
        operation: impl FnOnce(&mut Cell<L::Backlog>, &mut Work<'_, L, S>) -> T,
    ) -> Option<T> {
        let cell = find(&mut self.cells, place)?;
        let before = cell.resident_bytes();
        let mut work = Work {
            log: &mut self.log,
            sink,
            effects: &mut self.effects,
            now_ms,
        };
        let result = operation(cell, &mut work);
        self.resident_bytes = (self.resident_bytes + cell.resident_bytes()).saturating_sub(before);
        if cell.has_deadlines() {
            self.refresh(place.slot);
        }
        Some(result)
    }

    /// Settles a delivered message. `consumer` is who had it; `None` a get.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "called for every message: all of them are words that stay in registers"
    )]
    pub fn settle<S: Sink>(
        &mut self,
        place: QueueRef,
        connection: ConnectionId,
        consumer: Option<ConsumerNumber>,
        sequence: u64,
        outcome: Outcome,
        now_ms: u64,
        sink: &mut S,
    ) {
        let Some(cell) = find(&mut self.cells, place) else {
            return;
        };
        let before = cell.resident_bytes();
        let mut work = Work {
            log: &mut self.log,
            sink,
            effects: &mut self.effects,
            now_ms,
        };
        match (cell, consumer) {
            (Cell::Queue(queue), _) => {
                queue.settle(sequence, outcome, &mut work);
                self.resident_bytes =
                    (self.resident_bytes + queue.resident_bytes()).saturating_sub(before);
            }
            (Cell::Stream(stream), Some(consumer)) => stream.settle(connection, consumer),
            (Cell::Stream(_), None) => {}
        }
    }

    /// Goes on with a queue after a run of settlements.
    pub fn after_settle<S: Sink>(&mut self, place: QueueRef, now_ms: u64, sink: &mut S) {
        self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => queue.after_settle(work),
            Cell::Stream(stream) => stream.dispatch(work),
        });
    }

    /// Starts a consumer and answers its channel.
    pub fn consume<S: Sink>(
        &mut self,
        place: QueueRef,
        connection: ConnectionId,
        channel: u16,
        wish: &ConsumeRequest,
        now_ms: u64,
        sink: &mut S,
    ) {
        let result = self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => queue.consume(connection, channel, wish, work),
            Cell::Stream(stream) => stream.consume(connection, channel, wish, work),
        });
        let result = result.unwrap_or_else(|| Err(gone())).map(|()| Reply::Done);
        let is_started = result.is_ok();
        sink.event(connection, Event::Replied { channel, result });
        if is_started {
            self.after_settle(place, now_ms, sink);
        }
    }

    /// Stops a consumer; what it has not settled stays with its channel.
    pub fn cancel<S: Sink>(
        &mut self,
        place: QueueRef,
        connection: ConnectionId,
        consumer: ConsumerNumber,
        now_ms: u64,
        sink: &mut S,
    ) {
        self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => queue.cancel(connection, consumer, work),
            Cell::Stream(stream) => stream.cancel(connection, consumer, work.now_ms),
        });
    }

    /// Serves a connection's consumers of a queue again after its socket drained or its credit grew.
    pub fn resume<S: Sink>(
        &mut self,
        place: QueueRef,
        connection: ConnectionId,
        now_ms: u64,
        sink: &mut S,
    ) {
        self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => queue.resume(connection, work),
            Cell::Stream(stream) => stream.resume(connection, work),
        });
    }

    /// Takes one message, if there is one; the second value is how many stay ready.
    ///
    /// # Errors
    /// `NotImplemented` for a stream, `NotFound` for a queue that is gone.
    pub fn get<S: Sink>(
        &mut self,
        place: QueueRef,
        connection: ConnectionId,
        no_ack: bool,
        now_ms: u64,
        sink: &mut S,
    ) -> Result<Option<(Delivery, u64)>, Refusal> {
        let got = self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => Ok(queue.get(connection, no_ack, work)),
            Cell::Stream(_) => Err(Refusal::new(
                RefusalKind::NotImplemented,
                "basic.get is not possible on a stream; consume it instead",
            )),
        });
        got.unwrap_or_else(|| Err(gone()))
    }

    /// Removes every ready message.
    ///
    /// # Errors
    /// `NotImplemented` for a stream.
    pub fn purge<S: Sink>(
        &mut self,
        place: QueueRef,
        now_ms: u64,
        sink: &mut S,
    ) -> Result<u64, Refusal> {
        let purged = self.with(place, now_ms, sink, |cell, work| match cell {
            Cell::Queue(queue) => Ok(queue.purge(work.log)),
            Cell::Stream(_) => Err(Refusal::new(
                RefusalKind::NotImplemented,
                "queue.purge is not possible on a stream; set its retention instead",
            )),
        });
        purged.unwrap_or(Ok(0))
    }

    /// Deletes a queue and returns its names and how many messages were ready; `None` when it is gone already.
    ///
    /// # Errors
    /// `PreconditionFailed` when `if_unused` or `if_empty` stand against it.
    pub fn delete<S: Sink>(
        &mut self,
        place: QueueRef,
        if_unused: bool,
        if_empty: bool,
        sink: &mut S,
    ) -> Result<Option<(Name, Name, u64)>, Refusal> {
        let Some(cell) = find(&mut self.cells, place) else {
            return Ok(None);
        };
        let (vhost, name, messages) = match cell {
            Cell::Queue(queue) => {
                queue.check_delete(if_unused, if_empty)?;
                (
                    queue.vhost.clone(),
                    queue.name.clone(),
                    queue.delete(&mut self.log, sink),
                )
            }
            Cell::Stream(stream) => {
                stream.check_delete(if_unused, if_empty)?;
                (
                    stream.vhost.clone(),
                    stream.name.clone(),
                    stream.delete(&mut self.log, sink),
                )
            }
        };
        self.resident_bytes = self.resident_bytes.saturating_sub(cell.resident_bytes());
        if let Some(timer) = cell.timer().take() {
            self.timers.remove(&(timer, place.slot));
        }
        if let Some(cell) = self.cells.get_mut(place.slot as usize) {
            *cell = None;
        }
        Ok(Some((vhost, name, messages)))
    }

    /// Takes the dead messages that are to be routed.
    #[must_use]
    pub fn take_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.effects.dead)
    }

    /// Takes the queues that are to be deleted: unused for too long, or left by their last consumer.
    #[must_use]
    pub fn take_spent(&mut self) -> Vec<QueueRef> {
        std::mem::take(&mut self.effects.spent)
    }

    /// Takes the last queue that was published to faster than the sockets of its consumers drain. Its publisher does well to
    /// wait a moment, for as long as [`Self::crowd`] says so.
    #[must_use]
    pub const fn take_crowd(&mut self) -> Option<Crowd> {
        self.crowd.take()
    }

    /// Says whether a queue's consumers are still about to catch up.
    #[must_use]
    pub fn crowd(&mut self, queue: QueueRef, now_ms: u64) -> Option<Crowd> {
        match find(&mut self.cells, queue) {
            Some(Cell::Queue(queue)) => queue.crowd(now_ms),
            Some(Cell::Stream(_)) | None => None,
        }
    }

    /// Bytes of unsettled messages in memory.
    #[must_use]
    pub const fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }
}

/// A dead message with its death written into its headers and its new address.
#[must_use]
pub fn dead_message(letter: &DeadLetter, now_ms: u64) -> Message {
    let death = Death {
        queue: &letter.queue,
        reason: letter.reason,
        now_ms,
        exchange: &letter.exchange,
        routing_key: letter.routing_key.as_deref(),
    };
    bury(&letter.message, &death)
}

/// The queues that a dead message may not enter again: it has been there before, and no consumer had a hand in its way since.
#[must_use]
pub fn dead_letter_cycles(message: &Message, reason: crate::Reason) -> Vec<String> {
    cyclic_queues(message, reason)
}

fn gone() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "the queue was deleted meanwhile")
}

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod rig;
#[cfg(test)]
mod tests;
