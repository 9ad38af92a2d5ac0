//! Who the members are and where they belong: the same for all protocols.

use std::cell::Cell;
use std::ops::Range;

use super::options::{ChatOptions, ChatProtocol, ChatWork};
use super::speech::Speech;

/// Where everybody arrives on a Chaski server whose configuration says nothing else.
pub(super) const DEFAULT_ROOM: &str = "lobby";

/// What all members of a run know.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) protocol: ChatProtocol,
    /// The server's name, as WebSocket and XMPP want to hear it.
    pub(super) host: String,
    pub(super) password: String,
    pub(super) speech: Speech,
    /// One for each account; empty where members show the password.
    pub(super) tokens: Vec<String>,
    /// The rooms are there: nobody needs to make them.
    pub(super) has_rooms: Cell<bool>,
    /// Members enter their room, beyond logging in.
    pub(super) enters: bool,
    /// Tells this run's names from those that an earlier one left.
    pub(super) run: u32,
    prefix: String,
    accounts: usize,
    members: usize,
    rooms: usize,
}

impl Script {
    /// Reads the options; `tokens` are the accounts' sessions.
    pub(super) fn new(options: &ChatOptions, tokens: Vec<String>) -> Self {
        let run = std::process::id();
        let host = match options.protocol {
            // A room's address is made of the name that the server goes by, not of where it listens.
            ChatProtocol::Xmpp => "localhost".to_owned(),
            ChatProtocol::Line | ChatProtocol::WebSocket | ChatProtocol::Irc => {
                options.address.clone()
            }
        };
        Self {
            protocol: options.protocol,
            host,
            password: options.password.clone(),
            speech: Speech::new(run, options.size),
            tokens,
            has_rooms: Cell::new(false),
            enters: !matches!(options.work, ChatWork::Idle),
            run,
            prefix: options.accounts_prefix.clone(),
            accounts: options.accounts,
            members: options.members,
            rooms: options.rooms,
        }
    }

    /// The login of a member's account.
    pub(super) fn login(&self, member: usize) -> String {
        format!("{}{}", self.prefix, member % self.accounts)
    }

    /// A name that no other member has.
    pub(super) fn nick(&self, member: usize) -> String {
        format!("{}{member}", self.prefix)
    }

    /// The token of a member's account.
    pub(super) fn token(&self, member: usize) -> Option<&str> {
        self.tokens.get(member % self.accounts).map(String::as_str)
    }

    /// The room's number.
    pub(super) fn room_of(&self, member: usize) -> usize {
        member / self.members_each()
    }

    /// The members of a room.
    pub(super) fn members_of(&self, room: usize) -> Range<usize> {
        room * self.members_each()..(room + 1) * self.members_each()
    }

    /// The name of a member's room; none if it is the one where everybody arrives.
    pub(super) fn room_name(&self, member: usize) -> Option<String> {
        let is_ours = match self.protocol {
            ChatProtocol::Line | ChatProtocol::WebSocket => true,
            ChatProtocol::Irc | ChatProtocol::Xmpp => false,
        };
        let is_default = is_ours && self.rooms == 1;
        (!is_default).then(|| format!("bench{:x}-{}", self.run, self.room_of(member)))
    }

    /// Whether a member is the first of its room, who makes it.
    pub(super) fn makes_room(&self, member: usize) -> bool {
        !self.has_rooms.get() && member.is_multiple_of(self.members_each())
    }

    fn members_each(&self) -> usize {
        self.members / self.rooms
    }
}
