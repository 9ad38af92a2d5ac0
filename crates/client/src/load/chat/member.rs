//! One member's connection: its socket, what is to be written and what has arrived.
//!
//! ```text
//! connecting -> entering -> ready -> closed
//! ```

use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};

use super::super::error::LoadError;
use super::super::transport::Transport;
use super::dialect::{Dialect, Ears};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    Entering,
    Ready,
    Closed,
}

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes,
    /// The server closed the connection.
    End,
}

/// One member's connection.
pub(super) struct Member {
    transport: Transport,
    dialect: Box<dyn Dialect>,
    pub(super) state: State,
    pub(super) opened_at: u64,
    /// Whether the socket's writability is awaited.
    pub(super) awaits_room: bool,
    /// The beginning of what has not arrived whole.
    tail: Vec<u8>,
    out: Vec<u8>,
}

impl Member {
    /// Takes a socket that is connecting.
    pub(super) fn new(transport: Transport, dialect: Box<dyn Dialect>, opened_at: u64) -> Self {
        Self {
            transport,
            dialect,
            state: State::Connecting,
            opened_at,
            awaits_room: true,
            tail: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Goes on from `Connecting`, with the first bytes to send.
    pub(super) fn begin(&mut self) -> std::io::Result<()> {
        self.transport.finish_connect()?;
        self.state = State::Entering;
        self.dialect.begin(&mut self.out);
        Ok(())
    }

    /// Reads what arrived, once, and acts on it.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        ears: &mut Ears<'_>,
    ) -> Result<Read, LoadError> {
        let kept = self.tail.len();
        if kept == scratch.len() {
            return Err(LoadError::Protocol("something too long to be read whole"));
        }
        scratch[..kept].copy_from_slice(&self.tail);
        let read = match self.transport.read(&mut scratch[kept..]) {
            Ok(0) => return Ok(Read::End),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Read::Bytes),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Read::End),
            Err(error) => return Err(LoadError::system("reading from the server")(error)),
        };
        let bytes = &scratch[..kept + read];
        self.tail.clear();
        let taken = self.dialect.receive(bytes, &mut self.out, ears)?;
        if self.state == State::Entering && self.dialect.is_ready() {
            self.state = State::Ready;
        }
        self.tail.extend_from_slice(&bytes[taken..]);
        Ok(Read::Bytes)
    }

    /// Says something in the member's room, with the next [`Member::flush`].
    pub(super) fn say(&mut self, text: &[u8]) {
        self.dialect.say(text, &mut self.out);
    }

    /// Writes what is to be written; false when the socket is full.
    pub(super) fn flush(&mut self) -> Result<bool, LoadError> {
        let mut written = 0;
        while written < self.out.len() {
            match self.transport.write(&self.out[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Reading will tell.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                    ) =>
                {
                    written = self.out.len();
                }
                Err(error) => return Err(LoadError::system("writing to the server")(error)),
            }
        }
        self.out.drain(..written);
        Ok(self.out.is_empty())
    }
}

impl AsFd for Member {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transport.as_fd()
    }
}
