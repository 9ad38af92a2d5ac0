//! Writing past the page cache: what is fetched is not read again soon, and copying it into the cache and out again costs more than
//! everything else that is done with it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use crate::peer::limits::DISK_ALIGNMENT;

/// Buffers that are kept for the next groups.
const BUFFERS_MAX: usize = 8;

/// A file that is written without a copy in the page cache.
#[derive(Debug)]
pub(super) struct Direct {
    file: File,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Direct {
    /// Opens a file that is there, where its file system can do it.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let flags = OFlags::DIRECT | OFlags::NOFOLLOW;
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .ok()?;
        Some(Self {
            file,
            buffers: Mutex::default(),
        })
    }

    /// Whether that many bytes can be written so.
    pub(super) const fn takes(bytes: &[u8]) -> bool {
        !bytes.is_empty() && bytes.len().is_multiple_of(DISK_ALIGNMENT)
    }

    /// Writes bytes that [`Self::takes`] allows, at a multiple of their length.
    pub(super) fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if bytes.as_ptr().align_offset(DISK_ALIGNMENT) == 0 {
            return self.file.write_all_at(bytes, at);
        }
        let mut buffer = self.buffers().pop().unwrap_or_default();
        buffer.resize(bytes.len() + DISK_ALIGNMENT, 0);
        let start = buffer.as_ptr().align_offset(DISK_ALIGNMENT);
        let aligned = buffer.get_mut(start..start + bytes.len());
        let written = aligned.ok_or_else(|| io::ErrorKind::InvalidInput.into());
        let written = written.and_then(|aligned| {
            aligned.copy_from_slice(bytes);
            self.file.write_all_at(aligned, at)
        });
        let mut buffers = self.buffers();
        if buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
        written
    }

    fn buffers(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
