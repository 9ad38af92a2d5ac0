//! What a connection has sent, and what is done about it.

use std::io;

use chat::Command;
use codec::line::Shown as Mode;
use session::line::LineAction;

use super::Rules;
use super::connection::{Connection, Ending, put_line};
use super::logins::{Logins, Shown};
use super::machine::{Done, Machine};
use super::table::LINGER_MS;
use crate::chat::json::{self, Bye, Hello};
use crate::chat::{Asker, Caller, Host};

/// Reads of one connection in one turn: then others have theirs.
const READS_PER_TURN: usize = 4;
/// Answers that one connection may wait for.
const PENDING_MAX: u32 = 64;
/// After how long a client in machine mode should expect to be asked whether it is there.
const IDLE_MS: u64 = 30_000;
/// The number of what was said in text mode.
pub(super) const SAID: u64 = 0;
/// The number of what was asked in text mode.
pub(super) const ANSWERED: u64 = 1;
/// The first number of what was asked in machine mode.
pub(super) const FIRST_OF_MACHINE: u64 = 2;

/// What a connection needs to act.
pub(super) struct Context<'a> {
    pub(super) rules: &'a Rules,
    pub(super) host: &'a mut Host,
    pub(super) logins: &'a Logins,
    pub(super) caller: Caller,
    pub(super) now_ms: u64,
}

impl Context<'_> {
    /// Reads and acts; true if there may be more to do without anything happening.
    pub(super) fn pump(mut self, connection: &mut Connection, buffer: &mut [u8]) -> bool {
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
                    let heard_us = json::now_us();
                    connection.session.timed(t1_us, heard_us, json::now_us());
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
        let heard_us = json::now_us();
        let done = machine.hear(
            text,
            heard_us,
            json::now_us,
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
