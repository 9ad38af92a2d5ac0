//! The memory in which a frame is put together.

use super::{FRAME_HEADER_BYTES, FrameHeader};
use crate::fields::to_usize;
use crate::limits::BLOCK_BYTES;

/// A frame in the making, at an address that is a multiple of a block: such memory goes to the disk without being copied.
#[derive(Debug, Default)]
pub(crate) struct FrameBuffer {
    /// The frame, behind `origin` bytes that only move it to its address.
    bytes: Vec<u8>,
    origin: usize,
}

impl FrameBuffer {
    /// Begins an empty frame for about `payload_bytes`. More may follow, at the price of a copy.
    pub(crate) fn begin(&mut self, payload_bytes: usize) {
        let block = to_usize(BLOCK_BYTES);
        // The alignment in front, the header, the payload, the padding behind.
        let need = block + FRAME_HEADER_BYTES + payload_bytes + block;
        self.bytes.clear();
        if self.bytes.capacity() < need {
            self.bytes = Vec::with_capacity(need);
        }
        let ahead = self.bytes.as_ptr().align_offset(block);
        self.origin = if ahead < block { ahead } else { 0 };
        self.bytes.resize(self.origin + FRAME_HEADER_BYTES, 0);
    }

    /// Gives memory above this many bytes back to the allocator.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if self.bytes.capacity() > bytes {
            self.bytes = Vec::new();
            self.origin = 0;
        }
    }

    /// The buffer to append records to; what is in it must stay.
    pub(crate) const fn records(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes of the frame so far.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len() - self.origin
    }

    /// Writes the header and pads the frame to whole blocks.
    pub(crate) fn seal(&mut self, place: (u64, u64), sequence: u64, records: u32, flags: u32) {
        let frame = self.bytes.get_mut(self.origin..).unwrap_or_default();
        FrameHeader::write(frame, place, sequence, records, flags);
        let whole = self.len().next_multiple_of(to_usize(BLOCK_BYTES));
        self.bytes.resize(self.origin + whole, 0);
    }

    /// Takes a frame back that was sealed: it goes on with so many bytes.
    pub(crate) fn reopen(&mut self, length: usize) {
        self.bytes.truncate(self.origin + length);
    }

    /// The frame as it is written.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.origin..).unwrap_or_default()
    }

    /// The bytes of what it holds, to be read into.
    pub(crate) fn block(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.origin..).unwrap_or_default()
    }

    /// Holds this block alone, at the same kind of address.
    pub(crate) fn hold(&mut self, block: &[u8]) {
        self.begin(block.len());
        self.bytes.truncate(self.origin);
        self.bytes.extend_from_slice(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_aligned_whole_and_readable_however_often_it_is_begun() {
        let mut buffer = FrameBuffer::default();
        for payload in [1, 4048, 4049, 100_000, 7] {
            buffer.begin(payload);
            buffer.records().extend(std::iter::repeat_n(0xA5, payload));
            assert_eq!(buffer.len(), FRAME_HEADER_BYTES + payload);
            buffer.seal((3, 4), 5, 6, 0);
            let frame = buffer.as_slice();
            assert_eq!(frame.as_ptr().align_offset(4096), 0);
            assert_eq!(frame.len() % 4096, 0);
            let header = FrameHeader::decode(frame).expect("a header");
            assert_eq!((header.file, header.salt, header.sequence), (3, 4, 5));
            let end = FRAME_HEADER_BYTES + payload;
            assert!(header.matches(&frame[FRAME_HEADER_BYTES..end]));
            assert!(frame[end..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_frame_that_outgrows_its_memory_stays_whole() {
        let mut buffer = FrameBuffer::default();
        buffer.begin(1);
        let payload: Vec<u8> = (0..1 << 20).map(|at: u32| at as u8).collect();
        buffer.records().extend_from_slice(&payload);
        buffer.seal((1, 2), 3, 4, 0);
        let header = FrameHeader::decode(buffer.as_slice()).expect("a header");
        let end = FRAME_HEADER_BYTES + payload.len();
        assert!(header.matches(&buffer.as_slice()[FRAME_HEADER_BYTES..end]));
    }

    #[test]
    fn memory_beyond_what_is_usual_is_given_back() {
        let mut buffer = FrameBuffer::default();
        buffer.begin(1 << 20);
        buffer.shrink_to(1 << 19);
        assert_eq!(buffer.bytes.capacity(), 0);
        buffer.hold(&[7; 4096]);
        assert_eq!(buffer.as_slice(), [7; 4096]);
    }
}
