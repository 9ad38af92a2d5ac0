//! What the server says over a socket.

use chat::catalogue;
use chat::{
    Entered, Event, Language, LeftCause, PresenceChange, Refusal, RefusalKind, Reply, RoomChange,
};
use serde::Serialize;

use super::forms::{
    ConversationForm, FoundForm, HistoryForm, MemberForm, MessageForm, RoomForm, SanctionForm,
    UserForm, is_false,
};
use super::word::Ref;

/// One object.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said<'a> {
    Hello(Hello<'a>),
    Message(Box<MessageForm<'a>>),
    Changed(Box<MessageForm<'a>>),
    Mentioned(Box<MessageForm<'a>>),
    Sent(SentForm<'a>),
    Joined(Box<JoinedForm<'a>>),
    Left {
        room: &'a str,
        #[serde(flatten)]
        why: Why<'a>,
    },
    Presence(PresenceForm<'a>),
    Typing {
        room: &'a str,
        login: &'a str,
    },
    Read {
        room: &'a str,
        read: u64,
        unread: u64,
        mentions: u64,
    },
    ChangedRoom(ChangedRoomForm<'a>),
    Room(Box<RoomForm<'a>>),
    Rooms {
        rooms: Vec<RoomForm<'a>>,
    },
    Conversations {
        conversations: Vec<ConversationForm<'a>>,
    },
    Users {
        users: Vec<UserForm<'a>>,
    },
    Members {
        room: &'a str,
        members: Vec<MemberForm<'a>>,
    },
    Sanctions {
        room: &'a str,
        sanctions: Vec<SanctionForm<'a>>,
    },
    History(HistoryForm<'a>),
    Found(FoundForm<'a>),
    Blocked {
        logins: &'a [String],
    },
    Time {
        t1_us: i64,
        t2_us: i64,
        t3_us: i64,
    },
    Ok {},
    Error(ErrorForm),
    Bye {
        cause: &'static str,
        text: String,
    },
}

/// An object that answers another.
#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    #[serde(flatten)]
    pub(super) said: &'a Said<'a>,
    #[serde(rename = "ref")]
    pub(super) reference: &'a Ref,
}

/// What a client is told first.
#[derive(Debug, Serialize)]
pub(crate) struct Hello<'a> {
    /// Whom it is logged in as.
    pub(crate) login: &'a str,
    /// The server's version.
    pub(crate) version: &'a str,
    /// The server's time.
    pub(crate) time_ms: u64,
    /// The room that always exists.
    pub(crate) default_room: &'a str,
    /// The language in which it is told things.
    pub(crate) lang: &'a str,
    /// What it may show instead of a password when it comes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<&'a str>,
    /// How long it may be silent until it is asked whether it is there.
    pub(crate) idle_ms: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct SentForm<'a> {
    room: &'a str,
    id: u64,
    seq: u64,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    duplicate: bool,
}

/// Why somebody is in a room, or not in it any more.
#[derive(Debug, Default, Serialize)]
pub(super) struct Why<'a> {
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_ms: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct JoinedForm<'a> {
    room: &'a str,
    head: u64,
    read: u64,
    unread: u64,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    keep: bool,
    default: bool,
    members: usize,
    #[serde(skip_serializing_if = "is_zero")]
    skipped: u64,
    #[serde(flatten)]
    why: Why<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct PresenceForm<'a> {
    room: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    joined: &'a [String],
    #[serde(skip_serializing_if = "is_none")]
    joined_count: usize,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left: &'a [String],
    #[serde(skip_serializing_if = "is_none")]
    left_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<MemberForm<'a>>,
    members: usize,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct ChangedRoomForm<'a> {
    room: &'a str,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_s: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    created: bool,
    #[serde(skip_serializing_if = "is_false")]
    deleted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    banned: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unbanned: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    muted: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmuted: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorForm {
    code: &'static str,
    text: String,
    #[serde(skip_serializing_if = "is_zero")]
    retry_after_ms: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_none(count: &usize) -> bool {
    *count == 0
}

impl<'a> Said<'a> {
    pub(super) fn of_event(event: &'a Event, language: Language) -> Self {
        match event {
            Event::Message {
                place,
                message,
                is_history,
            } => {
                let form = MessageForm::of(Some(place), message);
                Self::Message(Box::new(form.said_before(*is_history)))
            }
            Event::Changed { place, message } => {
                Self::Changed(Box::new(MessageForm::of(Some(place), message)))
            }
            Event::Mentioned { place, message } => {
                Self::Mentioned(Box::new(MessageForm::of(Some(place), message)))
            }
            Event::Entered(entered) => Self::Joined(Box::new(JoinedForm::of(entered, language))),
            Event::Left { place, cause } => Self::Left {
                room: place,
                why: Why::of(cause, catalogue::cause(cause, place, language)),
            },
            Event::Presence { place, change } => Self::Presence(PresenceForm::of(place, change)),
            Event::Typing { place, login } => Self::Typing { room: place, login },
            Event::Read {
                place,
                read,
                unread,
                mentions,
            } => Self::Read {
                room: place,
                read: *read,
                unread: *unread,
                mentions: *mentions,
            },
            Event::Room { place, change, by } => {
                Self::ChangedRoom(ChangedRoomForm::of(place, change, by))
            }
        }
    }

    pub(super) fn of_reply(reply: &'a Reply, language: Language) -> Self {
        match reply {
            Reply::Done => Self::Ok {},
            Reply::Posted(posted) => Self::Sent(SentForm {
                room: &posted.place,
                id: posted.message.id,
                seq: posted.message.seq,
                at_ms: posted.message.at_ms,
                sent_id: posted.message.sent_id.as_deref(),
                duplicate: posted.is_duplicate,
            }),
            Reply::Entered(entered) => Self::Joined(Box::new(JoinedForm::of(entered, language))),
            Reply::Room(view) => Self::Room(Box::new(RoomForm::of(view))),
            Reply::Rooms(views) => Self::Rooms {
                rooms: views.iter().map(RoomForm::of).collect(),
            },
            Reply::Conversations(views) => Self::Conversations {
                conversations: views.iter().map(ConversationForm::of).collect(),
            },
            Reply::Users(views) => Self::Users {
                users: views.iter().map(UserForm::of).collect(),
            },
            Reply::Members { place, members } => Self::Members {
                room: place,
                members: members.iter().map(MemberForm::of).collect(),
            },
            Reply::Sanctions { place, sanctions } => Self::Sanctions {
                room: place,
                sanctions: sanctions.iter().map(SanctionForm::of).collect(),
            },
            Reply::History(history) => Self::History(HistoryForm::of(history)),
            Reply::Found { found, has_more } => Self::Found(FoundForm::of(found, *has_more)),
            Reply::Message { place, message } => {
                Self::Changed(Box::new(MessageForm::of(Some(place), message)))
            }
            Reply::Blocked(logins) => Self::Blocked { logins },
        }
    }
}

impl<'a> Why<'a> {
    fn of(cause: &'a LeftCause, text: String) -> Self {
        let why = match cause {
            LeftCause::Asked => Self::named("asked"),
            LeftCause::Arrived => Self::named("arrived"),
            LeftCause::Deleted(by) => Self {
                by: Some(by),
                ..Self::named("deleted")
            },
            LeftCause::CreatorGone(by) => Self {
                by: Some(by),
                ..Self::named("creator_gone")
            },
            LeftCause::Kicked { by, reason } => Self {
                by: Some(by),
                reason,
                ..Self::named("kicked")
            },
            LeftCause::Banned {
                by,
                reason,
                until_ms,
            } => Self {
                by: Some(by),
                reason,
                until_ms: *until_ms,
                ..Self::named("banned")
            },
        };
        Self { text, ..why }
    }

    fn named(cause: &'static str) -> Self {
        Self {
            cause,
            ..Self::default()
        }
    }
}

impl<'a> JoinedForm<'a> {
    pub(super) fn of(entered: &'a Entered, language: Language) -> Self {
        Self {
            room: &entered.room,
            head: entered.head,
            read: entered.read,
            unread: entered.unread,
            topic: &entered.topic,
            owner: entered.owner.as_deref(),
            keep: entered.keep,
            default: entered.is_default,
            members: entered.members,
            skipped: entered.skipped,
            why: Why::of(&entered.cause, catalogue::brought(&entered.cause, language)),
        }
    }
}

impl<'a> PresenceForm<'a> {
    fn of(room: &'a str, change: &'a PresenceChange) -> Self {
        Self {
            room,
            joined: &change.joined,
            joined_count: change.joined_count,
            left: &change.left,
            left_count: change.left_count,
            changed: change.changed.iter().map(MemberForm::of).collect(),
            members: change.members,
        }
    }
}

impl<'a> ChangedRoomForm<'a> {
    fn of(room: &'a str, change: &'a RoomChange, by: &'a str) -> Self {
        let form = Self {
            room,
            by,
            ..Self::default()
        };
        match change {
            RoomChange::Topic(topic) => Self {
                topic: Some(topic),
                ..form
            },
            RoomChange::Keep(keep) => Self {
                keep: Some(*keep),
                ..form
            },
            RoomChange::Slow(slow_s) => Self {
                slow_s: Some(*slow_s),
                ..form
            },
            RoomChange::Created => Self {
                created: true,
                ..form
            },
            RoomChange::Deleted => Self {
                deleted: true,
                ..form
            },
            RoomChange::Banned { login, is_on } => Self {
                banned: Some(login.as_str()).filter(|_| *is_on),
                unbanned: Some(login.as_str()).filter(|_| !*is_on),
                ..form
            },
            RoomChange::Muted { login, is_on } => Self {
                muted: Some(login.as_str()).filter(|_| *is_on),
                unmuted: Some(login.as_str()).filter(|_| !*is_on),
                ..form
            },
        }
    }
}

impl ErrorForm {
    pub(super) fn of(refusal: &Refusal, language: Language) -> Self {
        let retry_after_ms = match refusal.kind {
            RefusalKind::Limited { retry_after_ms } => retry_after_ms,
            RefusalKind::NotFound
            | RefusalKind::Forbidden
            | RefusalKind::Invalid
            | RefusalKind::Taken
            | RefusalKind::Unavailable => 0,
        };
        Self {
            code: refusal.reason.code(),
            text: catalogue::refusal(&refusal.reason, language),
            retry_after_ms,
        }
    }

    pub(super) fn invalid(detail: &str) -> Self {
        Self {
            code: "invalid",
            text: detail.to_owned(),
            retry_after_ms: 0,
        }
    }
}
