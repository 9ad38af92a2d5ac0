//! The values of all groups of a content, as its holder keeps them.

use std::ops::Range;

use super::{Chaining, Invalid, Root, Segment, Shape, TooLarge, Top, decode_values, encode_values};
use crate::have::Have;

/// Marks the form on disk, with its version.
const MAGIC: [u8; 8] = *b"ChskOut\x01";

/// Why bytes are no outline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// They begin with something else, or are cut.
    #[error("no outline of this version")]
    Header,
    /// The size is none that a content has.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The values are damaged, too many or too few.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// The values of all groups of a content, with its [`Top`]: 128 KiB per GiB.
///
/// A holder of very large contents keeps it on disk and reads one [`Segment`] at a time ([`Outline::segment_place`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    top: Top,
    values: Vec<Chaining>,
}

impl Outline {
    /// Bytes before the values on disk.
    pub const HEADER_BYTES: usize = MAGIC.len() + 8 + 32;

    /// Makes it from the values of all groups, in order.
    ///
    /// # Errors
    /// There are more or fewer than the content has groups.
    pub fn new(shape: Shape, values: Vec<Chaining>) -> Result<Self, Invalid> {
        let (is, due) = (values.len() as u64, u64::from(shape.groups()));
        if is != due {
            return Err(Invalid::Length { is, due });
        }
        let of_segment = |index: u32| {
            let groups = shape.groups_of(index);
            shape.merge_segment(&values[groups.start as usize..groups.end as usize])
        };
        let top = Top::new(shape, (0..shape.segments()).map(of_segment).collect())?;
        Ok(Self { top, values })
    }

    /// Hashes a content that is in memory as a whole.
    ///
    /// # Errors
    /// It is larger than any content.
    pub fn of(bytes: &[u8]) -> Result<Self, OutlineError> {
        let shape = Shape::new(bytes.len() as u64)?;
        let mut values = vec![Chaining::default(); shape.groups() as usize];
        shape.hash_groups(0, bytes, &mut values)?;
        Ok(Self::new(shape, values)?)
    }

    /// The name of the content.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.top.root()
    }

    /// The shape of the content.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.top.shape()
    }

    /// The values of its segments.
    #[must_use]
    pub const fn top(&self) -> &Top {
        &self.top
    }

    /// The values of all its groups.
    #[must_use]
    pub fn values(&self) -> &[Chaining] {
        &self.values
    }

    /// The list of one segment, if there is such a segment.
    #[must_use]
    pub fn segment(&self, index: u32) -> Option<Segment> {
        let groups = self.shape().groups_of(index);
        let values = &self.values[groups.start as usize..groups.end as usize];
        Segment::new(self.shape(), index, values.to_vec()).ok()
    }

    /// Writes the form for the disk.
    ///
    /// *Shape*: `ChskOut` and the version, size (u64, little-endian), root, the values of all segments, the values of all groups.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::place(self.shape(), self.shape().groups()));
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.shape().size().to_le_bytes());
        out.extend_from_slice(self.root().as_bytes());
        encode_values(self.top.values(), &mut out);
        encode_values(&self.values, &mut out);
        out
    }

    /// Reads the whole form for the disk, and checks every value against the root in it.
    ///
    /// # Errors
    /// It is of another version, cut or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, OutlineError> {
        let (shape, root, rest) = Self::header(bytes)?;
        let due = Self::place(shape, shape.groups()) - Self::HEADER_BYTES;
        let tops = shape.segments() as usize * Chaining::BYTES;
        let Some((tops, groups)) = rest.split_at_checked(tops).filter(|_| rest.len() == due) else {
            let is = rest.len() as u64;
            let due = due as u64;
            return Err(Invalid::Length { is, due }.into());
        };
        let outline = Self::new(shape, decode_values(groups)?)?;
        if outline.root() == root && *outline.top.values() == *decode_values(tops)? {
            Ok(outline)
        } else {
            Err(Invalid::Mismatch.into())
        }
    }

    /// Reads the head of the form for the disk: whoever has a large one needs only what [`Self::top_place`] and
    /// [`Self::segment_place`] name, which [`Top::decode`] and [`Segment::decode`] check.
    ///
    /// # Errors
    /// It is of another version or cut.
    pub fn decode_header(bytes: &[u8]) -> Result<(Shape, Root), OutlineError> {
        let (shape, root, _) = Self::header(bytes)?;
        Ok((shape, root))
    }

    fn header(bytes: &[u8]) -> Result<(Shape, Root, &[u8]), OutlineError> {
        let cut = || OutlineError::Header;
        let rest = bytes.strip_prefix(&MAGIC).ok_or_else(cut)?;
        let (size, rest) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let (root, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let shape = Shape::new(u64::from_le_bytes(*size))?;
        Ok((shape, Root::from_bytes(*root), rest))
    }

    /// Where the [`Top`] stands on disk, in bytes from the start.
    #[must_use]
    pub fn top_place(shape: Shape) -> Range<usize> {
        Self::HEADER_BYTES..Self::place(shape, 0)
    }

    /// Where the list of a segment stands on disk, in bytes from the start.
    #[must_use]
    pub fn segment_place(shape: Shape, index: u32) -> Range<usize> {
        let groups = shape.groups_of(index);
        Self::place(shape, groups.start)..Self::place(shape, groups.end)
    }

    /// Where the value of a group stands on disk.
    const fn place(shape: Shape, group: u32) -> usize {
        Self::HEADER_BYTES + (shape.segments() as usize + group as usize) * Chaining::BYTES
    }
}

/// Gathers the values of groups as they come, in any order.
///
/// Whoever hashes with several threads gives each a slice of a vector ([`Shape::hash_groups`]) and calls [`Outline::new`].
#[derive(Debug, Clone)]
pub struct Builder {
    shape: Shape,
    values: Vec<Chaining>,
    present: Have,
}

impl Builder {
    /// Begins with nothing.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            values: vec![Chaining::default(); shape.groups() as usize],
            present: Have::none(shape.groups()),
        }
    }

    /// Hashes the bytes of one group; a group that comes again replaces what was there.
    ///
    /// # Errors
    /// There is no such group, or it has another length.
    pub fn update(&mut self, group: u32, bytes: &[u8]) -> Result<(), Invalid> {
        let value = self.shape.hash_group(group, bytes)?;
        self.values[group as usize] = value;
        self.present.insert(group);
        Ok(())
    }

    /// Which groups have come.
    #[must_use]
    pub const fn present(&self) -> &Have {
        &self.present
    }

    /// Ends with the outline.
    ///
    /// # Errors
    /// A group is missing: the first one is named.
    pub fn finish(self) -> Result<Outline, Invalid> {
        match self.present.missing().next() {
            None => Outline::new(self.shape, self.values),
            Some(run) => Err(Invalid::NoSuchPart(run.start)),
        }
    }
}
