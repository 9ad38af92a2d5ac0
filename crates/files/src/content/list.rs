//! The two lists by which a peer verifies what it gets, each checked before it is believed.

use super::{Chaining, Invalid, Root, Shape, decode_values, encode_values};

/// The values of all segments of a content: at most 512 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    shape: Shape,
    root: Root,
    values: Vec<Chaining>,
}

impl Top {
    /// Makes the list of a content that is here, from the values of its segments.
    ///
    /// # Errors
    /// There are more or fewer than the content has segments.
    pub fn new(shape: Shape, values: Vec<Chaining>) -> Result<Self, Invalid> {
        let (is, due) = (values.len() as u64, u64::from(shape.segments()));
        if is != due {
            return Err(Invalid::Length { is, due });
        }
        let root = shape.merge_root(&values);
        Ok(Self {
            shape,
            root,
            values,
        })
    }

    /// Takes the list that somebody sent: 32 bytes per segment.
    ///
    /// # Errors
    /// It is not the one of this content.
    pub fn decode(shape: Shape, root: Root, bytes: &[u8]) -> Result<Self, Invalid> {
        let top = Self::new(shape, decode_values(bytes)?)?;
        if top.root == root {
            Ok(top)
        } else {
            Err(Invalid::Mismatch)
        }
    }

    /// Writes the list as it goes over the wire and stands on disk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_values(&self.values, &mut out);
        out
    }

    /// The content that it verifies.
    #[must_use]
    pub const fn root(&self) -> Root {
        self.root
    }

    /// The shape of that content.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The values of the segments, in order.
    #[must_use]
    pub fn values(&self) -> &[Chaining] {
        &self.values
    }
}

/// The values of all groups of one segment: at most 128 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    shape: Shape,
    index: u32,
    values: Vec<Chaining>,
}

impl Segment {
    /// Makes the list of a segment that is here, from the values of its groups.
    ///
    /// # Errors
    /// There is no such segment, or it has more or fewer groups.
    pub fn new(shape: Shape, index: u32, values: Vec<Chaining>) -> Result<Self, Invalid> {
        let due = shape.groups_of(index).len() as u64;
        if due == 0 {
            return Err(Invalid::NoSuchPart(index));
        }
        let is = values.len() as u64;
        if is != due {
            return Err(Invalid::Length { is, due });
        }
        Ok(Self {
            shape,
            index,
            values,
        })
    }

    /// Takes the list that somebody sent: 32 bytes per group.
    ///
    /// # Errors
    /// It is not the one of that place in the content.
    pub fn decode(top: &Top, index: u32, bytes: &[u8]) -> Result<Self, Invalid> {
        let segment = Self::new(top.shape, index, decode_values(bytes)?)?;
        if top.values.get(index as usize) == Some(&segment.chaining()) {
            Ok(segment)
        } else {
            Err(Invalid::Mismatch)
        }
    }

    /// Writes the list as it goes over the wire and stands on disk.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_values(&self.values, &mut out);
        out
    }

    /// The segment's own value, for the [`Top`].
    #[must_use]
    pub fn chaining(&self) -> Chaining {
        self.shape.merge_segment(&self.values)
    }

    /// Its place in the content.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The values of its groups, in order.
    #[must_use]
    pub fn values(&self) -> &[Chaining] {
        &self.values
    }

    /// Verifies the bytes of one group, which is named by its place in the whole content.
    ///
    /// # Errors
    /// They are not what belongs there, or the group is in another segment.
    pub fn verify_group(&self, group: u32, bytes: &[u8]) -> Result<(), Invalid> {
        let first = self.shape.groups_of(self.index).start;
        let due = group
            .checked_sub(first)
            .and_then(|place| self.values.get(place as usize))
            .ok_or(Invalid::NoSuchPart(group))?;
        if self.shape.hash_group(group, bytes)? == *due {
            Ok(())
        } else {
            Err(Invalid::Mismatch)
        }
    }
}
