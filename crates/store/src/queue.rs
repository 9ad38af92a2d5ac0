//! A queue's settled messages: those that outlived their journal file, in segment files of their own.
//!
//! Segments are immutable but for their end. What is acked is kept in memory, a bit per message of partly acked segments, and
//! survives as records in the journal and as part of the state that each journal file repeats. A segment of which nothing is live
//! is deleted once the last ack is durable.

mod bitmap;
pub(crate) mod reader;
pub(crate) mod segment;
mod settling;
pub(crate) mod state;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::damage::Damage;
use crate::disk::DiskFile;
use crate::ids::{Position, QueueId, Sequence};
use crate::shard::ShardLog;
use crate::shared::Shared;

use reader::Cursor;
use segment::Segment;
pub use settling::Settling;
use state::QueueImage;

/// The settled messages of one queue, and its end of the journal.
///
/// # Concurrency
/// Owned by the thread of the shard that owns the queue. Must not be used after its [`crate::Store`] was closed.
#[derive(Debug)]
pub struct QueueLog {
    queue: QueueId,
    shared: Arc<Shared>,
    /// Ascending; each has live messages.
    segments: VecDeque<Segment>,
    next_segment: u64,
    settled_end: Sequence,
    live: u64,
    bytes: u64,
    /// Notes of settled messages that came after they were settled.
    notes: BTreeMap<Sequence, u32>,
    cursor: Option<Box<Cursor>>,
    /// The last segment, open for writing.
    writer: Option<Arc<dyn DiskFile>>,
    damage: Vec<Damage>,
}

/// A settled message that was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRecord {
    /// Its number in the queue.
    pub sequence: Sequence,
    /// The latest note, 0 when there is none.
    pub note: u32,
    /// It survives a restart.
    pub durable: bool,
    /// What was settled, its parts joined. A slice of a larger read.
    pub payload: Bytes,
}

impl QueueLog {
    pub(crate) fn new(queue: QueueId, shared: Arc<Shared>) -> Self {
        Self::restore(QueueImage::empty(queue), shared)
    }

    pub(crate) fn restore(image: QueueImage, shared: Arc<Shared>) -> Self {
        Self {
            queue: image.queue,
            shared,
            live: image
                .segments
                .iter()
                .map(|segment| u64::from(segment.live()))
                .sum(),
            bytes: image.segments.iter().map(|segment| segment.bytes).sum(),
            segments: image.segments.into(),
            next_segment: image.next_segment,
            settled_end: image.settled_end,
            notes: image.notes,
            cursor: None,
            writer: None,
            damage: Vec::new(),
        }
    }

    /// Returns the queue's number.
    #[must_use]
    pub const fn queue(&self) -> QueueId {
        self.queue
    }

    /// Starts to settle messages that are in memory.
    #[must_use]
    pub fn settle<'a>(&'a mut self, shard: &'a mut ShardLog) -> Settling<'a> {
        Settling::new(self, shard)
    }

    /// Returns the sequence below which every message is settled or gone.
    #[must_use]
    pub const fn settled_end(&self) -> Sequence {
        self.settled_end
    }

    /// Returns how many settled messages are live.
    #[must_use]
    pub const fn live_count(&self) -> u64 {
        self.live
    }

    /// Returns how many bytes the queue's segments take.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the lowest sequence of a live settled message.
    #[must_use]
    pub fn first_live(&self) -> Option<Sequence> {
        self.segments.iter().find_map(Segment::first_live)
    }

    /// Journals that messages `first..=last` are done with, and marks those that are settled.
    ///
    /// # Durability
    /// Durable with the returned position; until then a crash makes them live again.
    pub fn ack(&mut self, shard: &mut ShardLog, first: Sequence, last: Sequence) -> Position {
        let position = shard.append_ack(self.queue, first, last);
        if first < self.settled_end {
            self.finish(shard, position, first, last);
        }
        position
    }

    /// Journals a number to keep with a live message; the latest counts.
    ///
    /// # Durability
    /// Durable with the returned position.
    pub fn note(&mut self, shard: &mut ShardLog, sequence: Sequence, note: u32) -> Position {
        if sequence < self.settled_end {
            self.notes.insert(sequence, note);
        }
        shard.append_note(self.queue, sequence, note)
    }

    /// Journals that all messages below a sequence are gone, and marks those that are settled.
    ///
    /// # Durability
    /// Durable with the returned position.
    pub fn purge_below(&mut self, shard: &mut ShardLog, below: Sequence) -> Position {
        let position = shard.append_purge(self.queue, below);
        if let Some(last) = below.0.checked_sub(1) {
            self.finish(shard, position, Sequence(0), Sequence(last));
        }
        position
    }

    /// Journals that the queue is gone. Its segments are deleted once that is durable.
    ///
    /// # Durability
    /// Durable with the returned position.
    pub fn remove(mut self, shard: &mut ShardLog) -> Position {
        let position = shard.append_drop(self.queue);
        for segment in std::mem::take(&mut self.segments) {
            shard.retire(position, self.path(segment.id));
        }
        position
    }

    /// Returns what [`QueueLog::read`] and [`QueueLog::fetch`] found damaged since the last call. Those messages are gone and no
    /// longer counted.
    pub fn take_damage(&mut self) -> Vec<Damage> {
        std::mem::take(&mut self.damage)
    }

    /// Appends the body of the queue's state record.
    pub(crate) fn put_state(&self, next: Sequence, buffer: &mut Vec<u8>) {
        let numbers = (self.queue, next, self.settled_end, self.next_segment);
        state::put(buffer, numbers, self.segments.iter(), &self.notes);
    }

    /// Closes the segment being written, and drops segments that damage has emptied.
    pub(crate) fn checkpoint(&mut self, shard: &mut ShardLog) {
        self.writer = None;
        if self.segments.iter().any(Segment::is_over) {
            let position = shard.filling();
            self.drop_over(shard, position);
        }
    }

    /// Returns how many notes are kept.
    #[cfg(test)]
    pub(crate) fn notes(&self) -> usize {
        self.notes.len()
    }

    fn path(&self, id: u64) -> PathBuf {
        self.shared
            .places
            .queues
            .join(segment::file_name(self.queue, id))
    }

    fn finish(
        &mut self,
        shard: &mut ShardLog,
        position: Position,
        first: Sequence,
        last: Sequence,
    ) {
        let from = self
            .segments
            .partition_point(|segment| segment.last < first);
        let mut over = false;
        for segment in self.segments.range_mut(from..) {
            if segment.first > last {
                break;
            }
            self.live -= u64::from(segment.finish(first, last));
            over |= segment.is_over();
        }
        if over {
            self.drop_over(shard, position);
        }
        while let Some((&sequence, _)) = self.notes.range(first..=last.max(first)).next() {
            self.notes.remove(&sequence);
        }
    }

    fn drop_over(&mut self, shard: &mut ShardLog, position: Position) {
        let newest = self.next_segment - 1;
        let mut segments = std::mem::take(&mut self.segments);
        segments.retain(|segment| {
            if !segment.is_over() {
                return true;
            }
            if segment.id == newest {
                self.writer = None;
            }
            self.cursor.take_if(|cursor| cursor.segment() == segment.id);
            self.bytes -= segment.bytes;
            shard.retire(position, self.path(segment.id));
            false
        });
        self.segments = segments;
    }
}

#[cfg(test)]
mod tests;
