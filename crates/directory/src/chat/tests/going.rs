//! Rooms that go, messages that are too old or too many, and numbers that are never used again.

use super::*;
use crate::limits::CLEANED_AT_ONCE_MAX;

fn expired(before_ms: u64, per_room_max: u64) -> ChatChange {
    ChatChange::Expired {
        before_ms,
        per_room_max,
    }
}

fn seqs(messages: &[ChatMessage]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

fn search(fixture: &Fixture, room: RoomNumber) -> usize {
    let found = fixture.reader().search("word", &[room], None, 1000);
    found.unwrap().0.len()
}

#[test]
fn a_room_is_set_and_its_sanctions_are_kept_until_they_end() {
    let mut fixture = Fixture::new();
    let room = fixture.room("Lobby");
    let sanction = |login: &str, kind, until_ms| ChatSanction {
        login: login.into(),
        kind,
        until_ms,
        by: "ana".into(),
        reason: "noise".into(),
    };
    let set = |sanction| ChatChange::SanctionSet { room, sanction };
    fixture.done(set(sanction("ben", SanctionKind::Ban, Some(5))));
    fixture.done(set(sanction("Ben", SanctionKind::Ban, None)));
    fixture.done(set(sanction("ben", SanctionKind::Mute, Some(7))));
    fixture.done(set(sanction("cleo", SanctionKind::Mute, Some(8))));
    fixture.done(ChatChange::SanctionEnded {
        room,
        login: "CLEO".into(),
        kind: SanctionKind::Mute,
    });
    fixture.done(ChatChange::SanctionSet {
        room: RoomNumber(9),
        sanction: sanction("ben", SanctionKind::Ban, None),
    });
    fixture.done(ChatChange::RoomSet {
        room,
        keep: Some(false),
        topic: Some("rain".into()),
        slow_s: Some(3),
    });
    // What is not named stays.
    fixture.done(ChatChange::RoomSet {
        room,
        keep: None,
        topic: Some("weather".into()),
        slow_s: None,
    });
    fixture.done(ChatChange::RoomOrphaned { room });
    let fixture = fixture.reopen();
    assert_eq!(
        fixture.store.load().unwrap().rooms,
        [ChatRoom {
            number: room,
            name: "Lobby".into(),
            fold: "lobby".into(),
            skeleton: "lobby".into(),
            owner: None,
            keep: false,
            topic: "weather".into(),
            slow_s: 3,
            created_ms: 7,
            head: 0,
            sanctions: vec![
                sanction("Ben", SanctionKind::Ban, None),
                sanction("ben", SanctionKind::Mute, Some(7)),
            ],
        }]
    );
}

#[test]
fn a_room_goes_with_everything_and_its_number_does_not_come_back() {
    let mut fixture = Fixture::new();
    let (stays, goes) = (fixture.room("stays"), fixture.room("goes"));
    let named = Draft {
        mentions: vec!["ben".into()],
        sent_id: Some("s".into()),
        ..draft("ana", "word")
    };
    fixture.posted(posted(goes, named.clone()));
    fixture.say(stays, "ana", "word");
    while fixture.store.index(10).unwrap() {}
    fixture.say(goes, "ana", "word, not indexed");
    fixture.done(ChatChange::RoomDeleted { room: goes });
    let check = |fixture: &mut Fixture| {
        assert_eq!(fixture.newest(goes), []);
        assert_eq!(fixture.reader().message(goes, 1).unwrap(), None);
        assert_eq!((search(fixture, goes), search(fixture, stays)), (0, 1));
        assert_eq!(fixture.person("ben").positions, []);
        assert_eq!(fixture.store.load().unwrap().rooms.len(), 1);
        let lost = posted(goes, draft("ana", "x"));
        assert_eq!(fixture.refusal(lost), ChatRefused::NoRoom);
    };
    check(&mut fixture);
    let mut fixture = fixture.reopen();
    check(&mut fixture);
    // The name is free, the numbers are not.
    let again = fixture.room("goes");
    assert!(again > goes);
    let message = fixture.posted(posted(again, named));
    assert_eq!((message.id, message.seq), (4, 1));
}

#[test]
fn a_big_room_is_gone_at_once_and_its_messages_bit_by_bit() {
    let mut fixture = Fixture::new();
    let room = fixture.room("big");
    let mut changes = vec![posted(room, draft("ana", "word")); CLEANED_AT_ONCE_MAX + 3];
    let last = changes.len();
    changes[last - 1] = posted(
        room,
        Draft {
            sent_id: Some("s".into()),
            ..draft("ana", "word")
        },
    );
    let again = changes[last - 1].clone();
    fixture.commit(&changes);
    // Of the three that will be left over, one is not indexed.
    assert!(fixture.store.index(last - 1).unwrap());
    assert_eq!(rows(&fixture, INDEXED), 10_002);
    fixture.done(ChatChange::RoomDeleted { room });
    assert_eq!(fixture.newest(room), []);
    assert_eq!(search(&fixture, room), 0);
    assert_eq!(rows(&fixture, "messages"), 3);
    assert_eq!(rows(&fixture, INDEXED), 2);
    // What is only waiting to go is no earlier message.
    let other = fixture.room("other");
    let ChatChange::Posted { draft, .. } = again else {
        panic!("it is a message")
    };
    fixture.posted(posted(other, draft));
    while fixture.store.index(1).unwrap() {}
    assert_eq!(rows(&fixture, "messages"), 1);
    assert_eq!(rows(&fixture, "gone"), 0);
    assert_eq!(rows(&fixture, INDEXED), 1);
    assert_eq!(search(&fixture, other), 1);
}

/// The table of the full-text index that has a row for each message in it.
const INDEXED: &str = "words_docsize";

fn rows(fixture: &Fixture, table: &str) -> i64 {
    rusqlite::Connection::open(fixture.store.path())
        .unwrap()
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
}

#[test]
fn old_messages_go_and_numbers_go_on() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    for number in 1..=6 {
        let message = Draft {
            at_ms: number * 100,
            mentions: vec!["ben".into()],
            ..draft("ana", "word")
        };
        fixture.posted(posted(room, message));
        if number == 3 {
            fixture.changed(ChatChange::Reacted {
                room,
                seq: 1,
                login: "ben".into(),
                emoji: "👍".into(),
                is_on: true,
            });
            assert!(!fixture.store.index(100).unwrap());
        }
    }
    fixture.done(expired(0, 0));
    assert_eq!(search(&fixture, room), 6);
    fixture.done(expired(300, 0));
    assert_eq!(seqs(&fixture.newest(room)), [3, 4, 5, 6]);
    assert_eq!(search(&fixture, room), 4);
    assert_eq!(rows(&fixture, "reactions"), 0);
    let ben = fixture.person("ben").positions;
    assert_eq!(ben, [position(room, 0, &[3, 4, 5, 6])]);
    fixture.done(expired(0, 2));
    assert_eq!(seqs(&fixture.newest(room)), [5, 6]);

    // All of them, and then a restart: neither ids nor numbers begin again.
    fixture.done(expired(u64::MAX, 0));
    assert_eq!(
        (rows(&fixture, "messages"), rows(&fixture, INDEXED)),
        (0, 0)
    );
    let mut fixture = fixture.reopen();
    assert_eq!(fixture.store.load().unwrap().rooms[0].head, 6);
    let next = fixture.say(room, "ana", "word");
    assert_eq!((next.id, next.seq), (7, 7));
    assert_eq!(search(&fixture, room), 1);
}

#[test]
fn private_messages_expire_as_others_do() {
    let mut fixture = Fixture::new();
    let private = fixture.tell("ana", "ben", "one").room;
    // In one batch, so that the newest number is not in the tables yet.
    fixture.commit(&[
        posted_to("ben", draft("ana", "two")),
        posted_to("ben", draft("ana", "three")),
        expired(0, 1),
    ]);
    assert_eq!(texts(&fixture.newest(private)), ["three"]);
    assert_eq!(fixture.person("ana").conversations[0].head, 3);
}
