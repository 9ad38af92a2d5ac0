//! What can go wrong between the store and its disk.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// A disk operation that failed, or a data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another process has the data directory open.
    #[error("the data directory {} is in use by another server", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("cannot {operation} {}", path.display())]
    Disk {
        /// A verb phrase, such as `write`.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something stands in the data directory that the store did not put there. Nothing was changed.
    #[error("refusing to use {}: {reason}", path.display())]
    Unexpected {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An earlier write or sync of the journal failed: what is on the disk is no longer known.
    #[error("the store has stopped after an earlier failure: {reason}")]
    Poisoned {
        /// The first failure, in words.
        reason: String,
    },
}

impl Failure {
    /// Makes a failure of `operation` on `path`.
    pub(crate) fn disk(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Disk {
            operation,
            path: path.to_path_buf(),
            source,
        }
    }

    /// Tells whether the operation may succeed once there is space on the disk again.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Disk { source, .. } => is_full(source),
            Self::Locked { .. } | Self::Unexpected { .. } | Self::Poisoned { .. } => false,
        }
    }
}

/// Tells whether an error means that there is no space, rather than that the disk is broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| errno == Errno::NOSPC || errno == Errno::DQUOT)
}
