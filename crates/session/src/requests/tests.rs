mod consumers;

use broker::{Event, Refusal, RefusalKind, Reply};
use codec::amqp::field::{Table, TableRef, Value};
use codec::amqp::method::{
    BasicCancel, BasicConsume, BasicGet, ExchangeBind, ExchangeDeclare, ExchangeDelete,
    ExchangeUnbind, QueueBind, QueueDeclare, QueueDelete, QueuePurge, QueueUnbind,
};

use crate::Settings;
use crate::harness::{Bench, Call, delivery, encode};

/// Sends a method that becomes a request, and answers it; returns the request and the frames.
fn ask(bench: &mut Bench, input: &[u8], reply: Reply) -> (String, Vec<String>) {
    bench.raw(input);
    let calls = bench.calls();
    let [Call::Request(1, request)] = calls.as_slice() else {
        unreachable!("one request is made, not {calls:?}")
    };
    assert_eq!(
        bench.frames(),
        Vec::<String>::new(),
        "nothing is said before the answer"
    );
    bench.replied(1, Ok(reply));
    (request.clone(), bench.frames())
}

fn declared(name: &str) -> Reply {
    Reply::QueueDeclared {
        name: name.into(),
        messages: 2,
        consumers: 1,
    }
}

#[test]
fn each_request_has_its_answer() {
    let cases: [(Vec<u8>, Reply, &str, &str); 10] = [
        (
            encode(
                1,
                ExchangeDeclare {
                    exchange: "e\r\n",
                    kind: "fanout",
                    durable: true,
                    ..ExchangeDeclare::default()
                },
            ),
            Reply::Done,
            "ExchangeDeclare { name: \"e\", kind: \"fanout\", passive: false, durable: true",
            "1 ExchangeDeclareOk",
        ),
        (
            encode(
                1,
                ExchangeDelete {
                    exchange: "e",
                    if_unused: true,
                    no_wait: false,
                },
            ),
            Reply::Done,
            "ExchangeDelete { name: \"e\", if_unused: true }",
            "1 ExchangeDeleteOk",
        ),
        (
            encode(
                1,
                ExchangeBind {
                    destination: "d",
                    source: "s",
                    routing_key: "k",
                    ..ExchangeBind::default()
                },
            ),
            Reply::Done,
            "Bind { unbind: false, source: \"s\", destination: \"d\", to_exchange: true, routing_key: \"k\"",
            "1 ExchangeBindOk",
        ),
        (
            encode(
                1,
                ExchangeUnbind {
                    destination: "d",
                    source: "s",
                    routing_key: "k",
                    ..ExchangeUnbind::default()
                },
            ),
            Reply::Done,
            "Bind { unbind: true, source: \"s\", destination: \"d\", to_exchange: true",
            "1 ExchangeUnbindOk",
        ),
        (
            encode(
                1,
                QueueDeclare {
                    queue: "a\nb",
                    exclusive: true,
                    ..QueueDeclare::default()
                },
            ),
            declared("ab"),
            "QueueDeclare { name: \"ab\", passive: false, durable: false, exclusive: true",
            "1 QueueDeclareOk { queue: \"ab\", message_count: 2, consumer_count: 1 }",
        ),
        (
            encode(
                1,
                QueueBind {
                    queue: "q",
                    exchange: "e",
                    routing_key: "",
                    ..QueueBind::default()
                },
            ),
            Reply::Done,
            "Bind { unbind: false, source: \"e\", destination: \"q\", to_exchange: false, routing_key: \"\"",
            "1 QueueBindOk",
        ),
        (
            encode(
                1,
                QueueUnbind {
                    queue: "q",
                    exchange: "e",
                    routing_key: "k",
                    ..QueueUnbind::default()
                },
            ),
            Reply::Done,
            "Bind { unbind: true, source: \"e\", destination: \"q\", to_exchange: false, routing_key: \"k\"",
            "1 QueueUnbindOk",
        ),
        (
            encode(
                1,
                QueuePurge {
                    queue: "q",
                    no_wait: false,
                },
            ),
            Reply::Purged(u64::MAX),
            "QueuePurge { name: \"q\" }",
            "1 QueuePurgeOk { message_count: 4294967295 }",
        ),
        (
            encode(
                1,
                QueueDelete {
                    queue: "q",
                    if_unused: true,
                    if_empty: true,
                    no_wait: false,
                },
            ),
            Reply::Deleted(3),
            "QueueDelete { name: \"q\", if_unused: true, if_empty: true }",
            "1 QueueDeleteOk { message_count: 3 }",
        ),
        (
            encode(
                1,
                BasicGet {
                    queue: "q",
                    no_ack: true,
                },
            ),
            Reply::Empty,
            "Get { queue: \"q\", no_ack: true }",
            "1 BasicGetEmpty",
        ),
    ];
    for (input, reply, request, answer) in cases {
        let mut bench = Bench::open();
        let (asked, frames) = ask(&mut bench, &input, reply);
        assert!(
            asked.starts_with(request),
            "expected {request}, found {asked}"
        );
        assert_eq!(frames, [answer]);
    }
}

#[test]
fn no_wait_is_silent_but_for_refusals() {
    let inputs = [
        (
            encode(
                1,
                ExchangeDeclare {
                    exchange: "e",
                    no_wait: true,
                    ..ExchangeDeclare::default()
                },
            ),
            Reply::Done,
        ),
        (
            encode(
                1,
                ExchangeDelete {
                    exchange: "e",
                    no_wait: true,
                    ..ExchangeDelete::default()
                },
            ),
            Reply::Done,
        ),
        (
            encode(
                1,
                QueueDeclare {
                    queue: "q",
                    no_wait: true,
                    ..QueueDeclare::default()
                },
            ),
            declared("q"),
        ),
        (
            encode(
                1,
                QueueBind {
                    queue: "q",
                    no_wait: true,
                    ..QueueBind::default()
                },
            ),
            Reply::Done,
        ),
        (
            encode(
                1,
                QueuePurge {
                    queue: "q",
                    no_wait: true,
                },
            ),
            Reply::Purged(1),
        ),
        (
            encode(
                1,
                QueueDelete {
                    queue: "q",
                    no_wait: true,
                    ..QueueDelete::default()
                },
            ),
            Reply::Deleted(1),
        ),
        (
            encode(
                1,
                BasicConsume {
                    queue: "q",
                    no_wait: true,
                    ..BasicConsume::default()
                },
            ),
            Reply::Done,
        ),
    ];
    for (input, reply) in inputs {
        let mut bench = Bench::open();
        let (request, frames) = ask(&mut bench, &input, reply);
        assert!(frames.is_empty(), "{request} was answered by {frames:?}");
        bench.raw(&input);
        bench.replied(1, Err(Refusal::new(RefusalKind::NotFound, "no")));
        bench.expect_only("1 ChannelClose { reply_code: 404");
    }
}

#[test]
fn every_kind_of_refusal_has_its_code_and_scope() {
    let cases = [
        (
            RefusalKind::NotFound,
            "1 ChannelClose { reply_code: 404, reply_text: \"NOT_FOUND - why\"",
        ),
        (
            RefusalKind::AccessRefused,
            "1 ChannelClose { reply_code: 403, reply_text: \"ACCESS_REFUSED - why\"",
        ),
        (
            RefusalKind::PreconditionFailed,
            "1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - why\"",
        ),
        (
            RefusalKind::ResourceLocked,
            "1 ChannelClose { reply_code: 405, reply_text: \"RESOURCE_LOCKED - why\"",
        ),
        (
            RefusalKind::LimitExceeded,
            "1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - why\"",
        ),
        (
            RefusalKind::Unavailable,
            "1 ChannelClose { reply_code: 506, reply_text: \"RESOURCE_ERROR - why\"",
        ),
        (
            RefusalKind::NotAllowed,
            "0 ConnectionClose { reply_code: 530, reply_text: \"NOT_ALLOWED - why\"",
        ),
        (
            RefusalKind::CommandInvalid,
            "0 ConnectionClose { reply_code: 503, reply_text: \"COMMAND_INVALID - why\"",
        ),
        (
            RefusalKind::NotImplemented,
            "0 ConnectionClose { reply_code: 540, reply_text: \"NOT_IMPLEMENTED - why\"",
        ),
    ];
    for (kind, expected) in cases {
        let mut bench = Bench::open();
        bench.method(
            1,
            QueuePurge {
                queue: "q",
                no_wait: false,
            },
        );
        bench.replied(1, Err(Refusal::new(kind, "why")));
        bench.expect_only(&format!("{expected}, class_id: 50, method_id: 30 }}"));
    }
}

#[test]
fn an_empty_queue_name_is_the_last_declared_one() {
    let mut bench = Bench::open();
    bench.method(
        1,
        BasicGet {
            queue: "",
            no_ack: false,
        },
    );
    bench.expect_only("1 ChannelClose { reply_code: 404, reply_text: \"NOT_FOUND - no previously declared queue\"");
    let mut bench = Bench::open();
    ask(
        &mut bench,
        &encode(1, QueueDeclare::default()),
        declared("amq.gen-1"),
    );
    let (bind, _) = ask(
        &mut bench,
        &encode(
            1,
            QueueBind {
                exchange: "e",
                ..QueueBind::default()
            },
        ),
        Reply::Done,
    );
    assert!(
        bind.contains("destination: \"amq.gen-1\", to_exchange: false, routing_key: \"amq.gen-1\""),
        "{bind}"
    );
    let (bind, _) = ask(
        &mut bench,
        &encode(
            1,
            QueueBind {
                exchange: "e",
                routing_key: "k",
                ..QueueBind::default()
            },
        ),
        Reply::Done,
    );
    assert!(
        bind.contains("destination: \"amq.gen-1\", to_exchange: false, routing_key: \"k\""),
        "{bind}"
    );
    let (purge, _) = ask(
        &mut bench,
        &encode(1, QueuePurge::default()),
        Reply::Purged(0),
    );
    assert_eq!(purge, "QueuePurge { name: \"amq.gen-1\" }");
    let (consume, _) = ask(&mut bench, &encode(1, BasicConsume::default()), Reply::Done);
    assert!(
        consume.starts_with("Consume { queue: \"amq.gen-1\""),
        "{consume}"
    );
}

#[test]
fn a_get_is_delivered_with_what_is_left() {
    let mut bench = Bench::open();
    bench.method(
        1,
        BasicGet {
            queue: "q",
            no_ack: false,
        },
    );
    bench.replied(1, Ok(Reply::Got(Box::new(delivery(1, b"hello")), 9)));
    assert_eq!(
        bench.frames(),
        [
            "1 BasicGetOk { delivery_tag: 1, redelivered: false, exchange: \"x\", routing_key: \"key\", message_count: 9 }",
            "1 header 5",
            "1 body 5"
        ]
    );
    assert_eq!(bench.session.description().unacked, 1);
}

#[test]
fn an_answer_of_the_wrong_kind_ends_only_this_connection() {
    let mut bench = Bench::open();
    bench.method(
        1,
        QueuePurge {
            queue: "q",
            no_wait: false,
        },
    );
    bench.replied(1, Ok(Reply::Done));
    bench.expect_only("0 ConnectionClose { reply_code: 541");
}
