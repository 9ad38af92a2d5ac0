//! Consumers: their tags, their limits, and the pseudo-queue of direct replies.

use super::*;

#[test]
fn a_consumer_tag_is_kept_or_chosen() {
    let mut bench = Bench::open();
    bench.consume("mine", false);
    assert_eq!(
        bench.frames(),
        ["1 BasicConsumeOk { consumer_tag: \"mine\" }"]
    );
    bench.consume("", false);
    bench.consume("", false);
    let frames = bench.frames();
    assert!(
        matches!(frames.as_slice(), [first, second] if first != second && first.contains("amq.ctag-")),
        "{frames:?}"
    );
    bench.method(
        1,
        BasicConsume {
            queue: "q",
            consumer_tag: "mine",
            ..BasicConsume::default()
        },
    );
    bench.expect_only("0 ConnectionClose { reply_code: 530, reply_text: \"NOT_ALLOWED - attempt to reuse consumer tag 'mine'\"");
}

#[test]
fn a_refused_consumer_frees_its_tag() {
    let mut bench = Bench::open();
    bench.method(
        1,
        BasicConsume {
            queue: "q",
            consumer_tag: "c",
            ..BasicConsume::default()
        },
    );
    bench.replied(
        1,
        Err(Refusal::new(
            RefusalKind::AccessRefused,
            "queue 'q' in exclusive use",
        )),
    );
    assert_eq!(bench.session.description().consumers, 0);
    let dropped = bench
        .calls()
        .iter()
        .any(|call| matches!(call, Call::Drop(_)));
    assert!(dropped, "the engine forgets it too");
}

#[test]
fn consumers_of_a_channel_are_bounded() {
    let mut bench = Bench::open_with(
        Settings {
            consumers_per_channel_max: 2,
            ..Settings::default()
        },
        0,
    );
    bench.consume("a", false);
    bench.consume("b", false);
    bench.frames();
    bench.method(
        1,
        BasicConsume {
            queue: "q",
            ..BasicConsume::default()
        },
    );
    bench.expect_only("0 ConnectionClose { reply_code: 530");
}

#[test]
fn a_cancel_is_answered_whether_the_tag_is_known_or_not() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    bench.deliver(consumer, 1, b"x");
    bench.frames();
    bench.calls();
    bench.method(
        1,
        BasicCancel {
            consumer_tag: "other",
            no_wait: false,
        },
    );
    bench.expect_only("1 BasicCancelOk { consumer_tag: \"other\" }");
    assert_eq!(bench.calls(), []);
    bench.method(
        1,
        BasicCancel {
            consumer_tag: "c",
            no_wait: false,
        },
    );
    bench.deliver(consumer, 2, b"on its way");
    bench.replied(1, Ok(Reply::Done));
    let frames = bench.frames();
    assert!(
        frames
            .first()
            .is_some_and(|frame| frame.contains("BasicDeliver")),
        "{frames:?}"
    );
    assert_eq!(
        frames.last().map(String::as_str),
        Some("1 BasicCancelOk { consumer_tag: \"c\" }")
    );
    assert_eq!(
        bench.session.description().unacked,
        2,
        "what was delivered stays unsettled"
    );
}

#[test]
fn a_consumer_that_loses_its_queue_is_told_and_forgotten() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    bench.frames();
    bench.event(Event::ConsumerCancelled {
        channel: 1,
        consumer,
    });
    bench.expect_only("1 BasicCancel { consumer_tag: \"c\", no_wait: true }");
    bench.consume("c", false);
}

#[test]
fn consume_arguments_are_checked() {
    let check = |name: &str, value: Value| {
        let mut arguments = Table::new();
        arguments.insert(name, value);
        let bytes = arguments.to_bytes();
        let mut bench = Bench::open();
        bench.method(
            1,
            BasicConsume {
                queue: "q",
                arguments: TableRef::new(&bytes),
                ..BasicConsume::default()
            },
        );
        match bench.calls().pop() {
            Some(Call::Request(_, request)) => request,
            _ => bench.frames().concat(),
        }
    };
    assert!(check("x-priority", Value::I8(-5)).contains("priority: -5"));
    assert!(
        check("x-priority", "high".into()).contains(
            "reply_code: 406, reply_text: \"PRECONDITION_FAILED - invalid arg 'x-priority'"
        )
    );
    assert!(check("x-other", Value::Void).contains("priority: 0, offset: Next"));
    assert!(check("x-stream-offset", "first".into()).contains("offset: First"));
    assert!(check("x-stream-offset", "last".into()).contains("offset: Last"));
    assert!(check("x-stream-offset", "next".into()).contains("offset: Next"));
    assert!(check("x-stream-offset", Value::I64(42)).contains("offset: Offset(42)"));
    assert!(check("x-stream-offset", Value::Timestamp(5)).contains("offset: Timestamp(5000)"));
    assert!(check("x-stream-offset", "soon".into()).contains("reply_code: 406"));
    assert!(check("x-stream-offset", Value::I64(-1)).contains("reply_code: 406"));
}

#[test]
fn direct_replies_have_one_consumer_without_acknowledgement() {
    let consume = |tag, no_ack| BasicConsume {
        queue: "amq.rabbitmq.reply-to",
        consumer_tag: tag,
        no_ack,
        ..BasicConsume::default()
    };
    let mut bench = Bench::open();
    bench.method(1, consume("r", false));
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - reply consumer cannot acknowledge\"");
    let mut bench = Bench::open();
    bench.method(1, consume("r", true));
    bench.expect_only("1 BasicConsumeOk { consumer_tag: \"r\" }");
    let calls = bench.calls();
    let [Call::OpenReply(1, number)] = calls.as_slice() else {
        unreachable!("an address is opened, not {calls:?}")
    };
    bench.method(
        1,
        BasicCancel {
            consumer_tag: "r",
            no_wait: false,
        },
    );
    bench.expect_only("1 BasicCancelOk { consumer_tag: \"r\" }");
    assert_eq!(bench.calls(), [Call::Drop(*number)]);
    bench.method(1, consume("r", true));
    bench.frames();
    bench.method(1, consume("s", true));
    bench.expect_only("1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - reply consumer already set\"");
}

#[test]
fn the_reply_queue_is_always_declared() {
    let mut bench = Bench::open();
    bench.method(
        1,
        QueueDeclare {
            queue: "amq.rabbitmq.reply-to",
            passive: true,
            ..QueueDeclare::default()
        },
    );
    bench.expect_only("1 QueueDeclareOk { queue: \"amq.rabbitmq.reply-to\"");
    assert_eq!(bench.calls(), []);
}
