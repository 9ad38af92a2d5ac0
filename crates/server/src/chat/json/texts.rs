//! The sentences of refusals and of what happens to a session, in English until the catalogue of all languages is there.

use chat::{Language, LeftCause, Reason};

use super::Bye;

/// Why something was refused.
pub(crate) fn refusal(reason: &Reason, language: Language) -> String {
    chat::catalogue::refusal(reason, language)
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
