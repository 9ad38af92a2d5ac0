//! Looking at a file index without modifying it, for `chaski doctor`.

use std::path::Path;

use rusqlite::{Connection, Result as SqlResult};

use super::schema::FILES;
use crate::error::Failure;
use crate::inspect::{Inspection, check_references, inspect_as, report, rows};

/// How much a file index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileCounts {
    /// Peers, live or not.
    pub peers: u64,
    /// Their files.
    pub files: u64,
    /// Links.
    pub links: u64,
    /// Peers that are gone and of whose files some have still to go.
    pub gone: u64,
}

/// Inspects a file index, which may be in use, and modifies nothing in it.
///
/// Damage is a finding, not an error.
///
/// Errors: the file is missing or cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection<FileCounts>, Failure> {
    inspect_as(path, &FILES, |connection, problems| {
        check_references(connection, problems)?;
        check_rows(connection, problems)?;
        count(connection)
    })
}

fn check_rows(connection: &Connection, problems: &mut Vec<String>) -> SqlResult<()> {
    for (sql, what) in [
        (
            "SELECT count(*) FROM files WHERE peer NOT IN (SELECT number FROM peers UNION SELECT number FROM gone)",
            "files are of no peer",
        ),
        (
            "SELECT count(*) FROM peers AS p
             WHERE p.files <> (SELECT count(*) FROM files AS f WHERE f.peer = p.number)",
            "peers have another number of files than they say",
        ),
        (
            "SELECT count(*) FROM peers WHERE number IN (SELECT number FROM gone)",
            "peers have the number of one that is gone",
        ),
        (
            "SELECT count(*) FROM counters WHERE name = 'peer'
                 AND value < (SELECT max(number) FROM (SELECT number FROM peers UNION SELECT number FROM gone))",
            "counters would give a number twice",
        ),
        (
            "SELECT count(*) FROM counters WHERE name = 'file' AND value < (SELECT max(id) FROM files)",
            "counters would give a file's number twice",
        ),
        (
            "SELECT 2 - count(*) FROM counters WHERE name IN ('peer', 'file')",
            "counters are missing",
        ),
    ] {
        report(connection, problems, sql, what)?;
    }
    Ok(())
}

fn count(connection: &Connection) -> SqlResult<FileCounts> {
    Ok(FileCounts {
        peers: rows(connection, "peers")?,
        files: rows(connection, "files")?,
        links: rows(connection, "links")?,
        gone: rows(connection, "gone")?,
    })
}
