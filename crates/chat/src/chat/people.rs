//! The accounts that are there, and what is kept of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use directory::chat::{ChatAuthor, ChatChange, ChatPerson, RoomNumber};

use super::after::After;
use super::timers::{Timer, UNLOAD_MS};
use super::{Chat, refuse};
use crate::command::{Actor, Command};
use crate::effect::{Accounts, Ticket};
use crate::event::Presence;
use crate::limits::BLOCKED_MAX;
use crate::refusal::{Plenty, Reason, Refusal};
use crate::session::{Language, SessionId};

/// What an account wants to be told of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Level {
    #[default]
    All,
    Mentions,
    Nothing,
}

impl Level {
    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::All, Self::Mentions, Self::Nothing]
            .into_iter()
            .find(|level| level.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mentions => "mentions",
            Self::Nothing => "nothing",
        }
    }
}

/// What somebody has read of a room or conversation.
#[derive(Debug, Default)]
pub(super) struct Position {
    pub(super) read: u64,
    /// What is on disk may be less.
    pub(super) stored: u64,
    pub(super) mentions: Vec<u64>,
    pub(super) level: Level,
}

/// A private conversation, as one of the two sees it.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    pub(super) number: RoomNumber,
    pub(super) head: u64,
    pub(super) last_ms: u64,
}

/// Somebody.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) login: Arc<str>,
    created_ms: u64,
    pub(super) language: Option<Language>,
    pub(super) sessions: Vec<SessionId>,
    pub(super) blocked: BTreeSet<String>,
    positions: BTreeMap<RoomNumber, Position>,
    pub(super) talks: BTreeMap<String, Talk>,
    /// Messages that may be sent at once.
    tokens: f64,
    filled_ms: u64,
    pub(super) presence: Presence,
    pub(super) note: String,
    /// Since when the presence is this.
    pub(super) since_ms: u64,
    pub(super) active_ms: u64,
    /// When it was last told that they write something.
    pub(super) typed_ms: u64,
}

#[derive(Debug)]
enum Entry {
    Loading {
        created_ms: u64,
        waiting: Vec<Waiting>,
    },
    Loaded(Box<Person>),
}

/// What waits until somebody's things are read.
#[derive(Debug)]
pub(super) enum Waiting {
    Command {
        actor: Actor,
        ticket: Ticket,
        command: Command,
    },
    Arrival(SessionId),
}

/// Everybody who is there, or was a moment ago.
#[derive(Debug, Default)]
pub(super) struct People {
    all: BTreeMap<String, Entry>,
    /// When those were last there who are not.
    pub(super) last_seen: BTreeMap<String, u64>,
    /// By whom somebody is blocked, of those who are there.
    blockers: BTreeMap<String, BTreeSet<String>>,
}

impl Person {
    fn new(login: &str, created_ms: u64, stored: ChatPerson, now_ms: u64) -> Self {
        let positions = stored.positions.into_iter().map(|one| {
            let position = Position {
                read: one.read,
                stored: one.read,
                mentions: one.mentions,
                level: Level::of(&one.notify).unwrap_or_default(),
            };
            (one.room, position)
        });
        let talks = stored.conversations.into_iter().map(|one| {
            let talk = Talk {
                number: one.number,
                head: one.head,
                last_ms: one.last_ms,
            };
            (one.with, talk)
        });
        Self {
            login: login.into(),
            created_ms,
            language: Language::of(&stored.language),
            sessions: Vec::new(),
            blocked: stored.blocked.into_iter().collect(),
            positions: positions.collect(),
            talks: talks.collect(),
            tokens: f64::INFINITY,
            filled_ms: now_ms,
            presence: Presence::Offline,
            note: String::new(),
            since_ms: now_ms,
            active_ms: now_ms,
            typed_ms: 0,
        }
    }

    pub(super) fn position(&self, room: RoomNumber) -> Option<&Position> {
        self.positions.get(&room)
    }

    /// The rooms and conversations of which anything is known.
    pub(super) fn places(&self) -> impl Iterator<Item = RoomNumber> {
        self.positions.keys().copied()
    }

    pub(super) fn position_mut(&mut self, room: RoomNumber) -> &mut Position {
        self.positions.entry(room).or_default()
    }

    /// As [`Self::position_mut`], beginning at a message where there was none.
    pub(super) fn position_from(&mut self, room: RoomNumber, read: u64) -> &mut Position {
        self.positions.entry(room).or_insert_with(|| Position {
            read,
            stored: read,
            ..Position::default()
        })
    }

    pub(super) fn forget(&mut self, room: RoomNumber) {
        self.positions.remove(&room);
    }

    /// Moves on to a message that was read; returns whether that is news for the disk.
    pub(super) fn has_read(&mut self, room: RoomNumber, seq: u64) -> bool {
        let position = self.position_mut(room);
        position.read = position.read.max(seq);
        position.mentions.retain(|mention| *mention > seq);
        let is_news = position.stored < position.read;
        position.stored = position.read;
        is_news
    }

    /// Takes one message off what may be sent at once; how long to wait if there is none.
    fn take_token(&mut self, per_second: u32, burst: u32, now_ms: u64) -> Result<(), u64> {
        if per_second == 0 {
            return Ok(());
        }
        let rate = f64::from(per_second) / 1_000.0;
        let passed = now_ms.saturating_sub(self.filled_ms);
        // Waits are short: whoever was silent for longer has a full bucket anyway.
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.filled_ms = now_ms;
        let full = f64::from(burst.max(1));
        self.tokens = (self.tokens + f64::from(passed) * rate).min(full);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // At most a second for each message: small and positive.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1,000"
        )]
        let wait_ms = ((1.0 - self.tokens) / rate).ceil().clamp(1.0, 60_000.0) as u64;
        Err(wait_ms)
    }
}

impl People {
    pub(super) fn new(seen: Vec<(String, u64)>) -> Self {
        Self {
            last_seen: seen.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(super) fn is_loaded(&self, login: &str, created_ms: u64) -> bool {
        match self.all.get(login) {
            Some(Entry::Loaded(person)) => person.created_ms == created_ms,
            Some(Entry::Loading { .. }) | None => false,
        }
    }

    pub(super) fn get(&self, login: &str) -> Option<&Person> {
        match self.all.get(login)? {
            Entry::Loaded(person) => Some(person),
            Entry::Loading { .. } => None,
        }
    }

    pub(super) fn get_mut(&mut self, login: &str) -> Option<&mut Person> {
        match self.all.get_mut(login)? {
            Entry::Loaded(person) => Some(person),
            Entry::Loading { .. } => None,
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Person> {
        self.all.values_mut().filter_map(|entry| match entry {
            Entry::Loaded(person) => Some(&mut **person),
            Entry::Loading { .. } => None,
        })
    }

    pub(super) fn has_sessions(&self, login: &str) -> bool {
        self.get(login)
            .is_some_and(|person| !person.sessions.is_empty())
    }

    /// Who does not want to hear somebody, of those who are there.
    pub(super) fn blockers(&self, author: &str) -> Option<&BTreeSet<String>> {
        self.blockers.get(author)
    }

    fn note_block(&mut self, login: &str, blocked: &str, is_on: bool) {
        if is_on {
            let blockers = self.blockers.entry(blocked.to_owned()).or_default();
            blockers.insert(login.to_owned());
        } else if let Some(blockers) = self.blockers.get_mut(blocked) {
            blockers.remove(login);
            if blockers.is_empty() {
                self.blockers.remove(blocked);
            }
        }
    }

    fn remove(&mut self, login: &str) {
        if let Some(Entry::Loaded(person)) = self.all.remove(login) {
            for blocked in &person.blocked {
                self.note_block(login, blocked, false);
            }
        }
    }
}

impl Chat {
    /// Reads what is kept of somebody before something is done for them.
    pub(super) fn load(&mut self, login: &str, created_ms: u64, waiting: Waiting, now_ms: u64) {
        if let Some(Entry::Loading {
            created_ms: before,
            waiting: others,
        }) = self.people.all.get_mut(login)
            && *before == created_ms
        {
            return others.push(waiting);
        }
        // An account of this login that was there before is another one.
        self.people.remove(login);
        let entry = Entry::Loading {
            created_ms,
            waiting: vec![waiting],
        };
        self.people.all.insert(login.to_owned(), entry);
        let author = ChatAuthor {
            login: login.to_owned(),
            created_ms,
        };
        let after = After::Loaded {
            login: login.to_owned(),
            created_ms,
            now_ms,
        };
        self.store(ChatChange::PersonLoaded(author), after);
    }

    pub(super) fn loaded(
        &mut self,
        login: &str,
        created_ms: u64,
        stored: Option<ChatPerson>,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) {
        let is_wanted = |entry: &Entry| match entry {
            Entry::Loading { created_ms: of, .. } => *of == created_ms,
            Entry::Loaded(_) => false,
        };
        if !self.people.all.get(login).is_some_and(is_wanted) {
            return;
        }
        let Some(Entry::Loading { waiting, .. }) = self.people.all.remove(login) else {
            return;
        };
        let is_there = stored.is_some();
        if let Some(stored) = stored {
            for blocked in &stored.blocked {
                self.people.note_block(login, blocked, true);
            }
            let person = Person::new(login, created_ms, stored, now_ms);
            let entry = Entry::Loaded(Box::new(person));
            self.people.all.insert(login.to_owned(), entry);
            let unload = Timer::Unload(login.to_owned());
            self.timers.set(unload, now_ms + UNLOAD_MS);
            self.disown(login, created_ms);
        }
        for one in waiting {
            match one {
                Waiting::Arrival(session) if is_there => self.arrive(session, now_ms),
                Waiting::Command {
                    actor,
                    ticket,
                    command,
                } if is_there => self.handle(actor, ticket, command, accounts, now_ms),
                Waiting::Command { ticket, .. } => {
                    self.answer(ticket, refuse(Reason::Unavailable));
                }
                Waiting::Arrival(_) => {}
            }
        }
    }

    /// Rooms that an older account of this login made are not this one's.
    fn disown(&mut self, login: &str, created_ms: u64) {
        for number in self.rooms.of(login) {
            let is_older = |room: &super::rooms::Room| room.created_ms < created_ms;
            if self.rooms.get(number).is_some_and(is_older) {
                self.end_room(number);
                self.rooms.orphan(number);
                self.store(ChatChange::RoomOrphaned { room: number }, After::Nothing);
            }
        }
    }

    /// Forgets somebody who has not been there for a while.
    pub(super) fn unload(&mut self, login: &str) {
        if !self.people.has_sessions(login) {
            self.people.remove(login);
        }
    }

    pub(super) fn check_flood(&mut self, login: &str, now_ms: u64) -> Result<(), Refusal> {
        let (rate, burst) = (
            self.settings.messages_per_second,
            self.settings.messages_burst,
        );
        let Some(person) = self.people.get_mut(login) else {
            return Ok(());
        };
        person
            .take_token(rate, burst, now_ms)
            .map_err(|wait_ms| Refusal::later(Reason::Flood, wait_ms))
    }

    pub(super) fn block(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        login: &str,
        is_on: bool,
        accounts: &dyn Accounts,
    ) -> Result<(), Refusal> {
        if login == actor.login {
            return refuse(Reason::Yourself);
        }
        let count = self
            .people
            .get(&actor.login)
            .map_or(0, |me| me.blocked.len());
        if is_on && accounts.find(login).is_none() {
            return refuse(Reason::NoUser(login.to_owned()));
        }
        if is_on && count >= BLOCKED_MAX {
            return refuse(Reason::TooMany(Plenty::Blocked));
        }
        let change = ChatChange::BlockSet {
            login: actor.login.clone(),
            blocked: login.to_owned(),
            is_on,
        };
        let after = After::BlockSet {
            ticket,
            login: actor.login.clone(),
            blocked: login.to_owned(),
            is_on,
        };
        self.store(change, after);
        Ok(())
    }

    pub(super) fn blocked_now(&mut self, login: &str, blocked: &str, is_on: bool) {
        let Some(person) = self.people.get_mut(login) else {
            return;
        };
        if is_on {
            person.blocked.insert(blocked.to_owned());
        } else {
            person.blocked.remove(blocked);
        }
        self.people.note_block(login, blocked, is_on);
    }

    pub(super) fn speak(&mut self, actor: &Actor, ticket: Ticket, language: Language) {
        if let Some(person) = self.people.get_mut(&actor.login) {
            person.language = Some(language);
        }
        let change = ChatChange::LanguageSet {
            login: actor.login.clone(),
            language: language.code().to_owned(),
        };
        self.store(change, After::Done(ticket));
    }

    /// The language in which a session is to be spoken to, once its account has said so.
    #[must_use]
    pub fn language(&self, session: SessionId) -> Option<Language> {
        let session = self.sessions.find(session)?;
        let chosen = self.people.get(&session.login).and_then(|me| me.language);
        chosen.or(session.language)
    }
}
