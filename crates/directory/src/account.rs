//! What a login name, a tag and a profile may be.

use crate::limits::{
    AGE_MAX, GENDER_CHARS_MAX, LOGIN_BYTES_MAX, NAMES_CHARS_MAX, TAG_BYTES_MAX, TAGS_MAX,
};
use crate::model::Profile;
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
    /// It holds a character that the name of a new account cannot have.
    #[error("an account name is made of the letters a to z and A to Z, digits, '.', '_' and '-'")]
    NotPlain(char),
    /// It is `.` or `..`, which addresses swallow.
    #[error("an account name cannot be '.' or '..'")]
    Dots,
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

/// Checks the login name of an account that somebody registers: one that can
/// stand in an address and is mistaken for no other.
///
/// Units: 1..=64 ASCII letters, digits, `.`, `_` and `-`.
///
/// Errors: the first rule that is broken.
pub fn check_account_name(login: &str) -> Result<(), LoginNameError> {
    check_login_name(login)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if let Some(character) = login.chars().find(|&character| !is_plain(character)) {
        return Err(LoginNameError::NotPlain(character));
    }
    if [".", ".."].contains(&login) {
        return Err(LoginNameError::Dots);
    }
    Ok(())
}

/// Checks a profile; the error is a sentence for a person.
pub fn check_profile(profile: &Profile) -> Result<(), String> {
    for (what, text, chars_max) in [
        ("first names", &profile.first_names, NAMES_CHARS_MAX),
        ("last names", &profile.last_names, NAMES_CHARS_MAX),
        ("the gender", &profile.gender, GENDER_CHARS_MAX),
    ] {
        let chars = text.chars().count();
        if chars > chars_max {
            return Err(format!(
                "{what} can have at most {chars_max} characters, not {chars}"
            ));
        }
        if let Some(character) = text.chars().find(|&c| is_deceptive(c) && !is_joiner(c)) {
            return Err(format!(
                "{what} cannot contain the character U+{:04X}",
                u32::from(character)
            ));
        }
    }
    if profile.age.is_some_and(|age| !(1..=AGE_MAX).contains(&age)) {
        return Err(format!("an age is 1 to {AGE_MAX}"));
    }
    Ok(())
}

/// Whether a character joins or parts letters, which some scripts need in names.
fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200C}' | '\u{200D}')
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
