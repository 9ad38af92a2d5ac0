//! One message as a request: its body as it is, everything else in headers.
//!
//! # Shape
//! Texts in `Chaski-*` headers are UTF-8 in which the percent sign and whatever is not visible ASCII is percent-encoded. Headers of the
//! message follow as `Chaski-Header-<name>` where the name can be one of HTTP's and the value is a text, a number or a truth.

use std::fmt::Write as _;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use broker::Annotation;
use bytes::Bytes;
use codec::amqp::field::{Table, Value};
use codec::amqp::properties::{Properties, PropertiesRef};

use super::signature::Signer;
use crate::gateway::Delivered;

/// Headers of a message that are passed on.
const HEADERS_MAX: usize = 64;
/// Bytes of their names and values together.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// What a body is when its sender did not say.
const UNKNOWN_CONTENT: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Who sends.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("Chaski/", env!("CARGO_PKG_VERSION"), " (webhook)"));

/// What is sent for one message; the same for every attempt but for its number and the signature.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// The delivery's id.
    pub(super) id: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Letter {
    /// Writes a message that a webhook is to send.
    pub(super) fn of(hook: &str, queue: &str, delivered: &Delivered) -> Self {
        let message = &delivered.message;
        let properties = PropertiesRef::parse(message.properties())
            .ok()
            .and_then(|properties| properties.to_owned().ok())
            .unwrap_or_default();
        let body = message
            .shared_body()
            .map_or_else(|| Bytes::copy_from_slice(message.body()), Bytes::clone);
        let mut letter = Self::new(hook, format!("{hook}-{}", delivered.sequence), body);
        letter.text("chaski-queue", queue);
        letter.number("chaski-position", delivered.sequence);
        letter.text("chaski-exchange", message.exchange());
        letter.text("chaski-routing-key", message.routing_key());
        letter.text(
            "chaski-redelivered",
            if delivered.redelivered {
                "true"
            } else {
                "false"
            },
        );
        match delivered.annotation {
            Annotation::None => {}
            Annotation::DeliveryCount(count) => {
                letter.number("chaski-delivery-count", u64::from(count));
            }
            Annotation::StreamOffset(offset) => letter.number("chaski-offset", offset),
        }
        letter.properties(&properties);
        letter
    }

    /// Writes a request that carries no message, to try a webhook out.
    pub(super) fn test(hook: &str, queue: &str, id: String) -> Self {
        let body = serde_json::json!({"test": true, "webhook": hook, "queue": queue});
        let mut letter = Self::new(hook, id, Bytes::from(body.to_string()));
        let json = HeaderValue::from_static("application/json");
        letter.headers.insert(CONTENT_TYPE, json);
        letter.text("chaski-queue", queue);
        letter.text("chaski-test", "true");
        letter
    }

    /// What it is signed with when it is sent at a time.
    pub(super) fn signature(&self, signer: &Signer, seconds: u64) -> String {
        signer.sign(seconds, &self.id, &self.body)
    }

    /// Makes it ready for one attempt.
    pub(super) fn address(&mut self, signature: &str, attempt: u32) {
        self.text("chaski-signature", signature);
        self.number("chaski-attempt", u64::from(attempt));
    }

    fn new(hook: &str, id: String, body: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, AGENT);
        headers.insert(CONTENT_TYPE, UNKNOWN_CONTENT);
        let mut letter = Self {
            id: id.clone(),
            headers,
            body,
        };
        letter.text("chaski-webhook-id", hook);
        letter.text("chaski-delivery-id", &id);
        letter
    }

    fn properties(&mut self, properties: &Properties) {
        let as_they_are = [
            (CONTENT_TYPE, &properties.content_type),
            (CONTENT_ENCODING, &properties.content_encoding),
        ];
        for (name, value) in as_they_are {
            if let Some(Ok(value)) = value.as_deref().map(HeaderValue::from_str) {
                self.headers.insert(name, value);
            }
        }
        let texts = [
            ("chaski-message-id", &properties.message_id),
            ("chaski-correlation-id", &properties.correlation_id),
            ("chaski-reply-to", &properties.reply_to),
            ("chaski-type", &properties.kind),
            ("chaski-user-id", &properties.user_id),
            ("chaski-app-id", &properties.app_id),
            ("chaski-ttl-ms", &properties.expiration),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                self.text(name, value);
            }
        }
        if let Some(priority) = properties.priority {
            self.number("chaski-priority", u64::from(priority));
        }
        if let Some(timestamp) = properties.timestamp {
            self.number("chaski-timestamp", timestamp);
        }
        if let Some(headers) = &properties.headers {
            self.table(headers);
        }
    }

    fn table(&mut self, table: &Table) {
        let mut bytes = 0;
        let mut omitted = 0;
        for (passed, (name, value)) in table.iter().enumerate() {
            let header = format!("chaski-header-{name}").parse::<HeaderName>().ok();
            let text = text_of(value);
            bytes += name.len() + text.as_ref().map_or(0, String::len);
            match (header, text) {
                (Some(header), Some(text)) if passed < HEADERS_MAX && bytes <= HEADER_BYTES_MAX => {
                    self.insert(header, &text);
                }
                _ => omitted += 1,
            }
        }
        if omitted > 0 {
            self.number("chaski-headers-omitted", omitted);
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.headers
            .insert(HeaderName::from_static(name), number.into());
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.insert(HeaderName::from_static(name), text);
    }

    fn insert(&mut self, name: HeaderName, text: &str) {
        if let Ok(value) = HeaderValue::from_str(&encoded(text)) {
            self.headers.insert(name, value);
        }
    }
}

/// Percent-encodes what a header cannot hold.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a string never fails.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn text_of(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    if let Some(number) = value.as_i64() {
        return Some(number.to_string());
    }
    value.as_bool().map(|flag| flag.to_string())
}

#[cfg(test)]
mod tests;
