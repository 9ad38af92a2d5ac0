#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use super::super::partitions::{PARTITION, jump};
use super::*;
use crate::access::{Grants, Resource, Rights};
use crate::routing::key_hash;
use crate::topology::{Change, PARTITION_KEY, PARTITIONS, Routes, partition_name};
use crate::{Name, limits};

fn split(rig: &mut Rig, name: &str, count: u32) -> Vec<QueueRef> {
    rig.queue(QueueDeclaration {
        arguments: table(&[(PARTITIONS, Value::from(i64::from(count)))]),
        ..queue(name)
    })
    .unwrap();
    raise(rig, name, count).unwrap()
}

fn raise(rig: &mut Rig, name: &str, count: u32) -> Result<Vec<QueueRef>, Refusal> {
    let actor = Actor {
        connection: rig.connection,
        access: Some(&rig.access),
    };
    let made = rig.topology.raise_partitions(VHOST, name, count, &actor)?;
    Ok(made
        .into_iter()
        .map(|declared| match declared {
            QueueDeclared::Created(_, place, ..) => place,
            QueueDeclared::Existing(..) => panic!("it is new"),
        })
        .collect())
}

fn route(rig: &Rig, exchange: &str, routing_key: &str, key: Option<&str>) -> Routes {
    let headers = key.map(|key| table(&[(PARTITION_KEY, Value::LongString(key.into()))]));
    let message = with_headers(routing_key, "", headers);
    let properties = PropertiesRef::parse(message.properties()).unwrap();
    let mut routes = Routes::new();
    let host = rig.topology.vhost(VHOST).unwrap();
    host.route(exchange, routing_key, &properties, &mut routes)
        .unwrap();
    routes
}

#[test]
fn jumping_moves_keys_to_new_buckets_only() {
    for key in 0..2_000_u64 {
        let places: Vec<_> = (1..20).map(|buckets| jump(key * 7_919, buckets)).collect();
        for (buckets, pair) in (2..).zip(places.windows(2)) {
            assert!(pair[0] == pair[1] || pair[1] == buckets - 1, "{places:?}");
        }
    }
    let mut counts = [0; 10];
    (0..10_000_u64).for_each(|key| counts[jump(key_hash(&key.to_be_bytes()), 10) as usize] += 1);
    assert!(
        counts.iter().all(|count| (800..1_200).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn a_key_has_one_partition_through_every_exchange_and_others_take_turns() {
    let mut rig = Rig::new();
    let places = split(&mut rig, "q", 4);
    rig.exchange(exchange("t", ExchangeKind::Topic)).unwrap();
    rig.bind(binding("t", "q", false, "#")).unwrap();
    let there = route(&rig, "", "q", Some("ana"));
    assert_eq!(there.len(), 1);
    for key in ["a", "b.c"] {
        assert_eq!(route(&rig, "t", key, Some("ana")), there);
    }
    let turns: Vec<_> = (0..4).flat_map(|_| route(&rig, "", "q", None)).collect();
    assert_eq!(turns, places);
}

#[test]
fn a_message_comes_once_however_often_it_is_bound_and_a_repeated_one_meets_the_first() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 8);
    rig.exchange(exchange("t", ExchangeKind::Topic)).unwrap();
    for pattern in ["a.#", "#.b", "#"] {
        rig.bind(binding("t", "q", false, pattern)).unwrap();
    }
    for _ in 0..8 {
        assert_eq!(route(&rig, "t", "a.b", None).len(), 1);
    }
    let by_header = |name: &str, value: Value| {
        let message = with_headers("q", "", Some(table(&[(name, value)])));
        let properties = PropertiesRef::parse(message.properties()).unwrap();
        let mut routes = Routes::new();
        let host = rig.topology.vhost(VHOST).unwrap();
        host.route("", "q", &properties, &mut routes).unwrap();
        routes
    };
    for (name, value) in [
        ("x-deduplication-header", Value::LongString("once".into())),
        (PARTITION_KEY, Value::from(7_i64)),
    ] {
        let first = by_header(name, value.clone());
        assert!(
            (0..8).all(|_| by_header(name, value.clone()) == first),
            "{name}"
        );
    }
}

#[test]
fn no_policy_takes_a_head_or_a_partition_away() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    rig.queue(queue("other")).unwrap();
    let definition = table(&[("expires", Value::from(1_000_i64))]);
    let policy = Policy::new("short".into(), ".*", ApplyTo::Queues, 0, &definition).unwrap();
    rig.topology.set_policies(VHOST, vec![policy]);
    let host = rig.topology.vhost(VHOST).unwrap();
    let expires = |name| host.options_of(host.queue(name).unwrap()).expires_ms;
    let found = ["q", "q-0", "q-1", "other"].map(expires);
    assert_eq!(found, [None, None, None, Some(1_000)]);
}

#[test]
fn partitions_that_were_taken_back_can_be_made_again() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    for (index, place) in (2..).zip(raise(&mut rig, "q", 4).unwrap()) {
        assert!(
            rig.topology
                .remove_queue(VHOST, &partition_name("q", index), place)
        );
    }
    assert_eq!(raise(&mut rig, "q", 4).unwrap().len(), 2);
}

#[test]
fn a_route_to_partitions_is_not_remembered() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    let mut cache = RouteCache::default();
    let mut seen = Vec::new();
    for key in ["a", "b", "c", "d", "e", "f"] {
        let headers = table(&[(PARTITION_KEY, Value::LongString(key.into()))]);
        let message = with_headers("q", "", Some(headers));
        let properties = PropertiesRef::parse(message.properties()).unwrap();
        let publish = Addressed {
            exchange: "",
            routing_key: "q",
            properties: &properties,
        };
        let actor = Actor {
            connection: rig.connection,
            access: None,
        };
        let (_, routes) = cache.route(&rig.topology, VHOST, &publish, &actor).unwrap();
        seen.push(routes[0]);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 2);
}

#[test]
fn every_partition_is_a_queue_of_its_own_that_is_stored() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    let declared: Vec<_> = rig
        .topology
        .take_changes()
        .into_iter()
        .filter_map(|change| {
            let Change::QueueDeclared {
                name, arguments, ..
            } = change
            else {
                return None;
            };
            Some((name.to_string(), arguments.get(PARTITION).cloned()))
        })
        .collect();
    let index = |index: i64| Some(Value::from(index));
    assert_eq!(
        declared,
        [
            ("q".to_owned(), None),
            ("q-0".to_owned(), index(0)),
            ("q-1".to_owned(), index(1))
        ]
    );
}

#[test]
fn more_partitions_may_come_and_none_may_go() {
    let mut rig = Rig::new();
    let first = split(&mut rig, "q", 2);
    let more = raise(&mut rig, "q", 5).unwrap();
    assert_eq!(more.len(), 3);
    let host = rig.topology.vhost(VHOST).unwrap();
    let head = host.queue("q").unwrap();
    assert_eq!(host.partition_places(head), [first, more].concat());
    for (name, count, reason) in [
        ("q", 4, "has 5 partitions"),
        ("q", limits::PARTITIONS_MAX + 1, "up to 1024"),
        ("q-0", 2, "is not partitioned"),
    ] {
        let refusal = raise(&mut rig, name, count).unwrap_err();
        assert!(refusal.detail.contains(reason), "{refusal}");
    }
    assert_eq!(raise(&mut rig, "q", 5).unwrap(), []);
    rig.queue(queue("q-6")).unwrap();
    let refusal = raise(&mut rig, "q", 8).unwrap_err();
    assert!(refusal.detail.contains("'q-6'"), "{refusal}");
    assert_eq!(raise(&mut rig, "q", 6).unwrap().len(), 1);
}

#[test]
fn a_repeated_declaration_says_what_was_declared_or_what_there_is() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    raise(&mut rig, "q", 3).unwrap();
    let mut again = |count: Option<i32>| {
        let pairs: Vec<_> = count
            .into_iter()
            .map(|count| (PARTITIONS, Value::from(i64::from(count))))
            .collect();
        rig.queue(QueueDeclaration {
            arguments: table(&pairs),
            ..queue("q")
        })
        .is_ok()
    };
    assert_eq!(
        [Some(2), Some(3), Some(4), None].map(&mut again),
        [true, true, false, false]
    );
}

#[test]
fn rights_and_policies_hold_by_the_heads_name() {
    let mut rig = Rig::new();
    split(&mut rig, "q", 2);
    let policy = Policy::new(
        "short".into(),
        "^q$",
        ApplyTo::Queues,
        0,
        &table(&[("max-length", Value::from(3_i64))]),
    )
    .unwrap();
    rig.topology.set_policies(VHOST, vec![policy]);
    let mut reader = access("^$", "^$", "^$");
    let given = Rights {
        read: true,
        ..Rights::default()
    };
    reader.grants = Arc::new(
        [(Resource::Queue, Name::from("q"), given)]
            .into_iter()
            .collect::<Grants>(),
    );
    let actor = Actor {
        connection: rig.connection,
        access: Some(&reader),
    };
    let host = rig.topology.vhost(VHOST).unwrap();
    let partition = host.usable_queue("q-1", Right::Read, &actor).unwrap();
    assert_eq!(host.options_of(partition).length_max, Some(3));
    assert!(reader.sees_queue(partition));
    assert!(host.usable_queue("q-1", Right::Write, &actor).is_err());
    assert!(host.usable_queue("q-2", Right::Read, &actor).is_err());
}

#[test]
fn partitions_are_renamed_and_deleted_with_their_head_alone() {
    let mut rig = Rig::new();
    let places = split(&mut rig, "q", 2);
    let actor = Actor {
        connection: rig.connection,
        access: Some(&rig.access),
    };
    let alone = rig.topology.rename_queue(VHOST, "q-0", "x", &actor);
    assert!(alone.unwrap_err().detail.contains("partition of 'q'"));
    let renamed = rig
        .topology
        .rename_queue(VHOST, "q", "new", &actor)
        .unwrap();
    let names: Vec<_> = renamed.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["new", "new-0", "new-1"]);
    assert_eq!(route(&rig, "", "new", None).len(), 1);
    let host = rig.topology.vhost(VHOST).unwrap();
    let partition = host.queue("new-1").unwrap();
    assert_eq!(&**partition.known_as(), "new");
    assert!(host.deleted_with(partition, false).is_err());
    let head = host.queue("new").unwrap();
    assert_eq!(host.deleted_with(head, false).unwrap(), places);
    assert!(host.deleted_with(head, true).is_err());
    assert!(host.check_keeps_messages(head).is_err());
    let place = head.place;
    assert!(rig.topology.remove_queue(VHOST, "new", place));
    let host = rig.topology.vhost(VHOST).unwrap();
    let left = host.queue("new-1").unwrap();
    assert!(
        host.deleted_with(left, false).is_ok(),
        "what is left over can go"
    );
}
