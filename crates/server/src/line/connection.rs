//! One connection of the line protocol.

use std::io;
use std::net::SocketAddr;

use chat::{Actor, SessionId, catalogue};
use codec::line::Shown as Mode;
use engine::Admission;
use engine::accounts::Login;
use session::line::LineSession;

use super::machine::Machine;
use super::socket::Socket;
use crate::chat::Farewell;
use crate::chat::json::{self, Bye};
use crate::listen::Place;

/// Somebody who is in the chat.
pub(super) struct Joined {
    pub(super) session: SessionId,
    pub(super) actor: Actor,
    pub(super) login: Login,
    /// The first thing that it is told says in which language.
    pub(super) has_arrived: bool,
    _admission: Admission,
}

impl Joined {
    pub(super) const fn new(
        session: SessionId,
        actor: Actor,
        login: Login,
        admission: Admission,
    ) -> Self {
        Self {
            session,
            actor,
            login,
            has_arrived: false,
            _admission: admission,
        }
    }
}

/// How far a connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    No,
    /// What there is is written, and then it is closed.
    Farewell {
        /// When it is closed all the same.
        until_ms: u64,
        /// The sending side is closed already.
        is_shut: bool,
    },
    /// It is lost.
    Lost,
}

/// One connection.
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) name: &'static str,
    pub(super) session: LineSession,
    pub(super) joined: Option<Box<Joined>>,
    /// Present in machine mode.
    pub(super) machine: Option<Box<Machine>>,
    /// Read, and not yet taken.
    pub(super) input: Vec<u8>,
    /// What of the output was written.
    pub(super) written: usize,
    /// Since when the socket takes nothing.
    pub(super) stuck_ms: Option<u64>,
    /// Answers that are outstanding.
    pub(super) pending: u32,
    pub(super) ending: Ending,
    /// The client said goodbye itself.
    pub(super) has_parted: bool,
    /// It was told that it is over.
    pub(super) is_told: bool,
    /// There may be more to read.
    pub(super) is_readable: bool,
    /// It is among those that have something to write.
    pub(super) is_dirty: bool,
    /// It is among those that may go on reading.
    pub(super) is_queued: bool,
    /// Its socket is asked to say when it takes more.
    pub(super) waits_to_write: bool,
    /// Its peer has sent its last.
    pub(super) is_eof: bool,
    pub(super) _place: Place,
}

impl Connection {
    /// Whether it is on its way out.
    pub(super) fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    /// What is still to be written.
    pub(super) fn unwritten(&mut self) -> usize {
        self.session.output().len().saturating_sub(self.written)
    }
}

/// Writes a line of machine mode.
pub(super) fn put_line(session: &mut LineSession, line: &str) {
    session.output().extend_from_slice(line.as_bytes());
    session.output().push(b'\n');
}

/// Tells a client that it is over, and why.
pub(super) fn say_goodbye(connection: &mut Connection, farewell: Farewell) {
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
pub(super) fn write(connection: &mut Connection) -> io::Result<bool> {
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
                output.drain(..*written);
                *written = 0;
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    *written = 0;
    // An idle connection keeps no buffer.
    drop(session.take_output());
    socket.flush()
}
