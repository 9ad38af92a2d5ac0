//! Who is there, and how present; told in gathered differences to those who are in the room, or it would grow with the square of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use directory::chat::RoomNumber;

use super::Chat;
use super::timers::{IDLE_LOOK_MS, Timer};
use crate::command::{Actor, Command, Target};
use crate::event::{Event, Member, Presence, PresenceChange};
use crate::limits::{NAMES_PER_NOTICE_MAX, NOTE_CHARS_MAX};
use crate::refusal::{Reason, Refusal, Rule};
use crate::reply::Reply;

/// How long comings and goings are gathered at least.
const GATHER_MS: u64 = 100;
/// How long there is between two notices at least, in a room of few.
const NOTICE_MS: u64 = 1_000;
/// By how much longer that is for each account in the room.
const NOTICE_MS_PER_MEMBER: u64 = 2;

/// How long nobody is told again that somebody writes something.
const TYPING_PAUSE_MS: u64 = 1_500;

/// Comings and goings that were not told yet.
#[derive(Debug, Default)]
pub(super) struct Coming {
    joined: BTreeSet<Arc<str>>,
    left: BTreeSet<Arc<str>>,
    changed: BTreeMap<Arc<str>, Presence>,
    told_ms: u64,
}

impl Chat {
    pub(super) fn note_joined(&mut self, number: RoomNumber, login: &Arc<str>, now_ms: u64) {
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        // Whoever went and came back in the same moment was never away.
        if !room.coming.left.remove(login) {
            room.coming.joined.insert(login.clone());
        }
        self.tell_presence_soon(number, now_ms);
    }

    pub(super) fn note_left(&mut self, number: RoomNumber, login: &Arc<str>, now_ms: u64) {
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        if !room.coming.joined.remove(login) {
            room.coming.left.insert(login.clone());
        }
        room.coming.changed.remove(login);
        self.tell_presence_soon(number, now_ms);
    }

    fn tell_presence_soon(&mut self, number: RoomNumber, now_ms: u64) {
        let Some(room) = self.rooms.get(number) else {
            return;
        };
        let many = u64::try_from(room.members.len()).unwrap_or(u64::MAX);
        let pause = NOTICE_MS + many.saturating_mul(NOTICE_MS_PER_MEMBER);
        let due = (now_ms + GATHER_MS).max(room.coming.told_ms.saturating_add(pause));
        self.timers.start(Timer::Presence(number), due);
    }

    pub(super) fn tell_presence(&mut self, number: RoomNumber, now_ms: u64) {
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        let coming = std::mem::take(&mut room.coming);
        room.coming.told_ms = now_ms;
        let names = |set: &BTreeSet<Arc<str>>| {
            let first = set.iter().take(NAMES_PER_NOTICE_MAX);
            first.map(|login| login.to_string()).collect()
        };
        let change = PresenceChange {
            joined: names(&coming.joined),
            joined_count: coming.joined.len(),
            left: names(&coming.left),
            left_count: coming.left.len(),
            changed: coming
                .changed
                .into_iter()
                .take(NAMES_PER_NOTICE_MAX)
                .map(|(login, presence)| Member {
                    login: login.to_string(),
                    presence,
                })
                .collect(),
            members: room.members.len(),
        };
        if change.joined_count + change.left_count + change.changed.len() == 0 {
            return;
        }
        let event = Event::Presence {
            place: room.name.clone(),
            change: Arc::new(change),
        };
        let listeners = room.listeners();
        self.tell_all(listeners, Arc::new(event));
    }

    /// Somebody is more or less present than they were.
    pub(super) fn set_presence(&mut self, login: &str, presence: Presence, now_ms: u64) {
        let Some(person) = self.people.get_mut(login) else {
            return;
        };
        if person.presence == presence {
            return;
        }
        person.presence = presence;
        person.since_ms = now_ms;
        let login = person.login.clone();
        let sessions = person.sessions.clone();
        let rooms: BTreeSet<_> = sessions
            .iter()
            .filter_map(|session| self.sessions.find(*session))
            .flat_map(|session| session.rooms.iter().copied())
            .collect();
        for number in rooms {
            if let Some(room) = self.rooms.get_mut(number) {
                room.coming.changed.insert(login.clone(), presence);
                self.tell_presence_soon(number, now_ms);
            }
        }
    }

    /// Somebody does something: they are not idle.
    pub(super) fn note_activity(&mut self, actor: &Actor, command: &Command, now_ms: u64) {
        let is_away = matches!(command, Command::Away { .. });
        let Some(person) = self.people.get_mut(&actor.login) else {
            return;
        };
        person.active_ms = now_ms;
        let is_idle = person.presence == Presence::Idle;
        if is_idle && !is_away && !person.sessions.is_empty() {
            self.set_presence(&actor.login, Presence::Online, now_ms);
        }
    }

    pub(super) fn look_for_idle(&mut self, now_ms: u64) {
        let idle_ms = self.settings.idle_ms;
        let mut silent = Vec::new();
        let mut is_anybody = false;
        for person in self.people.iter_mut() {
            is_anybody |= !person.sessions.is_empty();
            let is_silent = person.active_ms + idle_ms <= now_ms;
            if person.presence == Presence::Online && is_silent {
                silent.push(person.login.clone());
            }
        }
        for login in silent {
            self.set_presence(&login, Presence::Idle, now_ms);
        }
        if is_anybody {
            self.timers.set(Timer::Idle, now_ms + IDLE_LOOK_MS);
        }
    }

    pub(super) fn away(
        &mut self,
        actor: &Actor,
        is_away: bool,
        note: String,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        if note.chars().count() > NOTE_CHARS_MAX || note.contains(['\n', '\r']) {
            return super::refuse(Reason::Invalid(Rule::Note));
        }
        let Some(person) = self.people.get_mut(&actor.login) else {
            return super::refuse(Reason::Unavailable);
        };
        if person.sessions.is_empty() {
            return super::refuse(Reason::NoSession);
        }
        person.note = note;
        let presence = if is_away {
            Presence::Away
        } else {
            Presence::Online
        };
        self.set_presence(&actor.login, presence, now_ms);
        Ok(Reply::Done)
    }

    pub(super) fn typing(
        &mut self,
        actor: &Actor,
        of: &Target,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let Some(person) = self.people.get_mut(&actor.login) else {
            return super::refuse(Reason::Unavailable);
        };
        // It holds for five seconds: there is no need to say it at every key.
        if person.typed_ms + TYPING_PAUSE_MS > now_ms {
            return Ok(Reply::Done);
        }
        person.typed_ms = now_ms;
        let me: Arc<str> = actor.login.as_str().into();
        let (place, listeners): (Arc<str>, Vec<_>) = match of {
            Target::Room(typed) => {
                let number = self.room_for(&actor.login, typed, now_ms)?;
                let Some(room) = self.rooms.get_mut(number) else {
                    return super::refuse(Reason::NoRoom(typed.clone()));
                };
                if !room.members.contains_key(&me) {
                    return super::refuse(Reason::NotThere(room.name.to_string()));
                }
                (room.name.clone(), room.listeners().to_vec())
            }
            Target::User(login) => {
                let other = self.people.get(login);
                let does_hear = other.filter(|other| !other.blocked.contains(&actor.login));
                let sessions = does_hear.map(|other| other.sessions.clone());
                let place = format!("@{}", actor.login).into();
                (place, sessions.unwrap_or_default())
            }
        };
        let blockers = self.people.blockers(&actor.login);
        let wants = |session: &&crate::session::SessionId| {
            self.sessions.find(**session).is_some_and(|session| {
                let is_blocked = blockers.is_some_and(|all| all.contains(&*session.login));
                !session.reads_all && session.login != me && !is_blocked
            })
        };
        let sessions: Arc<[_]> = listeners.iter().filter(wants).copied().collect();
        let event = Event::Typing { place, login: me };
        self.tell_all(sessions, Arc::new(event));
        Ok(Reply::Done)
    }
}
