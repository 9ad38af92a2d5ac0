//! Random operations on queues over the real log, with restarts and a failing disk between them, against a small model.
//!
//! # What must hold
//! - `no_confirmed_loss`: what was confirmed, and in fact all that was durable, is there after any end of the process.
//! - `no_phantom`: nothing is delivered or found that was not published, or that was not to survive.
//! - `torn`: every message that is delivered or found has the bytes that were published.
//! - `fifo_per_publisher`: each delivery is the oldest message that is ready.
//! - `no_zombie`: what was acknowledged stays away, once the acknowledgement is durable also after a crash.
//! - `counts_agree`: what a queue says of itself is what the model counts.
//!
//! More exactly: after a crash each shard's queues are as its log had them at one position, not before its durable one.
//!
//! The operations follow from the seed, the store's threads do not: what a crash finds may differ from run to run.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod model;
mod restart;
mod world;

use broker::Outcome;
use proptest::collection::vec;
use proptest::prelude::*;

use model::BODY_BYTES_MIN;
use restart::Ending;
use world::{DELAY_MS_MAX, World};

const QUEUES: usize = 5;

#[derive(Debug, Clone)]
enum Op {
    Publish {
        targets: u8,
        bytes: usize,
        persistent: bool,
        ttl_ms: Option<u64>,
        delay_ms: Option<u64>,
    },
    /// Many at once, so that files fill.
    Burst {
        targets: u8,
        count: usize,
        bytes: usize,
    },
    Consume {
        queue: usize,
        prefetch: u32,
        no_ack: bool,
    },
    Cancel {
        queue: usize,
    },
    Get {
        queue: usize,
        no_ack: bool,
    },
    Settle {
        pick: usize,
        outcome: Outcome,
    },
    /// Acknowledges many at once.
    Acknowledge {
        count: usize,
    },
    Purge {
        queue: usize,
    },
    Replace {
        queue: usize,
    },
    Advance {
        milliseconds: u64,
    },
    Commit {
        shard: usize,
    },
    Submit,
    Turn,
    Flush,
    FailWrite {
        after: u64,
    },
    FailSync {
        after: u64,
    },
    PowerOff {
        after: u64,
    },
    Fill {
        spare: u64,
    },
    Free,
    Restart {
        ending: Ending,
        shards: usize,
    },
}

fn perform(world: &mut World, op: &Op) {
    match *op {
        Op::Publish {
            targets,
            bytes,
            persistent,
            ttl_ms,
            delay_ms,
        } => world.publish(targets, bytes, persistent, ttl_ms, delay_ms),
        Op::Burst {
            targets,
            count,
            bytes,
        } => {
            for _ in 0..count {
                world.publish(targets, bytes, true, None, None);
                world.submit();
            }
        }
        Op::Consume {
            queue,
            prefetch,
            no_ack,
        } => world.consume(queue, prefetch, no_ack),
        Op::Cancel { queue } => world.cancel(queue),
        Op::Get { queue, no_ack } => {
            world.get(queue, no_ack);
        }
        Op::Settle { pick, outcome } => {
            world.settle(pick, outcome);
        }
        Op::Acknowledge { count } => {
            for _ in 0..count {
                world.settle(0, Outcome::Acked);
            }
        }
        Op::Purge { queue } => world.purge(queue),
        Op::Replace { queue } => world.replace(queue),
        Op::Advance { milliseconds } => world.now_ms += milliseconds,
        Op::Commit { shard } => world.commit(shard),
        Op::Submit => world.submit(),
        Op::Turn => world.turn(),
        Op::Flush => world.flush(),
        Op::FailWrite { after } => world.disk.fail_write(after),
        Op::FailSync { after } => world.disk.fail_sync(after),
        Op::PowerOff { after } => world.disk.power_off_after(after),
        Op::Fill { spare } => world.fill(spare),
        Op::Free => world.free(),
        Op::Restart { ending, shards } => world.restart(ending, shards),
    }
    world.inspect();
}

fn publish() -> BoxedStrategy<Op> {
    // Some are larger than a segment, a few larger than a journal file.
    let bytes = prop_oneof![
        12 => BODY_BYTES_MIN..300,
        6 => 300_usize..5_000,
        3 => 5_000_usize..20_000,
        1 => 60_000_usize..90_000,
    ];
    let ttl_ms = prop_oneof![5 => Just(None), 1 => (1..120_u64).prop_map(Some)];
    let targets =
        prop_oneof![3 => (0..QUEUES).prop_map(|queue| 1 << queue), 1 => 1_u8..1 << QUEUES];
    let delay_ms = prop_oneof![4 => Just(None), 1 => (0..DELAY_MS_MAX).prop_map(Some)];
    (targets, bytes, prop::bool::weighted(0.85), ttl_ms, delay_ms)
        .prop_map(
            |(targets, bytes, persistent, ttl_ms, delay_ms)| Op::Publish {
                targets,
                bytes,
                persistent,
                ttl_ms,
                delay_ms,
            },
        )
        .boxed()
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::Acked),
        3 => Just(Outcome::Requeued),
        1 => Just(Outcome::Recovered),
        1 => Just(Outcome::Rejected),
    ]
}

fn client_op() -> BoxedStrategy<Op> {
    let queue = 0..QUEUES;
    prop_oneof![
        24 => publish(),
        3 => (1_u8..1 << QUEUES, 1_usize..12, 500_usize..9_000)
            .prop_map(|(targets, count, bytes)| Op::Burst { targets, count, bytes }),
        4 => (queue.clone(), 0_u32..5, prop::bool::weighted(0.15))
            .prop_map(|(queue, prefetch, no_ack)| Op::Consume { queue, prefetch, no_ack }),
        2 => queue.clone().prop_map(|queue| Op::Cancel { queue }),
        8 => (queue.clone(), prop::bool::weighted(0.4)).prop_map(|(queue, no_ack)| Op::Get { queue, no_ack }),
        14 => (any::<usize>(), outcome()).prop_map(|(pick, outcome)| Op::Settle { pick, outcome }),
        2 => (1_usize..20).prop_map(|count| Op::Acknowledge { count }),
        1 => queue.clone().prop_map(|queue| Op::Purge { queue }),
        1 => queue.prop_map(|queue| Op::Replace { queue }),
        3 => any::<usize>().prop_map(|shard| Op::Commit { shard }),
    ]
    .boxed()
}

fn engine_op() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => (1_u64..60).prop_map(|milliseconds| Op::Advance { milliseconds }),
        8 => Just(Op::Submit),
        10 => Just(Op::Turn),
        6 => Just(Op::Flush),
    ]
    .boxed()
}

fn fault() -> BoxedStrategy<Op> {
    let ending = prop_oneof![
        3 => any::<u64>().prop_map(Ending::Cut),
        1 => Just(Ending::Kill),
        1 => Just(Ending::Clean),
    ];
    prop_oneof![
        1 => (0_u64..12).prop_map(|after| Op::FailWrite { after }),
        1 => (0_u64..12).prop_map(|after| Op::FailSync { after }),
        1 => (0_u64..25).prop_map(|after| Op::PowerOff { after }),
        1 => (0_u64..150_000).prop_map(|spare| Op::Fill { spare }),
        2 => Just(Op::Free),
        8 => (ending, 1_usize..4).prop_map(|(ending, shards)| Op::Restart { ending, shards }),
    ]
    .boxed()
}

/// Enough for each build, or as many as `PROPTEST_CASES` asks for.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn queues_on_disk_behave_as_their_model(
        seed: u64,
        shards in 1_usize..4,
        ops in vec(prop_oneof![20 => client_op(), 8 => engine_op(), 1 => fault()], 1..200),
    ) {
        let mut world = World::new(seed, shards);
        for op in &ops {
            perform(&mut world, op);
        }
        // Whatever happened, it must be stable, survive another cut, and be there to the last message.
        world.restart(Ending::Cut(seed), shards);
        world.restart(Ending::Clean, 2);
        world.wind_up();
        world.restart(Ending::Clean, shards);
        for queue in &world.queues {
            prop_assert!(queue.messages.is_empty(), "no_zombie: {:?}", queue.messages);
        }
    }
}

const PUBLISH: Op = Op::Publish {
    targets: 1,
    bytes: 2000,
    persistent: true,
    ttl_ms: None,
    delay_ms: None,
};

#[test]
fn a_commit_waits_for_acknowledgements_alone() {
    let mut world = World::new(1, 1);
    let acknowledge = Op::Acknowledge { count: 1 };
    let get = Op::Get {
        queue: 0,
        no_ack: false,
    };
    for op in [
        PUBLISH,
        get,
        Op::Flush,
        acknowledge,
        Op::Commit { shard: 0 },
    ] {
        perform(&mut world, &op);
    }
    assert_eq!(world.commits[0].len(), 1, "the answer is still to come");
    world.flush();
    assert!(world.commits[0].is_empty());
}

#[test]
fn what_a_start_after_a_failed_sync_found_survives_a_power_cut() {
    let mut world = World::new(1, 1);
    for op in [
        PUBLISH,
        Op::Flush,
        Op::FailSync { after: 0 },
        PUBLISH,
        Op::Flush,
    ] {
        perform(&mut world, &op);
    }
    assert!(world.is_stopped());
    world.restart(Ending::Kill, 1);
    assert_eq!(
        world.queues[0].messages.len(),
        2,
        "what was written is there"
    );
    world.restart(Ending::Cut(1), 1);
    assert_eq!(world.queues[0].messages.len(), 2);
}

#[test]
fn a_full_disk_holds_confirms_back_and_nothing_else() {
    let mut world = World::new(1, 1);
    for op in [PUBLISH, Op::Flush, Op::Fill { spare: 0 }] {
        perform(&mut world, &op);
    }
    // More than what the journal has reserved.
    for _ in 0..60 {
        world.publish(1, 2000, true, None, None);
    }
    world.flush();
    for _ in 0..30 {
        assert!(world.get(0, false));
        assert!(world.settle(0, Outcome::Acked));
        world.turn();
    }
    assert!(!world.is_stopped(), "a full disk is no failed disk");
    assert!(
        !world.unconfirmed.is_empty(),
        "nothing is promised without room"
    );
    world.free();
    world.flush();
    world.restart(Ending::Cut(3), 1);
    assert_eq!(world.queues[0].messages.len(), 31);
    world.wind_up();
}

#[test]
fn a_delayed_message_is_durable_when_it_is_confirmed_and_waits_through_a_restart() {
    for ending in [Ending::Cut(7), Ending::Kill, Ending::Clean] {
        let mut world = World::new(1, 2);
        world.publish(0b11, 300, true, None, Some(100));
        world.publish(0b11, 300, true, None, None);
        world.publish(0b11, 300, false, None, Some(100));
        // Files fill, so that what waits is settled.
        for _ in 0..60 {
            world.publish(0b1, 5000, true, None, Some(150));
            world.turn();
            world.flush();
        }
        assert!(world.unconfirmed.is_empty());
        // Of those that are persistent; what finds the journal full is not published.
        let taken = world.queues[0].waiting() - 1;
        assert!(taken > 1, "{taken} wait");
        world.restart(ending, 1);
        assert_eq!(world.queues[0].waiting(), taken);
        assert!(world.get(0, true) && !world.get(0, true));
        world.now_ms += 100;
        world.turn();
        assert!(world.get(0, false) && !world.get(0, true));
        world.flush();
        world.restart(ending, 2);
        assert!(world.get(0, true) && world.get(1, true) && world.get(1, true));
        world.wind_up();
    }
}

#[test]
fn a_publish_that_is_repeated_after_a_restart_is_known_even_if_it_was_consumed() {
    for ending in [Ending::Cut(5), Ending::Kill, Ending::Clean] {
        let mut world = World::new(1, 2);
        let ids = ["consumed", "kept", "newest"];
        assert_eq!(world.publish_once(0, ids[0]), (1, false));
        assert_eq!(world.publish_once(0, ids[1]), (2, false));
        assert!(world.get(0, false) && world.settle(0, Outcome::Acked));
        world.flush();
        // Files fill, so that ids are settled.
        for _ in 0..60 {
            world.publish(0b1, 5000, true, None, None);
            world.turn();
            world.flush();
        }
        let (newest, is_duplicate) = world.publish_once(0, ids[2]);
        assert!(newest > 1 && !is_duplicate);
        world.flush();
        for shards in [1, 3, 2] {
            world.restart(ending, shards);
            for (id, first) in ids.into_iter().zip([1, 2, newest]) {
                assert_eq!(world.publish_once(0, id), (first, true), "{id}");
            }
            world.flush();
            assert!(world.unconfirmed.is_empty());
        }
        world.now_ms += 300_000;
        world.turn();
        assert!(!world.publish_once(0, ids[0]).1, "the window has passed");
        world.wind_up();
    }
}
