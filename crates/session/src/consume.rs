//! Consumers: their beginning and end, and basic.get, which needs none.

use std::sync::Arc;

use broker::{ConsumeRequest, ConsumerNumber, Port, Request, StreamOffset};
use codec::amqp::field::{TableRef, ValueRef};
use codec::amqp::method::{BasicCancel, BasicCancelOk, BasicConsume, BasicConsumeOk, BasicGet};
use codec::amqp::reply::ReplyCode;

use crate::channel::ReplyConsumer;
use crate::consumers::Consumer;
use crate::faults::{Cause, Fault};
use crate::limits;
use crate::requests::{Ask, REPLY_QUEUE};
use crate::session::Session;

impl Session {
    /// basic.get
    pub(crate) fn get<P: Port>(
        &mut self,
        number: u16,
        cause: Cause,
        get: &BasicGet<'_>,
        port: &mut P,
    ) -> Result<(), Fault> {
        let queue = self.queue_name(number, get.queue)?;
        let no_ack = get.no_ack;
        let most = self.settings.unacked_max;
        if !no_ack && self.unacked_count >= most {
            let detail = format!("the connection has its limit of {most} unacknowledged messages");
            return Err(Fault::precondition(detail));
        }
        self.ask(
            number,
            Ask::Get { no_ack },
            false,
            cause,
            Request::Get { queue, no_ack },
            port,
        );
        Ok(())
    }

    /// basic.consume
    pub(crate) fn consume<P: Port>(
        &mut self,
        number: u16,
        cause: Cause,
        consume: &BasicConsume<'_>,
        port: &mut P,
    ) -> Result<(), Fault> {
        let queue = self.queue_name(number, consume.queue)?;
        let priority = priority(consume.arguments, &queue)?;
        let offset = stream_offset(consume.arguments, &queue)?;
        let tag: Arc<str> = if consume.consumer_tag.is_empty() {
            self.generate_tag()
        } else {
            consume.consumer_tag.into()
        };
        let is_reply = queue == REPLY_QUEUE;
        if is_reply {
            self.check_reply_consumer(number, consume.no_ack)?;
        }
        let consumer = self.add_consumer(number, &tag, consume.no_ack)?;
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        if is_reply {
            let address = port.open_reply_address(number, consumer);
            channel.reply = Some(ReplyConsumer {
                number: consumer,
                address,
            });
            if !consume.no_wait {
                self.send(number, BasicConsumeOk { consumer_tag: &tag });
            }
            return Ok(());
        }
        let wish = ConsumeRequest {
            consumer,
            tag,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: channel.prefetch,
            priority,
            offset,
            credit: channel.credit.clone(),
            gauge: self.gauge.clone(),
        };
        self.ask(
            number,
            Ask::Consume(consumer),
            consume.no_wait,
            cause,
            Request::Consume {
                queue,
                consume: wish,
            },
            port,
        );
        Ok(())
    }

    /// Gives a consumer its number, if its tag is free and it is not one too many.
    fn add_consumer(
        &mut self,
        number: u16,
        tag: &Arc<str>,
        no_ack: bool,
    ) -> Result<ConsumerNumber, Fault> {
        let most = self.settings.consumers_per_channel_max;
        let too_many = || {
            let detail = format!("reached maximum ({most}) of consumers per channel");
            Fault::connection(ReplyCode::NotAllowed, detail)
        };
        let too_many_in_all = || {
            let most = limits::CONSUMERS_MAX;
            let detail = format!("reached maximum ({most}) of consumers per connection");
            Fault::connection(ReplyCode::NotAllowed, detail)
        };
        let channel = self.channels.find_open(number).ok_or_else(too_many)?;
        let is_taken = |other: &ConsumerNumber| {
            self.consumers
                .find(*other)
                .is_some_and(|known| known.tag == *tag)
        };
        if channel.consumers.iter().any(is_taken) {
            let detail = format!("attempt to reuse consumer tag '{tag}'");
            return Err(Fault::connection(ReplyCode::NotAllowed, detail));
        }
        if channel.consumers.len() >= most as usize {
            return Err(too_many());
        }
        let consumer = Consumer {
            channel: number,
            tag: tag.clone(),
            no_ack,
        };
        let consumer = self.consumers.add(consumer).ok_or_else(too_many_in_all)?;
        channel.consumers.push(consumer);
        Ok(consumer)
    }

    /// Direct replies have one consumer, and nothing to acknowledge.
    fn check_reply_consumer(&mut self, number: u16, no_ack: bool) -> Result<(), Fault> {
        if !no_ack {
            return Err(Fault::precondition("reply consumer cannot acknowledge"));
        }
        if self
            .channels
            .find_open(number)
            .is_some_and(|channel| channel.reply.is_some())
        {
            return Err(Fault::precondition("reply consumer already set"));
        }
        Ok(())
    }

    /// basic.cancel; a tag that nobody has is as good as cancelled.
    pub(crate) fn cancel<P: Port>(
        &mut self,
        number: u16,
        cause: Cause,
        cancel: &BasicCancel<'_>,
        port: &mut P,
    ) {
        let Some(channel) = self.channels.find_open(number) else {
            return;
        };
        let tag_of =
            |consumer: ConsumerNumber| self.consumers.find(consumer).map(|known| known.tag.clone());
        let found = channel
            .consumers
            .iter()
            .filter_map(|consumer| tag_of(*consumer).map(|tag| (*consumer, tag)))
            .find(|(_, tag)| **tag == *cancel.consumer_tag);
        let is_reply = |consumer| {
            channel
                .reply
                .as_ref()
                .is_some_and(|reply| reply.number == consumer)
        };
        match found {
            Some((consumer, tag)) if !is_reply(consumer) => {
                self.ask(
                    number,
                    Ask::Cancel(consumer, tag),
                    cancel.no_wait,
                    cause,
                    Request::Cancel { consumer },
                    port,
                );
                return;
            }
            Some((consumer, _)) => {
                channel.forget_consumer(consumer);
                self.consumers.remove(consumer);
                port.drop_consumer(consumer);
            }
            None => {}
        }
        if !cancel.no_wait {
            self.send(
                number,
                BasicCancelOk {
                    consumer_tag: cancel.consumer_tag,
                },
            );
        }
    }

    /// A consumer tag that no other consumer of the connection was given.
    fn generate_tag(&mut self) -> Arc<str> {
        self.tags_generated += 1;
        let birth = mix(self.settings.tag_seed ^ self.timers.birth());
        format!("amq.ctag-{:016x}{:08x}", birth, self.tags_generated).into()
    }
}

fn priority(arguments: TableRef<'_>, queue: &str) -> Result<i64, Fault> {
    match arguments.get("x-priority") {
        None => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| {
            Fault::precondition(format!(
                "invalid arg 'x-priority' for consumer of queue '{queue}': it must be an integer"
            ))
        }),
    }
}

fn stream_offset(arguments: TableRef<'_>, queue: &str) -> Result<StreamOffset, Fault> {
    let Some(value) = arguments.get("x-stream-offset") else {
        return Ok(StreamOffset::Next);
    };
    if let ValueRef::Timestamp(seconds) = value {
        return Ok(StreamOffset::Timestamp(seconds.saturating_mul(1_000)));
    }
    let number = value.as_i64().and_then(|number| u64::try_from(number).ok());
    match (number, value.as_str()) {
        (Some(number), _) => Ok(StreamOffset::Offset(number)),
        (None, Some("first")) => Ok(StreamOffset::First),
        (None, Some("last")) => Ok(StreamOffset::Last),
        (None, Some("next")) => Ok(StreamOffset::Next),
        (None, _) => Err(Fault::precondition(format!(
            "invalid arg 'x-stream-offset' for consumer of queue '{queue}': it must be first, last, next, an offset or a timestamp"
        ))),
    }
}

/// Spreads a number over all bits (the finaliser of SplitMix64).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
