//! What can be asked of the chat, through whatever door.

use directory::chat::{Cursor, SanctionKind};

use crate::session::{Language, SessionId};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account.
    pub login: String,
    /// When the account was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// It may do everything.
    pub is_administrator: bool,
    /// The session that asks; a request without one joins no room.
    pub session: Option<SessionId>,
}

/// Where something is said.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// A room, by its name in any case.
    Room(String),
    /// A private conversation with an account; the doors write `@login`.
    User(String),
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf {
    /// From where.
    pub cursor: Cursor,
    /// How many messages at most.
    ///
    /// *Units*: 1 to [`crate::limits::PAGE_MAX`]; more are cut to that.
    pub limit: u32,
}

/// A ban, a mute or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sanction {
    /// Whom.
    pub login: String,
    /// For how long; `None` is for good.
    ///
    /// *Units*: minutes.
    pub minutes: Option<u32>,
    /// Why.
    pub reason: String,
}

/// What may be changed of a room; `None` leaves it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomSettings {
    /// The topic line.
    pub topic: Option<String>,
    /// It stays when its creator goes.
    pub keep: Option<bool>,
    /// Seconds between two messages of one account; 0 is no bound.
    pub slow_s: Option<u32>,
}

/// What somebody asks for. Answers are [`crate::Reply`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Says something. Reply: [`crate::Reply::Posted`], once it is stored.
    Say {
        /// Where. Whoever speaks in a room need not be in it.
        to: Target,
        /// What.
        text: String,
        /// It says what they do.
        is_action: bool,
        /// Their own name for it: sent again under the same one it is still one message.
        sent_id: Option<String>,
        /// The message of the same place that it answers.
        reply_to: Option<u64>,
    },
    /// Enters a room, to be told of everything in it. Reply: [`crate::Reply::Entered`]; before that the session gets what it has missed.
    Join {
        /// Which.
        room: String,
        /// The newest message that the client has: later ones come first, at most [`crate::limits::MISSED_MAX`]. `None` = none.
        after: Option<u64>,
        /// The session leaves all other rooms, as on doors where one is in one room.
        is_only: bool,
    },
    /// Leaves a room; one's last goes to the default room on doors where one is in one room. Reply: [`crate::Reply::Done`].
    Leave {
        /// Which.
        room: String,
        /// The session enters the default room instead.
        to_default: bool,
    },
    /// Creates a room and enters it. Reply: [`crate::Reply::Entered`]; without a session [`crate::Reply::Room`].
    Create {
        /// Its name.
        room: String,
        /// It stays when its creator goes.
        keep: bool,
        /// As in [`Command::Join`].
        is_only: bool,
    },
    /// Changes a room's settings: its creator and administrators. Reply: [`crate::Reply::Room`].
    Set {
        /// Which.
        room: String,
        /// What.
        settings: RoomSettings,
    },
    /// Deletes a room: its creator and administrators. Reply: [`crate::Reply::Done`].
    DeleteRoom {
        /// Which.
        room: String,
    },
    /// One room. Reply: [`crate::Reply::Room`].
    Room {
        /// Which.
        room: String,
    },
    /// All rooms. Reply: [`crate::Reply::Rooms`].
    Rooms,
    /// The rooms that one is in, or was in and may enter. Reply: [`crate::Reply::Rooms`].
    OwnRooms,
    /// One's private conversations. Reply: [`crate::Reply::Conversations`].
    Conversations,
    /// Everyone in the system. Reply: [`crate::Reply::Users`].
    Users,
    /// Who is in a room. Reply: [`crate::Reply::Members`].
    Members {
        /// Which.
        room: String,
    },
    /// A page of what was said. Reply: [`crate::Reply::History`].
    History {
        /// Where.
        of: Target,
        /// Which part.
        page: PageOf,
    },
    /// Messages that hold words, in what the account may read, the newest first. Reply: [`crate::Reply::Found`].
    Search {
        /// The words; the last one may be the beginning of a word.
        words: String,
        /// Only here.
        of: Option<Target>,
        /// Only messages with a lower [`crate::MessageView::id`]: the next page.
        before: Option<u64>,
        /// How many at most, as in [`PageOf::limit`].
        limit: u32,
    },
    /// Changes what one's own message says. Reply: [`crate::Reply::Message`].
    Edit {
        /// Where.
        of: Target,
        /// Which.
        seq: u64,
        /// What it says now.
        text: String,
    },
    /// Takes a message back: its author, the room's creator and administrators. Reply: [`crate::Reply::Message`].
    Delete {
        /// Where.
        of: Target,
        /// Which.
        seq: u64,
    },
    /// Puts an emoji under a message, or takes one's own away. Reply: [`crate::Reply::Message`].
    React {
        /// Where.
        of: Target,
        /// Which.
        seq: u64,
        /// The emoji.
        emoji: String,
        /// Put there, not taken away.
        is_on: bool,
    },
    /// One has read up to a message. Reply: [`crate::Reply::Done`], once it is stored.
    Read {
        /// Where.
        of: Target,
        /// The newest message that was read.
        seq: u64,
    },
    /// What one wants to be told of a room: `all`, `mentions` or `nothing`. Reply: [`crate::Reply::Done`].
    Notify {
        /// Where.
        of: Target,
        /// Which of the three.
        level: String,
    },
    /// One is writing something. Reply: [`crate::Reply::Done`].
    Typing {
        /// Where.
        of: Target,
    },
    /// One is away, or back. Reply: [`crate::Reply::Done`].
    Away {
        /// Away, not back.
        is_away: bool,
        /// What to say beside it.
        note: String,
    },
    /// Sends somebody out of a room: its creator and administrators. Reply: [`crate::Reply::Done`].
    Kick {
        /// Which.
        room: String,
        /// Whom.
        login: String,
        /// Why.
        reason: String,
    },
    /// Keeps somebody out of a room, or lets them in again (`None`): its creator and administrators. Reply: [`crate::Reply::Done`].
    Ban {
        /// Which.
        room: String,
        /// Whom.
        login: String,
        /// How; `None` ends it.
        sanction: Option<Sanction>,
    },
    /// Keeps somebody from talking in a room, or lets them again (`None`): its creator and administrators. Reply: [`crate::Reply::Done`].
    Mute {
        /// Which.
        room: String,
        /// Whom.
        login: String,
        /// How; `None` ends it.
        sanction: Option<Sanction>,
    },
    /// Who is kept out of a room, or kept from talking in it: for its creator and administrators. Reply: [`crate::Reply::Sanctions`].
    Sanctions {
        /// Which.
        room: String,
        /// Kept out, or kept from talking.
        kind: SanctionKind,
        /// Only logins behind this one; empty for all.
        behind: String,
        /// How many at most.
        limit: usize,
    },
    /// Does not want to hear somebody, or wants to again. Reply: [`crate::Reply::Done`].
    Block {
        /// Whom.
        login: String,
        /// Blocked, not heard again.
        is_on: bool,
    },
    /// Whom one has blocked. Reply: [`crate::Reply::Blocked`].
    Blocked,
    /// The language in which one wants to be told things. Reply: [`crate::Reply::Done`].
    Speak {
        /// Which.
        language: Language,
    },
}
