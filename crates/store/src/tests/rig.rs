//! A small owner of queues, as the engine is one, and a model to compare it with after each start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::disk::Disk;
use crate::disk::faulty::FaultyDisk;
use crate::{
    Damage, Failure, Hooks, Options, Position, QueueId, QueueLog, QueueState, RecoveredQueue,
    Sequence, ShardLog, Store,
};

pub(super) const DIR: &str = "/data";
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) fn small() -> Options {
    Options {
        shards: 2,
        journal_bytes: 64 << 10,
        segment_bytes: 4 << 10,
    }
}

/// What is known of a live message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) payload: Vec<u8>,
    pub(super) note: u32,
}

/// All live durable messages, and the queues that were not dropped.
pub(super) type World = BTreeMap<u64, BTreeMap<u64, Kept>>;

#[derive(Debug, Clone)]
enum Event {
    Message(Vec<(u64, u64)>, Vec<u8>),
    Ack(u64, u64, u64),
    Note(u64, u64, u32),
    Purge(u64, u64),
    Drop(u64),
}

fn apply(world: &mut World, event: &Event) {
    match event {
        Event::Message(targets, payload) => {
            for (queue, sequence) in targets {
                let kept = Kept {
                    payload: payload.clone(),
                    note: 0,
                };
                world.entry(*queue).or_default().insert(*sequence, kept);
            }
        }
        Event::Ack(queue, first, last) => {
            let messages = world.entry(*queue).or_default();
            messages.retain(|sequence, _| !(first..=last).contains(&sequence));
        }
        Event::Note(queue, sequence, note) => {
            if let Some(kept) = world.entry(*queue).or_default().get_mut(sequence) {
                kept.note = *note;
            }
        }
        Event::Purge(queue, below) => world
            .entry(*queue)
            .or_default()
            .retain(|sequence, _| sequence >= below),
        Event::Drop(queue) => {
            world.remove(queue);
        }
    }
}

/// A message in memory.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) position: Position,
    pub(super) payload: Bytes,
    pub(super) note: u32,
    pub(super) durable: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) log: QueueLog,
    pub(super) next: u64,
    /// Live and not settled.
    pub(super) held: BTreeMap<u64, Held>,
}

/// Wakes whoever waits for the store.
#[derive(Debug, Default)]
struct Bell(Mutex<u64>, Condvar);

pub(super) struct Rig {
    pub(super) disk: FaultyDisk,
    pub(super) store: Option<Store>,
    pub(super) shards: Vec<ShardLog>,
    pub(super) queues: BTreeMap<u64, Queue>,
    pub(super) failures: Arc<AtomicUsize>,
    pub(super) damage: Vec<Damage>,
    options: Options,
    /// The world that recovery found, and what each shard has appended since, by position.
    base: World,
    events: Vec<Vec<(Position, Event)>>,
    bell: Arc<Bell>,
}

impl Rig {
    pub(super) fn new(disk: FaultyDisk, options: Options) -> Self {
        Self::open(disk, options).unwrap()
    }

    pub(super) fn open(disk: FaultyDisk, options: Options) -> Result<Self, Failure> {
        let failures = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&failures);
        let hooks = Hooks {
            failed: Arc::new(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            }),
        };
        let (mut store, recovery) = Store::open(
            Arc::new(disk.clone()) as Arc<dyn Disk>,
            Path::new(DIR),
            options,
            hooks,
        )?;
        let bell = Arc::new(Bell::default());
        let shards = (0..options.shards).map(|index| {
            let mut shard = store.shard(index);
            let bell = Arc::clone(&bell);
            shard.set_waker(Arc::new(move || {
                *bell.0.lock().unwrap() += 1;
                bell.1.notify_all();
            }));
            shard
        });
        let shards = shards.collect();
        let mut rig = Self {
            disk,
            store: Some(store),
            shards,
            queues: BTreeMap::new(),
            failures,
            damage: recovery.damage,
            options,
            base: World::new(),
            events: vec![Vec::new(); options.shards],
            bell,
        };
        for recovered in recovery.queues {
            rig.adopt(recovered);
        }
        rig.base = rig.world();
        Ok(rig)
    }

    fn adopt(&mut self, mut recovered: RecoveredQueue) {
        let mut last = None;
        let mut held = BTreeMap::new();
        for message in recovered.messages {
            assert!(last < Some(message.sequence), "recovered messages ascend");
            last = Some(message.sequence);
            assert!(
                message.sequence >= recovered.log.settled_end(),
                "unsettled lies behind settled"
            );
            let message_held = Held {
                position: Position(0),
                payload: message.payload,
                note: message.note,
                durable: true,
            };
            held.insert(message.sequence.0, message_held);
        }
        assert!(
            last.is_none_or(|last| last < recovered.next),
            "the next sequence is new"
        );
        assert!(
            recovered.log.settled_end() <= recovered.next,
            "the next sequence is new"
        );
        let mut settled = Vec::new();
        recovered
            .log
            .read(Sequence(0), usize::MAX, &mut settled)
            .unwrap();
        assert!(
            settled.iter().all(|record| record.durable),
            "a start forgets what is not durable"
        );
        let queue = Queue {
            log: recovered.log,
            next: recovered.next.0,
            held,
        };
        self.queues.insert(recovered.queue.0, queue);
    }

    /// Reads back everything that is live and durable.
    pub(super) fn world(&mut self) -> World {
        let mut world = World::new();
        for (number, queue) in &mut self.queues {
            let mut found = BTreeMap::new();
            let mut out = Vec::new();
            let mut from = Sequence(0);
            let mut settled = 0;
            loop {
                queue.log.read(from, 1500, &mut out).unwrap();
                let Some(last) = out.last() else { break };
                from = last.sequence.next();
                settled += out.len() as u64;
                for record in out.drain(..) {
                    let again = queue.log.fetch(record.sequence).unwrap();
                    assert_eq!(again.as_ref(), Some(&record), "fetch and read agree");
                    let kept = Kept {
                        payload: record.payload.to_vec(),
                        note: record.note,
                    };
                    if record.durable {
                        assert!(
                            found.insert(record.sequence.0, kept).is_none(),
                            "no sequence comes twice"
                        );
                    }
                }
            }
            assert_eq!(settled, queue.log.live_count(), "the count is exact");
            for (sequence, held) in &queue.held {
                if held.durable {
                    let kept = Kept {
                        payload: held.payload.to_vec(),
                        note: held.note,
                    };
                    assert!(
                        found.insert(*sequence, kept).is_none(),
                        "no sequence comes twice"
                    );
                }
            }
            world.insert(*number, found);
        }
        world
    }

    pub(super) fn shard_of(&self, queue: u64) -> usize {
        usize::try_from(queue).unwrap() % self.options.shards
    }

    fn record(&mut self, shard: usize, position: Position, event: Event) {
        self.events[shard].push((position, event));
    }

    /// Publishes to queues of one shard. Only durable messages are journaled.
    pub(super) fn publish(&mut self, queues: &[u64], payload: &[u8], durable: bool) -> Position {
        let shard = self.shard_of(queues[0]);
        let mut targets = Vec::new();
        for number in queues {
            assert_eq!(self.shard_of(*number), shard);
            let store = self.store.as_ref().unwrap();
            let queue = self.queues.entry(*number).or_insert_with(|| Queue {
                log: store.queue_log(QueueId(*number)),
                next: 0,
                held: BTreeMap::new(),
            });
            targets.push((QueueId(*number), Sequence(queue.next)));
            queue.next += 1;
        }
        let position = if durable {
            let (front, back) = payload.split_at(payload.len() / 2);
            self.shards[shard].append_message(&targets, &[front, back])
        } else {
            Position(0)
        };
        for (queue, sequence) in &targets {
            let held = Held {
                position,
                payload: Bytes::copy_from_slice(payload),
                note: 0,
                durable,
            };
            self.queues
                .get_mut(&queue.0)
                .unwrap()
                .held
                .insert(sequence.0, held);
        }
        if durable {
            let targets = targets
                .iter()
                .map(|(queue, sequence)| (queue.0, sequence.0))
                .collect();
            self.record(shard, position, Event::Message(targets, payload.to_vec()));
        }
        position
    }

    /// Returns the live sequences of a queue, settled or not.
    pub(super) fn live(&mut self, queue: u64) -> Vec<u64> {
        let Some(queue) = self.queues.get_mut(&queue) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        queue.log.read(Sequence(0), usize::MAX, &mut out).unwrap();
        let settled = out.iter().map(|record| record.sequence.0);
        settled.chain(queue.held.keys().copied()).collect()
    }

    pub(super) fn ack(&mut self, number: u64, first: u64, last: u64) -> Position {
        let shard = self.shard_of(number);
        let queue = self.queues.get_mut(&number).unwrap();
        queue
            .held
            .retain(|sequence, _| !(first..=last).contains(sequence));
        let position = queue
            .log
            .ack(&mut self.shards[shard], Sequence(first), Sequence(last));
        self.record(shard, position, Event::Ack(number, first, last));
        position
    }

    pub(super) fn note(&mut self, number: u64, sequence: u64, note: u32) {
        let shard = self.shard_of(number);
        let queue = self.queues.get_mut(&number).unwrap();
        if let Some(held) = queue.held.get_mut(&sequence) {
            held.note = note;
        }
        let position = queue
            .log
            .note(&mut self.shards[shard], Sequence(sequence), note);
        self.record(shard, position, Event::Note(number, sequence, note));
    }

    pub(super) fn purge(&mut self, number: u64, below: u64) {
        let shard = self.shard_of(number);
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.held.retain(|sequence, _| *sequence >= below);
            let position = queue
                .log
                .purge_below(&mut self.shards[shard], Sequence(below));
            self.record(shard, position, Event::Purge(number, below));
        }
    }

    pub(super) fn remove(&mut self, number: u64) {
        let shard = self.shard_of(number);
        if let Some(queue) = self.queues.remove(&number) {
            let position = queue.log.remove(&mut self.shards[shard]);
            self.record(shard, position, Event::Drop(number));
        }
    }

    /// Settles the first messages of a queue, as many as asked for, ten at a time.
    pub(super) fn settle(&mut self, number: u64, count: usize) -> Result<(), Failure> {
        let shard = self.shard_of(number);
        let Some(queue) = self.queues.get_mut(&number) else {
            return Ok(());
        };
        let chosen: Vec<u64> = queue.held.keys().copied().take(count).collect();
        for some in chosen.chunks(10) {
            let mut settling = queue.log.settle(&mut self.shards[shard]);
            for sequence in some {
                let held = &queue.held[sequence];
                settling.push(
                    Sequence(*sequence),
                    held.durable,
                    held.note,
                    &[&held.payload],
                );
            }
            settling.finish()?;
            for sequence in some {
                queue.held.remove(sequence);
            }
        }
        Ok(())
    }

    /// Answers the settle requests of all shards.
    pub(super) fn service(&mut self) -> Result<(), Failure> {
        for shard in 0..self.shards.len() {
            let Some(request) = self.shards[shard].settle_request() else {
                continue;
            };
            let numbers: Vec<u64> = self
                .queues
                .keys()
                .copied()
                .filter(|queue| self.shard_of(*queue) == shard)
                .collect();
            for number in numbers {
                let held = &self.queues[&number].held;
                let old = |held: &Held| held.durable && held.position <= request.position;
                let last = held
                    .iter()
                    .rev()
                    .find(|(_, held)| old(held))
                    .map(|(sequence, _)| *sequence);
                let count = last.map_or(0, |last| held.range(..=last).count());
                self.settle(number, count)?;
            }
            let shards = self.options.shards as u64;
            let mut queues = self
                .queues
                .iter_mut()
                .filter(|(number, _)| **number % shards == shard as u64)
                .map(|(_, queue)| QueueState {
                    log: &mut queue.log,
                    next: Sequence(queue.next),
                });
            self.shards[shard].settle_done(request, &mut queues);
        }
        Ok(())
    }

    pub(super) fn submit(&mut self) {
        for shard in &mut self.shards {
            shard.submit();
        }
    }

    /// Waits until a condition holds, woken by the store.
    pub(super) fn wait(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        let bell = Arc::clone(&self.bell);
        let mut seen = *bell.0.lock().unwrap();
        while !done(self) {
            let guard = bell.0.lock().unwrap();
            // Some conditions (files deleted) ring no bell, so the wait is bounded.
            let (guard, _) = bell
                .1
                .wait_timeout_while(guard, Duration::from_millis(5), |rung| *rung == seen)
                .unwrap();
            seen = *guard;
            drop(guard);
            assert!(Instant::now() < end, "timed out waiting for: {what}");
        }
    }

    /// Submits everything and waits until it is durable.
    pub(super) fn flush(&mut self) {
        self.submit();
        self.wait("durable", |rig| {
            rig.shards
                .iter()
                .all(|shard| shard.durable() >= shard.submitted())
        });
    }

    /// Flushes and answers requests until one journal file is left.
    pub(super) fn quiesce(&mut self) {
        self.flush();
        self.wait("one journal file", |rig| {
            rig.service().unwrap();
            rig.store.as_ref().unwrap().journal_files() == 1
        });
    }

    pub(super) fn close(mut self) -> (FaultyDisk, Result<(), Failure>) {
        self.submit();
        let closed = self.store.take().unwrap().close();
        (self.disk, closed)
    }

    /// Cuts the power, starts again, and checks what is found against what was appended: each shard's part must be exactly what it
    /// was at some position that was not durable yet, or at the last durable one.
    pub(super) fn crash(self, seed: u64, options: Options) -> Self {
        let durable: Vec<Position> = self.shards.iter().map(ShardLog::durable).collect();
        let disk = self.disk.crash(seed);
        self.reopen(&durable, disk, options)
    }

    /// Closes and starts again: nothing may be missing.
    pub(super) fn restart(mut self, options: Options) -> Self {
        self.submit();
        let all: Vec<Position> = self.shards.iter().map(ShardLog::submitted).collect();
        self.store.take().unwrap().close().unwrap();
        let disk = self.disk.clone();
        self.reopen(&all, disk, options)
    }

    fn reopen(self, durable: &[Position], disk: FaultyDisk, options: Options) -> Self {
        let (base, events, shards) = (self.base, self.events, self.options.shards as u64);
        drop(self.store);
        let mut after = Self::new(disk, options);
        let harmful: Vec<_> = after
            .damage
            .iter()
            .filter(|damage| damage.kind.is_harmful())
            .collect();
        assert!(harmful.is_empty(), "a crash is no damage: {harmful:?}");
        let found = after.world();
        for (shard, events) in events.iter().enumerate() {
            let mine = |world: &World| -> World {
                let queues = world.iter().filter(|(queue, messages)| {
                    **queue % shards == shard as u64 && !messages.is_empty()
                });
                queues
                    .map(|(queue, messages)| (*queue, messages.clone()))
                    .collect()
            };
            let found = mine(&found);
            let mut world = mine(&base);
            let mut events = events.iter().peekable();
            let mut matched = false;
            let mut cuts = vec![durable[shard]];
            cuts.extend(
                events
                    .clone()
                    .map(|(position, _)| *position)
                    .filter(|cut| *cut > durable[shard]),
            );
            for cut in cuts {
                while let Some((_, event)) = events.next_if(|(position, _)| *position <= cut) {
                    apply(&mut world, event);
                }
                world.retain(|_, messages| !messages.is_empty());
                matched |= found == world;
            }
            assert!(
                matched,
                "shard {shard} is at no position from {} on:\nfound    {}\nexpected {}",
                durable[shard],
                summary(&found),
                summary(&world)
            );
        }
        after
    }

    pub(super) fn segment_files(&self) -> Vec<PathBuf> {
        let files = self.disk.files().into_iter().map(|(path, _)| path);
        files
            .filter(|path| path.extension().is_some_and(|end| end == "segment"))
            .collect()
    }
}

pub(super) fn summary(world: &World) -> String {
    let queues = world.iter().map(|(queue, messages)| {
        let messages: Vec<_> = (messages.iter())
            .map(|(sequence, kept)| format!("{sequence}({},{})", kept.payload.len(), kept.note))
            .collect();
        format!("{queue}: {}", messages.join(" "))
    });
    queues.collect::<Vec<_>>().join("; ")
}
