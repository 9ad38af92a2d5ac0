//! The NATS protocol: subscriptions, messages and, with JetStream, acknowledgements in both directions.
//!
//! ```text
//! awaiting INFO -> awaiting PONG -> ready
//! ```
//!
//! A producer that wants confirms gives every publish a reply subject of its own, which ends with the publish's number
//! (module `slab::nats`), and subscribes to all of them. A consumer answers each message on the message's reply subject.

use super::super::error::LoadError;
use super::super::mark::MARK_BYTES;
use super::super::options::LoadOptions;
use super::super::plan::Plan;
use super::super::roles::Role;
use super::super::scan::Delivery;
use super::super::slab::{TAG_DIGITS, parse_tag};
use super::{Ends, Wire};
use crate::nats::{Message, NatsError, NatsUrl, Operation, greet, parse};

/// One NATS connection.
pub(super) struct NatsWire {
    state: State,
    url: NatsUrl,
    /// What is sent after the login.
    subscriptions: Vec<u8>,
    /// Whether messages are acknowledged.
    durable: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Info,
    Pong,
    Ready,
}

impl NatsWire {
    /// Publishes; with confirms it listens for them.
    pub(super) fn producer(id: usize, url: &NatsUrl, options: &LoadOptions, plan: &Plan) -> Self {
        let mut wire = Self::idle(url);
        if options.confirms.is_some() {
            wire.subscribe(&format!("{}*", plan.inbox(id)), None, 0);
        }
        wire
    }

    /// Takes from the given queues: from their subjects, or what JetStream delivers for them.
    pub(super) fn consumer(
        queues: &[usize],
        url: &NatsUrl,
        options: &LoadOptions,
        plan: &Plan,
    ) -> Self {
        let mut wire = Self::idle(url);
        wire.durable = options.durable;
        for (number, &queue) in queues.iter().enumerate() {
            let subject = if options.durable {
                plan.deliver_subject(queue)
            } else {
                plan.subject(queue)
            };
            let group = (plan.consumers_of(queue) > 1).then(|| plan.queue_name(queue));
            wire.subscribe(&subject, group.as_deref(), number);
        }
        wire
    }

    /// Logs in and does nothing.
    pub(super) fn idle(url: &NatsUrl) -> Self {
        Self {
            state: State::Info,
            url: url.clone(),
            subscriptions: Vec::new(),
            durable: false,
        }
    }

    fn subscribe(&mut self, subject: &str, group: Option<&str>, number: usize) {
        let group = group.map_or_else(String::new, |group| format!(" {group}"));
        let line = format!("SUB {subject}{group} {number}\r\n");
        self.subscriptions.extend_from_slice(line.as_bytes());
    }

    #[inline]
    fn message(&self, message: &Message<'_>, ends: &mut Ends<'_>) -> Result<(), LoadError> {
        match ends.role {
            Role::Consumer(consumer) => {
                let mut delivery = Delivery {
                    consumer: message.subscription,
                    size: message.body.len() as u64,
                    ..Delivery::default()
                };
                if let Some(head) = message.body.first_chunk::<MARK_BYTES>() {
                    delivery.head = *head;
                } else {
                    delivery.head[..message.body.len()].copy_from_slice(message.body);
                }
                let due = consumer.deliver(&delivery, ends.context).is_some();
                if due && self.durable {
                    acknowledge(message.reply, ends.out);
                }
                Ok(())
            }
            Role::Producer(producer) => {
                let tag = message
                    .subject
                    .last_chunk::<TAG_DIGITS>()
                    .and_then(parse_tag)
                    .ok_or(LoadError::Protocol("confirm without a number"))?;
                // Headers without a body say that no stream takes the subject.
                let returned = !message.headers.is_empty();
                ends.context.books.returned += u64::from(returned);
                let refused = message.body.starts_with(br#"{"error""#);
                producer.confirm_low(tag, refused, ends.context)
            }
            Role::Idle => Err(LoadError::Protocol("message without a subscription")),
        }
    }
}

impl Wire for NatsWire {
    /// The server speaks first.
    fn begin(&mut self, _out: &mut Vec<u8>) {}

    fn receive(&mut self, bytes: &[u8], mut ends: Ends<'_>) -> Result<usize, LoadError> {
        let doing = "running the load";
        let mut at = 0;
        while let Some((operation, taken)) = parse(&bytes[at..]).map_err(LoadError::nats(doing))? {
            at += taken;
            match operation {
                Operation::Message(message) => self.message(&message, &mut ends)?,
                Operation::Ping => ends.out.extend_from_slice(b"PONG\r\n"),
                Operation::Pong if self.state == State::Pong => self.state = State::Ready,
                Operation::Info(info) if self.state == State::Info => {
                    let (hello, server) =
                        greet(&self.url, info).map_err(LoadError::nats("connecting"))?;
                    ends.context.books.server = server;
                    ends.out.extend_from_slice(&hello);
                    ends.out.append(&mut self.subscriptions);
                    ends.out.extend_from_slice(b"PING\r\n");
                    self.state = State::Pong;
                }
                Operation::Refusal(text) => {
                    let text = String::from_utf8_lossy(text).into_owned();
                    return Err(LoadError::nats(doing)(NatsError::Refused(text)));
                }
                // A server tells of changes in its cluster at any time.
                Operation::Pong | Operation::Ok | Operation::Info(_) => {}
            }
        }
        Ok(at)
    }

    fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    /// There are no frames.
    fn frame_max(&self) -> u32 {
        u32::MAX
    }

    /// Each message is acknowledged when it comes.
    fn ack_all(&mut self, _out: &mut Vec<u8>) {}

    fn say_goodbye(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn is_farewell(&self, _bytes: &[u8]) -> bool {
        true
    }

    fn cut(&self) -> LoadError {
        LoadError::nats("keeping a connection open")(NatsError::Cut)
    }
}

/// Tells JetStream that a message is dealt with: by an empty message.
#[inline]
fn acknowledge(reply: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(reply);
    out.extend_from_slice(b" 0\r\n\r\n");
}

#[cfg(test)]
mod tests;
