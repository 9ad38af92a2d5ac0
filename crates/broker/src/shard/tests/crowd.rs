use super::super::rig::Rig;
use crate::arguments::QueueOptions;
use crate::limits::{OUTBOX_BYTES_MAX, PACED_BYTES, PACED_STALL_MS};

const BODY_BYTES: usize = 16 << 10;

/// A queue whose one consumer has just taken something and has no room for more.
fn held_up() -> Rig {
    let mut rig = Rig::with(QueueOptions::default());
    rig.consume("q", 1, 0);
    rig.gauge.add(OUTBOX_BYTES_MAX + 1);
    let _ = rig.gauge.written(1);
    rig
}

fn publish(rig: &mut Rig, bytes: usize) {
    let body = "x".repeat(BODY_BYTES);
    for _ in 0..bytes / BODY_BYTES {
        rig.publish("q", &body);
    }
}

#[test]
fn a_queue_is_crowded_once_it_is_long_and_its_consumers_sockets_are_full() {
    let mut rig = held_up();
    publish(&mut rig, PACED_BYTES / 2);
    assert_eq!(rig.shard.take_crowd(), None, "it is short");
    publish(&mut rig, PACED_BYTES);
    let crowd = rig.shard.take_crowd().expect("it is long");
    assert_eq!(crowd.queue, rig.place("q"));
    assert_eq!(rig.shard.take_crowd(), None, "taken");
    assert_eq!(rig.shard.crowd(crowd.queue, rig.now_ms), Some(crowd));
    let _ = rig.gauge.written(OUTBOX_BYTES_MAX);
    for _ in 0..2 * PACED_BYTES / OUTBOX_BYTES_MAX {
        rig.resume("q");
    }
    assert_eq!(rig.statistics("q").ready, 0);
    assert_eq!(rig.shard.crowd(crowd.queue, rig.now_ms), None, "drained");
}

#[test]
fn what_went_to_the_disk_counts_too() {
    let mut rig = held_up();
    publish(&mut rig, PACED_BYTES * 2);
    rig.settle_all();
    assert!(rig.statistics("q").resident_bytes < PACED_BYTES as u64);
    let _ = rig.shard.take_crowd();
    publish(&mut rig, BODY_BYTES);
    assert!(rig.shard.take_crowd().is_some());
}

#[test]
fn a_consumer_that_does_not_read_makes_no_crowd_until_it_reads_again() {
    let mut rig = held_up();
    publish(&mut rig, PACED_BYTES * 2);
    let crowd = rig.shard.take_crowd().expect("it read a moment ago");
    rig.now_ms += PACED_STALL_MS;
    assert_eq!(rig.shard.crowd(crowd.queue, rig.now_ms), None);
    publish(&mut rig, BODY_BYTES);
    assert_eq!(rig.shard.take_crowd(), None);
    let _ = rig.gauge.written(1);
    publish(&mut rig, BODY_BYTES);
    assert!(rig.shard.take_crowd().is_some());
}

#[test]
fn consumers_that_are_served_again_are_counted() {
    let mut rig = held_up();
    publish(&mut rig, PACED_BYTES * 2);
    let before = rig.shard.take_crowd().expect("a crowd");
    let _ = rig.gauge.written(1);
    rig.resume("q");
    let after = rig.shard.crowd(before.queue, rig.now_ms);
    assert_eq!(after.map(|crowd| crowd.resumed), Some(before.resumed + 1));
}

#[test]
fn a_queue_without_consumers_is_never_crowded() {
    let mut rig = Rig::with(QueueOptions::default());
    publish(&mut rig, PACED_BYTES * 3);
    assert_eq!(rig.shard.take_crowd(), None);
}

#[test]
fn a_queue_is_crowded_until_it_has_heard_of_the_room() {
    let mut rig = held_up();
    publish(&mut rig, PACED_BYTES * 2);
    let crowd = rig.shard.take_crowd().expect("a crowd");
    assert!(rig.gauge.written(OUTBOX_BYTES_MAX), "it is to be resumed");
    // Its consumer's shard has written; the letter that says so is on its way.
    assert_eq!(rig.shard.crowd(crowd.queue, rig.now_ms), Some(crowd));
    rig.resume("q");
    let _ = rig.gauge.written(usize::MAX / 2);
    rig.gauge.resumed();
    assert_eq!(rig.shard.crowd(crowd.queue, rig.now_ms), None);
}
