//! Every sentence that the server says to a person, in every language.
//!
//! A sentence is a value with its arguments and each language a total match over it, so that a missing translation does not compile.
//! Commands of a door are arguments: the chat knows none by name. What others wrote stands in the sentences as they wrote it; a door
//! makes it harmless for its client.
//!
//! Start reading at [`Sentence`].

mod en;
mod es;

use crate::profile::{Field, Flaw};
use crate::refusal::Reason;
use crate::session::Language;

/// Something that the server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sentence<'a> {
    /// The greeting of a connection.
    Welcome {
        /// The server's name.
        server: &'a str,
        /// Its version.
        version: &'a str,
        /// Its time.
        time_ms: u64,
    },
    /// Asks for a login.
    AskLogin {
        /// The word that begins a registration, if it is allowed.
        new: Option<&'a str>,
    },
    /// Asks for a password.
    AskPassword,
    /// A registration begins; it ends early by a command.
    RegistrationBegins {
        /// Which.
        exit: &'a str,
    },
    /// Asks for a field of a registration.
    AskField(Field),
    /// A field cannot be as it was given.
    Flawed {
        /// Which.
        field: Field,
        /// Why.
        flaw: Flaw,
    },
    /// A field was not taken by the rules of accounts.
    Rejected {
        /// Which.
        field: Field,
        /// Why, in the words of whoever found out.
        detail: Option<&'a str>,
    },
    /// Wrong login or password.
    WrongLogin {
        /// The word that begins a registration, if it is allowed.
        new: Option<&'a str>,
    },
    /// Unknown or expired token.
    WrongToken,
    /// Too many wrong passwords.
    LockedOut {
        /// When it may be tried again, in seconds from now.
        retry_after_s: u64,
    },
    /// Too many logins at once.
    Busy,
    /// The account may not use the chat from where it is.
    Forbidden,
    /// Strangers make no accounts here.
    RegistrationClosed,
    /// The code of an invitation is wrong.
    WrongInvitation,
    /// There is an account of this login.
    LoginTaken,
    /// Something cannot be stored or looked up at the moment.
    Unavailable,
    /// Too many wrong passwords on this connection.
    TooManyFailures,
    /// The login has taken too long.
    LoginTimeout,
    /// The login was accepted.
    LoggedIn {
        /// Whose.
        login: &'a str,
        /// The command that lists commands.
        help: &'a str,
    },
    /// There are private messages.
    UnreadPrivate {
        /// How many.
        count: u64,
        /// The command that lists them.
        unread: &'a str,
    },
    /// One is in a room now.
    Entered {
        /// Which.
        room: &'a str,
        /// How many are there.
        members: usize,
    },
    /// One is in no room.
    Nowhere {
        /// The command that enters one.
        enter: &'a str,
    },
    /// One is in the default room already.
    InDefaultRoom,
    /// One has said nothing here yet.
    NothingSaid {
        /// The command that shows the numbers of messages.
        history: &'a str,
    },
    /// One is sent one's own messages, or not.
    Echo(bool),
    /// This is the language from now on.
    LanguageChosen,
    /// Text is shown from now on.
    TextMode,
    /// A line was too long.
    LineTooLong {
        /// How long it may be.
        bytes_max: usize,
    },
    /// A line was no UTF-8.
    NotText,
    /// What time it is.
    Time {
        /// When the client asked, by its clock.
        t1_us: Option<i64>,
        /// When the server heard.
        t2_us: i64,
        /// When it answered.
        t3_us: i64,
    },
    /// No such command.
    UnknownCommand {
        /// What was written.
        command: &'a str,
        /// What was probably meant.
        meant: Option<&'a str>,
        /// The command that lists commands.
        help: &'a str,
    },
    /// A command was given something else than it needs.
    Misused(&'a str),
    /// The last words.
    Goodbye,
    /// It was done.
    Done,
    /// Something was refused.
    Refused(&'a Reason),
}

/// Says a sentence in a language.
#[must_use]
pub fn say(language: Language, sentence: &Sentence<'_>) -> String {
    match language {
        Language::English => en::say(sentence),
        Language::Spanish => es::say(sentence),
    }
}

/// Says what was refused and why.
#[must_use]
pub fn refusal(reason: &Reason, language: Language) -> String {
    say(language, &Sentence::Refused(reason))
}
