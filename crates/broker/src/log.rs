//! The narrow log below the rules: what a shard asks of whatever keeps its messages.
//!
//! The embedded engine implements it over the store's journal and segments; a clustered one will over a replicated stream. Tests keep
//! it in memory.

use std::sync::Arc;

use crate::{Message, QueueId};

/// A place in a shard's log: everything appended at or before a durable position survives kill -9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// A message as a queue keeps it beyond memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence number.
    pub sequence: u64,
    /// The message.
    pub message: Arc<Message>,
    /// When it expires, in milliseconds since 1970; `u64::MAX` is never.
    pub expires_at_ms: u64,
    /// When it came, in milliseconds since 1970.
    pub received_ms: u64,
    /// How often it was handed out and came back.
    pub delivery_count: u32,
}

/// Why a backlog could not take or give messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BacklogError {
    /// There is no room now; the same may succeed later.
    #[error("the disk is full")]
    Full,
    /// The disk failed at this and may not fail the next time. Nothing was lost by it: what could not be settled stays in memory and
    /// in the log, what could not be read stays where it is. The log has said which file it was.
    #[error("the disk failed")]
    Failed,
}

/// One message to be appended for several queues.
#[derive(Debug)]
pub struct Append<'a> {
    /// The queues that keep it and its sequence number in each.
    pub targets: &'a [(QueueId, u64)],
    /// The message.
    pub message: &'a Message,
    /// When it expires, as far as the message says so itself.
    pub expires_at_ms: u64,
    /// When it came.
    pub received_ms: u64,
}

/// A shard's log.
pub trait Log {
    /// What keeps one queue's long-lived messages.
    type Backlog: Backlog;

    /// The position of the batch that is being filled.
    fn position(&self) -> Position;
    /// The position at which everything appended so far is durable: that of the batch being filled, or of the last one if it is empty.
    fn appended(&self) -> Position;
    /// Appends a message; it is durable when the returned position is.
    fn append_message(&mut self, append: &Append<'_>) -> Position;
    /// Appends that the messages `first..=last` of a queue are gone, and drops them from its backlog.
    fn ack(&mut self, backlog: &mut Self::Backlog, first: u64, last: u64);
    /// Appends how often a message came back.
    fn note_delivery_count(&mut self, backlog: &mut Self::Backlog, sequence: u64, count: u32);
    /// Moves messages into the backlog, ascending and at or above its end; the flag says whether they outlive the process.
    ///
    /// # Errors
    /// Nothing was moved.
    fn settle(
        &mut self,
        backlog: &mut Self::Backlog,
        messages: &mut dyn Iterator<Item = (Stored, bool)>,
    ) -> Result<(), BacklogError>;
    /// Appends that a queue is gone with all that it held.
    fn remove(&mut self, backlog: &mut Self::Backlog);
    /// The newest durable position.
    fn durable(&self) -> Position;
    /// Opens the backlog of a queue that is new.
    fn backlog(&mut self, queue: QueueId) -> Self::Backlog;
}

/// One queue's messages that live longer than the journal, by ascending sequence number.
pub trait Backlog {
    /// Every live message below this sequence number is kept here.
    fn settled_end(&self) -> u64;
    /// Reads live messages from `from` on, about `bytes_max` of them, and appends them to `out`; none only when there are none.
    ///
    /// # Errors
    /// Nothing was appended, and nothing is known of what comes next.
    fn read(
        &mut self,
        from: u64,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<(), BacklogError>;
    /// Reads one message, if it is live and whole.
    ///
    /// # Errors
    /// The message may be live and whole, but cannot be read now.
    fn fetch(&mut self, sequence: u64) -> Result<Option<Stored>, BacklogError>;
    /// Live messages.
    fn live(&self) -> u64;
    /// Bytes on disk.
    fn bytes(&self) -> u64;
    /// The first sequence number that may still be live.
    fn first(&self) -> u64;
}

#[cfg(test)]
pub(crate) mod memory;
