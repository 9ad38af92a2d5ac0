//! A growing set of small numbers, one bit each.

/// Bits by ordinal; those beyond its length are clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bitmap(Vec<u64>);

const WORD_BITS: u32 = 64;

fn place(ordinal: u32) -> (usize, u64) {
    ((ordinal / WORD_BITS) as usize, 1 << (ordinal % WORD_BITS))
}

impl Bitmap {
    pub(crate) const fn from_words(words: Vec<u64>) -> Self {
        Self(words)
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.0
    }

    pub(crate) fn contains(&self, ordinal: u32) -> bool {
        let (word, bit) = place(ordinal);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a number; returns whether it is new.
    pub(crate) fn insert(&mut self, ordinal: u32) -> bool {
        let (word, bit) = place(ordinal);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(word) = self.0.get_mut(word) else {
            return false;
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Removes all numbers from `count` on.
    pub(crate) fn truncate(&mut self, count: u32) {
        let (word, bit) = place(count);
        self.0.truncate(word + 1);
        if let Some(last) = self.0.get_mut(word) {
            *last &= bit - 1;
        }
    }

    /// Returns the first number below `count` that is absent.
    pub(crate) fn first_absent(&self, count: u32) -> Option<u32> {
        let full = self.0.iter().take_while(|word| **word == u64::MAX).count();
        let rest = self.0.get(full).map_or(0, |word| word.trailing_ones());
        let first = u32::try_from(full).ok()?.checked_mul(WORD_BITS)? + rest;
        (first < count).then_some(first)
    }

    /// Returns how many numbers below `count` are in one of two sets.
    pub(crate) fn count_ones(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Returns the numbers in either set.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let (longer, shorter) = if self.0.len() >= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut words = longer.0.clone();
        for (word, other) in words.iter_mut().zip(&shorter.0) {
            *word |= other;
        }
        Self(words)
    }
}
