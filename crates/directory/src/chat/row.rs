//! Numbers, and the rows of messages, from the tables and back.

use rusqlite::{Connection, OptionalExtension, Params, Result, Row, params};

use super::model::{ChatMessage, ChatReaction, RoomNumber};

/// The columns that [`message`] reads, in its order.
pub(super) const MESSAGE: &str = "m.id, m.room, m.seq, m.author, m.text, m.is_action, m.sent_id, m.reply_to, m.mentions, m.at_ms, \
     m.edited_ms, m.deleted_ms";

/// What stands between the logins of a message's mentions: no login contains it.
const SEPARATOR: char = '\n';

/// A number as the database takes it; none of ours comes near the bound.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a column that is never negative.
pub(crate) fn uint(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// As [`uint`], where there may be none.
pub(crate) fn optional_uint(row: &Row<'_>, column: usize) -> Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map_or(Ok(None), |_| uint(row, column).map(Some))
}

/// Mentions as they are stored.
pub(super) fn join(mentions: &[String]) -> String {
    mentions.join("\n")
}

/// Mentions as they were before [`join`].
pub(super) fn split(mentions: &str) -> Vec<String> {
    let logins = mentions.split(SEPARATOR).filter(|login| !login.is_empty());
    logins.map(str::to_owned).collect()
}

/// Executes a statement that is kept compiled.
pub(crate) fn run(sql: &Connection, statement: &str, params: impl Params) -> Result<usize> {
    sql.prepare_cached(statement)?.execute(params)
}

/// Tells whether a query that is kept compiled finds anything.
pub(super) fn exists(sql: &Connection, query: &str, params: impl Params) -> Result<bool> {
    sql.prepare_cached(query)?.exists(params)
}

/// Reads a message without its reactions; the columns are [`MESSAGE`].
pub(super) fn message(row: &Row<'_>) -> Result<ChatMessage> {
    Ok(ChatMessage {
        id: uint(row, 0)?,
        room: RoomNumber(uint(row, 1)?),
        seq: uint(row, 2)?,
        author: row.get(3)?,
        text: row.get(4)?,
        is_action: row.get(5)?,
        sent_id: row.get(6)?,
        reply_to: optional_uint(row, 7)?,
        mentions: split(row.get_ref(8)?.as_str()?),
        at_ms: uint(row, 9)?,
        edited_ms: optional_uint(row, 10)?,
        deleted_ms: optional_uint(row, 11)?,
        reactions: Vec::new(),
    })
}

/// Finds a message by its place, with its reactions.
pub(super) fn message_at(
    sql: &Connection,
    room: RoomNumber,
    seq: u64,
) -> Result<Option<ChatMessage>> {
    let query = select_messages("WHERE m.room = ?1 AND m.seq = ?2");
    one(sql, &query, params![int(room.0), int(seq)])
}

/// Finds the message that an author sent under a name of their own.
pub(super) fn message_sent(
    sql: &Connection,
    author: &str,
    sent_id: &str,
) -> Result<Option<ChatMessage>> {
    let query = select_messages("WHERE m.author = ?1 AND m.sent_id = ?2");
    one(sql, &query, params![author, sent_id])
}

/// A query for messages.
pub(super) fn select_messages(rest: &str) -> String {
    format!("SELECT {MESSAGE} FROM messages AS m {rest}")
}

fn one(sql: &Connection, query: &str, params: impl Params) -> Result<Option<ChatMessage>> {
    let found = sql
        .prepare_cached(query)?
        .query_row(params, message)
        .optional()?;
    found
        .map(|message| with_reactions(sql, message))
        .transpose()
}

/// Reads all messages of a query whose columns are [`MESSAGE`].
pub(super) fn all(sql: &Connection, query: &str, params: impl Params) -> Result<Vec<ChatMessage>> {
    let mut statement = sql.prepare_cached(query)?;
    let messages = statement.query_map(params, message)?;
    messages
        .map(|message| with_reactions(sql, message?))
        .collect()
}

fn with_reactions(sql: &Connection, mut message: ChatMessage) -> Result<ChatMessage> {
    if message.deleted_ms.is_some() {
        return Ok(message);
    }
    let mut statement =
        sql.prepare_cached("SELECT emoji, login FROM reactions WHERE message = ?1 ORDER BY id")?;
    let mut rows = statement.query([int(message.id)])?;
    while let Some(row) = rows.next()? {
        let (emoji, login) = (row.get_ref(0)?.as_str()?, row.get(1)?);
        let known = message.reactions.iter_mut();
        match { known }.find(|reaction| reaction.emoji == emoji) {
            Some(reaction) => reaction.logins.push(login),
            None => message.reactions.push(ChatReaction {
                emoji: emoji.to_owned(),
                logins: vec![login],
            }),
        }
    }
    Ok(message)
}
