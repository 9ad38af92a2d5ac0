#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::field::Value;
use codec::amqp::properties::PropertiesRef;

use super::super::{
    Actor, Addressed, BindingView, ExchangeDeclaration, RouteCache, Routes, Topology,
};
use super::{Rig, VHOST, binding, exchange, kind, queue, table};
use crate::message::tests::message;
use crate::{ConnectionId, ExchangeKind, RefusalKind};

#[test]
fn an_alternate_exchange_takes_what_nothing_else_takes() {
    let mut rig = Rig::new();
    let to = |name: &str| table(&[("alternate-exchange", name.into())]);
    rig.exchange(ExchangeDeclaration {
        arguments: to("second"),
        ..exchange("first", ExchangeKind::Direct)
    })
    .unwrap();
    rig.exchange(ExchangeDeclaration {
        arguments: to("third"),
        ..exchange("second", ExchangeKind::Direct)
    })
    .unwrap();
    assert!(
        rig.routes("first", "k").is_empty(),
        "the chain ends at an exchange that does not exist"
    );
    rig.exchange(ExchangeDeclaration {
        arguments: to("first"),
        ..exchange("third", ExchangeKind::Direct)
    })
    .unwrap();
    assert!(rig.routes("first", "k").is_empty(), "a cycle ends");
    for name in ["1", "3"] {
        rig.queue(queue(name)).unwrap();
    }
    rig.bind(binding("third", "3", false, "k")).unwrap();
    assert_eq!(rig.routes("first", "k"), ["3"]);
    rig.bind(binding("first", "1", false, "k")).unwrap();
    assert_eq!(rig.routes("first", "k"), ["1"]);
    let wrong = ExchangeDeclaration {
        arguments: table(&[("alternate-exchange", Value::I32(1))]),
        ..exchange("w", ExchangeKind::Direct)
    };
    assert_eq!(
        kind(rig.exchange(wrong)),
        Some(RefusalKind::PreconditionFailed)
    );
}

#[test]
fn exchanges_lead_to_exchanges_and_each_queue_gets_one_copy() {
    let mut rig = Rig::new();
    for (name, kind) in [
        ("f", ExchangeKind::Fanout),
        ("t", ExchangeKind::Topic),
        ("h", ExchangeKind::Headers),
    ] {
        rig.exchange(exchange(name, kind)).unwrap();
    }
    for name in ["1", "2", "3"] {
        rig.queue(queue(name)).unwrap();
    }
    for wish in [
        binding("f", "t", true, ""),
        binding("t", "h", true, "a.#"),
        binding("t", "1", false, "a.#"),
        binding("t", "1", false, "#.b"),
        binding("f", "1", false, ""),
        BindingView {
            arguments: table(&[("colour", "red".into())]),
            ..binding("h", "2", false, "")
        },
        binding("h", "f", true, ""),
    ] {
        rig.bind(wish).unwrap();
    }
    assert_eq!(rig.routes("f", "a.b"), ["1"]);
    let red = table(&[("colour", "red".into())]);
    assert_eq!(
        rig.publish("f", "a.b", Some(red)).unwrap(),
        ["1", "2"],
        "the loop ends"
    );
    rig.unbind(binding("f", "t", true, "")).unwrap();
    assert_eq!(rig.routes("f", "a.b"), ["1"]);
    rig.delete_exchange("t", false).unwrap();
    assert_eq!(rig.routes("f", "a.b"), ["1"]);
}

#[test]
fn carbon_copies_add_routes() {
    let mut rig = Rig::new();
    for name in ["1", "2", "3"] {
        rig.queue(queue(name)).unwrap();
    }
    let keys = |keys: &[&str]| Value::Array(keys.iter().map(|key| Value::from(*key)).collect());
    for (header, expected) in [
        (
            table(&[("CC", keys(&["2"])), ("BCC", keys(&["3"]))]),
            vec!["1", "2", "3"],
        ),
        (
            table(&[("CC", keys(&["1", "2", "2", "", "unknown"]))]),
            vec!["1", "2"],
        ),
        (
            table(&[("CC", Value::Array(vec![Value::I32(1), "3".into()]))]),
            vec!["1", "3"],
        ),
        (table(&[("CC", keys(&[]))]), vec!["1"]),
    ] {
        assert_eq!(rig.publish("", "1", Some(header)).unwrap(), expected);
    }
    for header in ["CC", "BCC"] {
        let wrong = table(&[(header, "2".into())]);
        assert_eq!(
            kind(rig.publish("", "1", Some(wrong))),
            Some(RefusalKind::PreconditionFailed)
        );
    }
    let many = Value::Array(
        (0..10_000)
            .map(|number| number.to_string().into())
            .collect(),
    );
    assert_eq!(
        rig.publish("", "1", Some(table(&[("CC", many)]))).unwrap(),
        ["1", "2", "3"]
    );
}

#[test]
fn unbinding_what_is_not_bound_is_no_error() {
    let mut rig = Rig::new();
    rig.exchange(exchange("x", ExchangeKind::Direct)).unwrap();
    rig.queue(queue("q")).unwrap();
    for wish in [
        binding("x", "q", false, "k"),
        binding("x", "no", false, "k"),
        binding("no", "q", false, "k"),
        binding("x", "no", true, "k"),
    ] {
        rig.unbind(wish).unwrap();
    }
    for wish in [
        binding("x", "no", false, "k"),
        binding("no", "q", false, "k"),
        binding("x", "no", true, "k"),
    ] {
        assert_eq!(kind(rig.bind(wish)), Some(RefusalKind::NotFound));
    }
}

#[test]
fn a_binding_made_twice_is_one() {
    let mut rig = Rig::new();
    rig.queue(queue("q")).unwrap();
    rig.bind(binding("amq.direct", "q", false, "k")).unwrap();
    rig.bind(binding("amq.direct", "q", false, "k")).unwrap();
    rig.unbind(binding("amq.direct", "q", false, "k")).unwrap();
    assert!(rig.routes("amq.direct", "k").is_empty());
}

#[test]
fn a_cache_forgets_when_the_topology_changes() {
    let mut rig = Rig::new();
    let place = rig.queue(queue("q")).unwrap();
    let message = message("q", "");
    let properties = PropertiesRef::parse(message.properties()).unwrap();
    let publish = Addressed {
        exchange: "",
        routing_key: "q",
        properties: &properties,
    };
    let mut cache = RouteCache::default();
    let mut count = |topology: &Topology| {
        let actor = Actor {
            connection: ConnectionId(1),
            access: None,
        };
        cache
            .route(topology, VHOST, &publish, &actor)
            .unwrap()
            .1
            .len()
    };
    assert_eq!(count(&rig.topology), 1);
    rig.topology.remove_queue(VHOST, "q", place);
    assert_eq!(count(&rig.topology), 0);
    rig.queue(queue("q")).unwrap();
    assert_eq!(count(&rig.topology), 1);
}

#[test]
fn a_cache_tells_many_keys_apart_and_goes_on_when_it_is_full() {
    let mut rig = Rig::new();
    let names: Vec<String> = (0..3_000).map(|number| format!("q{number}")).collect();
    let places: Vec<_> = names
        .iter()
        .map(|name| rig.queue(queue(name)).unwrap())
        .collect();
    let mut cache = RouteCache::default();
    let actor = Actor {
        connection: ConnectionId(1),
        access: None,
    };
    let properties = PropertiesRef::default();
    // All of them, then some again and again: first more than it remembers, then fewer.
    let keys = (0..names.len()).chain((0..names.len()).map(|at| at * 7 % 100));
    for at in keys {
        let (name, place) = names.iter().zip(&places).nth(at).unwrap();
        let publish = Addressed {
            exchange: "",
            routing_key: name,
            properties: &properties,
        };
        let routed = cache.route(&rig.topology, VHOST, &publish, &actor).unwrap();
        assert_eq!(&routed.1[..], [*place]);
        let elsewhere = Addressed {
            exchange: "amq.direct",
            ..publish
        };
        let routed = cache
            .route(&rig.topology, VHOST, &elsewhere, &actor)
            .unwrap();
        assert!(routed.1.is_empty(), "the exchange is a part of the address");
    }
}

#[test]
fn a_dead_letter_is_routed_by_the_address_that_it_carries() {
    let mut rig = Rig::new();
    let place = rig.queue(queue("q")).unwrap();
    let host = rig.topology.vhost(VHOST).unwrap();
    let mut routes = Routes::new();
    host.route_message(&message("q", ""), &mut routes).unwrap();
    assert_eq!(&routes[..], [place]);
    routes.clear();
    host.route_message(
        &message("q", "").readdressed("gone".into(), "q", &[0, 0]),
        &mut routes,
    )
    .unwrap();
    assert!(
        routes.is_empty(),
        "an exchange that is gone takes it nowhere"
    );
}
