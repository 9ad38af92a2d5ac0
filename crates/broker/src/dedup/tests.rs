use super::DedupId;
use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::limits::{DEDUP_ID_BYTES_MAX, DEDUP_IDS_MAX, DEDUP_SWEEP_MS, DEDUP_WINDOW_MS_DEFAULT};
use crate::message::tests::message;
use crate::shard::rig::{Rig, body};
use crate::{Event, Outcome};

/// What a publisher was told: the place and whether the message was there already, or the confirm.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Taken(u64),
    Repeated(u64),
    Confirmed(u64),
    Refused(u64),
}
use Told::{Confirmed, Refused, Repeated, Taken};

fn told(rig: &mut Rig) -> Vec<Told> {
    let of = |(_, event)| {
        if let Event::Placed {
            sequence,
            is_duplicate,
            ..
        } = event
        {
            return if is_duplicate {
                Repeated(sequence)
            } else {
                Taken(sequence)
            };
        }
        match event {
            Event::Confirmed {
                first,
                last,
                rejected: false,
                ..
            } if first == last => Confirmed(first),
            Event::Confirmed { first, .. } => Refused(first),
            Event::Deliver { .. }
            | Event::Placed { .. }
            | Event::Posted { .. }
            | Event::Replied { .. }
            | Event::ConsumerCancelled { .. }
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Close(_) => panic!("unexpected {event:?}"),
        }
    };
    std::mem::take(&mut rig.events)
        .into_iter()
        .map(of)
        .collect()
}

fn rig(kind: QueueKind, is_durable: bool, options: QueueOptions) -> Rig {
    let mut rig = Rig::new();
    rig.declare("q", kind, is_durable, options);
    rig.wants_place = true;
    rig
}

fn window(milliseconds: u64) -> QueueOptions {
    QueueOptions {
        dedup_window_ms: Some(milliseconds),
        ..QueueOptions::default()
    }
}

/// Publishes a persistent message with an id; its body is its number.
fn publish(rig: &mut Rig, id: &str, number: u64) {
    publish_to(rig, &["q"], id, number);
}

fn publish_to(rig: &mut Rig, queues: &[&str], id: &str, number: u64) {
    let mut message = message("q", &number.to_string());
    message.persistent = true;
    message.dedup_id = DedupId::of(id).map(Box::new);
    rig.publish_message(queues, message, Some(number));
}

#[test]
fn an_id_is_a_text_that_is_neither_empty_nor_long() {
    let longest = "x".repeat(DEDUP_ID_BYTES_MAX);
    assert!(DedupId::of("").is_none() && DedupId::of(&format!("{longest}x")).is_none());
    assert!(DedupId::of(&longest).is_some_and(|id| Some(id) != DedupId::of("x")));
    // The log keeps ids: they may not change.
    let known = [
        0x10, 0x58, 0x37, 0x0b, 0x93, 0x82, 0x05, 0xf2, 0x9d, 0x82, 0x65, 0x02, 0x5c, 0xcb, 0xf8,
        0x17,
    ];
    assert_eq!(DedupId::of("order 5"), Some(DedupId(known)));
}

#[test]
fn a_repeated_publish_is_confirmed_with_the_place_of_the_first_once_that_is_durable() {
    for kind in [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream] {
        let mut rig = rig(kind, true, QueueOptions::default());
        publish(&mut rig, "a", 1);
        publish(&mut rig, "a", 2);
        publish(&mut rig, "b", 3);
        publish(&mut rig, "a", 4);
        assert_eq!(
            told(&mut rig),
            [Taken(1), Repeated(1), Taken(2), Repeated(1)]
        );
        rig.shard.log().submit();
        rig.shard.release(rig.now_ms, &mut rig.events);
        publish(&mut rig, "a", 5);
        assert_eq!(told(&mut rig), [Repeated(1)], "submitted is not durable");
        rig.commit();
        let confirmed = std::mem::take(&mut rig.events);
        let confirmed: u64 = confirmed
            .into_iter()
            .map(|(_, event)| {
                let Event::Confirmed {
                    first,
                    last,
                    rejected: false,
                    ..
                } = event
                else {
                    panic!("unexpected {event:?}")
                };
                last + 1 - first
            })
            .sum();
        assert_eq!(confirmed, 5);
        publish(&mut rig, "b", 6);
        assert_eq!(told(&mut rig), [Repeated(2), Confirmed(6)]);
        assert_eq!(rig.ready("q"), 2);
    }
}

#[test]
fn ids_are_each_queues_own() {
    let mut rig = rig(QueueKind::Classic, true, QueueOptions::default());
    rig.declare("other", QueueKind::Classic, false, QueueOptions::default());
    publish(&mut rig, "a", 1);
    publish_to(&mut rig, &["q", "other"], "a", 2);
    assert_eq!(told(&mut rig), [Taken(1), Repeated(1), Taken(1)]);
    assert_eq!((rig.ready("q"), rig.ready("other")), (1, 1));
    rig.commit();
    drop(told(&mut rig));
    publish_to(&mut rig, &["other"], "a", 3);
    assert_eq!(
        told(&mut rig),
        [Repeated(1), Confirmed(3)],
        "it waits for no disk"
    );
}

#[test]
fn an_id_is_remembered_for_its_window_whatever_became_of_the_message() {
    let mut rig = rig(QueueKind::Classic, true, window(5_000));
    publish(&mut rig, "a", 1);
    assert_eq!(rig.drain("q"), ["1"]);
    rig.now_ms += 4_999;
    publish(&mut rig, "a", 2);
    rig.now_ms += 1;
    publish(&mut rig, "a", 3);
    assert_eq!(rig.drain("q"), ["3"]);
    rig.commit();
    drop(told(&mut rig));
    publish(&mut rig, "a", 4);
    rig.purge("q");
    assert_eq!(told(&mut rig), [Repeated(2), Confirmed(4)]);
    let until_ms = rig.now_ms + 5_000 + DEDUP_SWEEP_MS;
    assert_eq!(rig.shard.next_deadline(), Some(until_ms));
    rig.advance(5_000 + DEDUP_SWEEP_MS);
    assert_eq!(rig.shard.next_deadline(), None);
    rig.commit();
    rig.now_ms -= 6_000;
    rig.restart();
    rig.wants_place = true;
    publish(&mut rig, "a", 5);
    assert_eq!(told(&mut rig), [Taken(3)], "the log has forgotten it, too");
}

#[test]
fn the_default_window_is_five_minutes_and_none_means_none() {
    let mut rig = rig(QueueKind::Classic, true, QueueOptions::default());
    publish(&mut rig, "a", 1);
    rig.now_ms += DEDUP_WINDOW_MS_DEFAULT - 1;
    publish(&mut rig, "a", 2);
    rig.now_ms += 1;
    publish(&mut rig, "a", 3);
    assert_eq!(told(&mut rig), [Taken(1), Repeated(1), Taken(2)]);
    let place = rig.place("q");
    rig.shard
        .configure(place, window(0), rig.now_ms, &mut rig.events);
    publish(&mut rig, "a", 4);
    publish(&mut rig, "a", 5);
    assert_eq!(told(&mut rig), [Taken(3), Taken(4)]);
}

#[test]
fn a_message_that_was_refused_may_come_again() {
    let mut rig = rig(
        QueueKind::Classic,
        true,
        QueueOptions {
            length_max: Some(1),
            overflow: Some(Overflow::RejectPublish),
            ..QueueOptions::default()
        },
    );
    publish(&mut rig, "a", 1);
    publish(&mut rig, "b", 2);
    assert_eq!(told(&mut rig), [Taken(1), Refused(2)]);
    publish(&mut rig, "a", 3);
    assert_eq!(told(&mut rig), [Repeated(1)], "there is no need of room");
    assert_eq!(rig.drain("q"), ["1"]);
    publish(&mut rig, "b", 4);
    assert_eq!(told(&mut rig), [Taken(2)]);
}

#[test]
fn what_a_restart_finds_is_known_again_even_if_it_was_consumed() {
    for kind in [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream] {
        for settles in [false, true] {
            let mut rig = rig(kind, true, QueueOptions::default());
            let is_stream = kind == QueueKind::Stream;
            publish(&mut rig, "consumed", 1);
            publish(&mut rig, "kept", 2);
            if !is_stream {
                let (delivery, _) = rig.get("q", false).expect("two are ready");
                rig.settle_delivery(&delivery, None, Outcome::Acked);
            }
            if settles {
                rig.settle_all();
            }
            rig.commit();
            publish(&mut rig, "another", 3);
            rig.commit();
            publish(&mut rig, "lost", 4);
            rig.shard.log().submit();
            for _ in 0..2 {
                rig.restart();
                rig.wants_place = true;
                publish(&mut rig, "consumed", 5);
                publish(&mut rig, "kept", 6);
                publish(&mut rig, "another", 7);
                assert_eq!(
                    told(&mut rig),
                    [
                        Repeated(1),
                        Confirmed(5),
                        Repeated(2),
                        Confirmed(6),
                        Repeated(3),
                        Confirmed(7)
                    ],
                    "{kind:?}, settled: {settles}"
                );
                publish(&mut rig, "lost", 8);
                assert_eq!(told(&mut rig), [Taken(4)]);
            }
            assert_eq!(rig.ready("q"), if is_stream { 4 } else { 3 });
        }
    }
}

#[test]
fn what_a_consumer_without_acknowledgements_took_at_once_is_known_after_a_restart() {
    let mut rig = rig(QueueKind::Classic, true, QueueOptions::default());
    let mut wish = rig.wish(1, 0);
    wish.no_ack = true;
    rig.consume_as("q", &wish).expect("it is taken");
    publish(&mut rig, "a", 1);
    assert_eq!(told(&mut rig), [Taken(1)], "the log is to know the id");
    rig.commit();
    assert_eq!(told(&mut rig), [Confirmed(1)]);
    rig.restart();
    rig.wants_place = true;
    publish(&mut rig, "a", 2);
    assert_eq!(told(&mut rig), [Repeated(1), Confirmed(2)]);
    assert_eq!(rig.ready("q"), 0);
}

#[test]
fn a_delayed_message_is_known_while_it_waits() {
    let mut rig = rig(QueueKind::Classic, true, QueueOptions::default());
    for number in 1..=2 {
        let mut message = message("q", &number.to_string());
        message.persistent = true;
        message.dedup_id = DedupId::of("a").map(Box::new);
        message.delay_until(rig.now_ms + 100, rig.now_ms);
        rig.publish_message(&["q"], message, Some(number));
    }
    assert_eq!(told(&mut rig), [Taken(1), Repeated(1)]);
    rig.advance(100);
    let (delivery, left) = rig.get("q", true).expect("it is due");
    assert_eq!(
        (body(&delivery.message), delivery.sequence, left),
        ("1".into(), 1, 0)
    );
}

#[test]
fn the_oldest_ids_go_when_there_are_too_many() {
    let mut rig = rig(QueueKind::Classic, false, QueueOptions::default());
    rig.wants_place = false;
    let count = DEDUP_IDS_MAX as u64;
    for number in 0..=count {
        publish(&mut rig, &number.to_string(), number);
        rig.events.clear();
    }
    rig.wants_place = true;
    publish(&mut rig, &count.to_string(), 1);
    publish(&mut rig, "1", 2);
    publish(&mut rig, "0", 3);
    assert_eq!(
        told(&mut rig),
        [
            Repeated(count + 1),
            Confirmed(1),
            Repeated(2),
            Confirmed(2),
            Taken(count + 2),
            Confirmed(3)
        ]
    );
}

#[test]
fn a_deleted_queue_leaves_nothing() {
    for kind in [QueueKind::Classic, QueueKind::Stream] {
        let mut rig = rig(kind, true, QueueOptions::default());
        publish(&mut rig, "a", 1);
        rig.settle_all();
        rig.delete("q");
        rig.commit();
        assert_eq!(rig.shard.log().crash().len(), 0);
    }
}
