#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod consumers;
mod delayed;
mod disk;
mod limits;

use crate::arguments::{QueueKind, QueueOptions};
use crate::shard::rig::{Rig, body};
use crate::{Annotation, Event, Outcome, Reason, RefusalKind};

fn options() -> QueueOptions {
    QueueOptions::default()
}

fn dead_lettering(options: QueueOptions) -> QueueOptions {
    QueueOptions {
        dead_letter_exchange: Some("".into()),
        dead_letter_routing_key: Some("dead".into()),
        ..options
    }
}

/// A rig with a queue `q` that dead-letters to the queue `dead`.
fn with_dead(kind: QueueKind, own: QueueOptions) -> Rig {
    let mut rig = Rig::new();
    rig.declare("q", kind, true, dead_lettering(own));
    rig.declare("dead", QueueKind::Classic, true, options());
    rig
}

fn publish_all(rig: &mut Rig, bodies: &[&str]) {
    bodies.iter().for_each(|body| rig.publish("q", body));
}

#[test]
fn a_get_takes_the_oldest_and_tells_how_many_stay() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3"]);
    let (delivery, left) = rig.get("q", false).expect("three are ready");
    assert_eq!(
        (body(&delivery.message), left, delivery.redelivered),
        ("1".to_owned(), 2, false)
    );
    assert_eq!(rig.drain("q"), ["2", "3"]);
    assert!(rig.get("q", false).is_none());
    rig.settle_delivery(&delivery, None, Outcome::Recovered);
    let (again, _) = rig.get("q", false).expect("it came back");
    assert!(again.redelivered);
}

#[test]
fn what_was_only_looked_at_comes_back_as_it_was() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2"]);
    let (delivery, _) = rig.get("q", false).expect("two are ready");
    rig.settle_delivery(&delivery, None, Outcome::Unseen);
    let (again, left) = rig.get("q", false).expect("it came back");
    assert_eq!(
        (body(&again.message), left, again.redelivered),
        ("1".to_owned(), 1, false)
    );
    rig.settle_delivery(&again, None, Outcome::Recovered);
    let (had, _) = rig.get("q", false).expect("it came back");
    rig.settle_delivery(&had, None, Outcome::Unseen);
    let (last, _) = rig.get("q", false).expect("it came back");
    assert!(last.redelivered, "somebody had it before");
}

#[test]
fn requeued_messages_take_their_old_places() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3", "4"]);
    let out: Vec<_> = (0..3)
        .filter_map(|_| rig.get("q", false))
        .map(|(delivery, _)| delivery)
        .collect();
    for index in [2, 0, 1] {
        rig.settle_delivery(&out[index], None, Outcome::Requeued);
    }
    assert_eq!(rig.drain("q"), ["1", "2", "3", "4"]);
}

#[test]
fn a_second_settlement_of_a_message_changes_nothing() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1"]);
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    rig.settle_delivery(&delivery, None, Outcome::Acked);
    rig.settle_delivery(&delivery, None, Outcome::Requeued);
    assert_eq!((rig.ready("q"), rig.statistics("q").unacked), (0, 0));
}

#[test]
fn a_purge_spares_what_is_unacked() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3"]);
    let (delivery, _) = rig.get("q", false).expect("three are ready");
    assert_eq!(rig.purge("q"), 2);
    assert_eq!((rig.ready("q"), rig.statistics("q").unacked), (0, 1));
    rig.settle_delivery(&delivery, None, Outcome::Recovered);
    let (again, _) = rig.get("q", true).expect("it came back");
    assert!(again.redelivered);
}

#[test]
fn what_is_rejected_is_dead_lettered_or_dropped() {
    let mut rig = with_dead(QueueKind::Classic, options());
    publish_all(&mut rig, &["1"]);
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    rig.settle_delivery(&delivery, None, Outcome::Rejected);
    assert_eq!(rig.drain("dead"), ["1"]);
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1"]);
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    rig.settle_delivery(&delivery, None, Outcome::Rejected);
    assert_eq!((rig.ready("q"), rig.statistics("q").unacked), (0, 0));
}

#[test]
fn a_quorum_queue_sets_poison_aside() {
    let mut rig = with_dead(
        QueueKind::Quorum,
        QueueOptions {
            delivery_limit: Some(2),
            ..options()
        },
    );
    publish_all(&mut rig, &["1"]);
    let mut annotations = Vec::new();
    while let Some((delivery, _)) = rig.get("q", false) {
        annotations.push(delivery.annotation);
        rig.settle_delivery(&delivery, None, Outcome::Requeued);
    }
    assert_eq!(
        annotations,
        [
            Annotation::None,
            Annotation::DeliveryCount(1),
            Annotation::DeliveryCount(2)
        ]
    );
    assert_eq!(
        rig.dead.iter().map(|dead| dead.reason).collect::<Vec<_>>(),
        ["delivery_limit"]
    );
    assert_eq!(rig.drain("dead"), ["1"]);
}

#[test]
fn a_quorum_queue_counts_deliveries_across_restarts() {
    for is_settled in [false, true] {
        let mut rig = Rig::new();
        rig.declare("q", QueueKind::Quorum, true, options());
        publish_all(&mut rig, &["1"]);
        if is_settled {
            rig.settle_all();
        }
        let (delivery, _) = rig.get("q", false).expect("one is ready");
        rig.settle_delivery(&delivery, None, Outcome::Requeued);
        rig.commit();
        rig.restart();
        let (again, _) = rig.get("q", false).expect("it is still there");
        assert_eq!(
            (again.redelivered, again.annotation),
            (true, Annotation::DeliveryCount(1))
        );
    }
}

#[test]
fn a_dead_letter_that_is_not_safe_yet_is_not_lost() {
    let mut rig = with_dead(QueueKind::Classic, options());
    publish_all(&mut rig, &["1"]);
    rig.commit();
    let (delivery, _) = rig.get("q", false).expect("one is ready");
    let place = rig.place("q");
    rig.shard.settle(
        place,
        crate::shard::rig::CONSUMER,
        None,
        delivery.sequence,
        Outcome::Rejected,
        rig.now_ms,
        &mut rig.events,
    );
    let letters = rig.shard.take_dead_letters();
    assert_eq!(letters.len(), 1);
    rig.shard.log().submit();
    rig.shard.log().sync(255);
    rig.restart();
    assert_eq!(
        rig.drain("q"),
        ["1"],
        "its letter was never stored, so the message is still where it died"
    );
}

#[test]
fn an_auto_delete_queue_is_spent_with_its_last_consumer() {
    let mut rig = Rig::new();
    rig.declare_with("q", QueueKind::Classic, false, options(), true);
    let place = rig.place("q");
    rig.consume("q", 1, 0);
    rig.consume("q", 2, 0);
    rig.cancel("q", 1);
    assert!(rig.shard.take_spent().is_empty());
    rig.cancel("q", 2);
    assert_eq!(rig.shard.take_spent(), [place]);
}

#[test]
fn a_deletion_tells_consumers_and_gives_their_shared_credit_back() {
    let mut rig = Rig::with(options());
    let wish = rig.wish(1, 0);
    wish.credit.set_limit(1);
    rig.consume_as("q", &wish).expect("it is taken");
    publish_all(&mut rig, &["1", "2"]);
    assert!(!wish.credit.is_open());
    let place = rig.place("q");
    assert_eq!(rig.delete("q"), 1);
    assert!(wish.credit.is_open());
    assert!(
        matches!(
            rig.events[..],
            [(_, Event::ConsumerCancelled { channel: 1, .. })]
        ),
        "{:?}",
        rig.events
    );
    let again = rig.shard.delete(place, false, false, &mut rig.events);
    assert!(
        matches!(again, Ok(None)),
        "deleting twice is no error: {again:?}"
    );
}

#[test]
fn a_deletion_may_ask_for_an_unused_or_empty_queue() {
    let mut rig = Rig::with(options());
    let place = rig.place("q");
    rig.consume("q", 1, 1);
    publish_all(&mut rig, &["1"]);
    for (if_unused, if_empty, detail) in [
        (true, false, "queue 'q' in vhost '/' in use"),
        (false, true, "queue 'q' in vhost '/' not empty"),
    ] {
        let refusal = rig
            .shard
            .delete(place, if_unused, if_empty, &mut rig.events)
            .expect_err("something stands against it");
        assert_eq!(
            (refusal.kind, &*refusal.detail),
            (RefusalKind::PreconditionFailed, detail)
        );
    }
}

#[test]
fn what_is_settled_is_not_delivered_twice_after_a_restart_left_a_gap() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3"]);
    let out: Vec<_> = (0..3)
        .filter_map(|_| rig.get("q", false))
        .map(|(delivery, _)| delivery)
        .collect();
    rig.settle_all();
    // Only the first stays, so that the backlog ends behind what is live.
    out[1..]
        .iter()
        .for_each(|delivery| rig.settle_delivery(delivery, None, Outcome::Acked));
    rig.commit();
    rig.restart();
    // Nothing is read beyond it: the last number on disk stays ahead of what was read.
    let (first, _) = rig.get("q", true).expect("the first is back");
    assert_eq!(body(&first.message), "1");
    rig.consume("q", 1, 1);
    publish_all(&mut rig, &["4"]);
    let got = rig.take();
    assert_eq!(got[0].body(), "4");
    rig.settle_all();
    assert!(
        rig.get("q", true).is_none(),
        "it is out with the consumer, and only there"
    );
    assert_eq!(rig.purge("q"), 0);
    rig.settle(&got[0], Outcome::Recovered);
    assert_eq!(rig.bodies(), ["4"]);
}

#[test]
fn a_damaged_message_is_passed_over() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3"]);
    rig.settle_all();
    let (_, mut backlogs) = rig.shard.durable_backlogs();
    backlogs.next().expect("one queue").0.damage(2);
    drop(backlogs);
    assert_eq!(rig.drain("q"), ["1", "3"]);
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn much_that_is_held_is_settled_too() {
    let mut rig = Rig::with(options());
    let body = "x".repeat(1 << 20);
    rig.consume("q", 1, 0);
    (0..20).for_each(|_| rig.publish("q", &body));
    assert_eq!(rig.statistics("q").unacked, 20);
    let resident = rig.shard.resident_bytes();
    assert!(
        resident <= 5 * crate::limits::QUEUE_RESIDENT_BYTES_MAX,
        "{resident} bytes are held in memory"
    );
    let got = rig.take();
    rig.settle(&got[0], Outcome::Recovered);
    assert_eq!(rig.take()[0].delivery.message.body_length(), 1 << 20);
}

#[test]
fn deaths_are_counted_by_reason_with_dead_letters_and_without() {
    for own in [options(), dead_lettering(options())] {
        let mut rig = Rig::with(QueueOptions {
            message_ttl_ms: Some(10),
            length_max: Some(2),
            ..own
        });
        publish_all(&mut rig, &["1", "2", "3"]);
        let (delivery, _) = rig.get("q", false).expect("two are ready");
        rig.settle_delivery(&delivery, None, Outcome::Rejected);
        rig.advance(11);
        let deaths = rig.shard.deaths();
        let counts = Reason::ALL.map(|reason| (reason.name(), deaths.of(reason)));
        assert_eq!(
            counts,
            [
                ("rejected", 1),
                ("expired", 1),
                ("maxlen", 1),
                ("delivery_limit", 0)
            ]
        );
        let mut sum = deaths;
        sum.add(&deaths);
        assert_eq!(sum.of(Reason::Expired), 2);
    }
}

#[test]
fn a_shard_adds_up_its_queues() {
    let mut rig = Rig::with(options());
    rig.declare("other", QueueKind::Classic, true, options());
    publish_all(&mut rig, &["1", "22"]);
    rig.publish("other", "333");
    let _out = rig.get("q", false).expect("two are ready");
    let sum = rig.shard.statistics_of_all();
    assert_eq!((sum.ready, sum.unacked, sum.ready_bytes), (2, 1, 5));
}
