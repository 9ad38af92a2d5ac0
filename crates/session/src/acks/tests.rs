use broker::{Outcome, Reply};
use codec::amqp::method::{
    BasicAck, BasicGet, BasicNack, BasicQos, BasicRecover, BasicRecoverAsync, BasicReject,
    ChannelClose, ChannelOpen, TxCommit, TxRollback, TxSelect,
};

use crate::Settings;
use crate::harness::{Bench, Call, delivery, settled};
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

/// A connection that may have four unacknowledged messages, has them, and has a second consumer on channel 2.
fn laden() -> (Bench, broker::ConsumerNumber, broker::ConsumerNumber) {
    let settings = Settings {
        unacked_max: 4,
        ..Settings::default()
    };
    let mut bench = Bench::open_with(settings, 0);
    bench.method(2, ChannelOpen {});
    let (first, second) = (
        bench.consume("first", false),
        bench.consume_on(2, "second", false),
    );
    for sequence in 1..=3 {
        bench.deliver(first, sequence, b"x");
        assert!(!bench.session.gauge.is_laden());
    }
    bench.deliver(first, 4, b"x");
    assert!(bench.session.gauge.is_laden(), "no consumer gets more");
    bench.frames();
    bench.calls();
    (bench, first, second)
}

fn resumed(calls: &[Call]) -> Vec<u32> {
    let numbers = calls.iter().filter_map(|call| match call {
        Call::Resume(number) => Some(*number),
        Call::Publish { .. }
        | Call::Settle { .. }
        | Call::Request(..)
        | Call::Drop(_)
        | Call::OpenReply(..) => None,
    });
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn a_connection_with_too_many_unacknowledged_waits_until_it_acknowledges() {
    let (mut bench, first, second) = laden();
    bench.method(1, ack(1, false));
    assert!(!bench.session.gauge.is_laden());
    assert_eq!(
        resumed(&bench.calls()),
        [first.0, second.0],
        "the consumers of all channels are served again"
    );
    bench.method(1, ack(2, false));
    assert_eq!(resumed(&bench.calls()), [] as [u32; 0]);
}

#[test]
fn closing_a_channel_or_recovering_frees_what_it_held() {
    let (mut bench, _, second) = laden();
    bench.method(1, ChannelClose::default());
    assert!(!bench.session.gauge.is_laden());
    assert_eq!(resumed(&bench.calls()), [second.0]);

    let (mut bench, first, second) = laden();
    bench.method(1, BasicRecover { requeue: true });
    assert!(!bench.session.gauge.is_laden());
    assert_eq!(resumed(&bench.calls()), [first.0, second.0]);
}

#[test]
fn an_acknowledgement_counts_when_its_transaction_is_committed() {
    let (mut bench, _, _) = laden();
    bench.method(1, TxSelect {});
    bench.method(1, ack(4, true));
    assert!(bench.session.gauge.is_laden(), "nothing is settled yet");
    bench.method(1, TxRollback {});
    assert_eq!(bench.session.description().unacked, 4);
    bench.method(1, ack(4, true));
    bench.method(1, TxCommit {});
    assert!(!bench.session.gauge.is_laden());
    assert_eq!(bench.session.description().unacked, 0);
}

#[test]
fn gets_count_and_are_refused_when_there_are_too_many() {
    let (mut bench, _, _) = laden();
    let get = |no_ack| BasicGet { queue: "q", no_ack };
    bench.method(2, get(true));
    bench.replied(2, Ok(Reply::Empty));
    bench.frames();
    bench.method(2, get(false));
    let frames = bench.frames();
    assert!(
        matches!(frames.as_slice(), [only] if only.contains("ChannelClose { reply_code: 406")
            && only.contains("its limit of 4 unacknowledged messages")),
        "{frames:?}"
    );
    bench.method(1, ack(1, false));
    bench.method(1, get(false));
    bench.replied(1, Ok(Reply::Got(Box::new(delivery(9, b"x")), 0)));
    assert_eq!(bench.session.description().unacked, 4);
}
