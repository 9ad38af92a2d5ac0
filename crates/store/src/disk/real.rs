//! The operating system's disk.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustix::fs::{Advice, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{Disk, DiskFile, DiskLock, OpenMode, WriteError};
use crate::failure::is_full;
use crate::frame::FrameBuffer;

/// The disk of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl RealDisk {
    /// Makes one; it holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

/// How much is read or zeroed at once past the page cache; a commit that comes meanwhile waits for one such write at most.
const PIECE_BYTES: usize = 1 << 20;
/// What direct reads and writes align to: at least the logical block of every disk in use.
const DIRECT_ALIGNMENT: usize = 4096;

#[derive(Debug)]
struct RealFile {
    file: OwnedFd,
    /// The same file past the page cache, opened when it is first needed; nothing where the file system cannot do it.
    direct: OnceLock<Option<OwnedFd>>,
}

impl RealFile {
    const fn new(file: OwnedFd) -> Self {
        Self {
            file,
            direct: OnceLock::new(),
        }
    }

    fn direct(&self) -> Option<&OwnedFd> {
        let open = || self.open_direct(OFlags::WRONLY | OFlags::DSYNC);
        self.direct.get_or_init(open).as_ref()
    }

    fn open_direct(&self, how: OFlags) -> Option<OwnedFd> {
        // By descriptor, not by name: the name may have changed hands.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let flags = how | OFlags::DIRECT | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).ok()
    }

    /// Reads past the page cache. Returns how much it got before the end, or before it found that this file cannot be read so.
    fn read_direct(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let is_aligned = offset.is_multiple_of(DIRECT_ALIGNMENT as u64);
        let direct = is_aligned.then(|| self.open_direct(OFlags::RDONLY));
        let Some(direct) = direct.flatten() else {
            return Ok(0);
        };
        let mut piece = FrameBuffer::default();
        piece.hold(&vec![
            0;
            PIECE_BYTES.min(
                buffer.len().next_multiple_of(DIRECT_ALIGNMENT)
            )
        ]);
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let count = match rustix::io::pread(&direct, piece.block(), offset + done as u64) {
                Ok(count) => count.min(rest.len()),
                Err(Errno::INTR) => continue,
                // Some file systems open a file so and then refuse to read it.
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            };
            let (read, _) = rest.split_at_mut(count);
            let found = piece.as_slice().get(..count).unwrap_or_default();
            // Zeros over untouched zeros would cost their memory.
            if *read != *found {
                read.copy_from_slice(found);
            }
            done += count;
            if !count.is_multiple_of(DIRECT_ALIGNMENT) || count == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Writes past the page cache, durably. False when this file, or these bytes, cannot go that way.
    fn write_direct(&self, bytes: &[u8], offset: u64) -> io::Result<bool> {
        let aligned = bytes.as_ptr().align_offset(DIRECT_ALIGNMENT) == 0
            && bytes.len().is_multiple_of(DIRECT_ALIGNMENT)
            && offset.is_multiple_of(DIRECT_ALIGNMENT as u64);
        let Some(direct) = self.direct().filter(|_| aligned) else {
            return Ok(false);
        };
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pwrite(direct, rest, offset + done as u64) {
                // Some file systems open a file so and then refuse to write it.
                Err(Errno::INVAL) => return Ok(false),
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    /// Writes zeros from `start` to `end`, so that what is written there later changes no metadata.
    fn zero(&self, mut start: u64, end: u64) -> io::Result<()> {
        let mut zeros = FrameBuffer::default();
        zeros.hold(&vec![0; PIECE_BYTES]);
        while start < end {
            let count = usize::try_from(end - start).unwrap_or(usize::MAX);
            let piece = zeros.as_slice().get(..count).unwrap_or(zeros.as_slice());
            if !self.write_direct(piece, start)? {
                // Through the page cache it would cost more than it saves.
                break;
            }
            start += piece.len() as u64;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct RealLock(#[expect(dead_code, reason = "held for its lock alone")] OwnedFd);

impl DiskLock for RealLock {}

/// Refuses what only looks like a file of ours: a directory, a device, a file that another user can change.
fn check_ours(file: &OwnedFd) -> io::Result<()> {
    let status = rustix::fs::fstat(file)?;
    let what = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("it is a directory"),
        FileType::Symlink
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Some("it is not a regular file"),
    };
    if let Some(what) = what {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    if status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it belongs to another user",
        ));
    }
    Ok(())
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        // Without O_NONBLOCK the open of a planted FIFO would never return.
        let common = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = common
            | match mode {
                OpenMode::Read => OFlags::RDONLY,
                OpenMode::Write => OFlags::RDWR,
                OpenMode::Create => OFlags::RDWR | OFlags::CREATE,
            };
        let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::LOOP) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is a symbolic link",
                ));
            }
            Err(Errno::ISDIR) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is a directory",
                ));
            }
            other => other?,
        };
        check_ours(&file)?;
        if mode == OpenMode::Create {
            rustix::fs::ftruncate(&file, 0)?;
        }
        Ok(Arc::new(RealFile::new(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn sync_all(&self, path: &Path) -> io::Result<()> {
        rustix::fs::syncfs(fs::File::open(path)?)?;
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
        check_ours(&file)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(RealLock(file)))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let status = rustix::fs::statvfs(path)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }

    fn entropy(&self) -> u64 {
        let mut bytes = [0; 8];
        match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
            Ok(8) => u64::from_le_bytes(bytes),
            // Every Linux that Rust supports has the system call; the standard library's own seed is as good.
            Ok(_) | Err(_) => {
                use std::hash::{BuildHasher, Hasher, RandomState};
                RandomState::new().build_hasher().finish()
            }
        }
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        let length = rustix::fs::fstat(&self.file)?.st_size;
        u64::try_from(length).map_err(io::Error::other)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.file, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn read_through(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let done = self.read_direct(buffer, offset)?;
        let rest = buffer.get_mut(done..).unwrap_or_default();
        Ok(done + self.read_at(rest, offset + done as u64)?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pwrite(&self.file, rest, offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_through(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        match self.write_direct(bytes, offset) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.write_at(bytes, offset).map_err(WriteError::Write)?;
                self.sync().map_err(WriteError::Sync)
            }
            // Nothing of it lies in the page cache: writing it again is sound.
            Err(error) if is_full(&error) => Err(WriteError::Write(error)),
            Err(error) => Err(WriteError::Sync(error)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        // Not repeated on any error: after a failed sync the kernel may have dropped the pages and answer "done" the next time.
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let before = self.length()?;
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => self.zero(before.next_multiple_of(DIRECT_ALIGNMENT as u64), length),
            // Some file systems cannot reserve; the file then grows as it is written.
            Err(Errno::OPNOTSUPP) => Ok(rustix::fs::ftruncate(&self.file, length)?),
            Err(error) => Err(error.into()),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        Ok(rustix::fs::ftruncate(&self.file, length)?)
    }

    fn start_writeback(&self, offset: u64, length: u64) {
        // Linux starts the write-back of pages that are advised away while dirty, without waiting for it; clean pages behind
        // the writer are dropped, which is what a backlog on disk wants.
        let _ = rustix::fs::fadvise(
            &self.file,
            offset,
            std::num::NonZeroU64::new(length),
            Advice::DontNeed,
        );
    }

    fn advise_sequential(&self) {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::Sequential);
    }
}
