//! What can be changed of the chat, and what came of it.

use super::model::{ChatAuthor, ChatMessage, ChatPerson, ChatSanction, RoomNumber, SanctionKind};

/// One modification. Those of a batch are made in their order, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatChange {
    /// A room is created. Outcome: [`ChatOutcome::Room`].
    RoomAdded {
        /// See [`super::ChatRoom::name`].
        name: String,
        /// See [`super::ChatRoom::fold`].
        fold: String,
        /// See [`super::ChatRoom::skeleton`].
        skeleton: String,
        /// See [`super::ChatRoom::owner`].
        owner: Option<String>,
        /// See [`super::ChatRoom::keep`].
        keep: bool,
        /// When.
        created_ms: u64,
    },
    /// Some of a room's settings are other ones; `None` leaves one. Outcome: [`ChatOutcome::Done`].
    RoomSet {
        /// Which.
        room: RoomNumber,
        /// See [`super::ChatRoom::keep`].
        keep: Option<bool>,
        /// See [`super::ChatRoom::topic`].
        topic: Option<String>,
        /// See [`super::ChatRoom::slow_s`].
        slow_s: Option<u32>,
    },
    /// A room's creator is gone for good. Outcome: [`ChatOutcome::Done`].
    RoomOrphaned {
        /// Which.
        room: RoomNumber,
    },
    /// A room goes with all that belongs to it. Outcome: [`ChatOutcome::Done`].
    RoomDeleted {
        /// Which.
        room: RoomNumber,
    },
    /// Somebody is banned or muted; replaces what was there of that kind. Outcome: [`ChatOutcome::Done`].
    SanctionSet {
        /// Where.
        room: RoomNumber,
        /// Whom, and how.
        sanction: ChatSanction,
    },
    /// A ban or mute ends. Outcome: [`ChatOutcome::Done`].
    SanctionEnded {
        /// Where.
        room: RoomNumber,
        /// Whose.
        login: String,
        /// Which.
        kind: SanctionKind,
    },
    /// A message is said in a room. Outcome: [`ChatOutcome::Posted`], or [`ChatRefused::NoRoom`].
    Posted {
        /// Where.
        room: RoomNumber,
        /// What; see [`Draft`].
        draft: Draft,
    },
    /// A private message; the conversation is made if there is none. Outcome: [`ChatOutcome::Posted`], or [`ChatRefused::Blocked`] when
    /// the receiver has blocked the sender.
    PostedTo {
        /// The receiver.
        to: ChatAuthor,
        /// When the sender's account was made.
        from_created_ms: u64,
        /// What.
        draft: Draft,
    },
    /// A message says something else. Outcome: [`ChatOutcome::Message`], or [`ChatRefused::NoMessage`], [`ChatRefused::NotAuthor`],
    /// [`ChatRefused::TooOld`].
    Edited {
        /// Where.
        room: RoomNumber,
        /// Which.
        seq: u64,
        /// Who asks, who has to be its author.
        author: String,
        /// What it says now.
        text: String,
        /// The accounts that it names now.
        mentions: Vec<String>,
        /// When.
        at_ms: u64,
        /// It has to have been sent at this time or later.
        since_ms: u64,
    },
    /// A message is taken back: its text goes, its number stays. Outcome: as [`ChatChange::Edited`].
    Deleted {
        /// Where.
        room: RoomNumber,
        /// Which.
        seq: u64,
        /// Who has to be its author; `None` if whoever asks may delete every message there.
        author: Option<String>,
        /// When.
        at_ms: u64,
        /// It has to have been sent at this time or later.
        since_ms: u64,
    },
    /// An emoji is put under a message or taken away. Outcome: [`ChatOutcome::Message`], or [`ChatRefused::NoMessage`],
    /// [`ChatRefused::TooMany`].
    Reacted {
        /// Where.
        room: RoomNumber,
        /// Which.
        seq: u64,
        /// Whose.
        login: String,
        /// The emoji.
        emoji: String,
        /// Put there, not taken away.
        is_on: bool,
    },
    /// Somebody has read up to a message; a position never goes back. Outcome: [`ChatOutcome::Done`].
    Read {
        /// Where.
        room: RoomNumber,
        /// Who.
        login: String,
        /// The newest message that they have read.
        seq: u64,
    },
    /// Somebody wants nothing to do with a room any more: what they have read there is forgotten. Outcome: [`ChatOutcome::Done`].
    Forgotten {
        /// Where.
        room: RoomNumber,
        /// Who.
        login: String,
    },
    /// What somebody wants to be told of a room. Outcome: [`ChatOutcome::Done`].
    NotifySet {
        /// Where.
        room: RoomNumber,
        /// Who.
        login: String,
        /// See [`super::ChatPosition::notify`].
        notify: String,
    },
    /// Somebody is not to be heard by somebody any more, or again. Outcome: [`ChatOutcome::Done`].
    BlockSet {
        /// Who blocks.
        login: String,
        /// Whom.
        blocked: String,
        /// Blocked, not heard again.
        is_on: bool,
    },
    /// The language that somebody chose. Outcome: [`ChatOutcome::Done`].
    LanguageSet {
        /// Who.
        login: String,
        /// Which.
        language: String,
    },
    /// When somebody was last there. Outcome: [`ChatOutcome::Done`].
    Seen {
        /// Who.
        login: String,
        /// When.
        at_ms: u64,
    },
    /// Somebody comes in: what is kept of them is wanted. What was kept of an older account of the same login is deleted first, its
    /// private conversations included. Outcome: [`ChatOutcome::Person`].
    PersonLoaded(ChatAuthor),
    /// Messages that were sent before a time go, and of every room all but the newest so many. Outcome: [`ChatOutcome::Done`].
    Expired {
        /// Before when; 0 is never.
        before_ms: u64,
        /// How many stay in each room; 0 is no bound.
        per_room_max: u64,
    },
}

/// A message before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who says it.
    pub author: String,
    /// What.
    ///
    /// *Units*: 1 to 8,192 bytes.
    pub text: String,
    /// See [`ChatMessage::is_action`].
    pub is_action: bool,
    /// See [`ChatMessage::sent_id`]: where the same author has used it before, the message of that time is the outcome.
    ///
    /// *Units*: 1 to 64 bytes.
    pub sent_id: Option<String>,
    /// See [`ChatMessage::reply_to`]; refused if there is no such message, not if it was taken back.
    pub reply_to: Option<u64>,
    /// See [`ChatMessage::mentions`]: each of them gets it among what was not read.
    pub mentions: Vec<String>,
    /// When the server took it.
    pub at_ms: u64,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatOutcome {
    /// It was made, and there is nothing to say of it.
    Done,
    /// A room has this number.
    Room(RoomNumber),
    /// A message has its number.
    Posted {
        /// The message, or the one that was sent under the same name before.
        message: Box<ChatMessage>,
        /// It was there already: nothing was stored.
        is_duplicate: bool,
    },
    /// A message is now like this.
    Message(Box<ChatMessage>),
    /// What is kept of somebody.
    Person(Box<ChatPerson>),
    /// It was not made.
    Refused(ChatRefused),
}

/// Why a change was not made; the others of its batch were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatRefused {
    /// There is no such room.
    NoRoom,
    /// There is no such message, or it was deleted.
    NoMessage,
    /// It is somebody else's message.
    NotAuthor,
    /// It was sent too long ago.
    TooOld,
    /// The receiver has blocked the sender.
    Blocked,
    /// There are too many already.
    TooMany,
}
