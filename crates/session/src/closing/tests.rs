use broker::{Event, Outcome, Reply};
use codec::amqp::method::{BasicGet, ChannelOpen, ConnectionClose, ConnectionCloseOk};

use crate::harness::{Bench, Call, delivery, settled};

#[test]
fn the_operator_closes_with_320() {
    let mut bench = Bench::open();
    bench.event(Event::Close("closed by the operator".into()));
    bench.expect_only(
        "0 ConnectionClose { reply_code: 320, reply_text: \"CONNECTION_FORCED - closed by the operator\", class_id: 0, method_id: 0 }",
    );
    bench.session.shutdown("again", bench.now_ms);
    assert!(bench.output().is_empty(), "it is said once");
    bench.method(0, ConnectionCloseOk {});
    assert!(bench.session.is_closed());
}

#[test]
fn a_shutdown_gives_everything_back_before_it_ends() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    bench.deliver(consumer, 1, b"x");
    bench.calls();
    bench.session.shutdown("over", bench.now_ms);
    bench.deliver(consumer, 2, b"x");
    let requeued = |sequence| settled(sequence, consumer, Outcome::Requeued);
    assert_eq!(
        bench.calls(),
        [Call::Drop(consumer.0), requeued(1), requeued(2)]
    );
}

#[test]
fn a_lost_socket_gives_everything_back_once() {
    let mut bench = Bench::open();
    bench.method(2, ChannelOpen {});
    let first = bench.consume("c", false);
    let second = bench.consume_on(2, "c", false);
    bench.deliver(first, 1, b"x");
    bench.calls();
    bench.session.close(&mut bench.port);
    assert_eq!(
        bench.calls(),
        [
            Call::Drop(first.0),
            Call::Drop(second.0),
            settled(1, first, Outcome::Requeued)
        ]
    );
    bench.session.close(&mut bench.port);
    assert_eq!(bench.calls(), []);
    assert!(bench.session.is_closed());
}

#[test]
fn an_answer_that_comes_too_late_loses_no_message() {
    let mut bench = Bench::open();
    bench.method(
        1,
        BasicGet {
            queue: "q",
            no_ack: false,
        },
    );
    bench.calls();
    bench.session.shutdown("over", bench.now_ms);
    bench.replied(1, Ok(Reply::Got(Box::new(delivery(1, b"x")), 0)));
    assert_eq!(
        bench.calls(),
        [Call::Settle {
            queue: 7,
            sequence: 1,
            consumer: None,
            outcome: Outcome::Requeued
        }]
    );
}

#[test]
fn both_ends_may_close_at_once() {
    let mut bench = Bench::open();
    bench.session.shutdown("over", bench.now_ms);
    bench.frames();
    bench.method(0, ConnectionClose::default());
    bench.expect_only("0 ConnectionCloseOk");
    assert!(bench.session.is_closed());
}

#[test]
fn close_ok_is_found_even_where_frames_are_lost() {
    let mut bench = Bench::open();
    bench.raw(b"\x09garbage");
    bench.expect_only("0 ConnectionClose { reply_code: 501");
    bench.raw(b"more garbage");
    assert!(!bench.session.is_closed());
    assert_eq!(bench.held_back(), 0);
    bench.method(0, ConnectionCloseOk {});
    assert!(bench.session.is_closed());
}

#[test]
fn long_texts_are_cut_to_a_short_string() {
    let mut bench = Bench::open();
    bench.session.shutdown(&"x".repeat(1_000), bench.now_ms);
    let frames = bench.frames();
    let text = frames.first().and_then(|frame| frame.split('"').nth(1));
    assert_eq!(text.map(str::len), Some(255));
}
