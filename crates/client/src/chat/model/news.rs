//! What the server says by itself: messages, who comes and goes, what becomes of rooms.

use std::time::Instant;

use super::{Call, Model, Notice, Place};
use crate::chat::ledger::key;
use crate::chat::limits::TYPING;
use crate::chat::wire::{Joined, Message, Presence, PresenceChange, RoomChange, Said};

impl Model {
    /// The server said something by itself.
    pub fn on_said(&mut self, said: Said, now: Instant, now_ms: i64) {
        if let Said::Message(message) = said {
            self.on_message(message);
        } else if let Said::Changed(message) = said {
            self.place_mut(&message.room.clone()).window.change(message);
        } else if let Said::Mentioned(message) = said {
            self.on_mentioned(&message);
        } else if let Said::Sent {
            room,
            seq,
            at_ms,
            sent_id: Some(sent_id),
            ..
        } = said
        {
            let me = self.me.clone();
            self.place_mut(&room).on_sent(&sent_id, seq, at_ms, &me);
        } else if let Said::Joined(joined) = said {
            self.on_joined(joined, now_ms);
        } else if let Said::Left { room, text, .. } = said {
            self.on_left(&room, text, now_ms);
        } else if let Said::Presence(change) = said {
            self.on_presence(change, now_ms);
        } else if let Said::Typing { room, login } = said {
            if login != self.me {
                let place = self.place_mut(&room);
                place.typing.retain(|(other, _)| *other != login);
                place.typing.push((login, now + TYPING));
            }
        } else if let Said::Read {
            room,
            read,
            unread: _,
            mentions,
        } = said
        {
            let place = self.place_mut(&room);
            place.read = place.read.max(read);
            place.mentions = mentions;
        } else if let Said::ChangedRoom(change) = said {
            self.on_changed_room(change, now_ms);
        } else if let Said::Error(refused) = said {
            self.notice(refused.text, now_ms);
        }
    }

    fn on_message(&mut self, message: Message) {
        let is_mine = message.from == self.me;
        let is_named = message.mentions.contains(&self.me);
        let place = self.place_mut(&message.room);
        let is_private = place.is_private();
        let is_new = message.seq > place.head;
        place.head = place.head.max(message.seq);
        place.last_ms = place.last_ms.max(message.at_ms);
        place.typing.retain(|(login, _)| *login != message.from);
        if is_mine && is_new {
            // What one says oneself one has read.
            place.read = place.read.max(message.seq);
        }
        if is_named && is_new && message.seq > place.read {
            place.mentions += 1;
        }
        place.settle(message.sent_id.as_deref());
        let is_call = is_new && !is_mine && !message.history && (is_private || is_named);
        if is_call {
            let title = if is_private {
                message.from.clone()
            } else {
                format!("{} in {}", message.from, message.room)
            };
            let (room, text) = (message.room.clone(), message.text.clone());
            self.calls.push(Call { room, title, text });
        }
        self.place_mut(&message.room.clone())
            .window
            .push_new(message);
    }

    fn on_mentioned(&mut self, message: &Message) {
        let place = self.place_mut(&message.room);
        if message.seq > place.head {
            place.head = message.seq;
            place.mentions += 1;
        }
        let title = format!("{} in {}", message.from, message.room);
        let (room, text) = (message.room.clone(), message.text.clone());
        self.calls.push(Call { room, title, text });
    }

    fn on_joined(&mut self, joined: Joined, now_ms: i64) {
        let name = joined.room.clone();
        let is_forced = !matches!(&*joined.cause, "" | "asked" | "arrived");
        let (text, skipped) = (joined.text.clone(), joined.skipped);
        let place = self.place_mut(&name);
        place.on_joined(joined);
        if skipped > 0 {
            let resumed_after = place.resumed_after.unwrap_or(0);
            place.window.forget_until(resumed_after);
        }
        self.on_entered(&name);
        let has_here = self.here().is_some_and(Place::is_listed);
        if is_forced || !has_here {
            self.current = key(&name);
            let why = text.unwrap_or_else(|| format!("you are in {name} now"));
            self.notice(why, now_ms);
        }
        // Of other rooms the messages are asked for when they are looked at.
        if self.current == key(&name) && self.place_mut(&name).window.messages.is_empty() {
            self.load_older(&name);
        }
        self.say_early();
        self.look_at_members();
    }

    fn on_left(&mut self, room: &str, text: Option<String>, now_ms: i64) {
        let default_room = self.hello.default_room.clone();
        let place = self.place_mut(room);
        place.is_joined = false;
        place.typing.clear();
        place.members.clear();
        self.returns.remove(&key(room));
        if key(room) == self.current && key(room) != key(&default_room) {
            // One lands where the server says; until then in the room that always exists.
            self.current = key(&default_room);
            if !self.place_mut(&default_room).is_joined {
                self.ask_join(&default_room, None);
            }
        }
        if let Some(text) = text {
            self.notice(text, now_ms);
        }
    }

    fn on_presence(&mut self, change: PresenceChange, now_ms: i64) {
        for user in &change.changed {
            self.presence.insert(user.login.clone(), user.presence);
        }
        for login in &change.joined {
            self.presence
                .entry(login.clone())
                .or_insert(Presence::Online);
        }
        let me = self.me.clone();
        self.place_mut(&change.room.clone())
            .on_presence(&change, &me, now_ms);
    }

    fn on_changed_room(&mut self, change: RoomChange, now_ms: i64) {
        let by = change.by.clone();
        let place = self.place_mut(&change.room);
        let mut notices = Vec::new();
        if let Some(topic) = change.topic {
            notices.push(format!("{by} set the topic: {topic}"));
            place.topic = topic;
        }
        if let Some(keep) = change.keep {
            place.keep = keep;
        }
        if let Some(slow_s) = change.slow_s {
            place.slow_s = slow_s;
            notices.push(format!("{by} set {slow_s} s between two messages"));
        }
        if let Some(login) = change.muted {
            notices.push(format!("{by} muted {login}"));
        }
        if let Some(login) = change.unmuted {
            notices.push(format!("{by} let {login} talk again"));
        }
        if let Some(login) = change.banned {
            notices.push(format!("{by} keeps {login} out"));
        }
        if let Some(login) = change.unbanned {
            notices.push(format!("{by} lets {login} in again"));
        }
        if change.deleted {
            place.is_gone = true;
        }
        if change.created {
            place.is_gone = false;
        }
        for notice in notices {
            place.push_notice(Notice::new(notice, now_ms));
        }
    }
}
