//! The connections of the line protocol.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use chat::{Actor, Ended, Newcomer};
use engine::{ConnectionInfo, Handle};
use mio::{Interest, Poll, Token};
use session::line::{Greeting, LineSession, LogInRefused, Registration};

use super::acting::Context;
use super::connection::{Connection, Ending, Joined, say_goodbye, write};
use super::logins::{Logins, Outcome};
use super::socket::Socket;
use super::telling::Rendered;
use super::{Rules, config};
use crate::chat::{Caller, Farewell, Host};
use crate::http::DEFAULT_VHOST;
use crate::listen::Place;

/// Bytes that are read at once; one buffer for all connections.
const READ_BYTES: usize = 64 << 10;
/// Bytes that wait for a connection that does not read, once it has been stuck for a while.
const UNWRITTEN_MAX: usize = 256 << 10;
/// Bytes that may wait for a moment: an answer may be long.
const UNWRITTEN_BURST_MAX: usize = 4 << 20;
/// For how long a connection may take nothing.
const STUCK_MS: u64 = 5_000;
/// For how long a connection may take nothing that has little to take.
const STUCK_LONG_MS: u64 = 60_000;
/// How long the last words of a connection may take to be read.
pub(super) const LINGER_MS: u64 = 2_000;
/// How long a TLS handshake may take.
const HANDSHAKE_MS: u64 = 5_000;

/// The connections, by place.
pub(super) struct Table {
    rules: Rules,
    pub(super) slots: Vec<Option<Box<Connection>>>,
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
    pub(super) rendered: Rendered,
    channels: Arc<std::sync::atomic::AtomicU32>,
    /// The time of this turn.
    pub(super) now_ms: u64,
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
            registration: registration(self.rules.registration.who),
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

    pub(super) fn find(&mut self, caller: Caller) -> Option<&mut Connection> {
        let found = self.at(caller.index)?;
        (found.generation == caller.generation).then_some(found)
    }

    pub(super) fn queue(&mut self, index: u32) {
        let found = self.at(index).filter(|one| !one.is_queued);
        if let Some(connection) = found {
            connection.is_queued = true;
            self.queue.push(index);
        }
    }

    pub(super) fn dirty(&mut self, index: u32) {
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
        let is_void = |connection: &Connection| {
            let joined = connection.joined.as_ref();
            joined.is_some_and(|joined| !engine.is_valid(&joined.login))
        };
        let taken = (0_u32..).zip(&self.slots);
        let void: Vec<_> = taken
            .filter_map(|(index, slot)| Some((index, slot.as_deref()?)))
            .filter(|(_, connection)| is_void(connection))
            .map(|(index, connection)| Caller {
                index,
                generation: connection.generation,
            })
            .collect();
        for caller in void {
            self.end(caller, Farewell::Revoked);
        }
    }

    /// Writes to each connection what there is for it, with one call.
    pub(super) fn flush(&mut self, now_ms: u64) {
        for index in std::mem::take(&mut self.dirty) {
            let Some(connection) = self.at(index) else {
                continue;
            };
            connection.is_dirty = false;
            let flushed = write(connection);
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

const fn registration(policy: config::Registration) -> Registration {
    match policy {
        config::Registration::Open => Registration::Open,
        config::Registration::Invitation => Registration::Invitation,
        config::Registration::Closed => Registration::Closed,
    }
}
