//! How a content of a size is cut into groups and segments, and how their values come about.

use std::ops::Range;

use blake3::Hasher;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{Chaining, Invalid, Root, TooLarge};
use crate::limits::{CONTENT_BYTES_MAX, GROUP_BYTES, SEGMENT_GROUPS};

/// The shape of a content's tree, which follows from its size alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    size: u64,
    /// [`GROUP_BYTES`] but in tests, which go round the borders of small trees.
    group_bytes: u64,
    /// [`SEGMENT_GROUPS`] but in tests.
    segment_groups: u32,
}

impl Shape {
    /// Cuts a content of `size` bytes.
    ///
    /// # Errors
    /// It is larger than [`CONTENT_BYTES_MAX`].
    pub const fn new(size: u64) -> Result<Self, TooLarge> {
        if size > CONTENT_BYTES_MAX {
            return Err(TooLarge(size));
        }
        Ok(Self {
            size,
            group_bytes: GROUP_BYTES,
            segment_groups: SEGMENT_GROUPS,
        })
    }

    /// Cuts a content into smaller parts, of the same tree.
    #[cfg(test)]
    pub(super) const fn cut(size: u64, group_bytes: u64, segment_groups: u32) -> Self {
        Self {
            size,
            group_bytes,
            segment_groups,
        }
    }

    /// Bytes of the content.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Groups of the content; an empty one has none.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the size is bounded: at most 2^26"
    )]
    pub const fn groups(&self) -> u32 {
        self.size.div_ceil(self.group_bytes) as u32
    }

    /// Segments of the content; an empty one has none.
    #[must_use]
    pub const fn segments(&self) -> u32 {
        self.groups().div_ceil(self.segment_groups)
    }

    /// Tells where in the content a run of groups stands, in bytes.
    #[must_use]
    pub fn bytes_of(&self, groups: Range<u32>) -> Range<u64> {
        let at = |group: u32| (u64::from(group) * self.group_bytes).min(self.size);
        at(groups.start)..at(groups.end)
    }

    /// Tells how many bytes a group has: 0 where the content has no such group.
    #[must_use]
    pub fn group_bytes(&self, group: u32) -> u64 {
        let place = self.bytes_of(group..group.saturating_add(1));
        place.end - place.start
    }

    /// Tells which segment a group is in.
    #[must_use]
    pub const fn segment_of(&self, group: u32) -> u32 {
        group / self.segment_groups
    }

    /// Tells which groups a segment has: none where the content has no such segment.
    #[must_use]
    pub fn groups_of(&self, segment: u32) -> Range<u32> {
        let groups = self.groups();
        let start = segment.saturating_mul(self.segment_groups).min(groups);
        start..start.saturating_add(self.segment_groups).min(groups)
    }

    /// Hashes the bytes of one group.
    ///
    /// # Errors
    /// There is no such group, or it has another length.
    pub fn hash_group(&self, group: u32, bytes: &[u8]) -> Result<Chaining, Invalid> {
        let place = self.bytes_of(group..group.saturating_add(1));
        let due = place.end - place.start;
        if due == 0 {
            return Err(Invalid::NoSuchPart(group));
        }
        let is = bytes.len() as u64;
        if is != due {
            return Err(Invalid::Length { is, due });
        }
        if self.groups() == 1 {
            return Ok(Chaining(*blake3::hash(bytes).as_bytes()));
        }
        let mut hasher = Hasher::new();
        hasher.set_input_offset(place.start).update(bytes);
        Ok(Chaining(hasher.finalize_non_root()))
    }

    /// Hashes the bytes of several groups that follow each other, into a slice of the content's values.
    ///
    /// # Errors
    /// There are no such groups, or the bytes are not exactly theirs.
    pub fn hash_groups(
        &self,
        first: u32,
        bytes: &[u8],
        values: &mut [Chaining],
    ) -> Result<(), Invalid> {
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let place = self.bytes_of(first..first.saturating_add(count));
        let (is, due) = (bytes.len() as u64, place.end - place.start);
        if is != due {
            return Err(Invalid::Length { is, due });
        }
        let mut rest = bytes;
        for (group, value) in (first..).zip(values) {
            // Within the slice's length, as the sum is due.
            let (bytes, behind) = rest.split_at(self.group_bytes(group) as usize);
            *value = self.hash_group(group, bytes)?;
            rest = behind;
        }
        Ok(())
    }

    /// Finds a segment's value from those of its groups.
    pub(super) fn merge_segment(&self, values: &[Chaining]) -> Chaining {
        merge(values, self.segments() == 1)
    }

    /// Finds the root from the values of all segments, or of all groups: it is the same tree.
    pub(super) fn merge_root(&self, values: &[Chaining]) -> Root {
        if values.is_empty() {
            return Root::of(b"");
        }
        Root(merge(values, true).0)
    }
}

/// Finds the value of the node above all these, which is the root or not.
///
/// The left side of a node is the largest power of two of chunks that leaves something for the right. Groups and segments are powers of two of
/// chunks, all whole but the last, so the same holds in counts of them.
fn merge(values: &[Chaining], is_root: bool) -> Chaining {
    if let [alone] = values {
        // It was made as what it is: the root, or one of many.
        return *alone;
    }
    assert!(!values.is_empty(), "an empty content has no inner nodes");
    let left = values.len().next_power_of_two() / 2;
    let (left, right) = values.split_at(left);
    let (left, right) = (merge(left, false).0, merge(right, false).0);
    if is_root {
        Chaining(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes())
    } else {
        Chaining(merge_subtrees_non_root(&left, &right, Mode::Hash))
    }
}
