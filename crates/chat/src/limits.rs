//! The bounds of the chat.

/// The longest message, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 8 << 10;
/// The longest name of a room, in characters.
pub const ROOM_CHARS_MAX: usize = 64;
/// The longest name of a room, in bytes: as a routing key it stands behind `room.`, and those have 255.
pub const ROOM_BYTES_MAX: usize = 200;
/// The longest topic line, in characters.
pub const TOPIC_CHARS_MAX: usize = 300;
/// The longest reason of a kick, ban or mute, in characters.
pub const REASON_CHARS_MAX: usize = 200;
/// The longest name that a sender gives a message, in bytes.
pub const SENT_ID_BYTES_MAX: usize = 64;
/// Accounts that one message may name; more are text.
pub const MENTIONS_MAX: usize = 20;
/// The longest emoji, in bytes: some are made of a dozen characters.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Messages of one page of history.
pub const PAGE_MAX: u32 = 200;
/// Messages that somebody who comes back is shown at most; older ones are paged.
pub const MISSED_MAX: u32 = 500;
/// Names that one notice of coming and going has; the rest are counted.
pub const NAMES_PER_NOTICE_MAX: usize = 20;
/// Rooms that one session may be in.
pub const ROOMS_PER_SESSION_MAX: usize = 200;
/// Rooms that one account may have created.
pub const ROOMS_PER_OWNER_MAX: usize = 20;
/// Accounts that one account may block.
pub const BLOCKED_MAX: usize = 1_000;
/// Bans and mutes of one room.
pub const SANCTIONS_MAX: usize = 10_000;
/// The longest search, in bytes.
pub const SEARCH_BYTES_MAX: usize = 256;
/// The longest slow mode, in seconds.
pub const SLOW_S_MAX: u32 = 3_600;
/// The longest note beside somebody's presence, in characters.
pub const NOTE_CHARS_MAX: usize = 80;

const _: () = assert!(
    "room.".len() + ROOM_BYTES_MAX <= 255,
    "a routing key has 255 bytes"
);
