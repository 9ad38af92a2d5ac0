//! The committer: one thread that writes what all shards submitted as one frame, syncs it, and says so.
//!
//! ```text
//!  shard 0 ──submit──▶ inbox ─┐                            ┌─▶ durable(0), waker(0)
//!  shard 1 ──submit──▶ inbox ─┼─▶ frame ─▶ durable write ──┤
//!  checkpoint ─settled turn──▶┘                            └─▶ durable(1), waker(1)
//! ```
//! While one sync runs, the inboxes fill; when it returns, all they hold is the next frame. Only acknowledgements without anything
//! else, and messages on a slow disk, wait for a moment ([`company`]); a lone message is written by its shard ([`alone`]). A write or a sync
//! that fails poisons the store, as nobody knows then what is on the disk. A full disk is different: the same bytes are written
//! again to the same place until there is room, and nothing was promised meanwhile.

mod alone;
mod company;
mod files;
mod full_disk;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::checkpoint::{self, Prepared};
use crate::disk::WriteError;
use crate::failure::Failure;
use crate::fields::length_u64;
use crate::frame::{FILE_HEADER_BYTES, FLAG_SETTLED, FrameBuffer};
use crate::ids::Position;
use crate::limits::{
    BLOCK_BYTES, BUFFER_BYTES_KEPT, FIRST_JOURNAL_BYTES, FRAME_BYTES_MAX, FRAME_BYTES_TARGET,
};
use crate::newest::{Mark, Newest};
use crate::record;
use crate::shared::{Batch, SettledTurn, ShardShared, Shared, lock};
use company::{LastCommit, PATIENCE};
use full_disk::retry_while_full;

/// A journal file that is full and waits to be released.
#[derive(Debug)]
pub(crate) struct FullFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// It has the usual size and may be written again.
    pub(crate) reuse: bool,
    /// It is from before the start.
    pub(crate) recovered: bool,
}

/// The file being written.
#[derive(Debug)]
struct Active {
    file: Prepared,
    salt: u64,
    offset: u64,
    /// The next file was asked for.
    asked: bool,
}

/// What the committer goes on from.
#[derive(Debug)]
pub(crate) struct Start {
    /// The number of the first file to write.
    pub(crate) file: u64,
    /// The sequence of the first frame to write.
    pub(crate) frame: u64,
    /// The files that recovery read, oldest first.
    pub(crate) full: VecDeque<FullFile>,
    /// A released file that waits to be written again.
    pub(crate) spare: Option<PathBuf>,
}

/// The committer's own state.
#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    active: Active,
    /// The sequence of the next frame.
    sequence: u64,
    mark: Mark,
    full: VecDeque<FullFile>,
    /// Per shard: the rotation that its durable states answer.
    settled: Vec<u64>,
    /// Settled turns that were taken; the first `ready` ones are in the frame, as their states are durable.
    turns: Vec<SettledTurn>,
    ready: usize,
    /// Batches that were taken and not yet written, with their shard.
    taken: VecDeque<(usize, Batch)>,
    swap: Vec<Batch>,
    frame: FrameBuffer,
    /// The records and flags of the frame in memory, if a shard gathered it and could not write it.
    unwritten: Option<(u32, u32)>,
    /// Per shard: the position that the frame makes durable.
    reached: Vec<Option<Position>>,
    last: LastCommit,
}

impl Committer {
    /// Makes the first file ready and asks the shards to settle what recovery found.
    pub(crate) fn new(shared: Arc<Shared>, start: Start) -> Result<Self, Failure> {
        let mut spare = start.spare;
        let usual = shared.options.journal_bytes;
        let bytes = match spare {
            Some(_) => usual,
            None => usual.min(FIRST_JOURNAL_BYTES),
        };
        let file = checkpoint::prepare(&shared, start.file, bytes, &mut spare)?;
        let shards = shared.shards.len();
        let mut committer = Self {
            active: Active {
                file,
                salt: 0,
                offset: 0,
                asked: false,
            },
            sequence: start.frame,
            mark: Mark::open(shared.disk.as_ref(), &shared.places)?,
            full: start.full,
            settled: vec![0; shards],
            turns: Vec::new(),
            ready: 0,
            taken: VecDeque::new(),
            swap: Vec::new(),
            frame: FrameBuffer::default(),
            unwritten: None,
            reached: vec![None; shards],
            last: LastCommit::default(),
            shared,
        };
        committer.begin_file()?;
        committer.ask_to_settle();
        if committer.active.file.bytes < usual {
            committer.ask_for_next();
        }
        Ok(committer)
    }

    /// Runs until the store is told to stop and has written everything, or fails. Holds the lock only while there is work.
    pub(crate) fn run(committer: &Mutex<Self>) {
        let shared = Arc::clone(&lock(committer).shared);
        // If this thread panics, nobody may go on waiting for it.
        let guard = PanicGuard(Arc::clone(&shared));
        shared.set_committer(std::thread::current());
        loop {
            // Asked before the inboxes are: what was submitted before the store was told to stop is then seen.
            let stopping = shared.is_stopping();
            let rest = lock(committer).may_rest();
            if let Some(sequence) = rest {
                shared.hold_back(PATIENCE, || has_urgent_work(&shared));
                // What waited was committed by a shard meanwhile; what came since may wait as long again.
                if !has_urgent_work(&shared) && lock(committer).sequence != sequence {
                    continue;
                }
            }
            let stepped = {
                let mut committer = lock(committer);
                // A shard may have failed.
                if shared.is_poisoned() {
                    break;
                }
                let stepped = committer.step();
                committer.poison_if_failed(stepped)
            };
            match stepped {
                Some(true) => {}
                Some(false) => {
                    if stopping {
                        break;
                    }
                    shared.pause(|| has_work(&shared) || lock(committer).has_left_over());
                }
                None => break,
            }
        }
        if !shared.is_poisoned()
            && let Err(failure) = lock(committer).close()
        {
            shared.poison(&failure);
        }
        shared.checkpoint.stop();
        drop(guard);
    }

    /// Poisons the store after a failure, before anyone else can write.
    fn poison_if_failed<T>(&mut self, outcome: Result<T, Failure>) -> Option<T> {
        outcome
            .inspect_err(|failure| self.shared.poison(failure))
            .ok()
    }

    /// Says whether there is work that a shard took and left.
    fn has_left_over(&self) -> bool {
        !self.taken.is_empty() || self.unwritten.is_some() || !self.turns.is_empty()
    }

    /// Says whether to rest in case something urgent comes, and the next frame's sequence if so. Whether acks wait or not: those that
    /// come then need not wake it.
    fn may_rest(&self) -> Option<u64> {
        let is_free = self.taken.is_empty() && self.unwritten.is_none();
        is_free.then_some(self.sequence)
    }

    /// Writes one frame. Returns whether there was anything to write.
    ///
    /// Never inlined: `bench/check.py` counts its instructions by its name.
    #[inline(never)]
    fn step(&mut self) -> Result<bool, Failure> {
        if let Some(pause) = company::pause(&self.last, || waiting(&self.shared).0) {
            std::thread::sleep(pause);
        }
        let Some((records, flags)) = self.unwritten.take().or_else(|| self.next_frame()) else {
            return Ok(false);
        };
        let begin = Instant::now();
        self.commit(records, flags)?;
        self.committed(records, begin);
        Ok(true)
    }

    /// Fills the frame with what waits. Returns its records and flags, or nothing when it stays empty.
    fn next_frame(&mut self) -> Option<(u32, u32)> {
        self.take();
        self.gather()
    }

    /// Tells of the frame that is durable now.
    fn committed(&mut self, records: u32, begin: Instant) {
        self.last = LastCommit {
            records,
            took: begin.elapsed(),
        };
        let is_alone = alone::is_alone(&self.last);
        self.shared.alone.store(is_alone, Ordering::Relaxed);
        self.publish();
        self.release();
    }

    fn take(&mut self) {
        self.turns.append(&mut lock(&self.shared.settled));
        for (index, shard) in self.shared.shards.iter().enumerate() {
            std::mem::swap(&mut self.swap, &mut lock(&shard.inbox).batches);
            self.taken
                .extend(self.swap.drain(..).map(|batch| (index, batch)));
        }
    }

    /// Fills the frame. Returns its records and flags, or nothing when it stays empty.
    fn gather(&mut self) -> Option<(u32, u32)> {
        self.begin_frame();
        self.reached.fill(None);
        let mut records = 0;
        // A turn counts once its states are durable, not before: the full file is released on the strength of it.
        let shared = &self.shared;
        let is_late = |settled: &SettledTurn| {
            let shard = shared.shard(usize::from(settled.turn.shard));
            settled.position.0 > shard.durable.load(Ordering::Relaxed)
        };
        self.turns.sort_by_key(is_late);
        self.ready = self
            .turns
            .iter()
            .take_while(|settled| !is_late(settled))
            .count();
        for settled in self.turns.iter().take(self.ready) {
            record::put_settled(self.frame.records(), settled.turn);
            records += 1;
        }
        let flags = if records == 0 { 0 } else { FLAG_SETTLED };
        while let Some((index, batch)) = self.taken.pop_front() {
            let bytes = self.frame.len() + batch.bytes.len();
            let first = self.reached.iter().all(Option::is_none);
            if !first && (self.frame.len() >= FRAME_BYTES_TARGET || bytes > FRAME_BYTES_MAX) {
                self.taken.push_front((index, batch));
                break;
            }
            self.frame.records().extend_from_slice(&batch.bytes);
            records += batch.records;
            if let Some(reached) = self.reached.get_mut(index) {
                *reached = Some(batch.position);
            }
            lock(&self.shared.shard(index).inbox).give_back(batch.bytes);
        }
        (records > 0).then_some((records, flags))
    }

    /// Begins the frame in memory for what was taken, so that it need not move while it is filled.
    fn begin_frame(&mut self) {
        let mut bytes = 0;
        for (_, batch) in &self.taken {
            bytes += batch.bytes.len();
            if bytes >= FRAME_BYTES_TARGET {
                break;
            }
        }
        self.frame.shrink_to(FRAME_BYTES_TARGET + BUFFER_BYTES_KEPT);
        self.frame.begin(bytes);
    }

    /// Writes the frame durably.
    fn commit(&mut self, records: u32, flags: u32) -> Result<(), Failure> {
        let bytes = length_u64(self.frame.len()).next_multiple_of(BLOCK_BYTES);
        // Room for the frame that closes the store is always left.
        let need = if records == 0 {
            bytes
        } else {
            bytes + BLOCK_BYTES
        };
        if self.active.offset + need > self.active.file.bytes {
            self.rotate(need)?;
        }
        let place = (self.active.file.number, self.active.salt);
        self.frame.seal(place, self.sequence, records, flags);
        self.write_through(&self.frame, self.active.offset)?;
        self.advance(bytes);
        Ok(())
    }

    /// Goes on behind the frame that was written.
    fn advance(&mut self, bytes: u64) {
        self.mark.set(Newest {
            file: self.active.file.number,
            frame: self.sequence,
        });
        self.active.offset += bytes;
        self.sequence += 1;
    }

    /// Writes whole blocks to the active file, durably. Repeats it while the disk is full.
    fn write_through(&self, blocks: &FrameBuffer, offset: u64) -> Result<(), Failure> {
        let Prepared { file, path, .. } = &self.active.file;
        let mut unknown = None;
        let written = retry_while_full(&self.shared, || {
            match file.write_through(blocks.as_slice(), offset) {
                Err(WriteError::Write(error)) => Err(error),
                Err(WriteError::Sync(error)) => {
                    unknown = Some(error);
                    Ok(())
                }
                Ok(()) => Ok(()),
            }
        });
        written.map_err(|error| Failure::disk("write", path, error))?;
        unknown.map_or(Ok(()), |error| Err(Failure::disk("sync", path, error)))
    }

    /// Tells the shards what is durable.
    fn publish(&mut self) {
        for (shard, reached) in self.shared.shards.iter().zip(&self.reached) {
            if let Some(position) = reached {
                shard.durable.store(position.0, Ordering::Release);
                shard.wake();
            }
        }
        self.shared.checkpoint.advanced();
    }

    /// Writes an empty frame behind the last one: if the last one is damaged later, it cannot pass for a torn tail.
    fn close(&mut self) -> Result<(), Failure> {
        self.frame.begin(0);
        let clean = self.active.offset > FILE_HEADER_BYTES;
        if clean && self.active.offset + BLOCK_BYTES <= self.active.file.bytes {
            self.commit(0, 0)?;
        }
        Ok(())
    }
}

struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(&Failure::Poisoned {
                reason: "the committer has panicked".to_owned(),
            });
        }
    }
}

/// How many records wait for the next frame, and their bytes.
fn waiting(shared: &Shared) -> (u32, usize) {
    let mut waiting = (0, 0);
    for shard in &shared.shards {
        for batch in &lock(&shard.inbox).batches {
            waiting.0 += batch.records;
            waiting.1 += batch.bytes.len();
        }
    }
    waiting
}

fn has_work(shared: &Shared) -> bool {
    has_any_work(shared, |_| true)
}

/// Says whether there is work that somebody may wait for: more than acks.
fn has_urgent_work(shared: &Shared) -> bool {
    has_any_work(shared, |batch| batch.urgent)
}

fn has_any_work(shared: &Shared, counts: impl Fn(&Batch) -> bool) -> bool {
    let in_shard = |shard: &ShardShared| lock(&shard.inbox).batches.iter().any(&counts);
    shared.is_stopping() || !lock(&shared.settled).is_empty() || shared.shards.iter().any(in_shard)
}
