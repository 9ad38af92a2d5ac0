//! What the chat says, as messages.

use chat::catalogue;
use chat::{
    ChatSanction, ConversationView, Entered, Event, Found, History, Language, LeftCause, Member,
    MessageView, Posted, Presence, PresenceChange, Refusal, RefusalKind, RoomChange, RoomView,
    UserView,
};
use rpc::v1;
use rpc::v1::chat_room_change::Change;
use rpc::v1::converse_response::Event as Told;

use crate::chat::json::Bye;
use crate::grpc::status::chat_reason;
use crate::grpc::value::signed;

/// Something that happened.
pub(super) fn told(event: &Event, language: Language) -> Told {
    match event {
        Event::Message {
            place,
            message: view,
            is_history,
        } => Told::Message(v1::ChatMessage {
            history: *is_history,
            ..message(place, view)
        }),
        Event::Changed { place, message: it } => Told::Changed(message(place, it)),
        Event::Mentioned { place, message: it } => Told::Mentioned(message(place, it)),
        Event::Entered(entered) => Told::Joined(joined(entered, language)),
        Event::Left { place, cause } => Told::Left(v1::ChatLeft {
            room: place.to_string(),
            why: Some(why(cause, catalogue::cause(cause, place, language))),
        }),
        Event::Presence { place, change } => Told::Presence(presence_change(place, change)),
        Event::Typing { place, login } => Told::Typing(v1::ChatTypist {
            room: place.to_string(),
            login: login.to_string(),
        }),
        Event::Read {
            place,
            read,
            unread,
            mentions,
        } => Told::Read(v1::ChatReadPosition {
            room: place.to_string(),
            read: *read,
            unread: *unread,
            mentions: *mentions,
        }),
        Event::Room { place, change, by } => Told::ChangedRoom(v1::ChatRoomChange {
            room: place.to_string(),
            by: by.to_string(),
            change: Some(room_change(change)),
        }),
    }
}

/// A message, said somewhere.
pub(super) fn message(place: &str, view: &MessageView) -> v1::ChatMessage {
    let reactions = view.reactions.iter();
    v1::ChatMessage {
        room: place.to_owned(),
        id: view.id,
        seq: view.seq,
        sender: view.from.clone(),
        text: view.text.clone(),
        action: view.is_action,
        sent_id: view.sent_id.clone().unwrap_or_default(),
        reply_to: view.reply_to,
        mentions: view.mentions.clone(),
        at_ms: signed(view.at_ms),
        edited_at_ms: view.edited_ms.map(signed),
        deleted_at_ms: view.deleted_ms.map(signed),
        reactions: reactions
            .map(|(emoji, logins)| v1::ChatReaction {
                emoji: emoji.clone(),
                logins: logins.clone(),
            })
            .collect(),
        history: false,
    }
}

/// That the client is in a room.
pub(super) fn joined(entered: &Entered, language: Language) -> v1::ChatJoined {
    v1::ChatJoined {
        room: entered.room.clone(),
        head: entered.head,
        read: entered.read,
        unread: entered.unread,
        topic: entered.topic.clone(),
        owner: entered.owner.clone().unwrap_or_default(),
        keep: entered.keep,
        is_default: entered.is_default,
        members: count(entered.members),
        skipped: entered.skipped,
        why: Some(why(
            &entered.cause,
            catalogue::brought(&entered.cause, language),
        )),
    }
}

/// That something is on disk.
pub(super) fn posted(posted: &Posted) -> v1::ChatPosted {
    v1::ChatPosted {
        room: posted.place.to_string(),
        id: posted.message.id,
        seq: posted.message.seq,
        at_ms: signed(posted.message.at_ms),
        sent_id: posted.message.sent_id.clone().unwrap_or_default(),
        duplicate: posted.is_duplicate,
    }
}

/// A room.
pub(super) fn room(view: RoomView) -> v1::ChatRoom {
    v1::ChatRoom {
        room: view.name,
        topic: view.topic,
        owner: view.owner.unwrap_or_default(),
        keep: view.keep,
        is_default: view.is_default,
        slow_s: view.slow_s,
        members: count(view.members),
        head: view.head,
        read: view.read,
        unread: view.unread,
        mentions: view.mentions,
        notify: notify(&view.notify).into(),
        created_at_ms: signed(view.created_ms),
    }
}

/// A private conversation.
pub(super) fn conversation(view: ConversationView) -> v1::ChatConversation {
    v1::ChatConversation {
        room: format!("@{}", view.with),
        presence: presence(view.presence).into(),
        head: view.head,
        read: view.read,
        unread: view.unread,
        last_at_ms: signed(view.last_ms),
    }
}

/// An account.
pub(super) fn user(view: UserView) -> v1::ChatUser {
    v1::ChatUser {
        login: view.login,
        presence: presence(view.presence).into(),
        note: view.note,
        since_ms: view.since_ms.map(signed),
        rooms: view.rooms,
    }
}

/// Somebody in a room.
pub(super) fn member(member: &Member) -> v1::ChatMember {
    v1::ChatMember {
        login: member.login.clone(),
        presence: presence(member.presence).into(),
    }
}

/// Somebody who is kept out or kept from talking.
pub(super) fn sanction(sanction: ChatSanction) -> v1::ChatSanction {
    v1::ChatSanction {
        login: sanction.login,
        by: sanction.by,
        until_ms: sanction.until_ms.map(signed),
        reason: sanction.reason,
    }
}

/// A page of what was said.
pub(super) fn history(history: &History) -> v1::ListMessagesResponse {
    let messages = history.messages.iter();
    v1::ListMessagesResponse {
        room: history.place.to_string(),
        messages: messages.map(|view| message(&history.place, view)).collect(),
        more: history.has_more,
        head: history.head,
    }
}

/// What was found.
pub(super) fn found(found: &[Found], has_more: bool) -> v1::SearchResponse {
    let messages = found.iter();
    v1::SearchResponse {
        messages: messages
            .map(|found| message(&found.place, &found.message))
            .collect(),
        more: has_more,
    }
}

/// That a request was refused.
pub(super) fn refused(refusal: &Refusal, language: Language) -> v1::ChatError {
    let retry_after_ms = match refusal.kind {
        RefusalKind::Limited { retry_after_ms } => retry_after_ms,
        RefusalKind::NotFound
        | RefusalKind::Forbidden
        | RefusalKind::Invalid
        | RefusalKind::Taken
        | RefusalKind::Unavailable => 0,
    };
    v1::ChatError {
        code: chat_reason(&refusal.reason),
        text: catalogue::refusal(&refusal.reason, language),
        retry_after_ms,
    }
}

/// That a request was not understood.
pub(super) fn invalid(detail: String) -> v1::ChatError {
    v1::ChatError {
        code: "INVALID".to_owned(),
        text: detail,
        retry_after_ms: 0,
    }
}

/// The last that a client is told.
pub(super) fn bye(bye: Bye, language: Language) -> Told {
    let cause = match bye {
        Bye::Shutdown => v1::ChatByeCause::Shutdown,
        Bye::Revoked => v1::ChatByeCause::Revoked,
        // Whoever does not answer the pings of HTTP/2 has no connection any more.
        Bye::Slow | Bye::Silent => v1::ChatByeCause::Slow,
        Bye::Asked => v1::ChatByeCause::Asked,
    };
    Told::Bye(v1::ChatBye {
        cause: cause.into(),
        text: bye.sentence(language),
    })
}

/// The word of what somebody wants to be told; `None` for what is none.
pub(super) fn level(notify: v1::ChatNotify) -> Option<&'static str> {
    match notify {
        v1::ChatNotify::Unspecified => None,
        v1::ChatNotify::All => Some("all"),
        v1::ChatNotify::Mentions => Some("mentions"),
        v1::ChatNotify::Nothing => Some("nothing"),
    }
}

fn notify(level: &str) -> v1::ChatNotify {
    match level {
        "all" => v1::ChatNotify::All,
        "mentions" => v1::ChatNotify::Mentions,
        "nothing" => v1::ChatNotify::Nothing,
        _ => v1::ChatNotify::Unspecified,
    }
}

fn why(cause: &LeftCause, text: String) -> v1::ChatWhy {
    let (kind, by, reason, until_ms) = match cause {
        LeftCause::Asked => (v1::ChatCause::Asked, "", "", None),
        LeftCause::Arrived => (v1::ChatCause::Arrived, "", "", None),
        LeftCause::Deleted(by) => (v1::ChatCause::Deleted, by.as_str(), "", None),
        LeftCause::CreatorGone(by) => (v1::ChatCause::CreatorGone, by.as_str(), "", None),
        LeftCause::Kicked { by, reason } => {
            (v1::ChatCause::Kicked, by.as_str(), reason.as_str(), None)
        }
        LeftCause::Banned {
            by,
            reason,
            until_ms,
        } => (
            v1::ChatCause::Banned,
            by.as_str(),
            reason.as_str(),
            *until_ms,
        ),
    };
    v1::ChatWhy {
        cause: kind.into(),
        by: by.to_owned(),
        reason: reason.to_owned(),
        until_ms: until_ms.map(signed),
        text,
    }
}

fn presence_change(place: &str, change: &PresenceChange) -> v1::ChatPresenceChange {
    v1::ChatPresenceChange {
        room: place.to_owned(),
        joined: change.joined.clone(),
        joined_count: count(change.joined_count),
        left: change.left.clone(),
        left_count: count(change.left_count),
        changed: change.changed.iter().map(member).collect(),
        members: count(change.members),
    }
}

fn room_change(change: &RoomChange) -> Change {
    match change {
        RoomChange::Topic(topic) => Change::Topic(topic.clone()),
        RoomChange::Keep(keep) => Change::Keep(*keep),
        RoomChange::Slow(slow_s) => Change::SlowS(*slow_s),
        RoomChange::Created => Change::Created(true),
        RoomChange::Deleted => Change::Deleted(true),
        RoomChange::Muted { login, is_on } if *is_on => Change::Muted(login.clone()),
        RoomChange::Muted { login, .. } => Change::Unmuted(login.clone()),
        RoomChange::Banned { login, is_on } if *is_on => Change::Banned(login.clone()),
        RoomChange::Banned { login, .. } => Change::Unbanned(login.clone()),
    }
}

const fn presence(presence: Presence) -> v1::ChatPresence {
    match presence {
        Presence::Online => v1::ChatPresence::Online,
        Presence::Idle => v1::ChatPresence::Idle,
        Presence::Away => v1::ChatPresence::Away,
        Presence::Offline => v1::ChatPresence::Offline,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
