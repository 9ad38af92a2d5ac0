//! One connection of the generator: its socket, what is to be written and what has arrived.
//!
//! ```text
//! connecting -> opening -> ready -> closed
//! ```

use std::io::ErrorKind;

use super::context::Context;
use super::error::LoadError;
use super::roles::{Opening, Role};
use super::transport::Transport;
use super::wire::{Ends, Wire};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting,
    /// The wire sets up what the role needs.
    Opening,
    Ready,
    Closed,
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) transport: Transport,
    pub(crate) role: Role,
    pub(crate) state: State,
    pub(crate) opened_at: u64,
    /// Whether the socket's writability is awaited.
    pub(crate) awaits_room: bool,
    /// Whether the connection stands in a list of producers to run.
    pub(crate) listed: bool,
    wire: Box<dyn Wire>,
    /// The beginning of a message whose end has not arrived.
    tail: Vec<u8>,
    out: Vec<u8>,
    out_at: usize,
}

impl Conn {
    /// Takes a socket that is connecting, and what to ask for when the handshake is over.
    pub(crate) fn new(transport: Transport, opening: Opening, opened_at: u64) -> Self {
        Self {
            transport,
            role: opening.role,
            state: State::Connecting,
            opened_at,
            awaits_room: true,
            listed: false,
            wire: opening.wire,
            tail: Vec::new(),
            out: Vec::new(),
            out_at: 0,
        }
    }

    /// Goes on from `Connecting`, with the first bytes to send.
    pub(crate) fn begin(&mut self) {
        self.state = State::Opening;
        self.wire.begin(&mut self.out);
    }

    /// Whether the role may work.
    pub(crate) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// Whether the connection is on its way to be ready.
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.state, State::Connecting | State::Opening)
    }

    /// The largest frame that the server takes.
    pub(crate) fn frame_max(&self) -> u32 {
        self.wire.frame_max()
    }

    /// Whether something beside a producer's messages waits to be written.
    pub(crate) fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    /// Reads what arrived, once or until TLS has no more, and acts on it.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        context: &mut Context,
    ) -> Result<(), LoadError> {
        loop {
            let kept = self.tail.len();
            scratch[..kept].copy_from_slice(&self.tail);
            let read = match self.transport.read(&mut scratch[kept..]) {
                Ok(0) => return Err(self.wire.cut()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return Err(self.wire.cut());
                }
                Err(error) => return Err(LoadError::system("reading from the server")(error)),
            };
            context.tick();
            let bytes = &scratch[..kept + read];
            self.tail.clear();
            let ends = Ends {
                role: &mut self.role,
                out: &mut self.out,
                context,
            };
            let taken = self.wire.receive(bytes, ends)?;
            if self.state == State::Opening && self.wire.is_ready() {
                self.state = State::Ready;
            }
            self.tail.extend_from_slice(&bytes[taken..]);
            if !self.transport.read_until_blocked() {
                return Ok(());
            }
        }
    }

    /// Writes acks and requests; true when nothing more can be written now for another reason than a full socket.
    ///
    /// What a producer has begun to write goes first: nothing may come between a message's bytes.
    pub(crate) fn flush(&mut self) -> Result<bool, LoadError> {
        if self.out_at == 0 && self.is_mid_message() {
            return Ok(true);
        }
        while self.out_at < self.out.len() {
            match self.transport.write(&self.out[self.out_at..]) {
                Ok(written) => self.out_at += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(LoadError::system("writing to the server")(error)),
            }
        }
        self.out.clear();
        self.out_at = 0;
        self.transport
            .push()
            .map_err(LoadError::system("writing to the server"))
    }

    fn is_mid_message(&self) -> bool {
        match &self.role {
            Role::Producer(producer) => producer.has_pending(),
            Role::Consumer(_) | Role::Idle => false,
        }
    }

    /// Acknowledges what is left, if this is a consumer.
    pub(crate) fn ack_rest(&mut self) {
        if let Role::Consumer(consumer) = &mut self.role
            && consumer.take_rest()
        {
            self.wire.ack_all(&mut self.out);
        }
    }

    /// Asks the server to close; false when it need not be asked.
    pub(crate) fn say_goodbye(&mut self) -> bool {
        self.wire.say_goodbye(&mut self.out)
    }

    /// Reads and drops what still comes; true when the server has closed.
    pub(crate) fn read_goodbye(&mut self, scratch: &mut [u8]) -> bool {
        match self.transport.read(scratch) {
            Ok(0) => true,
            Ok(read) => self.wire.is_farewell(&scratch[..read]),
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }
}
