//! What happens in the chat, as each connection is told of it: written once for all who see the same.

use std::sync::Arc;

use chat::{Chat, Event, Language, Refusal, Reply};
use codec::line::Shown as Mode;
use session::line::{LoggedIn, Rendering, render_message};

use super::acting::{ANSWERED, FIRST_OF_MACHINE, SAID};
use super::connection::put_line;
use super::table::Table;
use crate::chat::json;
use crate::chat::{Caller, Lines};

/// What the event that is being told looks like, written once for all that see the same.
#[derive(Default)]
pub(super) struct Rendered {
    number: u64,
    text: [Option<Vec<u8>>; 2],
    json: [Option<String>; 2],
}

impl Rendered {
    fn begin(&mut self, number: u64) {
        if self.number != number {
            *self = Self {
                number,
                ..Self::default()
            };
        }
    }

    fn text(&mut self, message: &chat::MessageView, rendering: Rendering) -> &[u8] {
        let [english, spanish] = &mut self.text;
        let slot = match rendering.language {
            Language::English => english,
            Language::Spanish => spanish,
        };
        slot.get_or_insert_with(|| {
            let mut line = Vec::new();
            render_message(message, rendering, &mut line);
            line
        })
    }

    fn json(&mut self, event: &Event, language: Language) -> &str {
        let [english, spanish] = &mut self.json;
        let slot = match language {
            Language::English => english,
            Language::Spanish => spanish,
        };
        slot.get_or_insert_with(|| json::event(event, language))
    }
}

impl Lines for Table {
    fn tell(&mut self, caller: Caller, event: &Arc<Event>, number: u64, chat: &Chat) {
        let time_ms = self.now_ms;
        let rendered = &mut self.rendered;
        let slot = self.slots.get_mut(caller.index as usize);
        let Some(connection) = slot.and_then(Option::as_deref_mut) else {
            return;
        };
        if connection.generation != caller.generation || connection.is_ending() {
            return;
        }
        if let Some(joined) = connection.joined.as_mut().filter(|one| !one.has_arrived) {
            joined.has_arrived = true;
            connection.session.logged_in(Ok(LoggedIn {
                login: joined.actor.login.clone(),
                language: chat.language(joined.session),
                time_ms,
                unread_private: 0,
            }));
        }
        let session = &mut connection.session;
        match (session.mode(), &**event) {
            (Mode::Json, event) => {
                // It shows nothing of it, but has to know where it is.
                session.handle_event(event);
                let machine = connection.machine.as_ref();
                if let (Event::Entered(entered), Some(machine)) = (event, machine)
                    && machine.is_entering(entered)
                {
                    return;
                }
                rendered.begin(number);
                let line = rendered.json(event, session.language());
                session.output().extend_from_slice(line.as_bytes());
                session.output().push(b'\n');
            }
            (
                Mode::Text,
                Event::Message {
                    place,
                    message,
                    is_history: false,
                },
            ) if !place.starts_with('@') => {
                if session.wants(message) {
                    rendered.begin(number);
                    let line = rendered.text(message, session.rendering());
                    session.output().extend_from_slice(line);
                }
            }
            (Mode::Text, event) => session.handle_event(event),
        }
        self.dirty(caller.index);
        if matches!(**event, Event::Entered(_)) {
            // What it said meanwhile could not be taken.
            self.queue(caller.index);
        }
    }

    fn answer(&mut self, caller: Caller, number: u64, result: &Result<Reply, Refusal>) {
        let Some(connection) = self.find(caller) else {
            return;
        };
        connection.pending = connection.pending.saturating_sub(1);
        let language = connection.session.language();
        match (&mut connection.machine, number) {
            (_, SAID) => connection.session.said(result.as_ref()),
            (_, ANSWERED) => connection.session.answered(result.as_ref()),
            (Some(machine), number) => {
                let line = machine.answer(number - FIRST_OF_MACHINE, result, language);
                put_line(&mut connection.session, &line);
            }
            (None, _) => {}
        }
        self.dirty(caller.index);
        self.queue(caller.index);
    }
}
