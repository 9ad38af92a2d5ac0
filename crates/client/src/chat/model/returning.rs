//! Coming back: the rooms that one was in the last time are entered again, and the place that one looked at is shown.
//!
//! The default room is entered in any case. A room that is gone or does not let one in is said, and forgotten.

use super::{Intent, Model, Notice};
use crate::chat::ledger::key;
use crate::chat::memory::Remembered;
use crate::chat::wire::Refused;

impl Model {
    /// Knows where one was the last time; to be told before the first connection is.
    pub(crate) fn recall(&mut self, remembered: Remembered) {
        let rooms = remembered.rooms.into_iter();
        self.returns = rooms.map(|room| (key(&room), room)).collect();
        self.begins_in = remembered.here;
    }

    /// Where one is, for the next time.
    pub(crate) fn remembered(&self) -> Remembered {
        let here = self
            .here()
            .map_or_else(String::new, |here| here.name.clone());
        Remembered {
            here,
            rooms: self.returns.values().cloned().collect(),
        }
    }

    /// Asks to be let into every room where one should be and is not: at first all of them, later those whose answer was lost.
    pub(super) fn go_back(&mut self, now_ms: i64) {
        let default_room = self.hello.default_room.clone();
        if default_room.is_empty() {
            return;
        }
        if self.current.is_empty() {
            let here = std::mem::take(&mut self.begins_in);
            if here.starts_with('@') {
                self.show(&here, now_ms);
            } else {
                let is_known = self.returns.contains_key(&key(&here));
                let here = if is_known { here } else { default_room.clone() };
                self.current = key(&here);
                self.place_mut(&here);
            }
        }
        let mut rooms = vec![default_room.clone()];
        rooms.extend(self.returns.values().cloned());
        rooms.retain(|room| {
            let place = self.places.get(&key(room));
            !place.is_some_and(|place| place.is_joined)
        });
        // What one looks at comes first.
        rooms.sort_by_key(|room| key(room) != self.current);
        for room in rooms {
            let intent = Intent::Return(room.clone());
            self.ask_join(&room, Some(intent));
        }
    }

    /// One is in a room: it is one to come back to.
    pub(super) fn on_entered(&mut self, room: &str) {
        if key(room) != key(&self.hello.default_room) {
            self.returns.insert(key(room), room.to_owned());
        }
    }

    /// A room does not let one come back. It is said here, or where one finds oneself instead.
    pub(super) fn on_not_back(&mut self, room: &str, refused: &Refused, now_ms: i64) {
        let is_for_now = refused.retry_after_ms.is_some() || refused.code == "unavailable";
        if !is_for_now {
            self.returns.remove(&key(room));
        }
        let default_room = self.hello.default_room.clone();
        let is_here = key(room) == self.current && key(room) != key(&default_room);
        if is_here {
            self.current = key(&default_room);
            if self.place_mut(&default_room).is_joined {
                self.show(&default_room, now_ms);
            }
        }
        let text = format!("you are not back in {room}: {}", refused.text);
        self.early.push_back(Notice::new(text, now_ms));
        self.say_early();
    }

    /// Says what was to be said before it was known what is the newest message here.
    pub(super) fn say_early(&mut self) {
        let is_known = self.here().is_some_and(|here| {
            let window = &here.window;
            here.is_joined || window.is_at_start || !window.messages.is_empty()
        });
        if !is_known {
            return;
        }
        for notice in std::mem::take(&mut self.early) {
            if let Some(here) = self.here_mut() {
                here.push_notice(notice);
            }
        }
    }
}

#[cfg(test)]
mod tests;
