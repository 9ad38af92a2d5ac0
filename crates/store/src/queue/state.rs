//! The description of a queue's segments that every journal file repeats, so that a start reads no segment.

use std::collections::BTreeMap;

use crate::fields::{Fields, length_u32, length_u64};
use crate::ids::{QueueId, Sequence};
use crate::limits::NUMBER_MAX;

use super::bitmap::Bitmap;
use super::segment::{HEADER_BYTES, RECORD_BYTES, Run, Segment};

const SEGMENT_BYTES: usize = 52;
const RUN_BYTES: usize = 12;
const NOTE_BYTES: usize = 12;

/// What a state record says of a queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueImage {
    pub(crate) queue: QueueId,
    pub(crate) next: Sequence,
    pub(crate) settled_end: Sequence,
    pub(crate) next_segment: u64,
    pub(crate) segments: Vec<Segment>,
    pub(crate) notes: BTreeMap<Sequence, u32>,
}

impl QueueImage {
    /// Makes that of a queue of which nothing is settled.
    pub(crate) const fn empty(queue: QueueId) -> Self {
        Self {
            queue,
            next: Sequence(0),
            settled_end: Sequence(0),
            next_segment: 1,
            segments: Vec::new(),
            notes: BTreeMap::new(),
        }
    }
}

/// Appends the body of a state record.
pub(crate) fn put<'a>(
    buffer: &mut Vec<u8>,
    (queue, next, settled_end, next_segment): (QueueId, Sequence, Sequence, u64),
    segments: impl Iterator<Item = &'a Segment>,
    notes: &BTreeMap<Sequence, u32>,
) {
    for field in [queue.0, next.0, settled_end.0, next_segment] {
        buffer.extend_from_slice(&field.to_le_bytes());
    }
    let at = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    let mut count = 0_u32;
    for segment in segments {
        if put_segment(buffer, segment) {
            count += 1;
        }
    }
    crate::fields::patch(buffer, at, &count.to_le_bytes());
    buffer.extend_from_slice(&length_u32(notes.len()).to_le_bytes());
    for (sequence, note) in notes {
        buffer.extend_from_slice(&sequence.0.to_le_bytes());
        buffer.extend_from_slice(&note.to_le_bytes());
    }
}

/// Appends a segment's description, unless nothing in it would survive a restart. Returns whether it did.
fn put_segment(buffer: &mut Vec<u8>, segment: &Segment) -> bool {
    if segment.is_over() {
        return false;
    }
    // What does not survive a restart is described as done: this is only ever read after one.
    let union;
    let done = match (&segment.done, &segment.transient) {
        (done, None) => done.as_ref(),
        (None, Some(transient)) => Some(transient),
        (Some(done), Some(transient)) => {
            union = done.union(transient);
            Some(&union)
        }
    };
    if done.is_some_and(|done| done.count_ones() == segment.count) {
        return false;
    }
    // One run says no more than the first sequence and the count.
    let runs = if segment.runs.len() > 1 {
        segment.runs.as_slice()
    } else {
        &[]
    };
    let words = done.map_or(&[][..], Bitmap::words);
    let fields = [
        segment.id,
        segment.salt,
        segment.first.0,
        segment.last.0,
        segment.bytes,
    ];
    for field in fields {
        buffer.extend_from_slice(&field.to_le_bytes());
    }
    for field in [
        segment.count,
        length_u32(runs.len()),
        length_u32(words.len()),
    ] {
        buffer.extend_from_slice(&field.to_le_bytes());
    }
    for run in runs {
        buffer.extend_from_slice(&run.first.0.to_le_bytes());
        buffer.extend_from_slice(&run.ordinal.to_le_bytes());
    }
    for word in words {
        buffer.extend_from_slice(&word.to_le_bytes());
    }
    true
}

/// Reads the body of a state record; nothing when it makes no sense.
pub(crate) fn decode(body: &[u8]) -> Option<QueueImage> {
    let mut fields = Fields::new(body);
    let mut image = QueueImage::empty(QueueId(fields.u64()?));
    image.next = Sequence(fields.u64()?);
    image.settled_end = Sequence(fields.u64()?);
    image.next_segment = fields.u64().filter(|number| *number < NUMBER_MAX)?;
    let mut end = Sequence(0);
    for _ in 0..fields.count(SEGMENT_BYTES)? {
        let segment = take_segment(&mut fields, image.queue)?;
        let is_next = segment.first >= end
            && segment.last < image.settled_end
            && segment.id < image.next_segment;
        if !is_next {
            return None;
        }
        end = segment.last.next();
        image.segments.push(segment);
    }
    for _ in 0..fields.count(NOTE_BYTES)? {
        image.notes.insert(Sequence(fields.u64()?), fields.u32()?);
    }
    fields.rest().is_empty().then_some(image)
}

fn take_segment(fields: &mut Fields<'_>, queue: QueueId) -> Option<Segment> {
    let mut segment = Segment::new(queue, fields.u64()?, fields.u64()?);
    segment.first = Sequence(fields.u64()?);
    segment.last = Sequence(fields.u64()?);
    segment.bytes = fields.u64()?;
    segment.count = fields.u32()?;
    let runs = fields.u32()?;
    let words = fields.u32()?;
    let span = segment.last.0.checked_sub(segment.first.0)?;
    let least = length_u64(HEADER_BYTES) + u64::from(segment.count) * length_u64(RECORD_BYTES);
    let sane = segment.count > 0
        && u64::from(segment.count) - 1 <= span
        && segment.last.0 < u64::MAX
        && (least..=NUMBER_MAX >> 32).contains(&segment.bytes)
        && runs <= segment.count
        && words <= segment.count.div_ceil(64);
    if !sane {
        return None;
    }
    take_runs(fields, runs, &mut segment)?;
    let bytes = fields.bytes(usize::try_from(words).ok()?.checked_mul(8)?)?;
    if !bytes.is_empty() {
        let words = bytes
            .chunks_exact(8)
            .filter_map(|word| Fields::new(word).u64());
        let mut done = Bitmap::from_words(words.collect());
        done.truncate(segment.count);
        segment.done_count = done.count_ones();
        segment.done = Some(done);
    }
    (!segment.is_over()).then_some(segment)
}

fn take_runs(fields: &mut Fields<'_>, count: u32, segment: &mut Segment) -> Option<()> {
    if count == 0 {
        segment.runs.push(Run {
            first: segment.first,
            ordinal: 0,
        });
        return (segment.last.0 - segment.first.0 == u64::from(segment.count) - 1).then_some(());
    }
    let bytes = fields.bytes(usize::try_from(count).ok()?.checked_mul(RUN_BYTES)?)?;
    let mut bytes = Fields::new(bytes);
    let mut end = segment.first;
    let mut runs = Vec::with_capacity(usize::try_from(count).ok()?);
    while !bytes.rest().is_empty() {
        let run = Run {
            first: Sequence(bytes.u64()?),
            ordinal: bytes.u32()?,
        };
        // Each run starts behind the last record of the one before it.
        let sane = match runs.last() {
            None => run.first == segment.first && run.ordinal == 0,
            Some(Run { first, ordinal }) => {
                let length = run.ordinal.checked_sub(*ordinal)?;
                end = Sequence(first.0.checked_add(u64::from(length))?);
                length > 0 && run.first >= end && run.ordinal < segment.count
            }
        };
        if !sane {
            return None;
        }
        end = end.max(run.first);
        runs.push(run);
    }
    let last = runs.last()?;
    let length = u64::from(segment.count - last.ordinal);
    segment.runs = runs;
    (end.0.checked_add(length - 1)? == segment.last.0).then_some(())
}
