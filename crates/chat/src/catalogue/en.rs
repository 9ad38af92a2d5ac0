//! English.

mod answer;
mod entry;
mod help;
mod news;
mod refusal;

use super::words::{counted_here, duration, joined};
use super::{Farewell, Sentence};
use crate::event::Presence;

pub(super) use help::help;

pub(super) fn say(sentence: &Sentence<'_>) -> String {
    match sentence {
        Sentence::Entry(entry) => entry::say(entry),
        Sentence::News(news) => news::say(news),
        Sentence::Answer(answer) => answer::say(answer),
        Sentence::Farewell(farewell) => say_farewell(*farewell).to_owned(),
        Sentence::Refused(reason) => refusal::say(reason),
    }
}

pub(super) const fn presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Idle => "idle",
        Presence::Away => "away",
        Presence::Offline => "offline",
    }
}

const fn say_farewell(farewell: Farewell) -> &'static str {
    match farewell {
        Farewell::Shutdown => "The server is stopping. Come back in a moment.",
        Farewell::Revoked => "Your login is no longer valid. Log in again.",
        Farewell::Slow => "You did not read what was sent to you, so this connection ends.",
        Farewell::Silent => "Nothing was heard from you for too long. Connect again.",
        Farewell::Replaced => "You have too many connections; this one made room for a newer one.",
    }
}

/// `two minutes` and their like, in figures.
fn span(seconds: u64) -> String {
    let words = [
        ("second", "seconds"),
        ("minute", "minutes"),
        ("hour", "hours"),
        ("day", "days"),
    ];
    duration(seconds, words)
}

/// `ana, bob and 12 others`.
fn people(names: &[String], count: usize) -> String {
    let mut parts = names.to_vec();
    let others = count.saturating_sub(names.len());
    if others > 0 {
        let (one, many) = match names {
            [] => ("person", "people"),
            [_, ..] => ("other", "others"),
        };
        parts.push(counted_here(others, one, many));
    }
    joined(&parts, |_| "and")
}

/// What stands behind a sentence if there is something: `: reason`.
fn because(reason: &str) -> String {
    if reason.is_empty() {
        return ".".to_owned();
    }
    format!(": {reason}")
}
