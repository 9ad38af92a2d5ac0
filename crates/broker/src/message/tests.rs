use std::sync::Arc;

use bytes::Bytes;
use codec::amqp::field::Table;
use codec::amqp::properties::Properties;

use super::{Body, Message};

/// A message with this routing key and body, and no properties.
pub(crate) fn message(routing_key: &str, body: &str) -> Message {
    with_headers(routing_key, body, None)
}

/// A message with headers.
pub(crate) fn with_headers(routing_key: &str, body: &str, headers: Option<Table>) -> Message {
    let mut raw = Vec::new();
    Properties {
        headers,
        ..Properties::default()
    }
    .encode(&mut raw);
    Message::new("".into(), routing_key, &raw, Body::Copy(body.as_bytes()))
}

/// An equal message that shares nothing with its original, as one that was written and read back.
pub(crate) fn copy_of(message: &Message) -> Arc<Message> {
    let body = Body::Copy(message.body());
    let mut copy = Message::new(
        message.exchange().clone(),
        message.routing_key(),
        message.properties(),
        body,
    );
    copy.persistent = message.persistent;
    copy.priority = message.priority;
    copy.expiration_ms = message.expiration_ms;
    copy.deliver_at_ms = message.deliver_at_ms;
    copy.dedup_id.clone_from(&message.dedup_id);
    Arc::new(copy)
}

#[test]
fn a_message_gives_back_its_parts() {
    let mut raw = Vec::new();
    Properties {
        content_type: Some("text/plain".into()),
        ..Properties::default()
    }
    .encode(&mut raw);
    let shared = Bytes::from_static(b"body");
    for body in [Body::Copy(b"body"), Body::Share(shared)] {
        let message = Message::new("x".into(), "key", &raw, body);
        let parts = (
            &**message.exchange(),
            message.routing_key(),
            message.properties(),
            message.body(),
            message.body_length(),
        );
        assert_eq!(parts, ("x", "key", &*raw, &b"body"[..], 4));
    }
}

#[test]
fn a_readdressed_message_shares_a_large_body_and_loses_its_expiration() {
    let shared = Bytes::from(vec![7; 100_000]);
    let mut message = Message::new("x".into(), "key", &[0, 0], Body::Share(shared.clone()));
    (message.persistent, message.priority, message.expiration_ms) = (true, 3, Some(5));
    let other = message.readdressed("dlx".into(), "other", &[0, 0]);
    assert_eq!(
        other.shared_body().map(|body| body.as_ptr()),
        Some(shared.as_ptr())
    );
    assert_eq!(
        (other.persistent, other.priority, other.expiration_ms),
        (true, 3, None)
    );
    assert_eq!((&**other.exchange(), other.routing_key()), ("dlx", "other"));
}

#[test]
fn a_delay_into_the_past_is_none_and_a_long_one_is_cut() {
    let mut message = message("q", "body");
    for (at_ms, expected) in [
        (0, None),
        (1_000, None),
        (1_001, Some(1_001)),
        (10_u64.pow(18), Some(1_000 + crate::limits::DELAY_MS_MAX)),
        (u64::MAX, Some(1_000 + crate::limits::DELAY_MS_MAX)),
    ] {
        message.delay_until(at_ms, 1_000);
        assert_eq!(message.deliver_at_ms, expected, "{at_ms}");
    }
    assert_eq!(
        message.readdressed("x".into(), "k", &[0, 0]).deliver_at_ms,
        None,
        "a dead letter has waited enough"
    );
}
