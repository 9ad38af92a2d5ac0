//! The file of a database: made, opened and closed to others in one way for each of them.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::Failure;
use crate::limits::{BUSY_TIMEOUT, STATEMENTS_MAX};
use crate::schema::{MigrateError, Schema};

/// Read and written by the server's own account only.
const FILE_MODE: u32 = 0o600;

/// Opens a database for writing, creating it or bringing it up to date if need be.
///
/// Durability: a new file and a new schema are on disk on return.
///
/// Errors: the file cannot be opened, belongs to another program, or was
/// written by a later version of this one.
pub(crate) fn open(path: &Path, schema: &Schema<'_>) -> Result<Connection, Failure> {
    create_file(path).map_err(|source| Failure::new("create", path, source))?;
    let connection =
        open_database(path, schema).map_err(|source| Failure::new("open", path, source))?;
    // Only now is it known to be ours.
    restrict_files(path)
        .map_err(|source| Failure::new("restrict the permissions of", path, source))?;
    Ok(connection)
}

/// Opens a database of the current schema for reading.
///
/// Errors: the file is missing or damaged, or its schema is not the current one.
pub(crate) fn open_reader(path: &Path, schema: &Schema<'_>) -> Result<Connection, Failure> {
    let open = || -> Result<Connection, MigrateError> {
        let connection = open_read_only(path)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        schema.check_current(&connection)?;
        Ok(connection)
    };
    open().map_err(|source| Failure::new("read", path, source))
}

/// Opens a database of whatever schema for reading.
pub(crate) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Whether an error leaves it unknown what is on the disk.
///
/// After a failed write or sync the kernel may drop the very pages that a
/// second sync would then report as written.
pub(crate) fn is_poisonous(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code().is_some_and(|code| {
        [
            ErrorCode::SystemIoFailure,
            ErrorCode::DatabaseCorrupt,
            ErrorCode::NotADatabase,
        ]
        .contains(&code)
    })
}

/// Creates the file with its final mode, so that it is never readable by
/// others; SQLite gives its companion files the same mode.
fn create_file(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path);
    match created {
        Ok(file) => {
            file.sync_all()?;
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Closes an older or copied database and its companions to others, whatever
/// mode they came with.
fn restrict_files(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::set_permissions(&file, Permissions::from_mode(FILE_MODE)) {
            Ok(()) => {}
            // Companions come and go.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn open_database(path: &Path, schema: &Schema<'_>) -> Result<Connection, MigrateError> {
    // Neither as a URI nor creating: a path is only a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    schema.check(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    schema.migrate(&mut connection)?;
    Ok(connection)
}
