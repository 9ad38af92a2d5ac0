//! Commits that a shard writes by itself.
//!
//! Two threads that sleep have to be woken to hand one message to the committer and its position back; on a fast disk that takes as long
//! as the write. A shard that has nothing else to do writes a lone message itself instead, and waits for the disk meanwhile.

use std::time::{Duration, Instant};

use super::company::LastCommit;
use super::{Committer, waiting};
use crate::disk::WriteError;
use crate::failure::{Failure, is_full};
use crate::fields::length_u64;
use crate::limits::BLOCK_BYTES;

/// A commit of more records has company: the committer gathers the next while it is written.
const RECORDS_MAX: u32 = 4;
/// A larger commit takes longer than the wake-ups that it saves.
const BYTES_MAX: usize = 64 << 10;
/// On a disk that takes longer, a wake-up matters little and a shard that waits much.
const TOOK_MAX: Duration = Duration::from_micros(400);

/// Says whether the next commit is likely to be one that a shard may write by itself.
pub(super) fn is_alone(last: &LastCommit) -> bool {
    last.records <= RECORDS_MAX && last.took <= TOOK_MAX
}

impl Committer {
    /// Commits what waits, if that is little and quick. False leaves it to the committer's thread, which is then to be woken. A failure
    /// poisons the store.
    pub(crate) fn commit_alone(&mut self) -> bool {
        let committed = self.try_alone();
        self.poison_if_failed(committed).unwrap_or_default()
    }

    fn try_alone(&mut self) -> Result<bool, Failure> {
        let is_free = self.taken.is_empty() && self.unwritten.is_none();
        let (records, bytes) = waiting(&self.shared);
        let is_small = records <= RECORDS_MAX && bytes <= BYTES_MAX;
        let is_quick = is_free && is_small && is_alone(&self.last);
        if !is_quick || self.shared.is_stopping() || self.shared.is_poisoned() {
            return Ok(false);
        }
        let Some((records, flags)) = self.next_frame() else {
            return Ok(true);
        };
        let begin = Instant::now();
        if self.write_alone(records, flags)? {
            self.committed(records, begin);
            // Other shards may have handed over more than one frame takes.
            return Ok(self.taken.is_empty());
        }
        self.unwritten = Some((records, flags));
        Ok(false)
    }

    /// Writes the frame where there is room for it. False when the committer's thread has to make some.
    fn write_alone(&mut self, records: u32, flags: u32) -> Result<bool, Failure> {
        let length = self.frame.len();
        let bytes = length_u64(length).next_multiple_of(BLOCK_BYTES);
        if self.active.offset + bytes + BLOCK_BYTES > self.active.file.bytes {
            return Ok(false);
        }
        let place = (self.active.file.number, self.active.salt);
        self.frame.seal(place, self.sequence, records, flags);
        let file = &self.active.file;
        match file
            .file
            .write_through(self.frame.as_slice(), self.active.offset)
        {
            Ok(()) => {
                self.advance(bytes);
                Ok(true)
            }
            Err(WriteError::Write(error)) if is_full(&error) => {
                self.frame.reopen(length);
                Ok(false)
            }
            Err(WriteError::Write(error)) => Err(Failure::disk("write", &file.path, error)),
            Err(WriteError::Sync(error)) => Err(Failure::disk("sync", &file.path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lone_message_on_a_fast_disk_is_alone() {
        let last = |records, us| LastCommit {
            records,
            took: Duration::from_micros(us),
        };
        assert!(is_alone(&last(1, 100)));
        assert!(!is_alone(&last(5, 100)));
        assert!(!is_alone(&last(1, 4_000)));
    }
}
