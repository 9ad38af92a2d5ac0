//! The connections of the line protocol.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use chat::{Actor, Chat, Command, Ended, Event, Language, Newcomer, Refusal, Reply, catalogue};
use codec::line::Shown as Mode;
use engine::{ConnectionInfo, Handle};
use mio::{Interest, Poll, Token};
use session::line::{
    Greeting, LineAction, LineSession, LogInRefused, LoggedIn, Registration, Rendering,
    render_message,
};

use super::connection::{Connection, Ending, Joined};
use super::logins::{Logins, Outcome, Shown};
use super::machine::{Done, Machine};
use super::socket::Socket;
use super::{Rules, config};
use crate::chat::json::{self, Bye, Hello};
use crate::chat::{Asker, Caller, Farewell, Host, Lines};
use crate::http::DEFAULT_VHOST;
use crate::listen::Place;

/// Bytes that are read at once; one buffer for all connections.
const READ_BYTES: usize = 64 << 10;
/// Reads of one connection in one turn: then others have theirs.
const READS_PER_TURN: usize = 4;
/// Bytes that wait for a connection that does not read, once it has been stuck for a while.
const UNWRITTEN_MAX: usize = 256 << 10;
/// Bytes that may wait for a moment: an answer may be long.
const UNWRITTEN_BURST_MAX: usize = 4 << 20;
/// For how long a connection may take nothing.
const STUCK_MS: u64 = 5_000;
/// For how long a connection may take nothing that has little to take.
const STUCK_LONG_MS: u64 = 60_000;
/// Answers that one connection may wait for.
const PENDING_MAX: u32 = 64;
/// How long the last words of a connection may take to be read.
const LINGER_MS: u64 = 2_000;
/// How long a TLS handshake may take.
const HANDSHAKE_MS: u64 = 5_000;
/// After how long a client in machine mode should expect to be asked whether it is there.
const IDLE_MS: u64 = 30_000;
/// A buffer that grew beyond this goes when it is empty.
const BUFFER_KEEP_BYTES: usize = 0;

/// The connections, by place.
pub(super) struct Table {
    rules: Rules,
    slots: Vec<Option<Box<Connection>>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// Those that may go on reading.
    queue: Vec<u32>,
    /// Those that have something to write.
    dirty: Vec<u32>,
    /// Those that are on their way out.
    ended: Vec<u32>,
    deadlines: BTreeSet<(u64, u32, u32)>,
    buffer: Box<[u8]>,
    rendered: Rendered,
    channels: Arc<std::sync::atomic::AtomicU32>,
    /// The time of this turn.
    now_ms: u64,
}

/// What the event that is being told looks like, written once for all that see the same.
#[derive(Default)]
struct Rendered {
    number: u64,
    text: [Option<Vec<u8>>; 2],
    json: [Option<String>; 2],
}

impl Rendered {
    fn begin(&mut self, number: u64) {
        if self.number != number {
            *self = Self {
                number,
                ..Self::default()
            };
        }
    }

    fn text(&mut self, message: &chat::MessageView, rendering: Rendering) -> &[u8] {
        let [english, spanish] = &mut self.text;
        let slot = match rendering.language {
            Language::English => english,
            Language::Spanish => spanish,
        };
        slot.get_or_insert_with(|| {
            let mut line = Vec::new();
            render_message(message, rendering, &mut line);
            line
        })
    }

    fn json(&mut self, event: &Event, language: Language) -> &str {
        let [english, spanish] = &mut self.json;
        let slot = match language {
            Language::English => english,
            Language::Spanish => spanish,
        };
        slot.get_or_insert_with(|| json::event(event, language))
    }
}

impl Table {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            slots: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            queue: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            deadlines: BTreeSet::new(),
            buffer: vec![0; READ_BYTES].into(),
            rendered: Rendered::default(),
            channels: Arc::default(),
            now_ms: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    /// Whether there is something to do without anything happening.
    pub(super) const fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Greets somebody.
    ///
    /// # Errors
    /// The socket cannot be waited for.
    pub(super) fn insert(
        &mut self,
        poll: &Poll,
        mut socket: Socket,
        peer: SocketAddr,
        name: &'static str,
        place: Place,
        now_ms: u64,
    ) -> io::Result<()> {
        let index = self.free.last().copied().unwrap_or_else(|| {
            u32::try_from(self.slots.len()).expect("there are fewer sockets than that")
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(index as usize);
        poll.registry()
            .register(&mut socket.stream, token, interest)?;
        if self.free.pop().is_none() {
            self.slots.push(None);
            self.generations.push(0);
        }
        let greeting = Greeting {
            server: "Chaski",
            version: env!("CARGO_PKG_VERSION"),
            language: self.rules.language,
            registration: registration(self.rules.registration),
            time_ms: now_ms,
            first_byte_ms: Some(self.rules.first_byte_ms),
            login_ms: self.rules.login_ms,
        };
        let generation = self.generation(index);
        let connection = Connection {
            generation,
            socket,
            peer,
            name,
            session: LineSession::new(&greeting, now_ms),
            joined: None,
            machine: None,
            input: Vec::new(),
            written: 0,
            stuck_ms: None,
            pending: 0,
            ending: Ending::No,
            has_parted: false,
            is_told: false,
            is_readable: true,
            is_dirty: false,
            is_queued: false,
            waits_to_write: false,
            is_eof: false,
            _place: place,
        };
        if connection.socket.is_shaking_hands() {
            self.deadlines
                .insert((now_ms + HANDSHAKE_MS, index, generation));
        }
        if let Some(slot) = self.slots.get_mut(index as usize) {
            *slot = Some(Box::new(connection));
        }
        self.set_deadline(index);
        self.queue(index);
        self.dirty(index);
        Ok(())
    }

    fn generation(&self, index: u32) -> u32 {
        let generation = self.generations.get(index as usize);
        generation.copied().unwrap_or_default()
    }

    fn at(&mut self, index: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index as usize)?.as_deref_mut()
    }

    fn find(&mut self, caller: Caller) -> Option<&mut Connection> {
        let found = self.at(caller.index)?;
        (found.generation == caller.generation).then_some(found)
    }

    fn queue(&mut self, index: u32) {
        let found = self.at(index).filter(|one| !one.is_queued);
        if let Some(connection) = found {
            connection.is_queued = true;
            self.queue.push(index);
        }
    }

    fn dirty(&mut self, index: u32) {
        let found = self.at(index).filter(|one| !one.is_dirty);
        if let Some(connection) = found {
            connection.is_dirty = true;
            self.dirty.push(index);
        }
    }

    fn set_deadline(&mut self, index: u32) {
        let generation = self.generation(index);
        let Some(connection) = self.at(index) else {
            return;
        };
        if let Some(at_ms) = connection.session.next_deadline() {
            self.deadlines.insert((at_ms, index, generation));
        }
    }

    /// Its socket can be read or written.
    pub(super) fn is_ready(&mut self, token: Token, event: &mio::event::Event) {
        let Ok(index) = u32::try_from(token.0) else {
            return;
        };
        let Some(connection) = self.at(index) else {
            return;
        };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.is_readable = true;
            self.queue(index);
        }
        if event.is_writable()
            && let Some(connection) = self.at(index)
            && (connection.waits_to_write || connection.socket.is_shaking_hands())
        {
            connection.waits_to_write = false;
            self.dirty(index);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _, _)| *at_ms)
    }

    /// Closes those whose time is up.
    pub(super) fn check_deadlines(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        while let Some(&(at_ms, index, generation)) = self.deadlines.first() {
            if at_ms > now_ms {
                return;
            }
            self.deadlines.pop_first();
            let Some(connection) = self.at(index).filter(|one| one.generation == generation) else {
                continue;
            };
            let is_stuck = connection
                .stuck_ms
                .is_some_and(|since| since + STUCK_LONG_MS <= now_ms);
            let is_late = match connection.ending {
                Ending::Farewell { until_ms, .. } => until_ms <= now_ms,
                Ending::No | Ending::Lost => false,
            };
            if is_stuck || is_late || connection.socket.is_shaking_hands() {
                connection.ending = Ending::Lost;
                self.ended.push(index);
                continue;
            }
            connection.session.handle_timeout(now_ms);
            self.queue(index);
            self.dirty(index);
            self.set_deadline(index);
        }
    }

    /// Reads what has come and does what it says.
    pub(super) fn pump(&mut self, host: &mut Host, logins: &Logins, now_ms: u64) {
        for index in std::mem::take(&mut self.queue) {
            let Some(slot) = self.slots.get_mut(index as usize) else {
                continue;
            };
            let Some(mut connection) = slot.take() else {
                continue;
            };
            connection.is_queued = false;
            let context = Context {
                rules: &self.rules,
                host,
                logins,
                caller: Caller {
                    index,
                    generation: connection.generation,
                },
                now_ms,
            };
            let goes_on = context.pump(&mut connection, &mut self.buffer);
            let has_ended = connection.is_ending();
            let has_output = connection.unwritten() > 0;
            if let Some(slot) = self.slots.get_mut(index as usize) {
                *slot = Some(connection);
            }
            if goes_on {
                self.queue(index);
            }
            if has_output {
                self.dirty(index);
            }
            if has_ended {
                self.ended.push(index);
            }
        }
    }

    /// Says what became of a login.
    pub(super) fn logged_in(&mut self, caller: Caller, outcome: Outcome, host: &mut Host) {
        let (name, channels) = (self.find(caller).map(|one| one.name), self.channels.clone());
        let Some(connection) = self.find(caller) else {
            return;
        };
        connection.pending = connection.pending.saturating_sub(1);
        let admitted = outcome.and_then(|admitted| {
            let info = ConnectionInfo {
                login: admitted.login.name.clone(),
                vhost: DEFAULT_VHOST.into(),
                peer: connection.peer.to_string(),
                protocol: name.unwrap_or("line"),
                name: None,
                client: None,
                connected_at_ms: host.now_ms(),
                channels,
            };
            let admission = host
                .admit(&admitted.login, info, caller)
                .map_err(|_| LogInRefused::Forbidden)?;
            Ok((admitted, admission))
        });
        match admitted {
            Ok((admitted, admission)) => {
                let newcomer = Newcomer {
                    login: admitted.account.login.clone(),
                    created_ms: admitted.account.created_ms,
                    is_administrator: admitted.login.is_administrator(),
                    door: "line",
                    language: Some(connection.session.language()),
                    reads_all: true,
                    enters_default: true,
                };
                let actor = Actor {
                    login: newcomer.login.clone(),
                    created_ms: newcomer.created_ms,
                    is_administrator: newcomer.is_administrator,
                    session: None,
                };
                let session = host.attach(newcomer, caller);
                let actor = Actor {
                    session: Some(session),
                    ..actor
                };
                let joined = Joined::new(session, actor, admitted.login, admission);
                connection.joined = Some(Box::new(joined));
            }
            Err(refused) => {
                connection.session.logged_in(Err(refused));
            }
        }
        self.queue(caller.index);
        self.dirty(caller.index);
    }

    /// Ends a connection for a reason that is not its own.
    pub(super) fn end(&mut self, caller: Caller, farewell: Farewell) {
        let Some(connection) = self.find(caller) else {
            return;
        };
        say_goodbye(connection, farewell);
        self.queue(caller.index);
        self.dirty(caller.index);
    }

    /// Ends all, as the server stops.
    pub(super) fn end_all(&mut self) {
        for index in 0..self.slots.len() {
            let Ok(index) = u32::try_from(index) else {
                return;
            };
            if let Some(connection) = self.at(index) {
                say_goodbye(connection, Farewell::Shutdown);
                let until_ms = u64::MAX;
                let is_shut = false;
                if connection.ending == Ending::No {
                    connection.ending = Ending::Farewell { until_ms, is_shut };
                }
                self.ended.push(index);
                self.dirty(index);
            }
        }
    }

    /// Ends those whose logins do not hold any more.
    pub(super) fn check_logins(&mut self, engine: &Handle) {
        let void: Vec<_> = self
            .slots
            .iter()
            .flatten()
            .zip(0_u32..)
            .map(|(connection, _)| connection)
            .filter_map(|connection| {
                let joined = connection.joined.as_ref()?;
                (!engine.is_valid(&joined.login)).then_some(joined.session)
            })
            .collect();
        if void.is_empty() {
            return;
        }
        for index in 0..self.slots.len() {
            let Ok(index) = u32::try_from(index) else {
                return;
            };
            let generation = self.generation(index);
            let is_void = self.at(index).is_some_and(|connection| {
                let joined = connection.joined.as_ref();
                joined.is_some_and(|joined| void.contains(&joined.session))
            });
            if is_void {
                self.end(Caller { index, generation }, Farewell::Revoked);
            }
        }
    }

    /// Writes to each connection what there is for it, with one call.
    pub(super) fn flush(&mut self, poll: &Poll, now_ms: u64) {
        for index in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.at(index) else {
                continue;
            };
            connection.is_dirty = false;
            let flushed = write(connection, now_ms);
            match flushed {
                Ok(true) => {
                    connection.stuck_ms = None;
                    let is_done = connection.is_ending();
                    // Whoever waited for the output to go may go on.
                    let may_read = connection.is_readable || !connection.input.is_empty();
                    if is_done {
                        self.ended.push(index);
                    }
                    if may_read {
                        self.queue(index);
                    }
                }
                Ok(false) => {
                    connection.waits_to_write = true;
                    let generation = connection.generation;
                    let since = *connection.stuck_ms.get_or_insert(now_ms);
                    let unwritten = connection.unwritten();
                    let is_slow = unwritten > UNWRITTEN_BURST_MAX
                        || (unwritten > UNWRITTEN_MAX && since + STUCK_MS <= now_ms);
                    if is_slow {
                        connection.ending = Ending::Lost;
                        self.ended.push(index);
                    } else if since == now_ms {
                        self.deadlines
                            .insert((now_ms + STUCK_LONG_MS, index, generation));
                    }
                }
                Err(_) => {
                    connection.ending = Ending::Lost;
                    self.ended.push(index);
                }
            }
        }
        let _ = poll;
    }

    /// Takes away those that are over.
    pub(super) fn close_ended(&mut self, poll: &Poll, host: &mut Host) {
        for index in std::mem::take(&mut self.ended) {
            let now_ms = host.now_ms();
            let Some(connection) = self.at(index) else {
                continue;
            };
            // Whoever is on the way out is in no room any more.
            if let Some(joined) = connection.joined.take() {
                let ended = if connection.has_parted && !connection.is_told {
                    Ended::Asked
                } else {
                    Ended::Lost
                };
                host.detach(joined.session, ended);
            }
            let is_over = match &mut connection.ending {
                Ending::No => continue,
                Ending::Lost => true,
                Ending::Farewell { is_shut, .. } if *is_shut => connection.is_eof,
                Ending::Farewell { until_ms, is_shut } => {
                    let has_more = connection.session.output().len() > connection.written;
                    if !has_more {
                        *is_shut = true;
                        connection.socket.shut_down();
                    }
                    let late = now_ms + LINGER_MS;
                    *until_ms = (*until_ms).min(late);
                    let (until_ms, generation) = (*until_ms, connection.generation);
                    let is_eof = connection.is_eof && !has_more;
                    self.deadlines.insert((until_ms, index, generation));
                    is_eof
                }
            };
            if is_over {
                self.remove(index, poll);
            }
        }
    }

    fn remove(&mut self, index: u32, poll: &Poll) {
        let slot = self.slots.get_mut(index as usize).and_then(Option::take);
        let Some(mut connection) = slot else {
            return;
        };
        // It is closed in any case.
        let _ = poll.registry().deregister(&mut connection.socket.stream);
        if let Some(generation) = self.generations.get_mut(index as usize) {
            *generation = generation.wrapping_add(1);
        }
        self.free.push(index);
    }
}

impl Lines for Table {
    fn tell(&mut self, caller: Caller, event: &Arc<Event>, number: u64, chat: &Chat) {
        let time_ms = self.now_ms;
        let rendered = &mut self.rendered;
        let slot = self.slots.get_mut(caller.index as usize);
        let Some(connection) = slot.and_then(Option::as_deref_mut) else {
            return;
        };
        if connection.generation != caller.generation || connection.is_ending() {
            return;
        }
        if let Some(joined) = connection.joined.as_mut().filter(|one| !one.has_arrived) {
            joined.has_arrived = true;
            connection.session.logged_in(Ok(LoggedIn {
                login: joined.actor.login.clone(),
                language: chat.language(joined.session),
                time_ms,
                unread_private: 0,
            }));
        }
        let session = &mut connection.session;
        match (session.mode(), &**event) {
            (Mode::Json, event) => {
                // It shows nothing of it, but has to know where it is.
                session.handle_event(event);
                let machine = connection.machine.as_ref();
                if let (Event::Entered(entered), Some(machine)) = (event, machine)
                    && machine.is_entering(entered)
                {
                    return;
                }
                rendered.begin(number);
                let line = rendered.json(event, session.language());
                session.output().extend_from_slice(line.as_bytes());
                session.output().push(b'\n');
            }
            (
                Mode::Text,
                Event::Message {
                    place,
                    message,
                    is_history: false,
                },
            ) if !place.starts_with('@') => {
                if session.wants(message) {
                    rendered.begin(number);
                    let line = rendered.text(message, session.rendering());
                    session.output().extend_from_slice(line);
                }
            }
            (Mode::Text, event) => session.handle_event(event),
        }
        self.dirty(caller.index);
        if matches!(**event, Event::Entered(_)) {
            // What it said meanwhile could not be taken.
            self.queue(caller.index);
        }
    }

    fn answer(&mut self, caller: Caller, number: u64, result: &Result<Reply, Refusal>) {
        let Some(connection) = self.find(caller) else {
            return;
        };
        connection.pending = connection.pending.saturating_sub(1);
        let language = connection.session.language();
        match (&mut connection.machine, number) {
            (_, SAID) => connection.session.said(result.as_ref()),
            (_, ANSWERED) => connection.session.answered(result.as_ref()),
            (Some(machine), number) => {
                let line = machine.answer(number - FIRST_OF_MACHINE, result, language);
                put_line(&mut connection.session, &line);
            }
            (None, _) => {}
        }
        self.dirty(caller.index);
        self.queue(caller.index);
    }
}

/// The number of what was said in text mode.
const SAID: u64 = 0;
/// The number of what was asked in text mode.
const ANSWERED: u64 = 1;
/// The first number of what was asked in machine mode.
pub(super) const FIRST_OF_MACHINE: u64 = 2;

/// What a connection needs to act.
struct Context<'a> {
    rules: &'a Rules,
    host: &'a mut Host,
    logins: &'a Logins,
    caller: Caller,
    now_ms: u64,
}

impl Context<'_> {
    /// Reads and acts; true if there may be more to do without anything happening.
    fn pump(mut self, connection: &mut Connection, buffer: &mut [u8]) -> bool {
        self.act(connection);
        for _ in 0..READS_PER_TURN {
            if connection.ending != Ending::No {
                return self.drain(connection, buffer);
            }
            let machine = connection.machine.as_deref();
            if connection.pending >= PENDING_MAX || machine.is_some_and(Machine::is_waiting) {
                return false;
            }
            if !connection.input.is_empty() {
                let input = std::mem::take(&mut connection.input);
                let used = connection.session.handle_input(&input);
                connection.input = input.get(used..).unwrap_or_default().to_vec();
                self.act(connection);
                if used == 0 {
                    return false;
                }
                continue;
            }
            if connection.is_eof {
                // Whoever closed its sending side still gets its answers.
                if connection.pending == 0
                    && (connection.joined.is_none() || connection.session.has_entered())
                {
                    self.end(connection);
                }
                return false;
            }
            if !connection.is_readable {
                return false;
            }
            match connection.socket.read(buffer) {
                Ok(0) => connection.is_eof = true,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    let used = connection.session.handle_input(bytes);
                    connection
                        .input
                        .extend_from_slice(bytes.get(used..).unwrap_or_default());
                    self.act(connection);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.is_readable = false;
                    return false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    connection.ending = Ending::Lost;
                    return false;
                }
            }
        }
        true
    }

    /// Reads what nobody will act on any more, so that the peer gets the last words before its socket closes.
    #[expect(clippy::unused_self, reason = "it ends what was begun")]
    fn drain(self, connection: &mut Connection, buffer: &mut [u8]) -> bool {
        if connection.is_eof || !connection.is_readable {
            return false;
        }
        match connection.socket.read(buffer) {
            Ok(0) => {
                connection.is_eof = true;
                false
            }
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.is_readable = false;
                false
            }
            Err(_) => {
                connection.ending = Ending::Lost;
                false
            }
        }
    }

    fn end(&mut self, connection: &mut Connection) {
        if connection.ending == Ending::No {
            connection.ending = Ending::Farewell {
                until_ms: self.now_ms + LINGER_MS,
                is_shut: false,
            };
        }
    }

    /// Ends a connection that has said goodbye, once it has all its answers.
    fn part(&mut self, connection: &mut Connection) {
        if !connection.has_parted || connection.pending > 0 || connection.is_ending() {
            return;
        }
        if connection.machine.is_some() && !connection.is_told {
            let bye = json::bye(Bye::Asked, connection.session.language());
            put_line(&mut connection.session, &bye);
        }
        self.end(connection);
    }

    /// Does what the session wants.
    fn act(&mut self, connection: &mut Connection) {
        if let (Some(joined), Some(machine)) = (&connection.joined, &mut connection.machine) {
            machine.go_on(&joined.actor, self.caller, self.host);
        }
        loop {
            if connection
                .machine
                .as_deref()
                .is_some_and(Machine::is_waiting)
            {
                break;
            }
            let Some(action) = connection.session.poll_action() else {
                break;
            };
            match action {
                LineAction::LogIn { login, password } => {
                    self.log_in(connection, Shown::Password { login, password });
                }
                LineAction::LogInByToken(token) => self.log_in(connection, Shown::Token(token)),
                LineAction::Register(wish) => self.log_in(connection, Shown::New(wish)),
                LineAction::Ask(command) => self.ask(connection, command),
                LineAction::Time { t1_us } => {
                    let heard_us = now_us();
                    connection.session.timed(t1_us, heard_us, now_us());
                }
                LineAction::Mode(mode) => self.set_mode(connection, mode),
                LineAction::Json(text) => self.hear(connection, &text),
                LineAction::NoJson(why) => {
                    put_line(&mut connection.session, &Machine::unreadable(why));
                }
                LineAction::Close => connection.has_parted = true,
            }
        }
        self.part(connection);
    }

    fn log_in(&self, connection: &mut Connection, shown: Shown) {
        connection.pending += 1;
        self.logins.begin(self.caller, connection.peer, shown);
    }

    fn ask(&mut self, connection: &mut Connection, command: Command) {
        let Some(joined) = &connection.joined else {
            return;
        };
        let number = if matches!(command, Command::Say { .. }) {
            SAID
        } else {
            ANSWERED
        };
        connection.pending += 1;
        let asker = Asker::Line(self.caller, number);
        self.host.ask(joined.actor.clone(), asker, command);
    }

    fn hear(&mut self, connection: &mut Connection, text: &str) {
        let (Some(joined), Some(machine)) = (&connection.joined, &mut connection.machine) else {
            return;
        };
        let heard_us = now_us();
        let done = machine.hear(
            text,
            heard_us,
            now_us,
            &joined.actor,
            self.caller,
            self.host,
        );
        match done {
            Done::Asked => connection.pending += 1,
            Done::Answered(line) => put_line(&mut connection.session, &line),
        }
    }

    fn set_mode(&mut self, connection: &mut Connection, mode: Mode) {
        let Some(joined) = &connection.joined else {
            return;
        };
        let is_json = mode == Mode::Json;
        if is_json {
            connection.machine = Some(Box::default());
            let hello = json::hello(Hello {
                login: &joined.actor.login,
                version: env!("CARGO_PKG_VERSION"),
                time_ms: self.now_ms,
                default_room: &self.rules.default_room,
                lang: connection.session.language().code(),
                session: None,
                idle_ms: IDLE_MS,
            });
            put_line(&mut connection.session, &hello);
        }
        self.host
            .set_reads_all(&joined.actor, joined.session, !is_json);
    }
}

fn put_line(session: &mut LineSession, line: &str) {
    session.output().extend_from_slice(line.as_bytes());
    session.output().push(b'\n');
}

fn say_goodbye(connection: &mut Connection, farewell: Farewell) {
    if connection.is_ending() || std::mem::replace(&mut connection.is_told, true) {
        return;
    }
    // It gets no answers any more.
    connection.pending = 0;
    connection.machine = None;
    if connection.session.mode() == Mode::Json {
        let language = connection.session.language();
        put_line(
            &mut connection.session,
            &json::bye(Bye::from(farewell), language),
        );
    }
    connection.session.end(match farewell {
        Farewell::Shutdown => catalogue::Farewell::Shutdown,
        Farewell::Revoked => catalogue::Farewell::Revoked,
        Farewell::Slow => catalogue::Farewell::Slow,
    });
}

/// Writes what there is; true when nothing is left.
fn write(connection: &mut Connection, now_ms: u64) -> io::Result<bool> {
    let Connection {
        socket,
        session,
        written,
        stuck_ms,
        ..
    } = connection;
    let output = session.output();
    while *written < output.len() {
        let rest = output.get(*written..).unwrap_or_default();
        match socket.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                *written += count;
                *stuck_ms = None;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // What was written need not be kept until all is.
                if *written > BUFFER_KEEP_BYTES {
                    output.drain(..*written);
                    *written = 0;
                }
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    *written = 0;
    // An idle connection keeps no buffer.
    drop(session.take_output());
    let _ = now_ms;
    socket.flush()
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let micros = since.map_or(0, |since| since.as_micros());
    i64::try_from(micros).unwrap_or(i64::MAX)
}

const fn registration(policy: config::Registration) -> Registration {
    match policy {
        config::Registration::Open => Registration::Open,
        config::Registration::Invitation => Registration::Invitation,
        config::Registration::Closed => Registration::Closed,
    }
}
