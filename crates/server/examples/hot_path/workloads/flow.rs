//! One producer, one queue, one consumer.

use std::path::Path;

use codec::amqp::field::Table;
use codec::amqp::method::ConfirmSelect;

use crate::frames::{self, Message};
use crate::world::{PeerIndex, World};

const QUEUE: &str = "queue";
/// Batches that go before those that are counted: buffers have their size and caches their content by then.
const WARM_UP: u64 = 4;
/// The same where 64 KiB a batch are logged: the first journal file, of 1 MiB, is full by then.
const WARM_UP_LOGGED: u64 = 24;

/// How the messages come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) body_bytes: usize,
    /// Messages in one read of the producer's socket.
    pub(super) batch: u64,
    /// Batches that are not counted, and those that are.
    pub(super) warm_up: u64,
    pub(super) batches: u64,
}

impl Flow {
    /// Publishes one batch after the other and hands each to `after` when all that it causes is done.
    pub(super) fn run(
        self,
        world: &mut World,
        producer: PeerIndex,
        persistent: bool,
        after: &mut dyn FnMut(&mut World, u64),
    ) -> u64 {
        let message = Message {
            exchange: "",
            body_bytes: self.body_bytes,
            persistent,
        };
        for number in 0..self.warm_up + self.batches {
            if number == self.warm_up {
                world.counter.start();
            }
            let input = frames::publishes(message, (0..self.batch).map(|_| QUEUE));
            world.send(producer, &input);
            after(world, (number + 1) * self.batch);
        }
        self.batches * self.batch
    }
}

/// 16 B, published and delivered.
pub(super) fn transient_16(dir: &Path) -> u64 {
    transient(dir, 16, 256)
}

/// The same with 1 KiB.
pub(super) fn transient_1k(dir: &Path) -> u64 {
    transient(dir, 1 << 10, 64)
}

/// The same with 16 KiB.
pub(super) fn transient_16k(dir: &Path) -> u64 {
    transient(dir, 16 << 10, 8)
}

fn transient(dir: &Path, body_bytes: usize, batch: u64) -> u64 {
    let mut world = World::open(dir);
    let (producer, consumer) = (world.connect(), world.connect());
    world.declare(producer, QUEUE, false, &[]);
    world.consume(consumer, QUEUE, None, &[]);
    let flow = Flow {
        body_bytes,
        batch,
        warm_up: WARM_UP,
        batches: 2_048 / batch,
    };
    flow.run(&mut world, producer, false, &mut |world, published| {
        let delivered = world.peers[consumer].inbox.delivered;
        assert_eq!(delivered, published, "every message is delivered");
    })
}

/// 1 KiB, confirmed and acknowledged.
pub(super) fn durable_1k(dir: &Path) -> u64 {
    durable(dir, 64, WARM_UP_LOGGED, 32)
}

/// The same with one message in flight.
pub(super) fn durable_one(dir: &Path) -> u64 {
    durable(dir, 1, WARM_UP, 64)
}

fn durable(dir: &Path, batch: u64, warm_up: u64, batches: u64) -> u64 {
    let mut world = World::open(dir);
    let (producer, consumer) = (world.connect(), world.connect());
    world.declare(producer, QUEUE, true, &[]);
    world.request(producer, ConfirmSelect::default());
    world.consume(consumer, QUEUE, Some(1_000), &[]);
    let flow = Flow {
        body_bytes: 1 << 10,
        batch,
        warm_up,
        batches,
    };
    flow.run(&mut world, producer, true, &mut |world, published| {
        world.wait(|world| world.peers[producer].inbox.confirmed == published);
        acknowledge(world, consumer, published - batch, published);
    })
}

/// Acknowledges the deliveries after `from` up to `until`, each by itself.
fn acknowledge(world: &mut World, consumer: PeerIndex, from: u64, until: u64) {
    let delivered = world.peers[consumer].inbox.delivered;
    assert_eq!(delivered, until, "every message is delivered");
    world.send(consumer, &frames::acks(from + 1..=until));
}

/// A stream that is read while it grows.
pub(super) fn stream_1k(dir: &Path) -> u64 {
    const BATCH: u64 = 64;
    let mut world = World::open(dir);
    let (producer, consumer) = (world.connect(), world.connect());
    let (mut kind, mut offset) = (Table::new(), Table::new());
    kind.insert("x-queue-type", "stream");
    offset.insert("x-stream-offset", "first");
    world.declare(producer, QUEUE, true, &encoded(&kind));
    world.request(producer, ConfirmSelect::default());
    world.consume(consumer, QUEUE, Some(1_000), &encoded(&offset));
    let flow = Flow {
        body_bytes: 1 << 10,
        batch: BATCH,
        warm_up: WARM_UP_LOGGED,
        // All of it stays below what a stream keeps in memory.
        batches: 24,
    };
    flow.run(&mut world, producer, true, &mut |world, published| {
        world.wait(|world| {
            let (producer, consumer) = (&world.peers[producer], &world.peers[consumer]);
            producer.inbox.confirmed == published && consumer.inbox.delivered == published
        });
        acknowledge(world, consumer, published - BATCH, published);
    })
}

/// A table's fields without the length before them.
pub(super) fn encoded(table: &Table) -> Vec<u8> {
    table.to_bytes()
}
