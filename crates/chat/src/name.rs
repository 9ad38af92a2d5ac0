//! The names of rooms: readable, typed by people, mistaken for no other.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;
use unicode_security::{GeneralSecurityProfile as _, MixedScript as _};

use crate::limits::{ROOM_BYTES_MAX, ROOM_CHARS_MAX};

/// Why a name cannot be that of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoomNameError {
    /// It has no characters, or too many.
    #[error("the name of a room has 1 to {ROOM_CHARS_MAX} characters")]
    Length,
    /// It holds a character that is no letter, digit, `-` or `_`.
    #[error("the name of a room is made of letters, digits, '-' and '_', not U+{:04X}", u32::from(*.0))]
    Character(char),
    /// It mixes letters of scripts that look alike.
    #[error("the name of a room keeps to the letters of one script")]
    MixedScript,
}

/// A room's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomName {
    /// As it was written, its characters composed (NFC).
    pub name: String,
    /// Without regard to case: rooms are told apart by it.
    pub fold: String,
    /// How it looks: two that look alike have the same.
    pub skeleton: String,
}

impl RoomName {
    /// Takes a name as somebody typed it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(typed: &str) -> Result<Self, RoomNameError> {
        // Nobody's megabyte is normalised to find that it is too long.
        if typed.is_empty() || typed.len() > ROOM_BYTES_MAX {
            return Err(RoomNameError::Length);
        }
        let name: String = typed.nfc().collect();
        let count = name.chars().count();
        if count == 0 || count > ROOM_CHARS_MAX || name.len() > ROOM_BYTES_MAX {
            return Err(RoomNameError::Length);
        }
        let is_mark = unicode_normalization::char::is_combining_mark;
        let is_letter = |c: char| c.is_alphanumeric() || is_mark(c);
        // Those that are seen: Unicode's list for identifiers has no invisible or obsolete ones.
        let is_good = |c: char| "-_".contains(c) || (is_letter(c) && c.identifier_allowed());
        if let Some(other) = name.chars().find(|&c| !is_good(c)) {
            return Err(RoomNameError::Character(other));
        }
        if let Some(first) = name.chars().next().filter(|&c| is_mark(c)) {
            return Err(RoomNameError::Character(first));
        }
        if !name.as_str().is_single_script() {
            return Err(RoomNameError::MixedScript);
        }
        let fold = fold(&name);
        let seen: String = skeleton(&name).collect();
        let skeleton = skeleton(&seen.to_lowercase()).collect();
        Ok(Self {
            name,
            fold,
            skeleton,
        })
    }
}

/// A name without regard to case and to how its characters are composed, by which rooms are found.
#[must_use]
pub fn fold(name: &str) -> String {
    name.nfkc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .nfc()
        .collect()
}
