//! Many queues, bindings or connections.

use std::path::Path;

use codec::amqp::method::{ExchangeDeclare, QueueBind};

use crate::frames::{self, Message};
use crate::world::{PeerIndex, World};

const EXCHANGE: &str = "exchange";
/// Rounds that go before those that are counted.
const WARM_UP: usize = 2;

fn declare_exchange(world: &mut World, peer: PeerIndex, kind: &str) {
    let declare = ExchangeDeclare {
        exchange: EXCHANGE,
        kind,
        ..ExchangeDeclare::default()
    };
    world.request(peer, declare);
}

fn bind(world: &mut World, peer: PeerIndex, queue: &str, routing_key: &str) {
    let bind = QueueBind {
        queue,
        exchange: EXCHANGE,
        routing_key,
        ..QueueBind::default()
    };
    world.request(peer, bind);
}

fn delivered(world: &World) -> u64 {
    world.peers.iter().map(|peer| peer.inbox.delivered).sum()
}

/// One message to 100 queues.
pub(super) fn fanout_100(dir: &Path) -> u64 {
    const QUEUES: u64 = 100;
    const BATCH: u64 = 8;
    const ROUNDS: usize = 8;
    let mut world = World::open(dir);
    let producer = world.connect();
    declare_exchange(&mut world, producer, "fanout");
    for number in 0..QUEUES {
        let (queue, consumer) = (format!("queue-{number:04}"), world.connect());
        world.declare(consumer, &queue, false, &[]);
        bind(&mut world, producer, &queue, "");
        world.consume(consumer, &queue, None, &[]);
    }
    let message = Message {
        exchange: EXCHANGE,
        body_bytes: 100,
        persistent: false,
    };
    let mut counted = 0;
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            world.counter.start();
        }
        let before = delivered(&world);
        world.send(
            producer,
            &frames::publishes(message, (0..BATCH).map(|_| "")),
        );
        let new = delivered(&world) - before;
        assert_eq!(new, BATCH * QUEUES, "every queue has every message");
        counted += if round < WARM_UP { 0 } else { new };
    }
    counted
}

/// Topic bindings of three words, half of them with wildcards; each key meets one of them.
pub(super) fn topic_1000(dir: &Path) -> u64 {
    const BINDINGS: usize = 1_000;
    const KEYS: usize = 256;
    const ROUNDS: usize = 8;
    let mut world = World::open(dir);
    let (producer, consumer) = (world.connect(), world.connect());
    declare_exchange(&mut world, producer, "topic");
    for queue in ["exact", "star", "hash"] {
        world.declare(producer, queue, false, &[]);
        world.consume(consumer, queue, None, &[]);
    }
    for number in 0..BINDINGS {
        let (region, device) = (number % 10, number / 10);
        let (queue, key) = match number % 4 {
            0 => ("star", format!("region-{region}.*.device-{device}")),
            1 => ("hash", format!("region-{region}.floor-{device}.#")),
            _ => (
                "exact",
                format!("region-{region}.floor-{device}.device-{device}"),
            ),
        };
        bind(&mut world, producer, queue, &key);
    }
    let message = Message {
        exchange: EXCHANGE,
        body_bytes: 16,
        persistent: false,
    };
    let keys: Vec<String> = (0..KEYS)
        .map(|number| {
            let (region, device) = (number % 10, number / 10);
            format!("region-{region}.floor-{device}.device-{device}")
        })
        .collect();
    for round in 0..WARM_UP + ROUNDS {
        if round == WARM_UP {
            world.counter.start();
        }
        let before = delivered(&world);
        let keys = keys.iter().map(String::as_str);
        world.send(producer, &frames::publishes(message, keys));
        let new = delivered(&world) - before;
        assert_eq!(new, KEYS as u64, "every key meets one binding");
    }
    (KEYS * ROUNDS) as u64
}

/// 1,000 lanes of one message at a time: what a wake-up costs among many connections.
pub(super) fn queues_1000(dir: &Path) -> u64 {
    const LANES: usize = 1_000;
    const ROUNDS: usize = 2;
    let mut world = World::open(dir);
    let mut lanes = Vec::with_capacity(LANES);
    for number in 0..LANES {
        let queue = format!("queue-{number:04}");
        let (producer, consumer) = (world.connect(), world.connect());
        world.declare(producer, &queue, false, &[]);
        world.consume(consumer, &queue, None, &[]);
        lanes.push((producer, queue));
    }
    let message = Message {
        exchange: "",
        body_bytes: 16,
        persistent: false,
    };
    for round in 0..1 + ROUNDS {
        if round == 1 {
            world.counter.start();
        }
        let before = delivered(&world);
        for (producer, queue) in &lanes {
            let input = frames::publishes(message, std::iter::once(queue.as_str()));
            world.send(*producer, &input);
        }
        let new = delivered(&world) - before;
        assert_eq!(new, LANES as u64, "every lane has its message");
    }
    (LANES * ROUNDS) as u64
}

/// Connections that are opened one after the other.
pub(super) fn connect(dir: &Path) -> u64 {
    const COUNT: u64 = 200;
    let mut world = World::open(dir);
    for _ in 0..50 {
        world.connect();
    }
    world.counter.start();
    for _ in 0..COUNT {
        world.connect();
    }
    COUNT
}
