#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::{options, publish_all, with_dead};
use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::message::tests::message;
use crate::shard::rig::Rig;
use crate::{Event, Message, Outcome};

fn with_priority(text: &str, priority: u8) -> Message {
    let mut message = message("q", text);
    message.priority = priority;
    message
}

fn with_expiration(text: &str, milliseconds: u64) -> Message {
    let mut message = message("q", text);
    message.expiration_ms = Some(milliseconds);
    message
}

#[test]
fn priorities_come_before_age() {
    let mut rig = Rig::with(QueueOptions {
        priority_max: Some(5),
        ..options()
    });
    for (text, priority) in [("1", 0), ("2", 5), ("3", 2), ("4", 9), ("5", 0)] {
        rig.publish_message(&["q"], with_priority(text, priority), None);
    }
    assert_eq!(
        rig.drain("q"),
        ["2", "4", "3", "1", "5"],
        "what is above the highest level belongs to it"
    );
}

#[test]
fn a_full_priority_queue_drops_the_oldest_of_the_lowest() {
    let mut rig = Rig::with(QueueOptions {
        priority_max: Some(5),
        length_max: Some(2),
        ..options()
    });
    for (text, priority) in [("1", 5), ("2", 0), ("3", 0), ("4", 1)] {
        rig.publish_message(&["q"], with_priority(text, priority), None);
    }
    assert_eq!(rig.drain("q"), ["1", "4"]);
}

#[test]
fn a_message_expires_behind_one_of_higher_priority() {
    let mut rig = with_dead(
        QueueKind::Classic,
        QueueOptions {
            priority_max: Some(5),
            ..options()
        },
    );
    rig.publish_message(&["q"], with_expiration("low", 10), None);
    rig.publish_message(&["q"], with_priority("high", 5), None);
    assert_eq!(rig.shard.next_deadline(), Some(rig.now_ms + 10));
    rig.advance(10);
    assert_eq!(
        (rig.drain("dead"), rig.drain("q")),
        (vec!["low".to_owned()], vec!["high".to_owned()])
    );
}

#[test]
fn the_shorter_time_to_live_of_queue_and_message_holds() {
    for (own, its, lives) in [
        (Some(20), None, 20),
        (None, Some(20), 20),
        (Some(30), Some(20), 20),
        (Some(20), Some(30), 20),
    ] {
        let mut rig = Rig::with(QueueOptions {
            message_ttl_ms: own,
            ..options()
        });
        let mut message = message("q", "1");
        message.expiration_ms = its;
        rig.publish_message(&["q"], message, None);
        assert_eq!(rig.shard.next_deadline(), Some(rig.now_ms + lives));
        rig.advance(lives - 1);
        assert_eq!(rig.ready("q"), 1);
        rig.advance(1);
        assert_eq!(rig.ready("q"), 0, "{own:?} {its:?}");
        assert_eq!(rig.shard.next_deadline(), None);
    }
}

#[test]
fn without_time_to_live_a_message_is_delivered_at_once_or_not_at_all() {
    let mut rig = with_dead(
        QueueKind::Classic,
        QueueOptions {
            message_ttl_ms: Some(0),
            ..options()
        },
    );
    publish_all(&mut rig, &["1"]);
    assert_eq!(
        (rig.ready("q"), rig.drain("dead")),
        (0, vec!["1".to_owned()])
    );
    rig.consume("q", 1, 0);
    publish_all(&mut rig, &["2"]);
    let got = rig.take();
    assert_eq!(got[0].body(), "2");
    rig.settle(&got[0], Outcome::Requeued);
    assert_eq!(rig.drain("dead"), ["2"], "what comes back too late is dead");
}

#[test]
fn a_requeued_message_keeps_its_expiry() {
    let mut rig = Rig::with(QueueOptions {
        message_ttl_ms: Some(100),
        ..options()
    });
    publish_all(&mut rig, &["1"]);
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    rig.advance(60);
    rig.settle_delivery(&delivery, None, Outcome::Requeued);
    assert_eq!(rig.shard.next_deadline(), Some(rig.now_ms + 40));
    rig.advance(40);
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn times_to_live_outlast_a_restart() {
    for is_settled in [false, true] {
        let mut rig = Rig::with(QueueOptions {
            message_ttl_ms: Some(100),
            ..options()
        });
        publish_all(&mut rig, &["1"]);
        rig.commit();
        if is_settled {
            rig.settle_all();
            rig.commit();
        }
        rig.now_ms += 60;
        rig.restart();
        assert_eq!(rig.shard.next_deadline(), Some(rig.now_ms + 40));
        rig.advance(40);
        assert_eq!(rig.ready("q"), 0);
    }
}

#[test]
fn a_length_limit_drops_from_the_head_and_counts_ready_messages_only() {
    for limit in 0..4 {
        let mut rig = Rig::with(QueueOptions {
            length_max: Some(limit),
            ..options()
        });
        publish_all(&mut rig, &["1", "2", "3", "4", "5"]);
        let kept: Vec<String> = (6 - limit..6).map(|number| number.to_string()).collect();
        assert_eq!(rig.drain("q"), kept);
    }
    let mut rig = with_dead(
        QueueKind::Classic,
        QueueOptions {
            length_max: Some(1),
            ..options()
        },
    );
    publish_all(&mut rig, &["1"]);
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    publish_all(&mut rig, &["2"]);
    assert_eq!(rig.ready("q"), 1, "an unacked message counts for nothing");
    rig.settle_delivery(&delivery, None, Outcome::Requeued);
    assert_eq!(
        (rig.drain("q"), rig.drain("dead")),
        (vec!["2".to_owned()], vec!["1".to_owned()])
    );
}

#[test]
fn a_limit_of_bytes_drops_from_the_head() {
    let mut rig = Rig::with(QueueOptions {
        length_bytes_max: Some(10),
        ..options()
    });
    publish_all(&mut rig, &["four", "4444", "22"]);
    assert_eq!(rig.ready("q"), 3);
    publish_all(&mut rig, &["1"]);
    assert_eq!(rig.drain("q"), ["4444", "22", "1"]);
    publish_all(&mut rig, &["more than ten"]);
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn a_limit_of_bytes_is_counted_by_bodies_after_a_restart_too() {
    let mut rig = Rig::with(QueueOptions {
        length_bytes_max: Some(10),
        ..options()
    });
    publish_all(&mut rig, &["four", "4444"]);
    rig.settle_all();
    rig.commit();
    rig.restart();
    assert_eq!(rig.statistics("q").ready_bytes, 8);
    publish_all(&mut rig, &["22"]);
    assert_eq!(rig.drain("q"), ["four", "4444", "22"]);
}

#[test]
fn a_limit_of_bytes_that_a_policy_brings_is_counted_by_bodies() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["four", "4444"]);
    rig.settle_all();
    rig.commit();
    rig.restart();
    let (place, limited) = (
        rig.place("q"),
        QueueOptions {
            length_bytes_max: Some(8),
            ..options()
        },
    );
    rig.shard
        .configure(place, limited, rig.now_ms, &mut rig.events);
    assert_eq!(rig.drain("q"), ["four", "4444"]);
}

#[test]
fn a_full_queue_may_refuse_what_comes() {
    for (overflow, is_dead_lettered) in [
        (Overflow::RejectPublish, false),
        (Overflow::RejectPublishDlx, true),
    ] {
        let mut rig = with_dead(
            QueueKind::Classic,
            QueueOptions {
                length_max: Some(1),
                overflow: Some(overflow),
                ..options()
            },
        );
        publish_all(&mut rig, &["1"]);
        rig.publish_message(&["q"], message("q", "2"), Some(7));
        let refused = rig.events.iter().any(|(_, event)| {
            matches!(
                event,
                Event::Confirmed {
                    first: 7,
                    last: 7,
                    rejected: true,
                    ..
                }
            )
        });
        assert!(refused, "the publisher hears of it");
        assert_eq!(rig.drain("q"), ["1"]);
        assert_eq!(rig.drain("dead").len(), usize::from(is_dead_lettered));
    }
}

#[test]
fn an_unused_queue_is_spent_when_its_lease_ends() {
    let mut rig = Rig::with(QueueOptions {
        expires_ms: Some(100),
        ..options()
    });
    let place = rig.place("q");
    rig.advance(60);
    rig.shard.statistics(place, true, rig.now_ms);
    rig.advance(60);
    assert!(
        rig.shard.take_spent().is_empty(),
        "a declaration renewed it"
    );
    rig.consume("q", 1, 0);
    rig.advance(500);
    assert!(rig.shard.take_spent().is_empty(), "it has a consumer");
    rig.cancel("q", 1);
    rig.advance(60);
    rig.get("q", true);
    rig.advance(60);
    assert!(rig.shard.take_spent().is_empty(), "a get renewed it");
    rig.publish("q", "publishing is no use");
    rig.advance(40);
    assert_eq!(rig.shard.take_spent(), [place]);
}
