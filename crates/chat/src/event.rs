//! What the members of the chat are told.

use std::sync::Arc;

/// A message as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Its number among all messages of the server.
    pub id: u64,
    /// Its number where it was said, from 1 on.
    pub seq: u64,
    /// Who said it.
    pub from: String,
    /// What; empty once it is deleted.
    pub text: String,
    /// It says what its author does.
    pub is_action: bool,
    /// The sender's own name for it.
    pub sent_id: Option<String>,
    /// The message of the same place that it answers.
    pub reply_to: Option<u64>,
    /// The accounts that it names.
    pub mentions: Vec<String>,
    /// When the server took it, in milliseconds since 1970, as all times here.
    pub at_ms: u64,
    /// When it was last edited.
    pub edited_ms: Option<u64>,
    /// When it was deleted.
    pub deleted_ms: Option<u64>,
    /// The emojis under it with those who put them there.
    pub reactions: Vec<(String, Vec<String>)>,
}

/// How present somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There, and doing something.
    Online,
    /// There, but silent for a while.
    Idle,
    /// Said that they are away.
    Away,
    /// Not there.
    Offline,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The account.
    pub login: String,
    /// How present.
    pub presence: Presence,
}

/// What somebody finds who enters a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The room's name.
    pub room: String,
    /// The number of its newest message that was stored when they entered; what comes later is told as it comes.
    pub head: u64,
    /// The newest message that they have read.
    pub read: u64,
    /// Messages that they have not read.
    pub unread: u64,
    /// The topic line.
    pub topic: String,
    /// Who created it; `None` for the default room.
    pub owner: Option<String>,
    /// It stays when its creator goes.
    pub keep: bool,
    /// How many accounts are in it.
    pub members: usize,
    /// It is the default room.
    pub is_default: bool,
    /// Why they are here.
    pub cause: LeftCause,
    /// Messages that were missed and not sent, being too many: they are paged.
    pub skipped: u64,
}

/// Why somebody is in another room now, or in one less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftCause {
    /// They wanted it.
    Asked,
    /// They have just come.
    Arrived,
    /// The room was deleted by somebody.
    Deleted(String),
    /// The room went with its creator.
    CreatorGone(String),
    /// Somebody sent them out.
    Kicked {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody keeps them out.
    Banned {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until when; `None` is for good.
        until_ms: Option<u64>,
    },
}

/// A coming, a going or another presence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresenceChange {
    /// Who came, at most [`crate::limits::NAMES_PER_NOTICE_MAX`].
    pub joined: Vec<String>,
    /// How many came.
    pub joined_count: usize,
    /// Who went, as many.
    pub left: Vec<String>,
    /// How many went.
    pub left_count: usize,
    /// Whose presence is another one, as many.
    pub changed: Vec<Member>,
    /// How many accounts are in the room now.
    pub members: usize,
}

/// What changed of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// Its topic line.
    Topic(String),
    /// Whether it stays when its creator goes.
    Keep(bool),
    /// Seconds between two messages of one account.
    Slow(u32),
    /// It came into being.
    Created,
    /// It is gone.
    Deleted,
    /// Somebody may not come in or hear it any more, or may again. Only whoever follows all rooms is told.
    Banned {
        /// Who.
        login: String,
        /// Banned, not let in again.
        is_on: bool,
    },
    /// Somebody was muted there, or may talk again.
    Muted {
        /// Who.
        login: String,
        /// Muted, not again allowed to talk.
        is_on: bool,
    },
}

/// What a session is told. `place` is as the session sees it: a room's name, or `@login` for a private conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A message.
    Message {
        /// Where.
        place: Arc<str>,
        /// The message.
        message: Arc<MessageView>,
        /// It was said before the session listened.
        is_history: bool,
    },
    /// A message says something else, was deleted, or has other emojis.
    Changed {
        /// Where.
        place: Arc<str>,
        /// The message as it is now.
        message: Arc<MessageView>,
    },
    /// Somebody was named where they are not: what was said is not told here.
    Mentioned {
        /// Where.
        place: Arc<str>,
        /// Which message.
        message: Arc<MessageView>,
    },
    /// The session is in a room now.
    Entered(Arc<Entered>),
    /// The session is not in a room any more.
    Left {
        /// Which.
        place: Arc<str>,
        /// Why.
        cause: LeftCause,
    },
    /// Others came, went, or are more or less present.
    Presence {
        /// Where.
        place: Arc<str>,
        /// Who.
        change: Arc<PresenceChange>,
    },
    /// Somebody writes something; it is to be forgotten after five seconds.
    Typing {
        /// Where.
        place: Arc<str>,
        /// Who.
        login: Arc<str>,
    },
    /// The account has read something, perhaps through another session.
    Read {
        /// Where.
        place: Arc<str>,
        /// The newest message that was read.
        read: u64,
        /// Messages that were not.
        unread: u64,
        /// Those of them that name the account.
        mentions: u64,
    },
    /// A room is another one.
    Room {
        /// Which.
        place: Arc<str>,
        /// What changed.
        change: RoomChange,
        /// Who did it.
        by: Arc<str>,
    },
}
