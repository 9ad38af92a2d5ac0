//! For scripts: saying one thing, and listening to a place.

use std::time::Duration;

use thiserror::Error;

use super::link::{Door, Fault, Link, LinkEvent, SentIds, Use};
use super::wire::{Message, Refused, Said, Say};

/// Why a script's wish failed.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// There is no connection.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The server said no.
    #[error("{}", .0.text)]
    Refused(Refused),
    /// It took too long; whether it was stored is not known.
    #[error("not acknowledged within {} s; it may be stored all the same", .0.as_secs())]
    Timeout(Duration),
}

/// A message that is stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Stored {
    /// Where.
    pub room: String,
    /// Its number there.
    pub seq: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// It was there already: an earlier attempt had come through.
    pub duplicate: bool,
}

/// Says something and waits until it is stored: over lost connections, under one id, so that it is said once.
///
/// # Errors
/// It is refused, or not stored in time.
pub async fn say(
    door: Door,
    place: &str,
    text: &str,
    action: bool,
    wait: Duration,
) -> Result<Stored, ScriptError> {
    let mut link = Link::start(door, Use::default());
    let say = Say {
        room: place.to_owned(),
        text: text.to_owned(),
        sent_id: SentIds::new().next_id(),
        reply_to: None,
        action,
    };
    let mut last = None;
    let stored = tokio::time::timeout(wait, stored(&mut link, say, &mut last)).await;
    link.close().await;
    match (stored, last) {
        (Ok(stored), _) => stored,
        (Err(_), Some(fault)) => Err(fault.into()),
        (Err(_), None) => Err(ScriptError::Timeout(wait)),
    }
}

async fn stored(
    link: &mut Link,
    say: Say,
    last: &mut Option<Fault>,
) -> Result<Stored, ScriptError> {
    link.say(say.clone());
    loop {
        match link.next().await {
            Some(LinkEvent::Said(Said::Sent {
                room,
                seq,
                at_ms,
                duplicate,
                ..
            })) => {
                return Ok(Stored {
                    room,
                    seq,
                    at_ms,
                    duplicate,
                });
            }
            Some(LinkEvent::Refused { refused, .. }) => match refused.retry_after_ms {
                // Too fast: it is said again when it may be, under the same id.
                Some(wait @ 1..) => {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    link.say(say.clone());
                }
                Some(0) | None => return Err(ScriptError::Refused(refused)),
            },
            Some(LinkEvent::Ended(fault)) => return Err(fault.into()),
            Some(LinkEvent::Down { fault, .. }) => *last = Some(fault),
            Some(LinkEvent::Up(_)) => *last = None,
            Some(
                LinkEvent::Connecting
                | LinkEvent::Said(_)
                | LinkEvent::Answer(..)
                | LinkEvent::Unasked(_),
            ) => {}
            None => return Err(Fault::Lost("it was closed".into()).into()),
        }
    }
}

/// Hands on the messages of a place as they come, those behind `after` first, until `take` says that it is enough.
///
/// # Errors
/// There is no connection at first or none any more, or one may not listen there.
pub async fn listen<E>(
    door: Door,
    place: &str,
    after: Option<u64>,
    mut take: impl FnMut(&Message) -> Result<bool, E>,
) -> Result<Result<(), E>, ScriptError> {
    let wanted = Use {
        keeps_all: true,
        follow: vec![(place.to_owned(), after)],
    };
    let mut link = Link::start(door, wanted);
    let ended = follow(&mut link, place, &mut take).await;
    link.close().await;
    ended
}

async fn follow<E>(
    link: &mut Link,
    place: &str,
    take: &mut impl FnMut(&Message) -> Result<bool, E>,
) -> Result<Result<(), E>, ScriptError> {
    let key = super::ledger::key(place);
    let mut has_been_up = false;
    loop {
        match link.next().await {
            Some(LinkEvent::Said(Said::Message(message)))
                if super::ledger::key(&message.room) == key =>
            {
                match take(&message) {
                    Ok(true) => {}
                    Ok(false) => return Ok(Ok(())),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Some(LinkEvent::Said(Said::Left {
                room, cause, text, ..
            })) if super::ledger::key(&room) == key => {
                return Err(ScriptError::Refused(Refused {
                    code: cause,
                    text: text.unwrap_or_else(|| format!("not in {room} any more")),
                    retry_after_ms: None,
                }));
            }
            Some(LinkEvent::Up(_)) => has_been_up = true,
            Some(LinkEvent::Ended(fault)) => return Err(fault.into()),
            Some(LinkEvent::Down { fault, .. }) if !has_been_up => return Err(fault.into()),
            Some(
                LinkEvent::Connecting
                | LinkEvent::Down { .. }
                | LinkEvent::Said(_)
                | LinkEvent::Answer(..)
                | LinkEvent::Unasked(_)
                | LinkEvent::Refused { .. },
            ) => {}
            None => return Err(Fault::Lost("it was closed".into()).into()),
        }
    }
}

#[cfg(test)]
mod tests;
