//! The files of the faulty disk.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::super::DiskFile;
use super::{State, is_due, next_random};
use crate::fields::to_usize;

const SECTOR_BYTES: usize = 512;

/// A file's bytes as they are read, as they would be found after a crash, and the changes between the two.
#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) content: Vec<u8>,
    synced: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => write(content, *at, bytes),
            Self::Length(length) => content.resize(*length, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}

impl Inode {
    pub(super) fn durable(content: Vec<u8>) -> Self {
        Self {
            synced: content.clone(),
            content,
            pending: Vec::new(),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.content);
        self.pending.push(change);
    }

    pub(super) fn set_length(&mut self, length: usize) {
        self.change(Change::Length(length));
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.synced);
        }
    }

    pub(super) fn flip(&mut self, bit: u64) -> bool {
        let (byte, mask) = (to_usize(bit / 8), 1 << (bit % 8));
        for content in [&mut self.content, &mut self.synced] {
            let Some(byte) = content.get_mut(byte) else {
                return false;
            };
            *byte ^= mask;
        }
        true
    }

    /// Returns the file as a machine may find it after a power cut.
    pub(super) fn crash(&self, random: &mut u64) -> Self {
        let mut content = self.synced.clone();
        for change in &self.pending {
            match (next_random(random) % 3, change) {
                (0, _) => {}
                (1, Change::Write(at, bytes)) => {
                    for (index, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                        if next_random(random).is_multiple_of(2) {
                            write(&mut content, at + index * SECTOR_BYTES, sector);
                        }
                    }
                }
                (_, change) => change.apply(&mut content),
            }
        }
        Self::durable(content)
    }
}

#[derive(Debug)]
pub(super) struct FaultyFile {
    disk: Arc<Mutex<State>>,
    inode: u64,
}

impl FaultyFile {
    pub(super) const fn new(disk: Arc<Mutex<State>>, inode: u64) -> Self {
        Self { disk, inode }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        crate::shared::lock(&self.disk)
    }

    fn grow(&self, state: &mut State, length: u64) -> io::Result<()> {
        let now = state
            .inodes
            .get(&self.inode)
            .map_or(0, |inode| inode.content.len() as u64);
        state.reserve(length.saturating_sub(now))
    }
}

fn inode(state: &mut State, number: u64) -> io::Result<&mut Inode> {
    state
        .inodes
        .get_mut(&number)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(inode(&mut self.state(), self.inode)?.content.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        let content = &inode(&mut state, self.inode)?.content;
        let bytes = content.get(to_usize(offset)..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if is_due(&mut state.faults.fail_write) {
            let part = bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec();
            inode(&mut state, self.inode)?.change(Change::Write(to_usize(offset), part));
            return Err(Errno::IO.into());
        }
        self.grow(&mut state, offset + bytes.len() as u64)?;
        inode(&mut state, self.inode)?.change(Change::Write(to_usize(offset), bytes.to_vec()));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        if is_due(&mut state.faults.fail_sync) {
            return Err(Errno::IO.into());
        }
        inode(&mut state, self.inode)?.sync();
        Ok(())
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        self.grow(&mut state, length)?;
        let inode = inode(&mut state, self.inode)?;
        let length = to_usize(length).max(inode.content.len());
        inode.set_length(length);
        Ok(())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate()?;
        self.grow(&mut state, length)?;
        inode(&mut state, self.inode)?.set_length(to_usize(length));
        Ok(())
    }

    fn start_writeback(&self, _offset: u64, _length: u64) {}

    fn advise_sequential(&self) {}
}
