//! The forms of messages, rooms, conversations and people, which sockets and REST share.

use chat::{
    ChatSanction, ConversationView, Found, History, Member, MessageView, Presence, RoomView,
    UserView,
};
use serde::Serialize;
use utoipa::ToSchema;

/// How present somebody is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatPresence)]
pub(crate) enum PresenceWord {
    /// There, and doing something.
    Online,
    /// There, but silent for a while.
    Idle,
    /// Said that they are away.
    Away,
    /// Not there.
    Offline,
}

/// An emoji under a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatReaction)]
pub(crate) struct ReactionForm<'a> {
    /// The emoji.
    emoji: &'a str,
    /// Who put it there.
    logins: &'a [String],
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatMessage)]
pub(crate) struct MessageForm<'a> {
    /// Where it was said: a room's name, or `@` and a login. Absent in a list that says so itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    /// Its number among all messages of the server.
    id: u64,
    /// Its number where it was said, from 1 on.
    seq: u64,
    /// Who said it.
    from: &'a str,
    /// What; empty once it is deleted.
    text: &'a str,
    /// When the server took it, in milliseconds since 1970.
    at_ms: u64,
    /// It says what its author does.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    action: bool,
    /// The sender's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_id: Option<&'a str>,
    /// The message of the same place that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<u64>,
    /// The accounts that it names.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    mentions: &'a [String],
    /// When it was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_ms: Option<u64>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_ms: Option<u64>,
    /// The emojis under it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    reactions: Vec<ReactionForm<'a>>,
    /// It was said before the reader listened.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    history: bool,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatRoom)]
pub(crate) struct RoomForm<'a> {
    /// Its name.
    room: &'a str,
    /// The topic line.
    topic: &'a str,
    /// Who created it; absent for the default room.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    /// It stays when its creator goes.
    keep: bool,
    /// It is the default room.
    default: bool,
    /// Seconds between two messages of one account; 0 is no bound.
    slow_s: u32,
    /// How many accounts are in it.
    members: usize,
    /// The number of its newest message.
    head: u64,
    /// The newest message that you have read; absent if you were never there.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    /// Messages that you have not read.
    unread: u64,
    /// Those of them that name you.
    mentions: u64,
    /// What you want to be told of: `all`, `mentions` or `nothing`.
    notify: &'a str,
    /// When it was created, in milliseconds since 1970.
    created_ms: u64,
}

/// A private conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatConversation)]
pub(crate) struct ConversationForm<'a> {
    /// `@` and the other's login.
    room: String,
    /// How present the other is.
    presence: PresenceWord,
    /// The number of the newest message.
    head: u64,
    /// The newest message that you have read.
    read: u64,
    /// Messages that you have not read.
    unread: u64,
    /// What you want to be told of: `all`, `mentions` or `nothing`.
    notify: &'a str,
    /// When the newest was sent, in milliseconds since 1970.
    last_ms: u64,
}

/// Somebody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatUser)]
pub(crate) struct UserForm<'a> {
    /// Their login.
    login: &'a str,
    /// How present they are.
    presence: PresenceWord,
    /// What they say beside that.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    note: &'a str,
    /// Since when it is so, in milliseconds since 1970; absent if they were never there.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    /// The rooms that they are in.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    rooms: &'a [String],
}

/// Somebody in a room.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatMember)]
pub(crate) struct MemberForm<'a> {
    /// Their login.
    login: &'a str,
    /// How present they are.
    presence: PresenceWord,
}

/// Somebody who is kept out of a room, or kept from talking in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatSanctioned)]
pub(crate) struct SanctionForm<'a> {
    /// Their login.
    login: &'a str,
    /// Who said so.
    by: &'a str,
    /// Until when, in milliseconds since 1970; absent is for good.
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    reason: &'a str,
}

/// A page of what was said somewhere.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatHistory)]
pub(crate) struct HistoryForm<'a> {
    /// Where: a room's name, or `@` and a login.
    room: &'a str,
    /// The messages, oldest first.
    messages: Vec<MessageForm<'a>>,
    /// There are more in the direction in which was read.
    more: bool,
    /// The number of the newest message.
    head: u64,
}

/// Messages that were searched for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatFound)]
pub(crate) struct FoundForm<'a> {
    /// The messages with where they were said, the newest first.
    messages: Vec<MessageForm<'a>>,
    /// There are more: ask with the last one's `id` as `before`.
    more: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl PresenceWord {
    pub(super) const fn of(presence: Presence) -> Self {
        match presence {
            Presence::Online => Self::Online,
            Presence::Idle => Self::Idle,
            Presence::Away => Self::Away,
            Presence::Offline => Self::Offline,
        }
    }
}

impl<'a> MessageForm<'a> {
    /// A message; with where it was said, if what is around it does not say that.
    pub(crate) fn of(room: Option<&'a str>, message: &'a MessageView) -> Self {
        let reactions = message.reactions.iter();
        Self {
            room,
            id: message.id,
            seq: message.seq,
            from: &message.from,
            text: &message.text,
            at_ms: message.at_ms,
            action: message.is_action,
            sent_id: message.sent_id.as_deref(),
            reply_to: message.reply_to,
            mentions: &message.mentions,
            edited_ms: message.edited_ms,
            deleted_ms: message.deleted_ms,
            reactions: reactions
                .map(|(emoji, logins)| ReactionForm { emoji, logins })
                .collect(),
            history: false,
        }
    }

    pub(super) fn said_before(self, history: bool) -> Self {
        Self { history, ..self }
    }
}

impl<'a> RoomForm<'a> {
    pub(crate) fn of(view: &'a RoomView) -> Self {
        Self {
            room: &view.name,
            topic: &view.topic,
            owner: view.owner.as_deref(),
            keep: view.keep,
            default: view.is_default,
            slow_s: view.slow_s,
            members: view.members,
            head: view.head,
            read: view.read,
            unread: view.unread,
            mentions: view.mentions,
            notify: &view.notify,
            created_ms: view.created_ms,
        }
    }
}

impl<'a> ConversationForm<'a> {
    pub(crate) fn of(view: &'a ConversationView) -> Self {
        Self {
            room: format!("@{}", view.with),
            presence: PresenceWord::of(view.presence),
            head: view.head,
            read: view.read,
            unread: view.unread,
            notify: &view.notify,
            last_ms: view.last_ms,
        }
    }
}

impl<'a> UserForm<'a> {
    pub(crate) fn of(view: &'a UserView) -> Self {
        Self {
            login: &view.login,
            presence: PresenceWord::of(view.presence),
            note: &view.note,
            since_ms: view.since_ms,
            rooms: &view.rooms,
        }
    }
}

impl<'a> MemberForm<'a> {
    pub(crate) fn of(member: &'a Member) -> Self {
        Self {
            login: &member.login,
            presence: PresenceWord::of(member.presence),
        }
    }
}

impl<'a> SanctionForm<'a> {
    pub(crate) fn of(sanction: &'a ChatSanction) -> Self {
        Self {
            login: &sanction.login,
            by: &sanction.by,
            until_ms: sanction.until_ms,
            reason: &sanction.reason,
        }
    }
}

impl<'a> HistoryForm<'a> {
    pub(crate) fn of(history: &'a History) -> Self {
        let messages = history.messages.iter();
        Self {
            room: &history.place,
            messages: messages
                .map(|message| MessageForm::of(None, message))
                .collect(),
            more: history.has_more,
            head: history.head,
        }
    }
}

impl<'a> FoundForm<'a> {
    pub(crate) fn of(found: &'a [Found], has_more: bool) -> Self {
        let messages = found.iter();
        Self {
            messages: messages
                .map(|found| MessageForm::of(Some(&found.place), &found.message))
                .collect(),
            more: has_more,
        }
    }
}
