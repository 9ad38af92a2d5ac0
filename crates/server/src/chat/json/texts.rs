//! The sentences about what happens to a session, in every language.

use chat::{Language, LeftCause};

use super::Bye;

/// Why somebody is not in a room any more; empty when they wanted that.
pub(crate) fn left(cause: &LeftCause, language: Language) -> String {
    match (cause, language) {
        (LeftCause::Asked | LeftCause::Arrived, _) => String::new(),
        (LeftCause::Deleted(by), Language::English) => format!("{by} deleted the room"),
        (LeftCause::Deleted(by), Language::Spanish) => format!("{by} borró la sala"),
        (LeftCause::CreatorGone(by), Language::English) => {
            format!("the room went with {by}, who made it")
        }
        (LeftCause::CreatorGone(by), Language::Spanish) => {
            format!("la sala se fue con {by}, que la creó")
        }
        (LeftCause::Kicked { by, reason }, Language::English) => {
            with(format!("{by} sent you out"), reason)
        }
        (LeftCause::Kicked { by, reason }, Language::Spanish) => {
            with(format!("{by} te sacó"), reason)
        }
        (LeftCause::Banned { by, reason, .. }, Language::English) => {
            with(format!("{by} keeps you out"), reason)
        }
        (LeftCause::Banned { by, reason, .. }, Language::Spanish) => {
            with(format!("{by} te prohibió la entrada"), reason)
        }
    }
}

/// Why somebody is in another room now.
pub(crate) fn moved(cause: &LeftCause, language: Language) -> String {
    let why = left(cause, language);
    match (why.is_empty(), language) {
        (true, _) => why,
        (false, Language::English) => format!("you are here now: {why}"),
        (false, Language::Spanish) => format!("ahora estás aquí: {why}"),
    }
}

fn with(sentence: String, reason: &str) -> String {
    if reason.is_empty() {
        sentence
    } else {
        format!("{sentence}: {reason}")
    }
}

/// Why a connection ends.
pub(crate) const fn bye(bye: Bye, language: Language) -> &'static str {
    match (bye, language) {
        (Bye::Shutdown, Language::English) => "the server stops; come back in a moment",
        (Bye::Shutdown, Language::Spanish) => "el servidor se detiene; vuelve en un momento",
        (Bye::Revoked, Language::English) => "the login does not hold any more; log in again",
        (Bye::Revoked, Language::Spanish) => "la sesión ya no es válida; inicia sesión otra vez",
        (Bye::Slow, Language::English) => "you did not read what you were sent; come back",
        (Bye::Slow, Language::Spanish) => "no leíste lo que se te envió; vuelve a conectarte",
        (Bye::Silent, Language::English) => "you did not say that you are there",
        (Bye::Silent, Language::Spanish) => "no respondiste cuando se te preguntó",
        (Bye::Asked, Language::English) => "goodbye",
        (Bye::Asked, Language::Spanish) => "adiós",
    }
}
