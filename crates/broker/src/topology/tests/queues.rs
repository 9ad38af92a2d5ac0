#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::field::{Table, Value};

use super::super::{Actor, Change, ExchangeDeclaration, QueueDeclaration, Quotas, Topology};
use super::{Rig, VHOST, binding, exchange, kind, queue, table};
use crate::arguments::{Overflow, QueueKind};
use crate::{ApplyTo, ConnectionId, ExchangeKind, Policy, QueueRef, Refusal, RefusalKind};

#[test]
fn an_equivalent_queue_may_be_declared_again() {
    let ttl = |value: Value| table(&[("x-message-ttl", value)]);
    let declared = QueueDeclaration {
        arguments: ttl(Value::I32(5)),
        ..queue("q")
    };
    for (again, expected) in [
        (declared.clone(), None),
        (
            QueueDeclaration {
                arguments: ttl(Value::I64(5)),
                ..declared.clone()
            },
            None,
        ),
        (
            QueueDeclaration {
                arguments: table(&[
                    ("x-message-ttl", Value::I8(5)),
                    ("x-own", Value::Array(vec![1.into()])),
                ]),
                ..declared.clone()
            },
            None,
        ),
        (
            QueueDeclaration {
                arguments: ttl(Value::I32(6)),
                ..declared.clone()
            },
            Some(RefusalKind::PreconditionFailed),
        ),
        (
            QueueDeclaration {
                arguments: Table::new(),
                ..declared.clone()
            },
            Some(RefusalKind::PreconditionFailed),
        ),
        (
            QueueDeclaration {
                durable: false,
                ..declared.clone()
            },
            Some(RefusalKind::PreconditionFailed),
        ),
        (
            QueueDeclaration {
                auto_delete: true,
                ..declared.clone()
            },
            Some(RefusalKind::PreconditionFailed),
        ),
        (
            QueueDeclaration {
                exclusive: true,
                ..declared.clone()
            },
            Some(RefusalKind::ResourceLocked),
        ),
    ] {
        let mut rig = Rig::new();
        let place = rig.queue(declared.clone()).unwrap();
        let result = rig.queue(again.clone());
        assert_eq!(
            result.as_ref().err().map(|refusal| refusal.kind),
            expected,
            "{again:?}"
        );
        assert!(result.is_err() || result == Ok(place));
    }
}

#[test]
fn an_exclusive_queue_is_locked_for_others() {
    let mut rig = Rig::new();
    let exclusive = QueueDeclaration {
        exclusive: true,
        ..queue("q")
    };
    let place = rig.queue(exclusive.clone()).unwrap();
    assert_eq!(rig.queue(exclusive.clone()), Ok(place));
    assert_eq!(
        kind(rig.queue(queue("q"))),
        Some(RefusalKind::ResourceLocked),
        "declaring it as another is refused to its owner too"
    );
    rig.connection = ConnectionId(2);
    let refusals = [
        kind(rig.queue(exclusive)),
        kind(rig.queue(queue("q"))),
        kind(rig.usable("q")),
        kind(rig.bind(binding("amq.direct", "q", false, "k"))),
        kind(rig.unbind(binding("amq.direct", "q", false, "k"))),
    ];
    assert_eq!(refusals, [Some(RefusalKind::ResourceLocked); 5]);
}

#[test]
fn a_queue_without_a_name_gets_one() {
    let mut rig = Rig::new();
    let place = rig
        .queue(QueueDeclaration {
            generated: "amq.gen-abc".into(),
            ..queue("")
        })
        .unwrap();
    assert_eq!(
        rig.topology.queue_name(VHOST, place).as_deref(),
        Some("amq.gen-abc")
    );
    rig.queue(queue("amq.gen-abc"))
        .expect("one that exists may be declared again");
}

#[test]
fn a_place_has_a_name_only_while_its_queue_lives_there() {
    let mut rig = Rig::new();
    let first = rig.queue(queue("a")).unwrap();
    let other = rig.queue(queue("b")).unwrap();
    let name = |rig: &Rig, place| rig.topology.queue_name(VHOST, place);
    assert_eq!(name(&rig, first).as_deref(), Some("a"));
    assert_eq!(name(&rig, other).as_deref(), Some("b"));
    assert!(rig.topology.remove_queue(VHOST, "a", first));
    assert_eq!(name(&rig, first), None);
    let second = rig.queue(queue("a")).unwrap();
    assert_eq!(name(&rig, second).as_deref(), Some("a"));
    assert_eq!(name(&rig, first), None, "that queue is gone for good");
    assert_eq!(name(&rig, other).as_deref(), Some("b"));
    let elsewhere = QueueRef {
        epoch: second.epoch + 1,
        ..second
    };
    assert_eq!(name(&rig, elsewhere), None);
}

#[test]
fn queues_of_a_kind_are_refused_what_it_cannot_be() {
    let of = |kind: &str| QueueDeclaration {
        arguments: table(&[("x-queue-type", kind.into())]),
        ..queue("q")
    };
    for wrong in [
        of("lazy"),
        QueueDeclaration {
            durable: false,
            ..of("quorum")
        },
        QueueDeclaration {
            exclusive: true,
            ..of("quorum")
        },
        QueueDeclaration {
            auto_delete: true,
            ..of("stream")
        },
        QueueDeclaration {
            arguments: table(&[
                ("x-queue-type", "quorum".into()),
                ("x-max-priority", 5.into()),
            ]),
            ..queue("q")
        },
        QueueDeclaration {
            arguments: table(&[("x-dead-letter-routing-key", "k".into())]),
            ..queue("q")
        },
        QueueDeclaration {
            name: "q".repeat(256),
            ..queue("")
        },
    ] {
        assert_eq!(
            kind(Rig::new().queue(wrong.clone())),
            Some(RefusalKind::PreconditionFailed),
            "{wrong:?}"
        );
    }
    let mut rig = Rig::new();
    rig.queue(of("quorum")).unwrap();
    let host = rig.topology.vhost(VHOST).unwrap();
    assert_eq!(
        host.options_of(host.queue("q").unwrap()).delivery_limit,
        Some(20)
    );
}

#[test]
fn only_durable_things_are_written_down() {
    let mut rig = Rig::new();
    rig.queue(QueueDeclaration {
        durable: false,
        ..queue("transient")
    })
    .unwrap();
    rig.queue(QueueDeclaration {
        exclusive: true,
        ..queue("exclusive")
    })
    .unwrap();
    rig.exchange(ExchangeDeclaration {
        durable: false,
        ..exchange("x", ExchangeKind::Fanout)
    })
    .unwrap();
    let durable = rig.queue(queue("durable")).unwrap();
    rig.bind(binding("x", "durable", false, "")).unwrap();
    rig.bind(binding("amq.direct", "transient", false, "k"))
        .unwrap();
    let changes = rig.topology.take_changes();
    assert!(
        matches!(&changes[..], [Change::QueueDeclared { id, .. }] if *id == durable.id),
        "{changes:?}"
    );
    assert_eq!(rig.routes("x", ""), ["durable"]);
    rig.bind(binding("amq.direct", "durable", false, "k"))
        .unwrap();
    rig.unbind(binding("amq.direct", "durable", false, "k"))
        .unwrap();
    rig.topology.remove_queue(VHOST, "durable", durable);
    let expected = [
        Change::Bound(binding("amq.direct", "durable", false, "k")),
        Change::Unbound(binding("amq.direct", "durable", false, "k")),
        Change::QueueDeleted { id: durable.id },
    ];
    assert_eq!(rig.topology.take_changes(), expected);
}

#[test]
fn numbers_of_queues_are_not_used_twice() {
    let mut rig = Rig::new();
    let first = rig.queue(queue("q")).unwrap();
    assert!(rig.topology.remove_queue(VHOST, "q", first));
    assert!(!rig.topology.remove_queue(VHOST, "q", first));
    let second = rig.queue(queue("q")).unwrap();
    assert_eq!((second.slot, second.id.0), (first.slot, first.id.0 + 1));
    assert!(
        !rig.topology.remove_queue(VHOST, "q", first),
        "the one before cannot be meant any more"
    );
    let mut restored = Topology::new(2, 1);
    restored.add_vhost(VHOST);
    restored
        .restore_queue(VHOST, second.id, queue("q"), None)
        .unwrap();
    let mut rig = Rig {
        topology: restored,
        ..Rig::new()
    };
    assert!(rig.queue(queue("new")).unwrap().id > second.id);
}

fn declare_in(rig: &mut Rig, vhost: &str, wish: QueueDeclaration) -> Result<(), Refusal> {
    let server = Actor {
        connection: ConnectionId(2),
        access: None,
    };
    rig.topology.declare_queue(vhost, wish, &server).map(|_| ())
}

#[test]
fn there_is_a_limit_of_queues_which_deleting_makes_room_under() {
    let mut rig = Rig::new();
    rig.topology.set_quotas(Quotas {
        queues: 2,
        ..Quotas::default()
    });
    rig.queue(queue("1")).unwrap();
    rig.queue(queue("2")).unwrap();
    rig.queue(queue("2"))
        .expect("one that exists is no further one");
    let refusal = rig.queue(queue("3")).expect_err("it is one too many");
    assert_eq!(refusal.kind, RefusalKind::LimitExceeded);
    assert_eq!(
        refusal.detail,
        "cannot declare queue '3': queue limit in cluster (2) is reached"
    );
    let gone = rig.topology.vhost(VHOST).unwrap().queue("1").unwrap().place;
    assert!(rig.topology.remove_queue(VHOST, "1", gone));
    rig.queue(queue("3")).expect("there is room again");
    rig.topology.add_vhost("other");
    let elsewhere = declare_in(&mut rig, "other", queue("1"));
    assert_eq!(
        kind(elsewhere),
        Some(RefusalKind::LimitExceeded),
        "the limit is the server's"
    );
    rig.topology.remove_vhost(VHOST);
    declare_in(&mut rig, "other", queue("1")).expect("a virtual host goes with its queues");
}

#[test]
fn there_is_a_limit_of_bindings_which_every_way_of_losing_one_makes_room_under() {
    let mut rig = Rig::new();
    rig.topology.set_quotas(Quotas {
        bindings: 2,
        ..Quotas::default()
    });
    let bind = |rig: &mut Rig, source: &str, queue: &str, key: &str| {
        rig.bind(binding(source, queue, false, key))
            .map_err(|refusal| {
                assert_eq!(refusal.kind, RefusalKind::LimitExceeded);
                assert!(
                    refusal.detail.contains("binding limit in cluster (2)"),
                    "{refusal}"
                );
            })
    };
    type Loss = fn(&mut Rig);
    let losses: [Loss; 4] = [
        |rig| rig.unbind(binding("x", "one", false, "a")).unwrap(),
        |rig| rig.delete_exchange("x", false).unwrap(),
        |rig| {
            let gone = rig.topology.vhost(VHOST).unwrap().queue("one").unwrap();
            let place = gone.place;
            assert!(rig.topology.remove_queue(VHOST, "one", place));
        },
        |rig| drop(rig.topology.remove_vhost(VHOST)),
    ];
    for lose in losses {
        rig.topology.add_vhost(VHOST);
        for name in ["one", "two"] {
            rig.queue(queue(name)).unwrap();
        }
        rig.exchange(exchange("x", ExchangeKind::Direct)).unwrap();
        rig.exchange(exchange("y", ExchangeKind::Direct)).unwrap();
        bind(&mut rig, "x", "one", "a").unwrap();
        bind(&mut rig, "y", "two", "a").unwrap();
        bind(&mut rig, "y", "two", "a").expect("one that exists is no further one");
        assert_eq!(bind(&mut rig, "y", "two", "b"), Err(()));
        lose(&mut rig);
        rig.topology.add_vhost(VHOST);
        rig.queue(queue("two")).unwrap();
        rig.exchange(exchange("y", ExchangeKind::Direct)).unwrap();
        bind(&mut rig, "y", "two", "b").expect("there is room again");
        rig.topology.remove_vhost(VHOST);
    }
}

#[test]
fn a_policy_tightens_the_queues_that_it_names() {
    let mut rig = Rig::new();
    let own = table(&[
        ("x-max-length", 10.into()),
        ("x-dead-letter-exchange", "own".into()),
    ]);
    rig.queue(QueueDeclaration {
        arguments: own,
        ..queue("orders.1")
    })
    .unwrap();
    let other = rig.queue(queue("other")).unwrap();
    let definition = table(&[
        ("max-length", 5.into()),
        ("overflow", "reject-publish".into()),
        ("dead-letter-exchange", "policy".into()),
        ("dead-letter-routing-key", "k".into()),
    ]);
    let low = Policy::new(
        "low".into(),
        ".*",
        ApplyTo::QueuesOf(QueueKind::Classic),
        -1,
        &table(&[("queue-mode", "lazy".into())]),
    )
    .unwrap();
    let high = Policy::new("high".into(), "^orders\\.", ApplyTo::Queues, 1, &definition).unwrap();
    let options = rig.topology.set_policies(VHOST, vec![high, low]);
    let (_, orders) = options.iter().find(|(place, _)| *place != other).unwrap();
    assert_eq!(
        (orders.length_max, orders.overflow),
        (Some(5), Some(Overflow::RejectPublish))
    );
    assert_eq!(
        (
            orders.dead_letter_exchange.as_deref(),
            orders.dead_letter_routing_key.as_deref()
        ),
        (Some("own"), Some("k"))
    );
    let rest = options
        .iter()
        .find(|(place, _)| *place == other)
        .map(|(_, options)| options.length_max);
    assert_eq!(rest, Some(None));
}

#[test]
fn what_there_is_can_be_counted() {
    let mut rig = Rig::new();
    let before = rig.topology.census();
    assert_eq!((before.vhosts, before.queues, before.bindings), (1, 0, 0));
    rig.queue(queue("one")).unwrap();
    rig.queue(queue("two")).unwrap();
    rig.bind(binding("amq.direct", "one", false, "a")).unwrap();
    rig.topology.add_vhost("other");
    let after = rig.topology.census();
    assert_eq!((after.vhosts, after.queues, after.bindings), (2, 2, 1));
    assert_eq!(after.exchanges, 2 * before.exchanges);
    rig.topology.remove_vhost(VHOST);
    let left = rig.topology.census();
    assert_eq!((left.vhosts, left.queues, left.bindings), (1, 0, 0));
}
