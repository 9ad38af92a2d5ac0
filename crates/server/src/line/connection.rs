//! One connection of the line protocol.

use std::net::SocketAddr;

use chat::{Actor, SessionId};
use engine::Admission;
use engine::accounts::Login;
use session::line::LineSession;

use super::machine::Machine;
use super::socket::Socket;
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
