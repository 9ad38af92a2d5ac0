//! Reads settled messages back: in order through a read-ahead buffer, or one by its number.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::damage::{Damage, DamageKind, Lost};
use crate::disk::{DiskFile, OpenMode};
use crate::failure::Failure;
use crate::fields::{length_u64, to_usize};
use crate::ids::{QueueId, Sequence};
use crate::limits::{FETCH_BYTES, READ_BYTES};
use crate::quarantine;

use super::segment::{HEADER_BYTES, RECORD_BYTES, RecordHeader, Segment};
use super::{QueueLog, SettledRecord};

/// A place in a segment to read on from.
#[derive(Debug)]
pub(super) struct Cursor {
    segment: u64,
    file: Arc<dyn DiskFile>,
    /// Where the next record starts.
    offset: u64,
    /// Every record before `offset` has a sequence below this.
    below: Sequence,
    /// The bytes from `offset` on, as far as they were read.
    chunk: Bytes,
}

/// What comes next in a segment.
enum Step {
    Record(RecordHeader, Bytes),
    /// Bytes that are no record, up to the next that is or the end.
    Damaged(u64, Sequence),
    End,
}

impl Cursor {
    pub(super) const fn segment(&self) -> u64 {
        self.segment
    }

    /// Reads until the chunk has `need` bytes; `ahead` bytes at once, as far as the segment goes.
    fn fill(&mut self, segment: &Segment, need: usize, ahead: usize) -> std::io::Result<()> {
        if self.chunk.len() >= need {
            return Ok(());
        }
        let mut bytes = length_u64(need.max(ahead)).min(segment.bytes - self.offset);
        if bytes > length_u64(READ_BYTES) {
            // A length that decayed must not make us reserve more than there is.
            bytes = bytes.min(self.file.length()?.saturating_sub(self.offset));
        }
        let mut buffer = vec![0; to_usize(bytes)];
        let count = self.file.read_at(&mut buffer, self.offset)?;
        buffer.truncate(count);
        self.chunk = Bytes::from(buffer);
        Ok(())
    }

    /// Takes the next record.
    fn step(&mut self, segment: &mut Segment, ahead: usize) -> std::io::Result<Step> {
        let rest = segment.bytes.saturating_sub(self.offset);
        if rest == 0 {
            return Ok(Step::End);
        }
        self.fill(segment, RECORD_BYTES, ahead)?;
        let Some(header) = RecordHeader::decode(&self.chunk) else {
            return self.skip(segment);
        };
        let length = header.record_bytes();
        let fits =
            length_u64(length) <= rest && (self.below..=segment.last).contains(&header.sequence);
        if !fits {
            return self.skip(segment);
        }
        self.fill(segment, length, ahead)?;
        let whole = self
            .chunk
            .get(..length)
            .is_some_and(|record| header.matches(record, segment.seed));
        if !whole {
            return self.skip(segment);
        }
        let payload = self.chunk.slice(RECORD_BYTES..length);
        self.chunk.advance(length);
        let offset = self.offset;
        self.offset += length_u64(length);
        self.below = header.sequence.next();
        segment.note_place(offset, header.sequence, self.offset);
        Ok(Step::Record(header, payload))
    }

    /// Searches the rest of the segment for the next whole record and moves there.
    fn skip(&mut self, segment: &mut Segment) -> std::io::Result<Step> {
        let start = self.offset;
        let rest = to_usize(segment.bytes - start);
        self.chunk = Bytes::new();
        self.fill(segment, rest, rest)?;
        let found = (1..self.chunk.len()).find_map(|at| {
            let bytes = self.chunk.get(at..)?;
            let header = RecordHeader::decode(bytes)?;
            // Cheap conditions first: this looks at every byte.
            let likely = header.record_bytes() <= bytes.len()
                && header.sequence >= self.below
                && segment.ordinal(header.sequence).is_some();
            let record = bytes.get(..header.record_bytes()).filter(|_| likely)?;
            header
                .matches(record, segment.seed)
                .then_some((at, header.sequence))
        });
        let (skipped, next) = found.unwrap_or_else(|| (rest, segment.last.next()));
        self.offset += length_u64(skipped);
        self.chunk.advance(skipped.min(self.chunk.len()));
        segment.note_hole(start, self.offset);
        Ok(Step::Damaged(start, next))
    }
}

impl QueueLog {
    /// Appends live settled messages from a sequence on to `out`, in order: at least one if there is one, then until they take
    /// `max_bytes` on disk, which is 24 bytes more than its payload for each. Reading on from the last one's successor costs no search.
    ///
    /// # Errors
    /// [`Failure::Disk`] when the disk fails. Damaged records are skipped and named: see [`QueueLog::take_damage`].
    pub fn read(
        &mut self,
        from: Sequence,
        max_bytes: usize,
        out: &mut Vec<SettledRecord>,
    ) -> Result<(), Failure> {
        let mut taken = 0;
        let mut from = from;
        let mut at = self.segments.partition_point(|segment| segment.last < from);
        while at < self.segments.len() {
            let mut cursor = self.cursor_at(at, from)?;
            while let Some(record) = self.next_live(&mut cursor, at, from, READ_BYTES)? {
                from = record.sequence.next();
                taken += RECORD_BYTES + record.payload.len();
                out.push(record);
                if taken >= max_bytes {
                    self.cursor = Some(cursor);
                    return Ok(());
                }
            }
            at += 1;
            if at == self.segments.len() {
                // More may be settled behind it.
                self.cursor = Some(cursor);
            }
        }
        Ok(())
    }

    /// Returns one live settled message.
    ///
    /// # Errors
    /// As [`QueueLog::read`].
    pub fn fetch(&mut self, sequence: Sequence) -> Result<Option<SettledRecord>, Failure> {
        let at = self
            .segments
            .partition_point(|segment| segment.last < sequence);
        let Some(segment) = self.segments.get(at) else {
            return Ok(None);
        };
        if segment.ordinal(sequence).is_none() || segment.is_done(sequence) {
            return Ok(None);
        }
        let mut cursor = self.open_cursor(at, sequence)?;
        let record = self.next_live(&mut cursor, at, sequence, FETCH_BYTES)?;
        Ok(record.filter(|record| record.sequence == sequence))
    }

    /// Takes the kept cursor if it is of use, or opens one.
    fn cursor_at(&mut self, at: usize, from: Sequence) -> Result<Box<Cursor>, Failure> {
        let kept = self.cursor.take();
        let segment = self.segments.get(at);
        match (kept, segment) {
            (Some(kept), Some(segment))
                // A jump far ahead goes by the index.
                if kept.segment == segment.id && kept.below <= from && segment.seek(from).1 <= kept.offset =>
            {
                Ok(kept)
            }
            (Some(_) | None, _) => self.open_cursor(at, from).map(Box::new),
        }
    }

    fn open_cursor(&self, at: usize, from: Sequence) -> Result<Cursor, Failure> {
        let segment = self.segments.get(at).expect("the caller found it there");
        let path = self.path(segment.id);
        let opened = self.shared.disk.open(&path, OpenMode::Read);
        let file = opened.map_err(|error| Failure::disk("open", &path, error))?;
        file.advise_sequential();
        let (below, offset) = segment.seek(from);
        Ok(Cursor {
            segment: segment.id,
            file,
            offset,
            below,
            chunk: Bytes::new(),
        })
    }

    /// Returns the next live record of a segment at or above a sequence.
    fn next_live(
        &mut self,
        cursor: &mut Cursor,
        at: usize,
        from: Sequence,
        ahead: usize,
    ) -> Result<Option<SettledRecord>, Failure> {
        loop {
            let segment = self
                .segments
                .get_mut(at)
                .expect("the caller found it there");
            let before = cursor.below;
            let step = cursor.step(segment, ahead);
            let segment_id = segment.id;
            let step =
                step.map_err(|error| Failure::disk("read", &self.path(segment_id), error))?;
            match step {
                Step::End => return Ok(None),
                Step::Damaged(start, next) => self.lose(cursor, at, start, before..next),
                Step::Record(header, payload) => {
                    let segment = self.segments.get(at).expect("nothing removed it");
                    if header.sequence < from || segment.is_done(header.sequence) {
                        continue;
                    }
                    let later = if self.notes.is_empty() {
                        None
                    } else {
                        self.notes.get(&header.sequence)
                    };
                    return Ok(Some(SettledRecord {
                        sequence: header.sequence,
                        note: later.copied().unwrap_or(header.note),
                        durable: header.durable,
                        payload,
                    }));
                }
            }
        }
    }

    /// Marks the messages between two whole records as done, keeps a copy of their bytes, and names them.
    fn lose(&mut self, cursor: &Cursor, at: usize, start: u64, range: Range<Sequence>) {
        let queue = self.queue;
        let segment = self
            .segments
            .get_mut(at)
            .expect("the caller found it there");
        let mut lost = Vec::new();
        if let Some(last) = range.end.0.checked_sub(1).map(Sequence)
            && range.start <= last
        {
            let live = segment.finish(range.start, last);
            self.live -= u64::from(live);
            if live > 0 {
                lost.push(Lost {
                    queue,
                    first: range.start,
                    last,
                });
            }
        }
        let segment_id = segment.id;
        let path = self.path(segment_id);
        let bytes = cursor.offset - start;
        let copy = quarantine::copy_range(
            self.shared.disk.as_ref(),
            &self.shared.places,
            &path,
            cursor.file.as_ref(),
            start,
            bytes,
        );
        let damage = Damage {
            file: path,
            offset: start,
            bytes,
            kind: DamageKind::SegmentRecord,
            lost,
            quarantine: copy,
        };
        if damage.lost.is_empty() {
            tracing::warn!(%damage, "bytes of messages that are gone already are damaged");
        } else {
            tracing::error!(%damage, "messages are lost to damage on the disk");
            self.damage.push(damage);
        }
    }
}

/// Reads a whole segment without a description of it.
pub(crate) struct Scan {
    /// What it holds.
    pub(crate) segment: Segment,
    /// Stretches that are no record: where they start and end, and the sequences that may have been there.
    pub(crate) holes: Vec<(u64, u64, Range<Sequence>)>,
}

/// Finds the records of a segment file by reading it, for when its description is lost or doubted.
pub(crate) fn scan(bytes: &[u8], queue: QueueId, id: u64, salt: u64) -> Scan {
    scan_below(bytes, (queue, id, salt), Sequence(u64::MAX))
}

/// As [`scan`], but only up to the first record that has at least the sequence `end`.
pub(crate) fn scan_below(
    bytes: &[u8],
    (queue, id, salt): (QueueId, u64, u64),
    end: Sequence,
) -> Scan {
    let mut segment = Segment::new(queue, id, salt);
    let mut holes = Vec::new();
    let mut at = HEADER_BYTES;
    let mut hole = None;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let header = RecordHeader::decode(rest).filter(|header| {
            let behind = segment.count == 0 || header.sequence > segment.last;
            let record = rest.get(..header.record_bytes());
            behind
                && header.sequence.0 < u64::MAX
                && record.is_some_and(|record| header.matches(record, segment.seed))
        });
        let Some(header) = header else {
            hole.get_or_insert(at);
            at += 1;
            continue;
        };
        if header.sequence >= end {
            break;
        }
        if let Some(start) = hole.take() {
            let below = if segment.count == 0 {
                Sequence(0)
            } else {
                segment.last.next()
            };
            holes.push((length_u64(start), length_u64(at), below..header.sequence));
            let before = segment.bytes;
            segment.bytes = length_u64(at);
            segment.note_hole(before, segment.bytes);
        }
        segment.add(header.sequence, header.durable, header.record_bytes());
        at += header.record_bytes();
    }
    if let Some(start) = hole {
        let below = if segment.count == 0 {
            Sequence(0)
        } else {
            segment.last.next()
        };
        holes.push((
            length_u64(start),
            length_u64(bytes.len()),
            below..Sequence(u64::MAX),
        ));
    }
    Scan { segment, holes }
}
