//! Opens and closes the store.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::checkpoint;
use crate::committer::Committer;
use crate::disk::{Disk, DiskLock};
use crate::failure::Failure;
use crate::fields::to_usize;
use crate::ids::QueueId;
use crate::limits::BLOCK_BYTES;
use crate::queue::QueueLog;
use crate::recovery::{self, Recovery};
use crate::shard::ShardLog;
use crate::shared::{Hooks, Options, Places, Shared};

/// An open data directory.
///
/// # Concurrency
/// Owns the committer thread and the checkpoint thread. Dropping it without [`Store::close`] flushes too, and tells no failure.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    committer: Arc<Mutex<Committer>>,
    taken: Vec<bool>,
    threads: Vec<JoinHandle<()>>,
    _lock: Box<dyn DiskLock>,
}

impl Store {
    /// Opens a data directory, creating it if need be, and recovers what it holds.
    ///
    /// # Durability
    /// Everything in the returned [`Recovery`] is durable. Opening changes nothing that a crash in the middle of it would need.
    ///
    /// # Errors
    /// [`Failure::Locked`] when another process has it open, [`Failure::Unexpected`] when it holds what the store never wrote,
    /// [`Failure::Disk`] when the disk fails. Damaged bytes are no error: see [`Recovery::damage`].
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        hooks: Hooks,
    ) -> Result<(Self, Recovery), Failure> {
        let options = Options {
            shards: options.shards.clamp(1, usize::from(u16::MAX)),
            journal_bytes: options
                .journal_bytes
                .max(64 << 10)
                .next_multiple_of(BLOCK_BYTES),
            segment_bytes: options.segment_bytes.max(4 << 10),
        };
        let places = Places::new(dir);
        for dir in [&places.root, &places.journal, &places.queues] {
            let made = disk.create_dir(dir);
            made.map_err(|error| Failure::disk("create", dir, error))?;
        }
        let lock = take_lock(disk.as_ref(), &places)?;
        let synced = disk.sync_dir(&places.root);
        synced.map_err(|error| Failure::disk("sync", &places.root, error))?;
        let shared = Arc::new(Shared::new(disk, places, options, hooks));
        let (recovery, start) = recovery::recover(&shared)?;
        let committer = Arc::new(Mutex::new(Committer::new(Arc::clone(&shared), start)?));
        let mut store = Self {
            taken: vec![false; options.shards],
            threads: Vec::with_capacity(2),
            _lock: lock,
            shared: Arc::clone(&shared),
            committer: Arc::clone(&committer),
        };
        let worker = Arc::clone(&shared);
        store.spawn("store-checkpoint", move || checkpoint::run(&worker))?;
        store.spawn("store-commit", move || Committer::run(&committer))?;
        Ok((store, recovery))
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = spawned.map_err(|error| {
            self.shared.checkpoint.stop();
            Failure::disk("start a thread for", &self.shared.places.root, error)
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Returns a shard's end of the journal; each may be taken once.
    ///
    /// # Panics
    /// When `index` is not below [`Options::shards`] or was taken before.
    pub fn shard(&mut self, index: usize) -> ShardLog {
        let taken = self
            .taken
            .get_mut(index)
            .expect("the index of a shard is below their number");
        assert!(
            !std::mem::replace(taken, true),
            "shard {index} was taken before"
        );
        ShardLog::new(index, Arc::clone(&self.shared), Arc::clone(&self.committer))
    }

    /// Returns the log of a new queue. It costs no file until messages are settled.
    #[must_use]
    pub fn queue_log(&self, queue: QueueId) -> QueueLog {
        QueueLog::new(queue, Arc::clone(&self.shared))
    }

    /// Returns how many bytes can still be written to the data directory's file system.
    ///
    /// # Errors
    /// [`Failure::Disk`] as the operating system says.
    pub fn free_bytes(&self) -> Result<u64, Failure> {
        let root = &self.shared.places.root;
        let free = self.shared.disk.free_bytes(root);
        free.map_err(|error| Failure::disk("measure the free space of", root, error))
    }

    /// Returns how many journal files recovery would read: two or three as a rule.
    #[must_use]
    pub fn journal_files(&self) -> usize {
        to_usize(self.shared.journal_files.load(Ordering::Relaxed))
    }

    /// Tells whether a write or sync has failed, after which nothing becomes durable.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// Makes durable what was submitted, and ends the threads.
    ///
    /// # Errors
    /// [`Failure::Poisoned`] when that is no longer possible.
    pub fn close(mut self) -> Result<(), Failure> {
        self.end();
        self.shared.poisoned()
    }

    fn end(&mut self) {
        self.shared.stop();
        // The checkpoint thread is stopped by the committer, as it may still settle a turn.
        for thread in self.threads.drain(..).rev() {
            // A panic was reported by its hook and, in the committer, poisons the store.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.end();
    }
}

/// Takes the lock of a data directory.
pub(crate) fn take_lock(disk: &dyn Disk, places: &Places) -> Result<Box<dyn DiskLock>, Failure> {
    disk.lock(&places.lock).map_err(|error| {
        if error.kind() == std::io::ErrorKind::WouldBlock {
            Failure::Locked {
                path: places.root.clone(),
            }
        } else {
            Failure::disk("lock", &places.lock, error)
        }
    })
}
