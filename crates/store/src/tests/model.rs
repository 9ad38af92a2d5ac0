//! Random operations, restarts and power cuts against the model: no confirmed loss, no phantom, no resurrection, order kept.

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::{Rig, small};
use crate::Options;
use crate::disk::faulty::FaultyDisk;

const QUEUES: u64 = 5;

#[derive(Debug, Clone)]
enum Step {
    Publish {
        queue: u64,
        more: bool,
        bytes: usize,
        durable: bool,
    },
    Ack {
        queue: u64,
        start: usize,
        count: usize,
    },
    Note {
        queue: u64,
        at: usize,
        note: u32,
    },
    Purge {
        queue: u64,
        all: bool,
    },
    Remove {
        queue: u64,
    },
    Settle {
        queue: u64,
        count: usize,
    },
    Submit,
    Flush,
    Service,
    Quiesce,
    Restart {
        shards: usize,
    },
    Crash {
        seed: u64,
        shards: usize,
    },
    PowerOff {
        after: u64,
        seed: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..QUEUES;
    let bytes = prop_oneof![4 => 0_usize..300, 3 => 300_usize..3000, 1 => 3000_usize..20_000];
    prop_oneof![
        30 => (queue.clone(), any::<bool>(), bytes, prop::bool::weighted(0.85))
            .prop_map(|(queue, more, bytes, durable)| Step::Publish { queue, more, bytes, durable }),
        16 => (queue.clone(), 0_usize..8, 1_usize..12)
            .prop_map(|(queue, start, count)| Step::Ack { queue, start, count }),
        3 => (queue.clone(), 0_usize..8, 1_u32..9).prop_map(|(queue, at, note)| Step::Note { queue, at, note }),
        1 => (queue.clone(), any::<bool>()).prop_map(|(queue, all)| Step::Purge { queue, all }),
        1 => queue.clone().prop_map(|queue| Step::Remove { queue }),
        5 => (queue, 0_usize..40).prop_map(|(queue, count)| Step::Settle { queue, count }),
        12 => Just(Step::Submit),
        6 => Just(Step::Flush),
        10 => Just(Step::Service),
        2 => Just(Step::Quiesce),
        1 => (1_usize..4).prop_map(|shards| Step::Restart { shards }),
        4 => (any::<u64>(), 1_usize..4).prop_map(|(seed, shards)| Step::Crash { seed, shards }),
        2 => (0_u64..30, any::<u64>()).prop_map(|(after, seed)| Step::PowerOff { after, seed }),
    ]
}

/// Queue numbers are never used twice, so a removed queue is followed by one with another number in the same place.
struct Numbers([u64; QUEUES as usize]);

impl Numbers {
    fn get(&self, queue: u64) -> u64 {
        self.0[usize::try_from(queue).unwrap()]
    }

    fn retire(&mut self, queue: u64) {
        // A multiple of every number of shards, so that the queue stays with its shard.
        self.0[usize::try_from(queue).unwrap()] += 60;
    }
}

fn perform(mut rig: Rig, numbers: &mut Numbers, step: &Step, serial: u64) -> Rig {
    match *step {
        Step::Publish {
            queue,
            more,
            bytes,
            durable,
        } => {
            let mut payload = serial.to_le_bytes().to_vec();
            payload.resize(bytes.max(8), serial.to_le_bytes()[0]);
            let first = numbers.get(queue);
            let mut queues = vec![first];
            if more {
                let shard = rig.shard_of(first);
                let others = (0..QUEUES).map(|other| numbers.get(other));
                queues.extend(
                    others.filter(|other| *other != first && rig.shard_of(*other) == shard),
                );
            }
            rig.publish(&queues, &payload, durable);
        }
        Step::Ack {
            queue,
            start,
            count,
        } => {
            let live = rig.live(numbers.get(queue));
            let mut chosen = live.iter().skip(start).take(count);
            if let Some(first) = chosen.next() {
                let mut last = first;
                for next in chosen {
                    if *next != last + 1 {
                        break;
                    }
                    last = next;
                }
                rig.ack(numbers.get(queue), *first, *last);
            }
        }
        Step::Note { queue, at, note } => {
            let live = rig.live(numbers.get(queue));
            if let Some(sequence) = live.get(at) {
                rig.note(numbers.get(queue), *sequence, note);
            }
        }
        Step::Purge { queue, all } => {
            let live = rig.live(numbers.get(queue));
            let below = live.get(live.len() / 2).copied().unwrap_or(0);
            rig.purge(numbers.get(queue), if all { below * 2 } else { below });
        }
        Step::Remove { queue } => {
            rig.remove(numbers.get(queue));
            numbers.retire(queue);
        }
        Step::Settle { queue, count } => rig.settle(numbers.get(queue), count).unwrap(),
        Step::Submit => rig.submit(),
        Step::Flush => rig.flush(),
        Step::Service => rig.service().unwrap(),
        Step::Quiesce => rig.quiesce(),
        Step::Restart { shards } => rig = rig.restart(Options { shards, ..small() }),
        Step::Crash { seed, shards } => rig = rig.crash(seed, Options { shards, ..small() }),
        Step::PowerOff { after, seed } => {
            rig.disk.power_off_after(after);
            for round in 0..10 {
                for queue in 0..QUEUES {
                    let payload = [serial.to_le_bytes(), [round; 8]].concat();
                    rig.publish(&[numbers.get(queue)], &payload.repeat(60), true);
                }
                rig.submit();
                // Fails once the power is off; what it promised before must hold.
                let _ = rig.service();
            }
            rig = rig.crash(seed, small());
        }
    }
    rig
}

/// A few dozen, or as many as `PROPTEST_CASES` asks for.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn a_restart_finds_exactly_what_was_durable(seed: u64, steps in vec(step(), 1..160)) {
        let mut rig = Rig::new(FaultyDisk::new(seed), small());
        let mut numbers = Numbers([0, 1, 2, 3, 4]);
        for (serial, step) in steps.iter().enumerate() {
            rig = perform(rig, &mut numbers, step, serial as u64);
        }
        // Whatever happened, it must be stable and survive another cut.
        let mut rig = rig.crash(seed, small());
        let world = rig.world();
        rig.quiesce();
        prop_assert_eq!(rig.world(), world.clone());
        let mut rig = rig.restart(small());
        prop_assert!(rig.damage.is_empty(), "{:?}", rig.damage);
        let mut found = rig.world();
        found.retain(|_, messages| !messages.is_empty());
        let mut world = world;
        world.retain(|_, messages| !messages.is_empty());
        prop_assert_eq!(found, world);
    }
}
