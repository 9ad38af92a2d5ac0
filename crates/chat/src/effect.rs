//! What the chat wants done.

use std::sync::Arc;

use directory::chat::{ChatMessage, ChatPage, Cursor, RoomNumber};

use crate::event::Event;
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::session::SessionId;

/// By which its owner knows who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something to be done by the chat's owner.
#[derive(Debug)]
pub enum Effect {
    /// Somebody is answered.
    Answer {
        /// Who.
        ticket: Ticket,
        /// What.
        result: Box<Result<Reply, Refusal>>,
    },
    /// Sessions are told something.
    Tell {
        /// Which.
        sessions: Arc<[SessionId]>,
        /// What.
        event: Arc<Event>,
        /// The room that it happened in, if everybody may know of it.
        room: Option<Arc<str>>,
    },
    /// The history is read; what it said goes to [`crate::Chat::handle_read`].
    Read {
        /// Its number.
        id: u64,
        /// What is read.
        query: Query,
    },
}

/// What is read of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A page.
    Page {
        /// Of which room or conversation.
        room: RoomNumber,
        /// From where.
        cursor: Cursor,
        /// How many messages.
        limit: u32,
    },
    /// Messages that hold words, the newest first.
    Search {
        /// The words.
        words: String,
        /// Where.
        rooms: Vec<RoomNumber>,
        /// Only messages with a lower id.
        before: Option<u64>,
        /// How many.
        limit: u32,
    },
}

/// What the history said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The page.
    Page(ChatPage),
    /// The messages, and whether there are more.
    Found(Vec<ChatMessage>, bool),
    /// It could not be read.
    Unavailable,
}

/// An account as the chat has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its login.
    pub login: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// It may do everything.
    pub is_administrator: bool,
}

/// The accounts of the server.
pub trait Accounts {
    /// Finds one by its login.
    fn find(&self, login: &str) -> Option<AccountFacts>;
    /// The logins of all, in their order.
    fn logins(&self) -> Vec<String>;
}
