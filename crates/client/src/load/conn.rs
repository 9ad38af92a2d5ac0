//! One connection of the generator, from connecting to its role.
//!
//! ```text
//! connecting -> shaking hands -> setting up -> ready -> closed
//! connecting -> greeting (relay) -----------> ready
//! ```

use std::collections::VecDeque;
use std::io::ErrorKind;

use codec::amqp::method::{ConnectionClose, Method};

use super::consumer::Consumer;
use super::context::Context;
use super::error::LoadError;
use super::producer::Producer;
use super::roles::Opening;
use super::scan::{Delivery, Scanner, Sink};
use super::transport::Transport;
use crate::amqp::{ClientError, Handshake};
use crate::relay::Greeting;

/// The answer to a goodbye.
const CLOSE_OK_FRAME: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xCE];
const CONNECTION_BLOCKED: [u8; 4] = [0, 10, 0, 60];
const CONNECTION_UNBLOCKED: [u8; 4] = [0, 10, 0, 61];

/// One request of the setup and the answer that it awaits.
pub(crate) struct SetupStep {
    pub(crate) request: Vec<u8>,
    /// Class and method id as they stand in a frame.
    pub(crate) answer: [u8; 4],
}

/// How far a connection is.
pub(crate) enum State {
    Connecting,
    Shaking(Box<Handshake>),
    SettingUp,
    /// A relay answers its greeting with one byte.
    Greeting,
    Ready,
    Closed,
}

/// What a connection is for.
pub(crate) enum Role {
    Producer(Box<Producer>),
    Consumer(Consumer),
    Idle,
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) transport: Transport,
    pub(crate) role: Role,
    pub(crate) state: State,
    /// What it says to a relay.
    pub(crate) greeting: Greeting,
    /// What the server agreed to; whole frames.
    pub(crate) frame_max: u32,
    pub(crate) opened_at: u64,
    /// Whether the socket's writability is awaited.
    pub(crate) awaits_room: bool,
    /// Whether the connection stands in a list of producers to run.
    pub(crate) listed: bool,
    steps: VecDeque<SetupStep>,
    scanner: Scanner,
    /// The beginning of a frame whose end has not arrived.
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
            greeting: opening.greeting,
            state: State::Connecting,
            frame_max: 131_072,
            opened_at,
            awaits_room: true,
            listed: false,
            steps: opening.steps,
            scanner: Scanner::default(),
            tail: Vec::new(),
            out: Vec::new(),
            out_at: 0,
        }
    }

    /// Goes on from `Connecting`, with the first bytes to send.
    pub(crate) fn begin(&mut self, state: State, hello: &[u8]) {
        self.state = state;
        self.out.extend_from_slice(hello);
    }

    /// Whether the role may work.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Whether the connection is on its way to be ready.
    pub(crate) fn is_opening(&self) -> bool {
        match self.state {
            State::Connecting | State::Shaking(_) | State::SettingUp | State::Greeting => true,
            State::Ready | State::Closed => false,
        }
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
                Ok(0) => return Err(self.cut()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof
                    ) =>
                {
                    return Err(self.cut());
                }
                Err(error) => return Err(LoadError::system("reading from the server")(error)),
            };
            context.tick();
            let mut bytes = &scratch[..kept + read];
            if matches!(self.state, State::Greeting) {
                bytes = &bytes[1..];
                self.state = State::Ready;
            }
            self.tail.clear();
            let mut receiver = Receiver {
                state: &mut self.state,
                role: &mut self.role,
                steps: &mut self.steps,
                out: &mut self.out,
                frame_max: &mut self.frame_max,
                context,
            };
            let taken = self.scanner.scan(bytes, &mut receiver)?;
            self.tail.extend_from_slice(&bytes[taken..]);
            if !self.transport.read_until_blocked() {
                return Ok(());
            }
        }
    }

    /// Writes acks and requests; true when all is written.
    pub(crate) fn flush(&mut self) -> Result<bool, LoadError> {
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

    /// Acknowledges what is left, if this is a consumer.
    pub(crate) fn ack_rest(&mut self) {
        if let Role::Consumer(consumer) = &mut self.role {
            consumer.ack_rest(&mut self.out);
        }
    }

    /// Asks the server to close.
    pub(crate) fn say_goodbye(&mut self) {
        let close = ConnectionClose {
            reply_code: 200,
            reply_text: "bye",
            ..ConnectionClose::default()
        };
        Method::from(close).encode_frame(0, &mut self.out);
    }

    /// Reads and drops what still comes; true when the server has closed.
    pub(crate) fn read_goodbye(&mut self, scratch: &mut [u8]) -> bool {
        match self.transport.read(scratch) {
            Ok(0) => true,
            Ok(read) => scratch[..read].ends_with(&CLOSE_OK_FRAME),
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    fn cut(&self) -> LoadError {
        let source = match &self.state {
            State::Shaking(handshake) => handshake.handle_cut(),
            State::Connecting
            | State::SettingUp
            | State::Greeting
            | State::Ready
            | State::Closed => ClientError::Cut,
        };
        LoadError::Client {
            doing: "keeping a connection open",
            source,
        }
    }
}

/// A connection's parts while its bytes are scanned.
struct Receiver<'a> {
    state: &'a mut State,
    role: &'a mut Role,
    steps: &'a mut VecDeque<SetupStep>,
    out: &'a mut Vec<u8>,
    frame_max: &'a mut u32,
    context: &'a mut Context,
}

impl Sink for Receiver<'_> {
    #[inline]
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), LoadError> {
        let Role::Consumer(consumer) = self.role else {
            return Err(LoadError::Protocol("delivery without a consumer"));
        };
        consumer.deliver(delivery, self.out, self.context);
        Ok(())
    }

    #[inline]
    fn confirm(&mut self, tag: u64, multiple: bool, refused: bool) -> Result<(), LoadError> {
        let Role::Producer(producer) = self.role else {
            return Err(LoadError::Protocol("confirm without a publish"));
        };
        producer.confirm(tag, multiple, refused, self.context)
    }

    fn returned(&mut self) {
        self.context.books.returned += 1;
    }

    fn heartbeat(&mut self) {}

    fn method(&mut self, payload: &[u8]) -> Result<(), LoadError> {
        let doing = "opening a connection";
        if let State::Shaking(handshake) = self.state {
            let method = Method::decode(payload)
                .map_err(ClientError::from)
                .map_err(LoadError::client(doing))?;
            let agreed = handshake
                .handle_method(&method, self.out)
                .map_err(LoadError::client(doing))?;
            if let Some(agreed) = agreed {
                *self.frame_max = agreed.frame_max;
                self.context.books.server = agreed.server;
                *self.state = State::SettingUp;
                self.next_step();
            }
            return Ok(());
        }
        let answer = self.steps.front().map(|step| step.answer);
        if answer.is_some_and(|answer| payload.starts_with(&answer)) {
            self.steps.pop_front();
            self.next_step();
            return Ok(());
        }
        self.unasked(payload)
    }
}

impl Receiver<'_> {
    /// Sends the next request of the setup, or is ready.
    fn next_step(&mut self) {
        match self.steps.front_mut() {
            Some(step) => self.out.append(&mut step.request),
            None => *self.state = State::Ready,
        }
    }

    /// Acts on what the server says on its own.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "everything that is not named here ends the run"
    )]
    fn unasked(&mut self, payload: &[u8]) -> Result<(), LoadError> {
        if payload.starts_with(&CONNECTION_BLOCKED) {
            self.context.books.blocked += 1;
            return Ok(());
        }
        if payload.starts_with(&CONNECTION_UNBLOCKED) {
            return Ok(());
        }
        let method = Method::decode(payload)
            .map_err(ClientError::from)
            .map_err(LoadError::client("running"))?;
        let source = match method {
            Method::ConnectionClose(close) => ClientError::ConnectionClosed {
                code: close.reply_code,
                text: close.reply_text.to_owned(),
            },
            Method::ChannelClose(close) => ClientError::ChannelClosed {
                code: close.reply_code,
                text: close.reply_text.to_owned(),
            },
            Method::BasicCancel(cancel) => ClientError::Cancelled(cancel.consumer_tag.to_owned()),
            other => ClientError::Unexpected {
                wanted: "messages",
                got: other.name(),
            },
        };
        Err(LoadError::Client {
            doing: "running the load",
            source,
        })
    }
}
