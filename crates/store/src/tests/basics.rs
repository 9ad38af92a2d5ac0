//! What a caller sees on a disk that behaves.

use std::path::Path;
use std::sync::Arc;

use super::rig::{DIR, Rig, small};
use crate::disk::faulty::FaultyDisk;
use crate::{Failure, Hooks, Options, Position, Store};

fn payload(number: u64, bytes: usize) -> Vec<u8> {
    let start = number.to_le_bytes();
    start.iter().copied().cycle().take(bytes).collect()
}

#[test]
fn durable_messages_survive_a_power_cut() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    let first = rig.publish(&[1], b"one", true);
    rig.publish(&[1, 3], b"two", true);
    assert_eq!(first, Position(1));
    rig.flush();
    rig.publish(&[1], b"not submitted", true);
    let rig = rig.crash(7, small());
    assert_eq!(rig.queues[&1].held.len(), 2);
    assert_eq!(rig.queues[&3].held[&0].payload.as_ref(), b"two");
    assert_eq!(rig.queues[&1].next, 2);
}

#[test]
fn flowing_traffic_is_released_with_its_journal_file() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for number in 0..400 {
        rig.publish(&[1], &payload(number, 1000), true);
        rig.flush();
        rig.ack(1, number, number);
        rig.flush();
        rig.service().unwrap();
    }
    rig.quiesce();
    assert_eq!(rig.segment_files(), Vec::<std::path::PathBuf>::new());
    let rig = rig.crash(3, small());
    assert_eq!(rig.queues[&1].next, 400);
    assert!(rig.queues[&1].held.is_empty());
}

#[test]
fn what_outlives_its_file_is_settled_and_read_back() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for number in 0..300 {
        rig.publish(&[1], &payload(number, 700), true);
        rig.publish(&[2], &payload(number, 10), number % 3 != 0);
        rig.flush();
        rig.service().unwrap();
    }
    rig.quiesce();
    assert!(rig.queues[&1].log.live_count() > 200);
    assert!(rig.segment_files().len() > 10);
    let mut rig = rig.crash(3, small());
    assert_eq!(rig.world()[&1].len(), 300);
    assert_eq!(rig.world()[&2].len(), 200);
    rig.ack(1, 0, 150);
    rig.ack(1, 200, 210);
    rig.note(1, 160, 5);
    rig.quiesce();
    let mut rig = rig.crash(4, small());
    assert_eq!(rig.world()[&1].len(), 138);
    assert_eq!(rig.world()[&1][&160].note, 5);
    rig.purge(1, 300);
    rig.flush();
    let left = rig.segment_files().len();
    rig.wait("the segments of queue 1 are deleted", move |rig| {
        let name = |path: &Path| path.to_string_lossy().contains("/0000000001-");
        left > 0 && !rig.segment_files().iter().any(|path| name(path))
    });
}

#[test]
fn a_dropped_queue_leaves_nothing() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for number in 0..100 {
        rig.publish(&[1], &payload(number, 700), true);
    }
    rig.settle(1, 50).unwrap();
    rig.flush();
    rig.remove(1);
    rig.flush();
    rig.wait("segments are deleted", |rig| rig.segment_files().is_empty());
    let rig = rig.crash(1, small());
    assert!(rig.queues.is_empty());
}

#[test]
fn recovering_twice_finds_the_same() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for number in 0..90 {
        rig.publish(&[1], &payload(number, 900), true);
        rig.publish(&[2], &payload(number, 30), true);
        rig.flush();
        rig.service().unwrap();
    }
    rig.ack(1, 3, 40);
    rig.flush();
    let mut expected = rig.world();
    expected.retain(|_, messages| !messages.is_empty());
    for round in 0..5 {
        rig = rig.crash(round, small());
        assert_eq!(rig.world(), expected);
    }
}

#[test]
fn a_second_server_is_refused() {
    let disk = FaultyDisk::new(1);
    let rig = Rig::new(disk.clone(), small());
    let second = Store::open(Arc::new(disk), Path::new(DIR), small(), Hooks::default());
    assert!(matches!(second, Err(Failure::Locked { .. })));
    rig.close().1.unwrap();
}

#[test]
fn another_number_of_shards_finds_the_same_queues() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for queue in 0..6 {
        for number in 0..40 {
            rig.publish(&[queue], &payload(number, 500), true);
        }
    }
    rig.settle(2, 13).unwrap();
    rig.flush();
    rig.service().unwrap();
    let expected = rig.world();
    for shards in [1, 3, 2] {
        rig = rig.restart(Options { shards, ..small() });
        assert_eq!(rig.world(), expected);
        rig.quiesce();
    }
}

#[test]
fn publishers_are_slowed_only_while_shards_lag() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    let publish_file = |rig: &mut Rig| {
        for number in 0..16 {
            rig.publish(&[1], &payload(number, 3000), true);
            rig.flush();
        }
    };
    publish_file(&mut rig);
    assert!(!rig.shards[0].backpressure());
    publish_file(&mut rig);
    publish_file(&mut rig);
    assert!(rig.shards[0].backpressure(), "two full files wait");
    rig.wait("backpressure ends", |rig| {
        rig.service().unwrap();
        !rig.shards[0].backpressure()
    });
    publish_file(&mut rig);
    publish_file(&mut rig);
    publish_file(&mut rig);
    let rig = rig.restart(small());
    assert!(
        !rig.shards[0].backpressure(),
        "a restart alone slows nobody"
    );
}

#[test]
fn notes_of_acked_messages_are_forgotten() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for number in 0..30 {
        rig.publish(&[1], &payload(number, 100), true);
    }
    rig.flush();
    rig = rig.restart(small());
    rig.quiesce();
    rig.note(1, 3, 9);
    rig.note(1, 4, 2);
    rig.ack(1, 3, 3);
    rig.flush();
    let mut rig = rig.crash(1, small());
    assert_eq!(rig.queues[&1].log.notes(), 1);
    assert_eq!(rig.world()[&1][&4].note, 2);
}

#[test]
fn closing_at_once_loses_nothing_that_was_submitted() {
    // The committer is between looking and stopping in some of these.
    for round in 0..300 {
        let mut rig = Rig::new(FaultyDisk::new(round), small());
        rig.publish(&[1], b"last words", true);
        for _ in 0..round % 60 {
            std::hint::spin_loop();
        }
        let rig = rig.restart(small());
        assert_eq!(rig.queues[&1].held.len(), 1, "round {round}");
    }
}
