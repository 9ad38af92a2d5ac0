//! A queue on a disk that cannot be read, or takes nothing more.

use super::*;
use crate::arguments::Overflow;
use crate::limits::{BACKLOG_RETRY_MS, QUEUE_RESIDENT_BYTES_MAX, SETTLE_RETRY_MS};

/// Makes the queue `q` unreadable or readable again; returns how many reads failed meanwhile.
fn fail_reads(rig: &mut Rig, fail: bool) -> u64 {
    let (_, mut backlogs) = rig.shard.durable_backlogs();
    backlogs.next().expect("a queue").0.fail_reads(fail)
}

#[test]
fn nothing_passes_messages_that_cannot_be_read() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3"]);
    rig.settle_all();
    fail_reads(&mut rig, true);
    publish_all(&mut rig, &["4"]);
    assert!(rig.get("q", true).is_none());
    rig.consume("q", 1, 10);
    publish_all(&mut rig, &["5"]);
    assert_eq!(
        rig.take().len(),
        0,
        "4 and 5 are in memory, and behind the others"
    );
    assert_eq!(rig.ready("q"), 5, "none is taken for gone");
    assert_eq!(
        fail_reads(&mut rig, true),
        1,
        "it is not tried with every message"
    );
    rig.advance(BACKLOG_RETRY_MS);
    assert_eq!(
        fail_reads(&mut rig, false),
        1,
        "it is tried again by the clock alone"
    );
    assert_eq!(rig.take().len(), 0);
    rig.advance(BACKLOG_RETRY_MS);
    assert_eq!(rig.bodies(), ["1", "2", "3", "4", "5"]);
    assert_eq!((rig.ready("q"), rig.shard.next_deadline()), (0, None));
}

#[test]
fn a_message_that_came_back_waits_for_the_disk_too() {
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        let mut rig = with_dead(kind, options());
        publish_all(&mut rig, &["1", "2"]);
        rig.consume("q", 1, 2);
        let got = rig.take();
        rig.settle_all();
        fail_reads(&mut rig, true);
        // To the dead letters it can go only with its content.
        rig.settle(&got[0], Outcome::Rejected);
        assert_eq!((rig.dead.len(), rig.ready("q")), (0, 1));
        rig.settle(&got[1], Outcome::Recovered);
        assert_eq!((rig.take().len(), rig.ready("q")), (0, 2));
        fail_reads(&mut rig, false);
        rig.advance(BACKLOG_RETRY_MS);
        assert_eq!(rig.bodies(), ["1", "2"]);
    }
}

#[test]
fn what_expires_or_is_too_much_waits_for_the_disk() {
    let mut rig = with_dead(
        QueueKind::Classic,
        QueueOptions {
            message_ttl_ms: Some(100),
            length_max: Some(2),
            overflow: Some(Overflow::DropHead),
            ..options()
        },
    );
    publish_all(&mut rig, &["1", "2"]);
    rig.settle_all();
    fail_reads(&mut rig, true);
    publish_all(&mut rig, &["3"]);
    rig.advance(100);
    assert_eq!((rig.dead.len(), rig.ready("q")), (0, 3));
    fail_reads(&mut rig, false);
    rig.advance(BACKLOG_RETRY_MS);
    let dead: Vec<_> = rig.dead.iter().map(|dead| &*dead.body).collect();
    assert_eq!(dead, ["1", "2", "3"]);
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn messages_by_priority_wait_for_the_disk() {
    let mut rig = Rig::with(QueueOptions {
        priority_max: Some(3),
        ..options()
    });
    publish_all(&mut rig, &["1", "2"]);
    rig.settle_all();
    fail_reads(&mut rig, true);
    rig.consume("q", 1, 10);
    assert_eq!((rig.take().len(), rig.ready("q")), (0, 2));
    fail_reads(&mut rig, false);
    rig.advance(BACKLOG_RETRY_MS);
    assert_eq!(rig.bodies(), ["1", "2"]);
}

#[test]
fn a_full_disk_is_not_tried_with_every_message() {
    let mut rig = Rig::with(options());
    rig.shard.log().settles_left = Some(0);
    let body = "x".repeat(QUEUE_RESIDENT_BYTES_MAX / 8);
    (0..40).for_each(|_| rig.publish("q", &body));
    assert_eq!(rig.shard.log().refused_settles, 1);
    rig.now_ms += SETTLE_RETRY_MS;
    rig.publish("q", &body);
    rig.publish("q", &body);
    assert_eq!(rig.shard.log().refused_settles, 2);
    rig.shard.log().settles_left = None;
    rig.now_ms += SETTLE_RETRY_MS;
    rig.publish("q", &body);
    assert_eq!(rig.statistics("q").resident_bytes, 0);
    assert_eq!(rig.ready("q"), 43);
}
