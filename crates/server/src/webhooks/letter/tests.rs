use std::sync::Arc;

use broker::{Body, Message, QueueId, QueueRef};

use super::*;

fn delivered(properties: &Properties, body: &[u8]) -> Delivered {
    let mut encoded = Vec::new();
    properties.encode(&mut encoded);
    let message = Message::new("news".into(), "a.b", &encoded, Body::Copy(body));
    Delivered {
        partition: None,
        lease: None,
        queue: QueueRef {
            id: QueueId(1),
            slot: 0,
            shard: 0,
            epoch: 0,
        },
        sequence: 42,
        message: Arc::new(message),
        redelivered: true,
        annotation: Annotation::DeliveryCount(3),
        outbox_bytes: 0,
    }
}

#[track_caller]
fn check(letter: &Letter, name: &str, expected: Option<&str>) {
    let value = letter.headers.get(name);
    let text = value.map(|value| value.to_str().expect("visible ASCII"));
    assert_eq!(text, expected, "{name}");
}

#[test]
fn a_message_is_sent_as_its_body_with_everything_else_in_headers() {
    let mut headers = Table::default();
    headers.insert("colour", "red");
    headers.insert("count", 7_i64);
    headers.insert("is new", true);
    headers.insert("list", Value::Array(vec![]));
    let properties = Properties {
        content_type: Some("text/plain".to_owned()),
        message_id: Some("100 % größer".to_owned()),
        timestamp: Some(1_700_000_000),
        priority: Some(5),
        headers: Some(headers),
        ..Properties::default()
    };
    let letter = Letter::of("wh_a", "orders", &delivered(&properties, b"hello"));
    assert_eq!(letter.body, "hello");
    assert_eq!(letter.id, "wh_a-42");
    let expected = [
        ("content-type", Some("text/plain")),
        ("content-encoding", None),
        ("chaski-webhook-id", Some("wh_a")),
        ("chaski-delivery-id", Some("wh_a-42")),
        ("chaski-queue", Some("orders")),
        ("chaski-position", Some("42")),
        ("chaski-exchange", Some("news")),
        ("chaski-routing-key", Some("a.b")),
        ("chaski-redelivered", Some("true")),
        ("chaski-delivery-count", Some("3")),
        ("chaski-message-id", Some("100 %25 gr%C3%B6%C3%9Fer")),
        ("chaski-timestamp", Some("1700000000")),
        ("chaski-priority", Some("5")),
        ("chaski-correlation-id", None),
        ("chaski-header-colour", Some("red")),
        ("chaski-header-count", Some("7")),
        // A name with a space and a list cannot be said in a header.
        ("chaski-headers-omitted", Some("2")),
    ];
    for (name, value) in expected {
        check(&letter, name, value);
    }
}

#[test]
fn no_sender_writes_headers_of_his_own() {
    let mut headers = Table::default();
    headers.insert("a", "1\r\nX-Evil: 1");
    headers.insert("b\r\nX-Evil", "1");
    let properties = Properties {
        content_type: Some("text/plain\r\nX-Evil: 1".to_owned()),
        reply_to: Some("a\r\nX-Evil: 1".to_owned()),
        headers: Some(headers),
        ..Properties::default()
    };
    let letter = Letter::of("wh_a", "q\r\nX-Evil: 1", &delivered(&properties, b""));
    check(&letter, "x-evil", None);
    check(&letter, "content-type", Some("application/octet-stream"));
    check(&letter, "chaski-reply-to", Some("a%0D%0AX-Evil: 1"));
    check(&letter, "chaski-header-a", Some("1%0D%0AX-Evil: 1"));
    check(&letter, "chaski-queue", Some("q%0D%0AX-Evil: 1"));
}

#[test]
fn headers_of_a_message_are_bounded() {
    let mut many = Table::default();
    for number in 0..100_i64 {
        many.insert(format!("h{number}").as_str(), number);
    }
    let mut large = Table::default();
    large.insert("a", Value::LongString(vec![b'a'; HEADER_BYTES_MAX]));
    for (table, omitted) in [(many, "36"), (large, "1")] {
        let properties = Properties {
            headers: Some(table),
            ..Properties::default()
        };
        let letter = Letter::of("wh_a", "q", &delivered(&properties, b""));
        check(&letter, "chaski-headers-omitted", Some(omitted));
    }
}
