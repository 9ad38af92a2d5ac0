mod crowd;

use super::rig::{PUBLISHER, Rig};
use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::message::tests::message;
use crate::{Event, Outcome, QueueRef, Reply};

/// Runs of confirmed publishes since the last call.
fn confirmed(rig: &mut Rig) -> Vec<(u64, u64)> {
    let of = |(_, event)| {
        let Event::Confirmed {
            first,
            last,
            rejected: false,
            ..
        } = event
        else {
            panic!("unexpected {event:?}")
        };
        (first, last)
    };
    std::mem::take(&mut rig.events)
        .into_iter()
        .map(of)
        .collect()
}

fn publish(rig: &mut Rig, queues: &[&str], persistent: bool, number: u64) {
    let mut message = message("q", "body");
    message.persistent = persistent;
    rig.publish_message(queues, message, Some(number));
}

#[test]
fn a_confirm_waits_for_the_log_where_something_is_to_survive() {
    for (queues, persistent, waits) in [
        (vec!["durable"], true, true),
        (vec!["durable"], false, false),
        (vec!["transient"], true, false),
        (vec!["transient"], false, false),
        (vec!["durable", "transient"], true, true),
        (vec!["stream"], false, true),
        (vec![], true, false),
    ] {
        let mut rig = Rig::new();
        rig.declare("durable", QueueKind::Classic, true, QueueOptions::default());
        rig.declare(
            "transient",
            QueueKind::Classic,
            false,
            QueueOptions::default(),
        );
        rig.declare("stream", QueueKind::Stream, true, QueueOptions::default());
        publish(&mut rig, &queues, persistent, 1);
        assert_eq!(
            confirmed(&mut rig).is_empty(),
            waits,
            "{queues:?} persistent={persistent}"
        );
        assert_eq!(rig.shard.is_waiting(), waits);
        rig.shard.log().submit();
        rig.shard.release(rig.now_ms, &mut rig.events);
        assert!(confirmed(&mut rig).is_empty(), "submitted is not durable");
        rig.commit();
        assert_eq!(
            confirmed(&mut rig),
            if waits { vec![(1, 1)] } else { vec![] }
        );
    }
}

#[test]
fn what_is_consumed_at_once_without_acknowledgement_never_meets_the_log() {
    let mut rig = Rig::with(QueueOptions::default());
    let mut wish = rig.wish(1, 0);
    wish.no_ack = true;
    rig.consume_as("q", &wish).expect("it is taken");
    publish(&mut rig, &["q"], true, 1);
    assert_eq!(confirmed(&mut rig), [(1, 1)]);
    rig.commit();
    rig.restart();
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn confirms_of_one_batch_are_one_event() {
    let mut rig = Rig::with(QueueOptions::default());
    (1..=5).for_each(|number| publish(&mut rig, &["q"], true, number));
    rig.commit();
    assert_eq!(confirmed(&mut rig), [(1, 5)]);
}

#[test]
fn every_publish_is_confirmed_once_with_purges_and_deletions_between() {
    let mut rig = Rig::with(QueueOptions {
        length_max: Some(10),
        ..QueueOptions::default()
    });
    let mut seen = Vec::new();
    for number in 1..=20_000_u64 {
        publish(&mut rig, &["q"], number % 3 != 0, number);
        match number % 1_000 {
            250 => drop(rig.purge("q")),
            500 => rig.commit(),
            750 => {
                rig.delete("q");
                rig.declare("q", QueueKind::Classic, true, QueueOptions::default());
            }
            _ => {}
        }
        seen.extend(
            confirmed(&mut rig)
                .into_iter()
                .flat_map(|(first, last)| first..=last),
        );
    }
    rig.commit();
    seen.extend(
        confirmed(&mut rig)
            .into_iter()
            .flat_map(|(first, last)| first..=last),
    );
    seen.sort_unstable();
    assert_eq!(seen, (1..=20_000).collect::<Vec<_>>());
}

#[test]
fn a_sync_answers_when_what_came_before_is_durable() {
    let mut rig = Rig::with(QueueOptions::default());
    rig.shard.sync(PUBLISHER, 4, &mut rig.events);
    let is_answer = |event: &Event| {
        matches!(
            event,
            Event::Replied {
                channel: 4,
                result: Ok(Reply::Done)
            }
        )
    };
    assert!(
        rig.events.pop().is_some_and(|(_, event)| is_answer(&event)),
        "nothing is to be waited for"
    );
    rig.publish("q", "1");
    rig.shard.sync(PUBLISHER, 4, &mut rig.events);
    assert!(rig.events.is_empty());
    rig.commit();
    assert!(rig.events.pop().is_some_and(|(_, event)| is_answer(&event)));
}

#[test]
fn a_letter_of_another_shard_is_reported_once_it_is_durable() {
    let mut rig = Rig::with(QueueOptions::default());
    let elsewhere = rig.place("q");
    rig.publish("q", "letter");
    rig.shard.transferred_when_durable(elsewhere, 7);
    rig.shard.release(rig.now_ms, &mut rig.events);
    assert!(rig.shard.take_transferred().is_empty());
    rig.commit();
    assert_eq!(rig.shard.take_transferred(), [(elsewhere, 7)]);
}

#[test]
fn the_tenant_before_in_a_slot_cannot_be_reached_any_more() {
    let mut rig = Rig::with(QueueOptions::default());
    rig.publish("q", "old");
    let (old, _) = rig.get("q", false).expect("one is ready");
    rig.delete("q");
    rig.declare("q", QueueKind::Classic, true, QueueOptions::default());
    rig.publish("q", "new");
    assert_eq!(rig.place("q").slot, old.queue.slot);
    let (new, _) = rig.get("q", false).expect("one is ready");
    rig.settle_delivery(&old, None, Outcome::Requeued);
    assert_eq!(
        (rig.ready("q"), rig.statistics("q").unacked),
        (0, 1),
        "a settlement of the old queue is ignored"
    );
    rig.settle_delivery(&new, None, Outcome::Acked);
    assert!(rig.shard.statistics(old.queue, false, rig.now_ms).is_none());
}

#[test]
fn many_that_expire_at_once_leave_other_work_its_turn() {
    let mut rig = Rig::with(QueueOptions {
        message_ttl_ms: Some(10),
        ..QueueOptions::default()
    });
    let count = crate::limits::DISPATCH_BATCH_MAX as u64 * 2 + 10;
    (0..count).for_each(|_| rig.publish("q", "x"));
    rig.advance(10);
    assert!(rig.ready("q") > 0, "one call does not do all of it");
    assert!(
        rig.shard.next_deadline().is_some_and(|at| at <= rig.now_ms),
        "the rest is due at once"
    );
    rig.advance(0);
    rig.advance(0);
    assert_eq!((rig.ready("q"), rig.shard.next_deadline()), (0, None));
}

#[test]
fn a_disk_that_fills_up_leaves_the_rest_in_memory() {
    let mut rig = Rig::with(QueueOptions::default());
    (0..6).for_each(|number| rig.publish("q", &number.to_string()));
    let before = rig.shard.resident_bytes();
    rig.shard.log().submit();
    rig.shard.log().settles_left = Some(2);
    let position = crate::log::Log::position(rig.shard.log());
    assert!(rig.shard.settle_until(position).is_err());
    assert_eq!(
        rig.shard.resident_bytes(),
        before / 6 * 4,
        "two of six are settled"
    );
    rig.shard.log().settles_left = None;
    rig.settle_all();
    assert_eq!(rig.shard.resident_bytes(), 0);
    assert_eq!(rig.drain("q"), ["0", "1", "2", "3", "4", "5"]);
}

/// What was told of places and confirms since the last call: the queue of a place and its sequence number, or the confirmed number.
fn told(rig: &mut Rig) -> Vec<(u64, Option<(QueueRef, u64)>)> {
    let of = |(connection, event)| {
        assert_eq!(connection, PUBLISHER);
        if let Event::Placed {
            channel: 1,
            number,
            queue,
            sequence,
            is_duplicate: false,
        } = event
        {
            return (number, Some((queue, sequence)));
        }
        let Event::Confirmed { first, last, .. } = event else {
            panic!("unexpected {event:?}")
        };
        assert_eq!(first, last);
        (first, None)
    };
    std::mem::take(&mut rig.events)
        .into_iter()
        .map(of)
        .collect()
}

#[test]
fn a_publisher_that_asks_is_told_where_its_message_went_before_the_confirm() {
    let mut rig = Rig::new();
    rig.declare("q", QueueKind::Classic, true, QueueOptions::default());
    rig.declare("other", QueueKind::Classic, false, QueueOptions::default());
    rig.declare("stream", QueueKind::Stream, true, QueueOptions::default());
    publish(&mut rig, &["q"], true, 1);
    rig.commit();
    assert_eq!(confirmed(&mut rig), [(1, 1)], "nobody asked");
    rig.wants_place = true;
    publish(&mut rig, &["q", "other", "stream"], true, 2);
    let [q, other, stream] = ["q", "other", "stream"].map(|name| rig.place(name));
    assert_eq!(
        told(&mut rig),
        [
            (2, Some((q, 2))),
            (2, Some((other, 1))),
            (2, Some((stream, 1)))
        ]
    );
    rig.commit();
    assert_eq!(told(&mut rig), [(2, None)]);
    publish(&mut rig, &["other"], false, 3);
    assert_eq!(told(&mut rig), [(3, Some((other, 2))), (3, None)]);
    let (delivery, _) = rig.get("other", false).expect("two are ready");
    assert_eq!(delivery.sequence, 1);
}

#[test]
fn a_queue_that_refuses_has_no_place() {
    let mut rig = Rig::new();
    let full = QueueOptions {
        length_max: Some(0),
        overflow: Some(Overflow::RejectPublish),
        ..QueueOptions::default()
    };
    rig.declare("full", QueueKind::Classic, true, full);
    rig.declare("q", QueueKind::Classic, true, QueueOptions::default());
    rig.wants_place = true;
    publish(&mut rig, &["full", "q"], true, 1);
    let place = rig.place("q");
    assert_eq!(told(&mut rig), [(1, Some((place, 1))), (1, None)]);
}
