//! The sentences of refusals and of what happens to a session, in English until the catalogue of all languages is there.

use chat::{Language, LeftCause, Reason};

use super::Bye;

/// Why something was refused.
pub(crate) fn refusal(reason: &Reason, _: Language) -> String {
    match reason {
        Reason::NoRoom(room) => format!("there is no room '{room}'"),
        Reason::NoUser(login) => format!("there is no account '{login}'"),
        Reason::NoMessage(seq) => format!("there is no message {seq}, or it was deleted"),
        Reason::RoomName(error) => error.to_string(),
        Reason::RoomTaken(room) => format!("there is a room '{room}' already"),
        Reason::RoomConfusable(room) => format!("the name looks like that of the room '{room}'"),
        Reason::NotOwner(room) => {
            format!("only the creator of '{room}' and administrators may do that")
        }
        Reason::KeepForbidden => "you may not make a room that stays".to_owned(),
        Reason::DefaultRoom => "the default room stays as it is".to_owned(),
        Reason::Banned { room, reason, .. } if reason.is_empty() => {
            format!("you are banned from '{room}'")
        }
        Reason::Banned { room, reason, .. } => format!("you are banned from '{room}': {reason}"),
        Reason::Muted { room, .. } => format!("you are muted in '{room}'"),
        Reason::Slow(seconds) => format!("the room takes one message of yours in {seconds} s"),
        Reason::Flood => "you send too much; wait a moment".to_owned(),
        Reason::EmptyText => "the text is empty".to_owned(),
        Reason::LongText(bytes) => format!(
            "the text has {bytes} bytes; {} are the most",
            chat::limits::TEXT_BYTES_MAX
        ),
        Reason::NotAuthor => "it is somebody else's message".to_owned(),
        Reason::TooOld => "it was sent too long ago to be changed".to_owned(),
        Reason::Blocked(login) => format!("'{login}' does not take messages from you"),
        Reason::Yourself => "one does not do that to oneself".to_owned(),
        Reason::Administrator => "one does not do that to an administrator".to_owned(),
        Reason::TooMany(what) => format!("too many {what}"),
        Reason::Invalid(what) => (*what).to_owned(),
        Reason::NotThere(room) => format!("you are not in '{room}'"),
        Reason::NoSession => "that needs a connection that listens".to_owned(),
        Reason::Unavailable => "the chat cannot do that at the moment".to_owned(),
        Reason::Void => "the account is gone, or its login does not hold any more".to_owned(),
    }
}

/// Why somebody is in another room, or in one less.
pub(super) fn cause(cause: &LeftCause, room: &str, _: Language) -> String {
    match cause {
        LeftCause::Asked | LeftCause::Arrived => String::new(),
        LeftCause::Deleted(by) => format!("{by} deleted the room you were in; this is '{room}'"),
        LeftCause::CreatorGone(by) => {
            format!("{by}, who made the room you were in, is gone; this is '{room}'")
        }
        LeftCause::Kicked { by, reason } => format!("{by} sent you out: {reason}"),
        LeftCause::Banned { by, reason, .. } => format!("{by} keeps you out: {reason}"),
    }
}

/// Why a connection ends.
pub(super) const fn bye(bye: Bye, language: Language) -> &'static str {
    match (bye, language) {
        (Bye::Shutdown, Language::English) => "the server stops; come back in a moment",
        (Bye::Shutdown, Language::Spanish) => "el servidor se detiene; vuelve en un momento",
        (Bye::Revoked, Language::English) => "the login does not hold any more; log in again",
        (Bye::Revoked, Language::Spanish) => "la sesión ya no es válida; inicia sesión otra vez",
        (Bye::Slow, Language::English) => "you did not read what you were sent; come back",
        (Bye::Slow, Language::Spanish) => "no leíste lo que se te envió; vuelve a conectarte",
        (Bye::Silent, Language::English) => "you did not say that you are there",
        (Bye::Silent, Language::Spanish) => "no respondiste cuando se te preguntó",
        (Bye::Replaced, Language::English) => "another connection has taken your place",
        (Bye::Replaced, Language::Spanish) => "otra conexión ocupó tu lugar",
        (Bye::Asked, Language::English) => "goodbye",
        (Bye::Asked, Language::Spanish) => "adiós",
    }
}
