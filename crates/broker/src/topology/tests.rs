#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chat;
mod outlets;
mod partitions;
mod queues;
mod renaming;
mod rights;
mod routes;
mod verbs;

use std::sync::Arc;

use codec::amqp::field::{Table, Value};
use codec::amqp::properties::PropertiesRef;

use super::{
    Actor, Addressed, BindingView, ExchangeDeclaration, QueueDeclaration, QueueDeclared,
    RouteCache, Topology,
};
use crate::access::{Access, Office, Pattern, Right};
use crate::message::tests::with_headers;
use crate::{ApplyTo, ConnectionId, ExchangeKind, Policy, QueueRef, Refusal, RefusalKind};

const VHOST: &str = "/";

fn access(configure: &str, write: &str, read: &str) -> Access {
    let pattern = |text| Pattern::compile(text).unwrap();
    Access {
        login: "ana".into(),
        vhost: VHOST.into(),
        configure: pattern(configure),
        write: pattern(write),
        read: pattern(read),
        topics: Vec::new(),
        impersonator: false,
        is_member: false,
        grants: Arc::default(),
        key: None,
        office: Office::None,
    }
}

fn table(pairs: &[(&str, Value)]) -> Table {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect()
}

fn exchange(name: &str, kind: ExchangeKind) -> ExchangeDeclaration {
    ExchangeDeclaration {
        name: name.into(),
        kind,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Table::new(),
    }
}

fn queue(name: &str) -> QueueDeclaration {
    QueueDeclaration {
        name: name.into(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: Table::new(),
        generated: "amq.gen-1".into(),
    }
}

fn binding(source: &str, destination: &str, to_exchange: bool, routing_key: &str) -> BindingView {
    BindingView {
        vhost: VHOST.into(),
        source: source.into(),
        destination: destination.into(),
        to_exchange,
        routing_key: routing_key.into(),
        arguments: Table::new(),
    }
}

/// A topology and the one who uses it.
struct Rig {
    topology: Topology,
    access: Access,
    connection: ConnectionId,
}

impl Rig {
    fn new() -> Self {
        let mut topology = Topology::new(1, 1);
        topology.add_vhost(VHOST);
        Self {
            topology,
            access: access(".*", ".*", ".*"),
            connection: ConnectionId(1),
        }
    }

    fn exchange(&mut self, declaration: ExchangeDeclaration) -> Result<(), Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology.declare_exchange(VHOST, declaration, &actor)
    }

    fn queue(&mut self, declaration: QueueDeclaration) -> Result<QueueRef, Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology
            .declare_queue(VHOST, declaration, &actor)
            .map(|declared| match declared {
                QueueDeclared::Existing(_, place) | QueueDeclared::Created(_, place, _, _) => place,
            })
    }

    fn bind(&mut self, wish: BindingView) -> Result<(), Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology.bind(wish, &actor)
    }

    fn unbind(&mut self, wish: BindingView) -> Result<(), Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology.unbind(wish, &actor)
    }

    fn delete_exchange(&mut self, name: &str, if_unused: bool) -> Result<(), Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology
            .delete_exchange(VHOST, name, if_unused, &actor)
    }

    fn usable(&self, name: &str) -> Result<QueueRef, Refusal> {
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        self.topology
            .vhost(VHOST)
            .unwrap()
            .usable_queue(name, Right::Read, &actor)
            .map(|queue| queue.place)
    }

    fn has(&self, exchange: &str) -> bool {
        self.topology
            .vhost(VHOST)
            .is_some_and(|host| host.exchange(exchange).is_some())
    }

    /// Publishes and returns the names of the queues that take it.
    fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        headers: Option<Table>,
    ) -> Result<Vec<String>, Refusal> {
        let message = with_headers(routing_key, "", headers);
        let properties = PropertiesRef::parse(message.properties()).unwrap();
        let publish = Addressed {
            exchange,
            routing_key,
            properties: &properties,
        };
        let actor = Actor {
            connection: self.connection,
            access: Some(&self.access),
        };
        let mut cache = RouteCache::default();
        let first = cache
            .route(&self.topology, VHOST, &publish, &actor)
            .map(|(_, routes)| routes.clone())?;
        let again = cache
            .route(&self.topology, VHOST, &publish, &actor)
            .map(|(_, routes)| routes.clone())?;
        assert_eq!(first, again, "what is remembered is what was learnt");
        let name = |place: &QueueRef| self.topology.queue_name(VHOST, *place).unwrap().to_string();
        Ok(first.iter().map(name).collect())
    }

    fn routes(&self, exchange: &str, routing_key: &str) -> Vec<String> {
        self.publish(exchange, routing_key, None).unwrap()
    }
}

fn kind<T>(result: Result<T, Refusal>) -> Option<RefusalKind> {
    result.err().map(|refusal| refusal.kind)
}

#[test]
fn an_equivalent_exchange_may_be_declared_again() {
    let declared = exchange("x", ExchangeKind::Direct);
    let with = |pairs: &[(&str, Value)]| ExchangeDeclaration {
        arguments: table(pairs),
        ..declared.clone()
    };
    for (again, detail) in [
        (declared.clone(), None),
        (with(&[("x-unknown", Value::I32(1))]), None),
        (
            ExchangeDeclaration {
                kind: ExchangeKind::Fanout,
                ..declared.clone()
            },
            Some(
                "inequivalent arg 'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'",
            ),
        ),
        (
            ExchangeDeclaration {
                durable: false,
                ..declared.clone()
            },
            Some(
                "inequivalent arg 'durable' for exchange 'x' in vhost '/': received 'false' but current is 'true'",
            ),
        ),
        (
            ExchangeDeclaration {
                auto_delete: true,
                ..declared.clone()
            },
            Some(
                "inequivalent arg 'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
            ),
        ),
        (
            ExchangeDeclaration {
                internal: true,
                ..declared.clone()
            },
            Some(
                "inequivalent arg 'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
            ),
        ),
        (
            with(&[("alternate-exchange", "y".into())]),
            Some(
                "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received the value 'y' of type 'longstr' but current is none",
            ),
        ),
    ] {
        let mut rig = Rig::new();
        rig.exchange(declared.clone()).unwrap();
        let refusal = rig.exchange(again).err();
        assert_eq!(refusal.as_ref().map(|refusal| &*refusal.detail), detail);
        assert!(refusal.is_none_or(|refusal| refusal.kind == RefusalKind::PreconditionFailed));
    }
}

#[test]
fn the_default_exchange_is_fixed_and_leads_to_every_queue_by_name() {
    let mut rig = Rig::new();
    rig.queue(queue("q")).unwrap();
    assert_eq!(rig.routes("", "q"), ["q"]);
    assert!(rig.routes("", "other").is_empty());
    let refusals = [
        kind(rig.exchange(exchange("", ExchangeKind::Direct))),
        kind(rig.delete_exchange("", false)),
        kind(rig.bind(binding("", "q", false, "k"))),
        kind(rig.unbind(binding("", "q", false, "q"))),
    ];
    assert_eq!(refusals, [Some(RefusalKind::AccessRefused); 4]);
}

#[test]
fn every_virtual_host_has_the_predeclared_exchanges_for_good() {
    let mut rig = Rig::new();
    for (name, of) in [
        ("amq.direct", ExchangeKind::Direct),
        ("amq.fanout", ExchangeKind::Fanout),
        ("amq.topic", ExchangeKind::Topic),
        ("amq.match", ExchangeKind::Headers),
        ("amq.headers", ExchangeKind::Headers),
    ] {
        rig.exchange(exchange(name, of)).unwrap();
        assert_eq!(
            kind(rig.delete_exchange(name, false)),
            Some(RefusalKind::AccessRefused),
            "{name}"
        );
    }
    assert_eq!(
        kind(rig.exchange(exchange("amq.mine", ExchangeKind::Direct))),
        Some(RefusalKind::AccessRefused)
    );
    assert_eq!(
        kind(rig.queue(queue("amq.mine"))),
        Some(RefusalKind::AccessRefused)
    );
}

#[test]
fn line_breaks_are_taken_out_of_names() {
    let mut rig = Rig::new();
    rig.exchange(exchange("x\r\n", ExchangeKind::Fanout))
        .unwrap();
    rig.queue(queue("\nq\r")).unwrap();
    rig.bind(binding("x\n", "q\r", false, "")).unwrap();
    assert_eq!(rig.routes("x", ""), ["q"]);
}

#[test]
fn an_unknown_exchange_is_not_found() {
    let rig = Rig::new();
    let actor = Actor {
        connection: rig.connection,
        access: Some(&rig.access),
    };
    let refusal = rig
        .topology
        .find_exchange(VHOST, "x", &actor)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (RefusalKind::NotFound, "no exchange 'x' in vhost '/'")
    );
    assert_eq!(
        kind(rig.publish("x", "", None)),
        Some(RefusalKind::NotFound)
    );
}

#[test]
fn deleting_an_exchange_twice_is_no_error_and_one_in_use_may_be_kept() {
    let mut rig = Rig::new();
    rig.exchange(exchange("x", ExchangeKind::Direct)).unwrap();
    rig.queue(queue("q")).unwrap();
    rig.bind(binding("x", "q", false, "k")).unwrap();
    let refusal = rig.delete_exchange("x", true).unwrap_err();
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (
            RefusalKind::PreconditionFailed,
            "exchange 'x' in vhost '/' in use"
        )
    );
    rig.delete_exchange("x", false).unwrap();
    rig.delete_exchange("x", false).unwrap();
    assert!(!rig.has("x"));
}

#[test]
fn clients_may_not_publish_to_an_internal_exchange_but_reach_it_by_a_binding() {
    let mut rig = Rig::new();
    rig.exchange(ExchangeDeclaration {
        internal: true,
        ..exchange("inner", ExchangeKind::Fanout)
    })
    .unwrap();
    rig.exchange(exchange("outer", ExchangeKind::Fanout))
        .unwrap();
    rig.queue(queue("q")).unwrap();
    rig.bind(binding("outer", "inner", true, "")).unwrap();
    rig.bind(binding("inner", "q", false, "")).unwrap();
    assert_eq!(rig.routes("outer", ""), ["q"]);
    let refusal = rig.publish("inner", "", None).unwrap_err();
    assert_eq!(
        (refusal.kind, &*refusal.detail),
        (
            RefusalKind::AccessRefused,
            "cannot publish to internal exchange 'inner' in vhost '/'"
        )
    );
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding() {
    let auto = |name| ExchangeDeclaration {
        auto_delete: true,
        ..exchange(name, ExchangeKind::Fanout)
    };
    let ends: [fn(&mut Rig); 3] = [
        |rig| rig.unbind(binding("x", "q", false, "2")).unwrap(),
        |rig| {
            let place = rig.usable("q").unwrap();
            assert!(rig.topology.remove_queue(VHOST, "q", place));
        },
        |rig| rig.delete_exchange("x", false).unwrap(),
    ];
    for end in ends {
        let mut rig = Rig::new();
        rig.exchange(auto("x")).unwrap();
        rig.exchange(auto("before")).unwrap();
        rig.exchange(auto("loop")).unwrap();
        rig.queue(queue("q")).unwrap();
        rig.bind(binding("x", "q", false, "1")).unwrap();
        rig.bind(binding("x", "q", false, "2")).unwrap();
        rig.bind(binding("before", "x", true, "")).unwrap();
        rig.bind(binding("loop", "before", true, "")).unwrap();
        rig.unbind(binding("x", "q", false, "1")).unwrap();
        assert!(rig.has("x"), "one binding is left");
        end(&mut rig);
        let left = ["x", "before", "loop"].map(|name| rig.has(name));
        assert_eq!(left, [false; 3], "what led to it goes too");
        assert!(
            rig.topology
                .vhost(VHOST)
                .unwrap()
                .bindings()
                .iter()
                .all(|binding| binding.source.is_empty())
        );
    }
}

#[test]
fn auto_delete_exchanges_in_a_loop_go_together() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.exchange(ExchangeDeclaration {
            auto_delete: true,
            ..exchange(name, ExchangeKind::Fanout)
        })
        .unwrap();
    }
    rig.bind(binding("a", "b", true, "")).unwrap();
    rig.bind(binding("b", "a", true, "")).unwrap();
    rig.delete_exchange("a", false).unwrap();
    assert!(!rig.has("b"));
}

#[test]
fn a_policy_gives_an_alternate_exchange_and_the_own_argument_wins() {
    let mut rig = Rig::new();
    rig.exchange(exchange("by-policy", ExchangeKind::Direct))
        .unwrap();
    let own = table(&[("alternate-exchange", "amq.topic".into())]);
    rig.exchange(ExchangeDeclaration {
        arguments: own,
        ..exchange("by-itself", ExchangeKind::Direct)
    })
    .unwrap();
    let definition = table(&[("alternate-exchange", "amq.fanout".into())]);
    let policy = Policy::new("p".into(), "^by-", ApplyTo::Exchanges, 0, &definition).unwrap();
    assert!(rig.topology.set_policies(VHOST, vec![policy]).is_empty());
    let alternate = |name: &str| {
        rig.topology
            .vhost(VHOST)
            .unwrap()
            .exchange(name)
            .unwrap()
            .alternate()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        (&*alternate("by-policy"), &*alternate("by-itself")),
        ("amq.fanout", "amq.topic")
    );
}
