//! What each change does to the tables, and when it is refused.

mod cleaning;
mod messages;
mod people;
mod rooms;

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::change::{ChatChange, ChatOutcome, ChatRefused};
use super::model::RoomNumber;
use super::row::{int, run, uint};

/// The changes of one transaction.
///
/// Nothing outlives it, so that what is rolled back is forgotten with it.
pub(super) struct Batch<'a> {
    sql: &'a Connection,
    counters: Counters,
    /// The counters as they are in the database.
    stored: Counters,
    /// Rooms and conversations that were asked for.
    places: HashMap<RoomNumber, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counters {
    room: u64,
    message: u64,
    indexed: u64,
}

/// Where messages are.
#[derive(Debug, Clone)]
struct Place {
    head: u64,
    /// When the newest message was sent; of conversations only.
    last_ms: u64,
    /// The two of a private conversation; nothing for a room.
    pair: Option<(String, String)>,
    is_changed: bool,
}

impl<'a> Batch<'a> {
    /// Begins with what a transaction sees.
    pub(super) fn begin(sql: &'a Connection) -> Result<Self> {
        let counter = |name: &str| -> Result<u64> {
            sql.prepare_cached("SELECT value FROM counters WHERE name = ?1")?
                .query_row([name], |row| uint(row, 0))
        };
        let counters = Counters {
            room: counter("room")?,
            message: counter("message")?,
            indexed: counter("indexed")?,
        };
        Ok(Self {
            sql,
            counters,
            stored: counters,
            places: HashMap::new(),
        })
    }

    /// Makes one change.
    pub(super) fn apply(&mut self, change: &ChatChange) -> Result<ChatOutcome> {
        match change {
            ChatChange::RoomAdded { .. } => self.add_room(change),
            ChatChange::RoomSet { .. } => self.set_room(change),
            ChatChange::RoomOrphaned { room } => self.orphan_room(*room),
            ChatChange::RoomDeleted { room } => self.delete_room(*room),
            ChatChange::SanctionSet { room, sanction } => self.set_sanction(*room, sanction),
            ChatChange::SanctionEnded { room, login, kind } => {
                self.end_sanction(*room, login, *kind)
            }
            ChatChange::Posted { room, draft } => self.post(*room, draft),
            ChatChange::PostedTo {
                to,
                from_created_ms,
                draft,
            } => self.post_to(to, *from_created_ms, draft),
            ChatChange::Edited { .. } => self.edit(change),
            ChatChange::Deleted {
                room,
                seq,
                author,
                at_ms,
                since_ms,
            } => self.delete((*room, *seq), author.as_deref(), *at_ms, *since_ms),
            ChatChange::Reacted {
                room,
                seq,
                login,
                emoji,
                is_on,
            } => self.react((*room, *seq), login, emoji, *is_on),
            ChatChange::Read { room, login, seq } => self.read(*room, login, *seq),
            ChatChange::Forgotten { room, login } => self.forget(*room, login),
            ChatChange::NotifySet {
                room,
                login,
                notify,
            } => self.set_notify(*room, login, notify),
            ChatChange::BlockSet {
                login,
                blocked,
                is_on,
            } => self.set_block(login, blocked, *is_on),
            ChatChange::LanguageSet { login, language } => self.set_language(login, language),
            ChatChange::Seen { login, at_ms } => self.see(login, *at_ms),
            ChatChange::PersonLoaded(author) => self.load_person(author),
            ChatChange::Expired {
                before_ms,
                per_room_max,
            } => self.expire(*before_ms, *per_room_max),
        }
    }

    /// Writes what was only counted so far; the caller commits.
    pub(super) fn finish(mut self) -> Result<()> {
        self.flush()
    }

    /// Writes counters and heads, for statements that look at them.
    fn flush(&mut self) -> Result<()> {
        let changed = [
            ("room", self.counters.room, self.stored.room),
            ("message", self.counters.message, self.stored.message),
            ("indexed", self.counters.indexed, self.stored.indexed),
        ];
        for (name, value, stored) in changed {
            if value != stored {
                run(
                    self.sql,
                    "UPDATE counters SET value = ?2 WHERE name = ?1",
                    params![name, int(value)],
                )?;
            }
        }
        self.stored = self.counters;
        let places = self.places.iter_mut();
        for (room, place) in { places }.filter(|(_, place)| place.is_changed) {
            place.is_changed = false;
            if place.pair.is_some() {
                run(
                    self.sql,
                    "UPDATE conversations SET head = ?2, last_ms = ?3 WHERE number = ?1",
                    params![int(room.0), int(place.head), int(place.last_ms)],
                )?;
            } else {
                run(
                    self.sql,
                    "UPDATE rooms SET head = ?2 WHERE number = ?1",
                    params![int(room.0), int(place.head)],
                )?;
            }
        }
        Ok(())
    }

    /// Finds a room or conversation.
    fn place(&mut self, room: RoomNumber) -> Result<Option<&mut Place>> {
        if !self.places.contains_key(&room)
            && let Some(place) = self.find_place(room)?
        {
            self.places.insert(room, place);
        }
        Ok(self.places.get_mut(&room))
    }

    fn find_place(&self, room: RoomNumber) -> Result<Option<Place>> {
        let number = int(room.0);
        let found = self
            .sql
            .prepare_cached("SELECT head FROM rooms WHERE number = ?1")?
            .query_row([number], |row| {
                Ok(Place {
                    head: uint(row, 0)?,
                    last_ms: 0,
                    pair: None,
                    is_changed: false,
                })
            })
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
        self.sql
            .prepare_cached(
                "SELECT head, last_ms, one, other FROM conversations WHERE number = ?1",
            )?
            .query_row([number], |row| {
                Ok(Place {
                    head: uint(row, 0)?,
                    last_ms: uint(row, 1)?,
                    pair: Some((row.get(2)?, row.get(3)?)),
                    is_changed: false,
                })
            })
            .optional()
    }

    fn next_room(&mut self) -> RoomNumber {
        self.counters.room += 1;
        RoomNumber(self.counters.room)
    }
}

const fn refused(reason: ChatRefused) -> Result<ChatOutcome> {
    Ok(ChatOutcome::Refused(reason))
}
