//! What this peer has: which file holds which content, with the hashes of its groups, so that nothing that is unchanged is hashed twice
//! and what is asked for is answered from the disk a segment at a time.
//!
//! One SQLite file, which several processes of the same person may have open. It is a cache of what the shared folders hold: it may be removed,
//! and is made again by hashing everything. What was modified has a revision, so that the server's index can be told of the differences.
//!
//! *Concurrency*: every method may be called from any thread and blocks on the disk; those that read do not wait for those that write.
//!
//! It must never name a file that no share holds any more, or one whose metadata differ from when it was hashed.
//!
//! Start reading at [`Catalog::open`], then [`Catalog::find`].

mod changes;
mod error;
mod lookup;
mod model;
mod partial;
mod write;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use files::content::{Root, Shape};
use files::have::Have;
use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Row, Transaction, TransactionBehavior, params,
};

pub use error::CatalogError;
pub use model::{
    Audience, Changes, Content, Entry, Found, Holding, Kind, Known, Listed, Named, Share, ShareId,
    Stamp,
};

/// The name of the file in the state directory.
pub const FILE: &str = "peer.sqlite";
/// `Chsp`.
const APPLICATION_ID: i32 = 0x4368_7370;
/// The version of the tables.
const VERSION: i32 = 1;
/// How long another process may write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Statements that each connection keeps prepared.
const STATEMENTS_MAX: usize = 64;

/// What this peer has.
#[derive(Debug)]
pub struct Catalog {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Catalog {
    /// Opens the catalog, or makes it. One that is damaged is moved aside and made anew.
    ///
    /// # Durability
    /// What was written last may be lost in a power cut, not by the end of a process.
    ///
    /// # Errors
    /// The file cannot be made, is another program's, or of a later version.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        match Self::open_once(path) {
            Err(CatalogError::Sql(error)) if is_damage(&error) => {
                set_aside(path)?;
                Self::open_once(path)
            }
            opened => opened,
        }
    }

    fn open_once(path: &Path) -> Result<Self, CatalogError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(CatalogError::io(folder))?;
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(CatalogError::io(path)(error));
            }
            Ok(_) | Err(_) => {}
        }
        let mut writer = connect(path)?;
        prepare(&mut writer, path)?;
        Ok(Self {
            writer: Mutex::new(writer),
            reader: Mutex::new(connect(path)?),
        })
    }

    /// Finds a file that holds a content, whole if there is such a one. What is in no share any more, or was changed, is left out.
    ///
    /// # Errors
    /// The database fails.
    pub fn find(&self, root: &Root) -> Result<Option<Holding>, CatalogError> {
        let candidates = self.candidates(root)?;
        let fits = |holding: &Holding| {
            fs::symlink_metadata(&holding.path).is_ok_and(|metadata| holding.fits(&metadata))
        };
        Ok(candidates.into_iter().find(fits))
    }

    fn candidates(&self, root: &Root) -> Result<Vec<Holding>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT files.path, contents.size, mtime_ns, ctime_ns, inode, birth_ns, kind, have
             FROM contents JOIN files ON files.content = contents.id
             LEFT JOIN shares ON shares.id = files.share
             WHERE contents.root = ? AND (files.share IS NULL OR shares.shared = 1)
             ORDER BY have IS NOT NULL, files.id",
        )?;
        let mut rows = statement.query([root.as_bytes().as_slice()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let size = unsigned(row.get(1)?)?;
            found.push(Holding {
                root: *root,
                size,
                path: path_of(row, 0)?,
                stamp: stamp_of(row, 2)?,
                kind: kind_of(row.get(6)?),
                have: have_of(size, row.get(7)?)?,
            });
        }
        Ok(found)
    }

    /// The values of all segments of a content, as peers are told them: none for contents of at most one group.
    ///
    /// # Errors
    /// Nothing is known of the content, or the database fails.
    pub fn top(&self, root: &Root) -> Result<Vec<u8>, CatalogError> {
        let reader = self.read();
        let mut statement =
            reader.prepare_cached("SELECT size, top FROM contents WHERE root = ?")?;
        let row = statement.query_row([root.as_bytes().as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let (size, top): (i64, Option<Vec<u8>>) =
            row.optional()?.ok_or(CatalogError::NotHere(*root))?;
        let shape = Shape::new(unsigned(size)?)?;
        Ok(match top {
            Some(top) => top,
            None if shape.groups() <= 1 => Vec::new(),
            None => root.as_bytes().to_vec(),
        })
    }

    /// The values of the groups of one segment, as peers are told them; none where they are not here, or there is no such segment.
    ///
    /// # Errors
    /// The database fails.
    pub fn segment(&self, root: &Root, index: u32) -> Result<Option<Vec<u8>>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT size, hashes FROM contents
             LEFT JOIN segments ON content = contents.id AND number = ?2 WHERE root = ?1",
        )?;
        let row = statement.query_row(params![root.as_bytes().as_slice(), index], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let Some((size, hashes)): Option<(i64, Option<Vec<u8>>)> = row.optional()? else {
            return Ok(None);
        };
        let is_alone = Shape::new(unsigned(size)?)?.groups() == 1 && index == 0;
        Ok(hashes.or_else(|| is_alone.then(|| root.as_bytes().to_vec())))
    }

    /// The contents that a collection names, if it is here.
    ///
    /// # Errors
    /// The database fails.
    pub fn members(&self, collection: &Root) -> Result<Vec<Root>, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT members.root FROM members JOIN contents ON contents.id = collection
             WHERE contents.root = ?",
        )?;
        let mut rows = statement.query([collection.as_bytes().as_slice()])?;
        let mut members = Vec::new();
        while let Some(row) = rows.next()? {
            members.push(root_of(row, 0)?);
        }
        Ok(members)
    }

    /// Whether a collection that is here names a content.
    ///
    /// # Errors
    /// The database fails.
    pub fn is_member(&self, collection: &Root, root: &Root) -> Result<bool, CatalogError> {
        let reader = self.read();
        let mut statement = reader.prepare_cached(
            "SELECT 1 FROM members JOIN contents ON contents.id = collection
             WHERE contents.root = ? AND members.root = ?",
        )?;
        Ok(statement.exists([collection.as_bytes().as_slice(), root.as_bytes().as_slice()])?)
    }

    fn read(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes in one transaction: everything or nothing.
    fn write<T>(
        &self,
        work: impl FnOnce(&write::Batch<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let batch = write::Batch::begin(&transaction)?;
        let done = work(&batch)?;
        batch.finish()?;
        transaction.commit()?;
        Ok(done)
    }
}

fn connect(path: &Path) -> Result<Connection, CatalogError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Makes the tables of a new file.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), CatalogError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION_ID, VERSION) => return complete(transaction),
        (0, 0) => {}
        _ => return Err(CatalogError::Foreign(path.to_owned())),
    }
    let is_blank = !transaction
        .prepare("SELECT 1 FROM sqlite_schema")?
        .exists([])?;
    if !is_blank {
        return Err(CatalogError::Foreign(path.to_owned()));
    }
    transaction.execute_batch(include_str!("catalog/schema.sql"))?;
    // Revisions begin at the time of day in microseconds: above all those of a catalog that was here before and is lost, so that the server's
    // revision tells whether it knows this one.
    transaction.execute(
        "INSERT INTO head VALUES (0, unixepoch('subsec') * 1000000, unixepoch('subsec') * 1000000)",
        [],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    complete(transaction)
}

/// Makes what a catalog of this version may lack if an earlier program made it, which can go on with it: an index changes nothing of the tables.
fn complete(transaction: Transaction<'_>) -> Result<(), CatalogError> {
    transaction.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS files_by_name ON files ({})
         WHERE kind = 0 AND have IS NULL",
        lookup::BASE_NAME
    ))?;
    transaction.commit()?;
    Ok(())
}

fn is_damage(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error_code()
        .is_some_and(|code| matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Moves a damaged file out of the way, and removes what SQLite kept beside it.
fn set_aside(path: &Path) -> Result<(), CatalogError> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    fs::rename(path, beside(".damaged")).map_err(CatalogError::io(path))?;
    for suffix in ["-wal", "-shm"] {
        match fs::remove_file(beside(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CatalogError::io(beside(suffix))(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The range of the paths below a folder, as bytes; the first is the prefix of them all.
fn below(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut from = folder.as_os_str().as_bytes().to_vec();
    if from.last() != Some(&b'/') {
        from.push(b'/');
    }
    let mut to = from.clone();
    // What follows `/` in the order of bytes.
    if let Some(last) = to.last_mut() {
        *last = b'0';
    }
    (from, to)
}

fn unsigned(value: i64) -> Result<u64, CatalogError> {
    u64::try_from(value).map_err(|_| CatalogError::Damaged("a number below zero"))
}

fn path_of(row: &Row<'_>, column: usize) -> Result<PathBuf, CatalogError> {
    let path = row.get_ref(column)?.as_blob();
    let path = path.map_err(rusqlite::Error::from)?;
    Ok(Path::new(OsStr::from_bytes(path)).to_owned())
}

fn root_of(row: &Row<'_>, column: usize) -> Result<Root, CatalogError> {
    let root = row.get_ref(column)?.as_blob();
    let root = root.map_err(rusqlite::Error::from)?;
    Root::try_from(root).map_err(|_| CatalogError::Damaged("a root that is none"))
}

fn stamp_of(row: &Row<'_>, column: usize) -> Result<Stamp, CatalogError> {
    Ok(Stamp {
        mtime_ns: row.get(column)?,
        ctime_ns: row.get(column + 1)?,
        inode: row.get::<_, i64>(column + 2)?.cast_unsigned(),
        birth_ns: row.get(column + 3)?,
    })
}

const fn kind_of(kind: i64) -> Kind {
    match kind {
        1 => Kind::Collection,
        _ => Kind::File,
    }
}

fn have_of(size: u64, have: Option<Vec<u8>>) -> Result<Option<Have>, CatalogError> {
    let groups = Shape::new(size)?.groups();
    let decode = |have: Vec<u8>| Have::decode(groups, &have);
    let have = have.map(decode).transpose();
    have.map_err(|_| CatalogError::Damaged("parts of a content that has no such parts"))
}
