//! What somebody says of themselves who makes an account, checked field by field: a dialogue asks for one after the other.

use directory::Profile;
use directory::account::{LoginNameError, check_account_name, check_profile};
use directory::limits::{
    AGE_MAX, GENDER_CHARS_MAX, NAMES_CHARS_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN,
};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// First names.
    FirstNames,
    /// Last names.
    LastNames,
    /// The login.
    Login,
    /// The password.
    Password,
    /// The age; may be left out.
    Age,
    /// The gender; may be left out.
    Gender,
    /// The code of an invitation.
    Invitation,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is empty.
    Empty,
    /// It has too many characters.
    TooLong {
        /// How many it may have.
        chars_max: usize,
    },
    /// It holds a character that is invisible or changes how the rest reads.
    Invisible,
    /// The login cannot be that of a new account.
    Login(LoginNameError),
    /// The password is easily guessed.
    PasswordShort {
        /// How many characters it needs.
        chars_min: usize,
    },
    /// The password takes too long to check.
    PasswordLong {
        /// How many bytes it may have.
        bytes_max: usize,
    },
    /// It is no age.
    Age {
        /// The highest.
        max: u8,
    },
}

/// Checks a field as somebody typed it.
///
/// # Errors
/// What is wrong with it.
pub fn check(field: Field, typed: &str) -> Result<(), Flaw> {
    match field {
        Field::FirstNames | Field::LastNames => match typed {
            "" => Err(Flaw::Empty),
            names => check_text(names, NAMES_CHARS_MAX),
        },
        Field::Login => check_account_name(typed).map_err(Flaw::Login),
        Field::Password => check_password(typed),
        Field::Age if typed.is_empty() => Ok(()),
        Field::Age => age(typed).map(|_| ()).ok_or(Flaw::Age { max: AGE_MAX }),
        Field::Gender => check_text(typed, GENDER_CHARS_MAX),
        Field::Invitation if typed.is_empty() => Err(Flaw::Empty),
        Field::Invitation => Ok(()),
    }
}

/// Reads an age.
#[must_use]
pub fn age(typed: &str) -> Option<u8> {
    typed.parse().ok().filter(|age| (1..=AGE_MAX).contains(age))
}

fn check_password(typed: &str) -> Result<(), Flaw> {
    if typed.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Flaw::PasswordShort {
            chars_min: PASSWORD_CHARS_MIN,
        });
    }
    if typed.len() > PASSWORD_BYTES_MAX {
        return Err(Flaw::PasswordLong {
            bytes_max: PASSWORD_BYTES_MAX,
        });
    }
    Ok(())
}

/// Checks a text of a profile.
fn check_text(typed: &str, chars_max: usize) -> Result<(), Flaw> {
    if typed.chars().count() > chars_max {
        return Err(Flaw::TooLong { chars_max });
    }
    let profile = Profile {
        // Of all texts of a profile the same characters are kept out, and this one may be the longest.
        first_names: typed.to_owned(),
        ..Profile::default()
    };
    check_profile(&profile).map_err(|_| Flaw::Invisible)
}
