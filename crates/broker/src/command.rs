//! What goes down: requests of a connection, as plain data.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use codec::amqp::field::Table;

use crate::{ConnectionId, ConsumerNumber, limits};

/// What becomes of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done with: the message is gone.
    Acked,
    /// Put back into the queue at its old place.
    Requeued,
    /// Put back without counting as a failed delivery (basic.recover).
    Recovered,
    /// Put back as if nobody had had it: whoever had it looked on behalf of an operator, or never got it.
    Unseen,
    /// Not wanted: dead-lettered, or dropped where the queue has no dead-letter exchange.
    Rejected,
}

/// Whom to tell when a publish is safe: a channel's publish number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishTicket {
    /// The publisher's connection.
    pub connection: ConnectionId,
    /// Its channel.
    pub channel: u16,
    /// The publish, counted from 1 in its channel.
    pub number: u64,
    /// The publisher is told where the message went: [`crate::Event::Placed`].
    pub wants_place: bool,
}

// It goes with every publish: there is room for the flag beside the channel.
const _: () = assert!(size_of::<PublishTicket>() == 24);

/// Credit that the consumers of one channel share (basic.qos with global set).
///
/// Where it is scarce, the consumer that was served last lets another go first that found it used up meanwhile, once. Whoever was
/// refused or let others go first is served again when the session resumes the channel's consumers, as it does whenever credit grew.
///
/// # Concurrency
/// Shared by the shards that own the channel's queues; each count is one atomic operation.
#[derive(Debug, Default)]
pub struct Credit {
    limit: AtomicU32,
    used: AtomicU32,
    /// The consumer that was served last.
    last: AtomicU32,
    /// Another one was refused since.
    is_contended: AtomicBool,
}

impl Credit {
    /// Sets the limit; 0 means none.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Says whether another message may go out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit == 0 || self.used.load(Ordering::Relaxed) < limit
    }

    /// Says whether `consumer` may have another message now; `has_yielded` is whether it stood back before.
    #[inline]
    pub(crate) fn admits(&self, consumer: ConsumerNumber, has_yielded: &mut bool) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return true;
        }
        let was_last = self.last.load(Ordering::Relaxed) == consumer.0;
        if self.used.load(Ordering::Relaxed) >= limit {
            if !was_last {
                self.is_contended.store(true, Ordering::Relaxed);
            }
            return false;
        }
        if was_last && !*has_yielded && self.is_contended.swap(false, Ordering::Relaxed) {
            *has_yielded = true;
            return false;
        }
        true
    }

    /// Takes credit for one message of `consumer` ahead, if it is admitted and there is some left: other shards may want the same.
    /// Returns whether the consumer may have a message; `is_reserved` is whether credit was taken for it.
    #[inline]
    pub(crate) fn reserve(
        &self,
        consumer: ConsumerNumber,
        has_yielded: &mut bool,
        is_reserved: &mut bool,
    ) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return true;
        }
        if !self.admits(consumer, has_yielded) {
            return false;
        }
        let more = |used: u32| (used < limit).then_some(used + 1);
        *is_reserved = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok();
        *is_reserved
    }

    /// Notes that a message went out for which credit was reserved.
    pub(crate) fn note_served(&self, consumer: ConsumerNumber) {
        self.last.store(consumer.0, Ordering::Relaxed);
    }

    /// Says whether a consumer other than the last found the credit used up.
    pub(crate) fn is_contended(&self) -> bool {
        self.is_contended.load(Ordering::Relaxed) && self.limit.load(Ordering::Relaxed) != 0
    }

    #[inline]
    pub(crate) fn take(&self, consumer: ConsumerNumber) {
        self.used.fetch_add(1, Ordering::Relaxed);
        if self.limit.load(Ordering::Relaxed) != 0 {
            self.last.store(consumer.0, Ordering::Relaxed);
        }
    }

    pub(crate) fn give_back(&self) {
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(1))
            });
    }
}

/// What one connection was handed and is not rid of: bytes that wait for its socket, so that queues pass over a peer that does not
/// read, and whether it is laden with messages that it does not acknowledge.
///
/// # Concurrency
/// Raised by the shards that deliver, lowered by the connection as it writes.
#[derive(Debug, Default)]
pub struct OutboxGauge {
    bytes: AtomicUsize,
    passed_over: AtomicBool,
    is_laden: AtomicBool,
    /// Room came up, and the queues have yet to hear of it.
    is_resuming: AtomicBool,
    /// All bytes that were ever taken off.
    drained: AtomicU64,
    /// The last value of `drained` that was new to [`Self::is_draining`], and when.
    seen_drained: AtomicU64,
    seen_ms: AtomicU64,
}

impl OutboxGauge {
    /// Says whether more may be delivered; where not, the connection is asked to resume its consumers later.
    #[must_use]
    pub fn has_room(&self) -> bool {
        if self.bytes.load(Ordering::Relaxed) < limits::OUTBOX_BYTES_MAX {
            return true;
        }
        self.passed_over.store(true, Ordering::SeqCst);
        // The connection may have drained between the two looks: whoever sees room last must not leave the consumer asleep.
        self.bytes.load(Ordering::SeqCst) < limits::OUTBOX_BYTES_RESUME
    }

    /// Notes whether the connection holds as many unacknowledged messages as it may. Once it no longer does, the session resumes its
    /// consumers.
    pub fn set_laden(&self, is_laden: bool) {
        self.is_laden.store(is_laden, Ordering::Relaxed);
    }

    /// Says whether nothing may be delivered that is to be acknowledged.
    #[must_use]
    pub fn is_laden(&self) -> bool {
        self.is_laden.load(Ordering::Relaxed)
    }

    /// Says whether the connection's socket has no room but takes something every now and then; until its queues have heard of new room,
    /// there is none.
    #[must_use]
    pub fn is_draining(&self, now_ms: u64) -> bool {
        let has_room = self.bytes.load(Ordering::Relaxed) < limits::OUTBOX_BYTES_RESUME;
        if has_room && !self.is_resuming.load(Ordering::Relaxed) {
            return false;
        }
        let drained = self.drained.load(Ordering::Relaxed);
        if drained != self.seen_drained.swap(drained, Ordering::Relaxed) {
            self.seen_ms.store(now_ms, Ordering::Relaxed);
        }
        let stalled_ms = now_ms.saturating_sub(self.seen_ms.load(Ordering::Relaxed));
        stalled_ms < limits::PACED_STALL_MS
    }

    /// Adds bytes that were handed to the connection.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes off what was added for messages that were written; returns true when passed-over consumers are to be resumed.
    ///
    /// # Units
    /// Bytes as they were added: [`crate::Delivery::outbox_bytes`] of each message, whatever it took on the wire.
    #[must_use]
    pub fn written(&self, bytes: usize) -> bool {
        self.drained.fetch_add(bytes as u64, Ordering::Relaxed);
        let subtract = |held: usize| Some(held.saturating_sub(bytes));
        let before = self
            .bytes
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, subtract)
            .unwrap_or_default();
        let left = before.saturating_sub(bytes);
        let resumes = left < limits::OUTBOX_BYTES_RESUME
            && self.passed_over.load(Ordering::SeqCst)
            && self.passed_over.swap(false, Ordering::SeqCst);
        if resumes {
            self.is_resuming.store(true, Ordering::Relaxed);
        }
        resumes
    }

    /// Notes that a queue serves the connection's consumers again.
    pub fn resumed(&self) {
        self.is_resuming.store(false, Ordering::Relaxed);
    }
}

/// Where a stream's consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamOffset {
    /// At the oldest message that is kept.
    First,
    /// At the last message.
    Last,
    /// Behind the last message.
    Next,
    /// At this offset, or the first kept one after it.
    Offset(u64),
    /// At the first message that came at or after this time, in milliseconds since 1970.
    Timestamp(u64),
}

/// A wish to consume.
#[derive(Debug, Clone)]
pub struct ConsumeRequest {
    /// The consumer's number, chosen by the session.
    pub consumer: ConsumerNumber,
    /// The consumer's tag, for listings.
    pub tag: Arc<str>,
    /// Deliveries need no acknowledgement.
    pub no_ack: bool,
    /// No other consumer may share the queue.
    pub exclusive: bool,
    /// How many messages may be unacknowledged at once; 0 is no limit.
    pub prefetch: u32,
    /// Among consumers that can take a message, the one of highest priority gets it (`x-priority`).
    pub priority: i64,
    /// Where to begin, if the queue is a stream.
    pub offset: StreamOffset,
    /// The channel's shared credit.
    pub credit: Arc<Credit>,
    /// The connection's bytes on the way.
    pub gauge: Arc<OutboxGauge>,
}

/// What a session asks for; each gets exactly one [`crate::Event::Replied`] on its channel.
#[derive(Debug, Clone)]
pub enum Request {
    /// exchange.declare
    ExchangeDeclare {
        /// The exchange's name.
        name: String,
        /// Its type, as the client wrote it.
        kind: String,
        /// Only ask whether it exists.
        passive: bool,
        /// It outlives the process.
        durable: bool,
        /// It goes with its last binding.
        auto_delete: bool,
        /// Clients may not publish to it.
        internal: bool,
        /// Its arguments.
        arguments: Table,
    },
    /// exchange.delete
    ExchangeDelete {
        /// The exchange's name.
        name: String,
        /// Refuse while bindings start from it.
        if_unused: bool,
    },
    /// exchange.bind, exchange.unbind, queue.bind and queue.unbind
    Bind {
        /// Undo the binding instead.
        unbind: bool,
        /// The exchange that messages come from.
        source: String,
        /// The queue or exchange that they go to.
        destination: String,
        /// The destination is an exchange.
        to_exchange: bool,
        /// The binding's key.
        routing_key: String,
        /// The binding's arguments.
        arguments: Table,
    },
    /// queue.declare
    QueueDeclare {
        /// The queue's name; empty lets the server choose one.
        name: String,
        /// Only ask whether it exists.
        passive: bool,
        /// It outlives the process.
        durable: bool,
        /// Only this connection may use it, and it goes with the connection.
        exclusive: bool,
        /// It goes with its last consumer.
        auto_delete: bool,
        /// Its arguments.
        arguments: Table,
    },
    /// queue.delete
    QueueDelete {
        /// The queue's name.
        name: String,
        /// Refuse while it has consumers.
        if_unused: bool,
        /// Refuse while it has messages.
        if_empty: bool,
    },
    /// Whether messages may be taken from a queue, whatever it keeps itself.
    MayRead {
        /// The queue's name.
        queue: String,
    },
    /// queue.purge
    QueuePurge {
        /// The queue's name.
        name: String,
    },
    /// basic.consume
    Consume {
        /// The queue's name.
        queue: String,
        /// How to consume.
        consume: ConsumeRequest,
    },
    /// basic.cancel
    Cancel {
        /// The consumer.
        consumer: ConsumerNumber,
    },
    /// basic.get
    Get {
        /// The queue's name.
        queue: String,
        /// The message needs no acknowledgement.
        no_ack: bool,
    },
    /// Answers when everything that the connection sent before is durable (tx.commit).
    Sync,
}
