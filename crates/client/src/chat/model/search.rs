//! What is looked for, page by page.

use super::{Found, Intent, Model, Wanted};
use crate::chat::limits::{FOUND_MAX, FOUND_PAGE};
use crate::chat::wire::{Ask, Message};

impl Model {
    /// Looks for words: in a room, or everywhere.
    pub fn search(&mut self, words: String, room: Option<String>) {
        self.look(Wanted {
            words,
            room,
            before: None,
        });
    }

    /// Asks for the page behind what is found, if there is one.
    pub fn search_on(&mut self) {
        let Some(found) = &mut self.found else { return };
        let last = found.messages.last().map(|message| message.id);
        let has_room = found.messages.len() < FOUND_MAX;
        if let (Some(before), true, true, false) = (last, found.more, has_room, found.is_loading) {
            found.is_loading = true;
            let wanted = Wanted {
                words: found.words.clone(),
                room: found.room.clone(),
                before: Some(before),
            };
            self.look(wanted);
        }
    }

    fn look(&mut self, wanted: Wanted) {
        let ask = Ask::Search {
            words: wanted.words.clone(),
            room: wanted.room.clone(),
            before: wanted.before,
            limit: FOUND_PAGE,
        };
        self.outbox.push((ask, Intent::Search(wanted)));
    }

    /// A page has come: the first one of a search, or the next one of what is shown.
    pub(super) fn on_found(&mut self, wanted: Wanted, messages: Vec<Message>, more: bool) {
        if wanted.before.is_none() {
            self.found = Some(Found {
                words: wanted.words,
                room: wanted.room,
                messages,
                more,
                is_loading: false,
            });
        } else if let Some(found) = self.awaited(&wanted) {
            found.messages.extend(messages);
            found.messages.truncate(FOUND_MAX);
            found.more = more;
            found.is_loading = false;
        }
    }

    /// A page does not come: it can be asked for again.
    pub(super) fn on_unfound(&mut self, intent: &Intent) {
        if let Intent::Search(wanted) = intent
            && let Some(found) = self.awaited(wanted)
        {
            found.is_loading = false;
        }
    }

    /// What a page belongs to, unless something else has been looked for meanwhile.
    fn awaited(&mut self, wanted: &Wanted) -> Option<&mut Found> {
        self.found.as_mut().filter(|found| {
            let last = found.messages.last().map(|message| message.id);
            found.words == wanted.words && found.room == wanted.room && last == wanted.before
        })
    }
}
