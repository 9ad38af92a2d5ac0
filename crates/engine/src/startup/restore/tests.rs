use codec::amqp::field::Value;
use directory::{ApplyTo, QueueKind, VirtualHost};

use super::*;

fn bytes(pairs: &[(&str, Value)]) -> Vec<u8> {
    let mut table = Table::new();
    for (key, value) in pairs {
        table.insert(*key, value.clone());
    }
    table.to_bytes()
}

fn exchange(name: &str, kind: &str) -> Exchange {
    Exchange {
        vhost: "/".to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Vec::new(),
        owner: None,
    }
}

fn queue(id: u64, name: &str) -> Queue {
    Queue {
        id,
        vhost: "/".to_owned(),
        name: name.to_owned(),
        kind: QueueKind::Classic,
        durable: true,
        auto_delete: false,
        arguments: Vec::new(),
        owner: None,
    }
}

fn binding(source: &str, destination: &str, key: &str) -> Binding {
    Binding {
        vhost: "/".to_owned(),
        source: source.to_owned(),
        destination_kind: DestinationKind::Queue,
        destination: destination.to_owned(),
        routing_key: key.as_bytes().to_vec(),
        arguments: Vec::new(),
    }
}

fn policy(definition: &str) -> Policy {
    Policy {
        vhost: "/".to_owned(),
        name: "short".to_owned(),
        pattern: "^q".to_owned(),
        apply_to: ApplyTo::Queues,
        priority: 0,
        definition: definition.to_owned(),
    }
}

fn sound() -> Snapshot {
    Snapshot {
        vhosts: vec![VirtualHost {
            name: "/".to_owned(),
        }],
        exchanges: vec![
            Exchange {
                owner: Some("ana".to_owned()),
                ..exchange("orders", "topic")
            },
            exchange("by-hash", "x-consistent-hash"),
        ],
        queues: vec![
            Queue {
                owner: Some("ana".to_owned()),
                ..queue(1, "q")
            },
            queue(7, "r"),
        ],
        bindings: vec![
            binding("orders", "q", "#.new"),
            binding("by-hash", "r", "3"),
        ],
        policies: vec![policy(r#"{"max-length":5,"ha-mode":"all"}"#)],
        ..Snapshot::default()
    }
}

/// Checks that the start is refused for the damage, naming it and what to do.
#[track_caller]
fn refused(damage: impl FnOnce(&mut Snapshot), naming: &str, remedy: &str) {
    let mut snapshot = sound();
    damage(&mut snapshot);
    let Err(error) = build_topology(&snapshot, 2, Quotas::default()) else {
        panic!("it starts without {naming}");
    };
    let said = error.to_string();
    assert!(said.starts_with(naming) && said.contains(remedy), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn what_is_sound_is_put_back_whole() {
    // A limit lower than what exists keeps nothing from starting.
    let one_each = Quotas {
        queues: 1,
        bindings: 1,
    };
    let Ok((topology, specifications)) = build_topology(&sound(), 2, one_each) else {
        panic!("all of it can be served");
    };
    let names: Vec<_> = specifications.iter().map(|queue| &*queue.name).collect();
    assert_eq!(names, ["q", "r"]);
    assert_eq!(
        specifications[0].options.length_max,
        Some(5),
        "the policy's"
    );
    let hosts = topology.vhosts();
    let owners = [
        hosts[0].queue("q").map(|queue| queue.owner.as_deref()),
        hosts[0].queue("r").map(|queue| queue.owner.as_deref()),
        hosts[0].exchange("orders").map(|one| one.owner.as_deref()),
        hosts[0].exchange("by-hash").map(|one| one.owner.as_deref()),
    ];
    assert_eq!(
        owners,
        [Some(Some("ana")), Some(None), Some(Some("ana")), Some(None)]
    );
    let explicit = hosts[0].bindings();
    let explicit = explicit.iter().filter(|view| !view.source.is_empty());
    assert_eq!(explicit.count(), 2);
}

#[test]
fn each_thing_that_cannot_be_served_refuses_the_start_by_name() {
    refused(
        |all| all.exchanges[0].kind = "x-random".to_owned(),
        "exchange 'orders' in vhost '/' cannot be served",
        "delete the exchange there",
    );
    refused(
        |all| all.exchanges[1].arguments = vec![3, b'a', b'b', b'c', b'?'],
        "exchange 'by-hash' in vhost '/' cannot be served: its stored arguments cannot be read",
        "delete the exchange there",
    );
    refused(
        |all| all.queues[1].arguments = bytes(&[("x-queue-type", "ring".into())]),
        "queue 'r' in vhost '/' cannot be served",
        "delete the queue there",
    );
    refused(
        |all| all.queues[1].arguments = vec![1],
        "queue 'r' in vhost '/' cannot be served: its stored arguments cannot be read",
        "delete the queue there",
    );
    refused(
        |all| all.bindings[1].routing_key = b"heavy".to_vec(),
        "the binding of queue 'r' to exchange 'by-hash' with key 'heavy' in vhost '/' cannot be served",
        "delete the binding there",
    );
    refused(
        |all| all.bindings[0].arguments = vec![0xff],
        "the binding of queue 'q' to exchange 'orders' with key '#.new' in vhost '/' cannot be served: its stored",
        "delete the binding there",
    );
    for definition in [r#"{"max-lenght":5}"#, "[]", "{", "{}"] {
        refused(
            |all| all.policies[0] = policy(definition),
            "policy 'short' in vhost '/' cannot be served",
            "`chaski policy clear short --vhost /` removes it",
        );
    }
}

#[test]
fn of_several_the_first_is_named_and_the_others_are_counted() {
    refused(
        |all| {
            all.queues[0].arguments = vec![1];
            all.queues[1].arguments = vec![1];
        },
        "queue 'q' in vhost '/'",
        // The binding of each has lost its end, too.
        "(and 3 more; `chaski doctor` names them all)",
    );
}
