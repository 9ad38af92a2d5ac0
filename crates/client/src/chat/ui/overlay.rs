//! What lies over the messages for a moment, and its keys.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::search::Search;
use super::{Effect, Hand, Ui};
use crate::chat::limits::TEXT_BYTES_MAX;
use crate::chat::model::Intent;
use crate::chat::model::Model;
use crate::chat::wire::Ask;

/// Emojis that are offered.
pub(crate) const EMOJIS: [&str; 8] = ["👍", "👎", "😂", "🎉", "😮", "😢", "🙏", "👀"];
/// The longest that is typed into an overlay, in bytes.
const QUERY_BYTES_MAX: usize = 256;

/// What lies over the messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The keys.
    Help {
        /// From which line on.
        scroll: usize,
    },
    /// Where to go.
    Switch {
        /// A few letters.
        query: String,
        /// Which is chosen.
        index: usize,
        /// What fits.
        items: Vec<String>,
    },
    /// What to look for.
    Search {
        /// The words.
        query: String,
        /// Which result is chosen.
        index: usize,
        /// They were looked for as they stand.
        is_asked: bool,
        /// Only where one is.
        is_here: bool,
    },
    /// Several lines were pasted.
    Paste(String),
    /// A message is to be taken back.
    Delete(u64),
    /// An emoji is to be chosen.
    React {
        /// For which message.
        seq: u64,
        /// Which is chosen.
        index: usize,
        /// One that was typed.
        typed: String,
    },
}

impl Overlay {
    pub(crate) fn switch(model: &Model) -> Self {
        Self::Switch {
            query: String::new(),
            index: 0,
            items: fitting(model, ""),
        }
    }

    pub(crate) const fn search() -> Self {
        Self::Search {
            query: String::new(),
            index: 0,
            is_asked: false,
            is_here: false,
        }
    }

    pub(crate) const fn react(seq: u64) -> Self {
        Self::React {
            seq,
            index: 0,
            typed: String::new(),
        }
    }
}

impl Ui {
    pub(super) fn on_overlay_key(
        &mut self,
        event: &KeyEvent,
        model: &mut Model,
        hand: &mut Hand<'_>,
    ) -> Effect {
        if event.code == KeyCode::Esc {
            self.overlay = Overlay::None;
            return Effect::None;
        }
        match std::mem::take(&mut self.overlay) {
            Overlay::None => {}
            Overlay::Help { scroll } => self.overlay = on_help(event, scroll),
            Overlay::Switch {
                query,
                index,
                items,
            } => {
                self.overlay = on_switch(event, query, index, items, model, hand.now_ms);
            }
            Overlay::Search {
                query,
                index,
                is_asked,
                is_here,
            } => {
                let search = Search {
                    query,
                    index,
                    is_asked,
                    is_here,
                };
                self.overlay = search.on_key(event, model, hand.now_ms);
            }
            Overlay::Paste(text) => self.on_pasted(event, text, model, hand),
            Overlay::Delete(seq) => match event.code {
                KeyCode::Char('y' | 'Y') => {
                    let room = model
                        .here()
                        .map_or_else(String::new, |here| here.name.clone());
                    model
                        .outbox
                        .push((Ask::Delete { room, seq }, Intent::Act("")));
                    self.selected = None;
                }
                KeyCode::Char('n' | 'N') => {}
                _ => self.overlay = Overlay::Delete(seq),
            },
            Overlay::React { seq, index, typed } => {
                self.overlay = on_react(event, seq, index, typed, model);
                if self.overlay == Overlay::None {
                    self.selected = None;
                }
            }
        }
        Effect::None
    }

    fn on_pasted(
        &mut self,
        event: &KeyEvent,
        text: String,
        model: &mut Model,
        hand: &mut Hand<'_>,
    ) {
        match event.code {
            KeyCode::Enter if text.len() <= TEXT_BYTES_MAX => {
                let here = model
                    .here()
                    .map_or_else(String::new, |here| here.name.clone());
                let whole = format!("{}{text}", self.composer.take());
                let reply_to = self.reply_to.take();
                model.say(
                    &here,
                    whole,
                    false,
                    reply_to,
                    hand.ids.next_id(),
                    hand.now_ms,
                );
            }
            KeyCode::Char('e') | KeyCode::Enter => self.composer.insert(&text),
            _ => self.overlay = Overlay::Paste(text),
        }
    }
}

fn on_help(event: &KeyEvent, scroll: usize) -> Overlay {
    let scroll = match event.code {
        KeyCode::Up => scroll.saturating_sub(1),
        KeyCode::Down => (scroll + 1).min(100),
        KeyCode::PageUp => scroll.saturating_sub(10),
        KeyCode::PageDown => (scroll + 10).min(100),
        _ => return Overlay::None,
    };
    Overlay::Help { scroll }
}

/// Types into the line of an overlay; tells whether it changed.
pub(super) fn type_into(event: &KeyEvent, query: &mut String) -> bool {
    match event.code {
        KeyCode::Backspace => query.pop().is_some(),
        KeyCode::Char('u') if event.modifiers.contains(KeyModifiers::CONTROL) => {
            query.clear();
            true
        }
        KeyCode::Char(character)
            if !event
                .modifiers
                .intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
                && query.len() < QUERY_BYTES_MAX =>
        {
            query.push(character);
            true
        }
        _ => false,
    }
}

fn on_switch(
    event: &KeyEvent,
    mut query: String,
    mut index: usize,
    mut items: Vec<String>,
    model: &mut Model,
    now_ms: i64,
) -> Overlay {
    match event.code {
        KeyCode::Up => index = index.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab => index = (index + 1).min(items.len().saturating_sub(1)),
        KeyCode::Enter => {
            if let Some(name) = items.get(index) {
                model.enter(name, now_ms);
            }
            return Overlay::None;
        }
        _ => {
            if type_into(event, &mut query) {
                items = fitting(model, &query);
                index = 0;
            }
        }
    }
    Overlay::Switch {
        query,
        index,
        items,
    }
}

fn on_react(
    event: &KeyEvent,
    seq: u64,
    mut index: usize,
    mut typed: String,
    model: &mut Model,
) -> Overlay {
    match event.code {
        KeyCode::Left => index = index.saturating_sub(1),
        KeyCode::Right | KeyCode::Tab => index = (index + 1).min(EMOJIS.len() - 1),
        KeyCode::Enter => {
            let emoji = if typed.is_empty() {
                EMOJIS[index]
            } else {
                &typed
            };
            model.react(seq, emoji);
            return Overlay::None;
        }
        _ => {
            type_into(event, &mut typed);
        }
    }
    Overlay::React { seq, index, typed }
}

/// Rooms and people whose names have the letters in their order; the closest first.
pub(crate) fn fitting(model: &Model, query: &str) -> Vec<String> {
    let places = model.places.values().map(|place| place.name.clone());
    let people = model.presence.keys().filter(|login| **login != model.me);
    let mut items: Vec<(u32, String)> = places
        .chain(people.map(|login| format!("@{login}")))
        .filter_map(|name| Some((distance(&name, query)?, name)))
        .collect();
    items.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    items.dedup();
    items.into_iter().map(|(_, name)| name).collect()
}

/// How far apart the letters stand; `None` if they are not all there.
fn distance(name: &str, query: &str) -> Option<u32> {
    let mut distance = 0;
    let mut letters = query.chars().flat_map(char::to_lowercase).peekable();
    let mut has_begun = false;
    for (index, character) in (0_u32..).zip(name.chars().flat_map(char::to_lowercase)) {
        let Some(letter) = letters.peek() else { break };
        if *letter == character {
            if !has_begun {
                distance += index;
            }
            has_begun = true;
            letters.next();
        } else if has_begun {
            distance += 4;
        }
    }
    letters.peek().is_none().then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters_fit_in_their_order_and_closer_is_better() {
        assert_eq!(distance("lobby", "lby"), Some(8));
        assert_eq!(distance("lobby", "bl"), None);
        assert_eq!(distance("Lobby", "LO"), Some(0));
        assert_eq!(distance("@bob", "bo"), Some(1));
        assert_eq!(distance("x", ""), Some(0));
    }
}
