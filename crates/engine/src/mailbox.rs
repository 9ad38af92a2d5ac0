//! Letters between shards.

use std::sync::{Arc, Mutex, PoisonError};

use broker::arguments::QueueOptions;
use broker::shard::{ConsumerView, QueueSpecification};
use broker::{
    ConnectionId, ConsumeRequest, ConsumerNumber, Event, Message, Name, Outcome, PublishTicket,
    QueueRef, QueueStatistics,
};
use tokio::sync::{Notify, oneshot};

/// Something for a shard to do.
pub(crate) enum Letter {
    /// An event for one of its connections.
    Event(ConnectionId, Event),
    /// A queue to be made.
    Create(Box<QueueSpecification>),
    /// A message for queues of this shard.
    Publish {
        targets: broker::topology::Routes,
        message: Arc<Message>,
        ticket: Option<PublishTicket>,
    },
    /// A message that died elsewhere; once it is safe here the sender is told.
    PublishDead {
        targets: broker::topology::Routes,
        message: Arc<Message>,
        from: Option<(QueueRef, u64)>,
    },
    /// A dead letter is safe on another shard.
    Transferred { place: QueueRef, sequence: u64 },
    /// Settlements, in order.
    Settle {
        connection: ConnectionId,
        settlements: Vec<Settlement>,
    },
    /// A consumer to be started.
    Consume {
        place: QueueRef,
        connection: ConnectionId,
        channel: u16,
        wish: Box<ConsumeRequest>,
    },
    /// A consumer to be stopped; answered when a channel is given.
    Cancel {
        place: QueueRef,
        connection: ConnectionId,
        consumer: ConsumerNumber,
        answer: Option<u16>,
    },
    /// A consumer to be served again.
    Resume {
        place: QueueRef,
        connection: ConnectionId,
    },
    /// One message to be got.
    Get {
        place: QueueRef,
        connection: ConnectionId,
        channel: u16,
        no_ack: bool,
    },
    /// A queue to be purged.
    Purge {
        place: QueueRef,
        connection: ConnectionId,
        channel: u16,
    },
    /// A queue to be deleted; answered when a channel is given.
    Delete {
        place: QueueRef,
        if_unused: bool,
        if_empty: bool,
        answer: Option<(ConnectionId, u16)>,
    },
    /// A declaration of a queue that exists to be answered.
    Declared {
        name: Name,
        place: QueueRef,
        connection: ConnectionId,
        channel: u16,
    },
    /// An answer once everything before it is durable.
    Sync {
        connection: ConnectionId,
        channel: u16,
    },
    /// New options for a queue.
    Configure {
        place: QueueRef,
        options: Box<QueueOptions>,
    },
    /// How queues are doing, for listings.
    Statistics {
        places: Vec<QueueRef>,
        answer: oneshot::Sender<Vec<Option<QueueStatistics>>>,
    },
    /// Who consumes, for listings.
    Consumers {
        places: Vec<QueueRef>,
        answer: oneshot::Sender<Vec<ConsumerView>>,
    },
    /// Publishers are to wait, or may go on.
    Alarm(Option<&'static str>),
    /// Every connection is to be closed, or the one named.
    Close {
        connection: Option<ConnectionId>,
        reason: Arc<str>,
    },
}

/// One settlement.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) place: QueueRef,
    pub(crate) consumer: Option<ConsumerNumber>,
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

/// What others have posted to one shard.
///
/// # Concurrency
/// A short lock around a vector, and a wake-up of the shard's thread. Its length is bounded by what the senders have outstanding:
/// publishers wait for their sockets, and a shard drains it whole each time it runs.
#[derive(Default)]
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    pub(crate) notify: Notify,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl Mailbox {
    pub(crate) fn post(&self, letter: Letter) {
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(letter);
        self.notify.notify_one();
    }

    pub(crate) fn post_all(&self, letters: &mut Vec<Letter>) {
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(letters);
        self.notify.notify_one();
    }

    /// Takes everything posted so far, leaving `spare` to be filled next.
    pub(crate) fn take(&self, spare: Vec<Letter>) -> Vec<Letter> {
        std::mem::replace(
            &mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner),
            spare,
        )
    }
}
