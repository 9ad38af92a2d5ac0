//! Everything that a client may say, of `docs/chat.md`.

use chat::{Command, Language, PageOf, Reply, RoomSettings, Sanction, Target};
use directory::chat::Cursor;
use serde_json::Value;

use super::super::{answer, refused};
use super::{Ref, Word, parse, target};

fn room(name: &str) -> Target {
    Target::Room(name.to_owned())
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn sanction(minutes: Option<u32>, reason: &str) -> Option<Sanction> {
    Some(Sanction {
        login: text("bob"),
        minutes,
        reason: text(reason),
    })
}

fn understood(said: &str, command: Command) {
    let (reference, word) = parse(said).unwrap_or_else(|refused| panic!("{said}: {refused:?}"));
    assert_eq!(reference, None, "{said}");
    assert_eq!(word, Word::Command(command), "{said}");
}

#[test]
fn what_is_said_about_messages_is_understood() {
    let say = |to, action, sent_id: Option<&str>, reply_to| Command::Say {
        to,
        text: text("hola"),
        is_action: action,
        sent_id: sent_id.map(text),
        reply_to,
    };
    let history = |cursor, limit| Command::History {
        of: room("x"),
        page: PageOf { cursor, limit },
    };
    let cases = [
        (
            r#"{"type":"say","room":"lobby","text":"hola"}"#,
            say(room("lobby"), false, None, None),
        ),
        (
            r#"{"type":"say","room":"@bob","text":"hola","sent_id":"a1","reply_to":7,"action":true,"new":[1]}"#,
            say(Target::User(text("bob")), true, Some("a1"), Some(7)),
        ),
        (
            r#"{"type":"history","room":"x"}"#,
            history(Cursor::Before(u64::MAX), 50),
        ),
        (
            r#"{"type":"history","room":"x","before":9,"limit":3}"#,
            history(Cursor::Before(9), 3),
        ),
        (
            r#"{"type":"history","room":"x","after":0}"#,
            history(Cursor::After(0), 50),
        ),
        (
            r#"{"type":"search","words":"hol"}"#,
            Command::Search {
                words: text("hol"),
                of: None,
                before: None,
                limit: 50,
            },
        ),
        (
            r#"{"type":"search","words":"hol","room":"x","before":12,"limit":5}"#,
            Command::Search {
                words: text("hol"),
                of: Some(room("x")),
                before: Some(12),
                limit: 5,
            },
        ),
        (
            r#"{"type":"edit","room":"x","seq":3,"text":"hm"}"#,
            Command::Edit {
                of: room("x"),
                seq: 3,
                text: text("hm"),
            },
        ),
        (
            r#"{"type":"delete","room":"x","seq":3}"#,
            Command::Delete {
                of: room("x"),
                seq: 3,
            },
        ),
        (
            r#"{"type":"react","room":"x","seq":3,"emoji":"👍"}"#,
            Command::React {
                of: room("x"),
                seq: 3,
                emoji: text("👍"),
                is_on: true,
            },
        ),
        (
            r#"{"type":"react","room":"x","seq":3,"emoji":"👍","off":true}"#,
            Command::React {
                of: room("x"),
                seq: 3,
                emoji: text("👍"),
                is_on: false,
            },
        ),
        (
            r#"{"type":"read","room":"x","seq":3}"#,
            Command::Read {
                of: room("x"),
                seq: 3,
            },
        ),
        (
            r#"{"type":"notify","room":"x","level":"mentions"}"#,
            Command::Notify {
                of: room("x"),
                level: text("mentions"),
            },
        ),
        (
            r#"{"type":"typing","room":"x"}"#,
            Command::Typing { of: room("x") },
        ),
    ];
    for (said, command) in cases {
        understood(said, command);
    }
}

#[test]
fn what_is_said_about_rooms_and_people_is_understood() {
    let away = |is_away, note: &str| Command::Away {
        is_away,
        note: text(note),
    };
    let block = |is_on| Command::Block {
        login: text("bob"),
        is_on,
    };
    let ban = |sanction| Command::Ban {
        room: text("x"),
        login: text("bob"),
        sanction,
    };
    let mute = |sanction| Command::Mute {
        room: text("x"),
        login: text("bob"),
        sanction,
    };
    let join = |after, is_only| Command::Join {
        room: text("x"),
        after,
        is_only,
    };
    let create = |keep| Command::Create {
        room: text("x"),
        keep,
        is_only: false,
    };
    let set = |topic: Option<&str>, keep, slow_s| Command::Set {
        room: text("x"),
        settings: RoomSettings {
            topic: topic.map(text),
            keep,
            slow_s,
        },
    };
    let cases = [
        (r#"{"type":"join","room":"x"}"#, join(None, false)),
        (
            r#"{"type":"join","room":"x","after":4,"only":true}"#,
            join(Some(4), true),
        ),
        (
            r#"{"type":"leave","room":"x"}"#,
            Command::Leave {
                room: text("x"),
                to_default: false,
            },
        ),
        (r#"{"type":"create","room":"x"}"#, create(false)),
        (r#"{"type":"create","room":"x","keep":true}"#, create(true)),
        (
            r#"{"type":"set","room":"x","topic":""}"#,
            set(Some(""), None, None),
        ),
        (
            r#"{"type":"set","room":"x","keep":false,"slow_s":5,"topic":null}"#,
            set(None, Some(false), Some(5)),
        ),
        (
            r#"{"type":"delete_room","room":"x"}"#,
            Command::DeleteRoom { room: text("x") },
        ),
        (
            r#"{"type":"members","room":"x"}"#,
            Command::Members { room: text("x") },
        ),
        (r#"{"type":"rooms"}"#, Command::Rooms),
        (r#"{"type":"conversations"}"#, Command::Conversations),
        (r#"{"type":"users"}"#, Command::Users),
        (r#"{"type":"blocked"}"#, Command::Blocked),
        (r#"{"type":"away","note":"eating"}"#, away(true, "eating")),
        (r#"{"type":"back"}"#, away(false, "")),
        (
            r#"{"type":"kick","room":"x","login":"bob","reason":"loud"}"#,
            Command::Kick {
                room: text("x"),
                login: text("bob"),
                reason: text("loud"),
            },
        ),
        (
            r#"{"type":"ban","room":"x","login":"bob","minutes":5,"reason":"loud"}"#,
            ban(sanction(Some(5), "loud")),
        ),
        (
            r#"{"type":"ban","room":"x","login":"bob"}"#,
            ban(sanction(None, "")),
        ),
        (r#"{"type":"unban","room":"x","login":"bob"}"#, ban(None)),
        (
            r#"{"type":"mute","room":"x","login":"bob","minutes":1}"#,
            mute(sanction(Some(1), "")),
        ),
        (r#"{"type":"unmute","room":"x","login":"bob"}"#, mute(None)),
        (r#"{"type":"block","login":"bob"}"#, block(true)),
        (r#"{"type":"unblock","login":"bob"}"#, block(false)),
        (
            r#"{"type":"lang","code":"es-MX"}"#,
            Command::Speak {
                language: Language::Spanish,
            },
        ),
    ];
    for (said, command) in cases {
        understood(said, command);
    }
}

#[test]
fn a_client_names_what_it_says_by_a_string_or_a_number() {
    let cases = [
        (r#""a""#, Ref::Text(text("a"))),
        ("7", Ref::Number(7.into())),
        ("-7", Ref::Number((-7).into())),
    ];
    for (written, reference) in cases {
        let said = format!(r#"{{"ref":{written},"type":"time","t1_us":-5}}"#);
        let (found, word) = parse(&said).expect("understood");
        assert_eq!(word, Word::Time { t1_us: -5 });
        assert_eq!(found.as_ref(), Some(&reference));
        let answered = answer(found.as_ref(), &Ok(Reply::Done), Language::English);
        assert_eq!(answered, format!(r#"{{"type":"ok","ref":{written}}}"#));
    }
}

#[test]
fn what_is_not_understood_is_refused_under_the_clients_own_name() {
    let long = format!(r#"{{"type":"rooms","ref":"{}"}}"#, "x".repeat(65));
    let cases = [
        ("", None, "JSON object"),
        ("[]", None, "JSON object"),
        ("null", None, "JSON object"),
        ("{", None, "not understood"),
        (r#"{"ref":1}"#, Some("1"), "`type`"),
        (r#"{"ref":1,"type":"dance"}"#, Some("1"), "dance"),
        (r#"{"ref":1,"type":7}"#, Some("1"), "not understood"),
        (
            r#"{"ref":[],"type":"rooms"}"#,
            None,
            "`ref` is a string or a number",
        ),
        (&long, None, "64"),
        (
            r#"{"ref":"a","type":"say","text":"x"}"#,
            Some(r#""a""#),
            "`room`",
        ),
        (r#"{"ref":1,"type":"say","room":"x"}"#, Some("1"), "`text`"),
        (
            r#"{"ref":1,"type":"read","room":"x","seq":-1}"#,
            Some("1"),
            "-1",
        ),
        (
            r#"{"ref":1,"type":"history","room":"x","before":1,"after":1}"#,
            Some("1"),
            "not both",
        ),
        (
            r#"{"ref":1,"type":"history","room":"x","limit":0}"#,
            Some("1"),
            "`limit`",
        ),
        (
            r#"{"ref":1,"type":"lang","code":"xx"}"#,
            Some("1"),
            "`en` or `es`",
        ),
        (
            r#"{"ref":1,"type":"notify","room":"x","level":"some"}"#,
            Some("1"),
            "`level`",
        ),
        (r#"{"ref":1,"type":"time"}"#, Some("1"), "`t1_us`"),
        (r#"{"ref":1,"type":"ban","room":"x"}"#, Some("1"), "`login`"),
        (r#"{"type":"rooms","type":"users"}"#, None, "duplicate"),
    ];
    for (said, reference, words) in cases {
        let error = parse(said).expect_err(said);
        let answered: Value = serde_json::from_str(&refused(&error)).expect("JSON");
        assert_eq!(answered["type"], "error", "{said}");
        assert_eq!(answered["code"], "invalid", "{said}");
        let shown = answered["text"].as_str().expect("a sentence");
        assert!(shown.contains(words), "{said}: {shown}");
        let named = answered.get("ref").map(Value::to_string);
        assert_eq!(named.as_deref(), reference, "{said}");
    }
}

#[test]
fn private_conversations_are_written_with_an_at_sign() {
    assert_eq!(target("@bob"), Target::User(text("bob")));
    assert_eq!(target("bob"), room("bob"));
    assert_eq!(target(""), room(""));
}
