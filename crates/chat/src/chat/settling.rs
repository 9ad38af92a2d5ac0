//! Reading the history, and what of it was read by whom.

use std::sync::Arc;

use directory::chat::{ChatChange, RoomNumber};

use super::after::{After, Where};
use super::arrivals::Entry;
use super::people::Level;
use super::timers::{SWEEP_MS, Timer};
use super::{Chat, refuse};
use crate::command::{Actor, PageOf, Target};
use crate::effect::{Query, Ticket, Told};
use crate::event::{Event, MessageView};
use crate::limits::{PAGE_MAX, SEARCH_BYTES_MAX};
use crate::refusal::{Reason, Refusal, Rule};
use crate::reply::{Found, History, Reply};
use crate::session::SessionId;

/// Positions that are written down at once.
const SWEEP_MAX: usize = 2_000;

/// Why the history is being read.
#[derive(Debug)]
pub(super) enum PendingRead {
    /// Somebody asked for a page.
    Page {
        ticket: Ticket,
        login: String,
        place: Arc<str>,
        head: u64,
    },
    /// Somebody searches; the rooms by their names as they see them.
    Search {
        ticket: Ticket,
        login: String,
        places: Vec<(RoomNumber, String)>,
    },
    /// Somebody is shown what they missed, and goes in.
    Missed(Entry),
    /// Somebody is shown the private messages that wait for them.
    Private {
        session: SessionId,
        login: Arc<str>,
        place: Arc<str>,
        room: RoomNumber,
        /// The newest of them; what comes later is told as it comes.
        head: u64,
    },
}

impl Chat {
    /// The history has been read.
    pub fn handle_read(&mut self, id: u64, told: Told, now_ms: u64) {
        let Some(pending) = self.reads.remove(&id) else {
            return;
        };
        match (pending, told) {
            (
                PendingRead::Page {
                    ticket,
                    login,
                    place,
                    head,
                },
                Told::Page(page),
            ) => {
                let messages = page.messages.into_iter().map(MessageView::from);
                let history = History {
                    place,
                    messages: messages
                        .filter(|message| self.does_hear(&login, &message.from))
                        .collect(),
                    has_more: page.has_more,
                    head,
                };
                self.answer(ticket, Ok(Reply::History(history)));
            }
            (
                PendingRead::Search {
                    ticket,
                    login,
                    places,
                },
                Told::Found(messages, has_more),
            ) => {
                let found = messages.into_iter().filter_map(|message| {
                    let (_, place) = places.iter().find(|(room, _)| *room == message.room)?;
                    self.does_hear(&login, &message.author).then(|| Found {
                        place: place.clone(),
                        message: message.into(),
                    })
                });
                let found = found.collect();
                self.answer(ticket, Ok(Reply::Found { found, has_more }));
            }
            (PendingRead::Missed(entry), Told::Page(page)) => {
                let messages = page.messages.into_iter().map(MessageView::from).collect();
                self.read_missed(entry, messages, now_ms);
            }
            (
                PendingRead::Private {
                    session,
                    login,
                    place,
                    room,
                    head,
                },
                Told::Page(page),
            ) => {
                let waiting: Vec<_> = page
                    .messages
                    .into_iter()
                    .filter(|message| message.seq <= head)
                    .collect();
                let newest = waiting.last().map(|message| message.seq);
                for message in waiting {
                    let event = Event::Message {
                        place: place.clone(),
                        message: Arc::new(message.into()),
                        is_history: true,
                    };
                    self.tell(session, event);
                }
                if let Some(seq) = newest.filter(|_| self.sessions.find(session).is_some()) {
                    self.write_read(room, &login, seq);
                }
            }
            (PendingRead::Missed(entry), Told::Found(..) | Told::Unavailable) => {
                self.missed_unread(entry, now_ms);
            }
            (
                PendingRead::Page { ticket, .. } | PendingRead::Search { ticket, .. },
                Told::Page(_) | Told::Found(..) | Told::Unavailable,
            ) => self.answer(ticket, refuse(Reason::Unavailable)),
            (PendingRead::Private { .. }, Told::Found(..) | Told::Unavailable) => {}
        }
    }

    /// Whether somebody is on the way into a room, while it is read what they missed.
    pub(super) fn is_entering(&self, number: RoomNumber, login: &str) -> bool {
        self.reads
            .values()
            .any(|pending| self.enters(pending, number, login))
    }

    fn enters(&self, pending: &PendingRead, number: RoomNumber, login: &str) -> bool {
        let PendingRead::Missed(entry) = pending else {
            return false;
        };
        let session = self.sessions.find(entry.session);
        entry.room == number && session.is_some_and(|one| &*one.login == login)
    }

    /// Whoever is on the way into a room does not get in.
    pub(super) fn turn_away(&mut self, number: RoomNumber, login: &str) {
        let ids: Vec<_> = self
            .reads
            .iter()
            .filter(|(_, pending)| self.enters(pending, number, login))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if let Some(PendingRead::Missed(entry)) = self.reads.remove(&id)
                && let Some(ticket) = entry.ticket
            {
                let room = self.rooms.get(number).map(|room| room.name.to_string());
                let reason = Reason::NotThere(room.unwrap_or_default());
                self.answer(ticket, refuse(reason));
            }
        }
    }

    fn does_hear(&self, login: &str, author: &str) -> bool {
        let person = self.people.get(login);
        !person.is_some_and(|person| person.blocked.contains(author))
    }

    pub(super) fn history(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        page: &PageOf,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let place = self.locate(actor, of, now_ms)?;
        let (name, head) = self.name_and_head(&place);
        let query = Query::Page {
            room: place.number(),
            cursor: page.cursor,
            limit: page.limit.clamp(1, PAGE_MAX),
        };
        let pending = PendingRead::Page {
            ticket,
            login: actor.login.clone(),
            place: name,
            head,
        };
        self.ask_history(query, pending);
        Ok(())
    }

    fn name_and_head(&self, place: &Where) -> (Arc<str>, u64) {
        match place {
            Where::Room(number) => self
                .rooms
                .get(*number)
                .map(|room| (room.name.clone(), room.head)),
            Where::Talk { me, with, .. } => {
                let person = self.people.get(me);
                let talk = person.and_then(|person| person.talks.get(with));
                talk.map(|talk| (format!("@{with}").into(), talk.head))
            }
        }
        .unwrap_or_else(|| ("".into(), 0))
    }

    #[expect(clippy::too_many_arguments, reason = "each is a word of the command")]
    pub(super) fn search(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        words: String,
        of: Option<&Target>,
        before: Option<u64>,
        limit: u32,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        if words.trim().is_empty() || words.len() > SEARCH_BYTES_MAX {
            return refuse(Reason::Invalid(Rule::Search));
        }
        let places = match of {
            Some(of) => {
                let place = self.locate(actor, of, now_ms)?;
                let (name, _) = self.name_and_head(&place);
                vec![(place.number(), name.to_string())]
            }
            None => self.readable(actor, now_ms),
        };
        let query = Query::Search {
            words,
            rooms: places.iter().map(|(number, _)| *number).collect(),
            before,
            limit: limit.clamp(1, PAGE_MAX),
        };
        let pending = PendingRead::Search {
            ticket,
            login: actor.login.clone(),
            places,
        };
        self.ask_history(query, pending);
        Ok(())
    }

    /// Everything that somebody may read, by its name.
    fn readable(&self, actor: &Actor, now_ms: u64) -> Vec<(RoomNumber, String)> {
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, room)| room.check_ban(&actor.login, now_ms).is_ok())
            .map(|(number, room)| (number, room.name.to_string()));
        let person = self.people.get(&actor.login);
        let talks = person.into_iter().flat_map(|person| person.talks.iter());
        let talks = talks.map(|(with, talk)| (talk.number, format!("@{with}")));
        rooms.chain(talks).collect()
    }

    /// The newest message that somebody has read of a room.
    pub(super) fn read_of(&self, login: &str, number: RoomNumber) -> u64 {
        let Some(person) = self.people.get(login) else {
            return 0;
        };
        let reads_it = |id: &SessionId| {
            let session = self.sessions.find(*id);
            session.is_some_and(|one| one.reads_all && one.rooms.contains(&number))
        };
        if person.sessions.iter().any(reads_it) {
            return self.rooms.get(number).map_or(0, |room| room.head);
        }
        person.position(number).map_or(0, |position| position.read)
    }

    pub(super) fn read(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        seq: u64,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let place = self.locate(actor, of, now_ms)?;
        let (name, head) = self.name_and_head(&place);
        let number = place.number();
        let Some(person) = self.people.get_mut(&actor.login) else {
            return refuse(Reason::Unavailable);
        };
        let seq = seq.min(head);
        person.has_read(number, seq);
        let change = ChatChange::Read {
            room: number,
            login: actor.login.clone(),
            seq,
        };
        let after = After::Read {
            ticket,
            login: actor.login.clone(),
            place: name,
            room: number,
        };
        self.store(change, after);
        Ok(())
    }

    /// It is on disk what somebody has read: their other sessions hear of it.
    pub(super) fn has_read(&mut self, login: &str, number: RoomNumber, place: Arc<str>) {
        let Some(person) = self.people.get(login) else {
            return;
        };
        let room = self.rooms.get(number).map(|room| room.head);
        let talk = || person.talks.values().find(|talk| talk.number == number);
        let head = room
            .or_else(|| talk().map(|talk| talk.head))
            .unwrap_or_default();
        let Some(position) = person.position(number) else {
            return;
        };
        let event = Event::Read {
            place,
            read: position.read,
            unread: head.saturating_sub(position.read),
            mentions: position.mentions.len() as u64,
        };
        let hears = |id: &&SessionId| {
            let session = self.sessions.find(**id);
            session.is_some_and(|one| !one.reads_all)
        };
        let sessions = person.sessions.iter().filter(hears).copied().collect();
        self.tell_all(sessions, Arc::new(event));
    }

    pub(super) fn notify(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        of: &Target,
        level: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let place = self.locate(actor, of, now_ms)?;
        let Some(level) = Level::of(level) else {
            return refuse(Reason::Invalid(Rule::Level));
        };
        let number = place.number();
        let (_, head) = self.name_and_head(&place);
        if let Some(person) = self.people.get_mut(&actor.login) {
            person.position_from(number, head).level = level;
        }
        let change = ChatChange::NotifySet {
            room: number,
            login: actor.login.clone(),
            notify: level.word().to_owned(),
        };
        self.store(change, After::Done(ticket));
        Ok(())
    }

    /// Messages came to a room: who of those that cannot say so has read them is to be written down.
    pub(super) fn unswept(&mut self, number: RoomNumber, now_ms: u64) {
        self.unswept.insert(number);
        self.timers.start(Timer::Sweep, now_ms + SWEEP_MS);
    }

    /// Writes down what was read by those who cannot say so, some of them at a time.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        let mut left = SWEEP_MAX;
        while let Some(number) = self.unswept.first().copied() {
            let Some(room) = self.rooms.get_mut(number) else {
                self.unswept.remove(&number);
                continue;
            };
            let (head, count) = (room.head, room.listener_count());
            let begin = room.swept.min(count);
            let end = (begin + left).min(count);
            room.swept = if end < count { end } else { 0 };
            let readers: Vec<_> = (begin..end).filter_map(|at| room.listener(at)).collect();
            left -= readers.len();
            for id in readers {
                let Some(session) = self.sessions.find(id).filter(|one| one.reads_all) else {
                    continue;
                };
                let login = session.login.clone();
                self.write_read(number, &login, head);
            }
            if end == count {
                self.unswept.remove(&number);
            }
            if left == 0 {
                break;
            }
        }
        if !self.unswept.is_empty() {
            self.timers.set(Timer::Sweep, now_ms + SWEEP_MS);
        }
    }
}
