//! Random operations with crashes between them, against a small model of a queue.
//!
//! The model knows no shard, log or backlog: a queue is a sorted map of what is ready, and each message remembers in which batch of the
//! log it came and ended. Deliveries are not predicted but checked: whoever gets a message must have had room for it, and it must be
//! the model's head.

#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod checks;
mod clients;
mod operations;
mod reference;
mod rules;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::rig::{Dead, Got, PUBLISHER, Rig, body};
use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::log::{Log, Position};
use crate::{ConnectionId, DedupId, Delivery, Event, Outcome, QueueRef};
use operations::{Content, Op, Setup, op, setup};
use reference::{Consumer, Kept, ModelQueue, Original, fifo_per_publisher};

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
    /// The body of each publish, by number.
    bodies: BTreeMap<u64, String>,
    /// Where publishes went: their numbers by queue and sequence number.
    places: BTreeMap<(QueueRef, u64), u64>,
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
            bodies: BTreeMap::new(),
            places: BTreeMap::new(),
            next_consumer: 1,
        };
        world.rig.wants_place = true;
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
                content,
            } => self.publish(*publisher % 2, *targets, *content),
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
                let now_ms = self.rig.now_ms;
                let mature = |name| self.queues.get_mut(name).map(|queue| queue.mature(now_ms));
                let has_matured = NAMES.map(mature);
                for (name, has_matured) in NAMES.into_iter().zip(has_matured) {
                    if has_matured == Some(true) {
                        self.dispatched(name);
                        self.enforce_length(name);
                    }
                    self.expire(name);
                }
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
                self.rig
                    .shard
                    .release(self.rig.now_ms, &mut self.rig.events);
            }
            Op::Restart => self.restart(),
        }
        self.no_confirmed_loss();
        self.absorb();
        self.counts_agree();
    }

    fn delete(&mut self, name: &'static str) {
        let queue = &self.queues[name];
        let expected = (queue.ready.len() + queue.waiting.len()) as u64;
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
            (queue.ready.len() + queue.waiting.len()) as u64,
            "counts_agree: purged from {name}"
        );
        for (.., index) in std::mem::take(&mut queue.ready) {
            queue.end(index, batch);
        }
        for (_, index) in std::mem::take(&mut queue.waiting) {
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
            queue.mature(self.rig.now_ms);
            queue.fresh = None;
            queue.seen = before.seen;
            queue.taken = before.taken;
            let survives = |appended: Option<u64>| appended.is_some_and(|at| at <= durable);
            queue
                .taken
                .retain(|_, original| survives(original.appended));
        }
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
