//! What comes back up: answers to requests, deliveries and notices, as plain data.

use std::sync::Arc;

use crate::{ConnectionId, ConsumerNumber, Message, Name, QueueRef, Refusal, limits};

/// What a delivery tells beside the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Annotation {
    /// Nothing.
    None,
    /// How often the message was handed out before (`x-delivery-count`, quorum queues).
    DeliveryCount(u32),
    /// The message's offset in its stream (`x-stream-offset`).
    StreamOffset(u64),
}

/// One message on its way to a consumer or to the answer of a get.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The queue that it comes from, to be named when it is settled.
    pub queue: QueueRef,
    /// Its sequence number in that queue.
    pub sequence: u64,
    /// The message.
    pub message: Arc<Message>,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// What else the consumer is told.
    pub annotation: Annotation,
    /// What the message counts in its connection's [`crate::OutboxGauge`] until it is written: see [`Self::outbox_bytes_of`].
    pub outbox_bytes: u32,
}

impl Delivery {
    /// The length of a consumer's tag, which is a short string.
    #[must_use]
    pub fn tag_bytes_of(tag: &str) -> u8 {
        u8::try_from(tag.len()).unwrap_or(u8::MAX)
    }

    /// What a message counts in an [`crate::OutboxGauge`]: at least what it takes on the wire, so that the gauge's limit is the limit
    /// of what a peer that does not read can make the server hold.
    ///
    /// # Units
    /// Bytes; `tag_bytes` is the length of the consumer's tag, which goes out with the message, 0 for a get.
    #[must_use]
    #[inline]
    pub fn outbox_bytes_of(message: &Message, tag_bytes: u8) -> u32 {
        let body = message.body_length();
        // Each frame of a body has eight bytes around it, and the smallest frame limit is 4,096.
        let frames = body >> 8;
        let names = message.exchange().len() + message.routing_key_length();
        let bytes = body
            + frames
            + message.properties().len()
            + names
            + usize::from(tag_bytes)
            + limits::DELIVERY_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// [`Self::outbox_bytes`] as a length. Units: bytes.
    #[must_use]
    #[inline]
    pub const fn outbox_bytes(&self) -> usize {
        self.outbox_bytes as usize
    }
}

/// The answer to a request that was carried out.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Done; there is nothing to tell.
    Done,
    /// The queue exists: its name and how many messages are ready and consumers attached.
    QueueDeclared {
        /// The name, generated when the request had none.
        name: Name,
        /// Messages ready for delivery.
        messages: u64,
        /// Consumers attached.
        consumers: u32,
    },
    /// The queue was purged of so many messages.
    Purged(u64),
    /// The queue was deleted with so many messages.
    Deleted(u64),
    /// A get found a message; so many stay ready behind it.
    Got(Box<Delivery>, u64),
    /// A get found nothing.
    Empty,
}

/// What became of a message that was for the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostOutcome {
    /// It is on disk, and on its way to everyone in the room.
    Stored,
    /// There is no such room.
    NoRoom,
    /// It was not said.
    Refused(Refusal),
}

/// Something for one connection.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message for one of its consumers.
    Deliver {
        /// The channel.
        channel: u16,
        /// The consumer.
        consumer: ConsumerNumber,
        /// The message.
        delivery: Delivery,
    },
    /// Publishes `first..=last` of the channel are settled by one shard: taken care of, or refused.
    Confirmed {
        /// The channel.
        channel: u16,
        /// The first publish, counted from 1.
        first: u64,
        /// The last one.
        last: u64,
        /// A queue took none of them (`reject-publish`).
        rejected: bool,
    },
    /// A queue took a publish that asked for its place, or has it already. Every one comes before the [`Self::Confirmed`] of its number and shard, and says
    /// nothing of durability; direct replies have none.
    Placed {
        /// The channel.
        channel: u16,
        /// The publish, counted from 1.
        number: u64,
        /// The queue or stream.
        queue: QueueRef,
        /// The message's sequence number there: [`Delivery::sequence`], in a stream its offset and one.
        sequence: u64,
        /// The queue has taken a message with this id before: `sequence` is that one's, and this one is not kept.
        is_duplicate: bool,
    },
    /// What became of a publish that was answered with [`crate::POSTED`].
    Posted {
        /// Which of them on this connection, counted from 1.
        post: u64,
        /// What.
        outcome: PostOutcome,
    },
    /// The answer to the channel's outstanding request.
    Replied {
        /// The channel.
        channel: u16,
        /// What came of it.
        result: Result<Reply, Refusal>,
    },
    /// The consumer is gone without having asked, as when its queue was deleted.
    ConsumerCancelled {
        /// The channel.
        channel: u16,
        /// The consumer.
        consumer: ConsumerNumber,
    },
    /// Publishers must wait, for the reason given.
    Blocked(&'static str),
    /// Publishers may go on.
    Unblocked,
    /// The operator or the server's end closes the connection, for the reason given.
    Close(Arc<str>),
}

/// Where a shard puts its events.
pub trait Sink {
    /// Takes one event for one connection; an event for a connection that is gone is dropped.
    fn event(&mut self, connection: ConnectionId, event: Event);
}

impl Sink for Vec<(ConnectionId, Event)> {
    fn event(&mut self, connection: ConnectionId, event: Event) {
        self.push((connection, event));
    }
}
