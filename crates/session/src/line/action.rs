//! What a session of the line protocol wants of its caller, and the words of the answers.

use std::fmt;

use chat::{Command, Language};
use codec::line::Shown;

/// Something that the session wants.
#[derive(Clone, PartialEq, Eq)]
pub enum LineAction {
    /// Check a password; answer by [`super::LineSession::logged_in`].
    LogIn {
        /// Who it is said to be.
        login: String,
        /// The password.
        password: String,
    },
    /// Check the token of a session; answer by [`super::LineSession::logged_in`].
    LogInByToken(String),
    /// Make an account and log it in; answer by [`super::LineSession::logged_in`].
    Register(Box<Registering>),
    /// Ask the chat. A [`Command::Say`] is answered by [`super::LineSession::said`] and nothing waits for that; everything else by
    /// [`super::LineSession::answered`], and the session takes no line before.
    Ask(Command),
    /// Tell the time; answer by [`super::LineSession::timed`].
    Time {
        /// The client's clock when it asked, in microseconds since 1970.
        t1_us: Option<i64>,
    },
    /// From here on the client is shown this; in JSON it is sent a `hello` first. Nothing waits for it.
    Mode(Shown),
    /// A line of machine mode. Nothing waits for its answer: stop giving input to bound how many there are.
    Json(String),
    /// A line of machine mode that cannot be one; it is to be answered as every other.
    NoJson(Unreadable),
    /// Write the output and close.
    Close,
}

/// Why a line could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// It is too long.
    TooLong,
    /// It is no UTF-8.
    NotText,
}

/// An account that somebody wants.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Registering {
    /// First names.
    pub first_names: String,
    /// Last names.
    pub last_names: String,
    /// The login.
    pub login: String,
    /// The password.
    pub password: String,
    /// *Units*: years.
    pub age: Option<u8>,
    /// The gender, in their own words.
    pub gender: String,
    /// The code of an invitation, where the server asks for one.
    pub invitation: Option<String>,
}

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The account, as it is written.
    pub login: String,
    /// The language that it has chosen.
    pub language: Option<Language>,
    /// The server's time.
    ///
    /// *Units*: milliseconds since 1970.
    pub time_ms: u64,
    /// Private messages that it has not read.
    pub unread_private: u64,
}

/// Why nobody is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogInRefused {
    /// Wrong login or password; the client is told no more.
    Credentials,
    /// Unknown or expired token.
    Token,
    /// Too many wrong passwords, from this address or for this account.
    LockedOut {
        /// When it may be tried again, in seconds from now.
        retry_after_s: u64,
    },
    /// Too many logins at once.
    Busy,
    /// The account may not use the chat, or not from where it is.
    Forbidden,
    /// This server makes no accounts for strangers.
    RegistrationClosed,
    /// The code of the invitation is wrong or used up.
    Invitation,
    /// There is an account of this login.
    LoginTaken,
    /// A field cannot be as it was given.
    Flawed {
        /// Which.
        field: chat::profile::Field,
        /// A sentence about what is wrong, if there is one beyond the field's rule.
        detail: Option<String>,
    },
    /// It cannot be stored or looked up at the moment.
    Unavailable,
}

/// Leaves the secrets out.
impl fmt::Debug for LineAction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn { login, .. } => formatter
                .debug_struct("LogIn")
                .field("login", login)
                .finish_non_exhaustive(),
            Self::LogInByToken(_) => formatter
                .debug_struct("LogInByToken")
                .finish_non_exhaustive(),
            Self::Register(wish) => formatter.debug_tuple("Register").field(wish).finish(),
            Self::Ask(command) => formatter.debug_tuple("Ask").field(command).finish(),
            Self::Time { t1_us } => formatter
                .debug_struct("Time")
                .field("t1_us", t1_us)
                .finish(),
            Self::Mode(shown) => formatter.debug_tuple("Mode").field(shown).finish(),
            Self::Json(_) => formatter.debug_struct("Json").finish_non_exhaustive(),
            Self::NoJson(why) => formatter.debug_tuple("NoJson").field(why).finish(),
            Self::Close => formatter.write_str("Close"),
        }
    }
}

/// Leaves the secrets out.
impl fmt::Debug for Registering {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registering")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
