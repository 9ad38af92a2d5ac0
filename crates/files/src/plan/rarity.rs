//! How many sources have each group, of those that do not have all.

use crate::have::Have;

/// Bits of a count, so that it goes up to [`SOURCES_MAX`](crate::limits::SOURCES_MAX).
const PLANES: usize = 6;

/// A count per group, bit by bit: plane `p` holds bit `p` of 64 counts in a word, so that a source is added by a few operations per 64 groups.
#[derive(Debug)]
pub(super) struct Rarity {
    planes: [Vec<u64>; PLANES],
}

impl Rarity {
    pub(super) fn new(total: u32) -> Self {
        let plane = vec![0; total.div_ceil(u64::BITS) as usize];
        Self {
            planes: std::array::from_fn(|_| plane.clone()),
        }
    }

    /// Counts a source more.
    pub(super) fn add(&mut self, have: &Have) {
        self.change(have, |plane, carry| plane & carry);
    }

    /// Counts a source less.
    pub(super) fn subtract(&mut self, have: &Have) {
        self.change(have, |plane, borrow| !plane & borrow);
    }

    fn change(&mut self, have: &Have, carried: impl Fn(u64, u64) -> u64) {
        for index in 0..have.total().div_ceil(u64::BITS) {
            let mut carry = have.word(index);
            for plane in &mut self.planes {
                let word = &mut plane[index as usize];
                let next = carried(*word, carry);
                *word ^= carry;
                carry = next;
            }
            assert_eq!(carry, 0, "sources are bounded, and each is taken out once");
        }
    }

    /// Those of 64 groups that exactly `count` sources have.
    pub(super) fn with(&self, count: usize, index: u32) -> u64 {
        let planes = self.planes.iter().enumerate();
        planes.fold(u64::MAX, |groups, (bit, plane)| {
            let word = plane[index as usize];
            groups & if count >> bit & 1 == 1 { word } else { !word }
        })
    }

    /// How many sources have a group.
    pub(super) fn of(&self, group: u32) -> usize {
        let (index, bit) = ((group / u64::BITS) as usize, group % u64::BITS);
        let planes = self.planes.iter().enumerate();
        planes
            .map(|(plane, words)| usize::from(words[index] >> bit & 1 == 1) << plane)
            .sum()
    }
}
