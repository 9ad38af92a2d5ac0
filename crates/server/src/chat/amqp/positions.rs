//! How far the bindings have heard each room, and what of that has to be on disk.
//!
//! A room is followed while something is bound to it. What is durable there gets every message: the position of each such room is kept
//! in the directory, written when a queue is bound, every second while something is said, and when the server stops. At the next start
//! what came behind it is published first. So after a kill what was published in the last second comes twice, and nothing is missing.
//!
//! A room without a stored position, to which something durable is bound, was made after the binding: it is followed from its beginning.

use std::collections::HashMap;

/// What the directory's parameters of positions begin with.
pub(super) const PARAMETER: &str = "chat_heard.";

/// How far one room was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// When the room was made: another one of the same name is another one.
    created_ms: u64,
    /// The newest message that was handed to the broker.
    sent: u64,
    /// The newest up to which all are safe.
    safe: u64,
    /// There is something new to be written.
    is_dirty: bool,
}

/// How far every room was heard that something is bound to, by its name as bindings spell it.
#[derive(Debug, Default)]
pub(super) struct Positions {
    rooms: HashMap<String, Position>,
}

/// What becomes of a message of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the next.
    Now,
    /// It was heard.
    Past,
    /// Some before it were not.
    Early,
}

impl Positions {
    /// Says whether a room is followed.
    pub(super) fn has(&self, room: &str) -> bool {
        self.rooms.contains_key(room)
    }

    /// Follows a room behind a message, if it is not followed already.
    pub(super) fn follow(&mut self, room: &str, created_ms: u64, heard: u64) {
        let position = Position {
            created_ms,
            sent: heard,
            safe: heard,
            is_dirty: true,
        };
        self.rooms.entry(room.to_owned()).or_insert(position);
    }

    /// Follows a room no more.
    pub(super) fn leave(&mut self, room: &str) {
        self.rooms.remove(room);
    }

    /// The newest message of a room that was handed to the broker.
    pub(super) fn sent(&self, room: &str) -> Option<u64> {
        self.rooms.get(room).map(|position| position.sent)
    }

    /// Says whose turn a message is.
    pub(super) fn turn(&self, room: &str, seq: u64) -> Turn {
        let sent = self.sent(room).unwrap_or_default();
        match seq {
            _ if seq <= sent => Turn::Past,
            _ if seq == sent + 1 => Turn::Now,
            _ => Turn::Early,
        }
    }

    /// Notes that messages up to one were handed to the broker, or cannot be any more.
    pub(super) fn note_sent(&mut self, room: &str, seq: u64) {
        if let Some(position) = self.rooms.get_mut(room) {
            position.sent = position.sent.max(seq);
        }
    }

    /// Notes that messages up to one are safe.
    pub(super) fn note_safe(&mut self, room: &str, seq: u64) {
        if let Some(position) = self.rooms.get_mut(room)
            && position.safe < seq
        {
            position.safe = seq;
            position.is_dirty = true;
        }
    }

    /// What was under way is lost: it is to be handed over again. Returns the rooms.
    pub(super) fn rewind(&mut self) -> Vec<String> {
        for position in self.rooms.values_mut() {
            position.sent = position.safe;
        }
        self.names()
    }

    /// The rooms that are followed.
    pub(super) fn names(&self) -> Vec<String> {
        self.rooms.keys().cloned().collect()
    }

    /// What was taken of rooms could not be written.
    pub(super) fn keep_changes(&mut self, rooms: &[String]) {
        for room in rooms {
            if let Some(position) = self.rooms.get_mut(room) {
                position.is_dirty = true;
            }
        }
    }

    /// Takes what has changed of a room, as parameter and value.
    pub(super) fn take_change(&mut self, room: &str) -> Option<(String, String)> {
        let position = self.rooms.get_mut(room)?;
        if !std::mem::take(&mut position.is_dirty) {
            return None;
        }
        let value = format!("{}:{}", position.created_ms, position.safe);
        Some((format!("{PARAMETER}{room}"), value))
    }
}

/// Reads a stored position of the room that was made then; `None` for one of another room.
pub(super) fn stored(value: &str, created_ms: u64) -> Option<u64> {
    let (made, heard) = value.split_once(':')?;
    (made.parse() == Ok(created_ms)).then(|| heard.parse().ok())?
}

#[cfg(test)]
mod tests;
