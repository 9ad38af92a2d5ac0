//! How the operator wants the chat.

/// Who may make rooms that stay when their creator goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepRooms {
    /// Every account.
    Anyone,
    /// Administrators.
    #[default]
    Administrators,
    /// Nobody.
    Nobody,
}

/// How the operator wants the chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of the room that always exists.
    pub default_room: String,
    /// How long a room waits for its creator whose last connection was lost.
    ///
    /// *Units*: milliseconds.
    pub grace_ms: u64,
    /// Who may make rooms that stay.
    pub keep_rooms: KeepRooms,
    /// How many rooms there may be.
    pub rooms_max: usize,
    /// How many messages an account may send in a second, on average; 0 is no bound.
    pub messages_per_second: u32,
    /// How many it may send at once before that counts.
    pub messages_burst: u32,
    /// How long a message may be edited and deleted by its author; 0 is for ever.
    ///
    /// *Units*: milliseconds.
    pub edit_ms: u64,
    /// How long messages are kept; 0 is for ever.
    ///
    /// *Units*: milliseconds.
    pub retention_ms: u64,
    /// How many messages each room keeps; 0 is all.
    pub messages_per_room_max: u64,
    /// After how long somebody who says nothing is idle.
    ///
    /// *Units*: milliseconds.
    pub idle_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_room: "lobby".to_owned(),
            grace_ms: 10_000,
            keep_rooms: KeepRooms::default(),
            rooms_max: 10_000,
            messages_per_second: 5,
            messages_burst: 20,
            edit_ms: 24 * 60 * 60 * 1_000,
            retention_ms: 0,
            messages_per_room_max: 0,
            idle_ms: 5 * 60 * 1_000,
        }
    }
}
