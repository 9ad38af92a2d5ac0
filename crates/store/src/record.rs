//! The records of the journal: what shards append and recovery reads.
//!
//! All numbers are little-endian and of fixed size; `docs/format/store.md` draws each record.

use crate::fields::{Fields, length_u32, patch};
use crate::ids::{QueueId, Sequence};

const MESSAGE: u8 = 1;
const ACK: u8 = 2;
const NOTE: u8 = 3;
const PURGE: u8 = 4;
const DROP: u8 = 5;
const STATE: u8 = 6;
const SETTLED: u8 = 7;

const TARGET_BYTES: usize = 16;

/// One record, its variable part still in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// A message for one or more queues: its body is stored once.
    Message {
        targets: Targets<'a>,
        payload: &'a [u8],
    },
    /// Messages that will not be delivered again.
    Ack {
        queue: QueueId,
        first: Sequence,
        last: Sequence,
    },
    /// A number that the owner of the queue keeps with a message; the latest counts.
    Note {
        queue: QueueId,
        sequence: Sequence,
        note: u32,
    },
    /// All messages below a sequence are gone.
    Purge { queue: QueueId, below: Sequence },
    /// The queue is gone.
    Drop { queue: QueueId },
    /// What a queue's segments hold; counts only if the [`Record::Settled`] of the same turn is found too.
    State { turn: Turn, body: &'a [u8] },
    /// The segments that the states of this turn describe are durable.
    Settled(Turn),
}

/// One shard's answer to one rotation of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Turn {
    /// The shard.
    pub(crate) shard: u16,
    /// The number of the journal file that was full.
    pub(crate) rotation: u64,
}

/// The queues that a message went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Targets<'a>(&'a [u8]);

impl Targets<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (QueueId, Sequence)> + '_ {
        self.0.chunks_exact(TARGET_BYTES).filter_map(|target| {
            let mut fields = Fields::new(target);
            Some((QueueId(fields.u64()?), Sequence(fields.u64()?)))
        })
    }
}

/// Returns where the payload of a message record starts, counted from the record's start.
pub(crate) const fn payload_offset(targets: &Targets<'_>) -> u64 {
    7 + targets.0.len() as u64
}

/// Appends a message record.
#[inline]
pub(crate) fn put_message(buffer: &mut Vec<u8>, targets: &[(QueueId, Sequence)], parts: &[&[u8]]) {
    let payload: usize = parts.iter().map(|part| part.len()).sum();
    let targets_count = u16::try_from(targets.len()).expect("TARGETS_MAX is a 16-bit number");
    buffer.reserve(7 + targets.len() * TARGET_BYTES + payload);
    buffer.push(MESSAGE);
    buffer.extend_from_slice(&targets_count.to_le_bytes());
    buffer.extend_from_slice(&length_u32(payload).to_le_bytes());
    for (queue, sequence) in targets {
        buffer.extend_from_slice(&queue.0.to_le_bytes());
        buffer.extend_from_slice(&sequence.0.to_le_bytes());
    }
    for part in parts {
        buffer.extend_from_slice(part);
    }
}

/// Appends an ack record.
pub(crate) fn put_ack(buffer: &mut Vec<u8>, queue: QueueId, first: Sequence, last: Sequence) {
    buffer.push(ACK);
    buffer.extend_from_slice(&queue.0.to_le_bytes());
    buffer.extend_from_slice(&first.0.to_le_bytes());
    buffer.extend_from_slice(&last.0.to_le_bytes());
}

/// Appends a note record.
pub(crate) fn put_note(buffer: &mut Vec<u8>, queue: QueueId, sequence: Sequence, note: u32) {
    buffer.push(NOTE);
    buffer.extend_from_slice(&queue.0.to_le_bytes());
    buffer.extend_from_slice(&sequence.0.to_le_bytes());
    buffer.extend_from_slice(&note.to_le_bytes());
}

/// Appends a purge record.
pub(crate) fn put_purge(buffer: &mut Vec<u8>, queue: QueueId, below: Sequence) {
    buffer.push(PURGE);
    buffer.extend_from_slice(&queue.0.to_le_bytes());
    buffer.extend_from_slice(&below.0.to_le_bytes());
}

/// Appends a drop record.
pub(crate) fn put_drop(buffer: &mut Vec<u8>, queue: QueueId) {
    buffer.push(DROP);
    buffer.extend_from_slice(&queue.0.to_le_bytes());
}

/// Appends a state record whose body `write` appends.
pub(crate) fn put_state(buffer: &mut Vec<u8>, turn: Turn, write: impl FnOnce(&mut Vec<u8>)) {
    buffer.push(STATE);
    put_turn(buffer, turn);
    let at = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    write(buffer);
    let length = length_u32(buffer.len() - at - 4);
    patch(buffer, at, &length.to_le_bytes());
}

/// Appends a settled record.
pub(crate) fn put_settled(buffer: &mut Vec<u8>, turn: Turn) {
    buffer.push(SETTLED);
    put_turn(buffer, turn);
}

fn put_turn(buffer: &mut Vec<u8>, turn: Turn) {
    buffer.extend_from_slice(&turn.shard.to_le_bytes());
    buffer.extend_from_slice(&turn.rotation.to_le_bytes());
}

/// Takes the next record; nothing when the bytes are no record.
#[inline]
pub(crate) fn take<'a>(fields: &mut Fields<'a>) -> Option<Record<'a>> {
    match fields.u8()? {
        MESSAGE => {
            let targets = usize::from(fields.u16()?) * TARGET_BYTES;
            let payload = usize::try_from(fields.u32()?).ok()?;
            Some(Record::Message {
                targets: Targets(fields.bytes(targets)?),
                payload: fields.bytes(payload)?,
            })
        }
        ACK => Some(Record::Ack {
            queue: QueueId(fields.u64()?),
            first: Sequence(fields.u64()?),
            last: Sequence(fields.u64()?),
        }),
        NOTE => Some(Record::Note {
            queue: QueueId(fields.u64()?),
            sequence: Sequence(fields.u64()?),
            note: fields.u32()?,
        }),
        PURGE => Some(Record::Purge {
            queue: QueueId(fields.u64()?),
            below: Sequence(fields.u64()?),
        }),
        DROP => Some(Record::Drop {
            queue: QueueId(fields.u64()?),
        }),
        STATE => {
            let turn = take_turn(fields)?;
            let length = usize::try_from(fields.u32()?).ok()?;
            Some(Record::State {
                turn,
                body: fields.bytes(length)?,
            })
        }
        SETTLED => take_turn(fields).map(Record::Settled),
        _ => None,
    }
}

fn take_turn(fields: &mut Fields<'_>) -> Option<Turn> {
    Some(Turn {
        shard: fields.u16()?,
        rotation: fields.u64()?,
    })
}

#[cfg(test)]
mod tests;
