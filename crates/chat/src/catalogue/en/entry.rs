//! Before and at the login.

use directory::account::LoginNameError;
use directory::limits::LOGIN_BYTES_MAX;

use super::span;
use crate::catalogue::Entry;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::profile::{Field, Flaw};

pub(super) fn say(entry: &Entry<'_>) -> String {
    match *entry {
        Entry::Welcome {
            server,
            version,
            time_ms,
        } => format!("{server} {version}. Server time: {}", date_time(time_ms)),
        Entry::TelnetHint { telnet } => {
            format!("In telnet, type {telnet} first: then your password is not shown.")
        }
        Entry::AskLogin { new: Some(new) } => {
            format!("Login (or {new} to make an account):")
        }
        Entry::AskLogin { new: None } => "Login:".to_owned(),
        Entry::AskPassword => "Password:".to_owned(),
        Entry::RegistrationBegins { exit } => {
            format!("A new account. Answer each question with one line; {exit} ends it.")
        }
        Entry::AskField(field) => ask(field).to_owned(),
        Entry::Flawed { field, flaw } => say_flaw(field, flaw),
        Entry::Rejected { field, detail } => match detail {
            Some(detail) => format!("{} cannot be that: {detail}.", name(field)),
            None => format!("{} cannot be that. Try another.", name(field)),
        },
        Entry::WrongLogin { new: Some(new) } => {
            format!("Wrong login or password. Try again; {new} makes an account.")
        }
        Entry::WrongLogin { new: None } => "Wrong login or password. Try again.".to_owned(),
        Entry::WrongToken => "This token is unknown or has expired.".to_owned(),
        Entry::LockedOut { retry_after_s } => format!(
            "Too many wrong passwords. Try again in {}.",
            span(retry_after_s)
        ),
        Entry::Busy => "Too many people are logging in. Try again in a moment.".to_owned(),
        Entry::Forbidden => "This account cannot use the chat from here.".to_owned(),
        Entry::RegistrationClosed => {
            "This server makes no accounts for strangers. Ask an administrator.".to_owned()
        }
        Entry::WrongInvitation => "This invitation is unknown or used up.".to_owned(),
        Entry::LoginTaken => "This login is taken. Choose another.".to_owned(),
        Entry::Unavailable => "That is not possible at the moment. Try again later.".to_owned(),
        Entry::TooManyFailures => "Too many failed logins. Connect again.".to_owned(),
        Entry::LoginTimeout => "The login took too long. Connect again.".to_owned(),
        Entry::LoggedIn {
            login,
            time_ms,
            help,
        } => format!(
            "Welcome, {login}. It is {}. {help} lists the commands.",
            date_time(time_ms)
        ),
        Entry::UnreadPrivate { count, unread } => format!(
            "You have {}: {unread} shows from whom.",
            counted(count, "unread private message", "unread private messages")
        ),
    }
}

const fn ask(field: Field) -> &'static str {
    match field {
        Field::FirstNames => "First names:",
        Field::LastNames => "Last names:",
        Field::Login => "Login, by which others know you:",
        Field::Password => "Password:",
        Field::Age => "Age (an empty line leaves it out):",
        Field::Gender => "Gender (an empty line leaves it out):",
        Field::Invitation => "Code of your invitation:",
    }
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::FirstNames => "The first names",
        Field::LastNames => "The last names",
        Field::Login => "The login",
        Field::Password => "The password",
        Field::Age => "The age",
        Field::Gender => "The gender",
        Field::Invitation => "The invitation",
    }
}

fn say_flaw(field: Field, flaw: Flaw) -> String {
    let name = name(field);
    match flaw {
        Flaw::Empty => format!("{name} cannot be empty."),
        Flaw::TooLong { chars_max } => format!("{name} can have at most {chars_max} characters."),
        Flaw::Invisible => format!("{name} cannot have invisible characters."),
        Flaw::Login(LoginNameError::Empty) => "The login cannot be empty.".to_owned(),
        Flaw::Login(LoginNameError::TooLong { .. }) => {
            format!("The login can have at most {LOGIN_BYTES_MAX} characters.")
        }
        Flaw::Login(LoginNameError::Dots) => "The login cannot be only dots.".to_owned(),
        Flaw::Login(
            LoginNameError::OuterSpace | LoginNameError::Character(_) | LoginNameError::NotPlain(_),
        ) => "The login is made of the letters a to z and A to Z, digits, '.', '_' and '-'."
            .to_owned(),
        Flaw::PasswordShort { chars_min } => {
            format!("The password needs at least {chars_min} characters.")
        }
        Flaw::PasswordLong { bytes_max } => {
            format!("The password can have at most {bytes_max} bytes.")
        }
        Flaw::Age { max } => format!("The age is a number from 1 to {max}."),
    }
}
