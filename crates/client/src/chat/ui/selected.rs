//! The message that is selected, by key or mouse, and what is done with it.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Hand, Overlay, Scroll, Ui};
use crate::chat::model::Model;
use crate::chat::view::Row;

/// Rows that the wheel of a mouse scrolls.
const WHEEL: isize = 3;

impl Ui {
    /// Selects the message before the selected one, or after it.
    pub(super) fn select(&mut self, model: &Model, is_up: bool) {
        let Some(here) = model.here() else { return };
        let messages = &here.window.messages;
        let next = match (self.selected, is_up) {
            (None, true) => messages.keys().next_back(),
            (Some(seq), true) => messages.range(..seq).next_back().map(|(seq, _)| seq),
            (Some(seq), false) => messages.range(seq + 1..).next().map(|(seq, _)| seq),
            (None, false) => None,
        };
        let Some(seq) = next.copied() else {
            if !is_up {
                self.selected = None;
                self.scroll = Scroll::Follow;
            }
            return;
        };
        self.selected = Some(seq);
        let first = self.drawn.rows.iter().position(|row| row.seq == seq);
        let is_seen = first.is_some_and(|first| {
            first >= self.drawn.top && first < self.drawn.top + self.drawn.height
        });
        if !is_seen {
            self.scroll = Scroll::Middle(seq);
        }
    }

    pub(super) fn on_selected_key(&mut self, event: &KeyEvent, model: &mut Model) {
        let Some(seq) = self.selected else { return };
        let message = model
            .here()
            .and_then(|here| here.window.messages.get(&seq))
            .cloned();
        let is_mine = message
            .as_ref()
            .is_some_and(|message| message.from == model.me);
        match event.code {
            KeyCode::Up | KeyCode::Char('k') => self.select(model, true),
            KeyCode::Down | KeyCode::Char('j') => self.select(model, false),
            KeyCode::Esc => self.selected = None,
            KeyCode::Enter | KeyCode::Char('r') => {
                self.selected = None;
                self.reply_to = Some(seq);
                self.editing = None;
            }
            KeyCode::Char('+') => self.overlay = Overlay::react(seq),
            KeyCode::Char('d') => self.overlay = Overlay::Delete(seq),
            KeyCode::Char('e') if is_mine => {
                self.selected = None;
                self.reply_to = None;
                self.editing = Some(seq);
                self.composer
                    .set(&message.map(|message| message.text).unwrap_or_default());
            }
            KeyCode::Char('g') => {
                if let Some(answered) = message.as_ref().and_then(|message| message.reply_to) {
                    let mut target = message.unwrap_or_default();
                    target.seq = answered;
                    model
                        .here()
                        .map(|here| here.name.clone())
                        .unwrap_or_default()
                        .clone_into(&mut target.room);
                    self.selected = None;
                    model.go_to(&target, 0);
                }
            }
            _ => {}
        }
    }

    /// The mouse was used.
    pub(crate) fn on_mouse(&mut self, event: &MouseEvent, model: &mut Model, hand: &mut Hand<'_>) {
        if self.overlay != Overlay::None {
            // What lies beneath is not what one points at: the wheel moves as the arrows do, a click does nothing.
            let code = match event.kind {
                MouseEventKind::ScrollUp => KeyCode::Up,
                MouseEventKind::ScrollDown => KeyCode::Down,
                _ => return,
            };
            self.on_overlay_key(&KeyEvent::from(code), model, hand);
            return;
        }
        let position = Position::new(event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollUp => self.scroll_by(-WHEEL),
            MouseEventKind::ScrollDown => self.scroll_by(WHEEL),
            MouseEventKind::Down(MouseButton::Left) if self.drawn.rooms.contains(position) => {
                let index = usize::from(event.row - self.drawn.rooms.y).checked_sub(1);
                if let Some(name) = index.and_then(|index| self.drawn.listed.get(index)) {
                    model.show(&name.clone(), hand.now_ms);
                }
            }
            MouseEventKind::Down(MouseButton::Left) if self.drawn.messages.contains(position) => {
                let at = self.drawn.top + usize::from(event.row - self.drawn.messages.y);
                let row = self.drawn.rows.get(at);
                let is_message = |row: &&Row| {
                    let here = model.here();
                    here.is_some_and(|here| here.window.messages.contains_key(&row.seq))
                };
                self.selected = row.filter(is_message).map(|row| row.seq);
            }
            _ => {}
        }
    }
}
