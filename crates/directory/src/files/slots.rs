//! Sets of small numbers, a bit for each.

/// A set of slots of a [`super::WordIndex`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    /// No slots, of so many that there are.
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// Puts a slot in; one that there is not counts for nothing.
    pub(super) fn insert(&mut self, slot: u32) {
        if let Some(bits) = self.0.get_mut(slot as usize / 64) {
            *bits |= 1 << (slot % 64);
        }
    }

    pub(super) fn contains(&self, slot: u32) -> bool {
        let bits = self.0.get(slot as usize / 64);
        bits.is_some_and(|bits| bits & (1 << (slot % 64)) != 0)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Leaves only what the other one has, too.
    pub(super) fn retain(&mut self, other: &Self) {
        let others = other.0.iter().chain(std::iter::repeat(&0));
        for (bits, other) in self.0.iter_mut().zip(others) {
            *bits &= other;
        }
    }
}
