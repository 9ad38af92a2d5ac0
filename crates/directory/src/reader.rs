//! Reading a directory that another connection writes.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::Failure;
use crate::file;
use crate::model::{AuditEntry, AuditFilter, Snapshot};
use crate::schema;
use crate::table;

/// A directory opened for reading; it modifies nothing and sees what is committed.
///
/// Concurrency: owned by one thread at a time; every method blocks on the disk,
/// and neither waits for a writer nor keeps one waiting. Drop it before the
/// [`crate::Directory`], which else leaves its write-ahead log behind.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens a directory for reading.
    ///
    /// Errors: the file is missing or damaged, or its schema is not the current one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            connection: file::open_reader(path, &schema::DIRECTORY)?,
            path: path.to_owned(),
        })
    }

    /// Reads everything but the audit log, as of one moment.
    ///
    /// Errors: the disk fails, or a row holds what no version of ours writes.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        table::load(&self.connection).map_err(|source| Failure::new("read", &self.path, source))
    }

    /// Reads a part of the audit log, in the order of its numbers.
    ///
    /// To follow the log, ask again with the last number as
    /// [`AuditFilter::after_id`].
    ///
    /// Errors: as for [`Reader::snapshot`].
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, Failure> {
        table::audit(&self.connection, filter)
            .map_err(|source| Failure::new("read the audit log in", &self.path, source))
    }
}
