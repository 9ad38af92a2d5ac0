use std::collections::BTreeMap;

use rpc::v1::value::Kind;

use super::*;

fn text(text: &str) -> Value {
    Value::LongString(text.as_bytes().to_vec())
}

#[test]
fn settings_come_back_from_their_arguments() {
    let settings = v1::QueueSettings {
        message_ttl_ms: Some(0),
        expires_ms: Some(1_000),
        length_max: Some(10),
        length_bytes_max: Some(1 << 40),
        overflow: v1::Overflow::RejectPublishDeadLetter.into(),
        dead_letter_topic: Some(String::new()),
        dead_letter_routing_key: Some("dead".to_owned()),
        priority_max: Some(9),
        single_active_consumer: true,
        delivery_limit: Some(3),
        age_max_ms: Some(7_000),
        partitions: None,
        deduplication_window_ms: Some(60_000),
        arguments: BTreeMap::from([(
            "x-own".to_owned(),
            v1::Value {
                kind: Some(Kind::Int64Value(1)),
            },
        )]),
    };
    let table = arguments(settings.clone(), v1::QueueKind::Stream.into()).expect("it is there");
    assert_eq!(table.get("x-queue-type"), Some(&text("stream")));
    assert_eq!(table.get("x-max-age"), Some(&text("7s")));
    assert_eq!(settings_of(&table), settings);
}

#[test]
fn no_settings_are_no_arguments() {
    let table = arguments(v1::QueueSettings::default(), 0).expect("it is there");
    assert_eq!(table.iter().len(), 0);
    assert_eq!(settings_of(&table), v1::QueueSettings::default());
}

#[test]
fn an_argument_is_said_once() {
    for name in SAID_BY_FIELDS {
        let value = v1::Value { kind: None };
        let settings = v1::QueueSettings {
            arguments: BTreeMap::from([(name.to_owned(), value)]),
            ..v1::QueueSettings::default()
        };
        let flaw = arguments(settings, 0).expect_err("a flaw");
        assert_eq!(flaw.field, "settings.arguments", "{name}");
    }
}

#[test]
fn what_cannot_be_is_named() {
    let part = v1::QueueSettings {
        age_max_ms: Some(1_500),
        ..v1::QueueSettings::default()
    };
    assert_eq!(
        arguments(part, 0).expect_err("a flaw").field,
        "settings.age_max_ms"
    );
    let strange = v1::QueueSettings {
        overflow: 77,
        ..v1::QueueSettings::default()
    };
    assert_eq!(
        arguments(strange, 0).expect_err("a flaw").field,
        "settings.overflow"
    );
    let kind = arguments(v1::QueueSettings::default(), 77);
    assert_eq!(kind.expect_err("a flaw").field, "kind");
}

#[test]
fn ages_of_other_doors_are_read() {
    let ages = [
        ("2h", Some(7_200_000)),
        ("1D", Some(86_400_000)),
        ("1M", None),
        ("", None),
    ];
    for (age, expected) in ages {
        let mut table = Table::default();
        table.insert(AGE_MAX, text(age));
        let settings = settings_of(&table);
        assert_eq!(settings.age_max_ms, expected, "{age}");
        assert_eq!(settings.arguments.contains_key(AGE_MAX), expected.is_none());
    }
}
