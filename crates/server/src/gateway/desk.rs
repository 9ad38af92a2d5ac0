//! What a link's agent keeps beside the engine's connection: a state machine without a socket, a thread or a clock.

mod consumers;
mod settling;

use std::collections::HashMap;
use std::sync::Arc;

use broker::{
    Annotation, ConsumeRequest, ConsumerNumber, Credit, Delivery, Event, OutboxGauge, Outcome,
    Port, Refusal, RefusalKind, Reply, StreamOffset,
};
use tokio::sync::{mpsc, oneshot};

use super::calls::Calls;
use super::command::{Command, Delivered, Settle};
use super::groups::Hold;
use super::leases::{Leased, Leases};
use super::publishing::{PUBLISH_CHANNEL, Publishing, Sender};
use super::pulls::{Pulling, Pulls};

/// Leases that one link may hold.
const LEASES_MAX: usize = 100_000;

/// Who waits for the answer to a request of the broker's.
pub(super) enum Waiting {
    /// Whoever sent it.
    Sender(oneshot::Sender<Result<Reply, Refusal>>),
    /// A pull whose consumer starts.
    PullOpens(ConsumerNumber),
    /// A pull whose consumer stops.
    PullCloses(ConsumerNumber),
    /// A subscription.
    Subscriber(
        ConsumerNumber,
        oneshot::Sender<Result<ConsumerNumber, Refusal>>,
    ),
    /// A subscription that stops; until when it may keep what it has.
    Unsubscribed(ConsumerNumber, u64),
}

/// The channels of a connection: each has at most one request under way.
#[derive(Default)]
pub(super) struct Channels {
    waiting: HashMap<u16, Waiting>,
    free: Vec<u16>,
    used: u16,
}

/// The state of one link.
pub(super) struct Desk {
    gauge: Arc<OutboxGauge>,
    sender: Sender,
    channels: Channels,
    publishing: Publishing,
    calls: Calls,
    pulls: Pulls,
    subscriptions: HashMap<ConsumerNumber, Subscribed>,
    leases: Leases,
    /// Partitions whose messages were settled in this batch: others may have them once the broker heard of that.
    released: Vec<Arc<Hold>>,
    consumers: u32,
    written: usize,
    is_over: bool,
}

/// A subscription.
struct Subscribed {
    sink: mpsc::Sender<Delivered>,
    hold: Option<Arc<Hold>>,
}

impl Channels {
    /// Asks on a free channel; refuses when all are taken.
    pub(super) fn ask<P: Port>(
        &mut self,
        request: broker::Request,
        waiting: Waiting,
        port: &mut P,
    ) -> Result<(), Waiting> {
        let channel = match self.free.pop() {
            Some(channel) => channel,
            None if self.used < u16::MAX - PUBLISH_CHANNEL => {
                self.used += 1;
                PUBLISH_CHANNEL + self.used
            }
            None => return Err(waiting),
        };
        self.waiting.insert(channel, waiting);
        port.request(channel, request);
        Ok(())
    }

    fn answered(&mut self, channel: u16) -> Option<Waiting> {
        let waiting = self.waiting.remove(&channel)?;
        self.free.push(channel);
        Some(waiting)
    }
}

impl Desk {
    pub(super) fn new(gauge: Arc<OutboxGauge>, sender: Sender) -> Self {
        Self {
            gauge,
            sender,
            channels: Channels::default(),
            publishing: Publishing::default(),
            calls: Calls::default(),
            pulls: Pulls::default(),
            subscriptions: HashMap::new(),
            leases: Leases::default(),
            released: Vec::new(),
            consumers: 0,
            written: 0,
            is_over: false,
        }
    }

    /// The engine closed the connection.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many messages were published so far.
    pub(super) const fn published(&self) -> u64 {
        self.publishing.published() + self.calls.sent()
    }

    pub(super) fn leases_held(&self) -> usize {
        self.leases.len()
    }

    /// Takes how many bytes of deliveries left for their readers.
    pub(super) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let ends = self.leases.next_end_ms();
        ends.into_iter().chain(self.pulls.next_deadline_ms()).min()
    }

    pub(super) fn handle_command<P: Port>(&mut self, command: Command, port: &mut P, now_ms: u64) {
        match command {
            Command::Publish { messages, answer } => {
                self.publishing
                    .publish(&messages, answer, &self.sender, port, now_ms);
            }
            Command::Call { request, answer } => {
                let consumer = self.next_consumer();
                self.calls
                    .call(*request, answer, consumer, &self.sender, port, now_ms);
            }
            Command::Broker { request, answer } => {
                let asked = self.channels.ask(request, Waiting::Sender(answer), port);
                if let Err(Waiting::Sender(answer)) = asked {
                    let _ = answer.send(Err(too_many("requests at once")));
                }
            }
            Command::Pull {
                pull,
                ticket,
                answer,
            } => {
                if self.leases.len() >= LEASES_MAX {
                    let _ = answer.send(Err(too_many("leases; settle some first")));
                    return;
                }
                let consumer = self.next_consumer();
                let request = self.consume(consumer, &pull.queue, pull.prefetch(), pull.offset());
                let waiting = Waiting::PullOpens(consumer);
                match self.channels.ask(request, waiting, port) {
                    Ok(()) => self
                        .pulls
                        .add(consumer, Pulling::new(pull, ticket, answer, now_ms)),
                    Err(_) => drop(answer.send(Err(too_many("requests at once")))),
                }
            }
            Command::GiveUp { ticket } => {
                if let Some(consumer) = self.pulls.given_up(ticket) {
                    self.close_pull(consumer, port, now_ms);
                }
            }
            Command::Subscribe {
                subscription,
                answer,
            } => self.subscribe(subscription, answer, port),
            Command::Unsubscribe { consumer, keep_ms } => {
                let request = broker::Request::Cancel { consumer };
                let ends_ms = now_ms.saturating_add(keep_ms);
                let waiting = Waiting::Unsubscribed(consumer, ends_ms);
                if self.channels.ask(request, waiting, port).is_err() {
                    port.drop_consumer(consumer);
                    self.unsubscribed(consumer, ends_ms);
                }
            }
            Command::Settle { settles, answer } => {
                let held = self.settle(&settles, port, now_ms);
                if let Some(answer) = answer {
                    let _ = answer.send(held);
                }
            }
            Command::Look { lease, answer } => drop(answer.send(self.leases.look(lease))),
            Command::Written { bytes } => self.written += bytes,
        }
    }

    fn consume(
        &self,
        consumer: ConsumerNumber,
        queue: &str,
        prefetch: u32,
        offset: StreamOffset,
    ) -> broker::Request {
        broker::Request::Consume {
            queue: queue.to_owned(),
            consume: ConsumeRequest {
                consumer,
                tag: format!("link-{}", consumer.0).into(),
                no_ack: false,
                exclusive: false,
                prefetch,
                priority: 0,
                offset,
                credit: Arc::new(Credit::default()),
                gauge: self.gauge.clone(),
            },
        }
    }

    fn next_consumer(&mut self) -> ConsumerNumber {
        self.consumers += 1;
        ConsumerNumber(self.consumers)
    }

    pub(super) fn handle_event<P: Port>(&mut self, event: Event, port: &mut P, now_ms: u64) {
        match event {
            Event::Deliver {
                consumer, delivery, ..
            } => self.deliver(consumer, delivery, port, now_ms),
            Event::Confirmed {
                first,
                last,
                rejected,
                ..
            } => self.publishing.confirmed(first, last, rejected),
            Event::Placed {
                number,
                queue,
                sequence,
                is_duplicate,
                ..
            } => self
                .publishing
                .placed(number, queue, sequence, is_duplicate),
            Event::Posted { post, outcome } => self.publishing.posted(post, outcome),
            Event::Replied { channel, result } => self.replied(channel, result, port, now_ms),
            Event::ConsumerCancelled { consumer, .. } => {
                // Its readers see their channel close.
                self.end_subscription(consumer);
                self.finish_pull(consumer, port, now_ms);
            }
            Event::Close(reason) => {
                tracing::debug!(%reason, "link closed");
                self.is_over = true;
            }
            Event::Blocked(_) | Event::Unblocked => {}
        }
    }

    fn deliver<P: Port>(
        &mut self,
        consumer: ConsumerNumber,
        delivery: Delivery,
        port: &mut P,
        now_ms: u64,
    ) {
        if self.calls.is_reply_consumer(consumer) {
            self.written += delivery.outbox_bytes();
            self.calls.replied(delivered(delivery, None, None));
            return;
        }
        if let Some(pull) = self.pulls.find(consumer) {
            self.written += delivery.outbox_bytes();
            if pull.take(delivery, now_ms) {
                self.close_pull(consumer, port, now_ms);
            }
            return;
        }
        let Some(Subscribed { sink, hold }) = self.subscriptions.get(&consumer) else {
            self.written += delivery.outbox_bytes();
            self.put(leased(&delivery, Some(consumer)), Outcome::Unseen, port);
            return;
        };
        let leased = Leased {
            hold: hold.clone(),
            ..leased(&delivery, Some(consumer))
        };
        if hold
            .as_ref()
            .is_some_and(|hold| !hold.deliver(delivery.sequence))
        {
            // Its group is done with it: the reader before had it.
            self.written += delivery.outbox_bytes();
            self.put(leased, Outcome::Acked, port);
            return;
        }
        let lease = self
            .leases
            .grant(leased, delivery.message.clone(), u64::MAX);
        let delivered = delivered(delivery, Some(lease), hold.as_deref());
        if let Err(error) = sink.try_send(delivered) {
            // Its reader is gone; a full channel cannot be, as it has room for the prefetch.
            let (mpsc::error::TrySendError::Full(lost) | mpsc::error::TrySendError::Closed(lost)) =
                error;
            self.written += lost.outbox_bytes;
            let settle = Settle {
                lease,
                kind: super::SettleKind::Return,
            };
            self.settle(&[settle], port, now_ms);
            self.end_subscription(consumer);
            port.drop_consumer(consumer);
        }
    }

    fn replied<P: Port>(
        &mut self,
        channel: u16,
        result: Result<Reply, Refusal>,
        port: &mut P,
        now_ms: u64,
    ) {
        match self.channels.answered(channel) {
            Some(Waiting::Sender(answer)) => drop(answer.send(result)),
            Some(Waiting::Subscriber(consumer, answer)) => {
                if result.is_err() {
                    self.end_subscription(consumer);
                }
                let _ = answer.send(result.map(|_| consumer));
            }
            Some(Waiting::Unsubscribed(consumer, ends_ms)) => self.unsubscribed(consumer, ends_ms),
            Some(Waiting::PullOpens(consumer)) => match result {
                Ok(_) => {
                    let is_done = self
                        .pulls
                        .find(consumer)
                        .is_some_and(|pull| pull.opened(now_ms));
                    if is_done {
                        self.close_pull(consumer, port, now_ms);
                    }
                }
                Err(refusal) => {
                    if let Some(pull) = self.pulls.remove(consumer) {
                        let _ = pull.answer.send(Err(refusal));
                    }
                }
            },
            Some(Waiting::PullCloses(consumer)) => self.finish_pull(consumer, port, now_ms),
            None => {}
        }
    }

    pub(super) fn handle_timeout<P: Port>(&mut self, port: &mut P, now_ms: u64) {
        while let Some(ended) = self.leases.expire(now_ms) {
            self.end(ended, port);
        }
        while let Some(consumer) = self.pulls.expired(now_ms) {
            self.close_pull(consumer, port, now_ms);
        }
    }
}

pub(super) const fn leased(delivery: &Delivery, consumer: Option<ConsumerNumber>) -> Leased {
    Leased {
        queue: delivery.queue,
        consumer,
        sequence: delivery.sequence,
        hold: None,
    }
}

fn delivered(delivery: Delivery, lease: Option<super::LeaseId>, hold: Option<&Hold>) -> Delivered {
    Delivered {
        partition: hold.and_then(Hold::partition),
        lease,
        queue: delivery.queue,
        sequence: delivery.sequence,
        redelivered: delivery.redelivered,
        annotation: delivery.annotation,
        outbox_bytes: delivery.outbox_bytes(),
        message: delivery.message,
    }
}

pub(super) const fn is_of_stream(delivery: &Delivery) -> bool {
    matches!(delivery.annotation, Annotation::StreamOffset(_))
}

fn too_many(what: &str) -> Refusal {
    Refusal::new(RefusalKind::LimitExceeded, format!("too many {what}"))
}

#[cfg(test)]
mod tests;
