//! The JSON objects of `docs/chat.md`, as a client writes and reads them.
//!
//! [`Ask`] is what a client says, [`Said`] what a server says. Fields that may be left out have their defaults; types that this client does
//! not know become [`Said::Unknown`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Ask {
    /// Says something.
    Say(Say),
    /// Enters a room.
    Join {
        /// Which.
        room: String,
        /// The newest message that the client has.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Leaves a room.
    Leave {
        /// Which.
        room: String,
    },
    /// Makes a room and enters it.
    Create {
        /// Its name.
        room: String,
        /// It stays when its creator goes.
        #[serde(skip_serializing_if = "is_false")]
        keep: bool,
    },
    /// Changes a room.
    Set {
        /// Which.
        room: String,
        /// The topic line.
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// Seconds between two messages of one account.
        #[serde(skip_serializing_if = "Option::is_none")]
        slow_s: Option<u32>,
    },
    /// Deletes a room.
    DeleteRoom {
        /// Which.
        room: String,
    },
    /// All rooms.
    Rooms,
    /// One's private conversations.
    Conversations,
    /// Everyone in the system.
    Users,
    /// Who is in a room.
    Members {
        /// Which.
        room: String,
    },
    /// A page of what was said.
    History {
        /// Where.
        room: String,
        /// Only older ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// Only newer ones.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
        /// How many at most.
        limit: u32,
    },
    /// Messages that hold words.
    Search {
        /// The words.
        words: String,
        /// Only here.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<String>,
        /// Only older ones than this id.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<u64>,
        /// How many at most.
        limit: u32,
    },
    /// Changes one's message.
    Edit {
        /// Where.
        room: String,
        /// Which.
        seq: u64,
        /// What it says now.
        text: String,
    },
    /// Takes a message back.
    Delete {
        /// Where.
        room: String,
        /// Which.
        seq: u64,
    },
    /// Puts an emoji under a message, or takes it away.
    React {
        /// Where.
        room: String,
        /// Which.
        seq: u64,
        /// The emoji.
        emoji: String,
        /// Away.
        #[serde(skip_serializing_if = "is_false")]
        off: bool,
    },
    /// One has read up to a message.
    Read {
        /// Where.
        room: String,
        /// Up to which.
        seq: u64,
    },
    /// What one wants to be told of a room.
    Notify {
        /// Which.
        room: String,
        /// `all`, `mentions` or `nothing`.
        level: String,
    },
    /// One is writing.
    Typing {
        /// Where.
        room: String,
    },
    /// One is away.
    Away {
        /// What to say beside it.
        #[serde(skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// One is back.
    Back,
    /// Sends somebody out.
    Kick(Sanction),
    /// Keeps somebody out.
    Ban(Sanction),
    /// Lets them in again.
    Unban(Sanction),
    /// Keeps somebody from talking.
    Mute(Sanction),
    /// Lets them talk again.
    Unmute(Sanction),
    /// Does not want to hear somebody.
    Block {
        /// Whom.
        login: String,
    },
    /// Wants to hear them again.
    Unblock {
        /// Whom.
        login: String,
    },
    /// Whom one has blocked.
    Blocked,
    /// The language in which one is told things.
    Lang {
        /// Its code.
        code: String,
    },
    /// The server's clock.
    Time {
        /// When it is asked, by the asker's clock.
        t1_us: i64,
    },
}

/// What is said where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Say {
    /// Where.
    pub room: String,
    /// What.
    pub text: String,
    /// The sender's own id, that makes sending again harmless.
    pub sent_id: String,
    /// What it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// It says what its author does.
    #[serde(skip_serializing_if = "is_false")]
    pub action: bool,
}

/// A kick, ban or mute, or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sanction {
    /// Where.
    pub room: String,
    /// Whom.
    pub login: String,
    /// For how long; for good if it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where it was said: a room, or `@login`.
    #[serde(default)]
    pub room: String,
    /// Its number among all messages.
    #[serde(default)]
    pub id: u64,
    /// Its number where it was said.
    pub seq: u64,
    /// Who said it.
    pub from: String,
    /// What.
    #[serde(default)]
    pub text: String,
    /// When, by the server.
    pub at_ms: i64,
    /// It says what its author does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub action: bool,
    /// The sender's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_id: Option<String>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<u64>,
    /// Whom it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// When it was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_ms: Option<i64>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_ms: Option<i64>,
    /// The emojis under it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// It was said before the session listened.
    #[serde(default, skip_serializing_if = "is_false")]
    pub history: bool,
}

/// An emoji under a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who put it there.
    #[serde(default)]
    pub logins: Vec<String>,
}

/// How present somebody is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// There.
    #[default]
    Online,
    /// Silent for a while.
    Idle,
    /// Said that they are away.
    Away,
    /// Not there.
    #[serde(other)]
    Offline,
}

/// Somebody, and how present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct User {
    /// The account.
    pub login: String,
    /// How present.
    pub presence: Presence,
    /// What they say beside it.
    pub note: Option<String>,
    /// Since when.
    pub since_ms: Option<i64>,
    /// Where they are.
    pub rooms: Vec<String>,
}

/// A room as one finds it on entering.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Joined {
    /// Its name.
    pub room: String,
    /// Its newest message.
    pub head: u64,
    /// The newest that the account has read.
    pub read: u64,
    /// How many it has not.
    pub unread: u64,
    /// The topic line.
    pub topic: String,
    /// Who made it.
    pub owner: Option<String>,
    /// It stays.
    pub keep: bool,
    /// It is the default room.
    pub default: bool,
    /// How many are in it.
    pub members: u64,
    /// Missed messages that were not sent.
    pub skipped: u64,
    /// Why one is here.
    pub cause: String,
    /// The same in words.
    pub text: Option<String>,
}

/// A room in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Room {
    /// Its name.
    pub room: String,
    /// The topic line.
    pub topic: String,
    /// Who made it.
    pub owner: Option<String>,
    /// It stays.
    pub keep: bool,
    /// It is the default room.
    pub default: bool,
    /// Seconds between two messages of one account.
    pub slow_s: u64,
    /// How many are in it.
    pub members: u64,
    /// Its newest message.
    pub head: u64,
    /// The newest that the account has read.
    pub read: Option<u64>,
    /// How many it has not.
    pub unread: u64,
    /// Those of them that name the account.
    pub mentions: u64,
}

/// A private conversation in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// With whom, as `@login`.
    pub room: String,
    /// How present they are.
    pub presence: Presence,
    /// Its newest message.
    pub head: u64,
    /// The newest that was read.
    pub read: u64,
    /// How many were not.
    pub unread: u64,
}

/// What changed of who is in a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PresenceChange {
    /// Which room.
    pub room: String,
    /// Who came.
    pub joined: Vec<String>,
    /// How many came.
    pub joined_count: u64,
    /// Who went.
    pub left: Vec<String>,
    /// How many went.
    pub left_count: u64,
    /// Whose presence is another one.
    pub changed: Vec<User>,
    /// How many are there now.
    pub members: u64,
}

/// A page of what was said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct History {
    /// Where.
    pub room: String,
    /// In their order.
    pub messages: Vec<Message>,
    /// There are more that way.
    pub more: bool,
    /// The newest message of all.
    pub head: u64,
}

/// What changed of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoomChange {
    /// Which.
    pub room: String,
    /// Who did it.
    pub by: String,
    /// The topic line.
    pub topic: Option<String>,
    /// Whether it stays.
    pub keep: Option<bool>,
    /// Seconds between two messages.
    pub slow_s: Option<u64>,
    /// It came into being.
    pub created: bool,
    /// It is gone.
    pub deleted: bool,
    /// Who was muted.
    pub muted: Option<String>,
    /// Who may talk again.
    pub unmuted: Option<String>,
}

/// The first that a server says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// As whom one is there.
    pub login: String,
    /// The server's version.
    pub version: String,
    /// Its time.
    pub time_ms: i64,
    /// The room that always exists.
    pub default_room: String,
    /// The account's language.
    pub lang: String,
    /// A client that is silent for so long is asked whether it is there.
    pub idle_ms: u64,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Said {
    /// The first.
    Hello(Hello),
    /// It is done.
    Ok,
    /// Somebody said something.
    Message(Message),
    /// One's message is on disk.
    Sent {
        /// Where.
        room: String,
        /// Its number there.
        seq: u64,
        /// When.
        at_ms: i64,
        /// The sender's own id.
        #[serde(default)]
        sent_id: Option<String>,
        /// It was there already.
        #[serde(default)]
        duplicate: bool,
    },
    /// A message is another one.
    Changed(Message),
    /// One was named elsewhere.
    Mentioned(Message),
    /// One is in a room.
    Joined(Joined),
    /// One is not in it any more.
    Left {
        /// Which.
        room: String,
        /// Why.
        #[serde(default)]
        cause: String,
        /// Who did it.
        #[serde(default)]
        by: Option<String>,
        /// In words.
        #[serde(default)]
        text: Option<String>,
    },
    /// Others came or went.
    Presence(PresenceChange),
    /// Somebody writes.
    Typing {
        /// Where.
        room: String,
        /// Who.
        login: String,
    },
    /// The account has read something.
    Read {
        /// Where.
        room: String,
        /// Up to which.
        read: u64,
        /// How many it has not.
        #[serde(default)]
        unread: u64,
        /// Those of them that name it.
        #[serde(default)]
        mentions: u64,
    },
    /// A room is another one.
    ChangedRoom(RoomChange),
    /// All rooms.
    Rooms {
        /// They.
        rooms: Vec<Room>,
    },
    /// One room.
    Room(Room),
    /// Private conversations.
    Conversations {
        /// They.
        conversations: Vec<Conversation>,
    },
    /// Everyone.
    Users {
        /// They.
        users: Vec<User>,
    },
    /// Who is in a room.
    Members {
        /// Which.
        room: String,
        /// They.
        members: Vec<User>,
    },
    /// A page of what was said.
    History(History),
    /// Messages that hold words.
    Found {
        /// The newest first.
        messages: Vec<Message>,
        /// There are more.
        #[serde(default)]
        more: bool,
    },
    /// Whom one has blocked.
    Blocked {
        /// They.
        logins: Vec<String>,
    },
    /// The server's clock.
    Time {
        /// When one asked, by one's own.
        t1_us: i64,
        /// When it heard.
        t2_us: i64,
        /// When it answered.
        t3_us: i64,
    },
    /// A command was refused.
    Error(Refused),
    /// The connection ends.
    Bye {
        /// Why.
        #[serde(default)]
        cause: String,
        /// In words.
        #[serde(default)]
        text: String,
    },
    /// What a later version says.
    #[serde(other)]
    Unknown,
}

/// Why a command was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// For programs.
    pub code: String,
    /// For people.
    pub text: String,
    /// When it may be tried again.
    pub retry_after_ms: Option<u64>,
}

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
