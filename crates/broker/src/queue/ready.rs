//! The messages of a queue that wait for a consumer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::Message;
use crate::limits;
use crate::log::{Backlog, Position, Stored};

/// A message in a queue.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    /// `None` when the message is settled: it is fetched from the backlog when it is wanted.
    pub(crate) message: Option<Arc<Message>>,
    /// The batch of the log that holds it, while it is not settled.
    pub(crate) position: Position,
    /// Milliseconds since 1970; `u64::MAX` is never.
    pub(crate) expires_at_ms: u64,
    pub(crate) delivery_count: u32,
    pub(crate) body_bytes: u32,
    pub(crate) redelivered: bool,
    /// The log knows it, so its end must be logged too.
    pub(crate) logged: bool,
}

impl Entry {
    pub(crate) fn stored(&self) -> Option<Stored> {
        Some(Stored {
            sequence: self.sequence,
            message: self.message.clone()?,
            expires_at_ms: self.expires_at_ms,
            received_ms: 0,
            delivery_count: self.delivery_count,
        })
    }

    pub(crate) fn from_stored(stored: Stored, is_queue_durable: bool) -> Self {
        Self {
            sequence: stored.sequence,
            body_bytes: u32::try_from(stored.message.body_length()).unwrap_or(u32::MAX),
            position: Position::default(),
            expires_at_ms: stored.expires_at_ms,
            delivery_count: stored.delivery_count,
            redelivered: stored.delivery_count > 0,
            logged: is_queue_durable && stored.message.persistent,
            message: Some(stored.message),
        }
    }

    pub(crate) fn footprint(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.footprint())
    }
}

/// The ready messages, in the order in which they are handed out.
#[derive(Debug)]
pub(crate) enum Ready {
    /// First in, first out.
    Fifo(Fifo),
    /// By falling priority; within one level first in, first out. Every entry stays in memory, its message may be settled.
    Priority(Vec<BTreeMap<u64, Entry>>),
}

/// Ready messages in order of arrival.
///
/// # Shape
/// In order of sequence number: `returned` (came back from a consumer), `window` (read from the backlog), the backlog from `read_from`
/// on, and `tail` (fresh, in memory, at or above the backlog's end). Everything live at or above `read_from` is ready.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    pub(crate) returned: BTreeMap<u64, Entry>,
    pub(crate) window: VecDeque<Entry>,
    pub(crate) read_from: u64,
    pub(crate) tail: VecDeque<Entry>,
}

impl Ready {
    pub(crate) fn new(priority_max: Option<u8>) -> Self {
        priority_max.map_or_else(
            || Self::Fifo(Fifo::default()),
            |highest| Self::Priority((0..=highest).map(|_| BTreeMap::new()).collect()),
        )
    }

    /// Adds a fresh message behind all others of its priority.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry, priority: u8) {
        match self {
            Self::Fifo(fifo) => fifo.tail.push_back(entry),
            Self::Priority(levels) => insert_at_level(levels, entry, priority),
        }
    }

    /// Puts a message back at its old place.
    pub(crate) fn put_back(&mut self, entry: Entry, priority: u8) {
        match self {
            Self::Fifo(fifo) => drop(fifo.returned.insert(entry.sequence, entry)),
            Self::Priority(levels) => insert_at_level(levels, entry, priority),
        }
    }

    /// Looks at the next message.
    pub(crate) fn peek(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<&Entry> {
        match self {
            Self::Fifo(fifo) => {
                fifo.fill(backlog, is_durable);
                let returned = fifo.returned.values().next();
                returned.or_else(|| fifo.window.front()).or_else(|| fifo.tail.front())
            }
            Self::Priority(levels) => levels.iter().rev().find_map(|level| level.values().next()),
        }
    }

    /// Takes the next message.
    #[inline]
    pub(crate) fn pop(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<Entry> {
        match self {
            Self::Fifo(fifo) => {
                if let Some((_, entry)) = fifo.returned.pop_first() {
                    return Some(entry);
                }
                fifo.fill(backlog, is_durable);
                fifo.window.pop_front().or_else(|| fifo.tail.pop_front())
            }
            Self::Priority(levels) => {
                levels.iter_mut().rev().find_map(|level| level.pop_first().map(|(_, entry)| entry))
            }
        }
    }

    /// Takes the message that goes first when the queue is too long: the oldest of the lowest priority.
    pub(crate) fn pop_oldest(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<Entry> {
        match self {
            Self::Fifo(_) => self.pop(backlog, is_durable),
            Self::Priority(levels) => levels.iter_mut().find_map(|level| level.pop_first().map(|(_, entry)| entry)),
        }
    }
}

impl Fifo {
    /// Reads on from the backlog once what was read before is used up.
    fn fill(&mut self, backlog: &mut impl Backlog, is_durable: bool) {
        if !self.window.is_empty() || !self.returned.is_empty() {
            return;
        }
        let end = backlog.settled_end();
        if self.read_from >= end {
            return;
        }
        let mut stored = Vec::new();
        backlog.read(self.read_from, limits::BACKLOG_READ_BYTES, &mut stored);
        self.read_from = stored.last().map_or(end, |last| last.sequence + 1);
        self.window.extend(stored.into_iter().map(|stored| Entry::from_stored(stored, is_durable)));
    }
}

fn insert_at_level(levels: &mut [BTreeMap<u64, Entry>], entry: Entry, priority: u8) {
    let level = usize::from(priority).min(levels.len().saturating_sub(1));
    if let Some(level) = levels.get_mut(level) {
        level.insert(entry.sequence, entry);
    }
}
