#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn absent_parts_take_defaults() {
    for (text, host, port) in [
        ("nats://", "localhost", 4222),
        ("nats://example.org", "example.org", 4222),
        ("nats://127.0.0.1:14222", "127.0.0.1", 14222),
        ("nats://127.0.0.1:14222/", "127.0.0.1", 14222),
        ("nats://[::1]", "::1", 4222),
        ("nats://[::1]:5", "::1", 5),
    ] {
        let url: NatsUrl = text.parse().unwrap();
        assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
        assert_eq!((url.user, url.password), (None, None), "{text}");
    }
}

#[test]
fn accounts_and_tokens_are_read_and_never_shown() {
    let url: NatsUrl = "nats://me:pa:ss@host:1".parse().unwrap();
    assert_eq!(url.user.as_deref(), Some("me"));
    assert_eq!(url.password.as_deref(), Some("pa:ss"));
    assert_eq!(url.to_string(), "nats://host:1");
    assert_eq!(format!("{url:?}"), "NatsUrl(nats://host:1)");
    let url: NatsUrl = "nats://token@host".parse().unwrap();
    assert_eq!((url.user.as_deref(), url.password), (Some("token"), None));
}

#[test]
fn wrong_urls_are_refused() {
    let parse = |text: &str| text.parse::<NatsUrl>().unwrap_err();
    assert_eq!(parse("amqp://host"), NatsUrlError::Scheme);
    assert_eq!(parse("nats://host:0"), NatsUrlError::Port("0".to_owned()));
    assert_eq!(parse("nats://host:x"), NatsUrlError::Port("x".to_owned()));
    assert_eq!(parse("nats://host/a"), NatsUrlError::Path("/a".to_owned()));
}
