//! A disk in memory that behaves as badly as a real one may: for tests and fuzzing.
//!
//! It keeps what was synced apart from what was only written. [`FaultyDisk::crash`] makes the disk that a machine would find after
//! a power cut: each write since the last sync is there, missing, or there in part, 512 bytes at a time and in any order; names
//! made since the last sync of their directory are there up to some point in time.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::{Disk, DiskFile, DiskLock, OpenMode};
use file::{FaultyFile, Inode};

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug, Clone)]
enum NameChange {
    Add(PathBuf, u64),
    Remove(PathBuf),
}

impl NameChange {
    fn directory(&self) -> Option<&Path> {
        match self {
            Self::Add(path, _) | Self::Remove(path) => path.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Add(path, inode) => {
                names.insert(path, inode);
            }
            Self::Remove(path) => {
                names.remove(&path);
            }
        }
    }
}

#[derive(Debug)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<NameChange>,
    directories: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    random: u64,
    operations: u64,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Faults {
    capacity: Option<u64>,
    fail_write: Option<u64>,
    fail_sync: Option<u64>,
    power_off: Option<u64>,
}

/// The next number of a fixed series; good enough to choose faults by.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Counts a fault down; true when it is due.
fn is_due(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl State {
    /// Counts an operation that changes something, and fails it when the power is off.
    fn operate(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.faults.power_off {
            Some(0) => Err(Errno::IO.into()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        let inodes = self
            .names
            .values()
            .filter_map(|inode| self.inodes.get(inode));
        inodes.map(|inode| inode.content.len() as u64).sum()
    }

    /// Fails when `more` bytes do not fit.
    fn reserve(&self, more: u64) -> io::Result<()> {
        match self.faults.capacity {
            Some(capacity) if more > 0 && self.used() + more > capacity => Err(Errno::NOSPC.into()),
            Some(_) | None => Ok(()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.pending_names.push(change);
    }
}

impl Default for FaultyDisk {
    fn default() -> Self {
        Self::new(0)
    }
}

impl FaultyDisk {
    /// Makes an empty disk. The seed decides the numbers that [`Disk::entropy`] returns.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            directories: BTreeSet::new(),
            locked: BTreeSet::new(),
            random: seed,
            operations: 0,
            faults: Faults::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        crate::shared::lock(&self.0)
    }

    /// Returns the disk as it is after a power cut now. This disk goes on as if nothing had happened.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut random = seed;
        let mut names = state.durable_names.clone();
        let kept = next_random(&mut random) % (state.pending_names.len() as u64 + 1);
        for change in state
            .pending_names
            .iter()
            .take(crate::fields::to_usize(kept))
        {
            change.clone().apply(&mut names);
        }
        let inodes = names.values().filter_map(|number| {
            let inode = state.inodes.get(number)?;
            Some((*number, inode.crash(&mut random)))
        });
        let inodes = inodes.collect();
        let crashed = Self::new(random);
        {
            let mut after = crashed.state();
            after.inodes = inodes;
            after.durable_names = names.clone();
            after.names = names;
            after.directories = state.directories.clone();
        }
        crashed
    }

    /// Makes the write after the next `count` ones fail, having written a part.
    pub fn fail_write(&self, count: u64) {
        self.state().faults.fail_write = Some(count);
    }

    /// Makes the sync after the next `count` ones fail.
    pub fn fail_sync(&self, count: u64) {
        self.state().faults.fail_sync = Some(count);
    }

    /// Makes everything fail after the next `count` operations that change something.
    pub fn power_off_after(&self, count: u64) {
        self.state().faults.power_off = Some(count);
    }

    /// Sets how many bytes all files may take together.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state().faults.capacity = capacity;
    }

    /// Returns how many operations have changed something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns the path and length of each file.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let files = state.names.iter().filter_map(|(path, inode)| {
            let inode = state.inodes.get(inode)?;
            Some((path.clone(), inode.content.len() as u64))
        });
        files.collect()
    }

    /// Returns a file's bytes.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.names.get(path)?;
        state.inodes.get(inode).map(|inode| inode.content.clone())
    }

    /// Sets a file's bytes, durably, as if by someone else.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut state = self.state();
        let number = state.inodes.keys().next_back().map_or(0, |last| last + 1);
        state
            .inodes
            .insert(number, Inode::durable(content.to_vec()));
        state.names.insert(path.to_path_buf(), number);
        state.durable_names.insert(path.to_path_buf(), number);
    }

    /// Turns one bit of a file over, as if by decay. Returns whether there is such a bit.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> bool {
        let mut state = self.state();
        let Some(number) = state.names.get(path).copied() else {
            return false;
        };
        state
            .inodes
            .get_mut(&number)
            .is_some_and(|inode| inode.flip(bit))
    }
}

#[derive(Debug)]
struct FaultyLock(Arc<Mutex<State>>, PathBuf);

impl DiskLock for FaultyLock {}

impl Drop for FaultyLock {
    fn drop(&mut self) {
        crate::shared::lock(&self.0).locked.remove(&self.1);
    }
}

impl Disk for FaultyDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let known = state.names.get(path).copied();
        let inode = match (mode, known) {
            (OpenMode::Read | OpenMode::Write, None) => return Err(io::ErrorKind::NotFound.into()),
            (OpenMode::Read | OpenMode::Write, Some(inode)) => inode,
            (OpenMode::Create, Some(inode)) => {
                state.operate()?;
                if let Some(inode) = state.inodes.get_mut(&inode) {
                    inode.set_length(0);
                }
                inode
            }
            (OpenMode::Create, None) => {
                state.operate()?;
                let inode = state.inodes.keys().next_back().map_or(0, |last| last + 1);
                state.inodes.insert(inode, Inode::default());
                state.change_name(NameChange::Add(path.to_path_buf(), inode));
                inode
            }
        };
        Ok(Arc::new(FaultyFile::new(Arc::clone(&self.0), inode)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.change_name(NameChange::Remove(from.to_path_buf()));
        state.change_name(NameChange::Add(to.to_path_buf(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_name(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        let names =
            inside.filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned()));
        Ok(names.collect())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        for ancestor in path.ancestors() {
            state.directories.insert(ancestor.to_path_buf());
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if is_due(&mut state.faults.fail_sync) {
            return Err(Errno::IO.into());
        }
        let pending = std::mem::take(&mut state.pending_names);
        for change in pending {
            if change.directory() == Some(path) {
                change.apply(&mut state.durable_names);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn sync_all(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if is_due(&mut state.faults.fail_sync) {
            return Err(Errno::IO.into());
        }
        for inode in state.inodes.values_mut() {
            inode.sync();
        }
        state.pending_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        if !self.state().locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(FaultyLock(
            Arc::clone(&self.0),
            path.to_path_buf(),
        )))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state();
        let capacity = state.faults.capacity.unwrap_or(u64::MAX);
        Ok(capacity.saturating_sub(state.used()))
    }

    fn entropy(&self) -> u64 {
        next_random(&mut self.state().random)
    }
}
