//! Which messages a queue or stream has taken already, by ids that publishers give them.
//!
//! An id is remembered for a window of time after its message came, whatever became of the message meanwhile. The log knows the ids as
//! another queue, appended to in the same record as the message: so a message and its id survive together or not at all. What outlives
//! the journal is settled there without anything but the id.

use std::collections::VecDeque;
use std::sync::Arc;

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U16;

use crate::log::{Backlog, BacklogError, Log, Position, Stored};
use crate::shard::Kept;
use crate::{Body, Message, QueueId, limits};

/// The id of a message, by which a repeated publish is known: a hash of the publisher's text.
///
/// # Shape
/// BLAKE2b with 16 bytes: nobody finds two texts with one id, and it is the same after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DedupId(pub [u8; 16]);

impl DedupId {
    /// The id for a text; `None` for one that is empty or longer than [`limits::DEDUP_ID_BYTES_MAX`].
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let is_fit = (1..=limits::DEDUP_ID_BYTES_MAX).contains(&text.len());
        is_fit.then(|| Self(Blake2b::<U16>::digest(text).into()))
    }
}

/// One id, and where its message went.
#[derive(Debug)]
struct Remembered {
    id: DedupId,
    sequence: u64,
    received_ms: u64,
    /// The batch of the log that holds it; [`UNLOGGED`] when none does.
    position: Position,
}

// With the map beside it, some 100 bytes for each id.
const _: () = assert!(size_of::<Remembered>() == 40);

/// The position of what the log does not know: never reached.
const UNLOGGED: Position = Position(u64::MAX);

/// Numbers of ids. They are hashes that nobody chooses.
type IdMap = hashbrown::HashMap<DedupId, u64, foldhash::fast::FixedState>;

/// The ids that a queue or stream remembers.
///
/// # Shape
/// `order` has them in the order in which they came, `index` says which of them, counted from the first ever, has an id.
#[derive(Debug)]
pub(crate) struct Dedup<B> {
    backlog: B,
    order: VecDeque<Remembered>,
    index: IdMap,
    /// How many have been forgotten.
    forgotten: u64,
    /// The last sequence number that was forgotten and is not logged as such.
    unlogged: Option<u64>,
}

impl<B: Backlog> Dedup<B> {
    fn new(backlog: B) -> Self {
        Self {
            backlog,
            order: VecDeque::new(),
            index: IdMap::default(),
            forgotten: 0,
            unlogged: None,
        }
    }

    pub(crate) const fn backlog_mut(&mut self) -> &mut B {
        &mut self.backlog
    }

    /// When ids are to be forgotten next: not each at its own time.
    pub(crate) fn next_deadline(&self, window_ms: u64) -> Option<u64> {
        let Some(first) = self.order.front() else {
            return self.unlogged.and(Some(0));
        };
        let until_ms = first.received_ms.saturating_add(window_ms);
        Some(until_ms.saturating_add(limits::DEDUP_SWEEP_MS))
    }

    fn original(&self, id: DedupId) -> Option<u64> {
        let index = self.index.get(&id)?.checked_sub(self.forgotten)?;
        let found = self.order.get(usize::try_from(index).ok()?)?;
        Some(found.sequence)
    }

    fn push(&mut self, remembered: Remembered) {
        let index = self.forgotten + self.order.len() as u64;
        self.index.insert(remembered.id, index);
        self.order.push_back(remembered);
    }

    /// Remembers what was read back.
    fn put_back(&mut self, stored: &Stored) {
        if let Some(id) = stored.message.dedup_id.as_deref() {
            self.push(Remembered {
                id: *id,
                sequence: stored.sequence,
                received_ms: stored.received_ms,
                position: Position::default(),
            });
        }
    }

    /// Forgets what came before `since_ms`, and the oldest of more than `count_max`.
    fn forget(&mut self, since_ms: u64, count_max: usize) {
        while let Some(first) = self.order.front()
            && (first.received_ms < since_ms || self.order.len() > count_max)
        {
            if self.index.get(&first.id) == Some(&self.forgotten) {
                self.index.remove(&first.id);
            }
            if first.position != UNLOGGED {
                self.unlogged = Some(first.sequence);
            }
            self.forgotten += 1;
            self.order.pop_front();
        }
    }

    /// Lets the log drop what was forgotten.
    fn log_forgotten<L: Log<Backlog = B>>(&mut self, log: &mut L) {
        if let Some(last) = self.unlogged.take() {
            let first = self.backlog.first().min(last);
            log.ack(&mut self.backlog, first, last);
        }
    }

    /// Settles what the log holds at or before `position`.
    ///
    /// # Errors
    /// It stays in the log.
    pub(crate) fn settle_until<L: Log<Backlog = B>>(
        &mut self,
        position: Position,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        let end = self.backlog.settled_end();
        let is_old = |one: &&Remembered| one.sequence >= end && one.position <= position;
        let mut old = self.order.iter().filter(is_old).map(stored);
        log.settle(&mut self.backlog, &mut old)
    }
}

/// All that is kept of an id beyond the journal.
fn stored(remembered: &Remembered) -> (Stored, bool) {
    let mut message = Message::new("".into(), "", &[0, 0], Body::Copy(&[]));
    message.persistent = true;
    message.dedup_id = Some(Box::new(remembered.id));
    let stored = Stored {
        sequence: remembered.sequence,
        message: Arc::new(message),
        expires_at_ms: u64::MAX,
        received_ms: remembered.received_ms,
        delivery_count: 0,
    };
    (stored, true)
}

/// What a queue or stream knows of ids, if it has met any.
#[derive(Debug)]
pub(crate) struct Memory<B>(Option<Box<Dedup<B>>>);

impl<B: Backlog> Memory<B> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn backlog_mut(&mut self) -> Option<&mut B> {
        self.0.as_mut().map(|dedup| dedup.backlog_mut())
    }

    /// The number of the message that has this id already.
    #[cold]
    pub(crate) fn original(&mut self, id: DedupId, window_ms: u64, now_ms: u64) -> Option<u64> {
        let dedup = self.0.as_mut()?;
        dedup.forget(oldest(window_ms, now_ms), limits::DEDUP_IDS_MAX);
        dedup.original(id)
    }

    /// Remembers the id of a message that was taken just now; `is_logged` is whether the log will know it.
    #[cold]
    pub(crate) fn remember<L: Log<Backlog = B>>(
        &mut self,
        queue: QueueId,
        (id, sequence): (DedupId, u64),
        is_logged: bool,
        now_ms: u64,
        log: &mut L,
    ) {
        let dedup = self
            .0
            .get_or_insert_with(|| Box::new(Dedup::new(log.backlog(queue.dedup()))));
        dedup.push(Remembered {
            id,
            sequence,
            received_ms: now_ms,
            position: if is_logged { log.position() } else { UNLOGGED },
        });
        dedup.forget(0, limits::DEDUP_IDS_MAX);
    }

    /// Forgets what is older than the window.
    pub(crate) fn sweep<L: Log<Backlog = B>>(&mut self, window_ms: u64, now_ms: u64, log: &mut L) {
        if let Some(dedup) = &mut self.0 {
            dedup.forget(oldest(window_ms, now_ms), limits::DEDUP_IDS_MAX);
            dedup.log_forgotten(log);
        }
    }

    pub(crate) fn next_deadline(&self, window_ms: u64) -> Option<u64> {
        self.0.as_ref()?.next_deadline(window_ms)
    }

    pub(crate) fn settle_until<L: Log<Backlog = B>>(
        &mut self,
        position: Position,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        let settled = |dedup: &mut Box<Dedup<B>>| dedup.settle_until(position, log);
        self.0.as_mut().map_or(Ok(()), settled)
    }

    /// Puts back what the log kept, which is read through.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn restore(&mut self, kept: Kept<B>) -> Result<(), BacklogError> {
        let mut dedup = Box::new(Dedup::new(kept.backlog));
        let mut chunk = Vec::new();
        let mut from = dedup.backlog.first();
        while from < dedup.backlog.settled_end() {
            let bytes_max = limits::BACKLOG_READ_BYTES;
            dedup.backlog.read(from, bytes_max, &mut chunk)?;
            let Some(last) = chunk.last() else { break };
            from = last.sequence + 1;
            chunk.drain(..).for_each(|stored| dedup.put_back(&stored));
        }
        let journaled = kept.messages.iter();
        journaled.for_each(|stored| dedup.put_back(stored));
        dedup.forget(0, limits::DEDUP_IDS_MAX);
        self.0 = Some(dedup);
        Ok(())
    }
}

/// The time since which ids count.
const fn oldest(window_ms: u64, now_ms: u64) -> u64 {
    if window_ms == 0 {
        return u64::MAX;
    }
    now_ms.saturating_add(1).saturating_sub(window_ms)
}

#[cfg(test)]
mod tests;
