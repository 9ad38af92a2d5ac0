//! What the shard threads, the committer and the checkpoint thread share.
//!
//! Locks: the committer's own, held while it writes, by whoever writes; then, none ever held while another is taken, a shard's inbox, a
//! shard's request, a shard's waker, the settled turns, the checkpoint queue. The committer holds each of these only to swap a vector.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::checkpoint::CheckpointQueue;
use crate::disk::Disk;
use crate::failure::Failure;
use crate::ids::Position;
use crate::limits::{BUFFER_BYTES_KEPT, BUFFERS_KEPT};
use crate::record::Turn;
use crate::shard::SettleRequest;

/// What a shard is woken by; it must only set a flag or wake a task.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Sizes that may differ from one start to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many shard threads append. Default 1, at most 65,535.
    pub shards: usize,
    /// Bytes of a journal file. Default 32 MiB, at least 64 KiB.
    pub journal_bytes: u64,
    /// Bytes after which a segment is full. Default 16 MiB, at least 4 KiB.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shards: 1,
            journal_bytes: 32 << 20,
            segment_bytes: 16 << 20,
        }
    }
}

/// What the store calls when it has something to say.
#[derive(Clone)]
pub struct Hooks {
    /// Called once, from any of the store's threads or from a shard's in [`crate::ShardLog::commit_deferred`], when a write or sync of the journal failed: nothing becomes durable after
    /// it, and the process ought to stop.
    pub failed: Arc<dyn Fn(&Failure) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            failed: Arc::new(|failure| {
                tracing::error!(
                    error = failure as &dyn std::error::Error,
                    "the store has failed"
                );
            }),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// Locks a mutex whose data stays valid whatever panicked while it was held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a released journal file that waits to be written again. Recovery does not read it.
pub(crate) const SPARE_NAME: &str = "spare";

/// Where the store's files are.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) root: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) queues: PathBuf,
    pub(crate) quarantine: PathBuf,
}

impl Places {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            lock: root.join("LOCK"),
            journal: root.join("journal"),
            queues: root.join("queues"),
            quarantine: root.join("quarantine"),
        }
    }

    /// Returns the path of the journal file with this number.
    pub(crate) fn journal_file(&self, number: u64) -> PathBuf {
        self.journal.join(format!("{number:010}.journal"))
    }
}

/// Records that a shard handed over together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) records: u32,
    pub(crate) position: Position,
    /// It holds more than acks: somebody may wait for it.
    pub(crate) urgent: bool,
}

/// What the committer is at, as far as it is to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Rest {
    /// It works, and looks again before it rests.
    Busy,
    /// It holds acks back for a moment: only what is urgent wakes it.
    Patient,
    /// It found nothing to do.
    Idle,
}

/// A shard's batches on their way to the committer, and empty buffers on their way back.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) batches: Vec<Batch>,
    pub(crate) free: Vec<Vec<u8>>,
}

impl Inbox {
    /// Keeps a buffer for the shard to fill again, unless it has grown out of proportion.
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.free.len() < BUFFERS_KEPT && buffer.capacity() <= BUFFER_BYTES_KEPT {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

/// One shard's part; aligned so that two shards do not share a cache line.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct ShardShared {
    pub(crate) inbox: Mutex<Inbox>,
    /// The last durable position.
    pub(crate) durable: AtomicU64,
    /// The rotation of the current request, 0 for none; looked at before the lock.
    pub(crate) requested: AtomicU64,
    pub(crate) request: Mutex<Option<SettleRequest>>,
    /// Bytes of the shard's last states.
    pub(crate) state_bytes: AtomicU64,
    pub(crate) waker: Mutex<Option<Waker>>,
}

impl ShardShared {
    pub(crate) fn wake(&self) {
        let waker = lock(&self.waker).clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    /// Asks the shard to settle what it appended up to the request's position.
    pub(crate) fn ask(&self, request: SettleRequest) {
        *lock(&self.request) = Some(request);
        self.requested.store(request.rotation, Ordering::Release);
    }
}

/// A turn whose segments are durable, waiting for its record in the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledTurn {
    pub(crate) turn: Turn,
    /// The batch that holds the turn's states.
    pub(crate) position: Position,
}

/// Everything that is shared.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) places: Places,
    pub(crate) options: Options,
    pub(crate) shards: Box<[ShardShared]>,
    pub(crate) settled: Mutex<Vec<SettledTurn>>,
    pub(crate) checkpoint: CheckpointQueue,
    pub(crate) backpressure: AtomicBool,
    pub(crate) journal_files: AtomicU64,
    /// A [`Rest`]: the committer is parked, or about to be, unless it is busy.
    rest: AtomicU8,
    /// The last commit was so small and quick that a shard may write the next one by itself.
    pub(crate) alone: AtomicBool,
    stopping: AtomicBool,
    committer: OnceLock<Thread>,
    poison: OnceLock<String>,
    hooks: Hooks,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("root", &self.places.root)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, places: Places, options: Options, hooks: Hooks) -> Self {
        Self {
            disk,
            places,
            options,
            shards: (0..options.shards)
                .map(|_| ShardShared::default())
                .collect(),
            settled: Mutex::default(),
            checkpoint: CheckpointQueue::default(),
            backpressure: AtomicBool::new(false),
            journal_files: AtomicU64::new(0),
            rest: AtomicU8::new(Rest::Busy as u8),
            alone: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            committer: OnceLock::new(),
            poison: OnceLock::new(),
            hooks,
        }
    }

    /// Returns a shard's part. Indexes were checked when the shard was taken.
    pub(crate) fn shard(&self, index: usize) -> &ShardShared {
        self.shards
            .get(index)
            .expect("a shard's index is below the number of shards")
    }

    /// Names the thread that [`Shared::wake_committer`] wakes.
    pub(crate) fn set_committer(&self, thread: Thread) {
        self.committer.get_or_init(|| thread);
    }

    /// Wakes the committer if it rests. A submitter that comes while it is busy costs no system call.
    pub(crate) fn wake_committer(&self, is_urgent: bool) {
        let (busy, idle) = (Rest::Busy as u8, Rest::Idle as u8);
        // Sequentially consistent against `pause`: either it sees the submission, or this sees that it rests.
        let rested = if is_urgent {
            self.rest.swap(busy, Ordering::SeqCst) != busy
        } else {
            (self.rest)
                .compare_exchange(idle, busy, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        };
        if rested && let Some(thread) = self.committer.get() {
            thread.unpark();
        }
    }

    /// Parks the committer until it is woken, unless `has_work` says that something came in the meantime.
    pub(crate) fn pause(&self, has_work: impl FnOnce() -> bool) {
        self.rest(Rest::Idle, None, has_work);
    }

    /// Parks the committer for a time, unless `has_urgent` says that something urgent has come, or until it does.
    pub(crate) fn hold_back(&self, time: Duration, has_urgent: impl FnOnce() -> bool) {
        self.rest(Rest::Patient, Some(Instant::now() + time), has_urgent);
    }

    fn rest(&self, rest: Rest, until: Option<Instant>, must_go_on: impl FnOnce() -> bool) {
        self.rest.store(rest as u8, Ordering::SeqCst);
        if !must_go_on() {
            while self.rest.load(Ordering::SeqCst) == rest as u8 {
                let Some(until) = until else {
                    std::thread::park();
                    continue;
                };
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                std::thread::park_timeout(left);
            }
        }
        self.rest.store(Rest::Busy as u8, Ordering::SeqCst);
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake_committer(true);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Stops everything for good: what is on the disk is no longer known.
    pub(crate) fn poison(&self, failure: &Failure) {
        let mut first = false;
        self.poison.get_or_init(|| {
            first = true;
            let mut reason = failure.to_string();
            if let Some(source) = std::error::Error::source(failure) {
                reason.push_str(": ");
                reason.push_str(&source.to_string());
            }
            reason
        });
        if first {
            (self.hooks.failed)(failure);
            self.checkpoint.stop();
            self.stop();
            for shard in &self.shards {
                shard.wake();
            }
        }
    }

    /// Returns why nothing can become durable any more, if so.
    pub(crate) fn poisoned(&self) -> Result<(), Failure> {
        self.poison.get().map_or(Ok(()), |reason| {
            Err(Failure::Poisoned {
                reason: reason.clone(),
            })
        })
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }
}
