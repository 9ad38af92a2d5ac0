//! Ending and starting the engine's lower half, and comparing what is found with what was logged.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use broker::log::{Backlog, Log, Stored};
use broker::shard::{Kept, Recovered, Shard};
use broker::{Name, QueueId, QueueRef};
use store::disk::faulty::FaultyDisk;
use store::{Hooks, Options, RecoveredQueue, Store};

use super::model::{ModelQueue, Place};
use super::world::{Bell, World};
use crate::embedded::{EmbeddedBacklog, EmbeddedLog};
use crate::startup::{self, stored_messages};

/// What was found of one queue: its messages' numbers, and how often each came back.
type Found = BTreeMap<u64, u32>;

/// How the process ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// As it should.
    Clean,
    /// kill -9: what was written stays.
    Kill,
    /// A power cut: what was not synced is there, missing or torn.
    Cut(u64),
}

/// What a log's durable end may have been.
struct Cut {
    least: u64,
    most: u64,
}

/// Opens the store; the shards' logs wake the bell.
pub(super) fn open(
    disk: &FaultyDisk,
    shards: usize,
    bell: &Arc<Bell>,
) -> (Vec<EmbeddedLog>, Arc<Store>, Vec<RecoveredQueue>) {
    // Small, so that files fill, messages are settled and segments end all the time.
    let options = Options {
        shards,
        journal_bytes: 64 << 10,
        segment_bytes: 4 << 10,
    };
    let ring = Arc::clone(bell);
    let hooks = Hooks {
        failed: Arc::new(move |_| ring.ring()),
    };
    let opened = Store::open(Arc::new(disk.clone()), Path::new("/data"), options, hooks);
    let (mut store, recovery) = opened.expect("a start after a crash succeeds");
    let harmful: Vec<_> = recovery
        .damage
        .iter()
        .filter(|damage| damage.kind.is_harmful())
        .collect();
    assert!(harmful.is_empty(), "a crash is no damage: {harmful:?}");
    let logs: Vec<_> = (0..shards)
        .map(|index| {
            let mut log = store.shard(index);
            let ring = Arc::clone(bell);
            log.set_waker(Arc::new(move || ring.ring()));
            log
        })
        .collect();
    let store = Arc::new(store);
    let logs = logs
        .into_iter()
        .map(|log| EmbeddedLog::new(log, Arc::clone(&store)))
        .collect();
    (logs, store, recovery.queues)
}

impl World {
    /// Ends the process and starts it again, with another number of shards perhaps.
    pub(super) fn restart(&mut self, ending: Ending, shards: usize) {
        if matches!(ending, Ending::Clean) {
            self.submit();
        }
        let mut cuts: Vec<Cut> = Vec::new();
        for core in &mut self.cores {
            let (least, most) = (core.log().durable().0, core.log().position().0 - 1);
            cuts.push(Cut { least, most });
        }
        self.end(ending, &mut cuts);
        let (mut logs, store, recovered) = open(&self.disk, shards, &self.bell);
        self.store = Some(store);
        let mut recovered: HashMap<QueueId, RecoveredQueue> = recovered
            .into_iter()
            .map(|queue| (QueueId(queue.queue.0), queue))
            .collect();
        let mut kept = Vec::new();
        let mut found = Vec::new();
        for queue in &self.queues {
            let mut messages = Found::new();
            let mut part = |id| {
                let (found, kept) = read(queue, recovered.remove(&id)?);
                for (number, count) in found {
                    let before = messages.insert(number, count);
                    assert_eq!(before, None, "no_phantom: {number} is in two parts");
                }
                Some(kept)
            };
            kept.push(Recovered {
                ordinary: part(queue.id()),
                delayed: part(queue.id().delayed()),
                dedup: recovered.remove(&queue.id().dedup()).map(startup::kept),
            });
            found.push(messages);
        }
        for (_, orphan) in recovered {
            orphan.log.remove(logs[0].shard());
        }
        logs[0].submit();
        self.compare(&cuts, &found);
        self.cores = logs.into_iter().map(Shard::new).collect();
        for (index, (kept, found)) in kept.into_iter().zip(found).enumerate() {
            self.put_back(index, kept, &found);
            self.queues[index].mature(self.now_ms, self.next_message);
        }
        self.forget_clients(shards);
        self.inspect();
        for (index, found) in self.queues.iter().enumerate() {
            let statistics = self.cores[found.shard()]
                .statistics(found.place(), false, self.now_ms)
                .expect("it is there");
            assert_eq!(
                statistics.ready + statistics.delayed,
                found.messages.len() as u64,
                "counts_agree: {index} after a restart"
            );
        }
    }

    /// Ends the store; what a clean end makes durable is exactly everything.
    fn end(&mut self, ending: Ending, cuts: &mut [Cut]) {
        let store = self.store.take().expect("it is open");
        match ending {
            Ending::Cut(seed) => {
                let after = self.disk.crash(seed);
                self.cores.clear();
                drop(store);
                self.disk = after;
            }
            Ending::Kill => {
                self.disk.power_off_after(0);
                self.cores.clear();
                drop(store);
            }
            Ending::Clean => {
                self.cores.clear();
                let store = Arc::into_inner(store).expect("the shards' were the only others");
                match store.close() {
                    Ok(()) => cuts.iter_mut().for_each(|cut| cut.least = cut.most),
                    Err(_) => self.disk = self.disk.crash(self.next_message),
                }
            }
        }
        self.disk.power_off_after(u64::MAX);
        self.disk.fail_write(u64::MAX);
        self.disk.fail_sync(u64::MAX);
        self.disk.set_capacity(None);
    }

    /// Each shard's queues must be as its log had them at one position, from its durable one on.
    fn compare(&self, cuts: &[Cut], found: &[Found]) {
        for (shard, cut) in cuts.iter().enumerate() {
            let queues = || {
                self.queues
                    .iter()
                    .zip(found)
                    .filter(|(queue, _)| queue.shard() == shard)
            };
            for (queue, found) in queues() {
                self.compare_by_name(queue, found, cut.least);
            }
            let is_at = |cut: u64| queues().all(|(queue, found)| self.is_at(queue, found, cut));
            let positions = cut.least..=cut.most;
            let state: Vec<_> = queues().map(|(queue, found)| (queue.id(), found)).collect();
            assert!(
                positions.clone().any(is_at),
                "no_confirmed_loss: shard {shard} is at no position of {positions:?}: {state:?}"
            );
        }
    }

    /// Names what is wrong whatever the log's end was.
    fn compare_by_name(&self, queue: &ModelQueue, found: &Found, durable: u64) {
        let name = &queue.specification.name;
        for number in found.keys() {
            let kept = queue.messages.get(number);
            let kept = kept.unwrap_or_else(|| {
                panic!("no_phantom: {name} holds {number}, which it never took")
            });
            assert!(
                kept.logged,
                "no_phantom: {name} holds {number}, which was not to survive"
            );
            let is_zombie = kept.ended.is_some_and(|ended| ended <= durable);
            assert!(
                !is_zombie,
                "no_zombie: {name} holds {number}, whose end was durable"
            );
        }
        for (number, kept) in &queue.messages {
            let is_owed = kept.logged
                && kept.appended <= durable
                && kept.ended.is_none()
                && kept.expires_ms > self.now_ms;
            assert!(
                !is_owed || found.contains_key(number),
                "no_confirmed_loss: {name} has lost {number}: {kept:?}"
            );
        }
    }

    fn is_at(&self, queue: &ModelQueue, found: &Found, cut: u64) -> bool {
        let counts = queue.specification.kind == broker::arguments::QueueKind::Quorum;
        // When an expired message ended, only the queue knows.
        queue
            .messages
            .iter()
            .filter(|(_, kept)| kept.expires_ms > self.now_ms)
            .all(|(number, kept)| {
                let count = found.get(number);
                let is_count_right =
                    !counts || count.is_none_or(|count| *count == kept.count_at(cut));
                count.is_some() == kept.is_held_at(cut) && is_count_right
            })
    }

    /// Gives a queue to its shard again, as a start does, and believes what was found.
    fn put_back(&mut self, index: usize, kept: Recovered<EmbeddedBacklog>, found: &Found) {
        let (id, shards) = (self.queues[index].id(), self.cores.len());
        let id = if id.is_durable() {
            id
        } else {
            self.new_id(false)
        };
        let shard = usize::try_from(id.0).expect("it is small") % shards;
        let queue = &mut self.queues[index];
        queue.specification.place = QueueRef {
            id,
            shard: u16::try_from(shard).expect("it is small"),
            ..queue.place()
        };
        queue.consumers.clear();
        queue
            .messages
            .retain(|number, _| found.contains_key(number));
        for (number, message) in &mut queue.messages {
            let count = found.get(number).copied().unwrap_or(0);
            // What was out has its turn when it is due, too.
            let place = match message.content.deliver_at_ms {
                Some(_) => Place::Waiting,
                None => Place::Ready,
            };
            (message.place, message.appended, message.ended) = (place, 0, None);
            message.turn = (*number, u64::MAX);
            (message.count, message.counts) = (count, vec![(0, count)]);
        }
        let specification = queue.specification.clone();
        let restored = self.cores[shard].restore(specification, kept, self.now_ms);
        restored.expect("nothing fails");
    }
}

/// Reads all that was found of a part of a queue.
fn read(queue: &ModelQueue, recovered: RecoveredQueue) -> (Found, Kept<EmbeddedBacklog>) {
    let name: &Name = &queue.specification.name;
    let messages = stored_messages(&recovered);
    let next = recovered.next.0;
    let mut backlog = EmbeddedBacklog::new(recovered.log);
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let before = all.len();
        let read = backlog.read(from, 1500, &mut all);
        read.expect("the disk is sound");
        let Some(last) = all.get(before..).and_then(<[Stored]>::last) else {
            break;
        };
        from = last.sequence + 1;
    }
    assert_eq!(
        all.len() as u64,
        backlog.live(),
        "counts_agree: {name}'s settled messages"
    );
    for stored in &all {
        assert_eq!(
            backlog
                .fetch(stored.sequence)
                .expect("the disk is sound")
                .as_ref(),
            Some(stored),
            "torn: {name} reads differently"
        );
    }
    all.extend(messages.iter().cloned());
    assert!(
        all.is_sorted_by(|one, other| one.sequence < other.sequence),
        "fifo_per_publisher: {name} is out of order"
    );
    assert!(
        all.last().is_none_or(|last| last.sequence < next),
        "{name} would use a number again"
    );
    let mut found = Found::new();
    for stored in all {
        let number = queue.check_content(&stored.message);
        assert!(
            found
                .last_key_value()
                .is_none_or(|(last, _)| *last < number),
            "fifo_per_publisher: {name} is out of order"
        );
        found.insert(number, stored.delivery_count);
    }
    (
        found,
        Kept {
            backlog,
            next,
            messages,
        },
    )
}
