//! What this person fetches, kept so that another terminal can look at it, hold it and give it up, and so that what was interrupted can
//! be gone on with.
//!
//! Each transfer has three files in a folder of the state directory: `N.json` is what is known of it, replaced as a whole; `N.lock` is locked
//! by the process that runs it, so that a transfer whose process has died is told from one that runs; `N.want` says what others want of it.
//! `gate.lock` lets one process at a time take a number or give one back.
//!
//! Start reading at [`Transfers::begin`].

#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use files::content::Root;
use serde::{Deserialize, Serialize};

use super::now_ms;

/// The folder in the state directory.
const FOLDER: &str = "transfers";
/// Locked in the folder while a transfer is begun or forgotten.
const GATE: &str = "gate.lock";
/// How often what is known of a transfer that runs is written.
const WRITE_INTERVAL: Duration = Duration::from_millis(500);
/// How often a lock is tried again that somebody holds who may only look.
const LOOKS_MAX: u32 = 10;
/// How long they may look.
const LOOK_TIME: Duration = Duration::from_millis(10);
/// How many that have ended are kept.
const ENDED_MAX: usize = 50;

/// Why a transfer cannot be noted.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The same is being fetched to the same place.
    #[error("another download writes {}: transfer {id}", target.display())]
    Running {
        /// The transfer that does.
        id: u32,
        /// Where it goes.
        target: PathBuf,
    },
    /// There is no such transfer.
    #[error("there is no transfer {0}; `chaski transfers` lists those there are")]
    Unknown(u32),
    /// The disk or its rights are in the way.
    #[error("cannot use {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is fetched, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What people call it.
    pub name: String,
    /// The content, in hexadecimal digits.
    pub root: String,
    /// Its bytes; of a folder those of its list.
    pub size: u64,
    /// Whether it is a folder.
    pub folder: bool,
    /// Where it goes, absolute.
    pub target: PathBuf,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
    /// The capability of the link that it was asked for by.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// The server that was asked.
    pub server: String,
}

impl Job {
    /// The content; none if it was noted wrongly.
    #[must_use]
    pub fn root(&self) -> Option<Root> {
        self.root.parse().ok()
    }
}

/// How it goes with a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// A process fetches it.
    Running,
    /// A process holds it, until it is told to go on.
    Paused,
    /// Its process has ended before it did.
    Interrupted,
    /// All of it is there.
    Done,
    /// It could not be fetched.
    Failed,
}

/// What is known of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Its number.
    pub id: u32,
    /// What it is.
    #[serde(flatten)]
    pub job: Job,
    /// How it goes.
    pub stage: Stage,
    /// Bytes that are there and checked.
    pub bytes: u64,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// When this was written.
    pub noted_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

/// What somebody wants of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// That it goes on.
    Run,
    /// That it waits.
    Pause,
    /// That it ends, and leaves nothing behind.
    Cancel,
}

/// All transfers of a state directory.
#[derive(Debug, Clone)]
pub struct Transfers {
    folder: PathBuf,
}

impl Transfers {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(state: &Path) -> Result<Self, TransferError> {
        let folder = state.join(FOLDER);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed(&folder))?;
        Ok(Self { folder })
    }

    /// Lists them, the oldest first. What cannot be read is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<Transfer>, TransferError> {
        let entries = fs::read_dir(&self.folder).map_err(failed(&self.folder))?;
        let ids = entries.filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_suffix(".json")?.parse().ok()
        });
        let mut transfers: Vec<Transfer> = ids.filter_map(|id| self.find(id).ok()).collect();
        transfers.sort_unstable_by_key(|transfer| transfer.id);
        Ok(transfers)
    }

    /// Finds one.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn find(&self, id: u32) -> Result<Transfer, TransferError> {
        let text = fs::read(self.path(id, "json")).ok();
        let transfer: Option<Transfer> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let mut transfer = transfer.ok_or(TransferError::Unknown(id))?;
        match transfer.stage {
            Stage::Running | Stage::Paused if self.is_abandoned(id)? => {
                transfer.stage = Stage::Interrupted;
                transfer.rate = 0;
            }
            Stage::Running | Stage::Paused | Stage::Interrupted | Stage::Done | Stage::Failed => {}
        }
        Ok(transfer)
    }

    /// Says what is wanted of a transfer; whoever runs it looks often.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn want(&self, id: u32, want: Want) -> Result<(), TransferError> {
        let path = self.path(id, "want");
        let text = match want {
            Want::Run => return remove(&path),
            Want::Pause => "pause",
            Want::Cancel => "cancel",
        };
        write(&path, text.as_bytes())
    }

    /// Forgets one that does not run.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn forget(&self, id: u32) -> Result<(), TransferError> {
        let _gate = self.gate()?;
        self.remove(id)
    }

    /// Keeps others from beginning and forgetting, as long as what it gives is held: of two that begin together each has a number of its own.
    fn gate(&self) -> Result<File, TransferError> {
        let path = self.folder.join(GATE);
        let gate = open_lock(&path)?;
        gate.lock().map_err(failed(&path))?;
        Ok(gate)
    }

    fn remove(&self, id: u32) -> Result<(), TransferError> {
        ["json", "want", "lock"]
            .iter()
            .try_for_each(|kind| remove(&self.path(id, kind)))
    }

    /// Notes that something is being fetched; an earlier one of the same to the same place is gone on with.
    ///
    /// # Errors
    /// Another process fetches the same to the same place, or the disk refuses.
    pub fn begin(&self, job: Job) -> Result<Running, TransferError> {
        let _gate = self.gate()?;
        let mut all = self.list()?;
        let is_same = |transfer: &&Transfer| {
            transfer.job.target == job.target && transfer.job.root == job.root
        };
        let former = all.iter().find(is_same).map(|transfer| transfer.id);
        let fresh = all.last().map_or(1, |last| last.id.saturating_add(1));
        let ended = |transfer: &Transfer| matches!(transfer.stage, Stage::Done | Stage::Failed);
        all.retain(|transfer| ended(transfer) && Some(transfer.id) != former);
        for old in all.iter().rev().skip(ENDED_MAX) {
            self.remove(old.id)?;
        }
        let (id, lock) = match former {
            Some(id) => match self.hold(id)? {
                Some(lock) => (id, lock),
                None => {
                    let target = job.target;
                    return Err(TransferError::Running { id, target });
                }
            },
            None => self.hold_from(fresh)?,
        };
        self.want(id, Want::Run)?;
        let now = now_ms();
        let mut running = Running {
            transfers: self.clone(),
            transfer: Transfer {
                id,
                job,
                stage: Stage::Running,
                bytes: 0,
                rate: 0,
                began_ms: now,
                noted_ms: now,
                why: None,
            },
            written: Instant::now(),
            _lock: lock,
        };
        running.note()?;
        Ok(running)
    }

    /// Locks the first number from this one on that nobody holds: a process may hold one of which nothing is noted.
    fn hold_from(&self, first: u32) -> Result<(u32, File), TransferError> {
        let mut id = first;
        loop {
            if let Some(lock) = self.hold(id)? {
                return Ok((id, lock));
            }
            id = id.saturating_add(1);
        }
    }

    /// Locks a transfer; none if its process runs.
    fn hold(&self, id: u32) -> Result<Option<File>, TransferError> {
        let file = self.lock_file(id)?;
        let mut attempts = 0;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                // Somebody may just look.
                Err(TryLockError::WouldBlock) if attempts < LOOKS_MAX => {
                    attempts += 1;
                    std::thread::sleep(LOOK_TIME);
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => {
                    return Err(failed(&self.path(id, "lock"))(error));
                }
            }
        }
    }

    /// Whether no process runs a transfer.
    fn is_abandoned(&self, id: u32) -> Result<bool, TransferError> {
        match self.lock_file(id)?.try_lock_shared() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed(&self.path(id, "lock"))(error)),
        }
    }

    fn lock_file(&self, id: u32) -> Result<File, TransferError> {
        open_lock(&self.path(id, "lock"))
    }

    fn path(&self, id: u32, kind: &str) -> PathBuf {
        self.folder.join(format!("{id}.{kind}"))
    }
}

/// A transfer that this process runs.
#[derive(Debug)]
pub struct Running {
    transfers: Transfers,
    transfer: Transfer,
    written: Instant,
    /// Held as long as this process runs it.
    _lock: File,
}

impl Running {
    /// Its number.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.transfer.id
    }

    /// What somebody wants of it now.
    #[must_use]
    pub fn wanted(&self) -> Want {
        match fs::read(self.transfers.path(self.transfer.id, "want")) {
            Ok(text) if text == b"pause" => Want::Pause,
            Ok(text) if text == b"cancel" => Want::Cancel,
            Ok(_) | Err(_) => Want::Run,
        }
    }

    /// Notes how far it is, from time to time. What the disk refuses is noted the next time.
    pub fn progress(&mut self, bytes: u64, rate: u64) {
        (self.transfer.bytes, self.transfer.rate) = (bytes, rate);
        if self.written.elapsed() >= WRITE_INTERVAL {
            let _ = self.note();
        }
    }

    /// Notes that it is held, or goes on.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn pause(&mut self, is_paused: bool) -> Result<(), TransferError> {
        self.transfer.stage = if is_paused {
            Stage::Paused
        } else {
            Stage::Running
        };
        self.transfer.rate = 0;
        self.note()
    }

    /// Notes that it has ended: well, or why not.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn end(mut self, bytes: u64, why: Option<String>) -> Result<(), TransferError> {
        self.transfer.stage = match &why {
            None => Stage::Done,
            Some(_) => Stage::Failed,
        };
        self.transfer.why = why;
        self.transfer.bytes = self.transfer.bytes.max(bytes);
        self.transfer.rate = 0;
        self.note()
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn forget(self) -> Result<(), TransferError> {
        self.transfers.forget(self.transfer.id)
    }

    fn note(&mut self) -> Result<(), TransferError> {
        self.written = Instant::now();
        self.transfer.noted_ms = now_ms();
        let path = self.transfers.path(self.transfer.id, "json");
        let text = serde_json::to_vec(&self.transfer).map_err(io::Error::other);
        write(&path, &text.map_err(failed(&path))?)
    }
}

fn open_lock(path: &Path) -> Result<File, TransferError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed(path))
}

/// Writes a file as a whole, for the eyes of its owner: a link is a permission.
fn write(path: &Path, bytes: &[u8]) -> Result<(), TransferError> {
    // What is known of a transfer and what is wanted of it are written by different processes.
    let unfinished = unfinished(path);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(failed(path))
}

/// What becomes this file.
fn unfinished(path: &Path) -> PathBuf {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    unfinished.into()
}

fn remove(path: &Path) -> Result<(), TransferError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> TransferError {
    let path = path.to_owned();
    move |source| TransferError::Disk { path, source }
}
