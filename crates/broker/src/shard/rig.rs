//! A shard on a log in memory, with what the engine does around it: queues by name, dead letters routed, deliveries collected.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Kept, QueueSpecification, Recovered, Shard, dead_letter_cycles, dead_message};
use crate::arguments::{QueueKind, QueueOptions};
use crate::log::memory::MemoryLog;
use crate::{
    ConnectionId, ConsumeRequest, ConsumerNumber, Credit, Delivery, Event, Message, OutboxGauge,
    Outcome, PublishTicket, QueueId, QueueRef, QueueStatistics, Refusal, Reply, StreamOffset,
};

/// The connection that consumes unless another is named.
pub(crate) const CONSUMER: ConnectionId = ConnectionId(1);
/// The connection that publishes.
pub(crate) const PUBLISHER: ConnectionId = ConnectionId(9);

/// A dead letter as tests compare it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dead {
    pub(crate) queue: String,
    pub(crate) body: String,
    pub(crate) reason: &'static str,
}

/// A delivery and who got it.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) consumer: u32,
    pub(crate) delivery: Delivery,
}

impl Got {
    pub(crate) fn body(&self) -> String {
        body(&self.delivery.message)
    }
}

pub(crate) fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

pub(crate) struct Rig {
    pub(crate) shard: Shard<MemoryLog>,
    pub(crate) now_ms: u64,
    pub(crate) gauge: Arc<OutboxGauge>,
    pub(crate) specifications: BTreeMap<String, QueueSpecification>,
    pub(crate) events: Vec<(ConnectionId, Event)>,
    pub(crate) deliveries: Vec<Got>,
    pub(crate) dead: Vec<Dead>,
    /// What publishers ask of their tickets.
    pub(crate) wants_place: bool,
    next_id: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            shard: Shard::new(MemoryLog::default()),
            now_ms: 1_000_000,
            gauge: Arc::default(),
            specifications: BTreeMap::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            dead: Vec::new(),
            wants_place: false,
            next_id: 1,
        }
    }

    /// A rig with one durable queue `q`.
    pub(crate) fn with(options: QueueOptions) -> Self {
        let mut rig = Self::new();
        rig.declare("q", QueueKind::Classic, true, options);
        rig
    }

    pub(crate) fn declare(
        &mut self,
        name: &str,
        kind: QueueKind,
        is_durable: bool,
        options: QueueOptions,
    ) {
        self.declare_with(name, kind, is_durable, options, false);
    }

    pub(crate) fn declare_with(
        &mut self,
        name: &str,
        kind: QueueKind,
        is_durable: bool,
        options: QueueOptions,
        auto_delete: bool,
    ) {
        let id = QueueId(self.next_id | if is_durable { 0 } else { QueueId::TRANSIENT });
        self.next_id += 1;
        let taken: Vec<u32> = self
            .specifications
            .values()
            .map(|one| one.place.slot)
            .collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap_or_default();
        let place = QueueRef {
            id,
            slot,
            shard: 0,
            epoch: 0,
        };
        let specification = QueueSpecification {
            name: name.into(),
            vhost: "/".into(),
            place,
            kind,
            auto_delete,
            options,
        };
        self.specifications
            .insert(name.to_owned(), specification.clone());
        self.shard.create(specification, self.now_ms);
    }

    pub(crate) fn place(&self, name: &str) -> QueueRef {
        self.specifications
            .get(name)
            .map(|one| one.place)
            .unwrap_or_else(|| panic!("no queue {name}"))
    }

    pub(crate) fn publish(&mut self, queue: &str, body: &str) {
        let mut message = crate::message::tests::message(queue, body);
        message.persistent = true;
        self.publish_message(&[queue], message, None);
    }

    /// Publishes a persistent message that is to be delivered in so many milliseconds.
    pub(crate) fn publish_in(&mut self, delay_ms: u64, queue: &str, body: &str) {
        let mut message = crate::message::tests::message(queue, body);
        message.persistent = true;
        message.delay_until(self.now_ms + delay_ms, self.now_ms);
        self.publish_message(&[queue], message, None);
    }

    pub(crate) fn publish_message(
        &mut self,
        queues: &[&str],
        message: Message,
        number: Option<u64>,
    ) {
        let targets: Vec<QueueRef> = queues.iter().map(|name| self.place(name)).collect();
        let ticket = number.map(|number| PublishTicket {
            connection: PUBLISHER,
            channel: 1,
            number,
            wants_place: self.wants_place,
        });
        self.shard.publish(
            &targets,
            &Arc::new(message),
            ticket,
            self.now_ms,
            &mut self.events,
        );
        self.finish();
    }

    pub(crate) fn wish(&self, number: u32, prefetch: u32) -> ConsumeRequest {
        ConsumeRequest {
            consumer: ConsumerNumber(number),
            tag: format!("c{number}").into(),
            no_ack: false,
            exclusive: false,
            prefetch,
            priority: 0,
            offset: StreamOffset::First,
            credit: Arc::new(Credit::default()),
            gauge: self.gauge.clone(),
        }
    }

    pub(crate) fn consume(&mut self, queue: &str, number: u32, prefetch: u32) {
        let wish = self.wish(number, prefetch);
        self.consume_as(queue, &wish)
            .expect("the consumer is taken");
    }

    pub(crate) fn consume_as(&mut self, queue: &str, wish: &ConsumeRequest) -> Result<(), Refusal> {
        let place = self.place(queue);
        self.shard
            .consume(place, CONSUMER, 1, wish, self.now_ms, &mut self.events);
        let index = self
            .events
            .iter()
            .position(|(_, event)| matches!(event, Event::Replied { .. }));
        let (_, event) = self.events.remove(index.expect("a request is answered"));
        assert!(index == Some(0), "consume-ok precedes deliveries");
        self.finish();
        let Event::Replied { result, .. } = event else {
            unreachable!("it was matched just now")
        };
        result.map(|reply| assert!(matches!(reply, Reply::Done)))
    }

    pub(crate) fn cancel(&mut self, queue: &str, number: u32) {
        let place = self.place(queue);
        self.shard.cancel(
            place,
            CONSUMER,
            ConsumerNumber(number),
            self.now_ms,
            &mut self.events,
        );
        self.finish();
    }

    pub(crate) fn resume(&mut self, queue: &str) {
        let place = self.place(queue);
        self.shard
            .resume(place, CONSUMER, self.now_ms, &mut self.events);
        self.finish();
    }

    pub(crate) fn get(&mut self, queue: &str, no_ack: bool) -> Option<(Delivery, u64)> {
        let place = self.place(queue);
        let got = self
            .shard
            .get(place, CONSUMER, no_ack, self.now_ms, &mut self.events);
        self.finish();
        got.expect("the queue exists")
    }

    pub(crate) fn settle(&mut self, got: &Got, outcome: Outcome) {
        self.settle_delivery(&got.delivery, Some(got.consumer), outcome);
    }

    pub(crate) fn settle_delivery(
        &mut self,
        delivery: &Delivery,
        consumer: Option<u32>,
        outcome: Outcome,
    ) {
        let (place, consumer) = (delivery.queue, consumer.map(ConsumerNumber));
        self.shard.settle(
            place,
            CONSUMER,
            consumer,
            delivery.sequence,
            outcome,
            self.now_ms,
            &mut self.events,
        );
        self.shard
            .after_settle(place, self.now_ms, &mut self.events);
        self.finish();
    }

    /// Gets and acknowledges everything, in order.
    pub(crate) fn drain(&mut self, queue: &str) -> Vec<String> {
        std::iter::from_fn(|| self.get(queue, true))
            .map(|(delivery, _)| body(&delivery.message))
            .collect()
    }

    /// The bodies delivered since the last call.
    pub(crate) fn bodies(&mut self) -> Vec<String> {
        std::mem::take(&mut self.deliveries)
            .iter()
            .map(Got::body)
            .collect()
    }

    /// What was delivered since the last call.
    pub(crate) fn take(&mut self) -> Vec<Got> {
        std::mem::take(&mut self.deliveries)
    }

    pub(crate) fn purge(&mut self, queue: &str) -> u64 {
        let place = self.place(queue);
        self.shard
            .purge(place, self.now_ms, &mut self.events)
            .expect("it is no stream")
    }

    pub(crate) fn delete(&mut self, queue: &str) -> u64 {
        let place = self.place(queue);
        let deleted = self.shard.delete(place, false, false, &mut self.events);
        self.specifications.remove(queue);
        self.finish();
        deleted
            .expect("nothing stands against it")
            .expect("it exists")
            .2
    }

    pub(crate) fn advance(&mut self, milliseconds: u64) {
        self.now_ms += milliseconds;
        self.shard.tick(self.now_ms, &mut self.events);
        self.finish();
    }

    pub(crate) fn statistics(&mut self, queue: &str) -> QueueStatistics {
        let place = self.place(queue);
        self.shard
            .statistics(place, false, self.now_ms)
            .expect("the queue exists")
    }

    pub(crate) fn ready(&mut self, queue: &str) -> u64 {
        self.statistics(queue).ready
    }

    /// Closes the batch and makes it durable.
    pub(crate) fn commit(&mut self) {
        self.shard.log().submit();
        self.shard.log().sync(255);
        self.shard.release(self.now_ms, &mut self.events);
        self.finish();
    }

    /// Moves everything from memory to the backlogs.
    pub(crate) fn settle_all(&mut self) {
        let position = crate::log::Log::position(self.shard.log());
        self.shard.settle_until(position).expect("nothing fails");
        self.shard.log().forget(position);
    }

    /// Kills the process and starts again: consumers are gone, durable queues are back.
    pub(crate) fn restart(&mut self) {
        let mut recovered = self.shard.log().crash();
        let log = std::mem::take(self.shard.log());
        self.shard = Shard::new(log);
        self.deliveries.clear();
        self.events.clear();
        self.gauge = Arc::default();
        self.specifications
            .retain(|_, one| one.place.id.is_durable());
        for specification in self.specifications.values() {
            let id = specification.place.id;
            let mut kept = |id| {
                recovered.remove(&id).map(|found| Kept {
                    backlog: found.backlog,
                    next: found.next,
                    messages: found.messages,
                })
            };
            let kept = Recovered {
                ordinary: kept(id),
                delayed: kept(id.delayed()),
                dedup: kept(id.dedup()),
            };
            self.shard
                .restore(specification.clone(), kept, self.now_ms)
                .expect("nothing fails");
        }
    }

    /// What the engine does at the end of a turn.
    pub(crate) fn finish(&mut self) {
        self.collect();
        loop {
            let dead = self.shard.take_dead_letters();
            if dead.is_empty() {
                return;
            }
            for letter in dead {
                self.dead.push(Dead {
                    queue: letter.queue.to_string(),
                    body: body(&letter.message),
                    reason: letter.reason.name(),
                });
                let message = dead_message(&letter, self.now_ms);
                let cycles = dead_letter_cycles(&message, letter.reason);
                let target = message.routing_key().to_owned();
                let known = self
                    .specifications
                    .get(&target)
                    .filter(|_| !cycles.contains(&target));
                let targets: Vec<QueueRef> = known.map(|one| one.place).into_iter().collect();
                self.shard.publish(
                    &targets,
                    &Arc::new(message),
                    None,
                    self.now_ms,
                    &mut self.events,
                );
                if let Some(sequence) = letter.sequence {
                    self.shard.transferred(letter.place, sequence);
                }
                self.collect();
            }
        }
    }

    fn collect(&mut self) {
        for (connection, event) in std::mem::take(&mut self.events) {
            if let Event::Deliver {
                consumer, delivery, ..
            } = event
            {
                let _ = self.gauge.written(delivery.outbox_bytes());
                self.deliveries.push(Got {
                    consumer: consumer.0,
                    delivery,
                });
            } else {
                self.events.push((connection, event));
            }
        }
    }
}
