//! The chat's rules with everything that they need: who is answered and told what, and the history.
//!
//! Owned by one thread, which turns it: letters and lines go in, and [`Host::turn`] does what they lead to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use chat::{
    AccountFacts, Accounts, Actor, Chat, Command, Effect, Ended, Event, Newcomer, Refusal, Reply,
    SessionId, Ticket,
};
use engine::Handle;
use tokio::sync::{mpsc, oneshot};

use super::inbox::{Inbox, Letter, LineLetter};
use super::keeper::Keeper;
use super::numbers::Numbers;
use super::{Farewell, Heard, Overheard};

/// Sessions for each of which a batch of changes waits its part of a millisecond: writing to one takes some microseconds.
const SESSIONS_PER_MS: usize = 10;
/// The longest that a batch of changes waits, in milliseconds: nobody sees that.
const PAUSE_MS_MAX: usize = 20;

/// A connection of the line protocol: its place, and how many had that before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// Who is told what a session hears.
enum Ear {
    /// A listener on another thread.
    Listener(mpsc::Sender<Heard>),
    /// A connection of this thread.
    Line(Caller),
}

/// A session that listens.
struct Hearer {
    session: SessionId,
    /// The door that it came through.
    door: &'static str,
    ear: Ear,
}

/// Who waits for an answer.
pub(crate) enum Asker {
    /// Somebody on another thread.
    Elsewhere(oneshot::Sender<Result<Reply, Refusal>>),
    /// A connection of this thread, with its own number of what it asked.
    Line(Caller, u64),
    /// Nobody.
    Nobody,
}

/// The connections of this thread.
pub(crate) trait Lines {
    /// Something happened that a connection hears.
    fn tell(&mut self, caller: Caller, event: &Arc<Event>, number: u64, chat: &Chat);
    /// A connection is answered.
    fn answer(&mut self, caller: Caller, number: u64, result: &Result<Reply, Refusal>);
}

/// The accounts of the engine, as the chat's rules see them.
pub(crate) struct EngineAccounts(pub(crate) Handle);

impl Accounts for EngineAccounts {
    fn find(&self, login: &str) -> Option<AccountFacts> {
        let account = self.0.account(login)?;
        Some(AccountFacts {
            login: account.login,
            created_ms: account.created_ms,
            is_administrator: account.role == directory::Role::Administrator,
        })
    }

    fn logins(&self) -> Vec<String> {
        let accounts = self.0.account_list().into_iter();
        accounts.map(|account| account.login).collect()
    }
}

/// The chat and what belongs to it.
pub(crate) struct Host {
    chat: Chat,
    accounts: EngineAccounts,
    keeper: Keeper,
    inbox: Arc<Inbox>,
    ears: Vec<Option<Hearer>>,
    askers: HashMap<u64, Asker>,
    next_ticket: u64,
    /// Those who follow all rooms.
    followers: Vec<mpsc::Sender<Overheard>>,
    /// Listeners that did not keep up: they are sent away.
    slow: Vec<SessionId>,
    /// A batch is being written.
    is_writing: bool,
    /// Before when no batch is begun.
    write_due_ms: u64,
    /// How many sessions the event was for that was told to most, since the last batch was begun.
    widest: usize,
    /// Counts events, so that connections can tell one from another.
    told: u64,
    /// What has happened so far.
    numbers: Numbers,
    /// When the batch was begun that is being written.
    write_begun: Instant,
}

impl Host {
    pub(crate) fn new(chat: Chat, engine: Handle, keeper: Keeper, inbox: Arc<Inbox>) -> Self {
        Self {
            chat,
            accounts: EngineAccounts(engine),
            keeper,
            inbox,
            ears: Vec::new(),
            askers: HashMap::new(),
            next_ticket: 0,
            followers: Vec::new(),
            slow: Vec::new(),
            is_writing: false,
            write_due_ms: 0,
            widest: 0,
            told: 0,
            numbers: Numbers::default(),
            write_begun: Instant::now(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.accounts.0.now_ms()
    }

    /// Lets a connection of this thread listen.
    pub(crate) fn attach(&mut self, newcomer: Newcomer, caller: Caller) -> SessionId {
        let now_ms = self.now_ms();
        let door = newcomer.door;
        let session = self.chat.attach(newcomer, now_ms);
        self.hear(session, door, Ear::Line(caller));
        session
    }

    pub(crate) fn detach(&mut self, session: SessionId, ended: Ended) {
        let now_ms = self.now_ms();
        if let Some(ear) = self.ears.get_mut(session.index as usize)
            && ear.as_ref().is_some_and(|hearer| hearer.session == session)
        {
            *ear = None;
        }
        self.chat.detach(session, ended, now_ms);
    }

    /// A session says itself from now on what it has read, or does not; it is told again where it is.
    pub(crate) fn set_reads_all(&mut self, actor: &Actor, session: SessionId, reads_all: bool) {
        self.chat.set_reads_all(session, reads_all);
        for room in self.chat.rooms_of(session) {
            let join = Command::Join {
                room: room.to_string(),
                after: None,
                is_only: false,
            };
            self.ask(actor.clone(), Asker::Nobody, join);
        }
    }

    /// Lets a connection of this thread into the listings.
    ///
    /// # Errors
    /// The engine's refusal.
    pub(crate) fn admit(
        &self,
        login: &engine::accounts::Login,
        info: engine::ConnectionInfo,
        caller: Caller,
    ) -> Result<engine::Admission, broker::Refusal> {
        let inbox = self.inbox.clone();
        let closer = Arc::new(move |reason: &str| {
            let farewell = Farewell::of_closing(reason);
            inbox.post(Letter::Line(LineLetter::Close { caller, farewell }));
        });
        self.accounts.0.admit(login, info, closer)
    }

    pub(crate) fn ask(&mut self, actor: Actor, asker: Asker, command: Command) {
        let now_ms = self.now_ms();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        if !matches!(asker, Asker::Nobody) {
            self.askers.insert(ticket, asker);
        }
        self.chat
            .handle(actor, Ticket(ticket), command, &self.accounts, now_ms);
    }

    /// Takes the letters that other threads have sent; returns those for the line protocol, and whether logins are to be looked at.
    pub(crate) fn read_letters(&mut self) -> (Vec<LineLetter>, bool) {
        let mut must_check = false;
        let mut for_lines = Vec::new();
        for letter in self.inbox.take() {
            match letter {
                Letter::Ask {
                    actor,
                    command,
                    answer,
                } => self.ask(actor, Asker::Elsewhere(answer), command),
                Letter::Listen {
                    newcomer,
                    hear,
                    answer,
                } => self.listen(newcomer, hear, answer),
                Letter::Language { session, answer } => {
                    // Whoever wanted to know may have gone.
                    let _ = answer.send(self.chat.language(session));
                }
                Letter::Part { session, ended } => self.detach(session, ended),
                Letter::End { session, farewell } => self.end(session, farewell),
                Letter::Count { answer } => {
                    // Whoever wanted to know may have gone.
                    let _ = answer.send(self.count());
                }
                Letter::Overhear { hear } => self.followers.push(hear),
                Letter::CheckLogins => must_check = true,
                Letter::Line(letter) => for_lines.push(letter),
                Letter::Committed(outcomes) => self.committed(outcomes),
                Letter::Told(id, told) => {
                    let now_ms = self.now_ms();
                    self.chat.handle_read(id, told, now_ms);
                }
            }
        }
        (for_lines, must_check)
    }

    fn count(&self) -> Numbers {
        let mut numbers = self.numbers.clone();
        numbers.rooms = self.chat.room_count();
        for hearer in self.ears.iter().flatten() {
            *numbers.sessions.entry(hearer.door).or_default() += 1;
        }
        numbers
    }

    fn listen(
        &mut self,
        newcomer: Newcomer,
        hear: mpsc::Sender<Heard>,
        answer: oneshot::Sender<Result<SessionId, Refusal>>,
    ) {
        let now_ms = self.now_ms();
        let door = newcomer.door;
        let session = self.chat.attach(newcomer, now_ms);
        self.hear(session, door, Ear::Listener(hear));
        if answer.send(Ok(session)).is_err() {
            // Whoever wanted to listen is gone already, and nobody else will say so.
            self.detach(session, Ended::Lost);
        }
    }

    /// Tells a listener that it hears nothing any more.
    fn end(&mut self, session: SessionId, farewell: Farewell) {
        if let Some(Ear::Listener(hear)) = self.ear_of(session) {
            // A full buffer ends with the channel just the same.
            let _ = hear.try_send(Heard::End(farewell));
            self.detach(session, Ended::Lost);
        }
    }

    /// Who is told what a session hears; `None` if it is not there any more.
    fn ear_of(&self, session: SessionId) -> Option<&Ear> {
        let slot = self.ears.get(session.index as usize)?.as_ref()?;
        (slot.session == session).then_some(&slot.ear)
    }

    fn hear(&mut self, session: SessionId, door: &'static str, ear: Ear) {
        let place = session.index as usize;
        if self.ears.len() <= place {
            self.ears.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.ears.get_mut(place) {
            *slot = Some(Hearer { session, door, ear });
        }
    }

    fn committed(&mut self, outcomes: Option<Vec<directory::chat::ChatOutcome>>) {
        self.is_writing = false;
        let now_ms = self.now_ms();
        match outcomes {
            Some(outcomes) => {
                self.numbers.committed(self.write_begun.elapsed());
                self.chat.handle_committed(outcomes, &self.accounts, now_ms);
            }
            None => self.chat.handle_uncommitted(),
        }
    }

    /// When there is something to do by itself, in milliseconds since 1970.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let write = (!self.is_writing && self.chat.has_changes()).then_some(self.write_due_ms);
        self.chat.next_deadline().into_iter().chain(write).min()
    }

    /// Does everything that is to be done: what is due, what is to be written, who is to be told.
    pub(crate) fn turn(&mut self, lines: &mut impl Lines) {
        let now_ms = self.now_ms();
        self.chat.handle_timeout(now_ms);
        if !self.is_writing && self.chat.has_changes() && self.write_due_ms <= now_ms {
            self.begin_write(now_ms);
        }
        while let Some(effect) = self.chat.poll_effect() {
            match effect {
                Effect::Answer { ticket, result } => self.answer(ticket, *result, lines),
                Effect::Tell {
                    sessions,
                    event,
                    room,
                } => self.tell(&sessions, &event, room, lines),
                Effect::Read { id, query } => self.keeper.read(id, query),
            }
        }
        for session in std::mem::take(&mut self.slow) {
            self.detach(session, Ended::Lost);
        }
    }

    /// Has what there is written, in one batch. The next one waits as long as makes writing to sockets a small part of the time: what
    /// comes meanwhile goes out with one write for each connection. After a quiet moment nothing waits.
    fn begin_write(&mut self, now_ms: u64) {
        let pause_ms = (std::mem::take(&mut self.widest) / SESSIONS_PER_MS).min(PAUSE_MS_MAX);
        self.write_due_ms = now_ms + u64::try_from(pause_ms).unwrap_or_default();
        self.is_writing = true;
        self.write_begun = Instant::now();
        self.keeper.write(self.chat.take_changes());
    }

    fn answer(&mut self, ticket: Ticket, result: Result<Reply, Refusal>, lines: &mut impl Lines) {
        self.numbers.answered(&result);
        match self.askers.remove(&ticket.0) {
            Some(Asker::Elsewhere(answer)) => {
                // Whoever asked may have gone.
                let _ = answer.send(result);
            }
            Some(Asker::Line(caller, number)) => lines.answer(caller, number, &result),
            Some(Asker::Nobody) | None => {}
        }
    }

    fn tell(
        &mut self,
        sessions: &[SessionId],
        event: &Arc<Event>,
        room: Option<Arc<str>>,
        lines: &mut impl Lines,
    ) {
        self.told += 1;
        self.widest = self.widest.max(sessions.len());
        if matches!(**event, Event::Message { .. }) {
            self.numbers.delivered += u64::try_from(sessions.len()).unwrap_or_default();
        }
        for session in sessions {
            match self.ear_of(*session) {
                Some(Ear::Line(caller)) => lines.tell(*caller, event, self.told, &self.chat),
                Some(Ear::Listener(hear)) => {
                    let sent = hear.try_send(Heard::Event(event.clone()));
                    if sent.is_err() {
                        self.slow.push(*session);
                    }
                }
                None => {}
            }
        }
        if let Some(room) = room
            && !self.followers.is_empty()
        {
            self.followers.retain(|hear| {
                let overheard = Overheard {
                    room: room.clone(),
                    event: event.clone(),
                };
                !matches!(
                    hear.try_send(overheard),
                    Err(mpsc::error::TrySendError::Closed(_))
                )
            });
        }
    }

    /// Ends everything: listeners are told, and what was read is written down.
    pub(crate) fn close(mut self, lines: &mut impl Lines) {
        for slot in std::mem::take(&mut self.ears) {
            let Some(Hearer { session, ear, .. }) = slot else {
                continue;
            };
            if let Ear::Listener(hear) = ear {
                // A full buffer ends with the channel just the same.
                let _ = hear.try_send(Heard::End(Farewell::Shutdown));
            }
            let now_ms = self.now_ms();
            self.chat.detach(session, Ended::Lost, now_ms);
        }
        self.turn(lines);
        if self.chat.has_changes() {
            self.keeper.write(self.chat.take_changes());
        }
        self.keeper.close();
        // Nobody is left who could be closed or logged in.
        drop(self.read_letters());
        self.turn(lines);
    }
}
