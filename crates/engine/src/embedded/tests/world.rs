//! The stack under test with its model beside it, and the operations on both.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use broker::arguments::QueueKind;
use broker::log::{Log, Position};
use broker::shard::Shard;
use broker::{
    Annotation, ConnectionId, Delivery, Event, Message, OutboxGauge, Outcome, QueueId, QueueRef,
    Reply,
};
use store::Store;
use store::disk::faulty::FaultyDisk;

use super::model::{Kept, ModelQueue, Place};
use super::restart;
use crate::embedded::EmbeddedLog;

pub(super) const CLIENT: ConnectionId = ConnectionId(7);
pub(super) const PUBLISHING: u16 = 1;
pub(super) const CONSUMING: u16 = 2;
pub(super) const COMMITTING: u16 = 3;
/// The longest delay that is asked for.
pub(super) const DELAY_MS_MAX: u64 = 200;
const DEADLINE: Duration = Duration::from_secs(20);

/// The queues by number: kind, durability and time to live.
const QUEUES: [(&str, QueueKind, bool, Option<u64>); 5] = [
    ("classic", QueueKind::Classic, true, None),
    ("quorum", QueueKind::Quorum, true, None),
    ("expiring", QueueKind::Classic, true, Some(80)),
    ("transient", QueueKind::Classic, false, None),
    ("second", QueueKind::Classic, true, None),
];

/// Rung by the store's threads.
#[derive(Debug, Default)]
pub(super) struct Bell(Mutex<u64>, Condvar);

impl Bell {
    pub(super) fn ring(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }
}

pub(super) struct World {
    pub(super) disk: FaultyDisk,
    pub(super) store: Option<Arc<Store>>,
    pub(super) cores: Vec<Shard<EmbeddedLog>>,
    pub(super) queues: Vec<ModelQueue>,
    pub(super) bell: Arc<Bell>,
    pub(super) now_ms: u64,
    pub(super) next_message: u64,
    next_queue: u64,
    pub(super) next_consumer: u32,
    pub(super) gauge: Arc<OutboxGauge>,
    /// Publishes without a confirm: how many shards are to confirm each.
    pub(super) unconfirmed: BTreeMap<u64, usize>,
    /// By shard: the position of the newest record, and those that commits wait for.
    pub(super) newest: Vec<u64>,
    pub(super) commits: Vec<VecDeque<u64>>,
    /// By shard: the first position that cannot become durable any more, since the store failed.
    stopped: Option<Vec<u64>>,
    is_full: bool,
}

impl World {
    pub(super) fn new(seed: u64, shards: usize) -> Self {
        let disk = FaultyDisk::new(seed);
        let bell = Arc::new(Bell::default());
        let (logs, store, recovered) = restart::open(&disk, shards, &bell);
        assert!(recovered.is_empty());
        let mut world = Self {
            disk,
            store: Some(store),
            cores: logs.into_iter().map(Shard::new).collect(),
            queues: Vec::new(),
            bell,
            now_ms: 1_000_000,
            next_message: 1,
            next_queue: 1,
            next_consumer: 1,
            gauge: Arc::default(),
            unconfirmed: BTreeMap::new(),
            newest: vec![0; shards],
            commits: vec![VecDeque::new(); shards],
            stopped: None,
            is_full: false,
        };
        for index in 0..QUEUES.len() {
            let queue = world.declare(index);
            world.queues.push(queue);
        }
        world
    }

    pub(super) fn new_id(&mut self, is_durable: bool) -> QueueId {
        self.next_queue += 1;
        QueueId(self.next_queue | if is_durable { 0 } else { QueueId::TRANSIENT })
    }

    pub(super) fn declare(&mut self, index: usize) -> ModelQueue {
        let (name, kind, is_durable, ttl_ms) = QUEUES[index];
        let id = self.new_id(is_durable);
        let shard = usize::try_from(id.0).expect("it is small") % self.cores.len();
        let place = QueueRef {
            id,
            slot: u32::try_from(index).expect("it is small"),
            shard: u16::try_from(shard).expect("it is small"),
            epoch: 0,
        };
        let queue = ModelQueue::new(name, kind, ttl_ms, place);
        self.cores[shard].create(queue.specification.clone(), self.now_ms);
        queue
    }

    pub(super) fn forget_clients(&mut self, shards: usize) {
        self.gauge = Arc::default();
        self.unconfirmed.clear();
        self.newest = vec![0; shards];
        self.commits = vec![VecDeque::new(); shards];
        self.stopped = None;
        self.is_full = false;
    }

    /// The position of what this shard logs now.
    pub(super) fn position(&mut self, shard: usize) -> u64 {
        self.cores[shard].log().position().0
    }

    /// Checks what came of a call on a shard.
    pub(super) fn absorb(&mut self, shard: usize, events: Vec<(ConnectionId, Event)>) {
        let mut pending = VecDeque::from(events);
        while let Some((connection, event)) = pending.pop_front() {
            assert_eq!(connection, CLIENT);
            match event {
                Event::Deliver {
                    consumer, delivery, ..
                } => {
                    self.delivered(&delivery, Some(consumer.0), false);
                    if self.gauge.written(delivery.outbox_bytes()) {
                        pending.extend(self.resume());
                    }
                }
                Event::Confirmed {
                    channel,
                    first,
                    last,
                    rejected,
                } => {
                    assert!(channel == PUBLISHING && !rejected);
                    (first..=last).for_each(|number| self.confirmed(shard, number));
                }
                Event::Placed {
                    channel,
                    number,
                    queue,
                    sequence,
                    is_duplicate,
                } => {
                    assert!(channel == PUBLISHING && !is_duplicate);
                    self.placed(number, queue, sequence);
                }
                Event::Replied { channel, result } => {
                    assert!(matches!(result, Ok(Reply::Done)), "{result:?}");
                    if channel == COMMITTING {
                        let position = self.commits[shard]
                            .pop_front()
                            .expect("a commit is answered once");
                        let durable = self.cores[shard].log().durable().0;
                        assert!(
                            position <= durable,
                            "a commit is answered at {durable}, before {position}"
                        );
                    }
                }
                other @ (Event::Posted { .. }
                | Event::ConsumerCancelled { .. }
                | Event::Blocked(_)
                | Event::Unblocked
                | Event::Close(_)) => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Serves the consumers again that were passed over while much was on its way to them.
    fn resume(&mut self) -> Vec<(ConnectionId, Event)> {
        let mut events = Vec::new();
        for queue in &self.queues {
            self.cores[queue.shard()].resume(queue.place(), CLIENT, self.now_ms, &mut events);
        }
        events
    }

    fn placed(&mut self, number: u64, queue: QueueRef, sequence: u64) {
        assert!(
            self.unconfirmed.contains_key(&number),
            "{number} is placed after its confirm"
        );
        let index = self.index_of(queue).expect("it is there");
        let kept = self.kept(index, number);
        if let Place::Out(delivered, _) = kept.place {
            assert_eq!(delivered, sequence, "{number} went out from another place");
        }
        assert_eq!(kept.sequence.replace(sequence), None);
    }

    fn confirmed(&mut self, shard: usize, number: u64) {
        let left = self
            .unconfirmed
            .get_mut(&number)
            .expect("a publish is confirmed once by each shard");
        *left = left
            .checked_sub(1)
            .expect("a publish is confirmed once by each shard");
        if *left == 0 {
            self.unconfirmed.remove(&number);
        }
        let durable = self.cores[shard].log().durable().0;
        for queue in self.queues.iter().filter(|queue| queue.shard() == shard) {
            let kept = queue
                .messages
                .get(&number)
                .filter(|kept| kept.logged && kept.place != Place::Ended);
            let is_safe = kept.is_none_or(|kept| kept.appended <= durable);
            assert!(
                is_safe,
                "no_confirmed_loss: {number} is confirmed at {durable}: {kept:?}"
            );
        }
    }

    /// Checks a delivery against the head of the model's queue.
    pub(super) fn delivered(&mut self, delivery: &Delivery, consumer: Option<u32>, no_ack: bool) {
        let index = self
            .index_of(delivery.queue)
            .expect("no_phantom: a delivery from a queue that is gone");
        let (shard, now_ms) = (delivery.queue.shard.into(), self.now_ms);
        let queue = &self.queues[index];
        let name = queue.specification.name.clone();
        let number = queue.check_content(&delivery.message);
        let kept = &queue.messages[&number];
        assert_ne!(kept.place, Place::Waiting, "{name} delivers {number} early");
        assert_ne!(
            kept.place,
            Place::Ended,
            "no_zombie: {name} delivers {number} again"
        );
        assert_eq!(
            Some(number),
            queue.head(now_ms),
            "fifo_per_publisher: {name} delivers what is not its head"
        );
        assert!(
            kept.sequence
                .is_none_or(|sequence| sequence == delivery.sequence),
            "{name} delivers {number} from {}, not {:?}",
            delivery.sequence,
            kept.sequence
        );
        let counted = if kept.count > 0 && queue.specification.kind == QueueKind::Quorum {
            Annotation::DeliveryCount(kept.count)
        } else {
            Annotation::None
        };
        assert_eq!(
            delivery.annotation, counted,
            "{name} has miscounted the deliveries of {number}"
        );
        let consuming = consumer.map(|number| {
            self.queues[index]
                .consumers
                .get_mut(&number)
                .expect("it is attached")
        });
        let mut is_over = no_ack;
        if let Some(consumer) = consuming {
            assert!(
                consumer.has_room(),
                "{name} delivers beyond the prefetch limit"
            );
            consumer.unacked += usize::from(!consumer.no_ack);
            is_over = consumer.no_ack;
        }
        if is_over {
            self.finish(index, shard, number);
        } else {
            self.kept(index, number).place = Place::Out(delivery.sequence, consumer);
        }
    }

    pub(super) fn finish(&mut self, index: usize, shard: usize, number: u64) {
        let (position, now_ms) = (self.position(shard), self.now_ms);
        let kept = self.kept(index, number);
        kept.place = Place::Ended;
        kept.ended = kept.logged.then_some(position);
        // Of one that had expired, the end may have been logged before.
        if kept.logged && kept.appended < position && kept.expires_ms > now_ms {
            self.newest[shard] = position;
        }
    }

    pub(super) fn kept(&mut self, index: usize, number: u64) -> &mut Kept {
        self.queues[index]
            .messages
            .get_mut(&number)
            .expect("it was found just now")
    }

    fn index_of(&self, place: QueueRef) -> Option<usize> {
        self.queues.iter().position(|queue| queue.place() == place)
    }

    pub(super) fn submit(&mut self) {
        for core in &mut self.cores {
            if core.log().submit() {
                core.log().shard().commit_deferred(true);
            }
        }
    }

    /// What a shard's thread does in a turn, on each shard.
    pub(super) fn turn(&mut self) {
        self.release();
        for shard in 0..self.cores.len() {
            let mut events = Vec::new();
            self.cores[shard].tick(self.now_ms, &mut events);
            let here = self
                .queues
                .iter_mut()
                .filter(|queue| queue.shard() == shard);
            here.for_each(|queue| queue.mature(self.now_ms, self.next_message));
            self.absorb(shard, events);
            self.settle_for_log(shard);
        }
        self.submit();
    }

    fn release(&mut self) {
        for shard in 0..self.cores.len() {
            let mut events = Vec::new();
            self.cores[shard].release(self.now_ms, &mut events);
            self.absorb(shard, events);
        }
    }

    /// Answers a request to settle; one that fails is answered in a later turn.
    fn settle_for_log(&mut self, shard: usize) {
        let core = &mut self.cores[shard];
        let Some(request) = core.log().shard().settle_request() else {
            return;
        };
        if core.settle_until(Position(request.position.0)).is_err() {
            return;
        }
        let (log, backlogs) = core.durable_backlogs();
        let mut states = backlogs.filter_map(|(backlog, next)| backlog.state(next));
        log.shard().settle_done(request, &mut states);
    }

    /// Submits everything and waits until it is durable, or never will be.
    pub(super) fn flush(&mut self) {
        self.submit();
        if !self.is_full {
            self.wait("durable or failed", |world| {
                world.is_stopped()
                    || world
                        .cores
                        .iter_mut()
                        .all(|core| core.log().appended() <= core.log().durable())
            });
        }
        self.release();
        if !self.is_full && !self.is_stopped() {
            let (unconfirmed, commits) = (&self.unconfirmed, &self.commits);
            assert!(
                unconfirmed.is_empty(),
                "what is durable is confirmed: {unconfirmed:?}"
            );
            assert!(
                commits.iter().all(VecDeque::is_empty),
                "what is durable is committed: {commits:?}"
            );
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.is_poisoned())
    }

    fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        let bell = Arc::clone(&self.bell);
        loop {
            let seen = *bell.0.lock().unwrap();
            if done(self) {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "timed out waiting for: {what}");
            let rung = bell.0.lock().unwrap();
            drop(
                bell.1
                    .wait_timeout_while(rung, left, |rung| *rung == seen)
                    .unwrap(),
            );
        }
    }

    /// Leaves so many bytes on the disk.
    pub(super) fn fill(&mut self, spare: u64) {
        let used: u64 = self.disk.files().iter().map(|(_, bytes)| bytes).sum();
        self.disk.set_capacity(Some(used + spare));
        self.is_full = true;
    }

    pub(super) fn free(&mut self) {
        self.disk.set_capacity(None);
        self.is_full = false;
    }

    /// What must hold after every operation.
    pub(super) fn inspect(&mut self) {
        if self.stopped.is_none() && self.is_stopped() {
            self.stopped = Some(
                self.cores
                    .iter_mut()
                    .map(|core| core.log().position().0)
                    .collect(),
            );
        }
        for (core, stopped) in self.cores.iter_mut().zip(self.stopped.iter().flatten()) {
            assert!(
                core.log().durable().0 < *stopped,
                "something became durable after the disk had failed"
            );
        }
        for queue in &self.queues {
            let name = &queue.specification.name;
            let statistics = self.cores[queue.shard()]
                .statistics(queue.place(), false, self.now_ms)
                .expect("it is there");
            let ready = queue.ready(self.now_ms);
            assert!(
                ready.contains(&statistics.ready),
                "counts_agree: {name} has {} of {ready:?}",
                statistics.ready
            );
            assert_eq!(
                statistics.delayed,
                queue.waiting(),
                "counts_agree: {name}'s messages that wait"
            );
            assert_eq!(
                statistics.unacked,
                queue.unacked(),
                "counts_agree: {name}'s messages that are out"
            );
            assert_eq!(
                statistics.consumers as usize,
                queue.consumers.len(),
                "counts_agree: {name}'s consumers"
            );
            let is_idle = queue.head(self.now_ms).is_none() || !queue.has_free_consumer();
            assert!(
                is_idle,
                "no_lost_wake_up: {name} has a message and a consumer with room"
            );
        }
    }

    /// Takes everything out: in the end nothing is left anywhere.
    pub(super) fn wind_up(&mut self) {
        self.now_ms += DELAY_MS_MAX;
        self.turn();
        for index in 0..self.queues.len() {
            while !self.queues[index].consumers.is_empty() {
                self.cancel(index);
            }
            while self.get(index, true) {}
        }
        while self.settle(0, Outcome::Acked) {}
        self.inspect();
        self.turn();
        self.flush();
        for core in &self.cores {
            assert_eq!(core.resident_bytes(), 0, "nothing is left in memory");
        }
    }
}

impl ModelQueue {
    /// Compares a message with what was published under its number, which it returns.
    pub(super) fn check_content(&self, message: &Message) -> u64 {
        let name = &self.specification.name;
        let number = message
            .body()
            .first_chunk()
            .copied()
            .map(u64::from_le_bytes);
        let known = number.and_then(|number| self.messages.get(&number));
        let kept = known
            .unwrap_or_else(|| panic!("no_phantom: {name} has {number:?}, which it never took"));
        assert!(
            *message == kept.content.message(),
            "torn: {name} has another content for {:?}",
            kept.content
        );
        kept.content.number
    }
}
