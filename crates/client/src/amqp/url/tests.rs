#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn parse(text: &str) -> AmqpUrl {
    text.parse().unwrap()
}

#[test]
fn absent_parts_take_rabbitmqs_defaults() {
    assert_eq!(parse("amqp://"), AmqpUrl::default());
    assert_eq!(parse("amqp://localhost/"), AmqpUrl::default());
    assert_eq!(parse("amqps://").port, 5671);
}

#[test]
fn every_part_is_percent_decoded() {
    let url = parse("amqp://a%40b:p%3Aw%2f@h:1234/my%2Fhost?heartbeat=7&verify=verify_none");
    assert_eq!(url.user, "a@b");
    assert_eq!(url.password, "p:w/");
    assert_eq!(url.vhost, "my/host");
    assert_eq!((url.host.as_str(), url.port), ("h", 1234));
    assert_eq!(url.query.heartbeat, Some(7));
    assert!(url.query.verify_none);
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    let url = parse("amqp://u:p@[::1]:5673/%2F");
    assert_eq!(
        (url.host.as_str(), url.port, url.vhost.as_str()),
        ("::1", 5673, "/")
    );
    assert_eq!(url.authority(), "[::1]:5673");
}

#[test]
fn an_unreadable_part_is_named() {
    let error = |text: &str| text.parse::<AmqpUrl>().unwrap_err();
    assert_eq!(error("http://x"), UrlError::Scheme);
    assert_eq!(error("amqp://x:0"), UrlError::Port("0".to_owned()));
    assert_eq!(error("amqp://x/a%2"), UrlError::Encoding("a%2".to_owned()));
    assert_eq!(error("amqp://x/a/b"), UrlError::Vhost("a/b".to_owned()));
    assert_eq!(
        error("amqp://x?hart=1"),
        UrlError::Option("hart".to_owned())
    );
}

#[test]
fn the_password_is_never_shown() {
    let url = parse("amqp://u:secret@h/v");
    assert_eq!(url.to_string(), "amqp://u@h:5672/v");
    assert!(!format!("{url:?}").contains("secret"));
}
