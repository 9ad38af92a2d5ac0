//! Everything that the server says, of `docs/chat.md`.

use std::sync::Arc;

use chat::{
    ChatSanction, ConversationView, Entered, Event, Found, History, Language, LeftCause, Member,
    MessageView, Posted, Presence, PresenceChange, Reason, Refusal, Reply, RoomChange, RoomView,
    SanctionKind, UserView,
};
use serde_json::{Value, json};

use super::said::Hello;
use super::word::Ref;
use super::{Bye, answer, bye, entered, event, event_name, hello, time};

const ENGLISH: Language = Language::English;

fn text(text: &str) -> String {
    text.to_owned()
}

fn parsed(written: &str) -> Value {
    serde_json::from_str(written).expect("JSON")
}

fn plain() -> MessageView {
    MessageView {
        id: 12,
        seq: 3,
        from: text("ana"),
        text: text("hola \u{1b}[31m"),
        is_action: false,
        sent_id: None,
        reply_to: None,
        mentions: Vec::new(),
        at_ms: 1_000,
        edited_ms: None,
        deleted_ms: None,
        reactions: Vec::new(),
    }
}

fn full() -> MessageView {
    MessageView {
        is_action: true,
        sent_id: Some(text("a1")),
        reply_to: Some(2),
        mentions: vec![text("bob")],
        edited_ms: Some(1_500),
        deleted_ms: Some(1_600),
        reactions: vec![(text("👍"), vec![text("ana"), text("bob")])],
        ..plain()
    }
}

fn plain_json() -> Value {
    json!({"room": "lobby", "id": 12, "seq": 3, "from": "ana", "text": "hola \u{1b}[31m", "at_ms": 1_000})
}

fn full_json() -> Value {
    let more = json!({
        "action": true, "sent_id": "a1", "reply_to": 2, "mentions": ["bob"], "edited_ms": 1_500, "deleted_ms": 1_600,
        "reactions": [{"emoji": "👍", "logins": ["ana", "bob"]}]
    });
    with(plain_json(), more)
}

fn with(mut object: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!() };
    object.as_object_mut().expect("an object").extend(more);
    object
}

fn without_room(object: Value) -> Value {
    let Value::Object(mut object) = object else {
        panic!()
    };
    object.remove("room");
    object.into()
}

fn told(happened: &Event, kind: &str, fields: Value) {
    let written = event(happened, ENGLISH);
    assert!(!written.contains(char::is_control), "{written}");
    let expected = with(json!({ "type": kind }), fields);
    let read = parsed(&written);
    assert_eq!(read, expected);
    assert_eq!(event_name(happened), kind);
}

#[test]
fn messages_are_told_with_what_they_have() {
    let place: Arc<str> = "lobby".into();
    let event_of = |message, is_history| Event::Message {
        place: place.clone(),
        message: Arc::new(message),
        is_history,
    };
    told(&event_of(plain(), false), "message", plain_json());
    let said_before = with(full_json(), json!({"history": true}));
    told(&event_of(full(), true), "message", said_before);
    let message = Arc::new(full());
    let changed = Event::Changed {
        place: place.clone(),
        message: message.clone(),
    };
    told(&changed, "changed", full_json());
    let mentioned = Event::Mentioned { place, message };
    told(&mentioned, "mentioned", full_json());
}

fn in_room(cause: LeftCause) -> Entered {
    Entered {
        room: text("lobby"),
        head: 9,
        read: 7,
        unread: 2,
        topic: text("all"),
        owner: None,
        keep: true,
        members: 4,
        is_default: true,
        cause,
        skipped: 0,
    }
}

#[test]
fn who_enters_a_room_is_told_what_it_is_and_why() {
    let fields = json!({
        "room": "lobby", "head": 9, "read": 7, "unread": 2, "topic": "all", "keep": true, "default": true, "members": 4
    });
    let arrived = in_room(LeftCause::Arrived);
    let expected = with(fields.clone(), json!({"cause": "arrived"}));
    told(&Event::Entered(Arc::new(arrived)), "joined", expected);
    let asked = Entered {
        owner: Some(text("ana")),
        skipped: 11,
        ..in_room(LeftCause::Asked)
    };
    let more = json!({"cause": "asked", "owner": "ana", "skipped": 11});
    let expected = with(fields, more);
    told(
        &Event::Entered(Arc::new(asked.clone())),
        "joined",
        expected.clone(),
    );
    let written = entered(Some(&Ref::Number(5.into())), &asked, ENGLISH);
    let expected = with(expected, json!({"type": "joined", "ref": 5}));
    let read = parsed(&written);
    assert_eq!(read, expected);
}

#[test]
fn why_somebody_is_elsewhere_is_a_word_and_a_sentence() {
    let by = || text("ana");
    let cases = [
        (
            LeftCause::Deleted(by()),
            json!({"cause": "deleted", "by": "ana"}),
        ),
        (
            LeftCause::CreatorGone(by()),
            json!({"cause": "creator_gone", "by": "ana"}),
        ),
        (
            LeftCause::Kicked {
                by: by(),
                reason: text("loud"),
            },
            json!({"cause": "kicked", "by": "ana", "reason": "loud"}),
        ),
        (
            LeftCause::Banned {
                by: by(),
                reason: String::new(),
                until_ms: Some(99),
            },
            json!({"cause": "banned", "by": "ana", "until_ms": 99}),
        ),
    ];
    for (cause, expected) in cases {
        let left = Event::Left {
            place: "x".into(),
            cause,
        };
        let read = parsed(&event(&left, ENGLISH));
        let sentence = read["text"].as_str().expect("a sentence");
        assert!(sentence.contains("ana"), "{read}");
        let expected = with(
            expected,
            json!({"type": "left", "room": "x", "text": sentence}),
        );
        assert_eq!(read, expected);
    }
    let asked = Event::Left {
        place: "x".into(),
        cause: LeftCause::Asked,
    };
    told(&asked, "left", json!({"room": "x", "cause": "asked"}));
}

#[test]
fn other_events_are_told() {
    let place: Arc<str> = "@bob".into();
    let typing = Event::Typing {
        place: place.clone(),
        login: "bob".into(),
    };
    told(&typing, "typing", json!({"room": "@bob", "login": "bob"}));
    let read = Event::Read {
        place: place.clone(),
        read: 3,
        unread: 0,
        mentions: 0,
    };
    let fields = json!({"room": "@bob", "read": 3, "unread": 0, "mentions": 0});
    told(&read, "read", fields);
    let change = PresenceChange {
        members: 5,
        ..PresenceChange::default()
    };
    let presence = |change| Event::Presence {
        place: "lobby".into(),
        change: Arc::new(change),
    };
    told(
        &presence(change),
        "presence",
        json!({"room": "lobby", "members": 5}),
    );
    let states = [
        Presence::Online,
        Presence::Idle,
        Presence::Away,
        Presence::Offline,
    ];
    let change = PresenceChange {
        joined: vec![text("ana")],
        joined_count: 30,
        left: vec![text("bob")],
        left_count: 1,
        changed: states
            .map(|presence| Member {
                login: text("eva"),
                presence,
            })
            .into(),
        members: 6,
    };
    let changed = ["online", "idle", "away", "offline"];
    let changed = changed.map(|presence| json!({"login": "eva", "presence": presence}));
    let fields = json!({
        "room": "lobby", "joined": ["ana"], "joined_count": 30, "left": ["bob"], "left_count": 1, "changed": changed, "members": 6
    });
    told(&presence(change), "presence", fields);
}

#[test]
fn changes_of_rooms_are_told() {
    let muted = |is_on| RoomChange::Muted {
        login: text("bob"),
        is_on,
    };
    let cases = [
        (RoomChange::Topic(String::new()), json!({"topic": ""})),
        (RoomChange::Keep(false), json!({"keep": false})),
        (RoomChange::Slow(0), json!({"slow_s": 0})),
        (RoomChange::Created, json!({"created": true})),
        (RoomChange::Deleted, json!({"deleted": true})),
        (muted(true), json!({"muted": "bob"})),
        (muted(false), json!({"unmuted": "bob"})),
    ];
    for (change, fields) in cases {
        let event = Event::Room {
            place: "x".into(),
            change,
            by: "ana".into(),
        };
        let fields = with(fields, json!({"room": "x", "by": "ana"}));
        told(&event, "changed_room", fields);
    }
}

fn answered(reply: Reply, kind: &str, fields: Value) {
    let written = answer(Some(&Ref::Text(text("r"))), &Ok(reply), ENGLISH);
    let expected = with(json!({"type": kind, "ref": "r"}), fields);
    let read = parsed(&written);
    assert_eq!(read, expected);
}

#[test]
fn answers_about_messages_are_written() {
    let place: Arc<str> = "lobby".into();
    let posted = |message, is_duplicate| {
        Reply::Posted(Posted {
            place: place.clone(),
            message: Arc::new(message),
            is_duplicate,
        })
    };
    let sent = json!({"room": "lobby", "id": 12, "seq": 3, "at_ms": 1_000});
    answered(posted(plain(), false), "sent", sent.clone());
    let again = with(sent, json!({"sent_id": "a1", "duplicate": true}));
    answered(posted(full(), true), "sent", again);
    let message = Reply::Message {
        place: place.clone(),
        message: Arc::new(full()),
    };
    answered(message, "changed", full_json());
    let history = Reply::History(History {
        place,
        messages: vec![plain(), full()],
        has_more: true,
        head: 9,
    });
    let messages = [plain_json(), full_json()].map(without_room);
    let fields = json!({"room": "lobby", "messages": messages, "more": true, "head": 9});
    answered(history, "history", fields);
    let found = Found {
        place: text("lobby"),
        message: plain(),
    };
    let found = Reply::Found {
        found: vec![found],
        has_more: false,
    };
    answered(
        found,
        "found",
        json!({"messages": [plain_json()], "more": false}),
    );
}

#[test]
fn answers_about_rooms_and_people_are_written() {
    let view = RoomView {
        name: text("x"),
        topic: String::new(),
        owner: Some(text("ana")),
        keep: false,
        is_default: false,
        slow_s: 5,
        members: 2,
        head: 9,
        read: Some(7),
        unread: 2,
        mentions: 1,
        notify: text("all"),
        created_ms: 77,
    };
    let fields = json!({
        "room": "x", "topic": "", "owner": "ana", "keep": false, "default": false, "slow_s": 5, "members": 2, "head": 9, "read": 7,
        "unread": 2, "mentions": 1, "notify": "all", "created_ms": 77
    });
    answered(Reply::Room(view.clone()), "room", fields.clone());
    answered(
        Reply::Rooms(vec![view]),
        "rooms",
        json!({"rooms": [fields]}),
    );
    let with_bob = ConversationView {
        with: text("bob"),
        presence: Presence::Away,
        head: 9,
        read: 7,
        unread: 2,
        notify: text("mentions"),
        last_ms: 66,
    };
    let fields = json!({"room": "@bob", "presence": "away", "head": 9, "read": 7, "unread": 2, "notify": "mentions", "last_ms": 66});
    let conversations = Reply::Conversations(vec![with_bob]);
    answered(
        conversations,
        "conversations",
        json!({"conversations": [fields]}),
    );
    let bob = UserView {
        login: text("bob"),
        presence: Presence::Idle,
        note: text("eating"),
        since_ms: Some(55),
        rooms: vec![text("lobby")],
    };
    let stranger = UserView {
        presence: Presence::Offline,
        note: String::new(),
        since_ms: None,
        rooms: Vec::new(),
        ..bob.clone()
    };
    let users = json!([
        {"login": "bob", "presence": "idle", "note": "eating", "since_ms": 55, "rooms": ["lobby"]},
        {"login": "bob", "presence": "offline"}
    ]);
    answered(
        Reply::Users(vec![bob, stranger]),
        "users",
        json!({"users": users}),
    );
    let members = Reply::Members {
        place: "x".into(),
        members: vec![Member {
            login: text("bob"),
            presence: Presence::Online,
        }],
    };
    let fields = json!({"room": "x", "members": [{"login": "bob", "presence": "online"}]});
    answered(members, "members", fields);
    let sanction = |login, reason, until_ms| ChatSanction {
        login: text(login),
        kind: SanctionKind::Ban,
        until_ms,
        by: text("ana"),
        reason: text(reason),
    };
    let bans = Reply::Sanctions {
        place: "x".into(),
        sanctions: vec![sanction("bob", "noise", Some(9)), sanction("eve", "", None)],
    };
    let fields = json!({"room": "x", "sanctions": [
        {"login": "bob", "by": "ana", "until_ms": 9, "reason": "noise"}, {"login": "eve", "by": "ana"}
    ]});
    answered(bans, "sanctions", fields);
    answered(
        Reply::Blocked(vec![text("bob")]),
        "blocked",
        json!({"logins": ["bob"]}),
    );
    answered(Reply::Done, "ok", json!({}));
}

#[test]
fn refusals_are_errors_with_a_code_and_a_sentence() {
    let refusal = Refusal::later(Reason::Flood, 1_500);
    let read = parsed(&answer(None, &Err(refusal), ENGLISH));
    let sentence = read["text"].as_str().expect("a sentence");
    assert!(!sentence.is_empty());
    let expected =
        json!({"type": "error", "code": "flood", "text": sentence, "retry_after_ms": 1_500});
    assert_eq!(read, expected);
    let refusal = Refusal::new(Reason::NoRoom(text("x")));
    let reference = Ref::Text(text("r"));
    let read = parsed(&answer(Some(&reference), &Err(refusal), ENGLISH));
    let expected = json!({"type": "error", "code": "no_room", "text": read["text"], "ref": "r"});
    assert_eq!(read, expected);
}

#[test]
fn a_connection_begins_with_hello_and_ends_with_bye() {
    let first = Hello {
        login: "ana",
        version: "1.2",
        time_ms: 44,
        default_room: "lobby",
        lang: "es",
        session: None,
        idle_ms: 30_000,
    };
    let read = parsed(&hello(first));
    let expected = json!({
        "type": "hello", "login": "ana", "version": "1.2", "time_ms": 44, "default_room": "lobby", "lang": "es", "idle_ms": 30_000
    });
    assert_eq!(read, expected);
    let causes = [
        (Bye::Shutdown, "shutdown"),
        (Bye::Revoked, "revoked"),
        (Bye::Slow, "slow"),
        (Bye::Silent, "silent"),
        (Bye::Asked, "asked"),
    ];
    for (last, cause) in causes {
        let texts = [Language::English, Language::Spanish].map(|language| {
            let read = parsed(&bye(last, language));
            let expected = json!({"type": "bye", "cause": cause, "text": read["text"]});
            assert_eq!(read, expected);
            text(read["text"].as_str().expect("a sentence"))
        });
        assert_ne!(texts[0], texts[1]);
    }
}

#[test]
fn the_time_is_told_with_when_it_was_asked_for() {
    let written = time(Some(&Ref::Number(1.into())), -1, 20, 30);
    let expected = r#"{"type":"time","t1_us":-1,"t2_us":20,"t3_us":30,"ref":1}"#;
    assert_eq!(written, expected);
}
