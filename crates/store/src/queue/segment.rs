//! One segment file: its bytes, and what is kept of it in memory.
//!
//! A record's checksum is mixed with the segment's seed (queue, number and salt), so that neither a record of another segment nor
//! bytes that a publisher chose pass for one.

use crate::fields::{Fields, length_u32, length_u64, patch};
use crate::ids::{QueueId, Sequence};
use crate::limits::{INDEX_BYTES, NUMBER_MAX};

use super::bitmap::Bitmap;

const MAGIC: u32 = u32::from_le_bytes(*b"CHSG");
/// Bytes of a segment before its first record.
pub(crate) const HEADER_BYTES: usize = 32;
/// Bytes of a record before its payload.
pub(crate) const RECORD_BYTES: usize = 24;
const FLAG_DURABLE: u32 = 1;

/// Records with successive sequences, up to the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Sequence,
    /// How many records of the segment come before it.
    pub(crate) ordinal: u32,
}

/// What is kept in memory of a segment: a few words, 16 bytes per [`INDEX_BYTES`] once it is read, and a bit per record while it
/// is partly acked. Gaps in the sequence cost 16 bytes each.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    pub(crate) salt: u64,
    pub(crate) seed: u32,
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
    pub(crate) count: u32,
    /// Bytes that are ours; what lies behind them is not.
    pub(crate) bytes: u64,
    pub(crate) runs: Vec<Run>,
    /// Records that are acked, purged or lost.
    pub(crate) done: Option<Bitmap>,
    pub(crate) done_count: u32,
    /// Records that do not survive a restart.
    pub(crate) transient: Option<Bitmap>,
    /// Places of some records, ascending; covers the bytes below `indexed_to`.
    index: Vec<(Sequence, u64)>,
    indexed_to: u64,
}

/// How far a segment was filled, to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    last: Sequence,
    count: u32,
    pub(crate) bytes: u64,
    runs: usize,
    index: usize,
    indexed_to: u64,
}

/// The fields of a record before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    crc: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) sequence: Sequence,
    pub(crate) note: u32,
    pub(crate) durable: bool,
}

impl RecordHeader {
    /// Reads a header that may be anything; `check` tells whether it is one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let crc = fields.u32()?;
        let payload_bytes = usize::try_from(fields.u32()?).ok()?;
        let sequence = Sequence(fields.u64()?);
        let note = fields.u32()?;
        let flags = fields.u32()?;
        (flags <= FLAG_DURABLE).then_some(Self {
            crc,
            payload_bytes,
            sequence,
            note,
            durable: flags == FLAG_DURABLE,
        })
    }

    pub(crate) const fn record_bytes(&self) -> usize {
        RECORD_BYTES + self.payload_bytes
    }

    /// Tells whether a whole record is what was written.
    pub(crate) fn matches(&self, record: &[u8], seed: u32) -> bool {
        record
            .get(4..)
            .is_some_and(|covered| crc_fast::crc32_iscsi(covered) ^ seed == self.crc)
    }
}

/// Appends a record.
pub(crate) fn put_record(
    buffer: &mut Vec<u8>,
    seed: u32,
    (sequence, durable, note): (Sequence, bool, u32),
    parts: &[&[u8]],
) {
    let payload: usize = parts.iter().map(|part| part.len()).sum();
    let start = buffer.len();
    buffer.reserve(RECORD_BYTES + payload);
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&length_u32(payload).to_le_bytes());
    buffer.extend_from_slice(&sequence.0.to_le_bytes());
    buffer.extend_from_slice(&note.to_le_bytes());
    let flags = if durable { FLAG_DURABLE } else { 0 };
    buffer.extend_from_slice(&flags.to_le_bytes());
    for part in parts {
        buffer.extend_from_slice(part);
    }
    let crc = crc_fast::crc32_iscsi(buffer.get(start + 4..).unwrap_or_default()) ^ seed;
    patch(buffer, start, &crc.to_le_bytes());
}

/// Returns the first bytes of a segment.
pub(crate) fn encode_header(queue: QueueId, id: u64, salt: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    patch(&mut header, 0, &MAGIC.to_le_bytes());
    patch(&mut header, 8, &queue.0.to_le_bytes());
    patch(&mut header, 16, &id.to_le_bytes());
    patch(&mut header, 24, &salt.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(header.get(8..).unwrap_or_default());
    patch(&mut header, 4, &crc.to_le_bytes());
    header
}

/// Reads the salt from the header of the segment with this queue and number; nothing when it is not its header.
pub(crate) fn decode_header(bytes: &[u8], queue: QueueId, id: u64) -> Option<u64> {
    let mut fields = Fields::new(bytes.get(..HEADER_BYTES)?);
    let magic = fields.u32()?;
    let crc = fields.u32()?;
    if magic != MAGIC || crc != crc_fast::crc32_iscsi(fields.rest()) {
        return None;
    }
    let ours = fields.u64()? == queue.0 && fields.u64()? == id;
    let salt = fields.u64()?;
    ours.then_some(salt)
}

/// Returns what the checksums of a segment's records are mixed with.
pub(crate) fn seed(queue: QueueId, id: u64, salt: u64) -> u32 {
    let mut bytes = [0; 24];
    patch(&mut bytes, 0, &queue.0.to_le_bytes());
    patch(&mut bytes, 8, &id.to_le_bytes());
    patch(&mut bytes, 16, &salt.to_le_bytes());
    crc_fast::crc32_iscsi(&bytes)
}

/// Returns the name of a segment's file.
pub(crate) fn file_name(queue: QueueId, id: u64) -> String {
    format!("{:010}-{id:06}.segment", queue.0)
}

/// Reads the queue and number from the name of a segment's file.
pub(crate) fn parse_name(name: &str) -> Option<(QueueId, u64)> {
    let (queue, id) = name.strip_suffix(".segment")?.split_once('-')?;
    let (queue, id) = (QueueId(queue.parse().ok()?), id.parse().ok()?);
    (id < NUMBER_MAX && file_name(queue, id) == name).then_some((queue, id))
}

impl Mark {
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }
}

impl Segment {
    /// Makes one that holds only its header.
    pub(crate) fn new(queue: QueueId, id: u64, salt: u64) -> Self {
        Self {
            id,
            salt,
            seed: seed(queue, id, salt),
            first: Sequence(0),
            last: Sequence(0),
            count: 0,
            bytes: length_u64(HEADER_BYTES),
            runs: Vec::new(),
            done: None,
            done_count: 0,
            transient: None,
            index: Vec::new(),
            indexed_to: length_u64(HEADER_BYTES),
        }
    }

    pub(crate) const fn live(&self) -> u32 {
        self.count - self.done_count
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark {
            last: self.last,
            count: self.count,
            bytes: self.bytes,
            runs: self.runs.len(),
            index: self.index.len(),
            indexed_to: self.indexed_to,
        }
    }

    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.last = mark.last;
        self.count = mark.count;
        self.bytes = mark.bytes;
        self.runs.truncate(mark.runs);
        self.index.truncate(mark.index);
        self.indexed_to = mark.indexed_to;
        if let Some(transient) = &mut self.transient {
            transient.truncate(mark.count);
        }
    }

    /// Counts a record that comes behind all others.
    pub(crate) fn add(&mut self, sequence: Sequence, durable: bool, record_bytes: usize) {
        let offset = self.bytes;
        if self.count == 0 {
            self.first = sequence;
        }
        if self.count == 0 || self.last.next() != sequence {
            self.runs.push(Run {
                first: sequence,
                ordinal: self.count,
            });
        }
        if !durable {
            self.transient.get_or_insert_default().insert(self.count);
        }
        self.last = sequence;
        self.count += 1;
        self.bytes += length_u64(record_bytes);
        self.note_place(offset, sequence, self.bytes);
    }

    /// Learns where a record is, from writing or reading it.
    pub(crate) fn note_place(&mut self, offset: u64, sequence: Sequence, end: u64) {
        if offset != self.indexed_to {
            return;
        }
        self.indexed_to = end;
        if self
            .index
            .last()
            .is_none_or(|(_, place)| offset >= place + INDEX_BYTES)
        {
            self.index.push((sequence, offset));
        }
    }

    /// Learns that the bytes up to `end` hold no record that can be read.
    pub(crate) fn note_hole(&mut self, offset: u64, end: u64) {
        if offset == self.indexed_to {
            self.indexed_to = end;
        }
    }

    /// Returns a known place at or before a record, the nearest one, and the lowest sequence that can be there.
    pub(crate) fn seek(&self, sequence: Sequence) -> (Sequence, u64) {
        let after = self.index.partition_point(|(known, _)| *known <= sequence);
        let entry = after.checked_sub(1).and_then(|at| self.index.get(at));
        entry
            .copied()
            .unwrap_or((self.first, length_u64(HEADER_BYTES)))
    }

    /// Returns how many records have a sequence below this one.
    pub(crate) fn ordinals_below(&self, sequence: Sequence) -> u32 {
        let after = self.runs.partition_point(|run| run.first < sequence);
        let Some(run) = after.checked_sub(1).and_then(|at| self.runs.get(at)) else {
            return 0;
        };
        let end = self.runs.get(after).map_or(self.count, |next| next.ordinal);
        let length = u64::from(end - run.ordinal).min(sequence.0 - run.first.0);
        run.ordinal + u32::try_from(length).unwrap_or(u32::MAX)
    }

    /// Returns the place of a sequence among the records, if it is there.
    pub(crate) fn ordinal(&self, sequence: Sequence) -> Option<u32> {
        let below = self.ordinals_below(sequence);
        (self.ordinals_below(sequence.next()) > below).then_some(below)
    }

    fn sequence_of(&self, ordinal: u32) -> Sequence {
        let after = self.runs.partition_point(|run| run.ordinal <= ordinal);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(self.first, |run| {
            Sequence(run.first.0 + u64::from(ordinal - run.ordinal))
        })
    }

    pub(crate) fn is_done(&self, sequence: Sequence) -> bool {
        match &self.done {
            Some(done) => self
                .ordinal(sequence)
                .is_none_or(|ordinal| done.contains(ordinal)),
            None => self.is_over(),
        }
    }

    /// Returns the lowest sequence that is not done.
    pub(crate) fn first_live(&self) -> Option<Sequence> {
        let ordinal = match &self.done {
            Some(done) => done.first_absent(self.count)?,
            None if self.is_over() => return None,
            None => 0,
        };
        Some(self.sequence_of(ordinal))
    }

    /// Marks the records from `first` to `last` as done; returns how many were live.
    pub(crate) fn finish(&mut self, first: Sequence, last: Sequence) -> u32 {
        let range = self.ordinals_below(first)..self.ordinals_below(last.next());
        if range.start == 0 && range.end == self.count {
            let live = self.live();
            self.done_count = self.count;
            self.done = None;
            return live;
        }
        if range.is_empty() || self.done_count == self.count {
            return 0;
        }
        let done = self.done.get_or_insert_default();
        let new = range.filter(|ordinal| done.insert(*ordinal)).count();
        let new = length_u32(new);
        self.done_count += new;
        new
    }

    /// Marks as done what an older description of the same file says is done.
    pub(crate) fn finish_as(&mut self, known: &Self) {
        for ordinal in 0..known.count {
            let sequence = known.sequence_of(ordinal);
            if known.is_done(sequence) {
                self.finish(sequence, sequence);
            }
        }
    }

    /// Marks the records that do not survive a restart as done.
    pub(crate) fn forget_transient(&mut self) {
        if let Some(transient) = self.transient.take() {
            let done = match self.done.take() {
                Some(done) => done.union(&transient),
                None => transient,
            };
            if !self.is_over() {
                self.done_count = done.count_ones();
                self.done = Some(done);
            }
        }
    }

    /// Tells whether nothing in it is live.
    pub(crate) const fn is_over(&self) -> bool {
        self.done_count == self.count
    }
}
