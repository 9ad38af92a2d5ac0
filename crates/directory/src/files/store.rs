//! The open store: committing changes, and beginning anew where the file is damaged.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result as SqlResult, TransactionBehavior};

use super::apply;
use super::change::{FileChange, FileOutcome};
use super::model::{AudienceMember, FileLink, FilePeer};
use super::schema::FILES;
use crate::error::Failure;
use crate::file;

/// The file index, open for writing.
///
/// Concurrency: owned by one thread; every method blocks on the disk. [`super::FileReader`]s may read beside it.
#[derive(Debug)]
pub struct FileStore {
    connection: Connection,
    path: PathBuf,
    /// The failure after which nothing is written any more.
    poison: Option<Failure>,
}

/// A damaged file was put aside for a new one.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// What was wrong.
    pub failure: Failure,
    /// Where the damaged file is now.
    pub aside: PathBuf,
    /// How many links could be taken along; `None` if they could not be read, and are lost.
    pub links: Option<usize>,
}

impl FileStore {
    /// Opens the store, creating it or bringing it up to date if need be. A damaged file is put aside, and a new one begun with its
    /// links as far as they can be read.
    ///
    /// Durability: a new file and a new schema are on disk on return.
    ///
    /// Errors: the file cannot be opened, belongs to another program, or was written by a later version of this one.
    pub fn open(path: &Path) -> Result<(Self, Option<Renewed>), Failure> {
        match open(path) {
            Ok(connection) => Ok((Self::of(connection, path), None)),
            Err(failure) if is_damage(&failure) => {
                let renewed = renew(path, failure)?;
                let mut store = Self::of(open(path)?, path);
                let links = renewed.1;
                let count = links.as_ref().map(Vec::len);
                store.restore(&links.unwrap_or_default())?;
                let renewed = Renewed {
                    links: count,
                    ..renewed.0
                };
                Ok((store, Some(renewed)))
            }
            Err(failure) => Err(failure),
        }
    }

    fn of(connection: Connection, path: &Path) -> Self {
        Self {
            connection,
            path: path.to_owned(),
            poison: None,
        }
    }

    /// Commits changes in one transaction. A change that is refused keeps no other from being made.
    ///
    /// *Shape*: one outcome per change, in their order.
    ///
    /// *Durability*: links and their ends are on disk on success. What peers announce may be lost in a power cut, the latest first; what
    /// is left is as it was after some commit.
    ///
    /// *Errors*: the disk or the database fails; then none of them was made.
    pub fn commit(&mut self, changes: &[FileChange]) -> Result<Vec<FileOutcome>, Failure> {
        let is_durable = changes.iter().any(|change| {
            matches!(
                change,
                FileChange::LinkAdded(_) | FileChange::LinkDeleted { .. }
            )
        });
        self.write(|connection| {
            if is_durable {
                connection.pragma_update(None, "synchronous", "full")?;
            }
            let outcomes = commit(connection, changes);
            if is_durable {
                connection.pragma_update(None, "synchronous", "normal")?;
            }
            outcomes
        })
    }

    /// Does what can wait until nobody waits: deletes some of what belonged to peers that are gone. Tells how many files those
    /// were; `None` if there is nothing more to do.
    ///
    /// *Errors*: as for [`FileStore::commit`].
    pub fn sweep(&mut self) -> Result<Option<usize>, Failure> {
        self.write(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let swept = apply::sweep(&transaction)?;
            transaction.commit()?;
            Ok(swept)
        })
    }

    /// Finds a peer by its id.
    ///
    /// *Errors*: the disk fails, or a row holds what no version of ours writes; as in the three below.
    pub fn peer(&self, id: &str) -> Result<Option<FilePeer>, Failure> {
        self.read(|connection| apply::find_peer(connection, id))
    }

    /// The peers of an account, by id.
    ///
    /// *Errors*: as for [`FileStore::peer`].
    pub fn peers_of(&self, owner: &AudienceMember) -> Result<Vec<FilePeer>, Failure> {
        self.read(|connection| apply::peers_of(connection, owner))
    }

    /// Peers that nobody has heard of since some time.
    ///
    /// *Errors*: as for [`FileStore::peer`].
    pub fn peers_unseen_since(&self, at_ms: u64) -> Result<Vec<FilePeer>, Failure> {
        self.read(|connection| apply::peers_unseen_since(connection, at_ms))
    }

    /// How many files there are of peers, live or not.
    ///
    /// *Errors*: as for [`FileStore::peer`].
    pub fn count_files(&self) -> Result<u64, Failure> {
        self.read(|connection| {
            let query = "SELECT coalesce(sum(files), 0) FROM peers";
            connection.query_row(query, [], |row| crate::chat::uint(row, 0))
        })
    }

    /// Where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether a write failed so that what is on disk is unknown: nothing is committed any more, and it is to be opened again.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    fn restore(&mut self, links: &[FileLink]) -> Result<(), Failure> {
        self.write(|connection| {
            connection.pragma_update(None, "synchronous", "full")?;
            let transaction = connection.transaction()?;
            for link in links {
                apply::put_link(&transaction, link)?;
            }
            transaction.commit()?;
            connection.pragma_update(None, "synchronous", "normal")
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> SqlResult<T>) -> Result<T, Failure> {
        read(&self.connection).map_err(|source| Failure::new("read", &self.path, source))
    }

    fn write<T>(
        &mut self,
        write: impl FnOnce(&mut Connection) -> SqlResult<T>,
    ) -> Result<T, Failure> {
        if let Some(failure) = &self.poison {
            return Err(failure.clone());
        }
        write(&mut self.connection).map_err(|error| {
            let is_poisonous = file::is_poisonous(&error);
            let failure = Failure::new("write to", &self.path, error);
            if is_poisonous {
                self.poison = Some(failure.clone());
            }
            failure
        })
    }
}

fn commit(connection: &mut Connection, changes: &[FileChange]) -> SqlResult<Vec<FileOutcome>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcomes: SqlResult<Vec<_>> = changes
        .iter()
        .map(|change| apply::apply(&transaction, change))
        .collect();
    let outcomes = outcomes?;
    transaction.commit()?;
    Ok(outcomes)
}

fn open(path: &Path) -> Result<Connection, Failure> {
    let connection = file::open(path, &FILES)?;
    let look = || -> SqlResult<()> {
        connection.pragma_update(None, "synchronous", "normal")?;
        // What would be found in the middle of somebody's search: the pages that are needed most.
        connection.query_row("SELECT count(*) FROM counters", [], |_| Ok(()))
    };
    look().map_err(|source| Failure::new("open", path, source))?;
    Ok(connection)
}

fn is_damage(failure: &Failure) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&*failure.source);
    while let Some(error) = source {
        let sql = error.downcast_ref::<rusqlite::Error>();
        if sql.is_some_and(crate::inspect::is_damage) {
            return true;
        }
        source = error.source();
    }
    match failure.source.downcast_ref::<crate::schema::MigrateError>() {
        Some(crate::schema::MigrateError::Sql(error)) => crate::inspect::is_damage(error),
        Some(crate::schema::MigrateError::Unusable(_)) | None => false,
    }
}

/// Puts a damaged file aside, with its links as far as they can be read.
fn renew(path: &Path, failure: Failure) -> Result<(Renewed, Option<Vec<FileLink>>), Failure> {
    let links = file::open_read_only(path)
        .and_then(|connection| apply::links(&connection, "", []))
        .ok();
    let aside = with_suffix(path, ".damaged");
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(path, suffix), with_suffix(&aside, suffix));
        match std::fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::new("put aside", from, error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let renewed = Renewed {
        failure,
        aside,
        links: None,
    };
    Ok((renewed, links))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
impl FileStore {
    /// A setting of the connection.
    pub(super) fn pragma(&self, name: &str) -> rusqlite::types::Value {
        let value = self
            .connection
            .pragma_query_value(None, name, |row| row.get(0));
        value.expect("a setting that there is")
    }
}
