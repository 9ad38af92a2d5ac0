//! Looking at a chat's database without modifying it, for `chaski doctor`.

use std::path::Path;

use rusqlite::{Connection, Result as SqlResult};

use super::schema::CHAT;
use crate::error::Failure;
use crate::inspect::{Inspection, check_references, inspect_as, report, rows};

/// How much a chat's database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChatCounts {
    /// Rooms.
    pub rooms: u64,
    /// Private conversations.
    pub conversations: u64,
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Accounts of which anything is kept.
    pub people: u64,
    /// Messages that the full-text index has not come to.
    pub unindexed: u64,
}

/// Inspects a chat's database, which may be in use, and modifies nothing in it.
///
/// Damage is a finding, not an error.
///
/// Errors: the file is missing or cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection<ChatCounts>, Failure> {
    inspect_as(path, &CHAT, |connection, problems| {
        check_references(connection, problems)?;
        check_rows(connection, problems)?;
        count(connection)
    })
}

fn check_rows(connection: &Connection, problems: &mut Vec<String>) -> SqlResult<()> {
    for (sql, what) in [
        (
            "SELECT count(*) FROM messages WHERE room NOT IN
                 (SELECT number FROM rooms UNION SELECT number FROM conversations UNION SELECT room FROM gone)",
            "messages are in no room",
        ),
        (
            "SELECT count(*) FROM (SELECT number, head FROM rooms UNION ALL SELECT number, head FROM conversations) AS p
             WHERE p.head < (SELECT max(seq) FROM messages AS m WHERE m.room = p.number)",
            "rooms or conversations have messages after their newest",
        ),
        (
            "SELECT count(*) FROM rooms WHERE number IN (SELECT number FROM conversations)",
            "rooms have the number of a conversation",
        ),
        (
            "SELECT count(*) FROM counters WHERE
                 (name = 'room' AND value < (SELECT max(number) FROM
                     (SELECT number FROM rooms UNION SELECT number FROM conversations)))
                 OR (name = 'message' AND value < (SELECT max(id) FROM messages))",
            "counters would give a number twice",
        ),
        (
            "SELECT 3 - count(*) FROM counters WHERE name IN ('room', 'message', 'indexed')",
            "counters are missing",
        ),
    ] {
        report(connection, problems, sql, what)?;
    }
    Ok(())
}

fn count(connection: &Connection) -> SqlResult<ChatCounts> {
    let unindexed = "messages WHERE id > (SELECT value FROM counters WHERE name = 'indexed')";
    Ok(ChatCounts {
        rooms: rows(connection, "rooms")?,
        conversations: rows(connection, "conversations")?,
        messages: rows(connection, "messages")?,
        people: rows(connection, "people")?,
        unindexed: rows(connection, unindexed)?,
    })
}
