//! The rules of frames and channels, as a table: what is sent, and the error that it meets.

use broker::{Event, Outcome, Reply};
use codec::amqp::content::HEARTBEAT_FRAME;
use codec::amqp::method::{
    BasicCancel, BasicDeliver, BasicPublish, BasicQos, BasicRecover, ChannelClose, ChannelCloseOk,
    ChannelFlow, ChannelOpen, ConnectionClose, ConnectionCloseOk, ConnectionTuneOk, QueuePurge,
};

use crate::Settings;
use crate::harness::{Bench, Call, body_bytes, encode, header_bytes, publish_bytes, settled};

fn publish_method() -> Vec<u8> {
    encode(
        1,
        BasicPublish {
            routing_key: "q",
            ..BasicPublish::default()
        },
    )
}

/// Sends `input` on an open connection and wants one frame of this beginning.
fn check(name: &str, input: &[u8], beginning: &str) {
    let mut bench = Bench::open();
    bench.raw(input);
    let frames = bench.frames();
    assert!(
        matches!(frames.as_slice(), [only] if only.starts_with(beginning)),
        "{name}: expected '{beginning}', found {frames:#?}"
    );
}

fn connection_error(code: u16, text: &str, class_id: u16, method_id: u16) -> String {
    format!(
        "0 ConnectionClose {{ reply_code: {code}, reply_text: \"{text}\", class_id: {class_id}, method_id: {method_id} }}"
    )
}

#[test]
fn frames_out_of_order_close_the_connection_with_505() {
    let expected_method = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    let expected_header = "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead";
    let expected_body =
        "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    let header = header_bytes(1, 5, &[0, 0]);
    let mut wrong_class = header.clone();
    if let Some(class) = wrong_class.get_mut(8) {
        *class = 50;
    }
    let cases: [(&str, Vec<u8>, String); 9] = [
        (
            "header first",
            header.clone(),
            connection_error(505, expected_method, 60, 40),
        ),
        (
            "body first",
            body_bytes(1, b"x"),
            connection_error(505, expected_method, 60, 40),
        ),
        (
            "header missing",
            [publish_method(), body_bytes(1, b"x")].concat(),
            connection_error(505, expected_header, 60, 40),
        ),
        (
            "body missing",
            [publish_method(), header.clone(), publish_method()].concat(),
            connection_error(505, expected_body, 60, 40),
        ),
        (
            "header and body missing",
            [publish_method(), encode(1, BasicQos::default())].concat(),
            connection_error(505, expected_header, 60, 10),
        ),
        (
            "two headers",
            [publish_method(), header.clone(), header].concat(),
            connection_error(505, expected_body, 60, 40),
        ),
        (
            "wrong class",
            [publish_method(), wrong_class].concat(),
            connection_error(
                505,
                "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead",
                60,
                40,
            ),
        ),
        (
            "heartbeat on channel 1",
            vec![8, 0, 1, 0, 0, 0, 0, 0xCE],
            connection_error(
                505,
                "UNEXPECTED_FRAME - heartbeat on a channel other than 0",
                0,
                0,
            ),
        ),
        (
            "content on channel 0",
            body_bytes(0, b"x"),
            connection_error(505, "UNEXPECTED_FRAME - content on channel 0", 60, 40),
        ),
    ];
    for (name, input, expected) in cases {
        check(name, &input, &expected);
    }
}

#[test]
fn malformed_frames_close_the_connection_with_501() {
    let too_large = [&[1, 0, 1][..], &131_073_u32.to_be_bytes()].concat();
    check(
        "unknown type",
        &[9, 0, 0, 0, 0, 0, 0, 0xCE],
        &connection_error(501, "FRAME_ERROR - unknown frame type 9", 0, 0),
    );
    check(
        "wrong end",
        &[8, 0, 0, 0, 0, 0, 0, 0xCF],
        &connection_error(
            501,
            "FRAME_ERROR - frame ends with 0xcf instead of 0xce",
            0,
            0,
        ),
    );
    check(
        "too large",
        &too_large,
        "0 ConnectionClose { reply_code: 501",
    );
    check(
        "more body than announced",
        &[
            publish_method(),
            header_bytes(1, 2, &[0, 0]),
            body_bytes(1, b"abc"),
        ]
        .concat(),
        "0 ConnectionClose { reply_code: 501",
    );
}

#[test]
fn methods_in_the_wrong_place_close_the_connection() {
    let open = || encode(1, ChannelOpen {});
    let cases: [(&str, Vec<u8>, &str); 10] = [
        (
            "open twice",
            open(),
            "0 ConnectionClose { reply_code: 504, reply_text: \"CHANNEL_ERROR - second",
        ),
        (
            "not open",
            encode(2, BasicQos::default()),
            "0 ConnectionClose { reply_code: 504, reply_text: \"CHANNEL_ERROR - expected",
        ),
        (
            "beyond channel_max",
            encode(2_048, ChannelOpen {}),
            "0 ConnectionClose { reply_code: 530, reply_text: \"NOT_ALLOWED - ",
        ),
        (
            "a server's method",
            encode(1, BasicDeliver::default()),
            "0 ConnectionClose { reply_code: 503",
        ),
        (
            "a method of the handshake",
            encode(0, ConnectionTuneOk::default()),
            "0 ConnectionClose { reply_code: 503",
        ),
        (
            "a channel's method on 0",
            encode(0, BasicQos::default()),
            "0 ConnectionClose { reply_code: 503",
        ),
        (
            "flow off",
            encode(1, ChannelFlow { active: false }),
            "0 ConnectionClose { reply_code: 540, reply_text: \"NOT_IMPLEMENTED - active=false",
        ),
        (
            "prefetch_size",
            encode(
                1,
                BasicQos {
                    prefetch_size: 5,
                    ..BasicQos::default()
                },
            ),
            "0 ConnectionClose { reply_code: 540, reply_text: \"NOT_IMPLEMENTED - prefetch_size!=0 (5)\", class_id: 60, method_id: 10",
        ),
        (
            "recover without requeue",
            encode(1, BasicRecover { requeue: false }),
            "0 ConnectionClose { reply_code: 540",
        ),
        (
            "unknown method",
            vec![1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 99, 0xCE],
            "0 ConnectionClose { reply_code: 540",
        ),
    ];
    for (name, input, expected) in cases {
        check(name, &input, expected);
    }
}

#[test]
fn malformed_arguments_close_the_connection_with_502() {
    check(
        "cut short",
        &[1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 10, 0xCE],
        "0 ConnectionClose { reply_code: 502, reply_text: \"SYNTAX_ERROR - ",
    );
    check(
        "undefined property flags",
        &publish_bytes(1, "q", &[0, 3], b""),
        "0 ConnectionClose { reply_code: 502",
    );
    let endless_table = [&[0x20, 0][..], &u32::MAX.to_be_bytes()].concat();
    check(
        "headers past their frame",
        &publish_bytes(1, "q", &endless_table, b""),
        "0 ConnectionClose { reply_code: 502",
    );
}

#[test]
fn after_a_connection_error_only_close_ok_is_heard() {
    let mut bench = Bench::open();
    bench.method(1, BasicRecover { requeue: false });
    bench.expect_only("0 ConnectionClose");
    bench.publish("q", b"ignored");
    assert_eq!(bench.calls(), []);
    assert!(!bench.session.is_closed());
    bench.method(0, ConnectionCloseOk {});
    assert!(bench.session.is_closed());
    assert!(bench.output().is_empty());
}

#[test]
fn a_channel_error_leaves_other_channels_alone() {
    let mut bench = Bench::open();
    bench.method(2, ChannelOpen {});
    let _ = bench.frames();
    bench.raw(&publish_bytes(1, "q", &[0x01, 0, 1, b'x'], b""));
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - invalid expiration 'x'\", class_id: 60, method_id: 40");
    bench.publish("ignored", b"x");
    bench.raw(&publish_bytes(2, "q", &[0, 0], b"x"));
    let calls = bench.calls();
    assert!(
        matches!(calls.as_slice(), [Call::Publish { channel: 2, .. }]),
        "{calls:?}"
    );
    bench.method(1, ChannelCloseOk {});
    bench.method(1, ChannelOpen {});
    bench.expect_only("1 ChannelOpenOk");
}

#[test]
fn a_channel_that_both_ends_close_waits_for_its_close_ok() {
    let mut bench = Bench::open();
    bench.method(1, BasicQos::default());
    bench.raw(&encode(1, codec::amqp::method::TxCommit {}));
    let _ = bench.frames();
    bench.method(
        1,
        ChannelClose {
            reply_code: 200,
            ..ChannelClose::default()
        },
    );
    bench.expect_only("1 ChannelCloseOk");
    bench.method(1, ChannelCloseOk {});
    bench.method(1, ChannelOpen {});
    bench.expect_only("1 ChannelOpenOk");
}

#[test]
fn closing_a_channel_stops_consumers_and_then_requeues_in_order() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    for sequence in 1..=3 {
        bench.deliver(consumer, sequence, b"x");
    }
    bench.calls();
    bench.method(1, ChannelClose::default());
    let requeued = |sequence| settled(sequence, consumer, Outcome::Requeued);
    assert_eq!(
        bench.calls(),
        [
            Call::Drop(consumer.0),
            requeued(1),
            requeued(2),
            requeued(3)
        ]
    );
    bench.deliver(consumer, 4, b"late");
    assert_eq!(bench.calls(), [requeued(4)], "what is on its way goes back");
}

#[test]
fn deliveries_to_an_earlier_tenant_of_a_consumer_slot_go_back() {
    let mut bench = Bench::open();
    let old = bench.consume("c", false);
    bench.method(
        1,
        BasicCancel {
            consumer_tag: "c",
            no_wait: false,
        },
    );
    bench.replied(1, Ok(Reply::Done));
    let new = bench.consume("c", false);
    assert_ne!(old, new);
    bench.frames();
    bench.calls();
    bench.deliver(old, 1, b"x");
    assert_eq!(bench.calls(), [settled(1, old, Outcome::Requeued)]);
    assert!(bench.frames().is_empty());
}

#[test]
fn reading_pauses_until_a_request_is_answered() {
    let mut bench = Bench::open();
    bench.method(
        1,
        QueuePurge {
            queue: "q",
            no_wait: false,
        },
    );
    assert!(bench.session.is_paused());
    bench.publish("q", b"x");
    assert_eq!(bench.calls().len(), 1, "only the purge was asked for");
    bench.event(Event::Replied {
        channel: 1,
        result: Ok(Reply::Purged(3)),
    });
    bench.expect_only("1 QueuePurgeOk { message_count: 3 }");
    assert!(!bench.session.is_paused());
    bench.resume_input();
    assert!(matches!(bench.calls().as_slice(), [Call::Publish { .. }]));
}

#[test]
fn reading_pauses_while_too_much_output_waits() {
    let mut bench = Bench::open();
    bench.port.answers = 0;
    let message = crate::harness::mandatory_bytes(1, "nowhere", &[0; 100_000]);
    for _ in 0..20 {
        bench.raw(&message);
    }
    assert!(bench.session.is_paused());
    assert!(bench.held_back() > 0);
    let mut returned = 0;
    while bench.held_back() > 0 {
        returned += bench
            .frames()
            .iter()
            .filter(|frame| frame.contains("BasicReturn"))
            .count();
        bench.resume_input();
    }
    returned += bench
        .frames()
        .iter()
        .filter(|frame| frame.contains("BasicReturn"))
        .count();
    assert_eq!(returned, 20);
}

#[test]
fn blocked_is_told_to_those_who_asked() {
    let mut bench = Bench::open();
    bench.event(Event::Blocked("low on memory"));
    bench.event(Event::Unblocked);
    assert_eq!(
        bench.frames(),
        [
            "0 ConnectionBlocked { reason: \"low on memory\" }",
            "0 ConnectionUnblocked"
        ]
    );
}

#[test]
fn a_close_of_the_client_is_answered_and_ends_it() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    bench.deliver(consumer, 1, b"x");
    bench.frames();
    bench.calls();
    bench.method(
        0,
        ConnectionClose {
            reply_code: 200,
            ..ConnectionClose::default()
        },
    );
    bench.expect_only("0 ConnectionCloseOk");
    assert!(bench.session.is_closed());
    assert_eq!(
        bench.calls(),
        [
            Call::Drop(consumer.0),
            settled(1, consumer, Outcome::Requeued)
        ]
    );
}

#[test]
fn heartbeats_and_a_zero_frame_limit_are_fine() {
    let mut bench = Bench::open_with(
        Settings {
            frame_max: 0,
            ..Settings::default()
        },
        0,
    );
    bench.raw(&HEARTBEAT_FRAME);
    let large = vec![7; 200_000];
    bench.raw(
        &[
            publish_method(),
            header_bytes(1, 200_000, &[0, 0]),
            body_bytes(1, &large),
        ]
        .concat(),
    );
    assert!(bench.output().is_empty());
    let calls = bench.calls();
    assert!(
        matches!(calls.as_slice(), [Call::Publish { body, is_shared: true, .. }] if *body == large)
    );
}

#[test]
fn gauge_bytes_are_what_the_queue_added() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", true);
    bench.deliver(consumer, 1, b"12345");
    bench.deliver(consumer, 2, b"");
    let delivery = crate::harness::delivery;
    let counted = delivery(1, b"12345").outbox_bytes() + delivery(2, b"").outbox_bytes();
    assert_eq!(bench.session.take_gauge_bytes(), counted);
    assert_eq!(bench.session.take_gauge_bytes(), 0);
}
