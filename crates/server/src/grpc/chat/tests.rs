use std::sync::Arc;

use chat::{Event, Language, LeftCause, MessageView, Presence, Refusal, RoomChange, RoomView};
use rpc::v1::chat_room_change::Change;
use rpc::v1::converse_response::Event as Told;

use super::*;
use crate::chat::json::Bye;

fn view() -> MessageView {
    MessageView {
        id: 9,
        seq: 3,
        from: "ana".to_owned(),
        text: "hola @bob".to_owned(),
        is_action: true,
        sent_id: Some("s1".to_owned()),
        reply_to: Some(2),
        mentions: vec!["bob".to_owned()],
        at_ms: 1_000,
        edited_ms: Some(2_000),
        deleted_ms: None,
        reactions: vec![("👍".to_owned(), vec!["bob".to_owned()])],
    }
}

#[test]
fn a_message_keeps_all_that_it_has() {
    let expected = v1::ChatMessage {
        room: "@ana".to_owned(),
        id: 9,
        seq: 3,
        sender: "ana".to_owned(),
        text: "hola @bob".to_owned(),
        action: true,
        sent_id: "s1".to_owned(),
        reply_to: Some(2),
        mentions: vec!["bob".to_owned()],
        at_ms: 1_000,
        edited_at_ms: Some(2_000),
        deleted_at_ms: None,
        reactions: vec![v1::ChatReaction {
            emoji: "👍".to_owned(),
            logins: vec!["bob".to_owned()],
        }],
        history: false,
    };
    assert_eq!(form::message("@ana", &view()), expected);
    let event = Event::Message {
        place: "@ana".into(),
        message: Arc::new(view()),
        is_history: true,
    };
    let told = v1::ChatMessage {
        history: true,
        ..expected
    };
    assert_eq!(form::told(&event, Language::English), Told::Message(told));
}

#[test]
fn a_ban_says_who_why_until_when_and_a_sentence() {
    let event = Event::Left {
        place: "plaza".into(),
        cause: LeftCause::Banned {
            by: "ana".to_owned(),
            reason: "noise".to_owned(),
            until_ms: Some(5),
        },
    };
    let Told::Left(left) = form::told(&event, Language::Spanish) else {
        panic!("another event");
    };
    let why = left.why.expect("it is there");
    assert_eq!(left.room, "plaza");
    assert_eq!(why.cause(), v1::ChatCause::Banned);
    assert_eq!((why.by.as_str(), why.reason.as_str()), ("ana", "noise"));
    assert_eq!(why.until_ms, Some(5));
    assert_eq!(
        why.text,
        "ana te expulsó de plaza hasta 1970-01-01 00:00:00 UTC: noise"
    );
}

#[track_caller]
fn check_change(change: RoomChange, expected: Change) {
    let event = Event::Room {
        place: "plaza".into(),
        change,
        by: "ana".into(),
    };
    let told = Told::ChangedRoom(v1::ChatRoomChange {
        room: "plaza".to_owned(),
        by: "ana".to_owned(),
        change: Some(expected),
    });
    assert_eq!(form::told(&event, Language::English), told);
}

#[test]
fn every_change_of_a_room_has_its_field() {
    let login = || "bob".to_owned();
    let muted = |is_on| RoomChange::Muted {
        login: login(),
        is_on,
    };
    let banned = |is_on| RoomChange::Banned {
        login: login(),
        is_on,
    };
    check_change(
        RoomChange::Topic(String::new()),
        Change::Topic(String::new()),
    );
    check_change(RoomChange::Keep(false), Change::Keep(false));
    check_change(RoomChange::Slow(0), Change::SlowS(0));
    check_change(RoomChange::Created, Change::Created(true));
    check_change(RoomChange::Deleted, Change::Deleted(true));
    check_change(muted(true), Change::Muted(login()));
    check_change(muted(false), Change::Unmuted(login()));
    check_change(banned(true), Change::Banned(login()));
    check_change(banned(false), Change::Unbanned(login()));
}

#[test]
fn a_room_tells_never_read_from_nothing_read() {
    let view = |read| RoomView {
        name: "plaza".to_owned(),
        topic: "t".to_owned(),
        owner: None,
        keep: true,
        is_default: true,
        slow_s: 4,
        members: 2,
        head: 7,
        read,
        unread: 7,
        mentions: 1,
        notify: "mentions".to_owned(),
        created_ms: 11,
    };
    assert_eq!(form::room(view(None)).read, None);
    let room = form::room(view(Some(0)));
    assert_eq!(room.read, Some(0));
    assert_eq!(room.notify(), v1::ChatNotify::Mentions);
    assert_eq!((room.members, room.head, room.owner.as_str()), (2, 7, ""));
}

#[test]
fn levels_are_the_same_both_ways() {
    assert_eq!(form::level(v1::ChatNotify::Unspecified), None);
    for (notify, word) in [
        (v1::ChatNotify::All, "all"),
        (v1::ChatNotify::Mentions, "mentions"),
        (v1::ChatNotify::Nothing, "nothing"),
    ] {
        assert_eq!(form::level(notify), Some(word));
    }
}

#[test]
fn presence_is_told_by_name() {
    for (presence, expected) in [
        (Presence::Online, v1::ChatPresence::Online),
        (Presence::Idle, v1::ChatPresence::Idle),
        (Presence::Away, v1::ChatPresence::Away),
        (Presence::Offline, v1::ChatPresence::Offline),
    ] {
        let login = "ana".to_owned();
        let member = form::member(&chat::Member { login, presence });
        assert_eq!(member.presence(), expected);
    }
}

#[test]
fn a_refusal_in_the_stream_says_when_to_try_again() {
    let refusal = Refusal::later(chat::Reason::Flood, 1_500);
    let error = form::refused(&refusal, Language::English);
    assert_eq!(
        (error.code.as_str(), error.retry_after_ms),
        ("FLOOD", 1_500)
    );
    let refusal = Refusal::new(chat::Reason::NoRoom("x".to_owned()));
    let error = form::refused(&refusal, Language::English);
    assert_eq!((error.code.as_str(), error.retry_after_ms), ("NO_ROOM", 0));
    assert!(error.text.contains('x'), "{}", error.text);
}

#[test]
fn every_farewell_has_its_cause() {
    for (bye, cause) in [
        (Bye::Shutdown, v1::ChatByeCause::Shutdown),
        (Bye::Revoked, v1::ChatByeCause::Revoked),
        (Bye::Slow, v1::ChatByeCause::Slow),
        (Bye::Silent, v1::ChatByeCause::Slow),
        (Bye::Asked, v1::ChatByeCause::Asked),
    ] {
        let Told::Bye(told) = form::bye(bye, Language::English) else {
            panic!("another event");
        };
        assert_eq!(told.cause(), cause);
        assert!(!told.text.is_empty());
    }
}

#[test]
fn words_mean_rooms_and_people() {
    let words = v1::ChatSay {
        room: "@bob".to_owned(),
        text: "hi".to_owned(),
        ..v1::ChatSay::default()
    };
    let expected = Command::Say {
        to: chat::Target::User("bob".to_owned()),
        text: "hi".to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: None,
    };
    assert_eq!(say(words), expected);
}

#[test]
fn a_page_has_a_bound() {
    assert_eq!(limit(0).expect("it is the default"), 50);
    assert_eq!(limit(200).expect("it is the most"), 200);
    let refused = limit(201).expect_err("it is too many");
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}
