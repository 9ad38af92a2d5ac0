//! Letters between shards.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use broker::arguments::QueueOptions;
use broker::shard::{ConsumerView, QueueSpecification};
use broker::{
    ConnectionId, ConsumeRequest, ConsumerNumber, Event, Message, Name, Outcome, PublishTicket,
    QueueRef, QueueStatistics,
};
use tokio::sync::{Notify, oneshot};

use crate::totals::ShardTotals;

/// Something for a shard to do.
pub(crate) enum Letter {
    /// An event for one of its connections.
    Event(ConnectionId, Event),
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
    /// Another name for a queue, and the options that hold for it under that.
    Rename {
        place: QueueRef,
        name: Name,
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
    /// How all queues together are doing, and what was counted.
    Totals(oneshot::Sender<ShardTotals>),
    /// Publishers are to wait, or may go on.
    Alarm(Option<&'static str>),
    /// Every connection is to be closed, or the one named.
    Close {
        connection: Option<ConnectionId>,
        reason: Arc<str>,
    },
}

impl Letter {
    /// What the letter counts towards a mailbox's limit.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Publish { message, .. } | Self::PublishDead { message, .. } => {
                LETTER_BYTES + message.footprint()
            }
            Self::Settle { settlements, .. } => LETTER_BYTES + size_of_val(settlements.as_slice()),
            Self::Event(..)
            | Self::Transferred { .. }
            | Self::Consume { .. }
            | Self::Cancel { .. }
            | Self::Resume { .. }
            | Self::Get { .. }
            | Self::Purge { .. }
            | Self::Delete { .. }
            | Self::Declared { .. }
            | Self::Sync { .. }
            | Self::Configure { .. }
            | Self::Rename { .. }
            | Self::Statistics { .. }
            | Self::Consumers { .. }
            | Self::Totals(_)
            | Self::Alarm(_)
            | Self::Close { .. } => LETTER_BYTES,
        }
    }
}

/// One settlement.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) place: QueueRef,
    pub(crate) consumer: Option<ConsumerNumber>,
    pub(crate) sequence: u64,
    pub(crate) outcome: Outcome,
}

/// Bytes of messages that may wait in one mailbox before publishers everywhere wait too.
const BYTES_MAX: usize = 4 << 20;
/// What a letter without a message counts.
const LETTER_BYTES: usize = 128;

/// What others have posted to one shard.
///
/// # Concurrency
/// A short lock around a vector, and a wake-up of the shard's thread, which drains it whole each time it runs. While more than
/// [`BYTES_MAX`] wait in it, no shard takes publishes.
///
/// New queues come by a way of their own: they are posted under the topology's lock, and the shard admits them before it does
/// anything with a queue. So whoever finds a queue in the topology finds it on its shard.
#[derive(Default)]
pub(crate) struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    bytes: AtomicUsize,
    creations: Mutex<Vec<QueueSpecification>>,
    has_creations: AtomicBool,
    pub(crate) notify: Notify,
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl Mailbox {
    pub(crate) fn post(&self, letter: Letter) {
        self.bytes.fetch_add(letter.bytes(), Ordering::Relaxed);
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(letter);
        self.notify.notify_one();
    }

    pub(crate) fn post_all(&self, letters: &mut Vec<Letter>) {
        let bytes = letters.iter().map(Letter::bytes).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(letters);
        self.notify.notify_one();
    }

    /// Posts a queue to be made; called under the topology's lock.
    pub(crate) fn post_creation(&self, specification: QueueSpecification) {
        self.creations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(specification);
        self.has_creations.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Takes the queues to be made.
    #[inline]
    pub(crate) fn take_creations(&self) -> Vec<QueueSpecification> {
        if !self.has_creations.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut creations = self
            .creations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.has_creations.store(false, Ordering::Release);
        std::mem::take(&mut *creations)
    }

    /// Says whether more waits here than publishers may add to.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > BYTES_MAX
    }

    /// Notes that letters were read; true when that made room.
    pub(crate) fn note_read(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        before > BYTES_MAX && before.saturating_sub(bytes) <= BYTES_MAX
    }

    /// Takes everything posted so far, leaving `spare` to be filled next.
    pub(crate) fn take(&self, spare: Vec<Letter>) -> Vec<Letter> {
        std::mem::replace(
            &mut *self.letters.lock().unwrap_or_else(PoisonError::into_inner),
            spare,
        )
    }
}
