//! What one channel was delivered and has not settled, by ascending delivery tag.

use std::collections::VecDeque;

use broker::{ConsumerNumber, QueueRef};

use crate::limits;

#[cfg(test)]
mod tests;

/// One delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unacked {
    pub(crate) tag: u64,
    pub(crate) queue: QueueRef,
    pub(crate) sequence: u64,
    /// Who had it; `None` a get.
    pub(crate) consumer: Option<ConsumerNumber>,
}

#[derive(Debug)]
struct Entry {
    unacked: Unacked,
    is_settled: bool,
}

/// The unsettled deliveries of one channel.
///
/// # Shape
/// A queue by tag. What is settled out of order stays as a mark until it reaches an end or the marks outnumber the rest, so that
/// settling costs a binary search at worst. The entries at both ends are never marks.
#[derive(Debug, Default)]
pub(crate) struct UnackedList {
    entries: VecDeque<Entry>,
    settled: usize,
}

impl UnackedList {
    /// How many are not settled.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.settled
    }

    /// Adds a delivery; its tag is higher than every tag before.
    #[inline]
    pub(crate) fn push(&mut self, unacked: Unacked) {
        self.entries.push_back(Entry {
            unacked,
            is_settled: false,
        });
    }

    /// Takes the delivery with this tag.
    #[inline]
    pub(crate) fn take(&mut self, tag: u64) -> Option<Unacked> {
        if self.entries.front()?.unacked.tag == tag {
            return self.pop_front();
        }
        let at = self
            .entries
            .binary_search_by_key(&tag, |entry| entry.unacked.tag)
            .ok()?;
        let entry = self.entries.get_mut(at)?;
        if entry.is_settled {
            return None;
        }
        entry.is_settled = true;
        let unacked = entry.unacked;
        self.settled += 1;
        while self.entries.back().is_some_and(|entry| entry.is_settled) {
            self.entries.pop_back();
            self.settled -= 1;
        }
        if self.settled > limits::UNACKED_SETTLED_MAX && self.settled > self.len() {
            self.entries.retain(|entry| !entry.is_settled);
            self.settled = 0;
        }
        Some(unacked)
    }

    /// Takes the oldest delivery if its tag is at most `tag`.
    #[inline]
    pub(crate) fn take_until(&mut self, tag: u64) -> Option<Unacked> {
        if self.entries.front()?.unacked.tag <= tag {
            self.pop_front()
        } else {
            None
        }
    }

    /// Says whether a delivery with this tag waits.
    pub(crate) fn contains(&self, tag: u64) -> bool {
        self.entries
            .binary_search_by_key(&tag, |entry| entry.unacked.tag)
            .is_ok_and(|at| self.entries.get(at).is_some_and(|entry| !entry.is_settled))
    }

    /// Takes everything, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Unacked> + use<> {
        self.settled = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .filter(|entry| !entry.is_settled)
            .map(|entry| entry.unacked)
    }

    /// Puts back what was taken, as a rollback does.
    pub(crate) fn restore(&mut self, taken: impl Iterator<Item = Unacked>) {
        let mut all: Vec<Unacked> = self.drain().chain(taken).collect();
        all.sort_unstable_by_key(|unacked| unacked.tag);
        self.entries = all
            .into_iter()
            .map(|unacked| Entry {
                unacked,
                is_settled: false,
            })
            .collect();
    }

    fn pop_front(&mut self) -> Option<Unacked> {
        let first = self.entries.pop_front()?.unacked;
        while self.entries.front().is_some_and(|entry| entry.is_settled) {
            self.entries.pop_front();
            self.settled -= 1;
        }
        Some(first)
    }
}
