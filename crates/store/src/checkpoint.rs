//! The checkpoint thread: what may take long and must hold up neither a shard nor a commit.
//!
//! It syncs the segments that a shard settled, makes the next journal file ready, recycles released ones and deletes segments
//! whose messages are all durably acked.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::disk::{DiskFile, OpenMode};
use crate::failure::Failure;
use crate::ids::Position;
use crate::limits::DIRTY_FILES_MAX;
use crate::shared::{SPARE_NAME, SettledTurn, Shared, lock};

/// The segments that a shard wrote since its last checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// There were too many to keep open: the whole file system is synced instead.
    all: bool,
    /// A file was created.
    names: bool,
}

impl Dirty {
    /// Notes that a segment was written. Returns whether the writer may keep it open.
    pub(crate) fn add(
        &mut self,
        path: &std::path::Path,
        file: &Arc<dyn DiskFile>,
        created: bool,
    ) -> bool {
        self.names |= created;
        if self.all || self.files.iter().any(|(known, _)| known == path) {
            return !self.all;
        }
        if self.files.len() == DIRTY_FILES_MAX {
            self.all = true;
            self.files.clear();
            return false;
        }
        self.files.push((path.to_path_buf(), Arc::clone(file)));
        true
    }

    fn sync(self, shared: &Shared) -> Result<(), Failure> {
        let queues = &shared.places.queues;
        if self.all {
            let synced = shared.disk.sync_all(queues);
            return synced.map_err(|error| Failure::disk("sync", queues, error));
        }
        for (path, file) in &self.files {
            file.sync()
                .map_err(|error| Failure::disk("sync", path, error))?;
        }
        if self.names {
            let synced = shared.disk.sync_dir(queues);
            synced.map_err(|error| Failure::disk("sync", queues, error))?;
        }
        Ok(())
    }
}

/// A segment whose messages are gone once a position is durable.
#[derive(Debug)]
pub(crate) struct Retired {
    pub(crate) shard: usize,
    pub(crate) position: Position,
    pub(crate) path: PathBuf,
}

/// A journal file that is ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) bytes: u64,
}

#[derive(Debug)]
enum Task {
    Sync { turn: SettledTurn, dirty: Dirty },
    Release { path: PathBuf, reuse: bool },
    Prepare { number: u64, bytes: u64 },
}

/// How far the next journal file is. Only one thread at a time may make it: the other would empty it.
#[derive(Debug, Default)]
enum Next {
    #[default]
    Nothing,
    Asked {
        number: u64,
        bytes: u64,
    },
    /// The checkpoint thread is at it.
    Working,
    Ready(Prepared),
}

#[derive(Debug, Default)]
struct Pending {
    tasks: VecDeque<Task>,
    next: Next,
    retired: Vec<Retired>,
    /// A position advanced while segments were waiting for one.
    look: bool,
    stop: bool,
}

/// What the checkpoint thread has to do.
#[derive(Debug, Default)]
pub(crate) struct CheckpointQueue {
    pending: Mutex<Pending>,
    changed: Condvar,
    /// The checkpoint thread has made the next file, or has failed to.
    prepared: Condvar,
    /// Segments wait for a position; looked at before the lock.
    waiting: AtomicBool,
}

impl CheckpointQueue {
    fn add(&self, task: Task) {
        lock(&self.pending).tasks.push_back(task);
        self.changed.notify_one();
    }

    /// Asks for a shard's segments to be synced and its turn to be recorded.
    pub(crate) fn sync(&self, turn: SettledTurn, dirty: Dirty) {
        self.add(Task::Sync { turn, dirty });
    }

    /// Asks for the journal file with this number to be made ready.
    pub(crate) fn prepare(&self, number: u64, bytes: u64) {
        lock(&self.pending).next = Next::Asked { number, bytes };
        self.changed.notify_one();
    }

    /// Gives a journal file away that recovery needs no more.
    pub(crate) fn release(&self, path: PathBuf, reuse: bool) {
        self.add(Task::Release { path, reuse });
    }

    /// Takes the prepared file. Waits for one that is being made; one that was only asked for is not made any more.
    pub(crate) fn take_prepared(&self) -> Option<Prepared> {
        let mut pending = lock(&self.pending);
        loop {
            match std::mem::take(&mut pending.next) {
                Next::Nothing | Next::Asked { .. } => return None,
                Next::Ready(prepared) => return Some(prepared),
                Next::Working => {
                    pending.next = Next::Working;
                    pending = (self.prepared.wait(pending))
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
            }
        }
    }

    fn set_prepared(&self, prepared: Option<Prepared>) {
        lock(&self.pending).next = prepared.map_or(Next::Nothing, Next::Ready);
        self.prepared.notify_one();
    }

    /// Deletes segments once their positions are durable.
    pub(crate) fn retire(&self, retired: &mut Vec<Retired>) {
        let mut pending = lock(&self.pending);
        pending.retired.append(retired);
        pending.look = true;
        // Set before the caller submits: the committer cannot miss it when that position advances.
        self.waiting.store(true, Ordering::SeqCst);
    }

    /// Tells that positions advanced.
    pub(crate) fn advanced(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            lock(&self.pending).look = true;
            self.changed.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.pending).stop = true;
        self.changed.notify_one();
    }

    /// Waits for something to do; nothing once it is to stop.
    fn next(&self, shared: &Shared) -> Option<(Option<Task>, Vec<Retired>)> {
        let mut pending = lock(&self.pending);
        loop {
            let mut task = pending.tasks.pop_front();
            // Releases first: a released file becomes the next one.
            if let (None, Next::Asked { number, bytes }) = (&task, &pending.next) {
                task = Some(Task::Prepare {
                    number: *number,
                    bytes: *bytes,
                });
                pending.next = Next::Working;
            }
            let due: Vec<_> = if pending.look {
                pending.look = false;
                let due = pending.retired.extract_if(.., |retired| {
                    let durable = shared.shard(retired.shard).durable.load(Ordering::Acquire);
                    retired.position.0 <= durable
                });
                let due = due.collect();
                self.waiting
                    .store(!pending.retired.is_empty(), Ordering::SeqCst);
                due
            } else {
                Vec::new()
            };
            if task.is_some() || !due.is_empty() {
                return Some((task, due));
            }
            if pending.stop {
                return None;
            }
            pending = self
                .changed
                .wait(pending)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Runs the checkpoint thread until it is told to stop and has nothing left to do.
pub(crate) fn run(shared: &Shared) {
    let mut spare = None;
    while let Some((task, due)) = shared.checkpoint.next(shared) {
        for retired in due {
            delete(shared, &retired.path);
        }
        match task {
            None => {}
            Some(Task::Sync { turn, dirty }) => {
                if shared.is_poisoned() {
                    continue;
                }
                match dirty.sync(shared) {
                    Ok(()) => {
                        lock(&shared.settled).push(turn);
                        shared.wake_committer(true);
                    }
                    Err(failure) => shared.poison(&failure),
                }
            }
            Some(Task::Prepare { number, bytes }) => {
                let prepared = prepare(shared, number, bytes, &mut spare);
                if let Err(failure) = &prepared {
                    // Not fatal: the committer makes the file itself when it needs it, and waits for space if it must.
                    tracing::warn!(
                        error = failure as &dyn std::error::Error,
                        "cannot prepare a journal file"
                    );
                }
                shared.checkpoint.set_prepared(prepared.ok());
            }
            Some(Task::Release { path, reuse }) => {
                if let Err(failure) = release(shared, &path, reuse, &mut spare) {
                    shared.poison(&failure);
                }
            }
        }
    }
}

/// Makes a journal file: from a released one if there is one, as blocks that were written before are synced faster.
pub(crate) fn prepare(
    shared: &Shared,
    number: u64,
    bytes: u64,
    spare: &mut Option<PathBuf>,
) -> Result<Prepared, Failure> {
    let path = shared.places.journal_file(number);
    let disk = &shared.disk;
    let at = |operation| {
        let path = &path;
        move |error| Failure::disk(operation, path, error)
    };
    let file = match spare.take() {
        Some(spare) => {
            disk.rename(&spare, &path)
                .map_err(at("rename a released file to"))?;
            disk.open(&path, OpenMode::Write).map_err(at("open"))?
        }
        None => disk.open(&path, OpenMode::Create).map_err(at("create"))?,
    };
    let length = file.length().map_err(at("measure"))?;
    if length < bytes {
        file.allocate(bytes).map_err(at("reserve space for"))?;
    }
    disk.sync_dir(&shared.places.journal)
        .map_err(at("sync the directory of"))?;
    Ok(Prepared {
        number,
        path,
        file,
        bytes: bytes.max(length),
    })
}

/// Takes a journal file out of recovery's sight, durably: files must disappear oldest first, as an older one alone would bring
/// back what a younger one has acked.
fn release(
    shared: &Shared,
    path: &std::path::Path,
    reuse: bool,
    spare: &mut Option<PathBuf>,
) -> Result<(), Failure> {
    if shared.is_poisoned() {
        return Ok(());
    }
    let (disk, journal) = (&shared.disk, &shared.places.journal);
    let released = if reuse && spare.is_none() {
        let kept = journal.join(SPARE_NAME);
        disk.rename(path, &kept).map(|()| *spare = Some(kept))
    } else {
        disk.remove(path)
    };
    released.map_err(|error| Failure::disk("release", path, error))?;
    disk.sync_dir(journal)
        .map_err(|error| Failure::disk("sync", journal, error))
}

fn delete(shared: &Shared, path: &std::path::Path) {
    if let Err(error) = shared.disk.remove(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        // The file only takes space: recovery removes it.
        tracing::warn!(path = %path.display(), %error, "cannot delete a file that is no longer needed");
    }
}
