//! What a client says.

use serde::Serialize;

use super::is_false;

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
