//! Finding messages by their words.
//!
//! What [`super::ChatStore::index`] has not come to yet is looked through by an index of its own, made in memory for that one search:
//! so both parts go by the same rules of what a word is.

use rusqlite::{Connection, Result, params};

use super::model::{ChatMessage, RoomNumber};
use super::row::{MESSAGE, all, int, uint};
use crate::limits::{SEARCH_STEP_MESSAGES, SEARCH_WORDS_MAX};

/// What is searched for, and where.
pub(super) struct Search<'a> {
    pub(super) words: &'a str,
    pub(super) rooms: &'a [RoomNumber],
    pub(super) before_id: Option<u64>,
    pub(super) limit: u32,
}

/// Finds the newest messages that have all the words, and tells whether there are more.
pub(super) fn search(
    connection: &Connection,
    search: &Search<'_>,
) -> Result<(Vec<ChatMessage>, bool)> {
    let Some(matching) = expression(search.words) else {
        return Ok((Vec::new(), false));
    };
    // One more than is wanted tells whether there are more.
    let wanted = search.limit as usize + 1;
    let rooms = rooms_json(search.rooms);
    let before = search.before_id.map_or(i64::MAX, int);
    let indexed: i64 = connection.query_row(
        "SELECT value FROM counters WHERE name = 'indexed'",
        [],
        |row| row.get(0),
    )?;
    let mut ids = tail(connection, &matching, &rooms, (indexed, before), wanted)?;
    if ids.len() < wanted {
        let before = before.min(indexed.saturating_add(1));
        let mut statement = connection.prepare_cached(
            "SELECT w.rowid FROM words AS w JOIN messages AS m ON m.id = w.rowid
             WHERE w.words MATCH ?1 AND w.rowid < ?2 AND m.deleted_ms IS NULL
               AND m.room IN (SELECT value FROM json_each(?3) EXCEPT SELECT room FROM gone)
             ORDER BY w.rowid DESC LIMIT ?4",
        )?;
        let rest = int((wanted - ids.len()) as u64);
        let rows =
            statement.query_map(params![matching, before, rooms, rest], |row| uint(row, 0))?;
        for id in rows {
            ids.push(id?);
        }
    }
    let has_more = ids.len() == wanted;
    ids.truncate(search.limit as usize);
    let query = format!("SELECT {MESSAGE} FROM messages AS m WHERE m.id = ?1");
    let mut messages = Vec::with_capacity(ids.len());
    for id in ids {
        messages.append(&mut all(connection, &query, [int(id)])?);
    }
    Ok((messages, has_more))
}

/// Finds messages between the newest that is indexed and the one before which is searched, newest first.
fn tail(
    connection: &Connection,
    matching: &str,
    rooms: &str,
    (indexed, before): (i64, i64),
    wanted: usize,
) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut step = connection.prepare_cached(
        "SELECT id, text FROM messages
         WHERE id > ?1 AND id < ?2 AND deleted_ms IS NULL AND room IN (SELECT value FROM json_each(?3) EXCEPT SELECT room FROM gone)
         ORDER BY id DESC LIMIT ?4",
    )?;
    let mut before = before;
    loop {
        let params = params![indexed, before, rooms, int(SEARCH_STEP_MESSAGES as u64)];
        let rows = step.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let texts: Vec<(i64, String)> = rows.collect::<Result<_>>()?;
        let Some((oldest, _)) = texts.last() else {
            break;
        };
        before = *oldest;
        found.append(&mut matches(matching, &texts, wanted - found.len())?);
        if texts.len() < SEARCH_STEP_MESSAGES || found.len() >= wanted {
            break;
        }
    }
    Ok(found)
}

/// Which of the texts match, newest first.
fn matches(matching: &str, texts: &[(i64, String)], count_max: usize) -> Result<Vec<u64>> {
    let mut memory = Connection::open_in_memory()?;
    let transaction = memory.transaction()?;
    transaction.execute_batch(
        "CREATE VIRTUAL TABLE words USING fts5(
             text, content = '', tokenize = 'unicode61 remove_diacritics 2')",
    )?;
    let mut insert = transaction.prepare("INSERT INTO words (rowid, text) VALUES (?1, ?2)")?;
    // Row ids that rise are the quick way to fill an index.
    for (id, text) in texts.iter().rev() {
        insert.execute(params![id, text])?;
    }
    let mut statement = transaction
        .prepare("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid DESC LIMIT ?2")?;
    let count_max = int(count_max as u64);
    let rows = statement.query_map(params![matching, count_max], |row| uint(row, 0))?;
    rows.collect()
}

/// What somebody typed as an expression that has no other meaning: all words, the last one perhaps only begun.
fn expression(words: &str) -> Option<String> {
    let words = words.split(|character: char| character.is_whitespace() || character == '\0');
    let quoted: Vec<String> = words
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(SEARCH_WORDS_MAX)
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    (!quoted.is_empty()).then(|| format!("{}*", quoted.join(" ")))
}

fn rooms_json(rooms: &[RoomNumber]) -> String {
    let numbers: Vec<String> = rooms.iter().map(|room| int(room.0).to_string()).collect();
    format!("[{}]", numbers.join(","))
}
