#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::field::{Table, Value};

use super::{ApplyTo, POLICY_HINTS, POLICY_KEYS, Policy};
use crate::arguments::{QueueKind, QueueOptions};

fn policy(pairs: &[(&str, Value)]) -> Result<Policy, String> {
    let mut definition = Table::new();
    for (key, value) in pairs {
        definition.insert(*key, value.clone());
    }
    Policy::new("p".to_owned(), "", ApplyTo::All, 0, &definition).map_err(|refusal| refusal.detail)
}

/// A value that the key takes.
fn fitting(key: &str) -> Value {
    match key {
        "alternate-exchange" | "dead-letter-exchange" | "dead-letter-routing-key" => "x".into(),
        "max-age" => "7D".into(),
        "overflow" => "reject-publish".into(),
        _ => Value::I64(5),
    }
}

#[test]
fn every_key_gives_something() {
    for key in POLICY_KEYS {
        let made = policy(&[(key, fitting(key))]).unwrap();
        assert!(
            *made.options() != QueueOptions::default() || made.alternate_exchange().is_some(),
            "{key} changes nothing"
        );
    }
}

#[test]
fn hints_to_a_cluster_are_taken_and_change_nothing() {
    for key in POLICY_HINTS {
        let made = policy(&[(key, "all".into())]).unwrap();
        assert_eq!(*made.options(), QueueOptions::default(), "{key}");
        assert_eq!(made.alternate_exchange(), None, "{key}");
    }
}

#[test]
fn other_keys_and_wrong_values_are_refused_as_they_were_written() {
    for (key, value) in [
        ("max-lenght", Value::I64(1)),
        ("x-max-length", Value::I64(1)),
        // Arguments of a declaration that cannot come later.
        ("max-priority", Value::I64(5)),
        ("single-active-consumer", Value::Bool(true)),
        ("queue-type", "quorum".into()),
        // Parts of RabbitMQ that are not here.
        ("federation-upstream-set", "all".into()),
        ("dead-letter-strategy", "at-least-once".into()),
        // Values.
        ("max-length", "many".into()),
        ("max-length", Value::I64(-1)),
        ("expires", Value::I64(0)),
        ("overflow", "drop-tail".into()),
        ("max-age", "7W".into()),
        ("max-age", "é".into()),
        ("alternate-exchange", Value::I64(1)),
        ("alternate-exchange", "e".repeat(256).as_str().into()),
    ] {
        let refused = policy(&[("message-ttl", Value::I64(1)), (key, value.clone())]).unwrap_err();
        assert!(
            refused.starts_with(&format!("invalid arg '{key}' for policy 'p': ")),
            "{value:?}: {refused}"
        );
    }
    assert!(policy(&[]).unwrap_err().contains("empty"));
}

#[test]
fn an_empty_pattern_is_found_in_every_name() {
    let policies = [policy(&[("max-length", Value::I64(5))]).unwrap()];
    assert!(Policy::for_queue(&policies, "any", QueueKind::Classic).is_some());
    assert!(Policy::for_exchange(&policies, "any").is_some());
}

#[test]
fn a_pattern_that_cannot_be_used_is_refused_in_one_line() {
    let mut definition = Table::new();
    definition.insert("max-length", Value::I64(1));
    for pattern in ["(", "[", "a{9999999}", "(?<=x)", "\n(", "(?:a{1000}){1000}"] {
        let refused = Policy::new("p".to_owned(), pattern, ApplyTo::All, 0, &definition)
            .unwrap_err()
            .detail;
        let expected = pattern.lines().count().max(1);
        assert_eq!(refused.lines().count(), expected, "{refused:?}");
        assert!(refused.contains(pattern), "{refused:?}");
    }
}
