//! What is answered to a command.

use std::sync::Arc;

use directory::chat::ChatSanction;

use crate::event::{Entered, Member, MessageView, Presence};

/// A room as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// Its name, as its creator wrote it.
    pub name: String,
    /// The topic line.
    pub topic: String,
    /// Who created it; `None` for the default room.
    pub owner: Option<String>,
    /// It stays when its creator goes.
    pub keep: bool,
    /// It is the default room.
    pub is_default: bool,
    /// Seconds between two messages of one account; 0 is no bound.
    pub slow_s: u32,
    /// How many accounts are in it.
    pub members: usize,
    /// The number of its newest message.
    pub head: u64,
    /// The newest message that the account has read; `None` if it was never there.
    pub read: Option<u64>,
    /// Messages that it has not read; 0 if it was never there.
    pub unread: u64,
    /// Those of them that name it.
    pub mentions: u64,
    /// What the account wants to be told of: `all`, `mentions` or `nothing`.
    pub notify: String,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
}

/// A private conversation as listings show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationView {
    /// The other account.
    pub with: String,
    /// How present it is.
    pub presence: Presence,
    /// The number of the newest message.
    pub head: u64,
    /// The newest message that was read.
    pub read: u64,
    /// Messages that were not.
    pub unread: u64,
    /// What the account wants to be told of: `all`, `mentions` or `nothing`.
    pub notify: String,
    /// When the newest was sent, in milliseconds since 1970.
    pub last_ms: u64,
}

/// An account as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// Its login.
    pub login: String,
    /// How present it is.
    pub presence: Presence,
    /// What it says beside that.
    pub note: String,
    /// Since when it is so, in milliseconds since 1970; `None` if it was never there.
    pub since_ms: Option<u64>,
    /// The rooms that it is in, if there are such.
    pub rooms: Vec<String>,
}

/// A message that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Where: a room's name, or `@login`.
    pub place: Arc<str>,
    /// The message.
    pub message: Arc<MessageView>,
    /// It was sent under the same name before: nothing new was stored.
    pub is_duplicate: bool,
}

/// A page of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Where.
    pub place: Arc<str>,
    /// Oldest first.
    pub messages: Vec<MessageView>,
    /// There are more in the direction in which was read.
    pub has_more: bool,
    /// The number of the newest message.
    pub head: u64,
}

/// A message that was searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub place: String,
    /// The message.
    pub message: MessageView,
}

/// What is answered to a [`crate::Command`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It was done.
    Done,
    /// It was said, and is on disk.
    Posted(Posted),
    /// The session is in the room, and was told so by [`crate::Event::Entered`].
    Entered(Arc<Entered>),
    /// One room.
    Room(RoomView),
    /// All rooms: the default one first, then by name.
    Rooms(Vec<RoomView>),
    /// Private conversations, the one with the newest message first.
    Conversations(Vec<ConversationView>),
    /// Everyone, by login.
    Users(Vec<UserView>),
    /// Who is in a room, by login.
    Members {
        /// The room.
        place: Arc<str>,
        /// Who.
        members: Vec<Member>,
    },
    /// A page of history.
    History(History),
    /// What was found, and whether there is more.
    Found {
        /// The newest first.
        found: Vec<Found>,
        /// There are more.
        has_more: bool,
    },
    /// A message as it is now.
    Message {
        /// Where.
        place: Arc<str>,
        /// The message.
        message: Arc<MessageView>,
    },
    /// Who is kept out of a room, or kept from talking in it.
    Sanctions {
        /// The room.
        place: Arc<str>,
        /// Who, by login; what is over is not among it.
        sanctions: Vec<ChatSanction>,
    },
    /// Whom one has blocked.
    Blocked(Vec<String>),
}
