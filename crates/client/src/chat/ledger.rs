//! What has to outlive a lost connection: how far each place was followed, and what was said but not yet acknowledged.
//!
//! Messages come out of it in the order of their numbers and once, whatever came twice or late. What was missed comes by `join` with
//! `after` in rooms, and by paging the history where `join` does not reach: in private conversations, and beyond what it brings.
//!
//! Start reading at [`Ledger::on_hello`] and [`Ledger::take`].

use std::collections::{BTreeMap, VecDeque};

use super::limits::{HELD_MAX, PAGE, UNACKNOWLEDGED_MAX};
use super::wire::{Ask, History, Joined, Message, Said, Say};

/// One place whose messages are followed.
#[derive(Debug)]
struct Place {
    name: String,
    /// The newest message that was handed on.
    last: Option<u64>,
    /// Set while older messages are awaited: what came meanwhile.
    held: Option<Vec<Message>>,
}

/// What comes of something that the server said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// To be handed on.
    pub(crate) said: Vec<Said>,
    /// To be asked for; the answer goes to [`Ledger::on_history`].
    pub(crate) ask: Option<Ask>,
}

impl Outcome {
    fn pass(said: Said) -> Self {
        Self {
            said: vec![said],
            ask: None,
        }
    }
}

/// How far everything was followed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    places: BTreeMap<String, Place>,
    unacknowledged: VecDeque<Say>,
    /// Whether every message that was missed is wanted, not only the newest ones.
    keeps_all: bool,
}

impl Ledger {
    /// Begins; `keeps_all` pages what a join leaves out.
    pub(crate) fn new(keeps_all: bool) -> Self {
        Self {
            keeps_all,
            ..Self::default()
        }
    }

    /// Follows a place from behind a message on, from the first join or page; for those that want what was said before.
    pub(crate) fn follow(&mut self, name: &str, after: Option<u64>) {
        let place = Place {
            name: name.to_owned(),
            last: after,
            held: None,
        };
        self.places.insert(key(name), place);
    }

    /// What to ask for on a new connection: where one was, from there on, and what was not acknowledged.
    pub(crate) fn on_hello(&mut self) -> Vec<Ask> {
        let mut asks = Vec::new();
        for place in self.places.values_mut() {
            if place.name.starts_with('@') {
                place.held = Some(Vec::new());
                asks.push(match place.last {
                    Some(last) => page(&place.name, last),
                    None => newest(&place.name),
                });
            } else {
                place.held = (self.keeps_all && place.last.is_some()).then(Vec::new);
                asks.push(Ask::Join {
                    room: place.name.clone(),
                    after: place.last,
                });
            }
        }
        asks.extend(self.unacknowledged.iter().cloned().map(Ask::Say));
        asks
    }

    /// Keeps a message until it is acknowledged; false if there are too many.
    pub(crate) fn say(&mut self, say: &Say) -> bool {
        let has_room = self.unacknowledged.len() < UNACKNOWLEDGED_MAX;
        if has_room {
            self.unacknowledged.push_back(say.clone());
        }
        has_room
    }

    /// A message was stored or refused.
    pub(crate) fn settle(&mut self, sent_id: &str) {
        self.unacknowledged.retain(|say| say.sent_id != sent_id);
    }

    /// A room is not to be joined again.
    pub(crate) fn forget(&mut self, name: &str) {
        self.places.remove(&key(name));
    }

    /// Takes what the server said by itself or in answer to a join.
    pub(crate) fn take(&mut self, said: Said) -> Outcome {
        if let Said::Left { room, .. } = &said {
            self.forget(room);
        }
        if let Said::Message(message) = said {
            self.take_message(message)
        } else if let Said::Joined(joined) = said {
            self.take_joined(joined)
        } else {
            Outcome::pass(said)
        }
    }

    fn take_message(&mut self, message: Message) -> Outcome {
        let place = self
            .places
            .entry(key(&message.room))
            .or_insert_with(|| Place {
                name: message.room.clone(),
                last: None,
                held: None,
            });
        if let Some(held) = &mut place.held
            && held.len() < HELD_MAX
        {
            held.push(message);
            return Outcome::default();
        }
        if place.last.is_some_and(|last| message.seq <= last) {
            return Outcome::default();
        }
        place.last = Some(message.seq);
        Outcome::pass(Said::Message(message))
    }

    fn take_joined(&mut self, joined: Joined) -> Outcome {
        let place = self
            .places
            .entry(key(&joined.room))
            .or_insert_with(|| Place {
                name: joined.room.clone(),
                last: None,
                held: None,
            });
        place.name.clone_from(&joined.room);
        let ask = match (&place.held, place.last) {
            (Some(_), Some(last)) if joined.skipped > 0 => Some(page(&place.name, last)),
            _ => None,
        };
        // A room that is followed from now on: what is its newest message is known already.
        if place.last.is_none() && place.held.is_none() {
            place.last = Some(joined.head);
        }
        let mut said = Vec::new();
        if ask.is_none() {
            said = place.release();
        }
        said.push(Said::Joined(joined));
        Outcome { said, ask }
    }

    /// Takes a page that an [`Outcome`] asked for.
    pub(crate) fn on_history(&mut self, history: History) -> Outcome {
        let Some(place) = self.places.get_mut(&key(&history.room)) else {
            return Outcome::default();
        };
        let mut said = Vec::new();
        if place.last.is_none() {
            // Asked for the newest alone: from here on it is followed.
            let newest = history.messages.iter().map(|message| message.seq).max();
            place.last = Some(newest.unwrap_or(0));
        }
        for mut message in history.messages {
            if place.last.is_none_or(|last| message.seq > last) {
                place.last = Some(message.seq);
                message.room.clone_from(&place.name);
                message.history = true;
                said.push(Said::Message(message));
            }
        }
        let is_further = history.more && !said.is_empty();
        if let (true, Some(last)) = (is_further, place.last) {
            let ask = Some(page(&place.name, last));
            return Outcome { said, ask };
        }
        said.extend(place.release());
        Outcome { said, ask: None }
    }

    /// A page or a join was refused: what was held is handed on, and a room is not joined again.
    pub(crate) fn on_refused(&mut self, name: &str) -> Outcome {
        let said = match self.places.get_mut(&key(name)) {
            Some(place) => place.release(),
            None => Vec::new(),
        };
        self.forget(name);
        Outcome { said, ask: None }
    }
}

impl Place {
    /// What was held, in order and once.
    fn release(&mut self) -> Vec<Said> {
        let mut held = self.held.take().unwrap_or_default();
        held.sort_by_key(|message| message.seq);
        let mut said = Vec::new();
        for message in held {
            if self.last.is_none_or(|last| message.seq > last) {
                self.last = Some(message.seq);
                said.push(Said::Message(message));
            }
        }
        said
    }
}

fn page(name: &str, after: u64) -> Ask {
    Ask::History {
        room: name.to_owned(),
        before: None,
        after: Some(after),
        limit: PAGE,
    }
}

fn newest(name: &str) -> Ask {
    Ask::History {
        room: name.to_owned(),
        before: None,
        after: None,
        limit: 1,
    }
}

/// Rooms are told apart without regard to case, logins are not.
pub(crate) fn key(name: &str) -> String {
    if name.starts_with('@') {
        name.to_owned()
    } else {
        name.to_lowercase()
    }
}

#[cfg(test)]
mod tests;
