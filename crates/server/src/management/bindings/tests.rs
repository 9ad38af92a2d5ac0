//! The names of bindings in paths.

use super::*;

fn table(arguments: &[(&str, i64)]) -> Table {
    let mut table = Table::default();
    for (name, value) in arguments {
        table.insert(*name, *value);
    }
    table
}

fn binding(routing_key: &str, arguments: &[(&str, i64)]) -> BindingView {
    BindingView {
        vhost: "/".into(),
        source: "amq.direct".into(),
        destination: "q".into(),
        to_exchange: false,
        routing_key: routing_key.into(),
        arguments: table(arguments),
    }
}

#[test]
fn keys_are_quoted_as_rabbitmq_quotes_them() {
    for (routing_key, wanted) in [
        ("", "~"),
        ("k", "k"),
        ("a/b", "a%2Fb"),
        ("a b", "a+b"),
        ("a~b", "a%7Eb"),
        ("#.*", "%23.%2A"),
        ("ñ", "%C3%B1"),
    ] {
        assert_eq!(properties_key(routing_key, &table(&[])), wanted);
    }
}

#[test]
fn arguments_have_a_part_of_their_own() {
    let one = properties_key("a/b", &table(&[("x", 1)]));
    let other = properties_key("a/b", &table(&[("x", 2)]));
    assert!(
        one.starts_with("a%2Fb~") && one.len() > "a%2Fb~".len(),
        "{one}"
    );
    assert_ne!(one, other);
    assert!(properties_key("", &table(&[("x", 1)])).starts_with('~'));
}

#[test]
fn a_binding_is_named_by_its_own_key_alone() {
    let plain = binding("a/b", &[]);
    let with_arguments = binding("a/b", &[("x", 1)]);
    let key = properties_key("a/b", &table(&[("x", 1)]));
    assert!(is_named(&plain, "a%2Fb") && is_named(&plain, "a/b"));
    assert!(!is_named(&with_arguments, "a/b") && !is_named(&with_arguments, "a%2Fb"));
    assert!(is_named(&with_arguments, &key) && !is_named(&plain, &key));
    assert!(is_named(&binding("", &[]), "~"));
}
