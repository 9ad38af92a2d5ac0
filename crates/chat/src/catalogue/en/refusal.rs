//! What was refused, why, and what to do.

use super::because;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::limits::{
    NOTE_CHARS_MAX, REASON_CHARS_MAX, ROOM_CHARS_MAX, SEARCH_BYTES_MAX, SENT_ID_BYTES_MAX,
    SLOW_S_MAX, TEXT_BYTES_MAX, TOPIC_CHARS_MAX,
};
use crate::name::RoomNameError;
use crate::refusal::{Plenty, Reason, Rule};

pub(super) fn say(reason: &Reason) -> String {
    match reason {
        Reason::NoRoom(room) => format!("There is no room {room}."),
        Reason::NoUser(login) => format!("There is no account {login}."),
        Reason::NoMessage(seq) => format!("There is no message {seq} here, or it was deleted."),
        Reason::RoomName(error) => say_name(*error),
        Reason::RoomTaken(room) => format!("There is a room {room} already. Choose another name."),
        Reason::RoomConfusable(room) => {
            format!("That name looks like the room {room}. Choose another name.")
        }
        Reason::NotOwner(room) => {
            format!("Only the creator of {room} and administrators can do that.")
        }
        Reason::KeepForbidden => {
            "On this server you cannot make rooms that stay. Create it without that.".to_owned()
        }
        Reason::DefaultRoom => "The default room stays as it is.".to_owned(),
        Reason::Banned {
            room,
            until_ms,
            reason,
        } => {
            let until = until(*until_ms);
            format!("You are banned from {room}{until}{}", because(reason))
        }
        Reason::Muted { room, until_ms } => {
            format!("You are muted in {room}{}.", until(*until_ms))
        }
        Reason::Slow(seconds) => format!(
            "This room is slow: one message every {}. Wait a moment.",
            counted(u64::from(*seconds), "second", "seconds")
        ),
        Reason::Flood => "You are sending too fast. Wait a moment.".to_owned(),
        Reason::EmptyText => "A message cannot be empty.".to_owned(),
        Reason::LongText(bytes) => {
            format!("A message has at most {TEXT_BYTES_MAX} bytes; this one has {bytes}.")
        }
        Reason::NotAuthor => "That message is somebody else's.".to_owned(),
        Reason::TooOld => "That message is too old to be changed.".to_owned(),
        Reason::Blocked(login) => format!("{login} takes no messages from you."),
        Reason::Yourself => "You cannot do that to yourself.".to_owned(),
        Reason::Administrator => "You cannot do that to an administrator.".to_owned(),
        Reason::TooMany(what) => format!("Too many {}.", too_many(*what)),
        Reason::Invalid(rule) => say_rule(*rule),
        Reason::NotThere(room) => format!("You are not in {room}."),
        Reason::UserNotThere(login, room) => format!("{login} is not in {room}."),
        Reason::NotSanctioned(login) => format!("{login} is neither banned nor muted here."),
        Reason::NoTalk(login) => {
            format!("There is no private conversation with {login} yet. Write to them first.")
        }
        Reason::NoSession => "That needs a connection that listens.".to_owned(),
        Reason::Unavailable => {
            "The history cannot be reached at the moment. Try again later.".to_owned()
        }
        Reason::Void => "Your login is no longer valid. Log in again.".to_owned(),
    }
}

fn until(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(String::new, |until_ms| {
        format!(" until {}", date_time(until_ms))
    })
}

fn say_name(error: RoomNameError) -> String {
    match error {
        RoomNameError::Length => format!("A room's name has 1 to {ROOM_CHARS_MAX} characters."),
        RoomNameError::Character(character) => format!(
            "A room's name is made of letters, digits, '-' and '_', not {} (U+{:04X}).",
            character.escape_debug(),
            u32::from(character)
        ),
        RoomNameError::MixedScript => {
            "A room's name cannot mix letters of different scripts.".to_owned()
        }
    }
}

const fn too_many(what: Plenty) -> &'static str {
    match what {
        Plenty::Rooms => "rooms on this server. Wait until some are gone",
        Plenty::OwnRooms => "rooms of your own. Delete one first",
        Plenty::RoomsAtOnce => "rooms at once. Leave one first",
        Plenty::Blocked => "blocked accounts. Unblock one first",
        Plenty::Sanctions => "bans and mutes in this room. End some first",
        Plenty::Emojis => "different emojis under this message",
        Plenty::Connections => "connections of this account. Close one first",
    }
}

fn say_rule(rule: Rule) -> String {
    match rule {
        Rule::SentId => format!("The id of a message has 1 to {SENT_ID_BYTES_MAX} bytes."),
        Rule::Topic => format!("A topic is one line of at most {TOPIC_CHARS_MAX} characters."),
        Rule::SlowMode => format!("Slow mode is 0 to {SLOW_S_MAX} seconds."),
        Rule::Reason => format!("A reason is one line of at most {REASON_CHARS_MAX} characters."),
        Rule::Minutes => "A ban or mute has at least one minute.".to_owned(),
        Rule::Emoji => "A reaction is one emoji.".to_owned(),
        Rule::Note => format!("A note is one line of at most {NOTE_CHARS_MAX} characters."),
        Rule::Search => format!("A search has 1 to {SEARCH_BYTES_MAX} bytes."),
        Rule::Level => "You can be told of: all, mentions or nothing.".to_owned(),
    }
}
