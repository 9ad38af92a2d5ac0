//! A chat with its history, some accounts, and everything that its sessions were told.

use std::collections::BTreeMap;

use directory::chat::{ChatReader, ChatStore};

use crate::{
    AccountFacts, Accounts, Actor, Chat, Command, Effect, Ended, Event, Newcomer, Query, Reason,
    Refusal, Reply, SessionId, Settings, Target, Ticket, Told,
};

/// The accounts: `root` is the administrator.
pub(super) struct People;

impl Accounts for People {
    fn find(&self, login: &str) -> Option<AccountFacts> {
        self.logins()
            .contains(&login.to_owned())
            .then(|| AccountFacts {
                login: login.to_owned(),
                created_ms: 1,
                is_administrator: login == "root",
            })
    }

    fn logins(&self) -> Vec<String> {
        ["ana", "bob", "eve", "root", "zoe"]
            .map(str::to_owned)
            .into()
    }
}

pub(super) struct Rig {
    directory: tempfile::TempDir,
    pub(super) chat: Chat,
    store: ChatStore,
    reader: ChatReader,
    pub(super) now_ms: u64,
    next_ticket: u64,
    answers: BTreeMap<u64, Result<Reply, Refusal>>,
    told: BTreeMap<SessionId, Vec<Event>>,
    pub(super) overheard: Vec<(String, Event)>,
    /// Nothing is stored while this is set.
    pub(super) is_held: bool,
    /// Nothing is read while this is set.
    pub(super) is_deaf: bool,
    unread: Vec<(u64, Query)>,
}

pub(super) fn settings() -> Settings {
    Settings {
        messages_per_second: 0,
        ..Settings::default()
    }
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::over(directory, settings, 1_000_000)
    }

    fn over(directory: tempfile::TempDir, settings: Settings, now_ms: u64) -> Self {
        let path = directory.path().join("chat.sqlite");
        let store = ChatStore::open(&path).expect("a history");
        let reader = ChatReader::open(&path).expect("a reader");
        let snapshot = store.load().expect("rooms");
        let chat = Chat::new(settings, snapshot, now_ms).expect("a good default room");
        let mut rig = Self {
            directory,
            chat,
            store,
            reader,
            now_ms,
            next_ticket: 0,
            answers: BTreeMap::new(),
            told: BTreeMap::new(),
            overheard: Vec::new(),
            is_held: false,
            is_deaf: false,
            unread: Vec::new(),
        };
        rig.turn();
        rig
    }

    /// The same chat after the process was killed and started again.
    pub(super) fn restarted(self, settings: Settings) -> Self {
        let Self {
            directory,
            store,
            reader,
            now_ms,
            ..
        } = self;
        drop((store, reader));
        Self::over(directory, settings, now_ms)
    }

    pub(super) fn come(&mut self, login: &str) -> SessionId {
        self.come_as(login, false)
    }

    /// Somebody at a door that cannot say what was read.
    pub(super) fn come_as(&mut self, login: &str, reads_all: bool) -> SessionId {
        let session = self.chat.attach(
            Newcomer {
                login: login.to_owned(),
                created_ms: 1,
                is_administrator: login == "root",
                door: "test",
                language: None,
                reads_all,
                enters_default: reads_all,
            },
            self.now_ms,
        );
        self.turn();
        session
    }

    pub(super) fn go(&mut self, session: SessionId, ended: Ended) {
        self.chat.detach(session, ended, self.now_ms);
        self.turn();
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now_ms += ms;
        self.turn();
    }

    /// Begins to ask; [`Self::answer`] has the answer once there is one.
    pub(super) fn begin(&mut self, session: SessionId, command: Command) -> u64 {
        let actor = self.chat.actor(session).expect("an open session");
        self.begin_as(actor, command)
    }

    pub(super) fn begin_as(&mut self, actor: Actor, command: Command) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.chat
            .handle(actor, Ticket(ticket), command, &People, self.now_ms);
        self.turn();
        ticket
    }

    pub(super) fn answer(&mut self, ticket: u64) -> Option<Result<Reply, Refusal>> {
        self.answers.remove(&ticket)
    }

    pub(super) fn ask(&mut self, session: SessionId, command: Command) -> Result<Reply, Refusal> {
        let ticket = self.begin(session, command);
        self.answer(ticket).expect("an answer")
    }

    pub(super) fn done(&mut self, session: SessionId, command: Command) -> Reply {
        let answered = self.ask(session, command);
        answered.expect("it is allowed")
    }

    pub(super) fn refused(&mut self, session: SessionId, command: Command) -> Reason {
        let answered = self.ask(session, command);
        answered.expect_err("it is not allowed").reason
    }

    pub(super) fn join(&mut self, session: SessionId, room: &str) {
        let after = None;
        self.done(session, join(room, after));
    }

    /// Says something and returns its number.
    pub(super) fn say(&mut self, session: SessionId, room: &str, text: &str) -> u64 {
        let reply = self.done(session, say(room, text));
        let Reply::Posted(posted) = reply else {
            panic!("said, not {reply:?}");
        };
        posted.message.seq
    }

    /// What a session was told since it was last looked at.
    pub(super) fn told(&mut self, session: SessionId) -> Vec<Event> {
        self.told.remove(&session).unwrap_or_default()
    }

    /// The texts of the messages that a session was told since it was last looked at, with where they were said.
    pub(super) fn texts(&mut self, session: SessionId) -> Vec<String> {
        let told = self.told(session).into_iter();
        told.filter_map(|event| match event {
            Event::Message { place, message, .. } => Some(format!("{place} {}", message.text)),
            Event::Changed { .. }
            | Event::Mentioned { .. }
            | Event::Entered(_)
            | Event::Left { .. }
            | Event::Presence { .. }
            | Event::Typing { .. }
            | Event::Read { .. }
            | Event::Room { .. } => None,
        })
        .collect()
    }

    /// The disk is full: what is to be stored is not.
    pub(super) fn fail(&mut self) {
        while !self.chat.take_changes().is_empty() {
            self.chat.handle_uncommitted();
        }
        self.is_held = false;
        self.turn();
    }

    /// Does everything that is to be done.
    pub(super) fn turn(&mut self) {
        self.chat.handle_timeout(self.now_ms);
        if !self.is_deaf {
            for (id, query) in std::mem::take(&mut self.unread) {
                let told = self.read(query);
                self.chat.handle_read(id, told, self.now_ms);
            }
        }
        loop {
            let mut has_moved = false;
            let changes = if self.is_held {
                Vec::new()
            } else {
                self.chat.take_changes()
            };
            if !changes.is_empty() {
                let outcomes = self.store.commit(&changes).expect("a disk");
                self.chat.handle_committed(outcomes, &People, self.now_ms);
                has_moved = true;
            }
            while let Some(effect) = self.chat.poll_effect() {
                has_moved = true;
                self.act(effect);
            }
            if !has_moved {
                return;
            }
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { ticket, result } => {
                let before = self.answers.insert(ticket.0, *result);
                assert_eq!(before, None, "everybody is answered once");
            }
            Effect::Tell {
                sessions,
                event,
                room,
            } => {
                if let Some(room) = room {
                    self.overheard.push((room.to_string(), (*event).clone()));
                }
                for session in sessions.iter() {
                    let told = self.told.entry(*session).or_default();
                    told.push((*event).clone());
                }
            }
            Effect::Read { id, query } if self.is_deaf => self.unread.push((id, query)),
            Effect::Read { id, query } => {
                let told = self.read(query);
                self.chat.handle_read(id, told, self.now_ms);
            }
        }
    }

    fn read(&self, query: Query) -> Told {
        match query {
            Query::Page {
                room,
                cursor,
                limit,
            } => Told::Page(self.reader.history(room, cursor, limit).expect("a page")),
            Query::Search {
                words,
                rooms,
                before,
                limit,
            } => {
                let found = self.reader.search(&words, &rooms, before, limit);
                let (messages, has_more) = found.expect("a search");
                Told::Found(messages, has_more)
            }
        }
    }
}

pub(super) fn target(place: &str) -> Target {
    match place.strip_prefix('@') {
        Some(login) => Target::User(login.to_owned()),
        None => Target::Room(place.to_owned()),
    }
}

pub(super) fn say(place: &str, text: &str) -> Command {
    Command::Say {
        to: target(place),
        text: text.to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: None,
    }
}

pub(super) fn join(room: &str, after: Option<u64>) -> Command {
    Command::Join {
        room: room.to_owned(),
        after,
        is_only: false,
    }
}

pub(super) fn create(room: &str, keep: bool) -> Command {
    Command::Create {
        room: room.to_owned(),
        keep,
        is_only: true,
    }
}
