//! Messages that wait for a time of their own.

use super::*;
use crate::limits::{BACKLOG_RETRY_MS, DISPATCH_BATCH_MAX};
use crate::message::tests::message;
use crate::shard::rig::Dead;

/// Ready, delayed and unacked messages.
fn counts(rig: &mut Rig) -> (u64, u64, u64) {
    let statistics = rig.statistics("q");
    (statistics.ready, statistics.delayed, statistics.unacked)
}

#[test]
fn nobody_gets_a_message_before_its_time() {
    let mut rig = Rig::with(options());
    rig.consume("q", 1, 0);
    rig.publish_in(100, "q", "later");
    rig.publish("q", "now");
    assert_eq!(rig.bodies(), ["now"]);
    assert!(rig.get("q", true).is_none());
    assert_eq!(counts(&mut rig), (0, 1, 1));
    assert_eq!(rig.shard.next_deadline(), Some(rig.now_ms + 100));
    rig.advance(99);
    assert_eq!(rig.bodies().len(), 0);
    rig.advance(1);
    assert_eq!(rig.bodies(), ["later"]);
    assert_eq!(counts(&mut rig), (0, 0, 2));
    assert_eq!(rig.shard.next_deadline(), None);
}

#[test]
fn what_is_due_comes_in_the_order_of_its_time_behind_what_was_ready() {
    for priority_max in [None, Some(3)] {
        let mut rig = Rig::with(QueueOptions {
            priority_max,
            ..options()
        });
        rig.publish_in(30, "q", "third");
        rig.publish_in(10, "q", "first");
        rig.publish("q", "before");
        rig.publish_in(20, "q", "second");
        rig.publish_in(20, "q", "second too");
        rig.advance(15);
        rig.publish("q", "between");
        rig.advance(20);
        rig.publish("q", "after");
        assert_eq!(counts(&mut rig), (7, 0, 0));
        let all = [
            "before",
            "first",
            "between",
            "second",
            "second too",
            "third",
            "after",
        ];
        let (first, _) = rig.get("q", false).expect("seven are ready");
        let (second, _) = rig.get("q", false).expect("six are ready");
        rig.settle_delivery(&second, None, Outcome::Requeued);
        rig.settle_delivery(&first, None, Outcome::Requeued);
        let drained = rig.drain("q");
        assert_eq!(drained[2..], all[2..], "priorities: {priority_max:?}");
        let mut returned = [&*drained[0], &*drained[1]];
        returned.sort_unstable();
        assert_eq!(returned, ["before", "first"], "what came back is first");
    }
}

#[test]
fn a_message_whose_time_is_past_does_not_wait() {
    let mut rig = Rig::with(options());
    let mut late = message("q", "late");
    late.deliver_at_ms = Some(rig.now_ms);
    rig.publish_message(&["q"], late, None);
    assert_eq!(counts(&mut rig), (1, 0, 0));
}

#[test]
fn times_to_live_run_from_the_time_of_delivery() {
    for own in [None, Some(50)] {
        let mut rig = with_dead(
            QueueKind::Classic,
            QueueOptions {
                message_ttl_ms: own,
                ..options()
            },
        );
        let mut brief = message("q", "brief");
        brief.persistent = true;
        brief.expiration_ms = own.is_none().then_some(50);
        brief.delay_until(rig.now_ms + 100, rig.now_ms);
        rig.publish_message(&["q"], brief, None);
        rig.commit();
        rig.restart();
        rig.advance(120);
        assert_eq!(counts(&mut rig), (1, 0, 0), "it is 20 ms old");
        rig.advance(30);
        assert_eq!(counts(&mut rig), (0, 0, 0));
        let dead = Dead {
            queue: "q".into(),
            body: "brief".into(),
            reason: "expired",
        };
        assert_eq!(rig.dead, [dead]);
        assert_eq!(rig.drain("dead"), ["brief"], "the letter does not wait");
    }
}

#[test]
fn what_waits_takes_no_memory_once_it_is_settled_and_holds_up_nothing() {
    let mut rig = Rig::with(options());
    (0..6).for_each(|number| rig.publish_in(10, "q", &number.to_string()));
    assert!(rig.statistics("q").resident_bytes > 0);
    publish_all(&mut rig, &["a", "b"]);
    rig.settle_all();
    assert_eq!(rig.statistics("q").resident_bytes, 0);
    assert_eq!(rig.drain("q"), ["a", "b"]);
    {
        let (_, mut backlogs) = rig.shard.durable_backlogs();
        let (ordinary, _) = backlogs.next().expect("a queue");
        let live = crate::log::Backlog::live(ordinary);
        assert_eq!(live, 0, "nothing pins the files of the others");
        let (delayed, _) = backlogs.next().expect("its delayed messages");
        assert_eq!(crate::log::Backlog::live(delayed), 6);
    }
    rig.advance(10);
    assert_eq!(rig.drain("q"), ["0", "1", "2", "3", "4", "5"]);
    let (_, backlogs) = rig.shard.durable_backlogs();
    let live = backlogs.map(|(backlog, _)| crate::log::Backlog::live(backlog));
    assert_eq!(live.sum::<u64>(), 0, "what was acknowledged is gone");
}

#[test]
fn a_restart_finds_what_waits_and_what_was_due() {
    for (kind, settles) in [
        (QueueKind::Classic, true),
        (QueueKind::Classic, false),
        (QueueKind::Quorum, true),
        (QueueKind::Quorum, false),
    ] {
        let mut rig = Rig::new();
        rig.declare("q", kind, true, options());
        rig.publish_in(10, "q", "acknowledged");
        rig.publish_in(30, "q", "overdue");
        rig.publish_in(20, "q", "out");
        rig.publish_in(100, "q", "later");
        publish_all(&mut rig, &["ready"]);
        rig.advance(10);
        let gets = [rig.get("q", false), rig.get("q", false)].map(|got| got.expect("two").0);
        assert_eq!(body(&gets[1].message), "acknowledged");
        rig.settle_delivery(&gets[1], None, Outcome::Acked);
        rig.advance(10);
        let (out, _) = rig.get("q", false).expect("another is due");
        assert_eq!(body(&out.message), "out");
        if settles {
            rig.settle_all();
        }
        rig.commit();
        rig.restart();
        rig.now_ms += 10;
        rig.restart();
        assert_eq!(counts(&mut rig), (3, 1, 0));
        publish_all(&mut rig, &["new"]);
        assert_eq!(rig.drain("q"), ["ready", "out", "overdue", "new"]);
        rig.advance(70);
        let (delivery, _) = rig.get("q", true).expect("the last is due");
        assert_eq!(
            (body(&delivery.message), delivery.sequence),
            ("later".into(), 4)
        );
        rig.commit();
        rig.restart();
        assert_eq!(counts(&mut rig), (0, 0, 0));
        rig.publish_in(5, "q", "numbers go on");
        rig.advance(5);
        assert_eq!(rig.get("q", true).expect("it is due").0.sequence, 7);
    }
}

#[test]
fn a_purge_and_a_deletion_end_what_waits() {
    let mut rig = Rig::with(options());
    rig.publish_in(5, "q", "out");
    rig.publish_in(5, "q", "due");
    rig.advance(5);
    let (out, _) = rig.get("q", false).expect("two are due");
    rig.publish_in(100, "q", "settled");
    rig.settle_all();
    rig.publish_in(100, "q", "later");
    publish_all(&mut rig, &["ready"]);
    assert_eq!(rig.purge("q"), 4);
    assert_eq!(counts(&mut rig), (0, 0, 1));
    rig.advance(200);
    assert_eq!(counts(&mut rig), (0, 0, 1));
    rig.commit();
    rig.restart();
    assert_eq!(rig.drain("q"), [body(&out.message)]);

    rig.publish_in(100, "q", "later");
    let place = rig.place("q");
    let refused = rig.shard.delete(place, false, true, &mut rig.events);
    assert!(refused.is_err(), "what waits is there");
    rig.commit();
    assert_eq!(rig.delete("q"), 1);
    rig.commit();
    assert_eq!(rig.shard.log().crash().len(), 0, "nothing is left of it");
}

#[test]
fn limits_of_length_count_a_message_from_its_time_on() {
    let mut rig = with_dead(
        QueueKind::Classic,
        QueueOptions {
            length_max: Some(1),
            ..options()
        },
    );
    rig.publish_in(10, "q", "a");
    rig.publish_in(10, "q", "b");
    rig.publish("q", "old");
    assert_eq!(counts(&mut rig), (1, 2, 0));
    rig.advance(10);
    let dead: Vec<&str> = rig.dead.iter().map(|dead| &*dead.body).collect();
    assert_eq!(dead, ["old", "a"]);
    assert_eq!(rig.drain("q"), ["b"]);
}

#[test]
fn an_unused_queue_goes_with_what_waits_in_it() {
    let mut rig = Rig::with(QueueOptions {
        expires_ms: Some(50),
        ..options()
    });
    rig.publish_in(100, "q", "later");
    rig.advance(50);
    assert_eq!(rig.shard.take_spent(), [rig.place("q")]);
}

#[test]
fn what_is_due_waits_for_a_disk_that_cannot_be_read() {
    let mut rig = Rig::with(options());
    rig.publish_in(10, "q", "1");
    rig.publish_in(20, "q", "2");
    rig.settle_all();
    let fail = |rig: &mut Rig, fail| -> u64 {
        let (_, backlogs) = rig.shard.durable_backlogs();
        let failed: u64 = backlogs.map(|(backlog, _)| backlog.fail_reads(fail)).sum();
        failed
    };
    fail(&mut rig, true);
    rig.advance(20);
    assert!(rig.get("q", true).is_none());
    assert_eq!(counts(&mut rig), (2, 0, 0), "none is taken for gone");
    fail(&mut rig, false);
    rig.advance(BACKLOG_RETRY_MS);
    assert_eq!(rig.drain("q"), ["1", "2"]);
}

#[test]
fn many_that_are_due_at_once_leave_other_work_its_turn() {
    let mut rig = Rig::with(options());
    let count = DISPATCH_BATCH_MAX as u64 * 2 + 10;
    (0..count).for_each(|_| rig.publish_in(10, "q", "x"));
    rig.advance(10);
    assert_eq!(counts(&mut rig), (4_096, 4_106, 0));
    assert!(
        rig.shard.next_deadline().is_some_and(|at| at <= rig.now_ms),
        "the rest is due at once"
    );
    rig.advance(0);
    rig.advance(0);
    assert_eq!(counts(&mut rig), (count, 0, 0));
    assert_eq!(rig.shard.next_deadline(), None);
}

#[test]
fn a_stream_takes_no_notice_of_a_delay() {
    let mut rig = Rig::new();
    rig.declare("q", QueueKind::Stream, true, options());
    rig.consume("q", 1, 10);
    rig.publish_in(100, "q", "now");
    rig.commit();
    assert_eq!(rig.bodies(), ["now"]);
    assert_eq!(rig.statistics("q").delayed, 0);
    rig.restart();
    rig.consume("q", 1, 10);
    assert_eq!(rig.bodies(), ["now"]);
}
