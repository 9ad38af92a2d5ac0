//! The one narrow way to the disk, so that tests can tear writes, fail syncs and fill disks.

#[cfg(any(test, feature = "faults"))]
pub mod faulty;
mod real;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; it is made empty, whether it exists or not.
    Create,
}

/// The directories and files that the store uses.
///
/// # Concurrency
/// Called from the committer, the checkpoint thread and every shard thread at once.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a regular file.
    ///
    /// # Errors
    /// As the operating system says; `InvalidInput` if it is no regular file of this user (symbolic links are not followed).
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file, replacing what has the new name. Durable after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Lists the names in a directory, in no order.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes a directory, and those above it, that only this user can enter.
    ///
    /// # Errors
    /// As the operating system says; that it exists already is none.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes everything that was written on the file system of `path` durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_all(&self, path: &Path) -> io::Result<()>;

    /// Takes a lock on a file that lasts until the returned value is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// Returns how many bytes this user can still write.
    ///
    /// # Errors
    /// As the operating system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Returns a number that nobody can guess.
    fn entropy(&self) -> u64;
}

/// Says how a write that was to be durable failed.
#[derive(Debug)]
pub enum WriteError {
    /// The bytes, or some of them, were not taken; to write them again is sound.
    Write(io::Error),
    /// What is on the disk is unknown for good.
    Sync(io::Error),
}

/// A lock that is held.
pub trait DiskLock: fmt::Debug + Send + Sync {}

/// One open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Returns the length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads until the buffer is full or the file ends, and returns how much was read.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads like [`DiskFile::read_at`], and what the disk holds rather than what memory says that it does. Fastest for whole files: it
    /// leaves nothing in the page cache.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_through(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    /// Writes all bytes. They survive a crash of the machine only after [`DiskFile::sync`].
    ///
    /// # Errors
    /// As the operating system says; a part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes and returns when they are durable; of other writes it says nothing. Fastest where offset, length and
    /// address are multiples of 4,096.
    ///
    /// # Errors
    /// [`WriteError::Write`] as for [`DiskFile::write_at`]; [`WriteError::Sync`] as for [`DiskFile::sync`].
    fn write_through(&self, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        self.write_at(bytes, offset).map_err(WriteError::Write)?;
        self.sync().map_err(WriteError::Sync)
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// As the operating system says; what is on the disk is then unknown for good.
    fn sync(&self) -> io::Result<()>;

    /// Reserves space up to `length` bytes and makes the file at least that long. It may write zeros there, as blocks that were
    /// written before are synced faster.
    ///
    /// # Errors
    /// As the operating system says.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts or extends the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Asks for written bytes to move to the disk soon. Promises nothing.
    fn start_writeback(&self, offset: u64, length: u64);

    /// Tells that the file will be read from front to back.
    fn advise_sequential(&self);
}
