#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use codec::amqp::field::{Table, Value};
use codec::amqp::properties::Properties;

use super::{Death, Reason, bury, cyclic_queues};
use crate::{Body, Message, Name};

fn properties(message: &Message) -> Properties {
    Properties::decode(message.properties())
        .expect("it was encoded by us")
        .0
}

fn headers(message: &Message) -> Table {
    properties(message)
        .headers
        .expect("a dead message has headers")
}

fn deaths(message: &Message) -> Vec<(String, String, i64)> {
    let headers = headers(message);
    let Some(Value::Array(deaths)) = headers.get("x-death") else {
        panic!("x-death is an array")
    };
    let text = |table: &Table, key: &str| {
        table
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let entry = |value: &Value| {
        let table = value.as_table().expect("an entry is a table");
        (
            text(table, "queue"),
            text(table, "reason"),
            table
                .get("count")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
        )
    };
    deaths.iter().map(entry).collect()
}

fn published(properties: Properties) -> Message {
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    let mut message = Message::new("orders".into(), "created", &raw, Body::Copy(b"body"));
    message.persistent = true;
    message.expiration_ms = properties.expiration.and_then(|text| text.parse().ok());
    message
}

fn die(message: &Message, queue: &str, reason: Reason, routing_key: Option<&str>) -> Message {
    let exchange = Name::from("dlx");
    bury(
        message,
        &Death {
            queue,
            reason,
            now_ms: 1_700_000_000_999,
            exchange: &exchange,
            routing_key,
        },
    )
}

#[test]
fn a_first_death_is_told_as_clients_know_it() {
    let cc = Value::Array(vec!["copy".into()]);
    let original = published(Properties {
        expiration: Some("60000".into()),
        message_id: Some("7".into()),
        headers: Some(
            [
                ("CC".to_owned(), cc.clone()),
                ("own".to_owned(), "kept".into()),
            ]
            .into_iter()
            .collect(),
        ),
        ..Properties::default()
    });
    let dead = die(&original, "q", Reason::Expired, None);
    let entry: Table = [
        ("count", Value::I64(1)),
        ("reason", "expired".into()),
        ("queue", "q".into()),
        ("time", Value::Timestamp(1_700_000_000)),
        ("exchange", "orders".into()),
        (
            "routing-keys",
            Value::Array(vec!["created".into(), "copy".into()]),
        ),
        ("original-expiration", "60000".into()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    let expected: Table = [
        ("CC", cc),
        ("own", "kept".into()),
        ("x-first-death-reason", "expired".into()),
        ("x-first-death-queue", "q".into()),
        ("x-first-death-exchange", "orders".into()),
        ("x-last-death-reason", "expired".into()),
        ("x-last-death-queue", "q".into()),
        ("x-last-death-exchange", "orders".into()),
        ("x-death", Value::Array(vec![Value::Table(entry)])),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    assert_eq!(headers(&dead), expected);
    assert_eq!(
        (
            properties(&dead).message_id.as_deref(),
            properties(&dead).expiration
        ),
        (Some("7"), None)
    );
    assert_eq!(
        (&**dead.exchange(), dead.routing_key(), dead.body()),
        ("dlx", "created", &b"body"[..])
    );
    assert_eq!(
        (dead.persistent, dead.expiration_ms),
        (true, None),
        "it does not expire again"
    );
}

#[test]
fn a_new_routing_key_replaces_all_addresses() {
    let copies = || Value::Array(vec!["copy".into()]);
    let headers_before = [("CC".to_owned(), copies()), ("BCC".to_owned(), copies())]
        .into_iter()
        .collect();
    let original = published(Properties {
        headers: Some(headers_before),
        ..Properties::default()
    });
    let dead = die(&original, "q", Reason::Rejected, Some("other"));
    assert_eq!(dead.routing_key(), "other");
    assert_eq!(
        (headers(&dead).get("CC"), headers(&dead).get("BCC")),
        (None, None)
    );
}

#[test]
fn deaths_are_counted_by_queue_and_reason_with_the_newest_first() {
    let mut message = published(Properties::default());
    for (queue, reason) in [
        ("a", Reason::Expired),
        ("b", Reason::Rejected),
        ("a", Reason::MaxLength),
        ("a", Reason::Expired),
    ] {
        message = die(&message, queue, reason, None);
    }
    let entry = |queue: &str, reason: &str, count| (queue.to_owned(), reason.to_owned(), count);
    assert_eq!(
        deaths(&message),
        [
            entry("a", "expired", 2),
            entry("a", "maxlen", 1),
            entry("b", "rejected", 1)
        ]
    );
    let headers = headers(&message);
    let text = |key: &str| {
        headers
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        (text("x-first-death-queue"), text("x-first-death-exchange")),
        ("a".to_owned(), "orders".to_owned())
    );
    assert_eq!(
        (text("x-last-death-reason"), text("x-last-death-exchange")),
        ("expired".to_owned(), "dlx".to_owned())
    );
}

#[test]
fn a_foreign_x_death_is_replaced() {
    let foreign = [("x-death".to_owned(), Value::from("mine"))]
        .into_iter()
        .collect();
    let dead = die(
        &published(Properties {
            headers: Some(foreign),
            ..Properties::default()
        }),
        "q",
        Reason::Rejected,
        None,
    );
    assert_eq!(deaths(&dead), [("q".to_owned(), "rejected".to_owned(), 1)]);
}

#[test]
fn x_death_does_not_grow_without_end() {
    let mut message = published(Properties::default());
    for number in 0..300 {
        message = die(&message, &format!("q{number}"), Reason::Expired, None);
    }
    assert_eq!(deaths(&message).len(), crate::limits::DEATHS_MAX);
    assert_eq!(deaths(&message)[0].0, "q299");
}

#[test]
fn cycles_without_a_rejection_are_broken() {
    let check = |path: &[(&str, Reason)], expected: &[&str]| {
        let message = path.iter().fold(
            published(Properties::default()),
            |message, (queue, reason)| die(&message, queue, *reason, None),
        );
        let (_, reason) = path.last().expect("something died");
        assert_eq!(cyclic_queues(&message, *reason), expected, "{path:?}");
    };
    check(&[("a", Reason::Expired)], &["a"]);
    check(
        &[("a", Reason::Expired), ("b", Reason::MaxLength)],
        &["b", "a"],
    );
    check(
        &[
            ("a", Reason::Expired),
            ("b", Reason::Rejected),
            ("c", Reason::Expired),
        ],
        &["c"],
    );
    check(&[("a", Reason::Rejected)], &[]);
    check(&[("a", Reason::Expired), ("b", Reason::Rejected)], &[]);
}
