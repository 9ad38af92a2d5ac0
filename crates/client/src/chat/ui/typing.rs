//! The line that is typed: its keys, what Tab completes, what is pasted, and how it is sent.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Effect, Hand, Overlay, Scroll, Ui, to_newest};
use crate::chat::command::{self, COMMANDS};
use crate::chat::input::{Completion, Names};
use crate::chat::model::{Further, Model};

impl Ui {
    pub(super) fn on_typing_key(
        &mut self,
        event: &KeyEvent,
        model: &mut Model,
        hand: &mut Hand<'_>,
    ) -> Effect {
        let is_control = event.modifiers.contains(KeyModifiers::CONTROL);
        let is_alt = event.modifiers.contains(KeyModifiers::ALT);
        let composer = &mut self.composer;
        match event.code {
            KeyCode::Enter => return self.send(model, hand),
            KeyCode::Esc => {
                if self.editing.take().is_some() {
                    self.composer.set("");
                }
                self.reply_to = None;
            }
            KeyCode::Up if composer.is_empty() => self.select(model, true),
            KeyCode::Up if !composer.up() => composer.earlier(),
            KeyCode::Down if !composer.down() => composer.later(),
            KeyCode::Left if is_control || is_alt => composer.word_left(),
            KeyCode::Right if is_control || is_alt => composer.word_right(),
            KeyCode::Left => composer.left(),
            KeyCode::Right => composer.right(),
            KeyCode::Home => composer.home(),
            KeyCode::End => composer.end(),
            KeyCode::Backspace if is_alt || is_control => composer.delete_word(),
            KeyCode::Backspace => composer.backspace(),
            KeyCode::Delete => composer.delete(),
            KeyCode::Char(character) if is_control => match character {
                'a' => composer.home(),
                'e' => composer.end(),
                'b' => composer.left(),
                'd' => composer.delete(),
                'w' | 'h' => composer.delete_word(),
                'u' => composer.delete_to_start(),
                'x' => composer.delete_to_end(),
                _ => {}
            },
            KeyCode::Char(character) if !is_alt => {
                composer.insert(character.encode_utf8(&mut [0; 4]));
                if !composer.text().starts_with('#') {
                    return Effect::Typed;
                }
            }
            _ => {}
        }
        Effect::None
    }

    fn send(&mut self, model: &mut Model, hand: &mut Hand<'_>) -> Effect {
        let text = self.composer.take();
        let here = model
            .here()
            .map_or_else(String::new, |here| here.name.clone());
        let (editing, reply_to) = (self.editing.take(), self.reply_to.take());
        if let Some(seq) = editing {
            if !text.trim().is_empty() {
                model.edit(&here, seq, text);
            }
            return Effect::None;
        }
        self.scroll = Scroll::Follow;
        if model.here().is_some_and(|here| here.window.is_detached) {
            to_newest(self, model);
        }
        let typed = command::parse(&text);
        if let (command::Typed::Say(text), Some(_)) = (&typed, reply_to) {
            model.say(
                &here,
                text.clone(),
                false,
                reply_to,
                hand.ids.next_id(),
                hand.now_ms,
            );
            return Effect::None;
        }
        match model.want(typed, hand.ids.next_id(), &hand.time, hand.now_ms) {
            Further::Nothing => Effect::None,
            Further::Exit => Effect::Quit,
            Further::Older(_) => {
                model.load_older(&here);
                self.scroll_by(isize::MIN + 1);
                Effect::None
            }
        }
    }

    pub(super) fn complete(&mut self, model: &Model) {
        let mut logins: Vec<&str> = Vec::new();
        if let Some(here) = model.here() {
            logins.extend(here.members.keys().map(|login| &**login));
        }
        logins.extend(model.presence.keys().map(|login| &**login));
        let names = Names {
            logins,
            rooms: model
                .places
                .values()
                .filter(|place| !place.is_private())
                .map(|place| &*place.name)
                .collect(),
            commands: COMMANDS.iter().map(|known| known.name).collect(),
        };
        if let Some(found) = Completion::find(&self.composer, &names) {
            found.apply(&mut self.composer);
            self.completion = (found.items.len() > 1).then_some(found);
        }
    }

    /// Text was pasted: several lines ask first.
    pub(crate) fn on_paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim_end_matches('\n');
        self.completion = None;
        match &mut self.overlay {
            Overlay::Switch { query, .. } => query.push_str(&text.replace('\n', " ")),
            Overlay::Search {
                query, is_asked, ..
            } => {
                query.push_str(&text.replace('\n', " "));
                *is_asked = false;
            }
            Overlay::None if text.contains('\n') => self.overlay = Overlay::Paste(text.to_owned()),
            Overlay::None => {
                self.selected = None;
                self.composer.insert(text);
            }
            Overlay::Help { .. }
            | Overlay::Paste(_)
            | Overlay::Delete(_)
            | Overlay::React { .. } => {}
        }
    }
}
