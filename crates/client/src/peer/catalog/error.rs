//! Why the catalog could not do what it was asked.

use std::io;
use std::path::PathBuf;

use files::content::{Invalid, Root, TooLarge};

/// Why the catalog could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file holds something else, or was written by a later version.
    #[error("{0} is no catalog of this version; move it away and another is made")]
    Foreign(PathBuf),
    /// The database fails.
    #[error("the catalog of files fails")]
    Sql(#[from] rusqlite::Error),
    /// A file or the disk fails.
    #[error("{path}")]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// What was brought is not part of the content.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The content is too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The content is not in the catalog.
    #[error("nothing is known of {0}")]
    NotHere(Root),
    /// Not all lists of hashes are there.
    #[error("hashes of {0} are missing")]
    Incomplete(Root),
    /// A row holds what this program does not write.
    #[error("the catalog is damaged: {0}; remove it and another is made")]
    Damaged(&'static str),
}

impl CatalogError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}
