//! Ready messages of a queue with priorities.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Entry;

/// Ready messages by falling priority, within one level first in, first out.
///
/// # Shape
/// One map over all levels, so that a level that nobody uses takes no memory: a queue may declare 255 of them.
#[derive(Debug)]
pub(crate) struct Levels {
    highest: u8,
    entries: BTreeMap<Key, Entry>,
    /// How many messages came in behind a delay.
    due: u64,
}

/// A level, a place by sequence number, and the order of what comes in before the message of that number.
type Key = (Reverse<u8>, u64, u64);

impl Levels {
    pub(super) const fn new(highest: u8) -> Self {
        Self {
            highest,
            entries: BTreeMap::new(),
            due: 0,
        }
    }

    /// Adds a message at its level; what is above the highest belongs to that.
    pub(super) fn insert(&mut self, entry: Entry) {
        let level = Reverse(entry.priority.min(self.highest));
        self.entries
            .insert((level, entry.sequence, u64::MAX), entry);
    }

    /// Adds a message whose delay has ended behind all others of its level, which are below `next`.
    pub(super) fn insert_due(&mut self, entry: Entry, next: u64) {
        let level = Reverse(entry.priority.min(self.highest));
        self.due += 1;
        self.entries.insert((level, next, self.due), entry);
    }

    /// Takes the oldest message of the highest level.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }

    /// Takes the oldest message of the lowest level.
    pub(super) fn pop_lowest(&mut self) -> Option<Entry> {
        let (&(lowest, ..), _) = self.entries.last_key_value()?;
        let (&first, _) = self.entries.range((lowest, 0, 0)..).next()?;
        self.entries.remove(&first)
    }

    /// When the first of the messages at the heads of their levels expires.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.heads().map(|(_, entry)| entry.expires_at_ms).min()
    }

    /// Takes the message at the head of a level whose time has come, of the highest level that has one.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<Entry> {
        let (key, _) = self
            .heads()
            .find(|(_, entry)| entry.expires_at_ms <= now_ms)?;
        self.entries.remove(&key)
    }

    /// All messages, in the order in which they are handed out.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// All messages, to be changed in place.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The first message of each level that has one.
    fn heads(&self) -> impl Iterator<Item = (Key, &Entry)> {
        let mut next = self.entries.first_key_value();
        std::iter::from_fn(move || {
            let (&key, entry) = next?;
            let (Reverse(level), ..) = key;
            let below = level.checked_sub(1).map(|below| (Reverse(below), 0, 0));
            next = below.and_then(|below| self.entries.range(below..).next());
            Some((key, entry))
        })
    }
}
