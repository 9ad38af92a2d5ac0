//! What the chat says no to.

/// The kinds of refusal; each door maps all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The room, account or message does not exist.
    NotFound,
    /// The account may not.
    Forbidden,
    /// It cannot be as it was asked for.
    Invalid,
    /// It is there already.
    Taken,
    /// Too many, or too fast.
    Limited {
        /// When it may be tried again, in milliseconds from now; 0 if waiting does not help.
        retry_after_ms: u64,
    },
    /// The history cannot be reached at the moment.
    Unavailable,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind it is.
    pub kind: RefusalKind,
    /// What was refused and why: doors have a sentence for each in every language.
    pub reason: Reason,
}

/// What there can be too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plenty {
    /// Rooms on the server.
    Rooms,
    /// Rooms that one account has created.
    OwnRooms,
    /// Rooms that one session is in.
    RoomsAtOnce,
    /// Accounts that one has blocked.
    Blocked,
    /// Bans and mutes of a room.
    Sanctions,
    /// Different emojis under a message.
    Emojis,
    /// Connections of an account.
    Connections,
}

/// What something has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The sender's own id of a message.
    SentId,
    /// A topic line.
    Topic,
    /// The seconds of slow mode.
    SlowMode,
    /// The reason of a kick, ban or mute.
    Reason,
    /// The minutes of a ban or mute.
    Minutes,
    /// An emoji.
    Emoji,
    /// The note beside somebody's presence.
    Note,
    /// The words of a search.
    Search,
    /// What one wants to be told of a room.
    Level,
}

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// No room of this name, or none that the account may know of.
    NoRoom(String),
    /// No account of this login.
    NoUser(String),
    /// No such message, or it was deleted.
    NoMessage(u64),
    /// The name of a room cannot be this.
    RoomName(crate::name::RoomNameError),
    /// There is a room of this name.
    RoomTaken(String),
    /// There is a room whose name looks the same.
    RoomConfusable(String),
    /// Only the room's creator and administrators may.
    NotOwner(String),
    /// Rooms that stay are made by administrators, as the server is set.
    KeepForbidden,
    /// The default room stays as it is.
    DefaultRoom,
    /// Banned from the room.
    Banned {
        /// Which.
        room: String,
        /// Until when, in milliseconds since 1970; `None` is for good.
        until_ms: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Muted in the room.
    Muted {
        /// Which.
        room: String,
        /// Until when, in milliseconds since 1970; `None` is for good.
        until_ms: Option<u64>,
    },
    /// The room is slow: one message in so many seconds.
    Slow(u32),
    /// More messages than an account may send.
    Flood,
    /// An empty text.
    EmptyText,
    /// A text of so many bytes.
    LongText(usize),
    /// It is somebody else's message.
    NotAuthor,
    /// It was sent too long ago to be changed.
    TooOld,
    /// The receiver does not take messages from the sender.
    Blocked(String),
    /// One does not do that to oneself.
    Yourself,
    /// One does not do that to an administrator.
    Administrator,
    /// Too many of something.
    TooMany(Plenty),
    /// Something cannot be as it was given.
    Invalid(Rule),
    /// One is not in the room.
    NotThere(String),
    /// Somebody (the first) is not in a room (the second).
    UserNotThere(String, String),
    /// Somebody is neither banned nor muted there.
    NotSanctioned(String),
    /// No private conversation with this account yet.
    NoTalk(String),
    /// The request needs a connection that listens.
    NoSession,
    /// The history cannot be written or read at the moment.
    Unavailable,
    /// The account is gone or its login is void.
    Void,
}

impl Refusal {
    /// Makes a refusal; its kind follows from its reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            kind: reason.kind(),
            reason,
        }
    }

    /// Makes one that may be tried again.
    #[must_use]
    pub const fn later(reason: Reason, retry_after_ms: u64) -> Self {
        Self {
            kind: RefusalKind::Limited { retry_after_ms },
            reason,
        }
    }
}

impl Reason {
    const fn kind(&self) -> RefusalKind {
        match self {
            Self::NoRoom(_)
            | Self::NoUser(_)
            | Self::NoMessage(_)
            | Self::NoTalk(_)
            | Self::UserNotThere(..)
            | Self::NotSanctioned(_) => RefusalKind::NotFound,
            Self::RoomTaken(_) | Self::RoomConfusable(_) => RefusalKind::Taken,
            Self::NotOwner(_)
            | Self::KeepForbidden
            | Self::DefaultRoom
            | Self::Banned { .. }
            | Self::Muted { .. }
            | Self::NotAuthor
            | Self::TooOld
            | Self::Blocked(_)
            | Self::Administrator
            | Self::Void => RefusalKind::Forbidden,
            Self::Slow(_) | Self::Flood | Self::TooMany(_) => {
                RefusalKind::Limited { retry_after_ms: 0 }
            }
            Self::RoomName(_)
            | Self::EmptyText
            | Self::LongText(_)
            | Self::Yourself
            | Self::Invalid(_)
            | Self::NotThere(_)
            | Self::NoSession => RefusalKind::Invalid,
            Self::Unavailable => RefusalKind::Unavailable,
        }
    }

    /// A word that stands for it in machine-readable answers.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoRoom(_) => "no_room",
            Self::NoUser(_) => "no_user",
            Self::NoMessage(_) => "no_message",
            Self::RoomName(_) => "room_name",
            Self::RoomTaken(_) => "room_taken",
            Self::RoomConfusable(_) => "room_confusable",
            Self::NotOwner(_) => "not_owner",
            Self::KeepForbidden => "keep_forbidden",
            Self::DefaultRoom => "default_room",
            Self::Banned { .. } => "banned",
            Self::Muted { .. } => "muted",
            Self::Slow(_) => "slow",
            Self::Flood => "flood",
            Self::EmptyText => "empty_text",
            Self::LongText(_) => "long_text",
            Self::NotAuthor => "not_author",
            Self::TooOld => "too_old",
            Self::Blocked(_) => "blocked",
            Self::Yourself => "yourself",
            Self::Administrator => "administrator",
            Self::TooMany(_) => "too_many",
            Self::Invalid(_) => "invalid",
            Self::NotThere(_) => "not_there",
            Self::UserNotThere(..) => "user_not_there",
            Self::NotSanctioned(_) => "not_sanctioned",
            Self::NoTalk(_) => "no_conversation",
            Self::NoSession => "no_session",
            Self::Unavailable => "unavailable",
            Self::Void => "void",
        }
    }
}
