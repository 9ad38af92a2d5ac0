//! The open store: what is read at start, and committing changes.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result as SqlResult, TransactionBehavior, params};

use super::apply::Batch;
use super::change::{ChatChange, ChatOutcome};
use super::model::{ChatRoom, ChatSanction, ChatSnapshot, RoomNumber, SanctionKind};
use super::row::{int, optional_uint, uint};
use super::schema::CHAT;
use crate::error::{Failure, Unusable};
use crate::file;

/// The chat's store, open for writing.
///
/// Concurrency: owned by one thread; every method blocks on the disk. [`super::ChatReader`]s may read beside it.
#[derive(Debug)]
pub struct ChatStore {
    connection: Connection,
    path: PathBuf,
    /// The failure after which nothing is written any more.
    poison: Option<Failure>,
}

impl ChatStore {
    /// Opens the store, creating it or bringing it up to date if need be.
    ///
    /// Durability: a new file and a new schema are on disk on return.
    ///
    /// Errors: the file cannot be opened, belongs to another program, or was written by a later version of this one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            connection: file::open(path, &CHAT)?,
            path: path.to_owned(),
            poison: None,
        })
    }

    /// Reads what is needed at start: rooms with their heads and sanctions.
    ///
    /// Errors: the disk fails, or a row holds what no version of ours writes.
    pub fn load(&self) -> Result<ChatSnapshot, Failure> {
        load(&self.connection).map_err(|source| Failure::new("read", &self.path, source))
    }

    /// Commits changes in one transaction. A change that is refused keeps no other from being made.
    ///
    /// *Shape*: one outcome per change, in their order.
    ///
    /// *Durability*: on success they are on disk.
    ///
    /// *Errors*: the disk or the database fails; then none of them was made.
    pub fn commit(&mut self, changes: &[ChatChange]) -> Result<Vec<ChatOutcome>, Failure> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut batch = Batch::begin(&transaction)?;
            let outcomes: SqlResult<Vec<_>> =
                changes.iter().map(|change| batch.apply(change)).collect();
            let outcomes = outcomes?;
            batch.finish()?;
            transaction.commit()?;
            Ok(outcomes)
        })
    }

    /// Does what can wait until nobody waits: brings the full-text index up to date, and removes the messages of rooms that are gone.
    ///
    /// *Units*: `rows_max` messages at most are looked at.
    ///
    /// *Durability*: none on return; what is lost in a crash is done again.
    ///
    /// *Errors*: as for [`ChatStore::commit`].
    pub fn index(&mut self, rows_max: usize) -> Result<bool, Failure> {
        self.write(|connection| {
            // The next commit synchronises it along with its own.
            connection.pragma_update(None, "synchronous", "normal")?;
            let has_more = index(connection, rows_max);
            connection.pragma_update(None, "synchronous", "full")?;
            has_more
        })
    }

    /// Where the database is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells whether a write failed so that what is on disk is unknown: nothing is committed any more.
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poison.is_some()
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

fn index(connection: &mut Connection, rows_max: usize) -> SqlResult<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut batch = Batch::begin(&transaction)?;
    let has_more = batch.index(rows_max)? || batch.sweep_gone(rows_max)?;
    batch.finish()?;
    transaction.commit()?;
    Ok(has_more)
}

fn load(connection: &Connection) -> SqlResult<ChatSnapshot> {
    // One read transaction, so that all is of the same moment.
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare(
        "SELECT number, name, fold, skeleton, owner, keep, topic, slow_s, created_ms, head FROM rooms ORDER BY number",
    )?;
    let rooms = statement.query_map([], |row| {
        Ok(ChatRoom {
            number: RoomNumber(uint(row, 0)?),
            name: row.get(1)?,
            fold: row.get(2)?,
            skeleton: row.get(3)?,
            owner: row.get(4)?,
            keep: row.get(5)?,
            topic: row.get(6)?,
            slow_s: row.get(7)?,
            created_ms: uint(row, 8)?,
            head: uint(row, 9)?,
            sanctions: Vec::new(),
        })
    })?;
    let mut rooms: Vec<ChatRoom> = rooms.collect::<SqlResult<_>>()?;
    for room in &mut rooms {
        room.sanctions = sanctions(&transaction, room.number)?;
    }
    let seen = seen(&transaction)?;
    Ok(ChatSnapshot { rooms, seen })
}

fn seen(connection: &Connection) -> SqlResult<Vec<(String, u64)>> {
    let mut statement = connection
        .prepare("SELECT login, last_seen_ms FROM people WHERE last_seen_ms > 0 ORDER BY login")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, uint(row, 1)?)))?;
    rows.collect()
}

fn sanctions(connection: &Connection, room: RoomNumber) -> SqlResult<Vec<ChatSanction>> {
    let mut statement = connection.prepare_cached(
        "SELECT login, kind, until_ms, \"by\", reason FROM sanctions WHERE room = ?1 ORDER BY login, kind",
    )?;
    let rows = statement.query_map(params![int(room.0)], |row| {
        let kind = row.get_ref(1)?.as_str()?;
        let Some(kind) = SanctionKind::parse(kind) else {
            let unusable = Unusable::Value {
                table: "sanctions",
                value: kind.to_owned(),
            };
            return Err(rusqlite::Error::FromSqlConversionFailure(
                1,
                rusqlite::types::Type::Text,
                Box::new(unusable),
            ));
        };
        Ok(ChatSanction {
            login: row.get(0)?,
            kind,
            until_ms: optional_uint(row, 2)?,
            by: row.get(3)?,
            reason: row.get(4)?,
        })
    })?;
    rows.collect()
}

#[cfg(test)]
impl ChatStore {
    /// A setting of the connection.
    pub(super) fn pragma(&self, name: &str) -> rusqlite::types::Value {
        let value = self
            .connection
            .pragma_query_value(None, name, |row| row.get(0));
        value.expect("a setting that there is")
    }

    /// As if the disk had failed in a write.
    pub(super) fn fail(&mut self) -> Failure {
        let error = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        let failed =
            self.write(|_| -> SqlResult<()> { Err(rusqlite::Error::SqliteFailure(error, None)) });
        failed.expect_err("it failed")
    }
}
