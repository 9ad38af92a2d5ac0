//! What is stored of the chat, as plain values.

/// The number of a room or a private conversation; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomNumber(pub u64);

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRoom {
    /// Its number.
    pub number: RoomNumber,
    /// Its name as its creator wrote it.
    pub name: String,
    /// The name without regard to case: no other room has it.
    pub fold: String,
    /// The name as it looks: no other room has it.
    pub skeleton: String,
    /// The account that created it; `None` for the default room, and when that account is gone.
    pub owner: Option<String>,
    /// It stays when its creator goes.
    pub keep: bool,
    /// The topic line.
    pub topic: String,
    /// Seconds between two messages of one account; 0 is no bound.
    pub slow_s: u32,
    /// When it was created, in milliseconds since 1970, as all times here.
    pub created_ms: u64,
    /// The sequence number of its newest message; 0 while it has none.
    pub head: u64,
    /// Those who may not come in or not talk.
    pub sanctions: Vec<ChatSanction>,
}

/// What a sanction takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SanctionKind {
    /// They may not come in.
    Ban,
    /// They may not talk.
    Mute,
}

impl SanctionKind {
    /// The word of the database.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Mute => "mute",
        }
    }

    /// The sanction of a word; `None` if there is none such.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Ban, Self::Mute]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// Somebody who may not come into a room or not talk there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatSanction {
    /// The account.
    pub login: String,
    /// What they may not.
    pub kind: SanctionKind,
    /// Until when; `None` is for good.
    pub until_ms: Option<u64>,
    /// Who said so.
    pub by: String,
    /// Why, as they wrote it.
    pub reason: String,
}

/// An account as a chat's author: a login that was deleted and made again is somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAuthor {
    /// The login.
    pub login: String,
    /// When the account was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What is kept of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatPerson {
    /// The language that they chose, such as `es`; empty if none.
    pub language: String,
    /// When they were last there; 0 if never.
    pub last_seen_ms: u64,
    /// Whom they do not want to hear.
    pub blocked: Vec<String>,
    /// What they have read of rooms and conversations.
    pub positions: Vec<ChatPosition>,
    /// Their private conversations.
    pub conversations: Vec<Conversation>,
}

/// What an account has read of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatPosition {
    /// Where.
    pub room: RoomNumber,
    /// The newest message that they have read.
    pub read: u64,
    /// Messages after `read` that name them, oldest first.
    pub mentions: Vec<u64>,
    /// What they want to be told of, a word of the clients'; empty if they never said.
    pub notify: String,
}

/// A private conversation of two accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its number.
    pub number: RoomNumber,
    /// The other account.
    pub with: String,
    /// The sequence number of its newest message.
    pub head: u64,
    /// When that was sent.
    pub last_ms: u64,
}

/// An emoji under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatReaction {
    /// The emoji.
    pub emoji: String,
    /// Whose, in the order in which they came.
    pub logins: Vec<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its number among all messages of the server; never used again.
    pub id: u64,
    /// Where it was said.
    pub room: RoomNumber,
    /// Its number in the room, from 1 on without a hole.
    pub seq: u64,
    /// Who said it.
    pub author: String,
    /// What was said; empty once it is deleted.
    pub text: String,
    /// It says what its author does (`/me`).
    pub is_action: bool,
    /// The sender's own name for it.
    pub sent_id: Option<String>,
    /// The message of the same room that it answers.
    pub reply_to: Option<u64>,
    /// The accounts that it names.
    pub mentions: Vec<String>,
    /// When the server took it.
    pub at_ms: u64,
    /// When it was last edited.
    pub edited_ms: Option<u64>,
    /// When it was deleted.
    pub deleted_ms: Option<u64>,
    /// The emojis under it, in the order in which the first of each came.
    pub reactions: Vec<ChatReaction>,
}

/// From where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The messages before one, the newest of them; with `u64::MAX` the newest of all.
    Before(u64),
    /// The messages after one, the oldest of them.
    After(u64),
}

/// A page of messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatPage {
    /// The messages.
    pub messages: Vec<ChatMessage>,
    /// There are more in the direction in which was read.
    pub has_more: bool,
}

/// Everything that is read at start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChatSnapshot {
    /// The rooms, by number.
    pub rooms: Vec<ChatRoom>,
    /// The accounts that were ever there, with when they were last.
    pub seen: Vec<(String, u64)>,
}
