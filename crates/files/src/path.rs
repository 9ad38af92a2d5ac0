//! Names from somebody else that are safe to write below a folder of one's own.
//!
//! A name that is refused is shown with escapes, so that the refusal can be printed anywhere. What is let through cannot leave the folder on any of the
//! usual systems, is read as it is written, and means the same file everywhere. It says nothing of symbolic links, which only the disk knows: whoever writes must
//! not follow them.
//!
//! Start reading at [`RelativePath::parse`].

mod clash;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

pub use clash::{Clash, find_clash};

use crate::limits::{NAME_BYTES_MAX, PATH_BYTES_MAX};

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It has no characters, or a `/` begins or ends it or follows another.
    #[error("it is empty, or has an empty part")]
    Empty,
    /// It begins at the root of the file system.
    #[error("it is absolute")]
    Absolute,
    /// It begins with a drive's letter, as `C:`.
    #[error("it names a drive")]
    Drive,
    /// It has a part `.` or `..`.
    #[error("it has a part '.' or '..'")]
    Dots,
    /// It holds NUL, another control character, or one that breaks the line.
    #[error("it holds the control character U+{:04X}", u32::from(*.0))]
    Control(char),
    /// It holds a character that turns the direction of writing, by which a name is shown as another.
    #[error("it holds U+{:04X}, which turns the direction of writing", u32::from(*.0))]
    Bidi(char),
    /// It holds `\`, which parts folders on Windows.
    #[error("it holds a backslash")]
    Backslash,
    /// A part ends with a dot or a space, which Windows drops.
    #[error("a part of it ends with a dot or a space")]
    Trailing,
    /// A part is the name of a device on Windows, with or without an extension.
    #[error("a part of it is reserved on Windows")]
    Reserved,
    /// A part is longer than file systems allow.
    #[error("a part of it is longer than {NAME_BYTES_MAX} bytes")]
    NameTooLong,
    /// It is longer than systems allow.
    #[error("it is longer than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// It is no UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is a path where a single name is due.
    #[error("it holds a slash")]
    Slash,
}

/// A name that is not let through, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name \"{shown}\" is refused: {wrong}")]
pub struct PathRefused {
    /// The name with escapes in place of what could do harm in a terminal or a log, and cut where it is very long.
    pub shown: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// A relative path with `/` between its parts, safe to be joined to a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

impl RelativePath {
    /// Takes a path from somebody else.
    ///
    /// # Errors
    /// It could leave the folder, deceive, or not be written on every system.
    pub fn parse(path: &str) -> Result<Self, PathRefused> {
        match wrong_with(path) {
            None => Ok(Self(path.to_owned())),
            Some(wrong) => Err(refuse(path, wrong)),
        }
    }

    /// Takes a path as a file system or the wire has it.
    ///
    /// # Errors
    /// As [`Self::parse`], or it is not UTF-8.
    pub fn parse_bytes(path: &[u8]) -> Result<Self, PathRefused> {
        match str::from_utf8(path) {
            Ok(path) => Self::parse(path),
            Err(_) => Err(refuse(&String::from_utf8_lossy(path), Wrong::NotUtf8)),
        }
    }

    /// Takes the name of a single file, without folders.
    ///
    /// # Errors
    /// As [`Self::parse`], or it has a slash.
    pub fn parse_name(name: &str) -> Result<Self, PathRefused> {
        let path = Self::parse(name)?;
        if name.contains('/') {
            return Err(refuse(name, Wrong::Slash));
        }
        Ok(path)
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, the outermost folder first.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Its last part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0
            .rsplit_once('/')
            .map_or(self.as_str(), |(_, name)| name)
    }

    /// The folder that it is in, if that is not the outermost one.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// Its place below a folder.
    #[must_use]
    pub fn below(&self, folder: &Path) -> PathBuf {
        let mut place = folder.to_owned();
        place.extend(self.parts());
        place
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A name without regard to case and to how its characters are composed: what one folder of a system that disregards them has once.
#[must_use]
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // By way of capitals, so that ß meets SS and ς meets σ as they do on such systems.
    let capitals = name.nfc().flat_map(char::to_uppercase);
    let folded: String = capitals.flat_map(char::to_lowercase).collect();
    if is_nfc(&folded) {
        folded
    } else {
        folded.nfc().collect()
    }
}

/// Shows a name where only what is seen may be shown.
#[must_use]
pub fn escape(name: &str) -> String {
    /// Characters that are shown of a name: a whole part of any usual one.
    const SHOWN_MAX: usize = 300;
    let mut shown = String::new();
    for character in name.chars().take(SHOWN_MAX) {
        if is_control(character) || is_bidi(character) || matches!(character, '"' | '\\') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if name.chars().nth(SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn refuse(path: &str, wrong: Wrong) -> PathRefused {
    let shown = escape(path);
    PathRefused { shown, wrong }
}

fn wrong_with(path: &str) -> Option<Wrong> {
    if path.len() > PATH_BYTES_MAX {
        return Some(Wrong::PathTooLong);
    }
    if path.starts_with('/') {
        return Some(Wrong::Absolute);
    }
    if let Some(control) = path.chars().find(|&c| is_control(c)) {
        return Some(Wrong::Control(control));
    }
    if let Some(bidi) = path.chars().find(|&c| is_bidi(c)) {
        return Some(Wrong::Bidi(bidi));
    }
    if path.contains('\\') {
        return Some(Wrong::Backslash);
    }
    path.split('/').find_map(wrong_with_part)
}

fn wrong_with_part(part: &str) -> Option<Wrong> {
    match part.as_bytes() {
        [] => return Some(Wrong::Empty),
        b"." | b".." => return Some(Wrong::Dots),
        [letter, b':', ..] if letter.is_ascii_alphabetic() => return Some(Wrong::Drive),
        [.., b'.' | b' '] => return Some(Wrong::Trailing),
        bytes if bytes.len() > NAME_BYTES_MAX => return Some(Wrong::NameTooLong),
        _ => {}
    }
    is_reserved(part).then_some(Wrong::Reserved)
}

/// Whether Windows takes a name for a device, as it does with any extension and with spaces before that.
fn is_reserved(part: &str) -> bool {
    const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
    let stem = part.split_once(['.', ':']).map_or(part, |(stem, _)| stem);
    let stem = stem.trim_end_matches(' ').to_ascii_lowercase();
    let port = stem
        .strip_prefix("com")
        .or_else(|| stem.strip_prefix("lpt"));
    // The raised digits are those of Latin-1, which Windows reads as digits here.
    DEVICES.contains(&stem.as_str())
        || port.is_some_and(|port| {
            let mut digits = port.chars();
            let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³');
            digits.next().is_some_and(is_digit) && digits.next().is_none()
        })
}

/// Control characters, and those that break a line or a paragraph.
fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The characters of Unicode's property `Bidi_Control`.
const fn is_bidi(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}
