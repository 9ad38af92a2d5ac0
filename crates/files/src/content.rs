//! Content addressing: a content is named by its [`Root`], and any part of it is verified against that in bounded memory.
//!
//! *Shape*: the tree is BLAKE3's own, cut twice, so that the root is the ordinary BLAKE3 hash that `b3sum` prints.
//! ```text
//!                     Root                      32 bytes, known from the index or a link
//!              ┌───────┴────────┐
//!   Top:    segment 0   …   segment n           a value per GiB, checked against the root
//!          ┌────┴────┐
//!   Segment: group 0 … group 4095               a value per 256 KiB, checked against its place in the top
//!          │
//!   bytes of the group                          checked against its place in the segment
//! ```
//! BLAKE3 hashes the node that is the whole content in another way than all others. Here the value of such a node, be it a group or a
//! segment, *is* the root: a small content needs no other rule than a large one, only lists of one value.
//!
//! A size is a claim until the last group is verified: only that proves it to the byte. No other part can be taken for what it is not by a
//! wrong size, since BLAKE3 tells chunks from inner nodes.
//!
//! It must never read a file: whoever has the bytes hands them in, from as many threads as there are.
//!
//! Start reading at [`Shape`], then [`Outline`].

mod list;
mod outline;
mod shape;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use list::{Segment, Top};
pub use outline::{Builder, Outline, OutlineError};
pub use shape::Shape;

/// The name of a content: the BLAKE3 hash of all its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root([u8; 32]);

impl Root {
    /// Hashes a content that is in memory as a whole.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Takes the 32 bytes of a root.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Shows the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Root {
    type Error = RootError;

    fn try_from(blob: &[u8]) -> Result<Self, RootError> {
        blob.try_into().map(Self).map_err(|_| RootError)
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({self})")
    }
}

impl FromStr for Root {
    type Err = RootError;

    /// Takes 64 hexadecimal digits, of either case.
    fn from_str(digits: &str) -> Result<Self, RootError> {
        let hash = blake3::Hash::from_hex(digits).map_err(|_| RootError)?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// What was given is no root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash of a content is 64 hexadecimal digits, 32 bytes")]
pub struct RootError;

/// The value of a group or a segment: its BLAKE3 chaining value, or the root where it is the whole content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chaining([u8; 32]);

impl Chaining {
    /// Bytes of a value in every list.
    pub const BYTES: usize = 32;

    /// Takes the 32 bytes of a value.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Shows the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What was brought is not part of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A content of this size has no such group or segment.
    #[error("the content has no part {0}")]
    NoSuchPart(u32),
    /// It has another length than its place in the content.
    #[error("{is} bytes or values where there must be {due}")]
    Length {
        /// What was brought.
        is: u64,
        /// What belongs there.
        due: u64,
    },
    /// It hashes to something else: somebody lied, or a disk did.
    #[error("not what the hash of the content says")]
    Mismatch,
}

/// A content larger than [`CONTENT_BYTES_MAX`](crate::limits::CONTENT_BYTES_MAX).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content of {0} bytes is larger than 16 TiB")]
pub struct TooLarge(pub u64);

/// Takes a list of values as it goes over the wire and stands on disk: 32 bytes each, nothing between.
fn decode_values(bytes: &[u8]) -> Result<Vec<Chaining>, Invalid> {
    let (values, rest) = bytes.as_chunks::<{ Chaining::BYTES }>();
    if !rest.is_empty() {
        return Err(Invalid::Length {
            is: bytes.len() as u64,
            due: (values.len() * Chaining::BYTES) as u64,
        });
    }
    Ok(values.iter().copied().map(Chaining).collect())
}

fn encode_values(values: &[Chaining], out: &mut Vec<u8>) {
    out.reserve(values.len() * Chaining::BYTES);
    for value in values {
        out.extend_from_slice(&value.0);
    }
}
