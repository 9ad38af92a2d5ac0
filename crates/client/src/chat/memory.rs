//! What is remembered between two runs: for each account at each server, the rooms that it was in and the place that was looked at.
//!
//! The server forgets who was in a room when the last connection ends; whoever comes back wants to be where they were. Here is the text and
//! what becomes of it; where it is kept is another's business, a [`Shelf`].
//!
//! Start reading at [`Book::open`], then [`Book::keep`].

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ledger::key;
use super::limits::{ACCOUNTS_REMEMBERED_MAX, ROOMS_REMEMBERED_MAX};

/// Between two writes: whoever walks through the rooms writes once.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps a text between runs.
pub trait Shelf: std::fmt::Debug {
    /// The text; none if nothing was kept so far.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self) -> io::Result<Option<String>>;

    /// Writes what is made of the text that is there, whole or not at all, with nobody else writing in between. What cannot be read
    /// counts as not there.
    ///
    /// # Errors
    /// It cannot be written.
    fn change(&self, change: &mut dyn FnMut(Option<String>) -> String) -> io::Result<()>;
}

/// Where somebody was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// The room or `@login` that was looked at.
    #[serde(default)]
    pub(crate) here: String,
    /// The rooms that one was in, but for the default room.
    #[serde(default)]
    pub(crate) rooms: Vec<String>,
}

/// Where one account was at one server.
#[derive(Debug, Serialize, Deserialize)]
struct Account {
    server: String,
    login: String,
    #[serde(flatten)]
    remembered: Remembered,
}

/// The whole text: the account that was there last comes first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Text {
    accounts: Vec<Account>,
}

impl Text {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    fn take(&mut self, server: &str, login: &str) -> Remembered {
        let is_it = |one: &Account| one.server == server && one.login == login;
        let index = self.accounts.iter().position(is_it);
        index.map_or_else(Remembered::default, |index| {
            self.accounts.remove(index).remembered
        })
    }

    fn put(&mut self, server: &str, login: &str, mut remembered: Remembered) {
        remembered.rooms.truncate(ROOMS_REMEMBERED_MAX);
        let account = Account {
            server: server.to_owned(),
            login: login.to_owned(),
            remembered,
        };
        self.accounts.insert(0, account);
        self.accounts.truncate(ACCOUNTS_REMEMBERED_MAX);
    }
}

/// What is remembered of the account that is there.
#[derive(Debug)]
pub(crate) struct Book {
    shelf: Option<Box<dyn Shelf>>,
    server: String,
    /// Who is there; nobody before the first connection.
    login: Option<String>,
    /// As it was written last.
    written: Remembered,
    written_at: Option<Instant>,
    has_complained: bool,
}

impl Book {
    /// Begins; without a shelf nothing is remembered.
    pub(crate) fn new(shelf: Option<Box<dyn Shelf>>, server: &str) -> Self {
        Self {
            shelf,
            server: server.trim_end_matches('/').to_owned(),
            login: None,
            written: Remembered::default(),
            written_at: None,
            has_complained: false,
        }
    }

    /// Looks up where somebody was, the first time that they are known to be there; says what is wrong if it cannot be read.
    pub(crate) fn open(&mut self, login: &str) -> Option<(Remembered, Option<String>)> {
        let shelf = self.shelf.as_ref()?;
        if self.login.is_some() {
            return None;
        }
        self.login = Some(login.to_owned());
        let read = match shelf.read() {
            Ok(None) => Ok(Text::default()),
            Ok(Some(text)) => Text::parse(&text).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let (mut text, complaint) = match read {
            Ok(text) => (text, None),
            Err(why) => {
                let complaint = format!("the rooms of last time cannot be read: {why}");
                (Text::default(), Some(complaint))
            }
        };
        let mut remembered = text.take(&self.server, login);
        remembered.rooms.truncate(ROOMS_REMEMBERED_MAX);
        self.written = remembered.clone();
        Some((remembered, complaint))
    }

    /// Writes where one is, if that is another place and the last time is a while ago or it is the last time; says once what is wrong.
    pub(crate) fn keep(&mut self, now: &Remembered, is_last: bool) -> Option<String> {
        let (Some(shelf), Some(login)) = (&self.shelf, &self.login) else {
            return None;
        };
        let is_early = self.written_at.is_some_and(|at| at.elapsed() < EVERY);
        if *now == self.written || (is_early && !is_last) {
            return None;
        }
        let before = std::mem::replace(&mut self.written, now.clone());
        self.written_at = Some(Instant::now());
        let (server, written) = (&self.server, &self.written);
        let done = shelf.change(&mut |text| {
            let mut text = text
                .and_then(|text| Text::parse(&text).ok())
                .unwrap_or_default();
            let known = text.take(server, login);
            text.put(server, login, merge(known, &before, written));
            serde_json::to_string_pretty(&text).unwrap_or_default()
        });
        let error = done.err()?;
        let is_news = !std::mem::replace(&mut self.has_complained, true);
        is_news.then(|| format!("the rooms where you are cannot be remembered: {error}"))
    }
}

/// Adds what came and takes away what went since `before`: another terminal of the same account has rooms of its own.
fn merge(known: Remembered, before: &Remembered, now: &Remembered) -> Remembered {
    let has = |rooms: &[String], name: &str| rooms.iter().any(|room| key(room) == key(name));
    let mut rooms = known.rooms;
    rooms.retain(|room| has(&now.rooms, room) || !has(&before.rooms, room));
    for room in &now.rooms {
        if !has(&rooms, room) {
            rooms.push(room.clone());
        }
    }
    Remembered {
        here: now.here.clone(),
        rooms,
    }
}

#[cfg(test)]
mod tests;
