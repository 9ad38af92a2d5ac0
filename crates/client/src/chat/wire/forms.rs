//! What the objects of a server are made of.

use serde::{Deserialize, Serialize};

use super::is_false;

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
    /// Who is kept out.
    pub banned: Option<String>,
    /// Who may come in again.
    pub unbanned: Option<String>,
    /// Who was muted.
    pub muted: Option<String>,
    /// Who may talk again.
    pub unmuted: Option<String>,
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
