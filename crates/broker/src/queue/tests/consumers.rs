#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use super::{options, publish_all};
use crate::arguments::{QueueKind, QueueOptions};
use crate::limits::OUTBOX_BYTES_MAX;
use crate::shard::rig::Rig;
use crate::{ConsumeRequest, Outcome, RefusalKind};

#[test]
fn a_prefetch_limit_is_each_consumers_own() {
    let mut rig = Rig::with(options());
    publish_all(&mut rig, &["1", "2", "3", "4", "5"]);
    rig.consume("q", 1, 2);
    rig.consume("q", 2, 1);
    let got = rig.take();
    let of = |number| got.iter().filter(|got| got.consumer == number).count();
    assert_eq!((of(1), of(2)), (2, 1));
    rig.settle(&got[0], Outcome::Acked);
    assert_eq!(
        rig.take()
            .iter()
            .map(|got| got.consumer)
            .collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn consumers_without_limit_take_turns() {
    let mut rig = Rig::with(options());
    (1..=3).for_each(|number| rig.consume("q", number, 0));
    publish_all(&mut rig, &["1", "2", "3", "4", "5", "6"]);
    assert_eq!(
        rig.take()
            .iter()
            .map(|got| got.consumer)
            .collect::<Vec<_>>(),
        [1, 2, 3, 1, 2, 3]
    );
}

#[test]
fn a_cancelled_consumers_messages_stay_out_until_they_are_settled() {
    let mut rig = Rig::with(options());
    rig.consume("q", 1, 0);
    publish_all(&mut rig, &["1"]);
    let got = rig.take();
    rig.cancel("q", 1);
    publish_all(&mut rig, &["2"]);
    assert!(
        rig.take().is_empty(),
        "a cancelled consumer gets nothing more"
    );
    assert_eq!((rig.ready("q"), rig.statistics("q").unacked), (1, 1));
    rig.settle(&got[0], Outcome::Recovered);
    assert_eq!(rig.drain("q"), ["1", "2"]);
}

#[test]
fn consumers_of_higher_priority_come_first_until_they_are_full() {
    let mut rig = Rig::with(options());
    for (number, priority) in [(1, 0), (2, 10), (3, -5)] {
        let mut wish = rig.wish(number, 1);
        wish.priority = priority;
        rig.consume_as("q", &wish).expect("it is taken");
    }
    publish_all(&mut rig, &["1", "2", "3", "4"]);
    let got = rig.take();
    assert_eq!(
        got.iter().map(|got| got.consumer).collect::<Vec<_>>(),
        [2, 1, 3]
    );
    rig.settle(&got[0], Outcome::Acked);
    assert_eq!(
        rig.take()
            .iter()
            .map(|got| got.consumer)
            .collect::<Vec<_>>(),
        [2]
    );
}

#[test]
fn a_single_active_consumer_is_followed_by_the_next_in_line() {
    let mut rig = Rig::with(QueueOptions {
        single_active_consumer: true,
        ..options()
    });
    (1..=3).for_each(|number| rig.consume("q", number, 1));
    publish_all(&mut rig, &["1", "2"]);
    let got = rig.take();
    assert_eq!(
        got.iter().map(|got| got.consumer).collect::<Vec<_>>(),
        [1],
        "the others wait though it is full"
    );
    rig.cancel("q", 1);
    assert_eq!(
        rig.take()
            .iter()
            .map(|got| got.consumer)
            .collect::<Vec<_>>(),
        [2]
    );
    rig.cancel("q", 3);
    publish_all(&mut rig, &["3"]);
    assert!(rig.take().is_empty());
}

#[test]
fn an_exclusive_consumer_is_alone() {
    let mut rig = Rig::with(options());
    let mut wish = rig.wish(1, 0);
    wish.exclusive = true;
    rig.consume_as("q", &wish).expect("nobody else is there");
    let refusal = rig
        .consume_as("q", &rig.wish(2, 0))
        .expect_err("the first is exclusive");
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (
            RefusalKind::AccessRefused,
            "queue 'q' in vhost '/' in exclusive use"
        )
    );
    rig.cancel("q", 1);
    rig.consume("q", 2, 0);
    assert!(
        rig.consume_as("q", &wish).is_err(),
        "nobody becomes exclusive beside others"
    );
}

#[test]
fn a_consumer_that_does_not_read_is_passed_over_and_served_again_later() {
    let mut rig = Rig::with(options());
    let slow = rig.wish(1, 0);
    rig.consume_as("q", &slow).expect("it is taken");
    slow.gauge.add(OUTBOX_BYTES_MAX);
    publish_all(&mut rig, &["1"]);
    assert!(rig.take().is_empty());
    assert!(!slow.gauge.written(10), "not enough was written");
    assert!(
        slow.gauge.written(OUTBOX_BYTES_MAX - 10),
        "whoever was passed over is to be resumed"
    );
    rig.resume("q");
    assert_eq!(rig.bodies(), ["1"]);
    assert!(
        !slow.gauge.written(usize::MAX),
        "more than was added takes off all"
    );
    assert!(slow.gauge.has_room());
}

#[test]
fn a_consumer_that_never_reads_is_handed_the_outbox_limit_and_one_message_at_most() {
    for (no_ack, prefetch, length) in [
        (true, 0, 0),
        (true, 0, 1_000),
        (true, 0, 200_000),
        (false, 0, 1_000),
        (false, 3, 200_000),
        (false, 100, 1_000),
        (false, 65_535, 10),
    ] {
        let mut rig = Rig::with(options());
        let stuck = ConsumeRequest {
            gauge: Arc::default(),
            no_ack,
            ..rig.wish(1, prefetch)
        };
        rig.consume_as("q", &stuck).expect("it is taken");
        let text = "x".repeat(length);
        let published = if length > 10_000 { 20 } else { 6_000 };
        (0..published).for_each(|_| rig.publish("q", &text));
        let got = rig.take();
        let each = got[0].delivery.outbox_bytes();
        let bytes: usize = got.iter().map(|got| got.delivery.outbox_bytes()).sum();
        assert!(
            bytes < OUTBOX_BYTES_MAX + each,
            "{} messages of {length}: {bytes} bytes",
            got.len()
        );
        assert!(prefetch == 0 || got.len() <= prefetch as usize);
        assert!(got.len() < published, "there was more to be had");
        // Whoever reads is served all the rest, as if the other one were not there.
        rig.consume("q", 2, 0);
        while rig.ready("q") > 0 {
            rig.resume("q");
        }
        assert_eq!(rig.take().len(), published - got.len());
        (0..100).for_each(|_| rig.publish("q", &text));
        assert_eq!(rig.take().len(), 100);
    }
}

#[test]
fn a_laden_connection_gets_only_what_it_need_not_acknowledge() {
    let mut rig = Rig::with(options());
    let wish = rig.wish(1, 0);
    rig.consume_as("q", &wish).expect("it is taken");
    wish.gauge.set_laden(true);
    publish_all(&mut rig, &["1", "2"]);
    assert!(rig.take().is_empty());
    let free = ConsumeRequest {
        no_ack: true,
        ..rig.wish(2, 0)
    };
    rig.consume_as("q", &free).expect("it is taken");
    assert_eq!(rig.bodies(), ["1", "2"]);
    rig.cancel("q", 2);
    publish_all(&mut rig, &["3"]);
    assert!(rig.take().is_empty());
    wish.gauge.set_laden(false);
    rig.resume("q");
    assert_eq!(rig.bodies(), ["3"]);
}

#[test]
fn a_closed_shared_limit_also_holds_back_consumers_without_acknowledgements() {
    let mut rig = Rig::with(options());
    let credit = Arc::new(crate::Credit::default());
    credit.set_limit(1);
    for (number, no_ack) in [(1, false), (2, true)] {
        let mut wish = rig.wish(number, 0);
        (wish.credit, wish.no_ack) = (credit.clone(), no_ack);
        rig.consume_as("q", &wish).expect("it is taken");
    }
    publish_all(&mut rig, &["1", "2"]);
    assert_eq!(rig.bodies(), ["1"]);
}

#[test]
fn raising_a_shared_limit_takes_effect_at_once() {
    let mut rig = Rig::with(options());
    let wish = rig.wish(1, 0);
    wish.credit.set_limit(1);
    rig.consume_as("q", &wish).expect("it is taken");
    publish_all(&mut rig, &["1", "2", "3"]);
    assert_eq!(rig.bodies(), ["1"]);
    wish.credit.set_limit(2);
    rig.resume("q");
    assert_eq!(rig.bodies(), ["2"]);
    wish.credit.set_limit(0);
    rig.resume("q");
    assert_eq!(rig.bodies(), ["3"]);
}

/// Serves one channel with a shared limit of one message from several consumers, as its session does.
fn share_one_message(queues: &[&str], consumers: u32) -> Vec<usize> {
    let mut rig = Rig::new();
    let credit = Arc::new(crate::Credit::default());
    credit.set_limit(1);
    for queue in queues {
        rig.declare(queue, QueueKind::Classic, true, options());
        (0..50).for_each(|number| rig.publish(queue, &number.to_string()));
    }
    let at = |number: u32| queues[number as usize % queues.len()];
    for number in 0..consumers {
        let mut wish = rig.wish(number, 0);
        wish.credit = credit.clone();
        rig.consume_as(at(number), &wish).expect("it is taken");
    }
    let mut counts = vec![0; consumers as usize];
    for turn in 0..30 {
        let got = rig.take();
        assert_eq!(
            got.len(),
            1,
            "turn {turn}: the limit is one message, and one is always out"
        );
        counts[got[0].consumer as usize] += 1;
        rig.settle(&got[0], Outcome::Acked);
        (0..consumers).for_each(|number| rig.resume(at((number + turn) % consumers)));
    }
    counts
}

#[test]
fn a_shared_limit_starves_no_consumer() {
    for (queues, consumers) in [
        (vec!["a", "b", "c"], 3),
        (vec!["a"], 2),
        (vec!["a"], 3),
        (vec!["a", "b"], 4),
    ] {
        let counts = share_one_message(&queues, consumers);
        assert!(
            counts.iter().all(|count| *count >= 3),
            "{counts:?} from {queues:?}"
        );
    }
}
