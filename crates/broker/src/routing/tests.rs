#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::field::{Table, Value};
use codec::amqp::properties::{Properties, PropertiesRef};

use super::{Binding, Destination, ExchangeKind, Matcher, Subject};

fn binding(name: &str, key: &str, arguments: &Table) -> Binding {
    Binding {
        destination: Destination::Exchange(name.into()),
        routing_key: key.into(),
        arguments: arguments.to_bytes().into_boxed_slice(),
    }
}

fn routed(matcher: &Matcher, key: &str, headers: &Table) -> Vec<String> {
    let mut raw = Vec::new();
    Properties {
        headers: Some(headers.clone()),
        ..Properties::default()
    }
    .encode(&mut raw);
    let properties = PropertiesRef::parse(&raw).unwrap();
    let mut found = Vec::new();
    matcher.route(
        &Subject {
            routing_key: key,
            properties: &properties,
        },
        &mut |to| found.push(to.name().to_string()),
    );
    found.sort();
    found.dedup();
    found
}

fn check_topic(pattern: &str, key: &str, expected: bool) {
    let table = Table::new();
    let mut matcher = Matcher::new(ExchangeKind::Topic, &table).unwrap();
    let bound = binding("q", pattern, &table);
    matcher.add(&bound, &table);
    assert_eq!(
        !routed(&matcher, key, &table).is_empty(),
        expected,
        "{pattern} against {key}"
    );
    matcher.remove(&bound);
    assert!(
        routed(&matcher, key, &table).is_empty(),
        "{pattern} was unbound"
    );
}

#[test]
fn topic_patterns_match_by_words() {
    for (pattern, key, expected) in [
        ("a.b", "a.b", true),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*", "a.b.c", false),
        ("a.#", "a", true),
        ("a.#", "a.b.c", true),
        ("#", "", true),
        ("#", "x.y", true),
        ("*", "", false),
        ("", "", true),
        ("", "a", false),
        ("#.a", "a", true),
        ("#.a", "b.a", true),
        ("#.a", "a.b", false),
        ("#.a.#", "x.a.y.z", true),
        ("#.#.#", "x", true),
        ("#.*", "", false),
        ("*.#.*", "a", false),
        ("*.#.*", "a.b", true),
        ("*.#.*", "a.b.c", true),
        ("a.#.b.#.c", "a.b.c", true),
        ("a.#.b.#.c", "a.x.b.y.z.c", true),
        ("a.#.b.#.c", "a.c.b", false),
        ("*", "a.", false),
        ("*.*", "a.", true),
    ] {
        check_topic(pattern, key, expected);
    }
}

#[test]
fn hostile_topic_patterns_cost_no_more_than_their_nodes() {
    let table = Table::new();
    let mut matcher = Matcher::new(ExchangeKind::Topic, &table).unwrap();
    for number in 0..1_000 {
        matcher.add(
            &binding(&format!("q{number}"), "#.#.#.#.#.#.#.#.#.a", &table),
            &table,
        );
        matcher.add(&binding(&format!("r{number}"), "*.#.*.#", &table), &table);
    }
    let key = "b.".repeat(127) + "a";
    assert_eq!(routed(&matcher, &key, &table).len(), 2_000);
}

fn headers_of(pairs: &[(&str, Value)]) -> Table {
    let mut table = Table::new();
    for (key, value) in pairs {
        table.insert(*key, value.clone());
    }
    table
}

#[test]
fn headers_match_by_mode() {
    let one = || Value::I32(1);
    for (arguments, message, expected) in [
        (
            vec![("x-match", "all".into()), ("a", one()), ("b", one())],
            vec![("a", one())],
            false,
        ),
        (
            vec![("x-match", "all".into()), ("a", one()), ("b", one())],
            vec![("a", one()), ("b", Value::I64(1))],
            true,
        ),
        (
            vec![("x-match", "any".into()), ("a", one()), ("b", one())],
            vec![("b", one())],
            true,
        ),
        (
            vec![("x-match", "any".into()), ("x-a", one())],
            vec![("x-a", one())],
            false,
        ),
        (
            vec![("x-match", "any-with-x".into()), ("x-a", one())],
            vec![("x-a", one())],
            true,
        ),
        (
            vec![("x-match", "all-with-x".into()), ("x-a", one())],
            vec![],
            false,
        ),
        (
            vec![("a", Value::Void)],
            vec![("a", "anything".into())],
            true,
        ),
        (vec![("a", Value::Void)], vec![], false),
        (vec![], vec![], true),
        (vec![("x-match", "any".into())], vec![("a", one())], false),
    ] {
        let arguments = headers_of(&arguments);
        let mut matcher = Matcher::new(ExchangeKind::Headers, &Table::new()).unwrap();
        matcher.check("", &arguments).unwrap();
        matcher.add(&binding("q", "", &arguments), &arguments);
        let found = routed(&matcher, "", &headers_of(&message));
        assert_eq!(
            !found.is_empty(),
            expected,
            "{arguments:?} against {message:?}"
        );
    }
}

#[test]
fn a_wrong_x_match_is_refused() {
    let matcher = Matcher::new(ExchangeKind::Headers, &Table::new()).unwrap();
    assert!(
        matcher
            .check("", &headers_of(&[("x-match", "some".into())]))
            .is_err()
    );
    assert!(
        matcher
            .check("", &headers_of(&[("x-match", Value::I32(1))]))
            .is_err()
    );
}

#[test]
fn consistent_hash_keeps_keys_and_follows_weights() {
    let table = Table::new();
    let mut matcher = Matcher::new(ExchangeKind::ConsistentHash, &table).unwrap();
    for (name, weight) in [("a", "1"), ("b", "3")] {
        matcher.add(&binding(name, weight, &table), &table);
    }
    let place = |matcher: &Matcher, key: u32| routed(matcher, &key.to_string(), &table).concat();
    let before: Vec<_> = (0..4_000).map(|key| place(&matcher, key)).collect();
    let on_b = before.iter().filter(|name| *name == "b").count();
    assert!(
        (2_800..3_200).contains(&on_b),
        "three quarters of the keys belong to b, got {on_b}"
    );
    matcher.add(&binding("c", "1", &table), &table);
    for (key, old) in before.iter().enumerate() {
        let new = place(&matcher, u32::try_from(key).unwrap());
        assert!(
            new == *old || new == "c",
            "key {key} moved from {old} to {new}"
        );
    }
    for weight in ["0", "-1", "2147483648", "x"] {
        assert!(matcher.check(weight, &table).is_err(), "weight {weight}");
    }
}
