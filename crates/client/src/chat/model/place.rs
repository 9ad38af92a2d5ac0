//! One room or private conversation: what is known of it, and the messages that are shown.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::chat::limits::{NOTICES_MAX, WINDOW_MAX};
use crate::chat::wire::{Conversation, Joined, Message, Presence, PresenceChange, Room, Say, User};

/// A line of the client's own, between messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// It stands behind this message.
    pub after: u64,
    /// When.
    pub at_ms: i64,
    /// What.
    pub text: String,
}

impl Notice {
    pub(crate) fn new(text: impl Into<String>, at_ms: i64) -> Self {
        Self {
            after: 0,
            at_ms,
            text: text.into(),
        }
    }
}

/// A message that was said and is not known to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What was said.
    pub say: Say,
    /// When.
    pub at_ms: i64,
    /// Why it was refused, if it was.
    pub refused: Option<String>,
}

/// The messages of a place that are at hand: a piece of its history without a hole.
#[derive(Debug, Default)]
pub struct Window {
    /// By their numbers.
    pub messages: BTreeMap<u64, Message>,
    /// There is nothing before the first.
    pub is_at_start: bool,
    /// The newest messages are not at hand.
    pub is_detached: bool,
    /// A page is on its way.
    pub is_loading: bool,
}

impl Window {
    /// The newest message at hand.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.messages.last_key_value().map(|(seq, _)| *seq)
    }

    /// The oldest message at hand.
    #[must_use]
    pub fn oldest(&self) -> Option<u64> {
        self.messages.first_key_value().map(|(seq, _)| *seq)
    }

    /// Adds what was just said.
    pub(crate) fn push_new(&mut self, message: Message) {
        if self.is_detached && !self.messages.contains_key(&message.seq) {
            return;
        }
        self.messages.insert(message.seq, message);
        while self.messages.len() > WINDOW_MAX {
            self.messages.pop_first();
            self.is_at_start = false;
        }
    }

    /// A message is another one.
    pub(crate) fn change(&mut self, message: Message) {
        if let Some(known) = self.messages.get_mut(&message.seq) {
            *known = message;
        }
    }

    /// Adds older messages; what does not fit goes at the other end.
    pub(crate) fn prepend(&mut self, messages: Vec<Message>, more: bool) {
        self.is_loading = false;
        self.is_at_start = !more;
        for message in messages {
            self.messages.entry(message.seq).or_insert(message);
        }
        while self.messages.len() > WINDOW_MAX {
            self.messages.pop_last();
            self.is_detached = true;
        }
    }

    /// Adds newer messages.
    pub(crate) fn append(&mut self, messages: Vec<Message>, more: bool) {
        self.is_loading = false;
        self.is_detached = more;
        for message in messages {
            self.messages.insert(message.seq, message);
        }
        while self.messages.len() > WINDOW_MAX {
            self.messages.pop_first();
            self.is_at_start = false;
        }
    }

    /// Holds another piece.
    pub(crate) fn replace(&mut self, messages: Vec<Message>, is_at_start: bool, head: u64) {
        *self = Self {
            messages: messages.into_iter().map(|one| (one.seq, one)).collect(),
            is_at_start,
            ..Self::default()
        };
        self.is_detached = self.newest().unwrap_or(0) < head;
    }

    /// Forgets what is before a hole.
    pub(crate) fn forget_until(&mut self, seq: u64) {
        self.messages = self.messages.split_off(&(seq + 1));
        self.is_at_start = false;
    }
}

/// One room or private conversation.
#[derive(Debug, Default)]
pub struct Place {
    /// Its name, or `@login`.
    pub name: String,
    /// The topic line.
    pub topic: String,
    /// Who made it.
    pub owner: Option<String>,
    /// It stays when its creator goes.
    pub keep: bool,
    /// Seconds between two messages of one account.
    pub slow_s: u64,
    /// How many are in it.
    pub members_count: u64,
    /// One is in it.
    pub is_joined: bool,
    /// It was deleted.
    pub is_gone: bool,
    /// It is shown in the list though one is not in it: a conversation that was opened.
    pub is_open: bool,
    /// Its newest message.
    pub head: u64,
    /// The newest message that the account has read.
    pub read: u64,
    /// Unread messages that name the account.
    pub mentions: u64,
    /// When something was last said.
    pub last_ms: i64,
    /// The messages at hand.
    pub window: Window,
    /// Who is in it.
    pub members: BTreeMap<String, Presence>,
    /// The list of members was asked for.
    pub is_members_known: bool,
    /// Who writes, and until when that holds.
    pub typing: Vec<(String, Instant)>,
    /// Lines of the client's own.
    pub notices: VecDeque<Notice>,
    /// What was said and is not stored.
    pub outgoing: VecDeque<Outgoing>,
    /// Messages behind this one are shown as new.
    pub new_after: Option<u64>,
    /// The newest message at hand when the connection came back.
    pub(crate) resumed_after: Option<u64>,
    /// The newest message that the server was told to be read.
    pub(crate) told_read: u64,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Whether it is a private conversation.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.name.starts_with('@')
    }

    /// Messages that the account has not read.
    #[must_use]
    pub const fn unread(&self) -> u64 {
        self.head.saturating_sub(self.read)
    }

    /// Whether it stands in the list of places.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.is_joined || self.is_open || (self.is_private() && self.head > 0) || self.mentions > 0
    }

    pub(crate) fn push_notice(&mut self, mut notice: Notice) {
        notice.after = self.window.newest().unwrap_or(self.head);
        self.notices.push_back(notice);
        if self.notices.len() > NOTICES_MAX {
            self.notices.pop_front();
        }
    }

    /// A message is stored: it is shown as any other.
    pub(crate) fn on_sent(&mut self, sent_id: &str, seq: u64, at_ms: i64, me: &str) {
        let index = self
            .outgoing
            .iter()
            .position(|one| one.say.sent_id == sent_id);
        self.head = self.head.max(seq);
        self.read = self.read.max(seq);
        let Some(outgoing) = index.and_then(|index| self.outgoing.remove(index)) else {
            return;
        };
        // The message itself may have come already, and knows more.
        if !self.window.messages.contains_key(&seq) {
            self.window.push_new(Message {
                room: self.name.clone(),
                seq,
                from: me.to_owned(),
                text: outgoing.say.text,
                action: outgoing.say.action,
                reply_to: outgoing.say.reply_to,
                at_ms,
                ..Message::default()
            });
        }
    }

    /// The message of that id is there.
    pub(crate) fn settle(&mut self, sent_id: Option<&str>) {
        if let Some(sent_id) = sent_id {
            self.outgoing.retain(|one| one.say.sent_id != sent_id);
        }
    }

    pub(crate) fn on_joined(&mut self, joined: Joined) {
        self.name = joined.room;
        self.is_joined = true;
        self.is_gone = false;
        self.head = self.head.max(joined.head);
        self.read = joined.read;
        self.topic = joined.topic;
        self.owner = joined.owner;
        self.keep = joined.keep;
        self.members_count = joined.members;
        self.is_members_known = false;
        if self.unread() > 0 && self.new_after.is_none() {
            self.new_after = Some(self.read);
        }
    }

    pub(crate) fn on_room(&mut self, room: Room) {
        self.name = room.room;
        self.topic = room.topic;
        self.owner = room.owner;
        self.keep = room.keep;
        self.slow_s = room.slow_s;
        self.members_count = room.members;
        self.head = self.head.max(room.head);
        // A room that was never read counts as it is told.
        self.read = room
            .read
            .unwrap_or_else(|| self.head.saturating_sub(room.unread));
        self.mentions = room.mentions;
        self.is_gone = false;
    }

    pub(crate) fn on_conversation(&mut self, conversation: &Conversation) {
        self.head = self.head.max(conversation.head);
        self.read = self.read.max(conversation.read);
    }

    pub(crate) fn on_members(&mut self, members: Vec<User>) {
        self.members_count = members.len() as u64;
        self.members = members
            .into_iter()
            .map(|user| (user.login, user.presence))
            .collect();
    }

    pub(crate) fn on_presence(&mut self, change: &PresenceChange, me: &str, now_ms: i64) {
        self.members_count = change.members;
        for login in &change.joined {
            self.members.insert(login.clone(), Presence::Online);
        }
        for login in &change.left {
            self.members.remove(login);
        }
        for user in &change.changed {
            if let Some(presence) = self.members.get_mut(&user.login) {
                *presence = user.presence;
            }
        }
        let others = |logins: &[String], count: u64, what: &str| {
            let named: Vec<_> = logins
                .iter()
                .filter(|login| *login != me)
                .cloned()
                .collect();
            let unnamed = count.saturating_sub(logins.len() as u64);
            match (named.is_empty(), unnamed) {
                (true, _) => None,
                (false, 0) => Some(format!("{} {what}", named.join(", "))),
                (false, _) => Some(format!("{} and {unnamed} others {what}", named.join(", "))),
            }
        };
        let came = others(&change.joined, change.joined_count, "came");
        let went = others(&change.left, change.left_count, "went");
        for text in [came, went].into_iter().flatten() {
            self.push_notice(Notice::new(text, now_ms));
        }
    }
}
