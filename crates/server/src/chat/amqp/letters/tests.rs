#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use broker::RefusalKind;
use chat::{Event, MessageView};
use codec::amqp::field::Value;
use codec::amqp::properties::{Properties, PropertiesRef};
use engine::Said;

use super::{read, write};

fn said(properties: &Properties, body: &[u8]) -> Result<Said, RefusalKind> {
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    let properties = PropertiesRef::parse(&raw).unwrap();
    read(&properties, body).map_err(|refusal| refusal.kind)
}

fn json() -> Properties {
    Properties {
        content_type: Some("Application/JSON; charset=utf-8".to_owned()),
        message_id: Some("of-the-message".to_owned()),
        ..Properties::default()
    }
}

#[test]
fn a_body_is_a_text_or_says_more_in_json() {
    let plain = Properties {
        message_id: Some("1".to_owned()),
        ..Properties::default()
    };
    let text = |text: &str, sent_id: Option<&str>| Said {
        text: text.to_owned(),
        is_action: false,
        sent_id: sent_id.map(str::to_owned),
        reply_to: None,
    };
    assert_eq!(said(&plain, b"{}"), Ok(text("{}", Some("1"))));
    let whole = br#"{"text":"waves","sent_id":"own","reply_to":3,"action":true}"#;
    let expected = Said {
        is_action: true,
        reply_to: Some(3),
        ..text("waves", Some("own"))
    };
    assert_eq!(said(&json(), whole), Ok(expected));
    let short = said(&json(), br#"{"text":"hola"}"#);
    assert_eq!(short, Ok(text("hola", Some("of-the-message"))));
}

#[test]
fn what_is_no_message_is_refused() {
    let wrong = Err(RefusalKind::PreconditionFailed);
    let plain = Properties::default();
    for body in [&b""[..], &[0xFF, 0xFE], &[b'x'; 8_193], &[b'x'; 100_000]] {
        assert_eq!(said(&plain, body), wrong, "{} bytes", body.len());
    }
    assert!(said(&plain, &[b'x'; 8_192]).is_ok());
    for body in [
        &b"hola"[..],
        br#"{"text":1}"#,
        br#"{"text":"a","from":"ana"}"#,
    ] {
        assert_eq!(said(&json(), body), wrong, "{body:?}");
    }
    let named = Properties {
        message_id: Some("x".repeat(65)),
        ..plain
    };
    assert_eq!(said(&named, b"hola"), wrong);
}

#[test]
fn a_message_tells_who_said_it_where_and_as_which() {
    let message = MessageView {
        id: 77,
        seq: 5,
        from: "ana".to_owned(),
        text: "hola".to_owned(),
        is_action: true,
        sent_id: None,
        reply_to: Some(4),
        mentions: vec!["bob".to_owned()],
        at_ms: 1_700_000_000_123,
        edited_ms: None,
        deleted_ms: None,
        reactions: vec![("👍".to_owned(), vec!["bob".to_owned()])],
    };
    let event = Event::Message {
        place: "Lobby".into(),
        message: Arc::new(message),
        is_history: false,
    };
    let outgoing = write(&event, "room.lobby".to_owned()).unwrap();
    assert_eq!(
        (&*outgoing.exchange, &*outgoing.routing_key),
        ("chat", "room.lobby")
    );
    assert!(outgoing.persistent);
    let properties = PropertiesRef::parse(&outgoing.properties).unwrap();
    let properties = properties.to_owned().unwrap();
    assert_eq!(properties.message_id.as_deref(), Some("77"));
    assert_eq!(properties.user_id.as_deref(), Some("ana"));
    assert_eq!(properties.timestamp, Some(1_700_000_000));
    let headers = properties.headers.unwrap();
    assert_eq!(headers.get("seq"), Some(&Value::I64(5)));
    assert_eq!(headers.get("room").and_then(Value::as_str), Some("Lobby"));
    let object: serde_json::Value = serde_json::from_slice(&outgoing.body).unwrap();
    let expected = serde_json::json!({
        "type": "message", "room": "Lobby", "id": 77, "seq": 5, "from": "ana", "text": "hola", "at_ms": 1_700_000_000_123_u64,
        "action": true, "reply_to": 4, "mentions": ["bob"], "reactions": [{"emoji": "👍", "logins": ["bob"]}],
    });
    assert_eq!(object, expected);
}
