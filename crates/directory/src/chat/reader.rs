//! Reading the history while another connection writes it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Result as SqlResult, params};

use super::model::{ChatMessage, ChatPage, Cursor, RoomNumber};
use super::row::{all, exists, int, message_at, select_messages};
use super::schema::CHAT;
use super::search::{Search, search};
use crate::error::Failure;
use crate::file;

/// The chat's history opened for reading; it modifies nothing and sees what is committed.
///
/// Concurrency: owned by one thread at a time; every method blocks on the disk, and neither waits for a writer nor keeps one waiting.
/// Drop it before the [`super::ChatStore`], which else leaves its write-ahead log behind.
#[derive(Debug)]
pub struct ChatReader {
    connection: Connection,
    path: PathBuf,
}

impl ChatReader {
    /// Opens the store of a chat for reading.
    ///
    /// Errors: the file is missing or damaged, or its schema is not the current one.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self {
            connection: file::open_reader(path, &CHAT)?,
            path: path.to_owned(),
        })
    }

    /// Reads a page of a room's history, oldest first. Deleted messages are in it, without their text.
    ///
    /// *Units*: at most `limit` messages.
    ///
    /// *Errors*: the disk fails, or a row holds what no version of ours writes.
    pub fn history(
        &self,
        room: RoomNumber,
        cursor: Cursor,
        limit: u32,
    ) -> Result<ChatPage, Failure> {
        self.read(|connection| history(connection, room, cursor, limit))
    }

    /// Reads one message; a deleted one is there, without its text.
    ///
    /// *Errors*: as for [`ChatReader::history`].
    pub fn message(&self, room: RoomNumber, seq: u64) -> Result<Option<ChatMessage>, Failure> {
        self.read(|connection| {
            if is_gone(connection, room)? {
                return Ok(None);
            }
            message_at(connection, room, seq)
        })
    }

    /// Finds the messages of some rooms that have all these words, newest first, and tells whether there are more. The last word may be
    /// only the beginning of one. Case and accents do not matter, and no character has a meaning of its own.
    ///
    /// *Units*: at most `limit` messages; with `before_id` only those with a lower id; the first
    /// [`crate::limits::SEARCH_WORDS_MAX`] words count.
    ///
    /// *Errors*: as for [`ChatReader::history`].
    pub fn search(
        &self,
        words: &str,
        rooms: &[RoomNumber],
        before_id: Option<u64>,
        limit: u32,
    ) -> Result<(Vec<ChatMessage>, bool), Failure> {
        let wanted = Search {
            words,
            rooms,
            before_id,
            limit,
        };
        self.read(|connection| search(connection, &wanted))
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> SqlResult<T>) -> Result<T, Failure> {
        let read = || {
            // One read transaction, so that all is of the same moment.
            let transaction = self.connection.unchecked_transaction()?;
            let value = read(&transaction)?;
            transaction.finish()?;
            Ok(value)
        };
        read().map_err(|source: rusqlite::Error| {
            Failure::new("read the history in", &self.path, source)
        })
    }
}

fn is_gone(connection: &Connection, room: RoomNumber) -> SqlResult<bool> {
    let query = "SELECT 1 FROM gone WHERE room = ?1";
    exists(connection, query, params![int(room.0)])
}

fn history(
    connection: &Connection,
    room: RoomNumber,
    cursor: Cursor,
    limit: u32,
) -> SqlResult<ChatPage> {
    if is_gone(connection, room)? {
        return Ok(ChatPage::default());
    }
    let (from, rest) = match cursor {
        Cursor::Before(seq) => (
            seq,
            "WHERE m.room = ?1 AND m.seq < ?2 ORDER BY m.seq DESC LIMIT ?3",
        ),
        Cursor::After(seq) => (
            seq,
            "WHERE m.room = ?1 AND m.seq > ?2 ORDER BY m.seq LIMIT ?3",
        ),
    };
    // One more than is wanted tells whether there are more.
    let params = params![int(room.0), int(from), i64::from(limit) + 1];
    let mut messages = all(connection, &select_messages(rest), params)?;
    let has_more = messages.len() as u64 > u64::from(limit);
    if has_more {
        messages.pop();
    }
    if matches!(cursor, Cursor::Before(_)) {
        messages.reverse();
    }
    Ok(ChatPage { messages, has_more })
}
