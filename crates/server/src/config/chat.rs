//! What the operator says of the chat.

use serde::Deserialize;

/// The chat.
#[derive(Clone, Debug, confique::Config)]
pub struct Chat {
    /// The room that always exists, in which everybody begins.
    #[config(default = "lobby", env = "CHASKI_CHAT_DEFAULT_ROOM")]
    pub default_room: String,

    /// The language in which strangers are spoken to: en or es. An account chooses its own.
    #[config(default = "en", env = "CHASKI_CHAT_LANGUAGE")]
    pub language: String,

    /// Who may make rooms that stay when their creator goes: anyone, administrators or nobody.
    #[config(default = "administrators", env = "CHASKI_CHAT_KEEP_ROOMS")]
    pub keep_rooms: KeepRooms,

    /// How long a room waits for its creator whose last connection was lost, in milliseconds.
    /// Whoever says goodbye takes the room along at once.
    #[config(default = 10_000, env = "CHASKI_CHAT_GRACE_MS")]
    pub grace_ms: u64,

    /// Rooms at one time.
    #[config(default = 10_000, env = "CHASKI_CHAT_MAX_ROOMS")]
    pub max_rooms: u32,

    /// Messages that one account may send per second, on average. 0 = no bound.
    #[config(default = 5, env = "CHASKI_CHAT_MESSAGES_PER_SECOND")]
    pub messages_per_second: u32,

    /// Messages that one account may send at once before that counts.
    #[config(default = 20, env = "CHASKI_CHAT_MESSAGES_BURST")]
    pub messages_burst: u32,

    /// How long authors may edit and delete their messages, in minutes. 0 = for ever.
    #[config(default = 1_440, env = "CHASKI_CHAT_EDIT_MINUTES")]
    pub edit_minutes: u64,

    /// How long messages are kept, in days. 0 = for ever.
    #[config(default = 0, env = "CHASKI_CHAT_HISTORY_DAYS")]
    pub history_days: u64,

    /// Messages that each room keeps. 0 = all.
    #[config(default = 0, env = "CHASKI_CHAT_HISTORY_MESSAGES")]
    pub history_messages: u64,

    /// After how long somebody who says nothing is shown as idle, in seconds.
    #[config(default = 300, env = "CHASKI_CHAT_IDLE_S")]
    pub idle_s: u64,

    /// How long a login on the line protocol may take, in milliseconds. A client that sends
    /// nothing at all is closed after limits.handshake_timeout_ms.
    #[config(default = 120_000, env = "CHASKI_CHAT_LOGIN_TIMEOUT_MS")]
    pub login_timeout_ms: u64,
}

/// Who may make rooms that stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeepRooms {
    /// Every account.
    Anyone,
    /// Administrators.
    Administrators,
    /// Nobody.
    Nobody,
}

impl KeepRooms {
    /// The word that names it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::Administrators => "administrators",
            Self::Nobody => "nobody",
        }
    }
}
