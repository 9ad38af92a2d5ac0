//! What the generator writes into the first bytes of a body, and reads back.

/// Bytes that a whole mark takes.
pub(crate) const MARK_BYTES: usize = 16;
/// Bytes that a stamp alone takes.
pub(crate) const STAMP_BYTES: usize = 8;

const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;

/// Marks one message: when it was meant to be sent, by whom, and its place in the row.
///
/// *Shape*: stamp (ns since the run began), then producer (24 bits) and sequence number (40 bits), little endian.
/// A body of 8 to 15 bytes holds the stamp alone, a shorter one nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) stamp: u64,
    pub(crate) producer: u32,
    /// Counts from zero per producer and route.
    pub(crate) sequence: u64,
}

impl Mark {
    /// Writes as much of the mark as the body has room for.
    #[inline]
    pub(crate) fn write(self, body: &mut [u8]) {
        let word = u64::from(self.producer) << SEQUENCE_BITS | self.sequence & SEQUENCE_MASK;
        if let Some(place) = body.first_chunk_mut::<MARK_BYTES>() {
            place[..STAMP_BYTES].copy_from_slice(&self.stamp.to_le_bytes());
            place[STAMP_BYTES..].copy_from_slice(&word.to_le_bytes());
        } else if let Some(place) = body.first_chunk_mut::<STAMP_BYTES>() {
            *place = self.stamp.to_le_bytes();
        }
    }

    /// Reads a whole mark.
    #[inline]
    pub(crate) fn read(bytes: &[u8; MARK_BYTES]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let place = word(STAMP_BYTES);
        Self {
            stamp: word(0),
            producer: u32::try_from(place >> SEQUENCE_BITS).unwrap_or(0),
            sequence: place & SEQUENCE_MASK,
        }
    }
}
