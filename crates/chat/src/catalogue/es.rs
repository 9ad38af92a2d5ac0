//! Spanish.

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
        Presence::Online => "en línea",
        Presence::Idle => "inactivo",
        Presence::Away => "ausente",
        Presence::Offline => "desconectado",
    }
}

const fn say_farewell(farewell: Farewell) -> &'static str {
    match farewell {
        Farewell::Shutdown => "El servidor se detiene. Vuelve en un momento.",
        Farewell::Revoked => "Tu sesión ya no es válida. Inicia sesión de nuevo.",
        Farewell::Slow => "No leíste lo que se te envió; esta conexión termina.",
        Farewell::Silent => "Hace demasiado que no se sabe de ti. Conéctate de nuevo.",
        Farewell::Replaced => "Tienes demasiadas conexiones; esta dejó sitio a una más nueva.",
    }
}

/// A duration in words and figures.
fn span(seconds: u64) -> String {
    let words = [
        ("segundo", "segundos"),
        ("minuto", "minutos"),
        ("hora", "horas"),
        ("día", "días"),
    ];
    duration(seconds, words)
}

/// `ana, bob y 12 más`.
fn people(names: &[String], count: usize) -> String {
    let mut parts = names.to_vec();
    let others = count.saturating_sub(names.len());
    if others > 0 {
        parts.push(match names {
            [] => counted_here(others, "persona", "personas"),
            [_, ..] => format!("{others} más"),
        });
    }
    joined(&parts, and)
}

/// `y`, but `e` before the sound of `i`.
fn and(next: &str) -> &'static str {
    let next = next.to_lowercase();
    let is_i = ["i", "í", "hi", "hí"]
        .iter()
        .any(|sound| next.starts_with(sound));
    let is_ie = ["hie", "ia", "ie", "io"]
        .iter()
        .any(|sound| next.starts_with(sound));
    if is_i && !is_ie { "e" } else { "y" }
}

/// What stands behind a sentence if there is something: `: motivo`.
fn because(reason: &str) -> String {
    if reason.is_empty() {
        return ".".to_owned();
    }
    format!(": {reason}")
}
