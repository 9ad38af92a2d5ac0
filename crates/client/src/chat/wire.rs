//! The JSON objects of `docs/chat.md`, as a client writes and reads them.
//!
//! [`Ask`] is what a client says, [`Said`] what a server says. Fields that may be left out have their defaults; types that this client does
//! not know become [`Said::Unknown`].

mod ask;
mod forms;
mod said;

use serde::Serialize;
use serde_json::Value;

pub use ask::{Ask, Sanction, Say};
pub use forms::{
    Conversation, History, Joined, Message, Presence, PresenceChange, Reaction, Refused, Room,
    RoomChange, User,
};
pub use said::{Hello, Said};

/// One object of a client: what it asks, with the number that the answer carries.
pub(crate) fn write(ask: &Ask, reference: u64) -> String {
    #[derive(Serialize)]
    struct Framed<'a> {
        #[serde(flatten)]
        ask: &'a Ask,
        #[serde(rename = "ref")]
        reference: u64,
    }
    serde_json::to_string(&Framed { ask, reference })
        .expect("a map with string keys is written without fail")
}

/// One object of a server, with the number of the question that it answers, if it answers one.
///
/// # Errors
/// It is none of this interface's.
pub(crate) fn read(text: &str) -> Result<(Option<u64>, Said), serde_json::Error> {
    let object: Value = serde_json::from_str(text)?;
    let reference = object.get("ref").and_then(Value::as_u64);
    Ok((reference, serde_json::from_value(object)?))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests;
