#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::{ExchangeDeclaration, QueueDeclaration};
use super::{Rig, access, binding, exchange, kind, queue, table};
use crate::access::{Pattern, TopicAccess};
use crate::{ExchangeKind, RefusalKind};

#[test]
fn rights_are_asked_for_every_operation() {
    let mut rig = Rig::new();
    rig.exchange(exchange("x", ExchangeKind::Direct)).unwrap();
    rig.exchange(exchange("y", ExchangeKind::Direct)).unwrap();
    rig.queue(queue("q")).unwrap();
    let dead_lettering = QueueDeclaration {
        arguments: table(&[("x-dead-letter-exchange", "x".into())]),
        ..queue("new")
    };
    let alternate = ExchangeDeclaration {
        arguments: table(&[("alternate-exchange", "x".into())]),
        ..exchange("new", ExchangeKind::Direct)
    };
    for (configure, write, read, expected) in [
        (
            "",
            ".*",
            ".*",
            [true, true, true, true, false, false, false, false],
        ),
        (
            ".*",
            "",
            ".*",
            [false, false, true, true, true, true, true, true],
        ),
        (
            ".*",
            ".*",
            "",
            [false, false, true, true, true, true, true, false],
        ),
    ] {
        rig.access = access(configure, write, read);
        let refused = [
            kind(rig.queue(queue("q"))),
            kind(rig.exchange(exchange("x", ExchangeKind::Direct))),
            kind(rig.queue(dead_lettering.clone())),
            kind(rig.exchange(alternate.clone())),
            kind(rig.bind(binding("x", "q", false, "k"))),
            kind(rig.unbind(binding("x", "q", false, "k"))),
            kind(rig.bind(binding("x", "y", true, "k"))),
            kind(rig.publish("x", "k", None)),
        ]
        .map(|refusal| refusal == Some(RefusalKind::AccessRefused));
        assert_eq!(
            refused, expected,
            "configure={configure:?} write={write:?} read={read:?}"
        );
    }
}

#[test]
fn the_default_exchange_is_amq_default_to_permissions() {
    let mut rig = Rig::new();
    rig.queue(queue("q")).unwrap();
    rig.access = access("", "^amq\\.default$", "");
    assert_eq!(rig.routes("", "q"), ["q"]);
    rig.access = access("", "^q$", "");
    let refusal = rig.publish("", "q", None).unwrap_err();
    assert_eq!(
        refusal.detail,
        "write access to exchange 'amq.default' in vhost '/' refused for user 'ana'"
    );
}

#[test]
fn rights_on_topics_follow_the_routing_key() {
    let mut rig = Rig::new();
    rig.queue(queue("q")).unwrap();
    rig.access.topics = vec![TopicAccess {
        exchange: "amq.topic".into(),
        write: Pattern::compile("^w\\.").unwrap(),
        read: Pattern::compile("^r\\.").unwrap(),
    }];
    rig.bind(binding("amq.topic", "q", false, "r.#")).unwrap();
    assert_eq!(
        kind(rig.bind(binding("amq.topic", "q", false, "w.#"))),
        Some(RefusalKind::AccessRefused)
    );
    assert!(rig.publish("amq.topic", "w.1", None).is_ok());
    assert_eq!(
        kind(rig.publish("amq.topic", "r.1", None)),
        Some(RefusalKind::AccessRefused)
    );
    assert!(
        rig.publish("amq.direct", "r.1", None).is_ok(),
        "other exchanges are open"
    );
}
