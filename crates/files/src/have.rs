//! Which groups of a content somebody has, verified: a bitmap that is counted, and its form for the wire.

#[cfg(test)]
mod tests;

use std::ops::Range;

/// Bits of a word.
const WORD: u32 = u64::BITS;

/// The first byte of the form for the wire: runs follow.
const RUNS: u8 = 0;
/// The first byte of the form for the wire: the bitmap follows.
const BITMAP: u8 = 1;

/// Why bytes are no set of groups of this content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HaveError {
    /// They are cut, or a number in them is too long.
    #[error("the list of groups is cut or damaged")]
    Malformed,
    /// They name groups that the content does not have.
    #[error("the list names groups that the content does not have")]
    Beyond,
}

/// A set of groups of a content with a known count of them: a bit each, 8 MiB for the largest content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Have {
    total: u32,
    count: u32,
    /// Bits at and beyond `total` are 0.
    words: Vec<u64>,
}

impl Have {
    /// No group of `total`.
    #[must_use]
    pub fn none(total: u32) -> Self {
        Self {
            total,
            count: 0,
            words: vec![0; total.div_ceil(WORD) as usize],
        }
    }

    /// Every group of `total`.
    #[must_use]
    pub fn all(total: u32) -> Self {
        let mut have = Self::none(total);
        have.insert_run(0..total);
        have
    }

    /// How many groups the content has.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// How many of them are in the set.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether all groups are in the set, as they are where the content has none.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.count == self.total
    }

    /// Whether a group is in the set.
    #[must_use]
    pub fn contains(&self, group: u32) -> bool {
        self.word(group / WORD) >> (group % WORD) & 1 == 1
    }

    /// Adds a group and tells whether it is new.
    ///
    /// # Panics
    /// The content has no such group.
    pub fn insert(&mut self, group: u32) -> bool {
        assert!(group < self.total, "group {group} of {}", self.total);
        let is_new = !self.contains(group);
        self.words[(group / WORD) as usize] |= 1 << (group % WORD);
        self.count += u32::from(is_new);
        is_new
    }

    /// Takes a group out and tells whether it was there.
    pub fn remove(&mut self, group: u32) -> bool {
        let was_there = self.contains(group);
        if was_there {
            self.words[(group / WORD) as usize] &= !(1 << (group % WORD));
            self.count -= 1;
        }
        was_there
    }

    /// Adds the groups of a run.
    ///
    /// # Panics
    /// The content does not have them all.
    pub fn insert_run(&mut self, run: Range<u32>) {
        assert!(run.end <= self.total, "group {} of {}", run.end, self.total);
        let mut at = run.start;
        while at < run.end {
            let end = run.end.min((at / WORD + 1) * WORD);
            let mask = (u64::MAX >> (WORD - (end - at))) << (at % WORD);
            let word = &mut self.words[(at / WORD) as usize];
            self.count += (mask & !*word).count_ones();
            *word |= mask;
            at = end;
        }
    }

    /// The runs of groups that are in the set, ascending, each as long as can be.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> {
        self.runs_of(true)
    }

    /// The runs of groups that are not in the set, ascending, each as long as can be.
    pub fn missing(&self) -> impl Iterator<Item = Range<u32>> {
        self.runs_of(false)
    }

    fn runs_of(&self, is_in: bool) -> impl Iterator<Item = Range<u32>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = self.find(at, is_in);
            at = self.find(start, !is_in);
            (start < self.total).then_some(start..at)
        })
    }

    /// Finds the first group at or behind `from` that is in the set or is not; `total` where there is none.
    fn find(&self, from: u32, is_in: bool) -> u32 {
        let mut skip = from % WORD;
        for index in from / WORD..self.total.div_ceil(WORD) {
            let word = self.word(index) ^ if is_in { 0 } else { u64::MAX };
            let rest = word >> skip << skip;
            if rest != 0 {
                return (index * WORD + rest.trailing_zeros()).min(self.total);
            }
            skip = 0;
        }
        self.total
    }

    /// 64 groups at once, from `64 × index` in the lowest bit; 0 where there are none.
    pub(crate) fn word(&self, index: u32) -> u64 {
        self.words.get(index as usize).copied().unwrap_or(0)
    }

    /// Writes the form for the wire: at most a byte more than the bitmap.
    ///
    /// *Shape*: 0 and the lengths of runs by turns outside and inside the set, as LEB128 numbers, or, where that is shorter, 1 and the bitmap,
    /// group 0 in the lowest bit of the first byte. What is behind the last run is outside.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let bitmap_bytes = self.total.div_ceil(8) as usize;
        let mut out = vec![RUNS];
        let mut at = 0;
        for run in self.runs() {
            encode_number(run.start - at, &mut out);
            encode_number(run.end - run.start, &mut out);
            at = run.end;
            if out.len() > bitmap_bytes {
                out.clear();
                out.push(BITMAP);
                let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
                out.extend(bytes.take(bitmap_bytes));
                break;
            }
        }
        out
    }

    /// Reads the form for the wire, for a content of `total` groups: never takes more memory than the bitmap.
    ///
    /// # Errors
    /// It is cut or damaged, or names groups beyond `total`.
    pub fn decode(total: u32, bytes: &[u8]) -> Result<Self, HaveError> {
        match bytes.split_first() {
            Some((&RUNS, rest)) => Self::decode_runs(total, rest),
            Some((&BITMAP, rest)) => Self::decode_bitmap(total, rest),
            Some(_) | None => Err(HaveError::Malformed),
        }
    }

    fn decode_runs(total: u32, mut bytes: &[u8]) -> Result<Self, HaveError> {
        let mut have = Self::none(total);
        let mut at = 0_u32;
        while !bytes.is_empty() {
            let start = at.checked_add(decode_number(&mut bytes)?);
            let length = decode_number(&mut bytes)?;
            let end = start.and_then(|start| start.checked_add(length));
            let (Some(start), Some(end)) = (start, end.filter(|&end| end <= total)) else {
                return Err(HaveError::Beyond);
            };
            // Runs without groups could go on for ever at the same place.
            if length == 0 {
                return Err(HaveError::Malformed);
            }
            have.insert_run(start..end);
            at = end;
        }
        Ok(have)
    }

    fn decode_bitmap(total: u32, bytes: &[u8]) -> Result<Self, HaveError> {
        if bytes.len() != total.div_ceil(8) as usize {
            return Err(HaveError::Malformed);
        }
        let unused = (8 - total % 8) % 8;
        if unused > 0
            && bytes
                .last()
                .is_some_and(|last| last.leading_zeros() < unused)
        {
            return Err(HaveError::Beyond);
        }
        let word = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |word, &byte| word << 8 | u64::from(byte))
        };
        let words: Vec<u64> = bytes.chunks(8).map(word).collect();
        Ok(Self {
            total,
            count: words.iter().map(|word| word.count_ones()).sum(),
            words,
        })
    }
}

fn encode_number(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

fn decode_number(bytes: &mut &[u8]) -> Result<u32, HaveError> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let Some((&byte, rest)) = bytes.split_first() else {
            break;
        };
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(number).map_err(|_| HaveError::Malformed);
        }
    }
    Err(HaveError::Malformed)
}
