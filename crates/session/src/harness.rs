//! A client and a broker made of vectors, for the tests of this crate.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;

use broker::{
    Annotation, Body, ConsumerNumber, Delivery, Event, Message, Outcome, Port, Publish, QueueId,
    QueueRef, Refusal, Reply, Request,
};
use bytes::Bytes;
use codec::amqp::content::{self, ContentHeader};
use codec::amqp::field::{Table, TableRef};
use codec::amqp::frame::{self, FrameKind, PROTOCOL_HEADER};
use codec::amqp::method::{
    BasicConsume, BasicPublish, ChannelOpen, ConnectionOpen, ConnectionStartOk, ConnectionTuneOk,
    Method,
};

use crate::{Login, Session, Settings};

/// One call that a session made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Publish {
        channel: u16,
        exchange: String,
        key: String,
        forwarded: Vec<u8>,
        body: Vec<u8>,
        is_shared: bool,
        number: Option<u64>,
        deliver_at_ms: Option<u64>,
        dedup_id: Option<String>,
    },
    Settle {
        queue: u64,
        sequence: u64,
        consumer: Option<u32>,
        outcome: Outcome,
    },
    /// The request as `Debug` prints it.
    Request(u16, String),
    Drop(u32),
    Resume(u32),
    OpenReply(u16, u32),
}

/// A broker that keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct FakePort {
    pub(crate) calls: Vec<Call>,
    /// What `publish` answers.
    pub(crate) answers: u32,
    /// What `publish` refuses by, once.
    pub(crate) refusal: Option<Refusal>,
}

impl Port for FakePort {
    fn publish(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let (body, is_shared) = match &publish.body {
            Body::Copy(bytes) => (bytes.to_vec(), false),
            Body::Share(bytes) => (bytes.to_vec(), true),
        };
        self.calls.push(Call::Publish {
            channel: publish.channel,
            exchange: publish.exchange.to_owned(),
            key: publish.routing_key.to_owned(),
            forwarded: publish.forwarded.to_vec(),
            body,
            is_shared,
            number: publish.number,
            deliver_at_ms: publish.deliver_at_ms,
            dedup_id: publish.dedup_id.map(str::to_owned),
        });
        Ok(self.answers)
    }

    fn settle(
        &mut self,
        queue: QueueRef,
        consumer: Option<ConsumerNumber>,
        sequence: u64,
        outcome: Outcome,
    ) {
        let consumer = consumer.map(|number| number.0);
        self.calls.push(Call::Settle {
            queue: queue.id.0,
            sequence,
            consumer,
            outcome,
        });
    }

    fn has_queue(&self, _: QueueRef) -> bool {
        true
    }

    fn request(&mut self, channel: u16, request: Request) {
        self.calls
            .push(Call::Request(channel, format!("{request:?}")));
    }

    fn drop_consumer(&mut self, consumer: ConsumerNumber) {
        self.calls.push(Call::Drop(consumer.0));
    }

    fn resume(&mut self, consumer: ConsumerNumber) {
        self.calls.push(Call::Resume(consumer.0));
    }

    fn open_reply_address(&mut self, channel: u16, consumer: ConsumerNumber) -> String {
        self.calls.push(Call::OpenReply(channel, consumer.0));
        format!("amq.rabbitmq.reply-to.{}", consumer.0)
    }
}

/// A session with a client at its one end and a [`FakePort`] at the other.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) session: Session,
    pub(crate) port: FakePort,
    pub(crate) now_ms: u64,
    rest: Vec<u8>,
}

impl Bench {
    /// A peer that has sent nothing.
    pub(crate) fn new(settings: Settings) -> Self {
        let session = Session::new(Arc::new(settings), Arc::default(), 1_000);
        let port = FakePort {
            answers: 1,
            ..FakePort::default()
        };
        Self {
            session,
            port,
            now_ms: 1_000,
            rest: Vec::new(),
        }
    }

    /// A connection that is open, with all capabilities, and channel 1.
    pub(crate) fn open() -> Self {
        Self::open_with(Settings::default(), 0)
    }

    /// A connection that is open under these settings, the client's frame limit as offered unless it is not 0.
    pub(crate) fn open_with(settings: Settings, frame_max: u32) -> Self {
        let frame_max = if frame_max == 0 {
            settings.frame_max
        } else {
            frame_max
        };
        let heartbeat = settings.heartbeat_s;
        let mut bench = Self::new(settings);
        bench.raw(&PROTOCOL_HEADER);
        bench.start_ok(&capabilities(), "PLAIN", b"\0user\0password");
        let _ = bench
            .session
            .poll_action()
            .expect("credentials are to be checked");
        bench.session.authenticated(
            Ok(Login {
                name: "user".into(),
                impersonator: false,
            }),
            bench.now_ms,
        );
        bench.method(
            0,
            ConnectionTuneOk {
                channel_max: 2_047,
                frame_max,
                heartbeat,
            },
        );
        bench.method(
            0,
            ConnectionOpen {
                virtual_host: "/",
                ..ConnectionOpen::default()
            },
        );
        let _ = bench
            .session
            .poll_action()
            .expect("the virtual host is to be entered");
        bench.session.opened(Ok(()), bench.now_ms);
        bench.method(1, ChannelOpen {});
        assert!(
            bench
                .frames()
                .last()
                .is_some_and(|frame| frame.starts_with("1 ChannelOpenOk")),
            "the channel opens"
        );
        bench
    }

    pub(crate) fn start_ok(&mut self, properties: &Table, mechanism: &str, response: &[u8]) {
        let properties = properties.to_bytes();
        let start = ConnectionStartOk {
            client_properties: TableRef::new(&properties),
            mechanism,
            response,
            locale: "en_US",
        };
        self.method(0, start);
    }

    /// The client sends bytes.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        self.resume_input();
    }

    /// What was held back is worked through, as after a pause.
    pub(crate) fn resume_input(&mut self) {
        let input = Bytes::from(std::mem::take(&mut self.rest));
        let used = self
            .session
            .handle_input(&input, self.now_ms, Some(&mut self.port));
        self.rest = input.slice(used..).to_vec();
    }

    /// How many bytes the session has not taken.
    pub(crate) fn held_back(&self) -> usize {
        self.rest.len()
    }

    /// The client sends a method.
    pub(crate) fn method<'m>(&mut self, channel: u16, method: impl Into<Method<'m>>) {
        self.raw(&encode(channel, method));
    }

    /// The client publishes to the default exchange.
    pub(crate) fn publish(&mut self, key: &str, body: &[u8]) {
        self.raw(&publish_bytes(1, key, &[0, 0], body));
    }

    /// The client starts a consumer, which the broker agrees to; returns its number.
    pub(crate) fn consume(&mut self, tag: &str, no_ack: bool) -> ConsumerNumber {
        self.consume_on(1, tag, no_ack)
    }

    pub(crate) fn consume_on(&mut self, channel: u16, tag: &str, no_ack: bool) -> ConsumerNumber {
        self.method(
            channel,
            BasicConsume {
                queue: "q",
                consumer_tag: tag,
                no_ack,
                ..BasicConsume::default()
            },
        );
        let Some(Call::Request(_, request)) = self.port.calls.last() else {
            panic!("a request is made")
        };
        let (_, number) = request
            .split_once("ConsumerNumber(")
            .expect("it is a consume");
        let (number, _) = number.split_once(')').expect("a number ends");
        let number = ConsumerNumber(number.parse().expect("a number is a number"));
        self.replied(channel, Ok(Reply::Done));
        number
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.session
            .handle_event(event, self.now_ms, Some(&mut self.port));
    }

    pub(crate) fn replied(&mut self, channel: u16, result: Result<Reply, Refusal>) {
        self.event(Event::Replied { channel, result });
        self.resume_input();
    }

    /// The broker delivers message `sequence` of queue 7 on channel 1.
    pub(crate) fn deliver(&mut self, consumer: ConsumerNumber, sequence: u64, body: &[u8]) {
        self.event(Event::Deliver {
            channel: 1,
            consumer,
            delivery: delivery(sequence, body),
        });
    }

    pub(crate) fn timeout(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.session.handle_timeout(now_ms, Some(&mut self.port));
    }

    /// All bytes that wait, taken.
    pub(crate) fn output(&mut self) -> Vec<u8> {
        let output = self.session.output();
        let bytes: Vec<u8> = output.chunks().flatten().copied().collect();
        assert_eq!(bytes.len(), output.len());
        output.advance(bytes.len());
        bytes
    }

    /// All frames that wait, taken: `channel Method { .. }`, `channel header SIZE`, `channel body SIZE`, `0 heartbeat`.
    pub(crate) fn frames(&mut self) -> Vec<String> {
        describe(&self.output())
    }

    /// The calls since the last time.
    pub(crate) fn calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.port.calls)
    }

    /// Checks that all that waits is one frame of this beginning.
    pub(crate) fn expect_only(&mut self, beginning: &str) {
        let frames = self.frames();
        assert!(
            matches!(frames.as_slice(), [only] if only.starts_with(beginning)),
            "expected only '{beginning}', found {frames:#?}"
        );
    }
}

/// A client that knows everything.
pub(crate) fn capabilities() -> Table {
    let mut known = Table::new();
    for name in [
        "authentication_failure_close",
        "connection.blocked",
        "consumer_cancel_notify",
    ] {
        known.insert(name, true);
    }
    let mut properties = Table::new();
    properties.insert("capabilities", known);
    properties.insert("product", "test");
    properties
}

pub(crate) fn encode<'m>(channel: u16, method: impl Into<Method<'m>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    method.into().encode_frame(channel, &mut bytes);
    bytes
}

/// A publish to the default exchange in as few frames as the default frame limit allows.
pub(crate) fn publish_bytes(channel: u16, key: &str, properties: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = encode(
        channel,
        BasicPublish {
            routing_key: key,
            ..BasicPublish::default()
        },
    );
    content::encode_header_frame(channel, body.len() as u64, properties, &mut bytes);
    content::encode_body_frames(channel, body, 131_072, &mut bytes);
    bytes
}

/// A publish that wants to come back when nobody takes it.
pub(crate) fn mandatory_bytes(channel: u16, key: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = encode(
        channel,
        BasicPublish {
            routing_key: key,
            mandatory: true,
            ..BasicPublish::default()
        },
    );
    content::encode_header_frame(channel, body.len() as u64, &[0, 0], &mut bytes);
    content::encode_body_frames(channel, body, 131_072, &mut bytes);
    bytes
}

/// A content header frame.
pub(crate) fn header_bytes(channel: u16, body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    content::encode_header_frame(channel, body_size, properties, &mut bytes);
    bytes
}

/// One body frame.
pub(crate) fn body_bytes(channel: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    content::encode_body_frames(channel, body, 0, &mut bytes);
    bytes
}

pub(crate) fn queue(id: u64) -> QueueRef {
    QueueRef {
        id: QueueId(id),
        slot: 0,
        shard: 0,
        epoch: 0,
    }
}

pub(crate) fn delivery(sequence: u64, body: &[u8]) -> Delivery {
    let body = if body.len() >= 4_096 {
        Body::Share(Bytes::copy_from_slice(body))
    } else {
        Body::Copy(body)
    };
    let message = Arc::new(Message::new("x".into(), "key", &[0, 0], body));
    Delivery {
        queue: queue(7),
        sequence,
        outbox_bytes: Delivery::outbox_bytes_of(&message, 0),
        message,
        redelivered: false,
        annotation: Annotation::None,
    }
}

pub(crate) fn settled(sequence: u64, consumer: ConsumerNumber, outcome: Outcome) -> Call {
    Call::Settle {
        queue: 7,
        sequence,
        consumer: Some(consumer.0),
        outcome,
    }
}

/// Cuts bytes into frames and names each.
pub(crate) fn describe(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let Some((frame, used)) = frame::parse(bytes, 0).expect("the session writes frames") {
        let channel = frame.channel;
        frames.push(match frame.kind {
            FrameKind::Method => {
                let text = format!(
                    "{:?}",
                    Method::decode(frame.payload).expect("the session writes methods")
                );
                // `Name(Name { .. })` says the name twice.
                let inner = text
                    .split_once('(')
                    .map_or("", |(_, inner)| inner)
                    .trim_end_matches(')');
                format!("{channel} {inner}")
            }
            FrameKind::Header => {
                let header =
                    ContentHeader::decode(frame.payload).expect("the session writes headers");
                format!("{channel} header {}", header.body_size)
            }
            FrameKind::Body => format!("{channel} body {}", frame.payload.len()),
            FrameKind::Heartbeat => format!("{channel} heartbeat"),
        });
        bytes = bytes.get(used..).unwrap_or_default();
    }
    assert!(bytes.is_empty(), "the session writes whole frames");
    frames
}
