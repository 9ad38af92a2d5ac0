//! The client's half of the protocol: frames to send, and what came back.

use bytes::Bytes;
use codec::amqp::content;
use codec::amqp::frame::{self, FrameKind};
use codec::amqp::method::{BasicAck, BasicPublish, Method};

/// The one channel that every client of the bench uses.
pub(crate) const CHANNEL: u16 = 1;
/// The frame limit that every client of the bench agrees to.
pub(crate) const FRAME_MAX: u32 = 131_072;
/// Property flags and list: nothing.
const PLAIN: &[u8] = &[0, 0];
/// Property flags and list: delivery mode 2.
const PERSISTENT: &[u8] = &[0x10, 0, 2];

/// What one client is about to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) body_bytes: usize,
    pub(crate) persistent: bool,
}

/// Encodes a method frame.
pub(crate) fn method<'m>(channel: u16, method: impl Into<Method<'m>>) -> Vec<u8> {
    let mut out = Vec::new();
    method.into().encode_frame(channel, &mut out);
    out
}

/// Encodes one publish for each routing key.
pub(crate) fn publishes<'k>(message: Message<'_>, keys: impl Iterator<Item = &'k str>) -> Bytes {
    let body = vec![b'x'; message.body_bytes];
    let properties = if message.persistent {
        PERSISTENT
    } else {
        PLAIN
    };
    let mut out = Vec::new();
    for routing_key in keys {
        let publish = BasicPublish {
            exchange: message.exchange,
            routing_key,
            ..BasicPublish::default()
        };
        Method::from(publish).encode_frame(CHANNEL, &mut out);
        content::encode_header_frame(CHANNEL, body.len() as u64, properties, &mut out);
        content::encode_body_frames(CHANNEL, &body, FRAME_MAX, &mut out);
    }
    out.into()
}

/// Encodes an acknowledgement for each of these deliveries.
pub(crate) fn acks(tags: impl Iterator<Item = u64>) -> Bytes {
    let mut out = Vec::new();
    for delivery_tag in tags {
        let ack = BasicAck {
            delivery_tag,
            multiple: false,
        };
        Method::from(ack).encode_frame(CHANNEL, &mut out);
    }
    out.into()
}

/// What a client has been sent so far.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// Deliveries whose bodies are complete.
    pub(crate) delivered: u64,
    /// The highest publish that was confirmed.
    pub(crate) confirmed: u64,
    /// Answers to requests.
    pub(crate) answers: u64,
}

impl Inbox {
    /// Reads what was written to the client.
    ///
    /// # Panics
    /// When it is anything but whole frames that a healthy client gets.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (frame, used) = frame::parse(bytes, FRAME_MAX)
                .expect("the server writes frames")
                .expect("the server's batches end with a frame");
            if frame.kind == FrameKind::Method {
                self.read_method(&Method::decode(frame.payload).expect("a method"));
            }
            bytes = &bytes[used..];
        }
    }

    fn read_method(&mut self, method: &Method<'_>) {
        if let Method::BasicDeliver(_) = method {
            self.delivered += 1;
        } else if let Method::BasicAck(ack) = method {
            self.confirmed = ack.delivery_tag;
        } else {
            assert!(
                !matches!(method, Method::ConnectionClose(_) | Method::ChannelClose(_)),
                "the server refuses what the bench does: {method:?}"
            );
            self.answers += 1;
        }
    }
}
