//! Requests to workers: published with a direct reply address, answered by whoever takes them, through any door.

use std::collections::HashMap;

use broker::{ConsumerNumber, Port, Refusal};
use codec::amqp::properties::PropertiesRef;
use tokio::sync::oneshot;

use super::command::{Delivered, Request};
use super::publishing::{PUBLISH_CHANNEL, Sender};

/// Calls whose senders may have given up before they are looked through.
const SWEEP_MIN: usize = 64;

type Answer = oneshot::Sender<Result<Delivered, Refusal>>;

/// Where replies come to.
struct Address {
    consumer: ConsumerNumber,
    name: String,
}

/// The calls of one link that wait for their replies.
#[derive(Default)]
pub(super) struct Calls {
    address: Option<Address>,
    waiting: HashMap<String, Answer>,
    sweep_at: usize,
    sent: u64,
}

impl Calls {
    /// How many requests were sent so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends a request; `consumer` is a number for the reply address, if there is none yet.
    pub(super) fn call<P: Port>(
        &mut self,
        request: Request,
        answer: Answer,
        consumer: ConsumerNumber,
        sender: &Sender,
        port: &mut P,
        now_ms: u64,
    ) {
        let address = self.address.get_or_insert_with(|| Address {
            consumer,
            name: port.open_reply_address(PUBLISH_CHANNEL, consumer),
        });
        let mut properties = request.properties;
        let wished = properties.correlation_id.take();
        let correlation = wished.unwrap_or_else(engine::accounts::random_name);
        let is_open = |waiting: &Answer| !waiting.is_closed();
        if self.waiting.get(&correlation).is_some_and(is_open) {
            let detail = format!("a request with the correlation id '{correlation}' waits already");
            let refusal = Refusal::new(broker::RefusalKind::PreconditionFailed, detail);
            let _ = answer.send(Err(refusal));
            return;
        }
        properties.reply_to = Some(address.name.clone());
        properties.correlation_id = Some(correlation.clone());
        let mut message = request.message;
        message.properties.clear();
        properties.encode(&mut message.properties);
        match sender.send(&message, None, port, now_ms) {
            Ok(0) => {
                let detail = format!(
                    "no queue took the request: there is no queue '{}'",
                    message.routing_key
                );
                let refusal = Refusal::new(broker::RefusalKind::NotFound, detail);
                let _ = answer.send(Err(refusal));
            }
            Ok(_) => {
                if self.waiting.len() >= self.sweep_at.max(SWEEP_MIN) {
                    self.waiting.retain(|_, waiting| !waiting.is_closed());
                    self.sweep_at = self.waiting.len() * 2;
                }
                self.sent += 1;
                self.waiting.insert(correlation, answer);
            }
            Err(refusal) => drop(answer.send(Err(refusal))),
        }
    }

    pub(super) fn is_reply_consumer(&self, consumer: ConsumerNumber) -> bool {
        self.address
            .as_ref()
            .is_some_and(|address| address.consumer == consumer)
    }

    /// Hands a reply to whoever waits for it; one that nobody waits for is dropped.
    pub(super) fn replied(&mut self, reply: Delivered) {
        let waiting = PropertiesRef::parse(reply.message.properties())
            .ok()
            .and_then(|properties| self.waiting.remove(properties.correlation_id?));
        if let Some(answer) = waiting {
            let _ = answer.send(Ok(reply));
        }
    }
}
