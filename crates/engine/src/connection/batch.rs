//! One batch of a connection's input: what its session asks for, carried out at once on this shard and by letter on others.

use std::cell::RefMut;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, RwLockReadGuard};

use broker::access::Access;
use broker::shard::Crowd;
use broker::topology::{Actor, Addressed, CHAT_EXCHANGE, RouteCache, Routes, Topology};
use broker::{
    Annotation, ConnectionId, ConsumerNumber, DedupId, Delivery, Event, Message, Name, OutboxGauge,
    Outcome, Port, Publish, PublishTicket, QueueId, QueueRef, Refusal, Request, Sink,
};

use crate::connection::Consumer;
use crate::mailbox::{Letter, Settlement};
use crate::reply_address::{PREFIX, Recipient};
use crate::shard::{Shard, State};

/// The place of deliveries that come from no queue: direct replies.
const NOWHERE: QueueRef = QueueRef {
    id: QueueId(0),
    slot: u32::MAX,
    shard: 0,
    epoch: 0,
};

/// One batch of a connection's input.
pub struct Batch<'a> {
    pub(crate) topology: RwLockReadGuard<'a, Topology>,
    pub(crate) state: RefMut<'a, State>,
    pub(crate) shard: &'a Rc<Shard>,
    pub(crate) id: ConnectionId,
    pub(crate) access: &'a Access,
    pub(super) routes: &'a mut RouteCache,
    pub(crate) posts: &'a mut u64,
    pub(super) gauge: &'a Arc<OutboxGauge>,
    pub(super) consumers: &'a mut HashMap<ConsumerNumber, Consumer>,
    pub(super) requests: &'a mut Vec<(u16, Request)>,
    pub(super) touched: &'a mut Routes,
    pub(super) settlements: &'a mut Vec<Vec<Settlement>>,
    pub(super) now_ms: u64,
    /// The last queue of another shard that was published to.
    pub(super) remote: Option<QueueRef>,
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("connection", &self.id)
            .finish_non_exhaustive()
    }
}

impl Batch<'_> {
    /// The time that holds for the whole batch, in milliseconds since 1970.
    #[must_use]
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Ends the batch: queues that settlements touched go on, letters go out, the log's batch is handed to the committer.
    ///
    /// Returns a queue that it filled faster than its consumers' sockets drain: see [`Shard::crowd`].
    pub fn finish(mut self) -> Option<Crowd> {
        self.flush_settlements();
        let crowd = self.state.core.take_crowd().or_else(|| {
            self.remote
                .and_then(|queue| self.shard.shared.crowd_elsewhere(queue))
        });
        let Self {
            topology,
            state,
            shard,
            now_ms,
            ..
        } = self;
        drop(topology);
        drop(state);
        shard.finish(now_ms);
        crowd
    }

    /// Hands settlements for other shards over, so that whatever follows comes after them.
    fn flush_settlements(&mut self) {
        let State { core, outboxes, .. } = &mut *self.state;
        for place in self.touched.drain(..) {
            core.after_settle(place, self.now_ms, outboxes);
        }
        for (shard, settlements) in self.settlements.iter_mut().enumerate() {
            if !settlements.is_empty()
                && let Some(letters) = outboxes.letters.get_mut(shard)
            {
                letters.push(Letter::Settle {
                    connection: self.id,
                    settlements: std::mem::take(settlements),
                });
            }
        }
    }

    fn reply_directly(&mut self, publish: &Publish<'_>) -> u32 {
        let Some(recipient) = self.shard.shared.replies.find(publish.routing_key) else {
            return 0;
        };
        let message = message_of(publish, &"".into(), self.now_ms);
        if !recipient.gauge.has_room() {
            // The requester does not read its replies.
            return 0;
        }
        let outbox_bytes = Delivery::outbox_bytes_of(&message, u8::MAX);
        let delivery = Delivery {
            outbox_bytes,
            queue: NOWHERE,
            sequence: 0,
            message,
            redelivered: false,
            annotation: Annotation::None,
        };
        recipient.gauge.add(delivery.outbox_bytes());
        let event = Event::Deliver {
            channel: recipient.channel,
            consumer: recipient.consumer,
            delivery,
        };
        self.state.outboxes.event(recipient.connection, event);
        if let Some(number) = publish.number {
            let event = Event::Confirmed {
                channel: publish.channel,
                first: number,
                last: number,
                rejected: false,
            };
            self.state.outboxes.event(self.id, event);
        }
        1
    }
}

fn message_of(publish: &Publish<'_>, exchange: &Name, now_ms: u64) -> Arc<Message> {
    let mut message = Message::new(
        exchange.clone(),
        publish.routing_key,
        publish.forwarded,
        publish.body.clone(),
    );
    message.persistent = publish.persistent;
    message.priority = publish.priority;
    message.expiration_ms = publish.expiration_ms;
    if let Some(at_ms) = publish.deliver_at_ms {
        message.delay_until(at_ms, now_ms);
    }
    if let Some(id) = publish.dedup_id {
        message.dedup_id = DedupId::of(id).map(Box::new);
    }
    Arc::new(message)
}

impl Port for Batch<'_> {
    #[inline]
    fn publish(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal> {
        if publish.exchange.is_empty()
            && publish.routing_key.len() > PREFIX.len()
            && publish.routing_key.starts_with(PREFIX)
        {
            let shards = self.reply_directly(publish);
            let counted = &mut self.state.outboxes.counted;
            counted.published += 1;
            counted.unroutable += u64::from(shards == 0);
            return Ok(shards);
        }
        let actor = Actor {
            connection: self.id,
            access: Some(self.access),
        };
        let addressed = Addressed {
            exchange: publish.exchange,
            routing_key: publish.routing_key,
            properties: publish.properties,
        };
        let (exchange, routes) =
            self.routes
                .route(&self.topology, &self.access.vhost, &addressed, &actor)?;
        self.state.outboxes.counted.published += 1;
        if routes.is_empty() {
            if **exchange == *CHAT_EXCHANGE && self.is_post() {
                return self.post(publish);
            }
            self.state.outboxes.counted.unroutable += 1;
            return Ok(0);
        }
        self.state.work += 1;
        let message = message_of(publish, exchange, self.now_ms);
        let ticket = publish.number.map(|number| PublishTicket {
            connection: self.id,
            channel: publish.channel,
            number,
            wants_place: publish.wants_place,
        });
        let State { core, outboxes, .. } = &mut *self.state;
        if routes.iter().all(|target| target.shard == self.shard.index) {
            core.publish(routes, &message, ticket, self.now_ms, outboxes);
            return Ok(1);
        }
        let mut shards = 0;
        for shard in 0..u16::try_from(outboxes.letters.len()).unwrap_or(u16::MAX) {
            let there: Routes = routes
                .iter()
                .copied()
                .filter(|target| target.shard == shard)
                .collect();
            if there.is_empty() {
                continue;
            }
            shards += 1;
            if shard == self.shard.index {
                core.publish(&there, &message, ticket, self.now_ms, outboxes);
            } else if let Some(letters) = outboxes.letters.get_mut(usize::from(shard)) {
                self.remote = there.last().copied();
                letters.push(Letter::Publish {
                    targets: there,
                    message: message.clone(),
                    ticket,
                });
            }
        }
        Ok(shards)
    }

    #[inline]
    fn settle(
        &mut self,
        queue: QueueRef,
        consumer: Option<ConsumerNumber>,
        sequence: u64,
        outcome: Outcome,
    ) {
        self.state.work += 1;
        self.state.outboxes.counted.settle(outcome);
        if queue.shard == self.shard.index {
            let State { core, outboxes, .. } = &mut *self.state;
            core.settle(
                queue,
                self.id,
                consumer,
                sequence,
                outcome,
                self.now_ms,
                outboxes,
            );
            if self.touched.last() != Some(&queue) && !self.touched.contains(&queue) {
                self.touched.push(queue);
            }
        } else if let Some(settlements) = self.settlements.get_mut(usize::from(queue.shard)) {
            settlements.push(Settlement {
                place: queue,
                consumer,
                sequence,
                outcome,
            });
        }
    }

    fn has_queue(&self, queue: QueueRef) -> bool {
        self.topology.has_queue(queue)
    }

    fn request(&mut self, channel: u16, request: Request) {
        self.flush_settlements();
        self.requests.push((channel, request));
    }

    fn drop_consumer(&mut self, consumer: ConsumerNumber) {
        match self.consumers.remove(&consumer) {
            Some(Consumer::Queue(place)) if place.shard == self.shard.index => {
                let State { core, outboxes, .. } = &mut *self.state;
                core.cancel(place, self.id, consumer, self.now_ms, outboxes);
            }
            Some(Consumer::Queue(place)) => {
                if let Some(letters) = self
                    .state
                    .outboxes
                    .letters
                    .get_mut(usize::from(place.shard))
                {
                    letters.push(Letter::Cancel {
                        place,
                        connection: self.id,
                        consumer,
                        answer: None,
                    });
                }
            }
            Some(Consumer::Replies(name)) => self.shard.shared.replies.close(&name),
            None => {}
        }
    }

    fn resume(&mut self, consumer: ConsumerNumber) {
        let Some(Consumer::Queue(place)) = self.consumers.get(&consumer) else {
            return;
        };
        let place = *place;
        let State { core, outboxes, .. } = &mut *self.state;
        if place.shard == self.shard.index {
            core.resume(place, self.id, self.now_ms, outboxes);
        } else if let Some(letters) = outboxes.letters.get_mut(usize::from(place.shard)) {
            letters.push(Letter::Resume {
                place,
                connection: self.id,
            });
        }
    }

    fn open_reply_address(&mut self, channel: u16, consumer: ConsumerNumber) -> String {
        let name = self.shard.shared.replies.open(Recipient {
            connection: self.id,
            channel,
            consumer,
            gauge: self.gauge.clone(),
        });
        self.consumers
            .insert(consumer, Consumer::Replies(name.clone()));
        name
    }
}
