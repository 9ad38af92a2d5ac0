//! What a person wants: to say something, to be somewhere, to have something done.

use super::{Connection, Intent, Model, Outgoing};
use crate::chat::command::{COMMANDS, Judgement, Typed};
use crate::chat::ledger::key;
use crate::chat::limits::TEXT_BYTES_MAX;
use crate::chat::wire::{Ask, Sanction, Say};

/// What has to be done besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Further {
    /// Nothing.
    Nothing,
    /// So many older messages are wanted.
    Older(u32),
    /// The program ends.
    Exit,
}

impl Model {
    /// Carries out what was typed. `sent_id` names what is said, `time` is the server's time in words.
    pub fn want(&mut self, typed: Typed, sent_id: String, time: &str, now_ms: i64) -> Further {
        let here = self
            .here()
            .map_or_else(String::new, |here| here.name.clone());
        let act = |ask: Ask, done: &'static str| (ask, Intent::Act(done));
        match typed {
            Typed::Nothing => {}
            Typed::Say(text) => self.say(&here, text, false, None, sent_id, now_ms),
            Typed::Act(text) => self.say(&here, text, true, None, sent_id, now_ms),
            Typed::Private { login, text } => {
                let place = format!("@{login}");
                if text.is_empty() {
                    self.show(&place, now_ms);
                } else {
                    self.place_mut(&place).is_open = true;
                    self.say(&place, text, false, None, sent_id, now_ms);
                }
            }
            Typed::Create { .. }
            | Typed::Enter(_)
            | Typed::Leave
            | Typed::Rooms
            | Typed::DeleteRoom(_)
            | Typed::Topic(_)
            | Typed::Slow(_) => self.want_of_rooms(typed, here, now_ms),
            Typed::Users => self.outbox.push((Ask::Users, Intent::ListUsers)),
            Typed::History(count) => return Further::Older(count),
            Typed::Search(words) => self.search(words, None),
            Typed::Who(room) => {
                let room = room.unwrap_or(here);
                self.outbox
                    .push((Ask::Members { room }, Intent::ListMembers));
            }
            Typed::Time => self.notice(time, now_ms),
            Typed::Edit { seq, text } => match seq.or_else(|| self.my_last()) {
                Some(seq) => self.edit(&here, seq, text),
                None => self.notice("you said nothing here that could be changed", now_ms),
            },
            Typed::Delete(seq) => match seq.or_else(|| self.my_last()) {
                Some(seq) => self.outbox.push(act(Ask::Delete { room: here, seq }, "")),
                None => self.notice("you said nothing here that could be taken back", now_ms),
            },
            Typed::Help => {
                let line = |one: &crate::chat::command::Known| {
                    format!("  {:<13} {:<24} {}", one.name, one.usage, one.help)
                };
                let lines: Vec<_> = COMMANDS.iter().map(line).collect();
                self.notice(lines.join("\n"), now_ms);
            }
            Typed::Exit => return Further::Exit,
            Typed::Wrong(why) => self.notice(why, now_ms),
            Typed::Kick { .. }
            | Typed::Ban(_)
            | Typed::Mute(_)
            | Typed::Block { .. }
            | Typed::Away(_)
            | Typed::Back
            | Typed::Notify(_)
            | Typed::Lang(_) => self.want_of_people(typed, here),
        }
        Further::Nothing
    }

    fn want_of_rooms(&mut self, typed: Typed, room: String, now_ms: i64) {
        if let Typed::Create { room, keep } = typed {
            let intent = Intent::Enter(room.clone());
            self.outbox.push((Ask::Create { room, keep }, intent));
        } else if let Typed::Enter(room) = typed {
            self.enter(&room, now_ms);
        } else if typed == Typed::Leave {
            self.leave(&room, now_ms);
        } else if typed == Typed::Rooms {
            self.outbox.push((Ask::Rooms, Intent::ListRooms));
        } else if let Typed::DeleteRoom(room) = typed {
            let done = Intent::Act("the room is deleted");
            self.outbox.push((Ask::DeleteRoom { room }, done));
        } else if typed == Typed::Topic(None) {
            let topic = self.here().map_or("", |here| &*here.topic);
            let is_empty = topic.is_empty();
            let text = if is_empty { "no topic" } else { topic }.to_owned();
            self.notice(text, now_ms);
        } else {
            let (topic, slow_s) = if let Typed::Slow(seconds) = typed {
                (None, Some(seconds))
            } else if let Typed::Topic(topic) = typed {
                (topic, None)
            } else {
                return;
            };
            let ask = Ask::Set {
                room,
                topic,
                slow_s,
            };
            self.outbox.push((ask, Intent::Act("")));
        }
    }

    fn want_of_people(&mut self, typed: Typed, room: String) {
        let (ask, done) = if let Typed::Kick { login, reason } = typed {
            let minutes = None;
            let sanction = Sanction {
                room,
                login,
                minutes,
                reason,
            };
            (Ask::Kick(sanction), "sent out")
        } else if let Typed::Ban(judgement) = typed {
            let off = judgement.off;
            let sanction = sanction(room, judgement);
            if off {
                (Ask::Unban(sanction), "let in again")
            } else {
                (Ask::Ban(sanction), "kept out")
            }
        } else if let Typed::Mute(judgement) = typed {
            let off = judgement.off;
            let sanction = sanction(room, judgement);
            if off {
                (Ask::Unmute(sanction), "may talk again")
            } else {
                (Ask::Mute(sanction), "kept from talking")
            }
        } else if let Typed::Block { login, off } = typed {
            match (login, off) {
                (None, _) => {
                    self.outbox.push((Ask::Blocked, Intent::ListBlocked));
                    return;
                }
                (Some(login), false) => (Ask::Block { login }, "not heard any more"),
                (Some(login), true) => (Ask::Unblock { login }, "heard again"),
            }
        } else if let Typed::Away(note) = typed {
            (Ask::Away { note }, "you are away; #back ends it")
        } else if let Typed::Notify(level) = typed {
            (Ask::Notify { room, level }, "noted")
        } else if let Typed::Lang(code) = typed {
            (Ask::Lang { code }, "noted")
        } else {
            (Ask::Back, "you are back")
        };
        self.outbox.push((ask, Intent::Act(done)));
    }

    /// Says something; it is shown as on its way until the server has stored it.
    pub fn say(
        &mut self,
        room: &str,
        text: String,
        action: bool,
        reply_to: Option<u64>,
        sent_id: String,
        now_ms: i64,
    ) {
        if room.is_empty() {
            return self.notice("you are nowhere yet", now_ms);
        }
        if text.len() > TEXT_BYTES_MAX {
            let over = text.len() - TEXT_BYTES_MAX;
            return self.notice(format!("too long by {over} bytes, not sent"), now_ms);
        }
        let say = Say {
            room: room.to_owned(),
            text,
            sent_id,
            reply_to,
            action,
        };
        self.says.push(say.clone());
        let outgoing = Outgoing {
            say,
            at_ms: now_ms,
            refused: None,
        };
        self.place_mut(room).outgoing.push_back(outgoing);
    }

    /// What was said under that id was refused.
    pub fn on_refused(&mut self, sent_id: &str, why: &str) {
        let all = self
            .places
            .values_mut()
            .flat_map(|place| &mut place.outgoing);
        for outgoing in all.filter(|one| one.say.sent_id == sent_id) {
            outgoing.refused = Some(why.to_owned());
        }
    }

    /// Says again what was refused here; `new_id` names it anew.
    pub fn resend(&mut self, mut new_id: impl FnMut() -> String) {
        let Some(place) = self.places.get_mut(&self.current) else {
            return;
        };
        for outgoing in &mut place.outgoing {
            if outgoing.refused.take().is_some() {
                outgoing.say.sent_id = new_id();
                self.says.push(outgoing.say.clone());
            }
        }
    }

    /// Forgets what was refused here.
    pub fn drop_refused(&mut self) {
        if let Some(place) = self.here_mut() {
            place.outgoing.retain(|one| one.refused.is_none());
        }
    }

    /// Changes what a message says.
    pub fn edit(&mut self, room: &str, seq: u64, text: String) {
        let room = room.to_owned();
        self.outbox
            .push((Ask::Edit { room, seq, text }, Intent::Act("")));
    }

    /// Puts an emoji under a message, or takes one's own away.
    pub fn react(&mut self, seq: u64, emoji: &str) {
        let Some(here) = self.here() else { return };
        let of_mine = here.window.messages.get(&seq).is_some_and(|message| {
            let is_it = |one: &&crate::chat::wire::Reaction| one.emoji == emoji;
            let reaction = message.reactions.iter().find(is_it);
            reaction.is_some_and(|one| one.logins.contains(&self.me))
        });
        let ask = Ask::React {
            room: here.name.clone(),
            seq,
            emoji: emoji.to_owned(),
            off: of_mine,
        };
        self.outbox.push((ask, Intent::Act("")));
    }

    /// Enters a room, or shows it if one is in it.
    pub fn enter(&mut self, room: &str, now_ms: i64) {
        let is_there = self
            .places
            .get(&key(room))
            .is_some_and(|place| place.is_joined);
        if room.starts_with('@') || is_there {
            self.show(room, now_ms);
        } else {
            self.ask_join(room, Some(Intent::Enter(room.to_owned())));
        }
    }

    fn leave(&mut self, here: &str, now_ms: i64) {
        let default_room = self.hello.default_room.clone();
        if key(here) == key(&default_room) {
            return self.notice("this is the room that one always comes back to", now_ms);
        }
        let place = self.place_mut(here);
        place.is_open = false;
        if !place.is_private() {
            place.is_joined = false;
            let room = here.to_owned();
            self.returns.remove(&key(here));
            self.outbox.push((Ask::Leave { room }, Intent::Act("")));
        }
        self.enter(&default_room, now_ms);
    }

    pub(super) fn ask_join(&mut self, room: &str, intent: Option<Intent>) {
        let after = self
            .places
            .get(&key(room))
            .and_then(|place| place.window.newest());
        let room = room.to_owned();
        let intent = intent.unwrap_or_else(|| Intent::Enter(room.clone()));
        self.outbox.push((Ask::Join { room, after }, intent));
    }

    /// Shows a place.
    pub fn show(&mut self, name: &str, now_ms: i64) {
        if let Some(before) = self.here_mut() {
            before.new_after = None;
        }
        self.current = key(name);
        let place = self.place_mut(name);
        place.is_open |= place.is_private();
        place.new_after = (place.unread() > 0).then_some(place.read);
        let name = place.name.clone();
        let is_empty = place.window.messages.is_empty();
        let is_elsewhere = !place.is_private() && !place.is_joined;
        if is_empty {
            self.load_older(&name);
        }
        if is_elsewhere && self.connection == Connection::Up {
            self.enter(&name, now_ms);
        }
        self.look_at_members();
    }

    /// Asks who is here, once.
    pub(super) fn look_at_members(&mut self) {
        let Some(here) = self.here_mut() else { return };
        if here.is_joined && !here.is_members_known {
            here.is_members_known = true;
            let room = here.name.clone();
            self.outbox.push((Ask::Members { room }, Intent::Refresh));
        }
    }

    /// The newest messages here were seen: the server is told, once.
    pub fn saw(&mut self) {
        let is_up = self.connection == Connection::Up;
        let Some(here) = self.here_mut() else { return };
        let Some(newest) = here.window.newest().filter(|_| !here.window.is_detached) else {
            return;
        };
        if is_up && newest > here.read && newest > here.told_read {
            here.told_read = newest;
            let room = here.name.clone();
            let ask = Ask::Read { room, seq: newest };
            self.outbox.push((ask, Intent::Refresh));
        }
    }

    /// The newest message here that is one's own.
    #[must_use]
    pub fn my_last(&self) -> Option<u64> {
        let messages = &self.here()?.window.messages;
        let mut mine = messages
            .values()
            .rev()
            .filter(|one| one.from == self.me && one.deleted_ms.is_none());
        mine.next().map(|message| message.seq)
    }
}

fn sanction(room: String, judgement: Judgement) -> Sanction {
    Sanction {
        room,
        login: judgement.login,
        minutes: judgement.minutes,
        reason: judgement.reason,
    }
}
