//! What a server says.

use serde::Deserialize;

use super::forms::{
    Conversation, History, Joined, Message, PresenceChange, Refused, Room, RoomChange, User,
};

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
