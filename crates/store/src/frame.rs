//! The frame around a commit, and the header of a journal file.
//!
//! A frame is valid only in the file and at the generation that it was written for: it repeats the file's number and salt. The
//! salt cannot be guessed, so bytes that a publisher chose never pass for a frame, not even where recovery searches for one.

mod buffer;

pub(crate) use buffer::FrameBuffer;

use crate::fields::{Fields, length_u32, patch, to_usize};
use crate::limits::{BLOCK_BYTES, FRAME_BYTES_MAX, NUMBER_MAX};

const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"CHJF");
const FILE_MAGIC: u32 = u32::from_le_bytes(*b"CHJ1");
/// Bytes of a frame before its records.
pub(crate) const FRAME_HEADER_BYTES: usize = 48;
/// Bytes of a file before its first frame.
pub(crate) const FILE_HEADER_BYTES: u64 = BLOCK_BYTES;
const FILE_FIELDS_BYTES: usize = 40;
/// The frame starts with settled records.
pub(crate) const FLAG_SETTLED: u32 = 1;

/// The header of a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    /// The number in its name; greater than that of any file before it.
    pub(crate) file: u64,
    /// A number that nobody can guess, new for every use of the file.
    pub(crate) salt: u64,
    /// The sequence of its first frame. Frames of earlier files at or above it were never confirmed.
    pub(crate) first_frame: u64,
    /// How long the file was made.
    pub(crate) bytes: u64,
}

impl FileHeader {
    /// Returns the first block of the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(to_usize(FILE_HEADER_BYTES));
        block.extend_from_slice(&FILE_MAGIC.to_le_bytes());
        block.extend_from_slice(&[0; 4]);
        for field in [self.file, self.salt, self.first_frame, self.bytes] {
            block.extend_from_slice(&field.to_le_bytes());
        }
        let crc = crc_fast::crc32_iscsi(block.get(8..).unwrap_or_default());
        patch(&mut block, 4, &crc.to_le_bytes());
        block.resize(to_usize(FILE_HEADER_BYTES), 0);
        block
    }

    /// Reads the header of the file with this number; nothing when it is not one.
    pub(crate) fn decode(block: &[u8], file: u64) -> Option<Self> {
        Self::decode_any(block).filter(|header| header.file == file)
    }

    /// Reads the header that a file was begun with, under whatever number.
    pub(crate) fn decode_any(block: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(block.get(..FILE_FIELDS_BYTES)?);
        let magic = fields.u32()?;
        let crc = fields.u32()?;
        if magic != FILE_MAGIC || crc != crc_fast::crc32_iscsi(fields.rest()) {
            return None;
        }
        let header = Self {
            file: fields.u64()?,
            salt: fields.u64()?,
            first_frame: fields.u64()?,
            bytes: fields.u64()?,
        };
        (header.first_frame < NUMBER_MAX).then_some(header)
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) file: u64,
    pub(crate) salt: u64,
    /// One more than that of the frame before it, across files.
    pub(crate) sequence: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) records: u32,
    pub(crate) flags: u32,
    /// Checksum of everything behind the header.
    payload_crc: u32,
}

impl FrameHeader {
    /// Writes the header into the space for it at the front of `frame` and pads the frame to whole blocks.
    #[cfg(any(test, feature = "faults"))]
    pub(crate) fn seal(
        frame: &mut Vec<u8>,
        place: (u64, u64),
        sequence: u64,
        records: u32,
        flags: u32,
    ) {
        Self::write(frame, place, sequence, records, flags);
        frame.resize(frame.len().next_multiple_of(to_usize(BLOCK_BYTES)), 0);
    }

    /// Writes the header into the space for it at the front of `frame`.
    fn write(frame: &mut [u8], place: (u64, u64), sequence: u64, records: u32, flags: u32) {
        let payload = frame
            .get(FRAME_HEADER_BYTES..)
            .expect("the frame starts with space for its header");
        let payload_crc = crc_fast::crc32_iscsi(payload);
        let payload_bytes = length_u32(payload.len());
        let mut header = [0; FRAME_HEADER_BYTES];
        let mut at = 8;
        let mut put = |field: &[u8]| {
            patch(&mut header, at, field);
            at += field.len();
        };
        put(&place.0.to_le_bytes());
        put(&place.1.to_le_bytes());
        put(&sequence.to_le_bytes());
        put(&payload_bytes.to_le_bytes());
        put(&records.to_le_bytes());
        put(&flags.to_le_bytes());
        put(&payload_crc.to_le_bytes());
        let header_crc = crc_fast::crc32_iscsi(header.get(8..).unwrap_or_default());
        patch(&mut header, 0, &FRAME_MAGIC.to_le_bytes());
        patch(&mut header, 4, &header_crc.to_le_bytes());
        patch(frame, 0, &header);
    }

    /// Reads a frame header; nothing when its own checksum fails.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes.get(..FRAME_HEADER_BYTES)?);
        let magic = fields.u32()?;
        let crc = fields.u32()?;
        // The magic first: recovery looks at every block of a file.
        if magic != FRAME_MAGIC || crc != crc_fast::crc32_iscsi(fields.rest()) {
            return None;
        }
        let header = Self {
            file: fields.u64()?,
            salt: fields.u64()?,
            sequence: fields.u64()?,
            payload_bytes: usize::try_from(fields.u32()?).ok()?,
            records: fields.u32()?,
            flags: fields.u32()?,
            payload_crc: fields.u32()?,
        };
        (header.payload_bytes <= FRAME_BYTES_MAX && header.sequence < NUMBER_MAX).then_some(header)
    }

    /// Bytes of the whole frame with its padding.
    pub(crate) const fn frame_bytes(&self) -> usize {
        (FRAME_HEADER_BYTES + self.payload_bytes).next_multiple_of(4096)
    }

    /// Tells whether the payload is what was written.
    pub(crate) fn matches(&self, payload: &[u8]) -> bool {
        crc_fast::crc32_iscsi(payload) == self.payload_crc
    }
}

const _: () = assert!(BLOCK_BYTES == 4096, "frame_bytes pads to blocks");
