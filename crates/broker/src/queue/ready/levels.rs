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
    entries: BTreeMap<(Reverse<u8>, u64), Entry>,
}

impl Levels {
    pub(super) const fn new(highest: u8) -> Self {
        Self {
            highest,
            entries: BTreeMap::new(),
        }
    }

    /// Adds a message at its level; what is above the highest belongs to that.
    pub(super) fn insert(&mut self, entry: Entry) {
        let level = Reverse(entry.priority.min(self.highest));
        self.entries.insert((level, entry.sequence), entry);
    }

    /// Takes the oldest message of the highest level.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }

    /// Takes the oldest message of the lowest level.
    pub(super) fn pop_lowest(&mut self) -> Option<Entry> {
        let (&(lowest, _), _) = self.entries.last_key_value()?;
        let (&first, _) = self.entries.range((lowest, 0)..).next()?;
        self.entries.remove(&first)
    }

    /// When the first of the messages at the heads of their levels expires.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.heads().map(|entry| entry.expires_at_ms).min()
    }

    /// Takes the message at the head of a level whose time has come, of the highest level that has one.
    pub(super) fn pop_due(&mut self, now_ms: u64) -> Option<Entry> {
        let due = self.heads().find(|entry| entry.expires_at_ms <= now_ms)?;
        let key = (Reverse(due.priority.min(self.highest)), due.sequence);
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
    fn heads(&self) -> impl Iterator<Item = &Entry> {
        let mut next = self.entries.first_key_value();
        std::iter::from_fn(move || {
            let (&(Reverse(level), _), entry) = next?;
            let below = level.checked_sub(1).map(|below| (Reverse(below), 0));
            next = below.and_then(|below| self.entries.range(below..).next());
            Some(entry)
        })
    }
}
