//! Random operations with crashes between them, against a small model of a queue.
//!
//! The model knows no shard, log or backlog: a queue is a sorted map of what is ready, and each message remembers in which batch of the
//! log it came and ended. Deliveries are not predicted but checked: whoever gets a message must have had room for it, and it must be
//! the model's head.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod operations;
mod reference;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::{Dead, Got, PUBLISHER, Rig, body};
use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::log::{Log, Position};
use crate::{Delivery, Event, Outcome};
use operations::{Op, Setup, op, setup};
use reference::{Consumer, Kept, ModelQueue, fifo_per_publisher};

const NAMES: [&str; 3] = ["a", "b", "dead"];

struct World {
    rig: Rig,
    setups: BTreeMap<&'static str, Setup>,
    queues: BTreeMap<&'static str, ModelQueue>,
    /// Deliveries that are out.
    out: Vec<Got>,
    /// Dead letters that were not seen yet.
    buried: Vec<(Dead, Kept)>,
    next_number: u64,
    published: BTreeMap<u8, u64>,
    /// Publishes without a confirm, and the batches that hold them.
    unconfirmed: BTreeMap<u64, u64>,
    next_consumer: u32,
}

impl World {
    fn new(a: Setup, b: Setup) -> Self {
        let mut world = Self {
            rig: Rig::new(),
            setups: BTreeMap::from([
                ("a", a),
                ("b", b),
                (
                    "dead",
                    Setup {
                        kind: QueueKind::Classic,
                        is_durable: true,
                        options: QueueOptions::default(),
                    },
                ),
            ]),
            queues: BTreeMap::new(),
            out: Vec::new(),
            buried: Vec::new(),
            next_number: 1,
            published: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            next_consumer: 1,
        };
        NAMES.iter().for_each(|name| world.declare(name));
        world
    }

    fn declare(&mut self, name: &'static str) {
        let Setup {
            kind,
            is_durable,
            options,
        } = self.setups[name].clone();
        self.rig.declare(name, kind, is_durable, options);
        self.queues.insert(name, ModelQueue::default());
    }

    fn batch(&mut self) -> u64 {
        self.rig.shard.log().position().0
    }

    fn run(&mut self, op: &Op) {
        let name = |queue: &u8| NAMES[usize::from(*queue) % NAMES.len()];
        match op {
            Op::Publish {
                publisher,
                targets,
                persistent,
                priority,
                ttl,
            } => {
                self.publish(
                    *publisher % 2,
                    *targets,
                    *persistent,
                    *priority % 4,
                    ttl.map(u64::from),
                );
            }
            Op::Consume {
                queue,
                prefetch,
                no_ack,
            } => self.consume(name(queue), *prefetch, *no_ack),
            Op::Cancel { index } => self.cancel(*index),
            Op::Get { queue, no_ack } => self.get(name(queue), *no_ack),
            Op::Settle { index, outcome } => self.settle(*index, *outcome),
            Op::Purge { queue } => self.purge(name(queue)),
            Op::Delete { queue } => self.delete(name(queue)),
            Op::Advance { milliseconds } => {
                self.rig.advance(u64::from(*milliseconds));
                NAMES.iter().for_each(|name| self.expire(name));
            }
            Op::SettleUntil { share, fails_after } => {
                let position = Position((self.batch() - 1) * u64::from(*share) / 255);
                self.rig.shard.log().settles_left = fails_after.map(|after| usize::from(after % 4));
                if self.rig.shard.settle_until(position).is_ok() {
                    self.rig.shard.log().forget(position);
                }
                self.rig.shard.log().settles_left = None;
            }
            Op::Sync { share } => {
                self.rig.shard.log().submit();
                self.rig.shard.log().sync(*share);
                self.rig.shard.release(&mut self.rig.events);
            }
            Op::Restart => self.restart(),
        }
        self.no_confirmed_loss();
        self.absorb();
        self.counts_agree();
    }

    fn publish(
        &mut self,
        publisher: u8,
        targets: u8,
        persistent: bool,
        priority: u8,
        ttl: Option<u64>,
    ) {
        let counter = self.published.entry(publisher).or_insert(0);
        *counter += 1;
        let text = format!("{}{counter}", char::from(b'x' + publisher));
        let targets: Vec<&'static str> = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| targets & (1 << bit) != 0)
            .map(|(_, name)| *name)
            .collect();
        let mut message = crate::message::tests::message("dead", &text);
        (message.persistent, message.priority, message.expiration_ms) = (persistent, priority, ttl);
        let batch = self.batch();
        let entered: Vec<bool> = targets
            .iter()
            .map(|name| self.enter(name, &text, persistent, priority, ttl))
            .collect();
        let number = self.next_number;
        self.next_number += 1;
        self.rig.publish_message(&targets, message, Some(number));
        let is_rejected = entered.contains(&false);
        let is_logged = targets.iter().any(|name| self.is_logged(name, &text));
        self.unconfirmed
            .insert(number, if is_logged && !is_rejected { batch } else { 0 });
        self.no_confirmed_loss();
        targets.iter().for_each(|name| self.after_publish(name));
    }

    /// The log need not know what a consumer without acknowledgements got before it was anywhere else.
    fn is_logged(&self, name: &'static str, text: &str) -> bool {
        let queue = &self.queues[name];
        let Some(kept) = queue
            .all
            .last()
            .filter(|kept| kept.body == text && kept.is_logged)
        else {
            return false;
        };
        let place = self.rig.place(name);
        let first = self
            .rig
            .deliveries
            .iter()
            .find(|got| got.delivery.queue == place && got.body() == kept.body);
        let is_consumed = first.is_some_and(|got| queue.consumers[&got.consumer].no_ack);
        !(queue.fresh == Some(queue.all.len() - 1) && is_consumed)
    }

    /// Puts a message into the model of a queue, or refuses it.
    fn enter(
        &mut self,
        name: &'static str,
        text: &str,
        persistent: bool,
        priority: u8,
        ttl: Option<u64>,
    ) -> bool {
        let setup = &self.setups[name];
        let batch = self.rig.shard.log().position().0;
        let queue = self.queues.get_mut(name).expect("it is declared");
        let options = &setup.options;
        let ttl = [ttl, options.message_ttl_ms].into_iter().flatten().min();
        let kept = Kept {
            body: text.to_owned(),
            persistent,
            priority,
            level: options.priority_max.map_or(0, |max| priority.min(max)),
            expires_ms: ttl.map_or(u64::MAX, |ttl| self.rig.now_ms + ttl),
            deliveries: 0,
            is_logged: persistent && setup.is_durable,
            appended: batch,
            ended: None,
            noted: Vec::new(),
        };
        let is_full = options
            .length_max
            .is_some_and(|max| queue.ready.len() as u64 >= max)
            || options
                .length_bytes_max
                .is_some_and(|max| queue.bytes() + text.len() as u64 > max);
        if options.overflow.is_some() && is_full {
            if options.overflow == Some(Overflow::RejectPublishDlx) {
                self.bury(name, kept, "maxlen");
            }
            return false;
        }
        queue.push(kept);
        true
    }

    fn bury(&mut self, name: &'static str, kept: Kept, reason: &'static str) {
        if self.setups[name].options.dead_letter_exchange.is_some() {
            self.buried.push((
                Dead {
                    queue: name.to_owned(),
                    body: kept.body.clone(),
                    reason,
                },
                kept,
            ));
        }
    }

    fn die(&mut self, name: &'static str, index: usize, reason: &'static str) {
        let batch = self.batch();
        let queue = self.queues.get_mut(name).expect("it is declared");
        queue.ready.retain(|(_, other)| *other != index);
        queue.end(index, batch);
        let kept = queue.all[index].clone();
        self.bury(name, kept, reason);
    }

    /// Passes the dead letters that were seen on to their queue, in the order in which they were seen.
    fn rebury(&mut self) -> bool {
        let before = self.buried.len();
        let mut unexplained = Vec::new();
        for dead in std::mem::take(&mut self.rig.dead) {
            match self
                .buried
                .iter()
                .position(|(expected, _)| *expected == dead)
            {
                Some(index) => {
                    let (_, kept) = self.buried.remove(index);
                    self.enter("dead", &kept.body, kept.persistent, kept.priority, None);
                }
                None => unexplained.push(dead),
            }
        }
        self.rig.dead = unexplained;
        self.buried.len() < before
    }

    fn drop_expired_head(&mut self, name: &'static str) {
        let now_ms = self.rig.now_ms;
        while let Some(head) = self.queues[name].head() {
            let queue = &self.queues[name];
            if queue.all[head].expires_ms > now_ms || queue.fresh == Some(head) {
                return;
            }
            self.die(name, head, "expired");
        }
    }

    /// Ends what is due at the head of each level.
    fn expire(&mut self, name: &'static str) {
        let now_ms = self.rig.now_ms;
        self.queues.get_mut(name).expect("it is declared").fresh = None;
        loop {
            let queue = &self.queues[name];
            let mut heads = BTreeMap::new();
            for (level, index) in &queue.ready {
                heads.entry(*level).or_insert(*index);
            }
            let Some(due) = heads
                .into_values()
                .find(|index| queue.all[*index].expires_ms <= now_ms)
            else {
                return;
            };
            self.die(name, due, "expired");
        }
    }

    fn enforce_length(&mut self, name: &'static str) {
        let options = self.setups[name].options.clone();
        if options.overflow.is_some() {
            return;
        }
        loop {
            let queue = &self.queues[name];
            let is_over = options
                .length_max
                .is_some_and(|max| queue.ready.len() as u64 > max)
                || options
                    .length_bytes_max
                    .is_some_and(|max| queue.bytes() > max);
            let Some((lowest, _)) = queue.ready.last().copied().filter(|_| is_over) else {
                return;
            };
            let oldest = queue
                .ready
                .range((lowest, 0)..)
                .next()
                .map(|(_, index)| *index);
            self.die(name, oldest.expect("the level has one"), "maxlen");
        }
    }

    /// Checks what was delivered from a queue, and that nobody was forgotten.
    fn dispatched(&mut self, name: &'static str) {
        let has_letters = name == "dead" && self.rebury();
        let place = self.rig.place(name);
        let (here, elsewhere): (Vec<Got>, Vec<Got>) = self
            .rig
            .take()
            .into_iter()
            .partition(|got| got.delivery.queue == place);
        self.rig.deliveries = elsewhere;
        for got in here {
            self.drop_expired_head(name);
            self.no_phantom(name, &got.delivery, Some(got.consumer));
            if !self.queues[name].consumers[&got.consumer].no_ack {
                self.out.push(got);
            }
        }
        if self.queues[name].is_anyone_free() {
            self.queues.get_mut(name).expect("it is declared").fresh = None;
            self.drop_expired_head(name);
            assert!(
                self.queues[name].ready.is_empty(),
                "no_lost_wake_up: {name} has a message and a consumer with room"
            );
        }
        if has_letters {
            self.expire(name);
        }
    }

    fn after_publish(&mut self, name: &'static str) {
        self.dispatched(name);
        self.enforce_length(name);
        self.expire(name);
    }

    fn no_phantom(&mut self, name: &'static str, delivery: &Delivery, consumer: Option<u32>) {
        let batch = self.batch();
        let queue = self.queues.get_mut(name).expect("it is declared");
        let head = queue
            .head()
            .unwrap_or_else(|| panic!("no_phantom: {name} delivered from nothing"));
        queue.ready.pop_first();
        queue.fresh = None;
        let kept = &queue.all[head];
        assert_eq!(
            body(&delivery.message),
            kept.body,
            "no_phantom: {name} delivered what was not its head"
        );
        let is_acked = match consumer.map(|number| {
            queue
                .consumers
                .get_mut(&number)
                .expect("no_phantom: unknown consumer")
        }) {
            None => false,
            Some(consumer) => {
                assert!(
                    consumer.is_free(),
                    "{name} delivered beyond the prefetch limit"
                );
                consumer.unacked += usize::from(!consumer.no_ack);
                consumer.no_ack
            }
        };
        fifo_per_publisher(queue, head, delivery);
        if is_acked {
            queue.end(head, batch);
        } else {
            queue.unacked.insert(delivery.sequence, (head, consumer));
        }
    }

    fn consume(&mut self, name: &'static str, prefetch: u8, no_ack: bool) {
        let number = self.next_consumer;
        self.next_consumer += 1;
        let prefetch = prefetch % 4;
        self.queues
            .get_mut(name)
            .expect("it is declared")
            .consumers
            .insert(
                number,
                Consumer {
                    prefetch: usize::from(prefetch),
                    no_ack,
                    unacked: 0,
                },
            );
        let mut wish = self.rig.wish(number, u32::from(prefetch));
        wish.no_ack = no_ack;
        self.rig
            .consume_as(name, &wish)
            .expect("nothing is exclusive");
        self.dispatched(name);
        self.enforce_length(name);
    }

    fn cancel(&mut self, index: u8) {
        let all: Vec<(&'static str, u32)> = self
            .queues
            .iter()
            .flat_map(|(name, queue)| queue.consumers.keys().map(|number| (*name, *number)))
            .collect();
        let Some((name, number)) = all.get(usize::from(index) % all.len().max(1)).copied() else {
            return;
        };
        self.rig.cancel(name, number);
        self.queues
            .get_mut(name)
            .expect("it is declared")
            .consumers
            .remove(&number);
        self.dispatched(name);
    }

    fn get(&mut self, name: &'static str, no_ack: bool) {
        let got = self.rig.get(name, no_ack);
        self.queues.get_mut(name).expect("it is declared").fresh = None;
        self.drop_expired_head(name);
        let Some((delivery, left)) = got else {
            assert!(
                self.queues[name].ready.is_empty(),
                "{name} gave nothing though a message is ready"
            );
            return;
        };
        self.no_phantom(name, &delivery, None);
        assert_eq!(
            left,
            self.queues[name].ready.len() as u64,
            "counts_agree: left in {name}"
        );
        if no_ack {
            let batch = self.batch();
            let queue = self.queues.get_mut(name).expect("it is declared");
            let (index, _) = queue
                .unacked
                .remove(&delivery.sequence)
                .expect("it was put there just now");
            queue.end(index, batch);
        } else {
            self.out.push(Got {
                consumer: 0,
                delivery,
            });
        }
    }

    fn settle(&mut self, index: u8, outcome: u8) {
        if self.out.is_empty() {
            return;
        }
        let got = self.out.remove(usize::from(index) % self.out.len());
        let outcome = match outcome % 4 {
            0 => Outcome::Acked,
            1 => Outcome::Requeued,
            2 => Outcome::Recovered,
            _ => Outcome::Rejected,
        };
        let consumer = (got.consumer != 0).then_some(got.consumer);
        self.rig.settle_delivery(&got.delivery, consumer, outcome);
        let (batch, now_ms) = (self.batch(), self.rig.now_ms);
        let name = *NAMES
            .iter()
            .find(|name| self.rig.place(name) == got.delivery.queue)
            .expect("it is declared");
        let (limit, is_quorum) = (
            self.setups[name].options.delivery_limit,
            self.setups[name].kind == QueueKind::Quorum,
        );
        let queue = self.queues.get_mut(name).expect("it is declared");
        let (index, consumer) = queue
            .unacked
            .remove(&got.delivery.sequence)
            .expect("it is out");
        if let Some(consumer) = consumer.and_then(|number| queue.consumers.get_mut(&number)) {
            consumer.unacked -= 1;
        }
        let kept = &mut queue.all[index];
        kept.deliveries += u32::from(outcome == Outcome::Requeued);
        let comes_back = matches!(outcome, Outcome::Requeued | Outcome::Recovered);
        let is_poison = comes_back && limit.is_some_and(|limit| kept.deliveries > limit);
        if comes_back && !is_poison && is_quorum && kept.deliveries > 0 {
            kept.noted.push((batch, kept.deliveries));
        }
        if outcome == Outcome::Acked {
            queue.end(index, batch);
        } else if outcome == Outcome::Rejected {
            self.die(name, index, "rejected");
        } else if is_poison {
            self.die(name, index, "delivery_limit");
        } else if kept.expires_ms <= now_ms {
            self.die(name, index, "expired");
        } else {
            let key = (u8::MAX - kept.level, index);
            queue.ready.insert(key);
        }
        self.dispatched(name);
        self.enforce_length(name);
    }

    fn delete(&mut self, name: &'static str) {
        let expected = self.queues[name].ready.len() as u64;
        assert_eq!(
            self.rig.delete(name),
            expected,
            "counts_agree: deleted from {name}"
        );
        let told = self
            .rig
            .events
            .drain(..)
            .filter(|(_, event)| matches!(event, Event::ConsumerCancelled { .. }));
        assert_eq!(
            told.count(),
            self.queues[name].consumers.len(),
            "every consumer of a deleted queue is told"
        );
        let others: Vec<_> = NAMES
            .iter()
            .filter(|other| **other != name)
            .map(|other| self.rig.place(other))
            .collect();
        self.out.retain(|got| others.contains(&got.delivery.queue));
        self.declare(name);
    }

    fn purge(&mut self, name: &'static str) {
        let purged = self.rig.purge(name);
        let batch = self.batch();
        let queue = self.queues.get_mut(name).expect("it is declared");
        assert_eq!(
            purged,
            queue.ready.len() as u64,
            "counts_agree: purged from {name}"
        );
        for (_, index) in std::mem::take(&mut queue.ready) {
            queue.end(index, batch);
        }
    }

    /// After a crash exactly those messages are ready that were durable and had not durably ended.
    fn restart(&mut self) {
        let durable = self.rig.shard.log().durable().0;
        self.rig.restart();
        self.out.clear();
        self.unconfirmed.clear();
        for name in NAMES {
            if !self.setups[name].is_durable {
                self.declare(name);
                continue;
            }
            let queue = self.queues.get_mut(name).expect("it is declared");
            let before = std::mem::take(queue);
            let survives = |kept: &Kept| {
                kept.is_logged
                    && kept.appended <= durable
                    && kept.ended.is_none_or(|ended| ended > durable)
            };
            queue.was_restarted = true;
            for mut kept in before.all.into_iter().filter(survives) {
                kept.noted.retain(|(at, _)| *at <= durable);
                kept.deliveries = kept.noted.last().map_or(0, |(_, count)| *count);
                kept.ended = None;
                queue.push(kept);
            }
            queue.fresh = None;
            queue.seen = before.seen;
        }
    }

    /// A confirm comes once, and not before every durable queue that took the message has it on disk.
    fn no_confirmed_loss(&mut self) {
        let durable = self.rig.shard.log().durable().0;
        let events = std::mem::take(&mut self.rig.events);
        for (connection, event) in events {
            let Event::Confirmed { first, last, .. } = event else {
                panic!("unexpected {event:?}")
            };
            assert_eq!(connection, PUBLISHER);
            for number in first..=last {
                let batch = self.unconfirmed.remove(&number);
                let batch = batch.expect("no_confirmed_loss: confirmed twice");
                assert!(
                    batch <= durable,
                    "no_confirmed_loss: {number} is confirmed and not durable"
                );
            }
        }
        let overdue = self
            .unconfirmed
            .values()
            .filter(|batch| **batch == 0)
            .count();
        assert!(overdue == 0, "what waits for no disk is confirmed at once");
    }

    /// Compares the dead letters, and what the target of the last ones made of them.
    fn absorb(&mut self) {
        self.dispatched("dead");
        self.enforce_length("dead");
        assert!(
            self.rig.dead.is_empty(),
            "no_phantom: unexplained dead letters {:?}",
            self.rig.dead
        );
        assert!(
            self.buried.is_empty(),
            "no_confirmed_loss: dead letters that never came: {:?}",
            self.buried
        );
    }

    fn counts_agree(&mut self) {
        let mut resident_bytes = 0;
        for name in NAMES {
            let statistics = self.rig.statistics(name);
            let queue = &self.queues[name];
            assert_eq!(
                statistics.ready,
                queue.ready.len() as u64,
                "counts_agree: ready in {name}"
            );
            assert_eq!(
                statistics.unacked,
                queue.unacked.len() as u64,
                "counts_agree: unacked in {name}"
            );
            assert_eq!(
                statistics.consumers as usize,
                queue.consumers.len(),
                "counts_agree: consumers of {name}"
            );
            if !queue.was_restarted || self.setups[name].options.length_bytes_max.is_some() {
                assert_eq!(
                    statistics.ready_bytes,
                    queue.bytes(),
                    "counts_agree: bytes in {name}"
                );
            }
            resident_bytes += statistics.resident_bytes;
        }
        assert_eq!(
            self.rig.shard.resident_bytes() as u64,
            resident_bytes,
            "counts_agree: resident bytes"
        );
    }

    /// Empties everything: in the end nothing is left in memory, on disk, or unconfirmed.
    fn wind_up(&mut self) {
        loop {
            let full = (0..)
                .zip(NAMES)
                .find(|(_, name)| !self.queues[name].ready.is_empty());
            match full {
                Some((queue, _)) => self.run(&Op::Get {
                    queue,
                    no_ack: true,
                }),
                None if !self.out.is_empty() => self.run(&Op::Settle {
                    index: 0,
                    outcome: 0,
                }),
                None => break,
            }
        }
        self.run(&Op::Sync { share: 255 });
        assert!(
            self.unconfirmed.is_empty(),
            "every publish is confirmed in the end: {:?}",
            self.unconfirmed
        );
        assert_eq!(
            self.rig.shard.resident_bytes(),
            0,
            "nothing is left in memory"
        );
        self.run(&Op::Restart);
        NAMES.iter().for_each(|name| {
            assert_eq!(self.rig.ready(name), 0, "what was acknowledged stays away")
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn queues_behave_as_their_model(a in setup(), b in setup(), ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new(a, b);
        ops.iter().for_each(|op| world.run(op));
        world.wind_up();
    }
}
