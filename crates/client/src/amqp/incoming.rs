//! Frames put together to whole events: answers, messages, confirms.

use codec::amqp::content::ContentHeader;
use codec::amqp::frame::{Frame, FrameKind};
use codec::amqp::method::{BasicReturn, Method};
use codec::amqp::properties::{Properties, PropertiesRef};

use super::error::ClientError;

/// Largest message that the client takes: RabbitMQ's own limit.
const BODY_MAX: u64 = 512 << 20;
/// Room that is taken for a body before its bytes are there.
const BODY_ROOM_MAX: u64 = 1 << 20;

/// One message from a queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Names the delivery in an ack.
    pub delivery_tag: u64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// Where it was published.
    pub exchange: String,
    /// With which routing key.
    pub routing_key: String,
    /// Its properties and headers.
    pub properties: Properties,
    /// Its body.
    pub body: Vec<u8>,
}

/// What the server says about a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Name.
    pub name: String,
    /// Messages ready for delivery.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Something whole that arrived.
#[derive(Debug)]
pub(super) enum Incoming {
    Delivery(Message),
    /// The answer to a get, with the number of messages left.
    Got(Message, u32),
    Returned(ClientError),
    Confirm {
        tag: u64,
        multiple: bool,
        refused: bool,
    },
    Cancelled(String),
    Closed(ClientError),
    ChannelClosed(ClientError),
    Reply(Reply),
    /// Heartbeats, notes that need no answer, parts of something.
    Nothing,
}

/// An answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `queue.declare-ok`.
    Queue(QueueState),
    /// `queue.purge-ok` or `queue.delete-ok`.
    Removed(u32),
    /// `basic.consume-ok`.
    Consumer(String),
    /// `basic.get-empty`.
    Empty,
    /// An answer that says nothing more than its name.
    Plain(&'static str),
}

/// Puts frames together.
#[derive(Default)]
pub(super) struct Assembler {
    content: Option<Content>,
}

struct Content {
    purpose: Purpose,
    message: Message,
    /// Body length, once the header is there.
    size: Option<u64>,
}

enum Purpose {
    Delivery,
    Got(u32),
    Return(ClientError),
}

impl Assembler {
    /// Takes the next frame.
    ///
    /// # Errors
    ///
    /// Fails on frames that cannot be read or come out of order.
    pub(super) fn handle_frame(&mut self, frame: &Frame<'_>) -> Result<Incoming, ClientError> {
        match frame.kind {
            FrameKind::Method => self.handle_method(&Method::decode(frame.payload)?),
            FrameKind::Header => self.handle_header(frame.payload),
            FrameKind::Body => self.handle_body(frame.payload),
            FrameKind::Heartbeat => Ok(Incoming::Nothing),
        }
    }

    fn begin(&mut self, purpose: Purpose, message: Message) -> Incoming {
        self.content = Some(Content {
            purpose,
            message,
            size: None,
        });
        Incoming::Nothing
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what a client does not await is an answer or a fault; the caller decides by its name"
    )]
    fn handle_method(&mut self, method: &Method<'_>) -> Result<Incoming, ClientError> {
        Ok(match method {
            Method::BasicDeliver(deliver) => self.begin(
                Purpose::Delivery,
                Message {
                    delivery_tag: deliver.delivery_tag,
                    redelivered: deliver.redelivered,
                    exchange: deliver.exchange.to_owned(),
                    routing_key: deliver.routing_key.to_owned(),
                    ..Message::default()
                },
            ),
            Method::BasicGetOk(got) => self.begin(
                Purpose::Got(got.message_count),
                Message {
                    delivery_tag: got.delivery_tag,
                    redelivered: got.redelivered,
                    exchange: got.exchange.to_owned(),
                    routing_key: got.routing_key.to_owned(),
                    ..Message::default()
                },
            ),
            Method::BasicReturn(returned) => self.begin(
                Purpose::Return(returned_error(returned)),
                Message::default(),
            ),
            Method::BasicAck(ack) => Incoming::Confirm {
                tag: ack.delivery_tag,
                multiple: ack.multiple,
                refused: false,
            },
            Method::BasicNack(nack) => Incoming::Confirm {
                tag: nack.delivery_tag,
                multiple: nack.multiple,
                refused: true,
            },
            Method::BasicCancel(cancel) => Incoming::Cancelled(cancel.consumer_tag.to_owned()),
            Method::ConnectionClose(close) => Incoming::Closed(ClientError::ConnectionClosed {
                code: close.reply_code,
                text: close.reply_text.to_owned(),
            }),
            Method::ChannelClose(close) => Incoming::ChannelClosed(ClientError::ChannelClosed {
                code: close.reply_code,
                text: close.reply_text.to_owned(),
            }),
            Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_) => Incoming::Nothing,
            Method::QueueDeclareOk(queue) => Incoming::Reply(Reply::Queue(QueueState {
                name: queue.queue.to_owned(),
                messages: queue.message_count,
                consumers: queue.consumer_count,
            })),
            Method::QueuePurgeOk(purged) => Incoming::Reply(Reply::Removed(purged.message_count)),
            Method::QueueDeleteOk(deleted) => {
                Incoming::Reply(Reply::Removed(deleted.message_count))
            }
            Method::BasicConsumeOk(consumer) => {
                Incoming::Reply(Reply::Consumer(consumer.consumer_tag.to_owned()))
            }
            Method::BasicGetEmpty(_) => Incoming::Reply(Reply::Empty),
            other => Incoming::Reply(Reply::Plain(other.name())),
        })
    }

    fn handle_header(&mut self, payload: &[u8]) -> Result<Incoming, ClientError> {
        let header = ContentHeader::decode(payload)?;
        let content = self.content.as_mut().ok_or(ClientError::Unexpected {
            wanted: "a method",
            got: "a content header",
        })?;
        if header.body_size > BODY_MAX {
            return Err(ClientError::TooLarge(header.body_size));
        }
        content.size = Some(header.body_size);
        content.message.properties = PropertiesRef::parse(header.properties)?.to_owned()?;
        let room = usize::try_from(header.body_size.min(BODY_ROOM_MAX)).unwrap_or(0);
        content.message.body.reserve(room);
        Ok(self.take_complete())
    }

    fn handle_body(&mut self, payload: &[u8]) -> Result<Incoming, ClientError> {
        let content = self.content.as_mut().ok_or(ClientError::Unexpected {
            wanted: "a method",
            got: "a body frame",
        })?;
        content.message.body.extend_from_slice(payload);
        let size = content.size.ok_or(ClientError::Unexpected {
            wanted: "a content header",
            got: "a body frame",
        })?;
        if content.message.body.len() as u64 > size {
            return Err(ClientError::Unexpected {
                wanted: "the end of a body",
                got: "more of it",
            });
        }
        Ok(self.take_complete())
    }

    fn take_complete(&mut self) -> Incoming {
        let complete = self
            .content
            .take_if(|content| content.size == Some(content.message.body.len() as u64));
        match complete {
            None => Incoming::Nothing,
            Some(content) => match content.purpose {
                Purpose::Delivery => Incoming::Delivery(content.message),
                Purpose::Got(left) => Incoming::Got(content.message, left),
                Purpose::Return(error) => Incoming::Returned(error),
            },
        }
    }
}

fn returned_error(returned: &BasicReturn<'_>) -> ClientError {
    ClientError::Returned {
        code: returned.reply_code,
        text: returned.reply_text.to_owned(),
        exchange: returned.exchange.to_owned(),
        routing_key: returned.routing_key.to_owned(),
    }
}
