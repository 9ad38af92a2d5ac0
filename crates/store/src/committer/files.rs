//! From one journal file to the next: asking for it in good time, beginning it, and releasing those that are settled.

use std::sync::atomic::Ordering;

use super::full_disk::{retry_failure_while_full, retry_while_full};
use super::{Committer, FullFile};
use crate::checkpoint;
use crate::failure::Failure;
use crate::fields::length_u64;
use crate::frame::{FILE_HEADER_BYTES, FileHeader, FrameBuffer};
use crate::ids::Position;
use crate::limits::{BLOCK_BYTES, FULL_FILES_BEFORE_BACKPRESSURE, JOURNAL_PER_STATE};
use crate::newest::{NEWEST_NAME, Newest};
use crate::shard::SettleRequest;
use crate::shared::SettledTurn;

impl Committer {
    /// Releases the full files that every shard has settled, and asks for the next file in good time.
    pub(super) fn release(&mut self) {
        for SettledTurn { turn, .. } in self.turns.drain(..self.ready) {
            if let Some(settled) = self.settled.get_mut(usize::from(turn.shard)) {
                *settled = turn.rotation.max(*settled);
            }
        }
        let all = self.settled.iter().copied().min().unwrap_or(0);
        let mut released = false;
        while let Some(file) = self.full.pop_front_if(|file| file.number <= all) {
            self.shared.checkpoint.release(file.path, file.reuse);
            released = true;
        }
        if released {
            self.update_pressure();
        }
        // Asked for when half is full: by then the file before is released as a rule and becomes the next one.
        if !self.active.asked && self.active.offset * 2 > self.active.file.bytes {
            self.ask_for_next();
        }
    }

    pub(super) fn ask_for_next(&mut self) {
        self.active.asked = true;
        let number = self.active.file.number + 1;
        self.shared.checkpoint.prepare(number, self.next_bytes());
    }

    fn next_bytes(&self) -> u64 {
        let states: u64 = (self.shared.shards.iter())
            .map(|shard| shard.state_bytes.load(Ordering::Relaxed))
            .sum();
        let least = states.saturating_mul(JOURNAL_PER_STATE);
        self.shared
            .options
            .journal_bytes
            .max(least.next_multiple_of(BLOCK_BYTES))
    }

    /// Goes on in the next file, which has room for a frame of `need` bytes.
    pub(super) fn rotate(&mut self, need: u64) -> Result<(), Failure> {
        let number = self.active.file.number + 1;
        let bytes = self.next_bytes().max(FILE_HEADER_BYTES + need);
        let prepared = self.shared.checkpoint.take_prepared();
        let mut file = match prepared {
            Some(file) if file.number == number => file,
            Some(_) | None => retry_failure_while_full(&self.shared, || {
                checkpoint::prepare(&self.shared, number, bytes, &mut None)
            })?,
        };
        if file.bytes < FILE_HEADER_BYTES + need {
            retry_while_full(&self.shared, || file.file.allocate(bytes))
                .map_err(|error| Failure::disk("reserve space for", &file.path, error))?;
            file.bytes = bytes;
        }
        let full = std::mem::replace(&mut self.active.file, file);
        self.full.push_back(FullFile {
            number: full.number,
            reuse: full.bytes == self.shared.options.journal_bytes,
            path: full.path,
            recovered: false,
        });
        self.begin_file()?;
        self.ask_to_settle();
        Ok(())
    }

    /// Writes the header of the active file, durably: the frames that follow are written past what lies in the page cache.
    pub(super) fn begin_file(&mut self) -> Result<(), Failure> {
        let file = &self.active.file;
        self.active.salt = self.shared.disk.entropy();
        self.active.offset = FILE_HEADER_BYTES;
        self.active.asked = false;
        let header = FileHeader {
            file: file.number,
            salt: self.active.salt,
            first_frame: self.sequence,
            bytes: file.bytes,
        };
        // Not in the frame's memory, which may hold what this file is for.
        let mut block = FrameBuffer::default();
        block.hold(&header.encode());
        self.write_through(&block, 0)?;
        self.mark_begun()
    }

    /// Notes, durably, that the active file may hold frames from now on.
    fn mark_begun(&self) -> Result<(), Failure> {
        let begun = Newest {
            file: self.active.file.number,
            frame: self.sequence - 1,
        };
        let path = self.shared.places.journal.join(NEWEST_NAME);
        retry_while_full(&self.shared, || self.mark.begin(begun))
            .map_err(|error| Failure::disk("mark", &path, error))
    }

    /// Asks every shard to settle what the full files hold.
    pub(super) fn ask_to_settle(&mut self) {
        if let Some(newest) = self.full.back() {
            for shard in &self.shared.shards {
                shard.ask(SettleRequest {
                    position: Position(shard.durable.load(Ordering::Relaxed)),
                    rotation: newest.number,
                });
                shard.wake();
            }
        }
        self.update_pressure();
    }

    fn update_pressure(&self) {
        // What recovery found counts as one file: a restart alone does not slow publishers.
        let recovered = self.full.iter().filter(|file| file.recovered).count();
        let waiting = self.full.len() - recovered + recovered.min(1);
        let pressure = waiting >= FULL_FILES_BEFORE_BACKPRESSURE;
        let files = length_u64(self.full.len()) + 1;
        self.shared.journal_files.store(files, Ordering::Relaxed);
        let before = self.shared.backpressure.swap(pressure, Ordering::Relaxed);
        if before && !pressure {
            for shard in &self.shared.shards {
                shard.wake();
            }
        }
    }
}
