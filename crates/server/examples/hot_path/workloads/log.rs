//! The message log: the journal alone, a backlog, and a start.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use codec::amqp::method::ConfirmSelect;
use store::disk::RealDisk;
use store::{Hooks, Options, QueueId, Sequence, Store};

use super::flow::Flow;
use crate::counting::{Bell, Counter};
use crate::frames;
use crate::world::{JOURNAL_BYTES, World, open_engine};

const QUEUE: &str = "queue";
/// Bytes of a journal file of which a backlog fills several.
const SMALL_JOURNAL_BYTES: u64 = 256 << 10;
const BATCH: u64 = 256;
const WARM_UP: u64 = 4;

/// Appends to the journal, and waits for each commit.
pub(super) fn journal_1k(dir: &Path) -> u64 {
    const RECORDS: u64 = 64;
    const BATCHES: u64 = 32;
    // The first journal file, of 1 MiB, is full by then.
    const WARM_UP: u64 = 24;
    let options = Options {
        journal_bytes: JOURNAL_BYTES,
        ..Options::default()
    };
    let (mut store, _) = Store::open(Arc::new(RealDisk::new()), dir, options, Hooks::default())
        .expect("the directory can be opened");
    let mut log = store.shard(0);
    let (bell, waker) = Bell::new();
    log.set_waker(Arc::new(move || waker.wake_by_ref()));
    let body = vec![b'x'; 1 << 10];
    let (mut sequence, mut counter) = (0, Counter::default());
    for batch in 0..WARM_UP + BATCHES {
        if batch == WARM_UP {
            counter.start();
        }
        let submitted = counter.run(|| {
            for _ in 0..RECORDS {
                log.append_message(&[(QueueId(1), Sequence(sequence))], &[&body]);
                sequence += 1;
            }
            log.submit()
        });
        while !(log.durable() == submitted && bell.take()) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    RECORDS * BATCHES
}

/// Publishes to a queue that nobody reads.
pub(super) fn backlog_in(dir: &Path) -> u64 {
    let mut world = World::with_journal(dir, SMALL_JOURNAL_BYTES);
    publish_backlog(&mut world, 100, 16)
}

/// Leaves a data directory in which most messages are in segments.
pub(super) fn prepare_backlog(dir: &Path) {
    let mut world = World::with_journal(dir, SMALL_JOURNAL_BYTES);
    publish_backlog(&mut world, 100, 12);
    world.close();
}

/// Reads it.
pub(super) fn backlog_out(dir: &Path) -> u64 {
    let mut world = World::with_journal(dir, SMALL_JOURNAL_BYTES);
    let consumer = world.connect();
    world.counter.start();
    world.consume(consumer, QUEUE, Some(256), &[]);
    let (all, mut acknowledged) = (16 * BATCH, 0);
    while acknowledged < all {
        world.wait(|world| world.peers[consumer].inbox.delivered > acknowledged);
        let delivered = world.peers[consumer].inbox.delivered;
        world.send(consumer, &frames::acks(acknowledged + 1..=delivered));
        acknowledged = delivered;
    }
    acknowledged
}

/// Leaves a data directory as a process that was killed would.
pub(super) fn prepare_recovery(dir: &Path) {
    let mut world = World::open(dir);
    publish_backlog(&mut world, 1 << 10, 36);
    world.close();
}

/// Starts on it.
pub(super) fn recovery(dir: &Path) -> u64 {
    let kept = Counter::started().run(|| open_engine(dir, JOURNAL_BYTES));
    std::mem::forget(kept);
    40 * BATCH
}

fn publish_backlog(world: &mut World, body_bytes: usize, batches: u64) -> u64 {
    let producer = world.connect();
    world.declare(producer, QUEUE, true, &[]);
    world.request(producer, ConfirmSelect::default());
    let flow = Flow {
        body_bytes,
        batch: BATCH,
        warm_up: WARM_UP,
        batches,
    };
    flow.run(world, producer, true, &mut |world, published| {
        world.wait(|world| world.peers[producer].inbox.confirmed == published);
    })
}
