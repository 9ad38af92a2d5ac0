//! Messages on their way in and out, and where they are sent to.

use broker::arguments::QueueKind;
use broker::topology::PARTITION_KEY;
use broker::{Annotation, QueueRef, StreamOffset};
use bytes::Bytes;
use codec::amqp::field::Table;
use codec::amqp::properties::{Properties, PropertiesRef};
use engine::Handle;
use rpc::v1;
use rpc::v1::address::Target;
use rpc::v1::message::Schedule;
use rpc::v1::stream_start::{Anchor, Start};

use super::status::Subject;
use super::value::{fields_of, ms_of, table_of};
use crate::flaw::Flaw;
use crate::gateway::{DEDUPLICATION_HEADER, Deliver, Delivered, Draft, Outgoing};
use crate::http::DEFAULT_VHOST;

/// Where messages go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    exchange: String,
    routing_key: String,
}

impl Place {
    /// Reads an address.
    pub(super) fn of(address: Option<v1::Address>) -> Result<Self, Flaw> {
        let detail = "name a queue, or a topic";
        let missing = || Flaw::new("address", detail);
        match address.and_then(|address| address.target) {
            Some(Target::Queue(queue)) if !queue.is_empty() => Ok(Self::queue(&queue)),
            Some(Target::Topic(v1::TopicAddress { topic, routing_key })) if !topic.is_empty() => {
                Ok(Self {
                    exchange: topic,
                    routing_key,
                })
            }
            Some(Target::Queue(_) | Target::Topic(_)) | None => Err(missing()),
        }
    }

    /// One queue.
    pub(super) fn queue(name: &str) -> Self {
        Self {
            exchange: String::new(),
            routing_key: name.to_owned(),
        }
    }

    /// Sends a message there.
    pub(super) fn address(&self, message: Outgoing) -> Outgoing {
        Outgoing {
            exchange: self.exchange.clone(),
            routing_key: self.routing_key.clone(),
            ..message
        }
    }

    /// It is one queue.
    pub(super) fn is_queue(&self) -> bool {
        self.exchange.is_empty()
    }

    /// What calls that publish there are about.
    pub(super) fn subject(&self) -> Subject<'_> {
        if self.exchange.is_empty() {
            Subject::Queue(&self.routing_key)
        } else {
            Subject::Topic(&self.exchange)
        }
    }

    /// Why no queue has the message.
    pub(super) fn unroutable(&self) -> String {
        let Self {
            exchange,
            routing_key,
        } = self;
        if exchange.is_empty() {
            format!("there is no queue '{routing_key}'")
        } else {
            format!(
                "no binding of the topic '{exchange}' leads messages with the key '{routing_key}' anywhere"
            )
        }
    }
}

/// Makes a message ready to be published.
pub(super) fn outgoing(
    message: v1::Message,
    place: &Place,
    bytes_max: usize,
) -> Result<Outgoing, Flaw> {
    let draft = draft(message, place)?;
    draft.finish(bytes_max)
}

/// Reads a message.
pub(super) fn draft(message: v1::Message, place: &Place) -> Result<Draft, Flaw> {
    let priority = u8::try_from(message.priority)
        .map_err(|_| Flaw::new("priority", "a priority is from 0 to 255"))?;
    let timestamp = message.timestamp_ms.map(seconds_of).transpose();
    let headers = table_of(message.headers, "headers")?;
    Ok(Draft {
        exchange: place.exchange.clone(),
        routing_key: place.routing_key.clone(),
        properties: Properties {
            content_type: filled(message.content_type),
            content_encoding: filled(message.content_encoding),
            headers: Some(headers),
            priority: Some(priority).filter(|priority| *priority > 0),
            correlation_id: filled(message.correlation_id),
            reply_to: filled(message.reply_to),
            message_id: filled(message.message_id),
            timestamp: timestamp?,
            kind: filled(message.r#type),
            user_id: filled(message.user_id),
            app_id: filled(message.app_id),
            ..Properties::default()
        },
        persistent: message.persistent.unwrap_or(true),
        ttl_ms: message.ttl_ms,
        body: message.body,
        deliver: message.schedule.map(|schedule| match schedule {
            Schedule::DeliverAfterMs(after_ms) => Deliver::After(after_ms),
            // A moment before 1970 has passed as well as any other.
            Schedule::DeliverAtMs(at_ms) => Deliver::At(u64::try_from(at_ms).unwrap_or(0)),
        }),
        deduplication_id: filled(message.deduplication_id),
        partition_key: filled(message.partition_key),
    })
}

fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

fn seconds_of(ms: i64) -> Result<u64, Flaw> {
    let detail = "a time before 1970 is none of AMQP's";
    u64::try_from(ms.div_euclid(1_000)).map_err(|_| Flaw::new("timestamp_ms", detail))
}

/// Writes a delivery for a client, with where it lies.
pub(super) fn received(delivered: &Delivered, engine: &Handle) -> v1::ReceivedMessage {
    v1::ReceivedMessage {
        position: position(engine, delivered.queue, delivered.sequence, false),
        ..received_somewhere(delivered)
    }
}

/// Writes a delivery for a client to whom it does not matter where it lies.
pub(super) fn received_somewhere(delivered: &Delivered) -> v1::ReceivedMessage {
    let message = &delivered.message;
    let mut properties = PropertiesRef::parse(message.properties())
        .ok()
        .and_then(|properties| properties.to_owned().ok())
        .unwrap_or_default();
    let mut take = |name| take_text(properties.headers.as_mut()?, name);
    let deduplication_id = take(DEDUPLICATION_HEADER);
    let partition_key = take(PARTITION_KEY);
    let delivery_count = match delivered.annotation {
        Annotation::DeliveryCount(count) => count,
        Annotation::None | Annotation::StreamOffset(_) => 0,
    };
    let body = match message.shared_body() {
        Some(body) => body.clone(),
        None => Bytes::copy_from_slice(message.body()),
    };
    v1::ReceivedMessage {
        message: Some(v1::Message {
            body,
            content_type: properties.content_type.unwrap_or_default(),
            content_encoding: properties.content_encoding.unwrap_or_default(),
            headers: properties
                .headers
                .as_ref()
                .map(fields_of)
                .unwrap_or_default(),
            message_id: properties.message_id.unwrap_or_default(),
            correlation_id: properties.correlation_id.unwrap_or_default(),
            reply_to: properties.reply_to.unwrap_or_default(),
            r#type: properties.kind.unwrap_or_default(),
            app_id: properties.app_id.unwrap_or_default(),
            user_id: properties.user_id.unwrap_or_default(),
            timestamp_ms: properties.timestamp.map(ms_of),
            priority: message.priority.into(),
            ttl_ms: message.expiration_ms,
            persistent: Some(message.persistent),
            schedule: None,
            deduplication_id: deduplication_id.unwrap_or_default(),
            partition_key: partition_key.unwrap_or_default(),
        }),
        position: None,
        topic: message.exchange().to_string(),
        routing_key: String::from_utf8_lossy(message.routing_key_bytes()).into_owned(),
        redelivered: delivered.redelivered,
        delivery_count,
    }
}

/// Takes what has a field of its own out of the headers, where AMQP's clients have it; what is no text stays there.
fn take_text(headers: &mut Table, name: &str) -> Option<String> {
    let text = headers.get(name)?.as_str()?.to_owned();
    headers.remove(name);
    Some(text)
}

/// Writes where a message lies; nothing for what lies in no queue that is still there.
pub(super) fn position(
    engine: &Handle,
    queue: QueueRef,
    sequence: u64,
    is_duplicate: bool,
) -> Option<v1::Position> {
    let (name, kind, partition) = engine.known_queue(DEFAULT_VHOST, queue)?;
    let is_stream = match kind {
        QueueKind::Stream => true,
        QueueKind::Classic | QueueKind::Quorum => false,
    };
    Some(v1::Position {
        queue: name.to_string(),
        sequence,
        // A stream's offsets begin with 0, sequence numbers with 1.
        offset: is_stream.then(|| sequence.saturating_sub(1)),
        is_duplicate,
        partition,
    })
}

/// Reads where in a stream to begin.
pub(super) fn stream_offset(start: Option<v1::StreamStart>) -> Result<StreamOffset, Flaw> {
    Ok(match start.and_then(|start| start.start) {
        None => StreamOffset::Next,
        Some(Start::Offset(offset)) => StreamOffset::Offset(offset),
        Some(Start::TimestampMs(ms)) => StreamOffset::Timestamp(u64::try_from(ms).unwrap_or(0)),
        Some(Start::Anchor(anchor)) => match Anchor::try_from(anchor) {
            Ok(Anchor::First) => StreamOffset::First,
            Ok(Anchor::Last) => StreamOffset::Last,
            Ok(Anchor::Next | Anchor::Unspecified) => StreamOffset::Next,
            Err(_) => return Err(Flaw::new("stream_start.anchor", "there is no such anchor")),
        },
    })
}

#[cfg(test)]
mod tests;
