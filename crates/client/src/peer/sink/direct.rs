//! Writing past the page cache: what is fetched is not read again soon, and copying it into the cache and out again costs more than
//! everything else that is done with it.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::{Errno, pwritev};

use crate::peer::limits::DISK_ALIGNMENT;

/// A file that is written without a copy in the page cache.
#[derive(Debug)]
pub(super) struct Direct(File);

impl Direct {
    /// Opens a file that is there, where its file system can do it.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let flags = OFlags::DIRECT | OFlags::NOFOLLOW;
        let file = OpenOptions::new()
            .write(true)
            .custom_flags(flags.bits().cast_signed())
            .open(path)
            .ok()?;
        Some(Self(file))
    }

    /// Whether these bytes can be written so.
    pub(super) fn takes(bytes: &[u8]) -> bool {
        !bytes.is_empty()
            && bytes.len().is_multiple_of(DISK_ALIGNMENT)
            && bytes.as_ptr().align_offset(DISK_ALIGNMENT) == 0
    }

    /// Writes bytes that [`Self::takes`] allows one behind the other, from a multiple of [`DISK_ALIGNMENT`] on.
    pub(super) fn write(&self, mut bytes: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match pwritev(&self.0, bytes, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    IoSlice::advance_slices(&mut bytes, count);
                    at += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
