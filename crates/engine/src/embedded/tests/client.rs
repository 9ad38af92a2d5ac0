//! What clients do, on the stack under test and on its model.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker::arguments::QueueKind;
use broker::{
    ConsumeRequest, ConsumerNumber, Credit, DedupId, Event, Outcome, PublishTicket, QueueRef,
    StreamOffset,
};

use super::model::{Consumer, Content, Kept, Place};
use super::world::{CLIENT, COMMITTING, CONSUMING, PUBLISHING, World};

impl World {
    pub(super) fn publish(
        &mut self,
        targets: u8,
        bytes: usize,
        persistent: bool,
        ttl_ms: Option<u64>,
        delay_ms: Option<u64>,
    ) {
        let is_blocked = self.cores[0].log().shard().backpressure();
        if is_blocked {
            return;
        }
        let content = Content {
            number: self.next_message,
            bytes,
            persistent,
            expiration_ms: ttl_ms,
            deliver_at_ms: delay_ms
                .filter(|delay| *delay > 0)
                .map(|delay| self.now_ms + delay),
            dedup_id: None,
        };
        self.next_message += 1;
        let message = Arc::new(content.message());
        let mut by_shard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in (0..self.queues.len()).filter(|index| targets & (1 << index) != 0) {
            by_shard
                .entry(self.queues[index].shard())
                .or_default()
                .push(index);
        }
        self.unconfirmed.insert(content.number, by_shard.len());
        for (shard, indexes) in by_shard {
            for index in &indexes {
                self.enter(*index, content);
            }
            let places: Vec<QueueRef> = indexes
                .iter()
                .map(|index| self.queues[*index].place())
                .collect();
            let ticket = PublishTicket {
                connection: CLIENT,
                channel: PUBLISHING,
                number: content.number,
                wants_place: true,
            };
            let mut events = Vec::new();
            self.cores[shard].publish(&places, &message, Some(ticket), self.now_ms, &mut events);
            self.absorb(shard, events);
            // What a consumer without acknowledgements took at once was never logged.
            let kept = indexes
                .iter()
                .map(|index| &self.queues[*index].messages[&content.number]);
            if kept
                .into_iter()
                .any(|kept| kept.logged && kept.place != Place::Ended)
            {
                self.newest[shard] = self.position(shard);
            }
        }
        if self.unconfirmed.get(&content.number) == Some(&0) {
            self.unconfirmed.remove(&content.number);
        }
    }

    /// Publishes a message to one queue under an id; returns its place and whether the queue had it already.
    pub(super) fn publish_once(&mut self, index: usize, id: &str) -> (u64, bool) {
        let content = Content {
            number: self.next_message,
            bytes: 100,
            persistent: true,
            expiration_ms: None,
            deliver_at_ms: None,
            dedup_id: DedupId::of(id),
        };
        self.next_message += 1;
        self.unconfirmed.insert(content.number, 1);
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let ticket = PublishTicket {
            connection: CLIENT,
            channel: PUBLISHING,
            number: content.number,
            wants_place: true,
        };
        let message = Arc::new(content.message());
        let mut events = Vec::new();
        self.cores[shard].publish(&[place], &message, Some(ticket), self.now_ms, &mut events);
        let told = events
            .iter()
            .position(|(_, event)| matches!(event, Event::Placed { .. }));
        let (_, told) = events.remove(told.expect("its place was asked for"));
        let Event::Placed {
            sequence,
            is_duplicate,
            ..
        } = told
        else {
            unreachable!("it was matched just now")
        };
        if !is_duplicate {
            self.enter(index, content);
            self.newest[shard] = self.position(shard);
        }
        self.absorb(shard, events);
        (sequence, is_duplicate)
    }

    fn enter(&mut self, index: usize, content: Content) {
        let shard = self.queues[index].shard();
        let logged = content.persistent && self.queues[index].id().is_durable();
        let appended = if logged { self.position(shard) } else { 0 };
        let queue = &mut self.queues[index];
        let ttl_ms = [
            content.expiration_ms,
            queue.specification.options.message_ttl_ms,
        ]
        .into_iter()
        .flatten()
        .min();
        let at_ms = content.deliver_at_ms.unwrap_or(self.now_ms);
        let kept = Kept {
            content,
            place: if at_ms > self.now_ms {
                Place::Waiting
            } else {
                Place::Ready
            },
            turn: (content.number, u64::MAX),
            expires_ms: ttl_ms.map_or(u64::MAX, |ttl| at_ms + ttl),
            logged,
            appended,
            ended: None,
            count: 0,
            counts: Vec::new(),
            sequence: None,
        };
        queue.messages.insert(content.number, kept);
    }

    pub(super) fn consume(&mut self, index: usize, prefetch: u32, no_ack: bool) {
        let number = self.next_consumer;
        self.next_consumer += 1;
        let consumer = Consumer {
            prefetch: prefetch as usize,
            no_ack,
            unacked: 0,
        };
        self.queues[index].consumers.insert(number, consumer);
        let wish = ConsumeRequest {
            consumer: ConsumerNumber(number),
            tag: format!("c{number}").into(),
            no_ack,
            exclusive: false,
            prefetch,
            priority: 0,
            offset: StreamOffset::First,
            credit: Arc::new(Credit::default()),
            gauge: Arc::clone(&self.gauge),
        };
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let mut events = Vec::new();
        self.cores[shard].consume(place, CLIENT, CONSUMING, &wish, self.now_ms, &mut events);
        self.absorb(shard, events);
    }

    pub(super) fn cancel(&mut self, index: usize) {
        let queue = &mut self.queues[index];
        let Some((number, _)) = queue.consumers.pop_first() else {
            return;
        };
        let (place, shard) = (queue.place(), queue.shard());
        let mut events = Vec::new();
        self.cores[shard].cancel(
            place,
            CLIENT,
            ConsumerNumber(number),
            self.now_ms,
            &mut events,
        );
        self.absorb(shard, events);
    }

    /// Gets a message; false when there was none.
    pub(super) fn get(&mut self, index: usize, no_ack: bool) -> bool {
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let mut events = Vec::new();
        let got = self.cores[shard].get(place, CLIENT, no_ack, self.now_ms, &mut events);
        self.absorb(shard, events);
        let Some((delivery, left)) = got.expect("the queue is there") else {
            assert_eq!(
                self.queues[index].head(self.now_ms),
                None,
                "no_confirmed_loss: a get finds nothing"
            );
            return false;
        };
        self.delivered(&delivery, None, no_ack);
        let ready = self.queues[index].ready(self.now_ms);
        assert!(
            ready.contains(&left),
            "counts_agree: {left} are left of {ready:?}"
        );
        true
    }

    /// Settles one of the messages that are out.
    pub(super) fn settle(&mut self, pick: usize, outcome: Outcome) -> bool {
        let mut out = Vec::new();
        for (index, queue) in self.queues.iter().enumerate() {
            out.extend(queue.messages.values().filter_map(|kept| match kept.place {
                Place::Out(sequence, consumer) => {
                    Some((index, kept.content.number, sequence, consumer))
                }
                Place::Waiting | Place::Ready | Place::Ended => None,
            }));
        }
        let Some((index, number, sequence, consumer)) = out.get(pick % out.len().max(1)).copied()
        else {
            return false;
        };
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let mut events = Vec::new();
        let had = consumer.map(ConsumerNumber);
        self.cores[shard].settle(
            place,
            CLIENT,
            had,
            sequence,
            outcome,
            self.now_ms,
            &mut events,
        );
        if let Some(consumer) =
            consumer.and_then(|number| self.queues[index].consumers.get_mut(&number))
        {
            consumer.unacked -= 1;
        }
        match outcome {
            Outcome::Acked | Outcome::Rejected => self.finish(index, shard, number),
            Outcome::Requeued | Outcome::Recovered | Outcome::Unseen => {
                self.requeue(index, shard, number, outcome == Outcome::Requeued)
            }
        }
        self.cores[shard].after_settle(place, self.now_ms, &mut events);
        self.absorb(shard, events);
        true
    }

    fn requeue(&mut self, index: usize, shard: usize, number: u64, is_counted: bool) {
        let is_quorum = self.queues[index].specification.kind == QueueKind::Quorum;
        let kept = self.kept(index, number);
        kept.place = Place::Ready;
        kept.turn = (number, u64::MAX);
        kept.count += u32::from(is_counted);
        if is_quorum && kept.logged && kept.count > 0 {
            let position = self.position(shard);
            self.newest[shard] = position;
            let kept = self.kept(index, number);
            kept.counts.push((position, kept.count));
        }
    }

    pub(super) fn purge(&mut self, index: usize) {
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let waiting = self.queues[index].waiting();
        let ready = self.queues[index].ready(self.now_ms);
        let mut events = Vec::new();
        let purged = self.cores[shard]
            .purge(place, self.now_ms, &mut events)
            .expect("it is no stream");
        assert!(
            ready.contains(&(purged - waiting)),
            "counts_agree: {purged} purged of {ready:?} and {waiting}"
        );
        let is_ready = |kept: &&Kept| matches!(kept.place, Place::Ready | Place::Waiting);
        let all = self.queues[index]
            .messages
            .values()
            .filter(is_ready)
            .map(|kept| kept.content.number);
        let all: Vec<u64> = all.collect();
        for number in all {
            self.finish(index, shard, number);
        }
        self.absorb(shard, events);
    }

    /// Deletes a queue; another of the same name, but with another number, takes its place.
    pub(super) fn replace(&mut self, index: usize) {
        let (place, shard) = (self.queues[index].place(), self.queues[index].shard());
        let mut events = Vec::new();
        let deleted = self.cores[shard]
            .delete(place, false, false, &mut events)
            .expect("nothing is asked");
        let (_, _, count) = deleted.expect("it is there");
        let ready = self.queues[index].ready(self.now_ms);
        let waiting = self.queues[index].waiting();
        assert!(
            ready.contains(&(count - waiting)),
            "counts_agree: {count} deleted of {ready:?} and {waiting}"
        );
        let told = events
            .iter()
            .filter(|(_, event)| matches!(event, Event::ConsumerCancelled { .. }))
            .count();
        assert_eq!(
            told,
            self.queues[index].consumers.len(),
            "every consumer is told"
        );
        if self.queues[index].id().is_durable() {
            self.newest[shard] = self.position(shard);
        }
        self.queues[index] = self.declare(index);
    }

    /// Asks for an answer once everything so far is durable.
    pub(super) fn commit(&mut self, pick: usize) {
        let shard = pick % self.cores.len();
        self.commits[shard].push_back(self.newest[shard]);
        let mut events = Vec::new();
        self.cores[shard].sync(CLIENT, COMMITTING, &mut events);
        self.absorb(shard, events);
    }
}
