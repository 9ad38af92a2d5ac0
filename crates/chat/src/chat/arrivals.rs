//! Coming and going: sessions, and the rooms that they are in.

use std::sync::Arc;

use directory::chat::{ChatChange, Cursor, RoomNumber};

use super::after::After;
use super::settling::PendingRead;
use super::timers::{IDLE_LOOK_MS, Timer, UNLOAD_MS};
use super::{Chat, people, refuse};
use crate::command::Actor;
use crate::effect::{Effect, Query, Ticket};
use crate::event::{Entered, Event, LeftCause, MessageView, Presence};
use crate::limits::{MISSED_MAX, ROOMS_PER_SESSION_MAX};
use crate::refusal::{Plenty, Reason, Refusal};
use crate::reply::Reply;
use crate::session::{Ended, Newcomer, SessionId};
use crate::sessions::Session;

/// Messages that somebody is shown who cannot ask for a page: what they missed, but no more than a screen or two.
const SHOWN_MAX: u64 = 50;
/// Messages that somebody is shown who was never in a room.
const SHOWN_FIRST: u64 = 10;

/// Somebody on the way into a room.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) session: SessionId,
    pub(super) room: RoomNumber,
    pub(super) ticket: Option<Ticket>,
    pub(super) is_only: bool,
    pub(super) cause: LeftCause,
    /// The newest message that it has; `None` if it wants none.
    pub(super) after: Option<u64>,
    pub(super) skipped: u64,
}

impl Chat {
    /// Lets somebody listen.
    pub fn attach(&mut self, newcomer: Newcomer, now_ms: u64) -> SessionId {
        let is_loaded = self.people.is_loaded(&newcomer.login, newcomer.created_ms);
        let session = self.sessions.insert(Session {
            login: newcomer.login.as_str().into(),
            is_administrator: newcomer.is_administrator,
            created_ms: newcomer.created_ms,
            reads_all: newcomer.reads_all,
            enters_default: newcomer.enters_default,
            language: newcomer.language,
            rooms: Vec::new(),
            has_arrived: false,
        });
        if is_loaded {
            self.arrive(session, now_ms);
        } else {
            let waiting = people::Waiting::Arrival(session);
            self.load(&newcomer.login, newcomer.created_ms, waiting, now_ms);
        }
        session
    }

    pub(super) fn arrive(&mut self, id: SessionId, now_ms: u64) {
        let Some(session) = self.sessions.find_mut(id) else {
            return;
        };
        session.has_arrived = true;
        let (login, reads_all) = (session.login.clone(), session.reads_all);
        let enters_default = session.enters_default;
        let Some(person) = self.people.get_mut(&login) else {
            return;
        };
        // One login for all the sessions of an account: it is compared more than anything else.
        let login = person.login.clone();
        person.sessions.push(id);
        person.active_ms = now_ms;
        if let Some(session) = self.sessions.find_mut(id) {
            session.login = login.clone();
        }
        self.set_presence(&login, Presence::Online, now_ms);
        self.timers.stop(&Timer::Unload(login.to_string()));
        self.timers.start(Timer::Idle, now_ms + IDLE_LOOK_MS);
        for room in self.rooms.of(&login) {
            self.timers.stop(&Timer::Doom(room));
        }
        if reads_all {
            self.show_private(id, &login);
        }
        if enters_default {
            let entry = Entry {
                session: id,
                room: self.default_room,
                ticket: None,
                is_only: true,
                cause: LeftCause::Arrived,
                after: None,
                skipped: 0,
            };
            self.enter(entry, now_ms);
        }
    }

    /// Has a session shown the private messages that wait for it, where it cannot ask for them.
    fn show_private(&mut self, session: SessionId, login: &Arc<str>) {
        let Some(person) = self.people.get(login) else {
            return;
        };
        let waiting = person.talks.iter().filter_map(|(with, talk)| {
            let read = person.position(talk.number).map_or(0, |one| one.read);
            (talk.head > read).then(|| (with.clone(), talk.clone(), read))
        });
        for (with, talk, read) in waiting.collect::<Vec<_>>() {
            let from = read.max(talk.head.saturating_sub(SHOWN_MAX));
            let query = Query::Page {
                room: talk.number,
                cursor: Cursor::After(from),
                limit: MISSED_MAX,
            };
            let pending = PendingRead::Private {
                session,
                login: login.clone(),
                place: format!("@{with}").into(),
                room: talk.number,
                head: talk.head,
            };
            self.ask_history(query, pending);
        }
    }

    /// Somebody does not listen any more.
    pub fn detach(&mut self, id: SessionId, ended: Ended, now_ms: u64) {
        let Some(session) = self.sessions.find(id) else {
            return;
        };
        let login = session.login.clone();
        for room in session.rooms.clone() {
            self.step_out(id, room, now_ms);
        }
        self.sessions.remove(id);
        let Some(person) = self.people.get_mut(&login) else {
            return;
        };
        person.sessions.retain(|one| *one != id);
        if !person.sessions.is_empty() {
            return;
        }
        person.note.clear();
        self.people.last_seen.insert(login.to_string(), now_ms);
        self.set_presence(&login, Presence::Offline, now_ms);
        let seen = ChatChange::Seen {
            login: login.to_string(),
            at_ms: now_ms,
        };
        self.store(seen, After::Nothing);
        let unload = Timer::Unload(login.to_string());
        self.timers.set(unload, now_ms + UNLOAD_MS);
        for room in self.rooms.of(&login) {
            match ended {
                Ended::Asked => self.end_room(room),
                Ended::Lost => self.doom(room, now_ms),
            }
        }
    }

    pub(super) fn join(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        typed: &str,
        after: Option<u64>,
        is_only: bool,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let id = actor
            .session
            .ok_or_else(|| Refusal::new(Reason::NoSession))?;
        let room = self.room_for(&actor.login, typed, now_ms)?;
        let Some(session) = self.sessions.find(id) else {
            return refuse(Reason::NoSession);
        };
        if session.rooms.len() >= ROOMS_PER_SESSION_MAX && !is_only {
            return refuse(Reason::TooMany(Plenty::RoomsAtOnce));
        }
        let entry = Entry {
            session: id,
            room,
            ticket: Some(ticket),
            is_only,
            cause: LeftCause::Asked,
            after,
            skipped: 0,
        };
        self.enter(entry, now_ms);
        Ok(())
    }

    /// Lets a session into a room, behind what it has missed there.
    pub(super) fn enter(&mut self, mut entry: Entry, now_ms: u64) {
        let (Some(session), Some(room)) = (
            self.sessions.find(entry.session),
            self.rooms.get(entry.room).filter(|room| !room.is_dying),
        ) else {
            return self.entered_nothing(&entry);
        };
        // They may have been banned while it was read what they missed.
        if let Err(refusal) = room.check_ban(&session.login, now_ms) {
            if let Some(ticket) = entry.ticket {
                self.answer(ticket, Err(refusal));
            }
            return;
        }
        let head = room.head;
        if session.rooms.contains(&entry.room) {
            if entry.after.is_none_or(|after| after >= head) {
                return self.has_entered(entry, now_ms);
            }
            // Whoever wants what it missed gets it before anything new; to the others it was there all the time.
            let id = entry.session;
            self.step_out(id, entry.room, now_ms);
            return self.enter(entry, now_ms);
        }
        if entry.after.is_none() && session.reads_all {
            let person = self.people.get(&session.login);
            let position = person.and_then(|person| person.position(entry.room));
            let from = position.map_or_else(|| head.saturating_sub(SHOWN_FIRST), |one| one.read);
            entry.after = Some(from.max(head.saturating_sub(SHOWN_MAX)));
            entry.skipped = head.saturating_sub(SHOWN_MAX).saturating_sub(from);
        }
        let Some(after) = entry.after else {
            return self.has_entered(entry, now_ms);
        };
        let from = after.max(head.saturating_sub(u64::from(MISSED_MAX)));
        entry.skipped += from - after;
        entry.after = Some(from);
        if let Some(recent) = room.recent_after(from) {
            self.show_missed(&entry, &recent);
            return self.has_entered(entry, now_ms);
        }
        let query = Query::Page {
            room: entry.room,
            cursor: Cursor::After(from),
            limit: MISSED_MAX,
        };
        self.ask_history(query, PendingRead::Missed(entry));
    }

    /// What was missed has been read: it is shown, and whoever missed it goes in, unless still more has come meanwhile.
    pub(super) fn read_missed(
        &mut self,
        mut entry: Entry,
        messages: Vec<MessageView>,
        now_ms: u64,
    ) {
        let messages: Vec<_> = messages.into_iter().map(Arc::new).collect();
        let newest = messages.last().map(|message| message.seq);
        self.show_missed(&entry, &messages);
        // The newest may have been deleted for good by now: then there is no more to wait for.
        match newest {
            Some(newest) => {
                entry.after = Some(newest);
                self.enter(entry, now_ms);
            }
            None => self.has_entered(entry, now_ms),
        }
    }

    /// What was missed cannot be read. Whoever asked is told so; others come in all the same and are told how much it is.
    pub(super) fn missed_unread(&mut self, mut entry: Entry, now_ms: u64) {
        if let Some(ticket) = entry.ticket {
            return self.answer(ticket, refuse(Reason::Unavailable));
        }
        let head = self.rooms.get(entry.room).map_or(0, |room| room.head);
        entry.skipped += head.saturating_sub(entry.after.unwrap_or(head));
        self.has_entered(entry, now_ms);
    }

    fn show_missed(&mut self, entry: &Entry, messages: &[Arc<MessageView>]) {
        let Some(place) = self.rooms.get(entry.room).map(|room| room.name.clone()) else {
            return;
        };
        let Some(session) = self.sessions.find(entry.session) else {
            return;
        };
        let blocked = self.people.get(&session.login).map(|me| &me.blocked);
        let is_heard = |message: &&Arc<MessageView>| {
            !blocked.is_some_and(|blocked| blocked.contains(&message.from))
        };
        let events: Vec<_> = messages
            .iter()
            .filter(is_heard)
            .map(|message| Event::Message {
                place: place.clone(),
                message: message.clone(),
                is_history: true,
            })
            .collect();
        for event in events {
            self.tell(entry.session, event);
        }
    }

    fn entered_nothing(&mut self, entry: &Entry) {
        if let Some(ticket) = entry.ticket {
            self.answer(ticket, refuse(Reason::NoRoom(String::new())));
        }
    }

    fn has_entered(&mut self, entry: Entry, now_ms: u64) {
        let Some(session) = self.sessions.find(entry.session) else {
            return self.entered_nothing(&entry);
        };
        let login = session.login.clone();
        if entry.is_only {
            for other in session.rooms.clone() {
                if other != entry.room {
                    self.put_out(entry.session, other, LeftCause::Asked, now_ms);
                }
            }
        }
        self.step_in(entry.session, entry.room, &login, now_ms);
        let Some(entered) = self.describe(&entry, &login) else {
            return self.entered_nothing(&entry);
        };
        let entered = Arc::new(entered);
        self.tell(entry.session, Event::Entered(entered.clone()));
        if let Some(ticket) = entry.ticket {
            self.answer(ticket, Ok(Reply::Entered(entered)));
        }
    }

    fn step_in(&mut self, id: SessionId, number: RoomNumber, login: &Arc<str>, now_ms: u64) {
        let (Some(session), Some(room)) = (self.sessions.find_mut(id), self.rooms.get_mut(number))
        else {
            return;
        };
        if session.rooms.contains(&number) {
            return;
        }
        session.rooms.push(number);
        let head = room.head;
        if room.enter(id, login) {
            self.note_joined(number, login, now_ms);
        }
        let Some(person) = self.people.get_mut(login) else {
            return;
        };
        // What was said before somebody was there for the first time is not unread.
        if person.position(number).is_none() {
            person.has_read(number, head);
            let position = person.position_mut(number);
            position.stored = head;
            let read = ChatChange::Read {
                room: number,
                login: login.to_string(),
                seq: head,
            };
            self.store(read, After::Nothing);
        } else if self.sessions.find(id).is_some_and(|one| one.reads_all) {
            self.unswept(number, now_ms);
        }
    }

    fn describe(&self, entry: &Entry, login: &str) -> Option<Entered> {
        let room = self.rooms.get(entry.room)?;
        let read = self.read_of(login, entry.room);
        Some(Entered {
            room: room.name.to_string(),
            head: room.head,
            read,
            unread: room.head.saturating_sub(read),
            topic: room.topic.clone(),
            owner: room.owner.clone(),
            keep: room.keep,
            members: room.members.len(),
            is_default: entry.room == self.default_room,
            cause: entry.cause.clone(),
            skipped: entry.skipped,
        })
    }

    /// Takes a session out of a room, without a word to it.
    fn step_out(&mut self, id: SessionId, number: RoomNumber, now_ms: u64) {
        let Some(session) = self.sessions.find_mut(id) else {
            return;
        };
        session.rooms.retain(|room| *room != number);
        let (login, reads_all) = (session.login.clone(), session.reads_all);
        let Some(room) = self.rooms.get_mut(number) else {
            return;
        };
        let head = room.head;
        if room.leave(id, &login) {
            self.note_left(number, &login, now_ms);
        }
        if reads_all {
            self.write_read(number, &login, head);
        }
    }

    pub(super) fn write_read(&mut self, number: RoomNumber, login: &str, seq: u64) {
        let Some(person) = self.people.get_mut(login) else {
            return;
        };
        if person.has_read(number, seq) {
            let read = ChatChange::Read {
                room: number,
                login: login.to_owned(),
                seq,
            };
            self.store(read, After::Nothing);
        }
    }

    /// Takes a session out of a room and tells it why.
    pub(super) fn put_out(
        &mut self,
        id: SessionId,
        number: RoomNumber,
        cause: LeftCause,
        now_ms: u64,
    ) {
        let Some(place) = self.rooms.get(number).map(|room| room.name.clone()) else {
            return;
        };
        self.step_out(id, number, now_ms);
        self.tell(id, Event::Left { place, cause });
    }

    pub(super) fn leave(
        &mut self,
        actor: &Actor,
        typed: &str,
        to_default: bool,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let id = actor
            .session
            .ok_or_else(|| Refusal::new(Reason::NoSession))?;
        let number = self.find_room(typed)?;
        let is_in = self
            .sessions
            .find(id)
            .is_some_and(|session| session.rooms.contains(&number));
        if !is_in {
            return refuse(Reason::NotThere(typed.to_owned()));
        }
        if to_default && number == self.default_room {
            return Ok(Reply::Done);
        }
        if to_default {
            self.send_to_default(id, true, LeftCause::Asked, now_ms);
        } else {
            self.put_out(id, number, LeftCause::Asked, now_ms);
        }
        Ok(Reply::Done)
    }

    /// Lets a session into the default room, for a reason.
    pub(super) fn send_to_default(
        &mut self,
        session: SessionId,
        is_only: bool,
        cause: LeftCause,
        now_ms: u64,
    ) {
        let is_there = self
            .sessions
            .find(session)
            .is_some_and(|one| one.rooms.contains(&self.default_room));
        if is_there {
            return;
        }
        let entry = Entry {
            session,
            room: self.default_room,
            ticket: None,
            is_only,
            cause,
            after: None,
            skipped: 0,
        };
        self.enter(entry, now_ms);
    }

    /// Takes all sessions out of a room that is gone; they find themselves in the default room.
    pub(super) fn empty_room(&mut self, number: RoomNumber, cause: &LeftCause, now_ms: u64) {
        let Some(mut room) = self.rooms.remove(number) else {
            return;
        };
        self.timers.stop(&Timer::Doom(number));
        self.timers.stop(&Timer::Presence(number));
        self.unswept.remove(&number);
        let listeners = room.listeners();
        for id in listeners.iter() {
            if let Some(session) = self.sessions.find_mut(*id) {
                session.rooms.retain(|one| *one != number);
            }
        }
        let left = Event::Left {
            place: room.name.clone(),
            cause: cause.clone(),
        };
        self.effects.push_back(Effect::Tell {
            sessions: listeners.clone(),
            event: Arc::new(left),
            room: Some(room.name),
        });
        for person in self.people.iter_mut() {
            person.forget(number);
        }
        for id in listeners.iter() {
            self.send_to_default(*id, false, cause.clone(), now_ms);
        }
    }

    /// From now on a session says itself what it has read, or does not.
    pub fn set_reads_all(&mut self, id: SessionId, reads_all: bool) {
        let Some(session) = self.sessions.find(id) else {
            return;
        };
        let (login, rooms) = (session.login.clone(), session.rooms.clone());
        // What it had before counts as read.
        for number in rooms {
            let head = self.rooms.get(number).map_or(0, |room| room.head);
            self.write_read(number, &login, head);
        }
        if let Some(session) = self.sessions.find_mut(id) {
            session.reads_all = reads_all;
        }
    }

    /// The rooms that a session is in, by their names.
    #[must_use]
    pub fn rooms_of(&self, id: SessionId) -> Vec<Arc<str>> {
        let rooms = self.sessions.find(id).map(|session| session.rooms.iter());
        let rooms = rooms.into_iter().flatten();
        rooms
            .filter_map(|number| Some(self.rooms.get(*number)?.name.clone()))
            .collect()
    }

    /// Says for whom sessions are open, so that their owner can look whether their logins still hold.
    #[must_use]
    pub fn session_login(&self, id: SessionId) -> Option<(Arc<str>, u64)> {
        let session = self.sessions.find(id)?;
        Some((session.login.clone(), session.created_ms))
    }

    /// What a session is, for commands that it did not write itself.
    #[must_use]
    pub fn actor(&self, id: SessionId) -> Option<Actor> {
        let session = self.sessions.find(id)?;
        Some(Actor {
            login: session.login.to_string(),
            created_ms: session.created_ms,
            is_administrator: session.is_administrator,
            session: Some(id),
        })
    }
}
