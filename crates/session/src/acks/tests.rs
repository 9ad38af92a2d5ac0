use broker::Outcome;
use codec::amqp::method::{
    BasicAck, BasicNack, BasicQos, BasicRecover, BasicRecoverAsync, BasicReject,
};

use crate::harness::{Bench, Call, settled};
use crate::limits;

fn ack(delivery_tag: u64, multiple: bool) -> BasicAck {
    BasicAck {
        delivery_tag,
        multiple,
    }
}

/// Five deliveries to one consumer; nothing else waits.
fn delivered() -> (Bench, broker::ConsumerNumber) {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    for sequence in 11..=15 {
        bench.deliver(consumer, sequence, b"x");
    }
    bench.frames();
    bench.calls();
    (bench, consumer)
}

#[test]
fn tags_are_settled_one_by_one_in_any_order() {
    let (mut bench, consumer) = delivered();
    for tag in [1, 4, 5, 2, 3] {
        bench.method(1, ack(tag, false));
        assert_eq!(bench.calls(), [settled(10 + tag, consumer, Outcome::Acked)]);
    }
    assert!(bench.output().is_empty());
}

#[test]
fn multiple_settles_all_up_to_the_tag_in_order() {
    let (mut bench, consumer) = delivered();
    bench.method(1, ack(2, false));
    bench.calls();
    bench.method(
        1,
        BasicNack {
            delivery_tag: 4,
            multiple: true,
            requeue: true,
        },
    );
    let requeued = |sequence| settled(sequence, consumer, Outcome::Requeued);
    assert_eq!(bench.calls(), [requeued(11), requeued(13), requeued(14)]);
    bench.method(1, ack(0, true));
    assert_eq!(bench.calls(), [settled(15, consumer, Outcome::Acked)]);
    bench.method(1, ack(0, true));
    assert!(
        bench.output().is_empty(),
        "tag 0 with nothing outstanding is fine"
    );
}

#[test]
fn requeue_decides_between_back_and_away() {
    let (mut bench, consumer) = delivered();
    bench.method(
        1,
        BasicReject {
            delivery_tag: 1,
            requeue: true,
        },
    );
    bench.method(
        1,
        BasicReject {
            delivery_tag: 2,
            requeue: false,
        },
    );
    bench.method(
        1,
        BasicNack {
            delivery_tag: 3,
            multiple: false,
            requeue: false,
        },
    );
    assert_eq!(
        bench.calls(),
        [
            settled(11, consumer, Outcome::Requeued),
            settled(12, consumer, Outcome::Rejected),
            settled(13, consumer, Outcome::Rejected)
        ]
    );
}

#[test]
fn unknown_and_repeated_tags_are_told_with_406() {
    for (first, second, tag, method) in [
        (None, ack(6, false), 6, 80),
        (None, ack(0, false), 0, 80),
        (None, ack(9, true), 9, 80),
        (Some(ack(3, false)), ack(3, false), 3, 80),
        (Some(ack(3, true)), ack(2, true), 2, 80),
    ] {
        let (mut bench, _) = delivered();
        if let Some(first) = first {
            bench.method(1, first);
        }
        bench.method(1, second);
        bench.expect_only(&format!(
            "1 ChannelClose {{ reply_code: 406, reply_text: \"PRECONDITION_FAILED - unknown delivery tag {tag}\", class_id: 60, method_id: {method} }}"
        ));
    }
    let (mut bench, _) = delivered();
    bench.method(
        1,
        BasicReject {
            delivery_tag: 6,
            requeue: true,
        },
    );
    bench.expect_only("1 ChannelClose { reply_code: 406");
}

#[test]
fn deliveries_without_acknowledgement_cannot_be_acknowledged() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", true);
    bench.deliver(consumer, 1, b"x");
    bench.frames();
    bench.method(1, ack(1, false));
    bench.expect_only("1 ChannelClose { reply_code: 406");
}

#[test]
fn recover_puts_all_back_in_order() {
    let (mut bench, consumer) = delivered();
    bench.method(1, ack(2, false));
    bench.calls();
    bench.method(1, BasicRecover { requeue: true });
    bench.expect_only("1 BasicRecoverOk");
    let recovered = |sequence| settled(sequence, consumer, Outcome::Recovered);
    assert_eq!(
        bench.calls(),
        [recovered(11), recovered(13), recovered(14), recovered(15)]
    );
    bench.method(1, BasicRecoverAsync { requeue: true });
    assert!(bench.output().is_empty());
    assert_eq!(bench.calls(), []);
}

#[test]
fn a_shared_limit_serves_consumers_in_turn() {
    let mut bench = Bench::open();
    let consumers = ["a", "b", "c"].map(|tag| bench.consume(tag, false).0);
    bench.frames();
    bench.calls();
    bench.method(
        1,
        BasicQos {
            prefetch_count: 1,
            global: true,
            ..BasicQos::default()
        },
    );
    bench.expect_only("1 BasicQosOk");
    let [a, b, c] = consumers;
    assert_eq!(
        bench.calls(),
        [Call::Resume(b), Call::Resume(c), Call::Resume(a)]
    );
    bench.deliver(broker::ConsumerNumber(a), 1, b"x");
    bench.method(1, ack(1, false));
    let acked = settled(1, broker::ConsumerNumber(a), Outcome::Acked);
    assert_eq!(
        bench.calls(),
        [acked, Call::Resume(c), Call::Resume(a), Call::Resume(b)]
    );
    let in_turn = [[a, b, c], [b, c, a], [c, a, b]];
    for again in in_turn
        .iter()
        .cycle()
        .take(usize::from(limits::RESUMES_AGAIN))
    {
        bench.timeout(bench.now_ms + 10);
        assert_eq!(
            bench.calls(),
            again.map(Call::Resume),
            "again, for credit of other shards"
        );
    }
    bench.timeout(bench.now_ms + 10);
    assert_eq!(bench.calls(), []);
}

#[test]
fn a_limit_for_new_consumers_is_theirs() {
    let mut bench = Bench::open();
    bench.method(
        1,
        BasicQos {
            prefetch_count: 17,
            ..BasicQos::default()
        },
    );
    bench.consume("c", false);
    let calls = bench.calls();
    assert!(
        matches!(calls.as_slice(), [Call::Request(1, consume)] if consume.contains("prefetch: 17")),
        "{calls:?}"
    );
}
