//! A shard's way into the journal.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::checkpoint::{Dirty, Retired};
use crate::committer::Committer;
use crate::ids::{Position, QueueId, Sequence};
use crate::limits::{ACK_RANGES, BATCH_BYTES_MAX, TARGETS_MAX};
use crate::queue::QueueLog;
use crate::record::{self, Turn};
use crate::shared::{Batch, SettledTurn, Shared, Waker, lock};

/// One shard's end of the journal: it gathers records into a batch and hands the batch to the committer.
///
/// # Concurrency
/// Owned by the shard's thread. Nothing here waits for the disk but [`ShardLog::commit_deferred`].
pub struct ShardLog {
    index: usize,
    pub(crate) shared: Arc<Shared>,
    buffer: Vec<u8>,
    records: u32,
    /// The batch holds more than acks.
    urgent: bool,
    /// What was handed over waits for [`ShardLog::commit_deferred`].
    deferred: bool,
    committer: Arc<Mutex<Committer>>,
    submitted: Position,
    /// Ack ranges of this batch that may still grow; encoded at the end of the batch.
    acks: VecDeque<(QueueId, Sequence, Sequence)>,
    retired: Vec<Retired>,
    answered: u64,
    pub(crate) dirty: Dirty,
    /// Gathers the records that a queue settles; kept here so that ten thousand queues share one.
    pub(crate) gather: Vec<u8>,
}

/// Asks a shard to settle its live messages, so that a full journal file can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleRequest {
    /// Everything appended at or before this position is to be settled. Recovered messages have `Position(0)`.
    pub position: Position,
    pub(crate) rotation: u64,
}

/// A queue as [`ShardLog::settle_done`] needs it.
#[derive(Debug)]
pub struct QueueState<'a> {
    /// The queue's log.
    pub log: &'a mut QueueLog,
    /// The sequence that the queue's next message will have.
    pub next: Sequence,
}

impl fmt::Debug for ShardLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ShardLog")
            .field("index", &self.index)
            .field("submitted", &self.submitted)
            .finish_non_exhaustive()
    }
}

impl ShardLog {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, committer: Arc<Mutex<Committer>>) -> Self {
        Self {
            index,
            shared,
            buffer: Vec::new(),
            records: 0,
            urgent: false,
            deferred: false,
            committer,
            submitted: Position(0),
            acks: VecDeque::with_capacity(ACK_RANGES),
            retired: Vec::new(),
            answered: 0,
            dirty: Dirty::default(),
            gather: Vec::new(),
        }
    }

    /// Appends a message to queues of this shard; `parts` are joined and stored once.
    ///
    /// # Durability
    /// Durable with the returned position.
    ///
    /// # Panics
    /// When the parts are 4 GiB or more together; they ought to stay below 512 MiB.
    #[inline]
    pub fn append_message(&mut self, targets: &[(QueueId, Sequence)], parts: &[&[u8]]) -> Position {
        for targets in targets.chunks(TARGETS_MAX) {
            record::put_message(&mut self.buffer, targets, parts);
            self.records += 1;
        }
        self.appended()
    }

    /// Appends that messages `first..=last` of a queue are done with. Contiguous acks of a batch become one record.
    ///
    /// Prefer [`QueueLog::ack`], which also marks what is settled.
    pub fn append_ack(&mut self, queue: QueueId, first: Sequence, last: Sequence) -> Position {
        for (known, start, end) in &mut self.acks {
            if *known == queue {
                if end.next() == first {
                    *end = last;
                    return self.filling();
                }
                if last.next() == *start {
                    *start = first;
                    return self.filling();
                }
            }
        }
        if self.acks.len() == ACK_RANGES {
            self.put_oldest_ack();
        }
        self.acks.push_back((queue, first, last));
        self.submit_if_large()
    }

    /// Appends a number to keep with a live message, such as how often it was delivered; the latest counts.
    ///
    /// Prefer [`QueueLog::note`], which also keeps it for settled messages.
    pub fn append_note(&mut self, queue: QueueId, sequence: Sequence, note: u32) -> Position {
        record::put_note(&mut self.buffer, queue, sequence, note);
        self.records += 1;
        self.appended()
    }

    /// Appends that all messages of a queue below a sequence are gone.
    ///
    /// Prefer [`QueueLog::purge_below`], which also marks what is settled.
    pub fn append_purge(&mut self, queue: QueueId, below: Sequence) -> Position {
        record::put_purge(&mut self.buffer, queue, below);
        self.records += 1;
        self.appended()
    }

    /// Appends that a queue is gone.
    ///
    /// Prefer [`QueueLog::remove`], which also deletes its segments.
    pub fn append_drop(&mut self, queue: QueueId) -> Position {
        // Acks of the queue that still wait must not come behind it.
        self.put_acks();
        record::put_drop(&mut self.buffer, queue);
        self.records += 1;
        self.appended()
    }

    /// Hands the batch to the committer and returns the last position handed over. Does nothing when the batch is empty.
    ///
    /// # Durability
    /// None yet: see [`ShardLog::durable`]. A batch of acks alone may wait for a commit that is more urgent, for two milliseconds at most.
    /// On a poisoned store the batch is thrown away and never becomes durable.
    pub fn submit(&mut self) -> Position {
        if let Some(is_urgent) = self.hand_over() {
            self.shared.wake_committer(is_urgent);
        }
        self.submitted
    }

    /// Like [`ShardLog::submit`], but may leave a small batch for [`ShardLog::commit_deferred`]: true when it does. Call that soon, once
    /// everything else that is ready has been done.
    pub fn submit_or_defer(&mut self) -> bool {
        match self.hand_over() {
            Some(true) if self.shared.alone.load(Ordering::Relaxed) => {
                self.deferred = true;
                true
            }
            Some(is_urgent) => {
                self.shared.wake_committer(is_urgent);
                false
            }
            None => false,
        }
    }

    /// Says whether [`ShardLog::commit_deferred`] has something to do.
    #[must_use]
    pub const fn has_deferred(&self) -> bool {
        self.deferred
    }

    /// Commits what was deferred: on this thread, which then waits for the disk, if it may and the disk is fast; otherwise the
    /// committer is woken.
    pub fn commit_deferred(&mut self, may_wait: bool) {
        if !std::mem::take(&mut self.deferred) {
            return;
        }
        let committed = if may_wait && let Ok(mut committer) = self.committer.try_lock() {
            committer.commit_alone()
        } else {
            false
        };
        if !committed {
            self.shared.wake_committer(true);
        }
    }

    /// Gives the batch to the committer without waking it. Returns whether it is urgent, or nothing when there is none to be written.
    fn hand_over(&mut self) -> Option<bool> {
        self.put_acks();
        if !self.retired.is_empty() {
            self.shared.checkpoint.retire(&mut self.retired);
        }
        if self.buffer.is_empty() {
            return None;
        }
        let position = self.filling();
        self.submitted = position;
        let records = std::mem::take(&mut self.records);
        let urgent = std::mem::take(&mut self.urgent);
        if self.shared.is_poisoned() {
            self.buffer.clear();
            return None;
        }
        {
            let mut inbox = lock(&self.shared.shard(self.index).inbox);
            let empty = inbox.free.pop().unwrap_or_default();
            let bytes = std::mem::replace(&mut self.buffer, empty);
            inbox.batches.push(Batch {
                bytes,
                records,
                position,
                urgent,
            });
        }
        Some(urgent)
    }

    /// Returns the last position handed over.
    #[must_use]
    pub const fn submitted(&self) -> Position {
        self.submitted
    }

    /// Returns the position up to which everything survives a crash of the machine.
    #[must_use]
    #[inline]
    pub fn durable(&self) -> Position {
        Position(
            self.shared
                .shard(self.index)
                .durable
                .load(Ordering::Acquire),
        )
    }

    /// Tells whether anything was appended that is not yet submitted, acks included.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.buffer.is_empty() || !self.acks.is_empty()
    }

    /// Sets what is called, from the store's threads or in [`ShardLog::commit_deferred`], after the durable position advanced, a settle request came up, the
    /// backpressure ended or the store failed.
    pub fn set_waker(&mut self, waker: Waker) {
        *lock(&self.shared.shard(self.index).waker) = Some(waker);
    }

    /// Returns what the shard is asked to settle, until it has answered with [`ShardLog::settle_done`].
    #[must_use]
    #[inline]
    pub fn settle_request(&self) -> Option<SettleRequest> {
        let shard = self.shared.shard(self.index);
        if shard.requested.load(Ordering::Acquire) <= self.answered {
            return None;
        }
        *lock(&shard.request)
    }

    /// Answers a request: every live message appended at or before its position is settled.
    ///
    /// `queues` lists every queue of this shard that has durable messages or numbers to keep, whether it settled any or not:
    /// the journal file that described the others will be gone. Hands the batch over.
    ///
    /// # Durability
    /// The store syncs the segments and records the fact by itself; the full file is released after that.
    pub fn settle_done(
        &mut self,
        request: SettleRequest,
        queues: &mut dyn Iterator<Item = QueueState<'_>>,
    ) -> Position {
        if request.rotation <= self.answered {
            return self.submitted;
        }
        self.put_acks();
        let turn = Turn {
            shard: u16::try_from(self.index).expect("Store::open bounds the number of shards"),
            rotation: request.rotation,
        };
        let start = self.buffer.len();
        for QueueState { log, next } in queues {
            log.checkpoint(self);
            record::put_state(&mut self.buffer, turn, |buffer| log.put_state(next, buffer));
            self.records += 1;
        }
        self.urgent = true;
        let bytes = crate::fields::length_u64(self.buffer.len() - start);
        let shard = self.shared.shard(self.index);
        shard.state_bytes.store(bytes, Ordering::Relaxed);
        self.answered = request.rotation;
        let position = self.submit();
        let dirty = std::mem::take(&mut self.dirty);
        self.shared
            .checkpoint
            .sync(SettledTurn { turn, position }, dirty);
        position
    }

    /// Tells whether the shard ought to take no more publishes for now, as too many full journal files wait to be released.
    /// Acks, which free space, go on.
    #[must_use]
    #[inline]
    pub fn backpressure(&self) -> bool {
        self.shared.backpressure.load(Ordering::Relaxed)
    }

    /// Deletes a segment once a position is durable.
    pub(crate) fn retire(&mut self, position: Position, path: PathBuf) {
        self.retired.push(Retired {
            shard: self.index,
            position,
            path,
        });
    }

    /// Returns the position of the batch that is being filled.
    #[inline]
    pub(crate) const fn filling(&self) -> Position {
        Position(self.submitted.0 + 1)
    }

    #[inline]
    fn appended(&mut self) -> Position {
        self.urgent = true;
        self.submit_if_large()
    }

    #[inline]
    fn submit_if_large(&mut self) -> Position {
        let position = self.filling();
        if self.buffer.len() >= BATCH_BYTES_MAX {
            self.submit();
        }
        position
    }

    fn put_oldest_ack(&mut self) {
        if let Some((queue, first, last)) = self.acks.pop_front() {
            record::put_ack(&mut self.buffer, queue, first, last);
            self.records += 1;
        }
    }

    fn put_acks(&mut self) {
        while !self.acks.is_empty() {
            self.put_oldest_ack();
        }
    }
}
