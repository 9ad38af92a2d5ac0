//! The keys of the search.

use crossterm::event::{KeyCode, KeyEvent};

use super::overlay::{Overlay, type_into};
use crate::chat::model::Model;

/// What the overlay of that name holds.
pub(super) struct Search {
    pub(super) query: String,
    pub(super) index: usize,
    pub(super) is_asked: bool,
    pub(super) is_here: bool,
}

impl Search {
    /// A key was pressed; gives what lies over the messages then.
    pub(super) fn on_key(mut self, event: &KeyEvent, model: &mut Model, now_ms: i64) -> Overlay {
        let found = model.found.as_ref();
        let last = found.map_or(0, |found| found.messages.len().saturating_sub(1));
        match event.code {
            KeyCode::Up => self.index = self.index.saturating_sub(1),
            KeyCode::Down => self.go_on(self.index + 1, last, model),
            KeyCode::PageUp => self.index = self.index.saturating_sub(10),
            KeyCode::PageDown => self.go_on(self.index + 10, last, model),
            KeyCode::Tab => {
                self.is_here = !self.is_here;
                // What was looked for is looked for there at once.
                if self.is_asked {
                    self.ask(model);
                }
            }
            KeyCode::Enter if self.is_asked => {
                let chosen = found.and_then(|found| found.messages.get(self.index));
                if let Some(chosen) = chosen.cloned() {
                    model.go_to(&chosen, now_ms);
                    return Overlay::None;
                }
            }
            KeyCode::Enter => self.ask(model),
            _ => {
                if type_into(event, &mut self.query) {
                    self.is_asked = false;
                }
            }
        }
        self.into()
    }

    /// Chooses a result further down; at the last one, what comes behind it is asked for.
    fn go_on(&mut self, index: usize, last: usize, model: &mut Model) {
        self.index = index.min(last);
        if index >= last {
            model.search_on();
        }
    }

    fn ask(&mut self, model: &mut Model) {
        let words = self.query.trim().to_owned();
        if words.is_empty() {
            return;
        }
        let here = model.here().filter(|_| self.is_here);
        let room = here.map(|here| here.name.clone());
        model.search(words, room);
        model.found = None;
        self.is_asked = true;
        self.index = 0;
    }
}

impl From<Search> for Overlay {
    fn from(search: Search) -> Self {
        Self::Search {
            query: search.query,
            index: search.index,
            is_asked: search.is_asked,
            is_here: search.is_here,
        }
    }
}
