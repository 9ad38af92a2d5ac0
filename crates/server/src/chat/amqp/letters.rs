//! Messages of the chat as AMQP's clients send and get them.

use broker::{Refusal, RefusalKind};
use bytes::Bytes;
use chat::limits::{SENT_ID_BYTES_MAX, TEXT_BYTES_MAX};
use chat::{Event, Language};
use codec::amqp::field::{Table, Value};
use codec::amqp::properties::{Properties, PropertiesRef};
use engine::Said;
use serde::Deserialize;

use crate::chat::json;
use crate::gateway::{Draft, Outgoing};

/// The content type of what is published, and of posts that say more than a text.
const JSON: &str = "application/json";
/// The largest body of a post: a text of the longest kind with every letter escaped, and some.
const BODY_BYTES_MAX: usize = 8 * TEXT_BYTES_MAX;

/// A post that says more than a text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Posted {
    text: String,
    sent_id: Option<String>,
    reply_to: Option<u64>,
    #[serde(default)]
    action: bool,
}

/// Reads what is to be said out of a message: its body is the text, or JSON if the content type says so.
///
/// # Errors
/// `PreconditionFailed`: it is nothing that can be said.
pub(super) fn read(properties: &PropertiesRef<'_>, body: &[u8]) -> Result<Said, Refusal> {
    let wrong = |detail: String| Refusal::new(RefusalKind::PreconditionFailed, detail);
    let too_long = |bytes: usize| {
        wrong(format!(
            "the message has {bytes} bytes; a room takes at most {TEXT_BYTES_MAX}"
        ))
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(too_long(body.len()));
    }
    let is_json = properties.content_type.is_some_and(is_json);
    let posted = if is_json {
        serde_json::from_slice(body)
            .map_err(|error| wrong(format!("the message is not {{text, …}}: {error}")))?
    } else {
        let text = std::str::from_utf8(body)
            .map_err(|_| wrong("the message is not UTF-8 text".to_owned()))?;
        Posted {
            text: text.to_owned(),
            sent_id: None,
            reply_to: None,
            action: false,
        }
    };
    if posted.text.is_empty() {
        return Err(wrong("the message is empty".to_owned()));
    }
    if posted.text.len() > TEXT_BYTES_MAX {
        return Err(too_long(posted.text.len()));
    }
    let sent_id = posted
        .sent_id
        .or_else(|| properties.message_id.map(str::to_owned));
    let sent_id = sent_id.filter(|id| !id.is_empty());
    if sent_id
        .as_ref()
        .is_some_and(|id| id.len() > SENT_ID_BYTES_MAX)
    {
        return Err(wrong(format!(
            "message_id (sent_id) has at most {SENT_ID_BYTES_MAX} bytes"
        )));
    }
    Ok(Said {
        text: posted.text,
        is_action: posted.action,
        sent_id,
        reply_to: posted.reply_to,
    })
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(JSON)
}

/// Puts a message of a room, or one that is another one now, into AMQP's form; `None` for every other event.
pub(super) fn write(event: &Event, key: String) -> Option<Outgoing> {
    let (Event::Message { place, message, .. } | Event::Changed { place, message }) = event else {
        return None;
    };
    let mut headers = Table::new();
    headers.insert("room", Value::LongString(place.as_bytes().to_vec()));
    headers.insert("from", Value::LongString(message.from.as_bytes().to_vec()));
    headers.insert("seq", Value::I64(i64::try_from(message.seq).ok()?));
    let properties = Properties {
        content_type: Some(JSON.to_owned()),
        message_id: Some(message.id.to_string()),
        timestamp: Some(message.at_ms / 1_000),
        kind: Some(json::event_name(event).to_owned()),
        // The server vouches for it, as it does for what clients say of themselves.
        user_id: Some(message.from.clone()),
        headers: Some(headers),
        ..Properties::default()
    };
    let draft = Draft {
        exchange: broker::topology::CHAT_EXCHANGE.to_owned(),
        routing_key: key,
        properties,
        persistent: true,
        body: Bytes::from(json::event(event, Language::English)),
        ..Draft::default()
    };
    match draft.finish(usize::MAX) {
        Ok(outgoing) => Some(outgoing),
        Err(flaw) => {
            let seq = message.seq;
            tracing::warn!(
                room = &**place,
                seq,
                ?flaw,
                "a message cannot be told over AMQP"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
