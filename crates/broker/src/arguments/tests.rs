#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::field::{Table, Value};

use super::{Overflow, QueueOptions, check_equivalent};

fn table(pairs: &[(&str, Value)]) -> Table {
    let mut table = Table::new();
    for (key, value) in pairs {
        table.insert(*key, value.clone());
    }
    table
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (name, value) in [
        ("x-message-ttl", Value::I32(-1)),
        ("x-message-ttl", "60".into()),
        ("x-message-ttl", Value::F64(1.5)),
        ("x-expires", Value::I32(0)),
        ("x-expires", Value::I64(-5)),
        ("x-max-priority", Value::I32(0)),
        ("x-max-priority", Value::I32(256)),
        ("x-overflow", "drop-tail".into()),
        ("x-dead-letter-exchange", Value::I32(1)),
        ("x-dead-letter-routing-key", "k".into()),
        ("x-max-age", "7W".into()),
        ("x-dedup-window", Value::I32(-1)),
        ("x-dedup-window", Value::I32(86_400_001)),
        ("x-single-active-consumer", Value::I32(1)),
    ] {
        let refusal =
            QueueOptions::declared(&table(&[(name, value.clone())]), "queue 'q' in vhost '/'")
                .unwrap_err();
        assert!(refusal.detail.contains(name), "{name} {value:?}: {refusal}");
    }
}

#[test]
fn every_integer_type_is_taken() {
    for value in [
        Value::I8(5),
        Value::U8(5),
        Value::I16(5),
        Value::U16(5),
        Value::I32(5),
        Value::U32(5),
        Value::I64(5),
    ] {
        let options =
            QueueOptions::parse(&table(&[("x-message-ttl", value.clone())]), "q").unwrap();
        assert_eq!(options.message_ttl_ms, Some(5));
        check_equivalent(
            &table(&[("x-message-ttl", Value::I32(5))]),
            &table(&[("x-message-ttl", value)]),
            "q",
        )
        .unwrap();
    }
}

#[test]
fn a_differing_argument_is_named() {
    let current = table(&[("x-message-ttl", Value::I64(60_000))]);
    let refusal = check_equivalent(&current, &Table::new(), "queue 'q' in vhost '/'").unwrap_err();
    assert_eq!(
        refusal.detail,
        "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '60000' of type 'long'"
    );
    check_equivalent(&table(&[("x-other", Value::I32(1))]), &Table::new(), "q").unwrap();
}

#[test]
fn a_policy_only_tightens_numbers() {
    let own = QueueOptions {
        length_max: Some(10),
        overflow: Some(Overflow::RejectPublish),
        ..QueueOptions::default()
    };
    let policy = table(&[
        ("max-length", Value::I32(5)),
        ("message-ttl", Value::I32(7)),
        ("overflow", "drop-head".into()),
    ]);
    let both = own.under_policy(&QueueOptions::from_policy(&policy, "policy 'p'").unwrap());
    assert_eq!(
        (both.length_max, both.message_ttl_ms, both.overflow),
        (Some(5), Some(7), Some(Overflow::RejectPublish))
    );
}
