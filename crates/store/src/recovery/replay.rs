//! Applies the journal's records in order and keeps what is live at the end.

use hashbrown::{HashMap, HashSet};

use crate::damage::{Damage, DamageKind};
use crate::fields::{Fields, length_u32, length_u64};
use crate::frame::{FLAG_SETTLED, FRAME_HEADER_BYTES};
use crate::ids::{QueueId, Sequence};
use crate::queue::state::{self, QueueImage};
use crate::record::{self, Record, Turn};

use super::scan::{Scan, ScannedFrame};

/// A message of the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Journaled {
    pub(crate) sequence: Sequence,
    pub(crate) note: u32,
    pub(crate) dead: bool,
    /// The index of its file and its payload's place there.
    pub(crate) file: u32,
    pub(crate) length: u32,
    pub(crate) start: u64,
}

/// A queue as the journal tells it.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) image: QueueImage,
    /// The rotation of the last state that counts.
    pub(crate) described: Option<u64>,
    /// Everything that the journal holds of it beyond what is settled, ascending.
    pub(crate) messages: Vec<Journaled>,
    /// Ranges of messages that the journal says are gone. Kept only in doubt, for segments whose description is lost.
    pub(crate) ended: Vec<(Sequence, Sequence)>,
}

impl Replayed {
    pub(crate) const fn new(queue: QueueId) -> Self {
        Self {
            image: QueueImage::empty(queue),
            described: None,
            messages: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn add(&mut self, message: Journaled) {
        let sequence = message.sequence;
        if sequence < self.image.settled_end {
            return;
        }
        self.image.next = self.image.next.max(sequence.next());
        if self
            .messages
            .last()
            .is_none_or(|last| last.sequence < sequence)
        {
            self.messages.push(message);
        } else if let Err(at) = self
            .messages
            .binary_search_by_key(&sequence, |known| known.sequence)
        {
            self.messages.insert(at, message);
        }
    }

    fn finish(&mut self, first: Sequence, last: Sequence) {
        let from = self
            .messages
            .partition_point(|message| message.sequence < first);
        for message in self.messages.iter_mut().skip(from) {
            if message.sequence > last {
                break;
            }
            message.dead = true;
        }
        if first < self.image.settled_end {
            for segment in &mut self.image.segments {
                if segment.first <= last && first <= segment.last {
                    segment.finish(first, last);
                }
            }
            while let Some((&sequence, _)) = self.image.notes.range(first..=last.max(first)).next()
            {
                self.image.notes.remove(&sequence);
            }
        }
    }

    fn note(&mut self, sequence: Sequence, note: u32) {
        if sequence < self.image.settled_end {
            self.image.notes.insert(sequence, note);
        } else if let Ok(at) = self
            .messages
            .binary_search_by_key(&sequence, |known| known.sequence)
            && let Some(message) = self.messages.get_mut(at)
        {
            message.note = note;
        }
    }

    /// Leaves the messages up to a sequence to the segment that has them.
    pub(crate) fn hand_over(&mut self, last: Sequence) {
        self.image.settled_end = self.image.settled_end.max(last.next());
        self.image.next = self.image.next.max(self.image.settled_end);
        let settled = self
            .messages
            .extract_if(.., |message| message.sequence <= last);
        for message in settled.filter(|message| !message.dead && message.note != 0) {
            self.image.notes.insert(message.sequence, message.note);
        }
    }

    fn describe(&mut self, image: QueueImage, rotation: u64) {
        let next = self.image.next.max(image.next).max(image.settled_end);
        self.image = QueueImage { next, ..image };
        self.described = Some(rotation);
        let settled = self.image.settled_end;
        self.messages.retain(|message| message.sequence >= settled);
    }
}

/// What the journal tells.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) queues: HashMap<QueueId, Replayed>,
    pub(crate) dropped: HashSet<QueueId>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) records: u64,
    settled: HashSet<Turn>,
    /// The oldest journal file that is there.
    oldest: u64,
    /// A frame may be missing, and with it a Settled record.
    doubtful: bool,
}

/// Replays all frames.
pub(crate) fn replay(scan: &Scan) -> Replay {
    let mut replay = Replay {
        oldest: scan.files.first().map_or(0, |file| file.number),
        doubtful: !scan.damage.is_empty(),
        ..Replay::default()
    };
    for frame in &scan.frames {
        if frame.header.flags & FLAG_SETTLED != 0 {
            let mut fields = Fields::new(scan.payload(frame));
            while let Some(Record::Settled(turn)) = record::take(&mut fields) {
                replay.settled.insert(turn);
            }
        }
    }
    for frame in &scan.frames {
        replay.frame(scan, frame);
    }
    replay
}

impl Replay {
    fn frame(&mut self, scan: &Scan, frame: &ScannedFrame) {
        let payload = scan.payload(frame);
        let base = length_u64(frame.offset + FRAME_HEADER_BYTES);
        let mut fields = Fields::new(payload);
        let mut sane = true;
        let mut count = 0_u32;
        while sane && !fields.rest().is_empty() {
            let at = base + length_u64(payload.len() - fields.rest().len());
            sane = match record::take(&mut fields) {
                Some(record) => self.apply(record, (frame.file, at)),
                None => false,
            };
            count += u32::from(sane);
        }
        self.records += u64::from(count);
        if (!sane || count != frame.header.records)
            && let Some(file) = scan.files.get(frame.file)
        {
            self.damage.push(Damage {
                file: file.path.clone(),
                offset: length_u64(frame.offset),
                bytes: length_u64(frame.header.frame_bytes()),
                kind: DamageKind::Record,
                lost: Vec::new(),
                quarantine: None,
            });
        }
    }

    /// Applies one record; returns whether it makes sense.
    fn apply(&mut self, record: Record<'_>, (file, at): (usize, u64)) -> bool {
        match record {
            Record::Message { targets, payload } => {
                let start = at + record::payload_offset(&targets);
                for (queue, sequence) in targets.iter() {
                    self.queue(queue).add(Journaled {
                        sequence,
                        note: 0,
                        dead: false,
                        file: length_u32(file),
                        length: length_u32(payload.len()),
                        start,
                    });
                }
            }
            Record::Ack { queue, first, last } => self.finish(queue, first, last),
            Record::Note {
                queue,
                sequence,
                note,
            } => self.queue(queue).note(sequence, note),
            Record::Purge { queue, below } => {
                if let Some(last) = below.0.checked_sub(1) {
                    self.finish(queue, Sequence(0), Sequence(last));
                }
            }
            Record::Drop { queue } => {
                self.queues.remove(&queue);
                self.dropped.insert(queue);
            }
            Record::State { turn, body } => {
                if self.counts(turn) {
                    let Some(image) = state::decode(body) else {
                        return false;
                    };
                    self.queue(image.queue).describe(image, turn.rotation);
                }
            }
            Record::Settled(_) => {}
        }
        true
    }

    fn finish(&mut self, queue: QueueId, first: Sequence, last: Sequence) {
        let doubtful = self.doubtful;
        let replayed = self.queue(queue);
        replayed.finish(first, last);
        if doubtful {
            replayed.ended.push((first, last));
        }
    }

    /// Tells whether the states of a turn count. A file is released only after its turn was recorded: when the record is lost
    /// with a damaged frame, the absence of the file stands in for it.
    fn counts(&self, turn: Turn) -> bool {
        self.settled.contains(&turn) || (self.doubtful && turn.rotation < self.oldest)
    }

    /// Tells whether files were released that the queue's last state does not cover: a later state was lost.
    pub(crate) fn misses_state(&self, replayed: &Replayed) -> bool {
        let described = replayed.described;
        described.is_none_or(|rotation| rotation.saturating_add(1) < self.oldest)
    }

    fn queue(&mut self, queue: QueueId) -> &mut Replayed {
        self.queues
            .entry(queue)
            .or_insert_with(|| Replayed::new(queue))
    }
}
