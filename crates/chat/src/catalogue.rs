//! Every sentence that the server says to a person, in every language.
//!
//! A sentence is a value with its arguments and each language a total match over all of them, so that a missing translation does not
//! compile. Commands of a door are arguments: the chat knows none by name. What others wrote stands in the sentences as they wrote it;
//! a door makes it harmless for its client.
//!
//! Start reading at [`say`] and [`Sentence`].

mod en;
mod es;
mod sentence;
#[cfg(test)]
mod tests;
mod time;
mod words;

pub use sentence::{Answer, Entry, Farewell, Listed, News, Sentence, Topic};
pub use time::{date_time, minute};

use crate::event::{LeftCause, Presence};
use crate::refusal::Reason;
use crate::session::Language;

/// Says a sentence in a language.
#[must_use]
pub fn say<'a>(language: Language, sentence: impl Into<Sentence<'a>>) -> String {
    let sentence = sentence.into();
    match language {
        Language::English => en::say(&sentence),
        Language::Spanish => es::say(&sentence),
    }
}

/// Says what was refused, why, and what to do instead.
#[must_use]
pub fn refusal(reason: &Reason, language: Language) -> String {
    say(language, Sentence::Refused(reason))
}

/// Says why somebody is not in a room any more; empty if they wanted it or have just come.
#[must_use]
pub fn cause(cause: &LeftCause, room: &str, language: Language) -> String {
    match cause {
        LeftCause::Asked | LeftCause::Arrived => String::new(),
        LeftCause::Deleted(_)
        | LeftCause::CreatorGone(_)
        | LeftCause::Kicked { .. }
        | LeftCause::Banned { .. } => say(language, News::Moved { cause, room }),
    }
}

/// Says why somebody is in another room now; empty if they wanted it or have just come.
#[must_use]
pub fn brought(cause: &LeftCause, language: Language) -> String {
    match cause {
        LeftCause::Asked | LeftCause::Arrived => String::new(),
        LeftCause::Deleted(_)
        | LeftCause::CreatorGone(_)
        | LeftCause::Kicked { .. }
        | LeftCause::Banned { .. } => say(language, News::Brought(cause)),
    }
}

/// Says how present somebody is, in a word.
#[must_use]
pub const fn presence(presence: Presence, language: Language) -> &'static str {
    match language {
        Language::English => en::presence(presence),
        Language::Spanish => es::presence(presence),
    }
}

/// Says what stands behind the name of a command, and what it does.
#[must_use]
pub const fn help(topic: Topic, language: Language) -> (&'static str, &'static str) {
    match language {
        Language::English => en::help(topic),
        Language::Spanish => es::help(topic),
    }
}
