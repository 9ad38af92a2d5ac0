//! People: what they have read, whom they do not hear, and their private conversations.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result, params};

use super::{Batch, Place};
use crate::chat::change::ChatOutcome;
use crate::chat::model::{ChatAuthor, ChatPerson, ChatPosition, Conversation, RoomNumber};
use crate::chat::row::{int, optional_uint, run, uint};

impl Batch<'_> {
    /// Reads what is kept of somebody who comes in.
    pub(super) fn load_person(&mut self, author: &ChatAuthor) -> Result<ChatOutcome> {
        self.renew(&author.login, author.created_ms)?;
        self.flush()?;
        let login = &author.login;
        let (language, last_seen_ms) = self
            .sql
            .prepare_cached("SELECT language, last_seen_ms FROM people WHERE login = ?1")?
            .query_row([login], |row| Ok((row.get(0)?, uint(row, 1)?)))?;
        let mut blocked = self
            .sql
            .prepare_cached("SELECT blocked FROM blocks WHERE login = ?1 ORDER BY blocked")?;
        let blocked = blocked.query_map([login], |row| row.get(0))?;
        Ok(ChatOutcome::Person(Box::new(ChatPerson {
            language,
            last_seen_ms,
            blocked: blocked.collect::<Result<_>>()?,
            positions: self.positions(login)?,
            conversations: self.conversations(login)?,
        })))
    }

    fn positions(&self, login: &str) -> Result<Vec<ChatPosition>> {
        let unread = |room| ChatPosition {
            room,
            read: 0,
            mentions: Vec::new(),
            notify: String::new(),
        };
        let mut positions = BTreeMap::new();
        let mut statement = self
            .sql
            .prepare_cached("SELECT room, read, notify FROM positions WHERE login = ?1")?;
        let mut rows = statement.query([login])?;
        while let Some(row) = rows.next()? {
            let room = RoomNumber(uint(row, 0)?);
            let position = ChatPosition {
                read: uint(row, 1)?,
                notify: row.get(2)?,
                ..unread(room)
            };
            positions.insert(room, position);
        }
        let mut statement = self
            .sql
            .prepare_cached("SELECT room, seq FROM mentions WHERE login = ?1 ORDER BY room, seq")?;
        let mut rows = statement.query([login])?;
        while let Some(row) = rows.next()? {
            let room = RoomNumber(uint(row, 0)?);
            let position = positions.entry(room).or_insert_with(|| unread(room));
            position.mentions.push(uint(row, 1)?);
        }
        Ok(positions.into_values().collect())
    }

    fn conversations(&self, login: &str) -> Result<Vec<Conversation>> {
        let mut statement = self.sql.prepare_cached(
            "SELECT number, other, head, last_ms FROM conversations WHERE one = ?1
             UNION SELECT number, one, head, last_ms FROM conversations WHERE other = ?1 ORDER BY 1",
        )?;
        let rows = statement.query_map([login], |row| {
            Ok(Conversation {
                number: RoomNumber(uint(row, 0)?),
                with: row.get(1)?,
                head: uint(row, 2)?,
                last_ms: uint(row, 3)?,
            })
        })?;
        rows.collect()
    }

    /// Finds the conversation of two accounts.
    pub(super) fn find_conversation(&self, from: &str, to: &str) -> Result<Option<RoomNumber>> {
        let (one, other) = in_order(from, to);
        let found = self
            .sql
            .prepare_cached("SELECT number FROM conversations WHERE one = ?1 AND other = ?2")?
            .query_row([one, other], |row| uint(row, 0))
            .optional()?;
        Ok(found.map(RoomNumber))
    }

    /// Makes the conversation of two accounts that have none.
    pub(super) fn add_conversation(&mut self, from: &str, to: &str) -> Result<RoomNumber> {
        let (one, other) = in_order(from, to);
        let room = self.next_room();
        run(
            self.sql,
            "INSERT INTO conversations (number, one, other, head, last_ms) VALUES (?1, ?2, ?3, 0, 0)",
            params![int(room.0), one, other],
        )?;
        let place = Place {
            head: 0,
            last_ms: 0,
            pair: Some((one.to_owned(), other.to_owned())),
            is_changed: false,
        };
        self.places.insert(room, place);
        Ok(room)
    }

    /// When an account was made, as far as it is known.
    pub(super) fn created_ms(&self, login: &str) -> Result<Option<u64>> {
        let found = self
            .sql
            .prepare_cached("SELECT created_ms FROM people WHERE login = ?1")?
            .query_row([login], |row| optional_uint(row, 0))
            .optional()?;
        Ok(found.flatten())
    }

    /// Keeps an account apart from an older one of the same login, of which what is private is deleted.
    pub(super) fn renew(&mut self, login: &str, created_ms: u64) -> Result<()> {
        match self.created_ms(login)? {
            Some(known) if known == created_ms => return Ok(()),
            Some(_) => self.forget_person(login)?,
            None => {}
        }
        run(
            self.sql,
            "INSERT INTO people (login, created_ms) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET created_ms = excluded.created_ms",
            params![login, int(created_ms)],
        )?;
        Ok(())
    }

    /// Deletes what is kept of an account, but for what it said in rooms.
    fn forget_person(&mut self, login: &str) -> Result<()> {
        for conversation in self.conversations(login)? {
            run(
                self.sql,
                "DELETE FROM conversations WHERE number = ?1",
                params![int(conversation.number.0)],
            )?;
            self.drop_place(conversation.number)?;
        }
        for statement in [
            "DELETE FROM positions WHERE login = ?1",
            "DELETE FROM mentions WHERE login = ?1",
            "DELETE FROM blocks WHERE login = ?1",
            "DELETE FROM people WHERE login = ?1",
            // Else they would be taken for the new account's.
            "UPDATE messages SET sent_id = NULL WHERE author = ?1 AND sent_id IS NOT NULL",
        ] {
            run(self.sql, statement, params![login])?;
        }
        Ok(())
    }

    /// Moves a read position forward.
    pub(super) fn read(&mut self, room: RoomNumber, login: &str, seq: u64) -> Result<ChatOutcome> {
        // Nobody has read what was not said yet.
        if let Some(head) = self.place(room)?.map(|place| place.head) {
            self.mark_read(room, login, seq.min(head))?;
        }
        Ok(ChatOutcome::Done)
    }

    /// As [`Batch::read`], of a message that is there.
    pub(super) fn mark_read(&self, room: RoomNumber, login: &str, seq: u64) -> Result<()> {
        let params = params![login, int(room.0), int(seq)];
        let moved = run(
            self.sql,
            "INSERT INTO positions (login, room, read) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET read = excluded.read WHERE excluded.read > read",
            params,
        )?;
        if moved > 0 {
            run(
                self.sql,
                "DELETE FROM mentions WHERE login = ?1 AND room = ?2 AND seq <= ?3",
                params,
            )?;
        }
        Ok(())
    }

    /// Forgets what somebody has read of a room.
    pub(super) fn forget(&self, room: RoomNumber, login: &str) -> Result<ChatOutcome> {
        for statement in [
            "DELETE FROM positions WHERE login = ?1 AND room = ?2",
            "DELETE FROM mentions WHERE login = ?1 AND room = ?2",
        ] {
            run(self.sql, statement, params![login, int(room.0)])?;
        }
        Ok(ChatOutcome::Done)
    }

    /// Keeps what somebody wants to be told of a room.
    pub(super) fn set_notify(
        &mut self,
        room: RoomNumber,
        login: &str,
        notify: &str,
    ) -> Result<ChatOutcome> {
        if self.place(room)?.is_some() {
            run(
                self.sql,
                "INSERT INTO positions (login, room, read, notify)
                 VALUES (?1, ?2, ifnull((SELECT head FROM rooms WHERE number = ?2), 0), ?3)
                 ON CONFLICT DO UPDATE SET notify = excluded.notify",
                params![login, int(room.0), notify],
            )?;
        }
        Ok(ChatOutcome::Done)
    }

    /// Blocks somebody, or hears them again.
    pub(super) fn set_block(&self, login: &str, blocked: &str, is_on: bool) -> Result<ChatOutcome> {
        let statement = if is_on {
            "INSERT INTO blocks (login, blocked) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM blocks WHERE login = ?1 AND blocked = ?2"
        };
        run(self.sql, statement, params![login, blocked])?;
        Ok(ChatOutcome::Done)
    }

    /// Keeps the language that somebody chose.
    pub(super) fn set_language(&self, login: &str, language: &str) -> Result<ChatOutcome> {
        run(
            self.sql,
            "INSERT INTO people (login, language) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET language = excluded.language",
            params![login, language],
        )?;
        Ok(ChatOutcome::Done)
    }

    /// Keeps when somebody was last there.
    pub(super) fn see(&self, login: &str, at_ms: u64) -> Result<ChatOutcome> {
        run(
            self.sql,
            "INSERT INTO people (login, last_seen_ms) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET last_seen_ms = excluded.last_seen_ms",
            params![login, int(at_ms)],
        )?;
        Ok(ChatOutcome::Done)
    }
}

/// Two accounts as their conversation is stored: the same row whoever writes first.
fn in_order<'a>(from: &'a str, to: &'a str) -> (&'a str, &'a str) {
    if from.to_ascii_lowercase() <= to.to_ascii_lowercase() {
        (from, to)
    } else {
        (to, from)
    }
}
