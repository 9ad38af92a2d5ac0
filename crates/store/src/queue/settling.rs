//! Moves messages from memory into a segment.

use std::sync::Arc;

use crate::disk::OpenMode;
use crate::failure::Failure;
use crate::fields::length_u64;
use crate::ids::Sequence;
use crate::shard::ShardLog;

use super::QueueLog;
use super::segment::{self, Mark, Segment};

/// Messages being settled: gathered in one buffer, written with one write. Dropped without [`Settling::finish`], none is settled.
#[derive(Debug)]
pub struct Settling<'a> {
    log: &'a mut QueueLog,
    shard: &'a mut ShardLog,
    /// The segment they go to, taken out of the log meanwhile.
    segment: Option<Segment>,
    mark: Mark,
    created: bool,
    end: Sequence,
}

impl<'a> Settling<'a> {
    pub(super) fn new(log: &'a mut QueueLog, shard: &'a mut ShardLog) -> Self {
        let segment_bytes = log.shared.options.segment_bytes;
        shard.gather.clear();
        let open = log
            .segments
            .pop_back_if(|last| last.bytes < segment_bytes && last.id + 1 == log.next_segment);
        let created = open.is_none();
        let segment = open.unwrap_or_else(|| {
            let salt = log.shared.disk.entropy();
            let id = log.next_segment;
            shard
                .gather
                .extend_from_slice(&segment::encode_header(log.queue, id, salt));
            Segment::new(log.queue, id, salt)
        });
        Self {
            end: log.settled_end,
            mark: segment.mark(),
            segment: Some(segment),
            log,
            shard,
            created,
        }
    }

    /// Adds a message, its parts joined. Non-durable ones are gone after a restart.
    ///
    /// # Panics
    /// When `sequence` is not above all that were settled before, or the parts are 4 GiB or more together.
    pub fn push(&mut self, sequence: Sequence, durable: bool, note: u32, parts: &[&[u8]]) {
        assert!(
            sequence >= self.end,
            "{} settles {sequence} behind {}",
            self.log.queue,
            self.end
        );
        let segment = self
            .segment
            .as_mut()
            .expect("it is taken only by finish and drop");
        let before = self.shard.gather.len();
        segment::put_record(
            &mut self.shard.gather,
            segment.seed,
            (sequence, durable, note),
            parts,
        );
        segment.add(sequence, durable, self.shard.gather.len() - before);
        self.end = sequence.next();
    }

    /// Returns how many bytes were gathered: at about 1 MiB it is time to finish.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shard.gather.len()
    }

    /// Writes the messages into the queue's last segment.
    ///
    /// # Durability
    /// None of its own: the journal holds them until the store has synced the segment.
    ///
    /// # Errors
    /// [`Failure::Disk`]; none is settled then, and the caller keeps them in memory and may try again later.
    pub fn finish(mut self) -> Result<(), Failure> {
        let Some(segment) = self.segment.as_mut() else {
            return Ok(());
        };
        let added = segment.count - self.mark.count();
        if added == 0 {
            return Ok(());
        }
        let path = self.log.path(segment.id);
        let writer = if self.created {
            None
        } else {
            self.log.writer.take()
        };
        let mode = if self.created {
            OpenMode::Create
        } else {
            OpenMode::Write
        };
        let file = match writer {
            Some(file) => file,
            None => (self.log.shared.disk.open(&path, mode))
                .map_err(|error| Failure::disk("open", &path, error))?,
        };
        let offset = if self.created { 0 } else { self.mark.bytes };
        let gather = &mut self.shard.gather;
        file.write_at(gather, offset)
            .map_err(|error| Failure::disk("write", &path, error))?;
        file.start_writeback(offset, length_u64(gather.len()));
        if gather.capacity() > crate::limits::BUFFER_BYTES_KEPT {
            *gather = Vec::new();
        }
        let keep = self.shard.dirty.add(&path, &file, self.created);
        self.log.writer = keep.then(|| Arc::clone(&file));
        if self.created {
            self.log.next_segment += 1;
            self.log.bytes += self.segment.as_ref().map_or(0, |segment| segment.bytes);
        } else {
            self.log.bytes +=
                self.segment.as_ref().map_or(0, |segment| segment.bytes) - self.mark.bytes;
        }
        self.log.live += u64::from(added);
        self.log.settled_end = self.end;
        self.log.segments.extend(self.segment.take());
        Ok(())
    }
}

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        if let Some(mut segment) = self.segment.take()
            && !self.created
        {
            segment.roll_back(self.mark);
            self.log.segments.push_back(segment);
        }
    }
}
