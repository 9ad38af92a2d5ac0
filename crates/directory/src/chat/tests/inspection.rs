//! What `chaski doctor` finds in a chat's database.

use rusqlite::Connection;

use super::*;

/// A store with a bit of everything, and how much that is.
fn filled() -> (Fixture, ChatCounts) {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "one");
    fixture.tell("ana", "ben", "two");
    while fixture.store.index(9).unwrap() {}
    fixture.say(room, "ana", "three");
    let counts = ChatCounts {
        rooms: 1,
        conversations: 1,
        messages: 3,
        people: 2,
        unindexed: 1,
    };
    (fixture, counts)
}

#[test]
fn a_store_in_use_is_found_sound_and_counted() {
    let (fixture, counts) = filled();
    let inspection = inspect(fixture.store.path()).unwrap();
    assert_eq!(inspection.problems, Vec::<String>::new());
    assert_eq!(inspection.counts, Some(counts));
    assert_eq!(
        inspection.schema_version, inspection.known_version,
        "it is a current one"
    );
}

#[test]
fn what_contradicts_itself_is_found() {
    for (sql, expected) in [
        ("DELETE FROM rooms", "2 messages are in no room"),
        (
            "UPDATE rooms SET head = 1",
            "1 rooms or conversations have messages after their newest",
        ),
        (
            "UPDATE counters SET value = 1 WHERE name <> 'indexed'",
            "2 counters would give a number twice",
        ),
        (
            "DELETE FROM counters WHERE name = 'room'",
            "1 counters are missing",
        ),
        (
            "PRAGMA foreign_keys = OFF; INSERT INTO reactions VALUES (1, 99, 'x', 'ana')",
            "1 rows of reactions refer to messages that do not exist",
        ),
    ] {
        let (fixture, _) = filled();
        let path = fixture.store.path().to_owned();
        drop(fixture.store);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert_eq!(inspect(&path).unwrap().problems, [expected], "{sql}");
    }
}

#[test]
fn a_damaged_full_text_index_is_found() {
    let (fixture, _) = filled();
    let path = fixture.store.path().to_owned();
    drop(fixture.store);
    let damage = "UPDATE words_data SET block = x'0102' WHERE id > 10";
    let count = Connection::open(&path).unwrap().execute(damage, []);
    assert!(count.unwrap() > 0);
    assert!(!inspect(&path).unwrap().is_sound());
}
