//! What a link asks of its agent.

use std::sync::Arc;

use broker::{Annotation, ConsumerNumber, Message, QueueRef, Refusal, Reply, StreamOffset};
use bytes::Bytes;
use codec::amqp::properties::{Properties, PropertiesRef};
use tokio::sync::{mpsc, oneshot};

use super::groups::Hold;
use super::leases::LeaseId;

/// Something for an agent to do.
pub(super) enum Command {
    /// Messages to be published.
    Publish {
        messages: Vec<Outgoing>,
        answer: oneshot::Sender<Vec<Result<PublishOutcome, Refusal>>>,
    },
    /// A request of the broker's.
    Broker {
        request: broker::Request,
        answer: oneshot::Sender<Result<Reply, Refusal>>,
    },
    /// Messages to be taken.
    Pull {
        pull: Pull,
        ticket: u64,
        answer: oneshot::Sender<Result<Vec<Delivered>, Refusal>>,
    },
    /// Whoever asked for a pull is gone.
    GiveUp { ticket: u64 },
    /// Leases to be settled or extended.
    Settle {
        settles: Vec<Settle>,
        answer: Option<oneshot::Sender<Vec<bool>>>,
    },
    /// A consumer to be started.
    Subscribe {
        subscription: Subscription,
        answer: oneshot::Sender<Result<ConsumerNumber, Refusal>>,
    },
    /// A consumer to be stopped; what it holds goes back after a while.
    Unsubscribe {
        consumer: ConsumerNumber,
        keep_ms: u64,
    },
    /// A leased message to be looked at.
    Look {
        lease: LeaseId,
        answer: oneshot::Sender<Option<Arc<Message>>>,
    },
    /// Deliveries left for the peer.
    Written { bytes: usize },
    /// A request to a worker.
    Call {
        request: Box<Request>,
        answer: oneshot::Sender<Result<Delivered, Refusal>>,
    },
}

impl Command {
    /// Says whether it waits while publishers have to.
    pub(super) const fn is_publish(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Call { .. })
    }

    /// Answers a publish with a refusal, for each of its messages.
    pub(super) fn refuse(self, refusal: &Refusal) {
        match self {
            Self::Publish { messages, answer } => {
                let refused = messages.iter().map(|_| Err(refusal.clone()));
                // Whoever asked may be gone.
                let _ = answer.send(refused.collect());
            }
            Self::Call { answer, .. } => drop(answer.send(Err(refusal.clone()))),
            Self::Broker { .. }
            | Self::Pull { .. }
            | Self::GiveUp { .. }
            | Self::Settle { .. }
            | Self::Subscribe { .. }
            | Self::Unsubscribe { .. }
            | Self::Look { .. }
            | Self::Written { .. } => {}
        }
    }
}

/// One message on its way in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outgoing {
    /// The exchange; empty is the default one.
    pub(crate) exchange: String,
    /// The routing key.
    pub(crate) routing_key: String,
    /// The properties in wire form, flags and list.
    pub(crate) properties: Vec<u8>,
    /// The body.
    pub(crate) body: Bytes,
    /// It survives a restart in a durable queue.
    pub(crate) persistent: bool,
    /// The priority.
    pub(crate) priority: u8,
    /// How long it may wait, in milliseconds.
    pub(crate) expiration_ms: Option<u64>,
    /// Until when nobody gets it.
    pub(crate) deliver: Option<Deliver>,
    /// A queue that took a message with this id keeps no other.
    pub(crate) deduplication_id: Option<String>,
}

/// When a message is to be delivered at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deliver {
    /// So many milliseconds after it was published.
    After(u64),
    /// At this time, in milliseconds since 1970.
    At(u64),
}

/// What became of one published message.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublishOutcome {
    /// Some queue took it.
    pub(crate) is_routed: bool,
    /// A queue that was full refused it.
    pub(crate) is_rejected: bool,
    /// Each queue that took it, and its sequence number there.
    pub(crate) places: Vec<(QueueRef, u64)>,
    /// Some queue had it already, under its deduplication id.
    pub(crate) is_duplicate: bool,
}

/// Where a pull begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PullFrom {
    /// At a queue's head.
    Queue,
    /// Somewhere in a stream.
    Stream(StreamOffset),
}

/// A wish to take messages.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    /// The queue.
    pub(crate) queue: String,
    /// At most so many messages, at least 1.
    pub(crate) max: u32,
    /// How long to wait for the first one, in milliseconds.
    pub(crate) wait_ms: u64,
    /// How long each is leased, in milliseconds.
    pub(crate) lease_ms: u64,
    /// Where to begin.
    pub(crate) from: PullFrom,
    /// They are done with when they are taken.
    pub(crate) no_ack: bool,
    /// The partition that is held for them.
    pub(crate) hold: Option<Arc<Hold>>,
}

/// A wish for deliveries as they come.
pub(crate) struct Subscription {
    /// The queue.
    pub(crate) queue: String,
    /// How many may be under way, at least 1.
    pub(crate) prefetch: u16,
    /// Where to begin, if it is a stream.
    pub(crate) offset: StreamOffset,
    /// Nobody else may consume from the queue.
    pub(crate) exclusive: bool,
    /// Consumers with a higher one get messages first.
    pub(crate) priority: i64,
    /// The consumer's name in lists, if it is to have one of its own.
    pub(crate) tag: Option<String>,
    /// Where they go: with room for `prefetch`. It closes when the consumer ends.
    pub(crate) sink: mpsc::Sender<Delivered>,
    /// The partition that is held for it.
    pub(crate) hold: Option<Arc<Hold>>,
}

/// One message on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    /// Its lease; `None` when there is nothing to settle.
    pub(crate) lease: Option<LeaseId>,
    /// The queue that it comes from.
    pub(crate) queue: QueueRef,
    /// Its sequence number there.
    pub(crate) sequence: u64,
    /// Which partition that is, if it is one.
    pub(crate) partition: Option<u32>,
    /// The message.
    pub(crate) message: Arc<Message>,
    /// It may have been delivered before.
    pub(crate) redelivered: bool,
    /// What else there is to tell.
    pub(crate) annotation: Annotation,
    /// What it counts until [`super::Link::written`].
    pub(crate) outbox_bytes: usize,
}

/// What is to become of one lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settle {
    /// Which.
    pub(crate) lease: LeaseId,
    /// What.
    pub(crate) kind: SettleKind,
}

/// What may become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettleKind {
    /// The message is done with.
    Ack,
    /// The message goes back to its queue, after so many milliseconds.
    Nack {
        /// Until then nobody gets it.
        delay_ms: u64,
    },
    /// The message is not wanted: dead-lettered or dropped.
    Reject,
    /// The message goes back as if nobody had had it.
    Return,
    /// The lease ends so many milliseconds from now.
    Extend {
        /// From now on.
        lease_ms: u64,
    },
}

/// A request to a worker.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The request itself; the agent sets reply-to, and the correlation id if there is none.
    pub(crate) message: Outgoing,
    /// The properties, to be completed.
    pub(crate) properties: Properties,
}

impl Request {
    /// Makes a request of a message.
    pub(crate) fn of(message: Outgoing) -> Self {
        let properties = PropertiesRef::parse(&message.properties)
            .ok()
            .and_then(|properties| properties.to_owned().ok())
            .unwrap_or_default();
        Self {
            message,
            properties,
        }
    }
}
