//! One queue: what is ready, what is out with consumers, and what its options do to both.
//!
//! Sequence numbers rise by one per message and are never reused. A message is *ready*, *unacked* (with a consumer, or with a channel
//! that got it), *transferring* (dead, on its way to other queues), or *delayed* (its time has not come). Whatever ends is logged if it
//! was logged when it came.

mod consumers;
mod deadlines;
mod delayed;
mod dispatch;
mod ending;
mod offer;
mod ready;
mod restore;
mod settle;

use std::sync::Arc;

use crate::arguments::{QueueKind, QueueOptions};
use crate::dedup::Memory;
use crate::log::{Backlog, Log};
use crate::maps::NumberMap;
use crate::shard::{Crowd, QueueSpecification};
use crate::{
    ConnectionId, ConsumerNumber, Credit, Deaths, Message, Name, QueueRef, Reason, Sink, limits,
};
use consumers::Consumers;
use delayed::Delayed;
use ready::{Entry, Ready};

/// How a queue is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// Messages that ever came in: the sequence number of the newest; of a stream, of the newest that is durable.
    pub published: u64,
    /// Messages that were delivered since the server started, each as often as it was.
    pub delivered: u64,
    /// Messages ready for delivery.
    pub ready: u64,
    /// Messages whose time has not come.
    pub delayed: u64,
    /// Messages out with consumers.
    pub unacked: u64,
    /// Consumers attached.
    pub consumers: u32,
    /// Bytes of the bodies of ready messages.
    pub ready_bytes: u64,
    /// Bytes of messages in memory.
    pub resident_bytes: u64,
    /// Bytes in segments on disk.
    pub disk_bytes: u64,
}

impl QueueStatistics {
    /// Adds up with another queue's.
    pub const fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.delivered += other.delivered;
        self.ready += other.ready;
        self.delayed += other.delayed;
        self.unacked += other.unacked;
        self.consumers += other.consumers;
        self.ready_bytes += other.ready_bytes;
        self.resident_bytes += other.resident_bytes;
        self.disk_bytes += other.disk_bytes;
    }
}

/// A dead message on its way to its queue's dead-letter exchange.
#[derive(Debug)]
pub struct DeadLetter {
    /// The virtual host.
    pub vhost: Name,
    /// The queue where it died.
    pub queue: Name,
    /// That queue's place.
    pub place: QueueRef,
    /// Its number there; the queue keeps it until [`crate::shard::Shard::transferred`] is called. `None` if it never got in.
    pub sequence: Option<u64>,
    /// Why it died.
    pub reason: Reason,
    /// The message.
    pub message: Arc<Message>,
    /// The dead-letter exchange.
    pub exchange: Name,
    /// The key that it gets, where the queue says so.
    pub routing_key: Option<Name>,
}

/// What a queue asks of whoever runs it.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) dead: Vec<DeadLetter>,
    pub(crate) spent: Vec<QueueRef>,
    pub(crate) transferred: Vec<(QueueRef, u64)>,
    /// Counted from the start, never taken.
    pub(crate) deaths: Deaths,
}

/// What an operation on a queue works with.
pub(crate) struct Work<'a, L: Log, S: Sink> {
    pub(crate) log: &'a mut L,
    pub(crate) sink: &'a mut S,
    pub(crate) effects: &'a mut Effects,
    pub(crate) now_ms: u64,
}

/// Where an offered message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// Taken under this number; the log must know it.
    Logged(u64),
    /// Taken under this number, to be delivered later; the log must know it among the queue's delayed messages.
    Delayed(u64),
    /// Taken under this number, or consumed at once; the log need not know.
    Taken(u64),
    /// Refused: the queue is full.
    Rejected,
}

#[derive(Debug)]
struct Unacked {
    entry: Entry,
    connection: ConnectionId,
    /// The consumer and its slot; `None` when a get took it.
    consumer: Option<(u32, ConsumerNumber)>,
    credit: Option<Arc<Credit>>,
}

/// What the disk keeps a queue from doing, and until when it is not tried again.
#[derive(Debug, Default)]
struct Stall {
    /// Nothing is handed out, expired or pushed out before: the next message in order is on the disk.
    reading_until_ms: Option<u64>,
    /// Messages stay in memory until then.
    settling_until_ms: Option<u64>,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue<B> {
    pub(crate) name: Name,
    pub(crate) vhost: Name,
    pub(crate) place: QueueRef,
    kind: QueueKind,
    auto_delete: bool,
    options: QueueOptions,
    next: u64,
    ready: Ready,
    ready_count: u64,
    ready_bytes: u64,
    /// How often consumers were served again after their sockets had drained.
    resumed: u64,
    /// `ready_bytes` is an estimate, made from the bytes on disk at start.
    is_estimated: bool,
    /// Deliveries since the server started.
    delivered: u64,
    unacked: NumberMap<Unacked>,
    transferring: NumberMap<Entry>,
    consumers: Consumers,
    backlog: B,
    /// Messages that are to be delivered later, and the backlog of all that ever were; `None` until there is one.
    delayed: Option<Box<Delayed<B>>>,
    memory: Memory<B>,
    /// Bytes of ready and delayed messages that are in memory alone.
    resident_bytes: usize,
    /// The same of messages that are out with consumers or on their way to a dead-letter exchange.
    held_bytes: usize,
    /// Messages may expire: the head is to be watched.
    has_expiring: bool,
    /// The backlog could not be read, or could not take more: when each is tried again.
    stall: Stall,
    last_used_ms: u64,
    pub(crate) timer_ms: Option<u64>,
}

impl<B: Backlog> Queue<B> {
    pub(crate) fn new(specification: QueueSpecification, backlog: B, now_ms: u64) -> Self {
        let QueueSpecification {
            name,
            vhost,
            place,
            kind,
            auto_delete,
            options,
        } = specification;
        Self {
            name,
            vhost,
            place,
            kind,
            auto_delete,
            next: 1,
            ready: Ready::new(options.priority_max, backlog.settled_end()),
            ready_count: 0,
            ready_bytes: 0,
            is_estimated: false,
            delivered: 0,
            unacked: NumberMap::default(),
            transferring: NumberMap::default(),
            consumers: Consumers::new(options.single_active_consumer),
            backlog,
            delayed: None,
            memory: Memory::NONE,
            resident_bytes: 0,
            resumed: 0,
            held_bytes: 0,
            has_expiring: options.message_ttl_ms.is_some(),
            stall: Stall::default(),
            options,
            last_used_ms: now_ms,
            timer_ms: None,
        }
    }

    pub(crate) fn statistics(&self) -> QueueStatistics {
        QueueStatistics {
            published: self.next.saturating_sub(1),
            delivered: self.delivered,
            ready: self.ready_count,
            delayed: self.delayed_count(),
            unacked: self.unacked.len() as u64,
            consumers: self.consumers.count(),
            ready_bytes: self.ready_bytes,
            resident_bytes: self.resident_bytes() as u64,
            disk_bytes: self.backlog.bytes()
                + self
                    .delayed
                    .as_ref()
                    .map_or(0, |delayed| delayed.backlog.bytes()),
        }
    }

    pub(crate) fn is_served(&self, consumer: &consumers::Consumer) -> bool {
        self.consumers.is_served(consumer)
    }

    pub(crate) fn consumers(&self) -> impl Iterator<Item = &consumers::Consumer> {
        self.consumers.iter()
    }

    /// When its consumers are about to catch up, so that publishers do better to wait than to let it grow: how often they were
    /// served again after their sockets had drained.
    #[inline]
    pub(crate) fn crowd(&self, now_ms: u64) -> Option<Crowd> {
        let is_long = self.resident_bytes > limits::PACED_BYTES
            || self.ready_bytes > limits::PACED_BYTES as u64;
        (is_long && self.consumers.are_draining(now_ms)).then_some(Crowd {
            queue: self.place,
            resumed: self.resumed,
        })
    }

    pub(crate) const fn resident_bytes(&self) -> usize {
        self.resident_bytes + self.held_bytes
    }

    pub(crate) const fn touch(&mut self, now_ms: u64) {
        self.last_used_ms = now_ms;
    }

    pub(crate) fn backlogs_mut(&mut self) -> impl Iterator<Item = &mut B> {
        let delayed = self.delayed.iter_mut().map(|delayed| &mut delayed.backlog);
        std::iter::once(&mut self.backlog)
            .chain(delayed)
            .chain(self.memory.backlog_mut())
    }

    /// How long ids of messages are remembered, and what is remembered.
    pub(crate) const fn memory(&mut self) -> (u64, &mut Memory<B>) {
        (self.options.dedup_window(), &mut self.memory)
    }

    /// What keeps a message beyond memory: those that were delayed have a backlog of their own.
    #[inline]
    fn home_mut(&mut self, is_delayed: bool) -> &mut B {
        match &mut self.delayed {
            Some(delayed) if is_delayed => &mut delayed.backlog,
            Some(_) | None => &mut self.backlog,
        }
    }

    /// Where [`Self::home_mut`] ends: what is below is settled.
    #[inline]
    fn settled_end(&self, is_delayed: bool) -> u64 {
        match &self.delayed {
            Some(delayed) if is_delayed => delayed.backlog.settled_end(),
            Some(_) | None => self.backlog.settled_end(),
        }
    }

    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Says whether the next message in order cannot be read for now.
    #[inline]
    const fn cannot_read(&self) -> bool {
        self.stall.reading_until_ms.is_some()
    }

    /// Leaves the backlog alone for a while after it could not be read. Nothing passes what is in it.
    const fn stall_reading(&mut self, now_ms: u64) {
        self.stall.reading_until_ms = Some(now_ms.saturating_add(limits::BACKLOG_RETRY_MS));
    }

    /// The memory that an entry takes while it is in memory alone; what is settled can be read again.
    #[inline]
    fn unsettled_bytes(&self, entry: &Entry) -> usize {
        if entry.sequence < self.settled_end(entry.is_delayed) {
            0
        } else {
            entry.footprint()
        }
    }
}

#[cfg(test)]
mod tests;
