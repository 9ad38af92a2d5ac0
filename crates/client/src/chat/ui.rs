//! What the screen shows of the model, and what keys do to both.
//!
//! Pure, as the model is: keys go in, the model's outbox fills, an [`Effect`] comes out. Start reading at [`Ui::on_key`].

mod overlay;
mod search;
mod selected;
mod typing;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

pub(crate) use overlay::{EMOJIS, Overlay};

use super::input::{Completion, Composer};
use super::keys::{Action, Keys};
use super::ledger::key;
use super::link::SentIds;
use super::model::Model;
use super::view::{Drawn, Row};

/// What of a place's history is seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scroll {
    /// The newest messages.
    #[default]
    Follow,
    /// From this row on.
    At(Row),
    /// This message in the middle.
    Middle(u64),
}

/// What is to be done besides drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// The program ends.
    Quit,
    /// Connect now.
    Reconnect,
    /// Draw every cell anew.
    Redraw,
    /// Something was typed that others are told of.
    Typed,
}

/// What keys need besides: ids for what is said, and the time.
pub(crate) struct Hand<'a> {
    /// Names what is said.
    pub(crate) ids: &'a mut SentIds,
    /// The server's time.
    pub(crate) now_ms: i64,
    /// The same in words.
    pub(crate) time: String,
}

/// What the screen shows.
#[derive(Debug, Default)]
pub(crate) struct Ui {
    pub(crate) composer: Composer,
    pub(crate) completion: Option<Completion>,
    pub(crate) overlay: Overlay,
    pub(crate) scroll: Scroll,
    pub(crate) selected: Option<u64>,
    pub(crate) reply_to: Option<u64>,
    pub(crate) editing: Option<u64>,
    /// A message that one has just gone to.
    pub(crate) flash: Option<u64>,
    pub(crate) keys: Keys,
    /// Whether the terminal has the focus, as far as it tells.
    pub(crate) is_unfocused: bool,
    drawn: Drawn,
    shown: String,
}

impl Ui {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Prepares to draw: the model may have gone elsewhere.
    pub(crate) fn before_draw(&mut self, model: &mut Model) {
        if self.shown != model.current {
            self.shown.clone_from(&model.current);
            self.scroll = Scroll::Follow;
            (self.selected, self.reply_to, self.editing, self.flash) = (None, None, None, None);
        }
        if let Some(seq) = model.jump.take() {
            self.scroll = Scroll::Middle(seq);
            self.flash = Some(seq);
        }
        if let Some(seq) = self.selected {
            let has = |here: &super::model::Place| here.window.messages.contains_key(&seq);
            if !model.here().is_some_and(has) {
                self.selected = None;
            }
        }
        let is_at_end = self.scroll == Scroll::Follow;
        if is_at_end && !self.is_unfocused && self.overlay == Overlay::None {
            model.saw();
        }
    }

    /// Takes what was drawn where.
    pub(crate) fn on_drawn(&mut self, drawn: Drawn, model: &mut Model) {
        // What is in the middle stays where it is when more comes.
        if let (Scroll::Middle(_), Some(row)) = (self.scroll, drawn.rows.get(drawn.top)) {
            self.scroll = Scroll::At(*row);
        }
        let is_at_end = drawn.top + drawn.height >= drawn.rows.len();
        let here = model
            .here()
            .map_or_else(String::new, |here| here.name.clone());
        let is_detached = model.here().is_some_and(|here| here.window.is_detached);
        if is_at_end && is_detached {
            model.load_newer(&here);
        } else if is_at_end && self.scroll != Scroll::Follow && self.flash.is_none() {
            self.scroll = Scroll::Follow;
        }
        if drawn.top == 0 && !here.is_empty() {
            model.load_older(&here);
        }
        self.drawn = drawn;
    }

    /// Whether the newest messages of a place are before somebody's eyes.
    pub(crate) fn looks_at(&self, room: &str, model: &Model) -> bool {
        !self.is_unfocused && self.scroll == Scroll::Follow && key(room) == model.current
    }

    fn scroll_by(&mut self, rows: isize) {
        self.flash = None;
        let last = self.drawn.rows.len().saturating_sub(self.drawn.height);
        let top = self.drawn.top.saturating_add_signed(rows).min(last);
        self.scroll = match self.drawn.rows.get(top) {
            Some(row) if top < last => Scroll::At(*row),
            Some(_) | None => Scroll::Follow,
        };
        // A wheel turns faster than pictures are drawn.
        self.drawn.top = top;
    }

    /// A key was pressed.
    pub(crate) fn on_key(
        &mut self,
        event: &KeyEvent,
        model: &mut Model,
        hand: &mut Hand<'_>,
    ) -> Effect {
        if event.kind == KeyEventKind::Release {
            return Effect::None;
        }
        self.flash = None;
        let action = self.keys.action(event);
        if self.overlay != Overlay::None {
            if action == Some(Action::Quit) {
                self.overlay = Overlay::None;
                return Effect::None;
            }
            return self.on_overlay_key(event, model, hand);
        }
        if let Some(completion) = &mut self.completion {
            if matches!(
                event.code,
                KeyCode::Tab | KeyCode::BackTab | KeyCode::Down | KeyCode::Up
            ) {
                completion.turn(matches!(event.code, KeyCode::BackTab | KeyCode::Up));
                completion.apply(&mut self.composer);
                return Effect::None;
            }
            self.completion = None;
            if event.code == KeyCode::Esc {
                return Effect::None;
            }
        }
        let is_alt = event.modifiers.contains(KeyModifiers::ALT);
        if let (KeyCode::Char(digit @ '1'..='9'), true) = (event.code, is_alt) {
            let index = usize::from(digit as u8 - b'1');
            let name = model.listed().get(index).map(|place| place.name.clone());
            if let Some(name) = name {
                model.show(&name, hand.now_ms);
            }
            return Effect::None;
        }
        if let Some(action) = action {
            return self.act(action, model, hand);
        }
        if self.selected.is_some() {
            self.on_selected_key(event, model);
            return Effect::None;
        }
        self.on_typing_key(event, model, hand)
    }

    fn act(&mut self, action: Action, model: &mut Model, hand: &mut Hand<'_>) -> Effect {
        let page = isize::try_from(self.drawn.height.saturating_sub(2).max(1)).unwrap_or(1);
        match action {
            Action::Help => self.overlay = Overlay::Help { scroll: 0 },
            Action::Quit if self.selected.is_some() => self.selected = None,
            Action::Quit if !self.composer.is_empty() => {
                self.composer.take();
            }
            Action::Quit => return Effect::Quit,
            Action::Newline => self.composer.insert("\n"),
            Action::Complete => self.complete(model),
            Action::Switch => self.overlay = Overlay::switch(model),
            Action::Search => {
                model.found = None;
                self.overlay = Overlay::search();
            }
            Action::NextUnread => {
                if let Some(name) = model.next_unread() {
                    model.show(&name, hand.now_ms);
                }
            }
            Action::FirstUnread => self.go_to_first_unread(model, hand),
            Action::PreviousPlace => step(model, true, hand.now_ms),
            Action::NextPlace => step(model, false, hand.now_ms),
            Action::PageUp => self.scroll_by(-page),
            Action::PageDown => self.scroll_by(page),
            Action::Oldest => self.scroll_by(isize::MIN + 1),
            Action::Newest => to_newest(self, model),
            Action::Select => self.select(model, true),
            Action::Earlier => self.composer.earlier(),
            Action::Later => self.composer.later(),
            Action::Resend => model.resend(|| hand.ids.next_id()),
            Action::Discard => model.drop_refused(),
            Action::Reconnect => return Effect::Reconnect,
            Action::Redraw => return Effect::Redraw,
        }
        Effect::None
    }

    fn go_to_first_unread(&mut self, model: &mut Model, hand: &Hand<'_>) {
        let Some(here) = model.here() else { return };
        let after = here.new_after.unwrap_or(here.read);
        if after >= here.head {
            return;
        }
        let message = super::wire::Message {
            room: here.name.clone(),
            seq: after + 1,
            ..super::wire::Message::default()
        };
        model.go_to(&message, hand.now_ms);
    }
}

/// Shows the place above or below.
fn step(model: &mut Model, is_up: bool, now_ms: i64) {
    let names: Vec<_> = model
        .listed()
        .iter()
        .map(|place| place.name.clone())
        .collect();
    if names.is_empty() {
        return;
    }
    let at = names
        .iter()
        .position(|name| key(name) == model.current)
        .unwrap_or(0);
    let next = if is_up { at + names.len() - 1 } else { at + 1 };
    model.show(&names[next % names.len()].clone(), now_ms);
}

/// Goes to the newest messages, by getting them if they are not at hand.
fn to_newest(ui: &mut Ui, model: &mut Model) {
    ui.scroll = Scroll::Follow;
    ui.flash = None;
    let Some(here) = model.here_mut() else { return };
    if here.window.is_detached {
        here.window = super::model::Window::default();
        let name = here.name.clone();
        model.load_older(&name);
    }
}

#[cfg(test)]
mod tests;
