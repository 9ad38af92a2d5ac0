//! AMQP 0-9-1: handshake, one channel, and what the role needs of it.
//!
//! ```text
//! fresh -> shaking hands -> setting up -> ready
//! ```

use std::collections::VecDeque;

use codec::amqp::field::TableRef;
use codec::amqp::method::{
    BasicConsume, BasicQos, ChannelOpen, ConfirmSelect, ConnectionClose, Method,
};

use super::super::context::Context;
use super::super::error::LoadError;
use super::super::options::{AckMode, LoadOptions};
use super::super::plan::Plan;
use super::super::roles::Role;
use super::super::scan::{Delivery, Scanner, Sink};
use super::{Ends, Wire};
use crate::amqp::{AmqpUrl, ClientError, Handshake, Wishes};

const CHANNEL: u16 = 1;
/// The answer to a goodbye.
const CLOSE_OK_FRAME: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xCE];
const CONNECTION_BLOCKED: [u8; 4] = [0, 10, 0, 60];
const CONNECTION_UNBLOCKED: [u8; 4] = [0, 10, 0, 61];
/// A `basic.ack` frame on channel 1; tag and flag are filled in.
const ACK_FRAME: [u8; 21] = [
    1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCE,
];
const ACK_TAG: std::ops::Range<usize> = 11..19;
const ACK_MULTIPLE: usize = 19;
/// Before anything is agreed.
const FRAME_MAX_DEFAULT: u32 = 131_072;

/// One request of the setup and the answer that it awaits.
pub(super) struct SetupStep {
    request: Vec<u8>,
    /// Class and method id as they stand in a frame.
    answer: [u8; 4],
}

/// One AMQP connection.
pub(super) struct AmqpWire {
    state: State,
    scanner: Scanner,
    steps: VecDeque<SetupStep>,
    /// What the server agreed to; whole frames.
    frame_max: u32,
    last_tag: u64,
}

enum State {
    Fresh { url: Box<AmqpUrl>, name: String },
    Shaking(Box<Handshake>),
    SettingUp,
    Ready,
}

impl AmqpWire {
    /// Takes what to ask for when the handshake is over.
    pub(super) fn new(url: AmqpUrl, name: String, steps: VecDeque<SetupStep>) -> Self {
        Self {
            state: State::Fresh {
                url: Box::new(url),
                name,
            },
            steps,
            ..Self::bare()
        }
    }

    /// Frames without a handshake, as they come through a relay.
    pub(super) fn bare() -> Self {
        Self {
            state: State::Ready,
            scanner: Scanner::default(),
            steps: VecDeque::new(),
            frame_max: FRAME_MAX_DEFAULT,
            last_tag: 0,
        }
    }
}

impl Wire for AmqpWire {
    fn begin(&mut self, out: &mut Vec<u8>) {
        let State::Fresh { url, name } = &mut self.state else {
            return;
        };
        let wishes = Wishes {
            name: std::mem::take(name),
            heartbeat: 0,
            frame_max: url.query.frame_max,
        };
        let handshake = Handshake::begin((**url).clone(), wishes, out);
        self.state = State::Shaking(Box::new(handshake));
    }

    fn receive(&mut self, bytes: &[u8], ends: Ends<'_>) -> Result<usize, LoadError> {
        let mut receiver = Receiver {
            state: &mut self.state,
            steps: &mut self.steps,
            frame_max: &mut self.frame_max,
            last_tag: &mut self.last_tag,
            role: ends.role,
            out: ends.out,
            context: ends.context,
        };
        self.scanner.scan(bytes, &mut receiver)
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    fn frame_max(&self) -> u32 {
        self.frame_max
    }

    fn ack_all(&mut self, out: &mut Vec<u8>) {
        ack(self.last_tag, true, out);
    }

    fn say_goodbye(&mut self, out: &mut Vec<u8>) -> bool {
        let close = ConnectionClose {
            reply_code: 200,
            reply_text: "bye",
            ..ConnectionClose::default()
        };
        Method::from(close).encode_frame(0, out);
        true
    }

    fn is_farewell(&self, bytes: &[u8]) -> bool {
        bytes.ends_with(&CLOSE_OK_FRAME)
    }

    fn cut(&self) -> LoadError {
        let source = match &self.state {
            State::Shaking(handshake) => handshake.handle_cut(),
            State::Fresh { .. } | State::SettingUp | State::Ready => ClientError::Cut,
        };
        LoadError::Client {
            doing: "keeping a connection open",
            source,
        }
    }
}

/// A wire's parts while its bytes are scanned.
struct Receiver<'a> {
    state: &'a mut State,
    steps: &'a mut VecDeque<SetupStep>,
    frame_max: &'a mut u32,
    last_tag: &'a mut u64,
    role: &'a mut Role,
    out: &'a mut Vec<u8>,
    context: &'a mut Context,
}

impl Sink for Receiver<'_> {
    #[inline]
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), LoadError> {
        let Role::Consumer(consumer) = self.role else {
            return Err(LoadError::Protocol("delivery without a consumer"));
        };
        *self.last_tag = delivery.tag;
        if let Some(due) = consumer.deliver(delivery, self.context) {
            ack(delivery.tag, due.multiple, self.out);
        }
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

/// What a producer asks for.
pub(super) fn producer_steps(options: &LoadOptions) -> VecDeque<SetupStep> {
    let mut steps = idle_steps();
    if options.confirms.is_some() {
        let select = ConfirmSelect { no_wait: false };
        steps.push_back(step(select, [0, 85, 0, 11]));
    }
    steps
}

/// What a consumer asks for.
pub(super) fn consumer_steps(
    queues: &[usize],
    options: &LoadOptions,
    plan: &Plan,
) -> VecDeque<SetupStep> {
    let mut steps = idle_steps();
    if let AckMode::Manual { prefetch, .. } = options.acks
        && prefetch > 0
    {
        let qos = BasicQos {
            prefetch_count: prefetch,
            ..BasicQos::default()
        };
        steps.push_back(step(qos, [0, 60, 0, 11]));
    }
    for (tag, &queue) in queues.iter().enumerate() {
        let consume = BasicConsume {
            queue: &plan.queue_name(queue),
            consumer_tag: &tag.to_string(),
            no_ack: options.acks == AckMode::Auto,
            arguments: TableRef::EMPTY,
            ..BasicConsume::default()
        };
        steps.push_back(step(consume, [0, 60, 0, 21]));
    }
    steps
}

/// What every connection asks for: a channel.
pub(super) fn idle_steps() -> VecDeque<SetupStep> {
    VecDeque::from([step(ChannelOpen {}, [0, 20, 0, 11])])
}

fn step<'a>(method: impl Into<Method<'a>>, answer: [u8; 4]) -> SetupStep {
    let mut request = Vec::new();
    method.into().encode_frame(CHANNEL, &mut request);
    SetupStep { request, answer }
}

#[inline]
fn ack(tag: u64, multiple: bool, out: &mut Vec<u8>) {
    let mut frame = ACK_FRAME;
    frame[ACK_TAG].copy_from_slice(&tag.to_be_bytes());
    frame[ACK_MULTIPLE] = u8::from(multiple);
    out.extend_from_slice(&frame);
}
