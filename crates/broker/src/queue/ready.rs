//! The messages of a queue that wait for a consumer.

mod levels;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::Message;
use crate::limits;
use crate::log::{Backlog, Position, Stored};
use levels::Levels;

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
    pub(crate) priority: u8,
    pub(crate) redelivered: bool,
    /// The log knows it, so its end must be logged too.
    pub(crate) logged: bool,
    /// It was delayed, so that the log keeps it with the queue's delayed messages.
    pub(crate) is_delayed: bool,
}

// It is moved for every message, and lies in memory for many.
const _: () = assert!(size_of::<Entry>() == 48);

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
            priority: stored.message.priority,
            position: Position::default(),
            expires_at_ms: stored.expires_at_ms,
            delivery_count: stored.delivery_count,
            redelivered: stored.delivery_count > 0,
            logged: is_queue_durable && stored.message.persistent,
            is_delayed: false,
            message: Some(stored.message),
        }
    }

    pub(crate) fn footprint(&self) -> usize {
        self.message
            .as_ref()
            .map_or(0, |message| message.footprint())
    }
}

/// The ready messages, in the order in which they are handed out.
#[derive(Debug)]
pub(crate) enum Ready {
    /// First in, first out.
    Fifo(Fifo),
    /// By falling priority. Every entry stays in memory, its message may be settled.
    Priority(Levels),
}

/// Ready messages in order of arrival.
///
/// # Shape
/// In order of sequence number: `returned` (came back from a consumer), `window` (read from the backlog), the backlog from `read_from`
/// on, and `tail` (fresh, in memory, at or above the backlog's end). Everything live at or above `read_from` is ready, and nothing
/// leaves `tail` before `read_from` is at or above the backlog's end. A message whose delay ended is in `due`, in no backlog of these:
/// its turn comes behind what was there at that time, that is before the first sequence number that was still free then.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    pub(crate) returned: BTreeMap<u64, Entry>,
    pub(crate) due: VecDeque<(u64, Entry)>,
    pub(crate) window: VecDeque<Entry>,
    pub(crate) read_from: u64,
    pub(crate) tail: VecDeque<Entry>,
    /// The last look into the backlog failed: what comes next is not known.
    has_failed: bool,
}

impl Ready {
    /// `settled_end` is where the queue's backlog ends.
    pub(crate) fn new(priority_max: Option<u8>, settled_end: u64) -> Self {
        priority_max.map_or_else(
            || {
                Self::Fifo(Fifo {
                    read_from: settled_end,
                    ..Fifo::default()
                })
            },
            |highest| Self::Priority(Levels::new(highest)),
        )
    }

    /// Adds a fresh message behind all others of its priority.
    #[inline]
    pub(crate) fn push(&mut self, entry: Entry) {
        match self {
            Self::Fifo(fifo) => fifo.tail.push_back(entry),
            Self::Priority(levels) => levels.insert(entry),
        }
    }

    /// Adds a message whose delay has ended behind all others of its priority; `next` is the first number that is free.
    pub(crate) fn push_due(&mut self, entry: Entry, next: u64) {
        match self {
            Self::Fifo(fifo) => fifo.due.push_back((next, entry)),
            Self::Priority(levels) => levels.insert_due(entry, next),
        }
    }

    /// Notes that the newest message was handed out while nothing else was ready.
    #[inline]
    pub(crate) const fn pass_by(&mut self, sequence: u64) {
        match self {
            Self::Fifo(fifo) => fifo.read_from = sequence + 1,
            Self::Priority(_) => {}
        }
    }

    /// Puts a message back at its old place.
    pub(crate) fn put_back(&mut self, entry: Entry) {
        match self {
            Self::Fifo(fifo) => drop(fifo.returned.insert(entry.sequence, entry)),
            Self::Priority(levels) => levels.insert(entry),
        }
    }

    /// When the first of the messages that may be looked at expires: the head's time, with priorities that of each level's head.
    pub(crate) fn next_expiry(
        &mut self,
        backlog: &mut impl Backlog,
        is_durable: bool,
    ) -> Option<u64> {
        match self {
            Self::Fifo(fifo) => fifo
                .peek(backlog, is_durable)
                .map(|entry| entry.expires_at_ms),
            Self::Priority(levels) => levels.next_expiry(),
        }
    }

    /// Takes a message at the head whose time has come.
    pub(crate) fn pop_due(
        &mut self,
        now_ms: u64,
        backlog: &mut impl Backlog,
        is_durable: bool,
    ) -> Option<Entry> {
        match self {
            Self::Fifo(fifo) => {
                let is_due = fifo
                    .peek(backlog, is_durable)
                    .is_some_and(|entry| entry.expires_at_ms <= now_ms);
                if is_due {
                    fifo.pop(backlog, is_durable)
                } else {
                    None
                }
            }
            Self::Priority(levels) => levels.pop_due(now_ms),
        }
    }

    /// Takes the next message.
    #[inline]
    pub(crate) fn pop(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<Entry> {
        match self {
            Self::Fifo(fifo) => fifo.pop(backlog, is_durable),
            Self::Priority(levels) => levels.pop(),
        }
    }

    /// Says whether the backlog could not be read when something was last taken or looked at.
    pub(crate) const fn has_failed(&self) -> bool {
        match self {
            Self::Fifo(fifo) => fifo.has_failed,
            Self::Priority(_) => false,
        }
    }

    /// Takes the message that goes first when the queue is too long: the oldest of the lowest priority.
    pub(crate) fn pop_oldest(
        &mut self,
        backlog: &mut impl Backlog,
        is_durable: bool,
    ) -> Option<Entry> {
        match self {
            Self::Fifo(fifo) => fifo.pop(backlog, is_durable),
            Self::Priority(levels) => levels.pop_lowest(),
        }
    }
}

impl Fifo {
    /// The first sequence number from which on everything live is ready, if anything may be.
    pub(crate) fn first_fresh(&self, settled_end: u64) -> Option<u64> {
        let in_window = self.window.front().map(|entry| entry.sequence);
        let unread = (self.read_from < settled_end).then_some(self.read_from);
        in_window
            .or(unread)
            .or_else(|| self.tail.front().map(|entry| entry.sequence))
    }

    fn peek(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<&Entry> {
        if !self.fill(backlog, is_durable) {
            return None;
        }
        let returned = self.returned.values().next();
        returned
            .or_else(|| self.first_due())
            .or_else(|| self.first_in_order())
    }

    fn first_in_order(&self) -> Option<&Entry> {
        self.window.front().or_else(|| self.tail.front())
    }

    /// The first message whose delay has ended, if it comes before those in order of arrival.
    fn first_due(&self) -> Option<&Entry> {
        let (rank, entry) = self.due.front()?;
        self.first_in_order()
            .is_none_or(|other| *rank <= other.sequence)
            .then_some(entry)
    }

    #[inline]
    fn pop(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> Option<Entry> {
        if let Some((_, entry)) = self.returned.pop_first() {
            return Some(entry);
        }
        if !self.fill(backlog, is_durable) {
            return None;
        }
        if self.first_due().is_some() {
            return self.due.pop_front().map(|(_, entry)| entry);
        }
        self.window.pop_front().or_else(|| self.tail.pop_front())
    }

    /// Reads on from the backlog once what was read before is used up. False when that fails: nothing may be taken then, as the
    /// tail comes behind what could not be read.
    #[inline]
    fn fill(&mut self, backlog: &mut impl Backlog, is_durable: bool) -> bool {
        self.has_failed = false;
        if self.window.is_empty()
            && self.returned.is_empty()
            && self.read_from < backlog.settled_end()
        {
            self.read_on(backlog, is_durable);
        }
        !self.has_failed
    }

    fn read_on(&mut self, backlog: &mut impl Backlog, is_durable: bool) {
        let mut stored = Vec::new();
        let read = backlog.read(self.read_from, limits::BACKLOG_READ_BYTES, &mut stored);
        self.has_failed = read.is_err();
        if self.has_failed {
            return;
        }
        self.read_from = stored
            .last()
            .map_or_else(|| backlog.settled_end(), |last| last.sequence + 1);
        self.window.extend(
            stored
                .into_iter()
                .map(|stored| Entry::from_stored(stored, is_durable)),
        );
    }
}
