//! What a person sees of the chat, without a terminal: places, messages, members, the connection.
//!
//! It is fed with what the server says and with what a person wants, and leaves in [`Model::outbox`] what is to be asked of the server.
//! It has no socket and no clock: the time comes with every call.
//!
//! Start reading at [`Model::on_said`] in `model::news`, then [`Model::on_answer`]; what a person wants is in `model::wants`.

mod answers;
mod news;
mod place;
mod returning;
mod search;
mod wants;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

pub use answers::{Intent, Wanted};
pub use place::{Notice, Outgoing, Place, Window};
pub use wants::Further;

use super::ledger::key;
use super::link::Fault;
use super::wire::{Ask, Hello, Message, Presence, Say};

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// It is there.
    Up,
    /// It is lost, and made again at that moment.
    Waiting {
        /// Why.
        fault: Fault,
        /// When.
        retry_at: Instant,
    },
    /// It is not made again by itself.
    Ended(Fault),
}

/// What is to be said aloud: by the terminal's bell or a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where.
    pub room: String,
    /// Who calls, and where.
    pub title: String,
    /// What they say.
    pub text: String,
}

/// What is found of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What was looked for.
    pub words: String,
    /// Where; everywhere without it.
    pub room: Option<String>,
    /// The newest first.
    pub messages: Vec<Message>,
    /// There are more.
    pub more: bool,
    /// They are on their way.
    pub is_loading: bool,
}

/// What a person sees of the chat.
#[derive(Debug)]
pub struct Model {
    /// As whom one is there.
    pub me: String,
    /// The server's first word.
    pub hello: Hello,
    /// How the connection is.
    pub connection: Connection,
    /// All places, by their names in lower case.
    pub places: BTreeMap<String, Place>,
    /// Where one is.
    pub current: String,
    /// How present people are, as far as it is known.
    pub presence: BTreeMap<String, Presence>,
    /// The result of the last search.
    pub found: Option<Found>,
    /// What is to be asked of the server, and why.
    pub outbox: Vec<(Ask, Intent)>,
    /// What is to be said.
    pub says: Vec<Say>,
    /// What is to be said aloud.
    pub calls: Vec<Call>,
    /// Messages to look at: the view goes there and forgets it.
    pub jump: Option<u64>,
    /// Questions under way, by their numbers.
    pending: HashMap<u64, Intent>,
    /// When the connection was lost, by the server's clock.
    lost_ms: Option<i64>,
    /// What was said before there was a place for it.
    early: VecDeque<Notice>,
    /// The rooms that one comes back to, by their names in lower case.
    returns: BTreeMap<String, String>,
    /// Where one looks at first.
    begins_in: String,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            me: String::new(),
            hello: Hello::default(),
            connection: Connection::Connecting,
            places: BTreeMap::new(),
            current: String::new(),
            presence: BTreeMap::new(),
            found: None,
            outbox: Vec::new(),
            says: Vec::new(),
            calls: Vec::new(),
            jump: None,
            pending: HashMap::new(),
            lost_ms: None,
            early: VecDeque::new(),
            returns: BTreeMap::new(),
            begins_in: String::new(),
        }
    }
}

impl Model {
    /// Where one is.
    #[must_use]
    pub fn here(&self) -> Option<&Place> {
        self.places.get(&self.current)
    }

    /// Where one is.
    pub fn here_mut(&mut self) -> Option<&mut Place> {
        self.places.get_mut(&self.current)
    }

    pub(crate) fn place_mut(&mut self, name: &str) -> &mut Place {
        self.places
            .entry(key(name))
            .or_insert_with(|| Place::new(name))
    }

    /// Puts a notice where one is.
    pub fn notice(&mut self, text: impl Into<String>, now_ms: i64) {
        let notice = Notice::new(text, now_ms);
        match self.here_mut() {
            Some(place) => place.push_notice(notice),
            None => self.early.push_back(notice),
        }
    }

    /// The places in the order of their list: those one is in first, then conversations, then where one was named.
    #[must_use]
    pub fn listed(&self) -> Vec<&Place> {
        let mut places: Vec<_> = self
            .places
            .values()
            .filter(|place| place.is_listed())
            .collect();
        places.sort_by_key(|place| (place.is_private(), !place.is_joined, key(&place.name)));
        places
    }

    /// The next place with something unread: where one was named first, then private ones, then in the order of the list.
    #[must_use]
    pub fn next_unread(&self) -> Option<String> {
        let others = self.listed();
        let mut unread: Vec<_> = others
            .iter()
            .enumerate()
            .filter(|(_, place)| place.unread() > 0 && key(&place.name) != self.current)
            .collect();
        let at = others
            .iter()
            .position(|place| key(&place.name) == self.current);
        let count = others.len();
        unread.sort_by_key(|(index, place)| {
            let distance = (index + count - at.unwrap_or(0)) % count.max(1);
            (place.mentions == 0, !place.is_private(), distance)
        });
        unread.first().map(|(_, place)| place.name.clone())
    }

    /// The connection is there.
    pub fn on_up(&mut self, hello: Hello, now_ms: i64) {
        self.me.clone_from(&hello.login);
        self.hello = hello;
        self.connection = Connection::Up;
        let was_away = self.lost_ms.take();
        if let Some(lost_ms) = was_away {
            let seconds = (now_ms - lost_ms).max(0) / 1000;
            self.notice(
                format!("back after {seconds} s without a connection"),
                now_ms,
            );
        }
        self.go_back(now_ms);
        self.outbox.push((Ask::Rooms, Intent::Refresh));
        self.outbox.push((Ask::Conversations, Intent::Refresh));
        self.outbox.push((Ask::Users, Intent::Refresh));
        for place in self.places.values_mut() {
            place.window.is_loading = false;
            // Private conversations that are open: the link follows only those in which something came.
            if let (true, Some(newest)) = (place.is_private(), place.window.newest()) {
                let ask = Ask::History {
                    room: place.name.clone(),
                    before: None,
                    after: Some(newest),
                    limit: super::limits::PAGE,
                };
                let intent = Intent::Newer(place.name.clone());
                self.outbox.push((ask, intent));
            } else if place.is_joined {
                place.resumed_after = place.window.newest();
                place.is_members_known = false;
            }
        }
        self.look_at_members();
    }

    /// The connection is not there.
    pub fn on_down(&mut self, connection: Connection, now_ms: i64) {
        if self.connection == Connection::Up {
            self.lost_ms = Some(now_ms);
        }
        self.connection = connection;
        for place in self.places.values_mut() {
            place.typing.clear();
            place.window.is_loading = false;
        }
    }

    /// A question was put to the server under a number, or could not be.
    pub fn on_asked(&mut self, number: Option<u64>, intent: Intent, now_ms: i64) {
        match number {
            Some(number) => {
                self.pending.insert(number, intent);
            }
            None => self.on_unasked_intent(&intent, now_ms),
        }
    }

    /// The question of that number gets no answer.
    pub fn on_unasked(&mut self, number: u64, now_ms: i64) {
        if let Some(intent) = self.pending.remove(&number) {
            self.on_unasked_intent(&intent, now_ms);
        }
    }

    fn on_unasked_intent(&mut self, intent: &Intent, now_ms: i64) {
        if let Intent::Older(room) | Intent::Newer(room) | Intent::Around(room, _) = intent {
            self.place_mut(room).window.is_loading = false;
        }
        self.on_unfound(intent);
        // A room to come back to is asked for again.
        if intent.is_wanted() && !matches!(intent, Intent::Return(_)) {
            self.notice("not done: there is no connection", now_ms);
        }
    }

    /// Forgets who wrote too long ago; tells whether anything changed, and when it does next.
    pub fn on_time(&mut self, now: Instant) -> (bool, Option<Instant>) {
        let mut has_changed = false;
        let mut next = None;
        for place in self.places.values_mut() {
            let before = place.typing.len();
            place.typing.retain(|(_, until)| *until > now);
            has_changed |= place.typing.len() != before;
            next = place
                .typing
                .iter()
                .map(|(_, until)| *until)
                .chain(next)
                .min();
        }
        (has_changed, next)
    }
}

#[cfg(test)]
pub(crate) mod tests;
