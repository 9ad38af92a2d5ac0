//! What a login name and a tag may be.

use crate::limits::{LOGIN_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX};
use crate::name::is_deceptive;

/// Why a login name is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginNameError {
    /// It is empty.
    #[error("a login name cannot be empty")]
    Empty,
    /// It is longer than [`LOGIN_BYTES_MAX`].
    #[error("a login name can have at most {LOGIN_BYTES_MAX} bytes, this one has {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// It begins or ends with white space.
    #[error("a login name cannot begin or end with white space")]
    OuterSpace,
    /// It holds a character that is invisible or changes how the rest reads.
    #[error("a login name cannot contain the character U+{:04X}", u32::from(*.0))]
    Character(char),
}

/// Checks that a login name is one that a person can read and type.
///
/// Units: 1..=64 bytes of UTF-8, no control, line-breaking, invisible or
/// text-direction characters, no white space at either end.
///
/// Errors: the first rule that is broken.
pub fn check_login_name(login: &str) -> Result<(), LoginNameError> {
    if login.is_empty() {
        return Err(LoginNameError::Empty);
    }
    if login.len() > LOGIN_BYTES_MAX {
        return Err(LoginNameError::TooLong { bytes: login.len() });
    }
    if let Some(character) = login.chars().find(|&character| is_deceptive(character)) {
        return Err(LoginNameError::Character(character));
    }
    if login.trim() != login {
        return Err(LoginNameError::OuterSpace);
    }
    Ok(())
}

/// Checks an account's tags; the error is a sentence for a person.
pub(crate) fn check_tags(tags: &[String]) -> Result<(), String> {
    if tags.len() > TAGS_MAX {
        return Err(format!("at most {TAGS_MAX} tags, not {}", tags.len()));
    }
    for (index, tag) in tags.iter().enumerate() {
        if tag.is_empty() || tag.len() > TAG_BYTES_MAX {
            return Err(format!("a tag has 1 to {TAG_BYTES_MAX} bytes"));
        }
        if tag
            .chars()
            .any(|c| c == ',' || c.is_whitespace() || is_deceptive(c))
        {
            return Err("a tag cannot contain commas, blanks or control characters".to_owned());
        }
        if tags.iter().take(index).any(|earlier| earlier == tag) {
            return Err(format!("tag '{tag}' is given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
