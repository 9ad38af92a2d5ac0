//! What is told of sharing.

use std::io;

use files::content::{Root, TooLarge};
use files::path::PathRefused;

use crate::peer::catalog::CatalogError;

/// Something that happened.
#[derive(Debug)]
pub enum ShareEvent {
    /// How far hashing has come.
    Progress(Progress),
    /// A file is shared, for the first time or with other bytes than before.
    Shared {
        /// The share's label, and the path below it.
        path: String,
        /// Bytes.
        size: u64,
        /// The content.
        root: Root,
    },
    /// A file is gone.
    Removed {
        /// The share's label, and the path below it.
        path: String,
    },
    /// Something is not shared, and will not be until it changes.
    LeftOut {
        /// What, fit to be printed.
        path: String,
        /// Why.
        reason: LeftOut,
    },
    /// A file does not come to rest; it is hashed when it does.
    Restless {
        /// The share's label, and the path below it.
        path: String,
    },
    /// A folder as a whole is shared as this content.
    Collection {
        /// The share's label.
        path: String,
        /// The manifest.
        root: Root,
        /// Files in it.
        files: usize,
        /// Bytes of them.
        bytes: u64,
    },
    /// Everything is hashed that can be.
    Ready {
        /// Files that are shared.
        files: u64,
        /// Bytes of them.
        bytes: u64,
    },
    /// Nothing tells of modifications: folders are looked at now and then.
    Unwatched {
        /// Why.
        reason: String,
    },
    /// The catalog could not be written; it is tried again.
    Failed {
        /// Why.
        error: CatalogError,
    },
}

/// Why something is not shared.
#[derive(Debug, thiserror::Error)]
pub enum LeftOut {
    /// Its name could do harm elsewhere.
    #[error("{}", .0.wrong)]
    Name(PathRefused),
    /// It is a symbolic link.
    #[error("a symbolic link")]
    Link,
    /// It is neither file nor folder.
    #[error("neither file nor folder")]
    Special,
    /// It is larger than any content.
    #[error(transparent)]
    TooLarge(TooLarge),
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is shared, but not with the folder as a whole.
    #[error("not in the folder's manifest: {0}")]
    Manifest(String),
}

/// How far hashing has come, since it had nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Files that were hashed.
    pub files: u64,
    /// Bytes that were hashed.
    pub bytes: u64,
    /// Files that are to be, so far as is known.
    pub files_due: u64,
    /// Bytes that are to be, so far as is known.
    pub bytes_due: u64,
    /// Bytes in a second, lately.
    pub bytes_per_s: u64,
    /// Whether folders are still being walked, so that more may come.
    pub is_walking: bool,
}
