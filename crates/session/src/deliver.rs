//! Deliveries: one call becomes three frames.

use broker::{Annotation, ConsumerNumber, Delivery, Outcome, Port};
use codec::amqp::content;
use codec::amqp::field::TableRef;
use codec::amqp::method::{BasicCancel, BasicGetOk, Method};
use codec::amqp::properties::PropertiesRef;

use crate::session::Session;
use crate::state::State;
use crate::unacked::Unacked;

#[cfg(test)]
mod tests;

/// Property flags of content type, content encoding and headers: the first three properties.
const FLAG_CONTENT_TYPE: u16 = 1 << 15;
const FLAG_CONTENT_ENCODING: u16 = 1 << 14;
const FLAG_HEADERS: u16 = 1 << 13;

impl Session {
    /// Encodes a delivery and remembers it; one for a consumer that is gone goes back where it came from.
    #[inline]
    pub(crate) fn deliver<P: Port>(
        &mut self,
        number: u16,
        consumer: ConsumerNumber,
        delivery: &Delivery,
        port: &mut P,
    ) {
        let known = self
            .consumers
            .find(consumer)
            .filter(|known| known.channel == number);
        let (Some(known), Some(channel), State::Running) =
            (known, self.channels.find_open(number), self.state)
        else {
            give_back(delivery, Some(consumer), port);
            return;
        };
        let tag = channel.next_tag();
        let Delivery {
            queue,
            sequence,
            ref message,
            redelivered,
            annotation,
            outbox_bytes: _,
        } = *delivery;
        if !known.no_ack {
            channel.unacked.push(Unacked {
                tag,
                queue,
                sequence,
                consumer: Some(consumer),
            });
            self.unacked_count += 1;
            if self.unacked_count >= self.settings.unacked_max {
                self.is_laden = true;
                self.gauge.set_laden(true);
            }
        }
        content::encode_deliver(
            number,
            &known.tag,
            tag,
            redelivered,
            message.exchange(),
            message.routing_key_bytes(),
            annotate(message.properties(), annotation, &mut self.scratch),
            message.body_length() as u64,
            self.output.buffer(),
        );
        self.output.push_body(
            number,
            message.body(),
            message.shared_body(),
            self.peer.frame_max,
        );
    }

    /// Encodes the answer to a get and remembers it.
    pub(crate) fn deliver_got(
        &mut self,
        number: u16,
        no_ack: bool,
        delivery: &Delivery,
        ready: u64,
    ) {
        let Some(channel) = self.channels.find_open(number) else {
            return;
        };
        let tag = channel.next_tag();
        let Delivery {
            queue,
            sequence,
            ref message,
            redelivered,
            annotation,
            outbox_bytes: _,
        } = *delivery;
        if !no_ack {
            channel.unacked.push(Unacked {
                tag,
                queue,
                sequence,
                consumer: None,
            });
            self.unacked_count += 1;
        }
        let method = BasicGetOk {
            delivery_tag: tag,
            redelivered,
            exchange: message.exchange(),
            routing_key: message.routing_key(),
            message_count: u32::try_from(ready).unwrap_or(u32::MAX),
        };
        let out = self.output.buffer();
        Method::from(method).encode_frame(number, out);
        let properties = annotate(message.properties(), annotation, &mut self.scratch);
        content::encode_header_frame(number, message.body_length() as u64, properties, out);
        self.output.push_body(
            number,
            message.body(),
            message.shared_body(),
            self.peer.frame_max,
        );
    }

    /// Forgets a consumer whose queue is gone, and tells the client if it wants to know. Its deliveries stay with the channel.
    pub(crate) fn consumer_cancelled(&mut self, number: u16, consumer: ConsumerNumber) {
        if self
            .consumers
            .find(consumer)
            .is_none_or(|known| known.channel != number)
        {
            return;
        }
        let Some(known) = self.consumers.remove(consumer) else {
            return;
        };
        let Some(channel) = self.channels.find_open(number) else {
            return;
        };
        channel.forget_consumer(consumer);
        if self.peer.takes_consumer_cancel && self.state == State::Running {
            self.send(
                number,
                BasicCancel {
                    consumer_tag: &known.tag,
                    no_wait: true,
                },
            );
        }
    }
}

/// Puts a delivery back that nobody will get; direct replies have no place to go back to.
#[cold]
pub(crate) fn give_back<P: Port>(
    delivery: &Delivery,
    consumer: Option<ConsumerNumber>,
    port: &mut P,
) {
    if delivery.queue.id.0 != 0 {
        port.settle(
            delivery.queue,
            consumer,
            delivery.sequence,
            Outcome::Requeued,
        );
    }
}

/// Adds what the delivery tells to the message's headers, in `scratch` if there is anything.
#[inline]
fn annotate<'a>(raw: &'a [u8], annotation: Annotation, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let (name, value) = match annotation {
        Annotation::None => return raw,
        Annotation::DeliveryCount(count) => ("x-delivery-count", i64::from(count)),
        Annotation::StreamOffset(offset) => {
            ("x-stream-offset", i64::try_from(offset).unwrap_or(i64::MAX))
        }
    };
    scratch.clear();
    if insert_header(raw, name, value, scratch)
        .or_else(|| replace_header(raw, name, value, scratch))
        .is_some()
    {
        scratch
    } else {
        // Only properties that nobody validated get here; they go on as they are.
        raw
    }
}

/// Copies properties with one more header, without decoding them; `None` when that header is there already.
fn insert_header(raw: &[u8], name: &str, value: i64, out: &mut Vec<u8>) -> Option<()> {
    let flags = u16::from_be_bytes(*raw.first_chunk()?);
    let mut at = 2;
    for flag in [FLAG_CONTENT_TYPE, FLAG_CONTENT_ENCODING] {
        if flags & flag != 0 {
            at += 1 + usize::from(*raw.get(at)?);
        }
    }
    let before = raw.get(2..at)?;
    let mut after = raw.get(at..)?;
    let mut table: &[u8] = &[];
    if flags & FLAG_HEADERS != 0 {
        let (length, rest) = after.split_first_chunk::<4>()?;
        (table, after) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    }
    if TableRef::new(table).get(name).is_some() {
        return None;
    }
    let field_length = 1 + name.len() + 1 + 8;
    out.extend_from_slice(&(flags | FLAG_HEADERS).to_be_bytes());
    out.extend_from_slice(before);
    out.extend_from_slice(
        &u32::try_from(table.len() + field_length)
            .ok()?
            .to_be_bytes(),
    );
    out.extend_from_slice(table);
    out.push(u8::try_from(name.len()).ok()?);
    out.extend_from_slice(name.as_bytes());
    out.push(b'l');
    out.extend_from_slice(&value.to_be_bytes());
    out.extend_from_slice(after);
    Some(())
}

/// Copies properties with a header in place of one of the same name, as when a message is published again as it was received.
#[cold]
fn replace_header(raw: &[u8], name: &str, value: i64, out: &mut Vec<u8>) -> Option<()> {
    let mut properties = PropertiesRef::parse(raw).ok()?.to_owned().ok()?;
    let headers = properties.headers.get_or_insert_default();
    headers.remove(name);
    headers.insert(name, value);
    out.clear();
    properties.encode(out);
    Some(())
}
