//! Finding by words: what is indexed, what is not yet, and what people type.

use super::*;

/// The texts that a search finds in these rooms.
fn found(fixture: &Fixture, words: &str, rooms: &[RoomNumber]) -> Vec<String> {
    let (messages, has_more) = fixture.reader().search(words, rooms, None, 100).unwrap();
    assert!(!has_more);
    messages.into_iter().map(|message| message.text).collect()
}

fn index(fixture: &mut Fixture) {
    while fixture.store.index(3).unwrap() {}
}

#[test]
fn words_are_found_whatever_their_case_and_accents_before_and_after_indexing() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let other = fixture.room("other");
    for text in ["¡Mañana llega el CAMIÓN!", "camiones, dos", "el perro"] {
        fixture.say(room, "ana", text);
    }
    fixture.say(other, "ana", "otro camión");
    let check = |fixture: &Fixture, words: &str, rooms: &[RoomNumber], expected: &[&str]| {
        assert_eq!(found(fixture, words, rooms), expected, "{words}");
    };
    let check_all = |fixture: &Fixture| {
        let both = ["camiones, dos", "¡Mañana llega el CAMIÓN!"];
        check(fixture, "camion", &[room], &both);
        check(fixture, "CAMIÓN", &[room], &both);
        check(fixture, "camio", &[room], &both);
        // Only the last word may be begun.
        check(fixture, "cami dos", &[room], &[]);
        check(fixture, "camiones d", &[room], &both[..1]);
        check(fixture, "dos camiones", &[room], &both[..1]);
        check(fixture, "manana", &[other], &[]);
        check(fixture, "camion", &[], &[]);
        check(fixture, "camion", &[other], &["otro camión"]);
        let all = ["otro camión", both[0], both[1]];
        check(fixture, "camion", &[room, other], &all);
        check(fixture, "", &[room], &[]);
    };
    check_all(&fixture);
    assert!(fixture.store.index(0).unwrap());
    assert!(fixture.store.index(1).unwrap());
    check_all(&fixture);
    index(&mut fixture);
    check_all(&fixture);
    check_all(&fixture.reopen());
}

#[test]
fn an_indexed_message_is_found_by_what_it_says_now() {
    for is_indexed in [false, true] {
        let mut fixture = Fixture::new();
        let room = fixture.room("lobby");
        fixture.say(room, "ana", "first word");
        fixture.say(room, "ana", "second word");
        if is_indexed {
            index(&mut fixture);
        }
        fixture.changed(edited(room, 1, "ana", "other thing"));
        fixture.changed(deleted(room, 2, None));
        for _ in 0..2 {
            assert_eq!(found(&fixture, "word", &[room]), [""; 0]);
            assert_eq!(found(&fixture, "first", &[room]), [""; 0]);
            assert_eq!(found(&fixture, "other", &[room]), ["other thing"]);
            index(&mut fixture);
        }
    }
}

#[test]
fn pages_go_on_before_an_id_across_what_is_indexed() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    for number in 0..6 {
        fixture.say(room, "ana", &format!("word {number}"));
    }
    assert!(fixture.store.index(3).unwrap());
    let reader = fixture.reader();
    let mut before_id = None;
    let mut ids = Vec::new();
    for expected_more in [true, true, false] {
        let (messages, has_more) = reader.search("word", &[room], before_id, 2).unwrap();
        assert_eq!(has_more, expected_more);
        ids.extend(messages.iter().map(|message| message.id));
        before_id = ids.last().copied();
    }
    assert_eq!(ids, [6, 5, 4, 3, 2, 1]);
    assert_eq!(
        reader.search("word", &[room], Some(1), 2).unwrap(),
        (vec![], false)
    );
}

#[test]
fn a_long_tail_is_searched_to_its_end() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "needle");
    let hay: Vec<_> = (0..crate::limits::SEARCH_STEP_MESSAGES)
        .map(|_| posted(room, draft("ana", "hay")))
        .collect();
    fixture.commit(&hay);
    assert_eq!(found(&fixture, "needle", &[room]), ["needle"]);
}

#[test]
fn nothing_that_is_typed_has_a_meaning_of_its_own() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    for text in ["alpha beta", "alpha gamma", "NEAR alpha", "text : alpha"] {
        fixture.say(room, "ana", text);
    }
    let long = "x".repeat(256);
    let many = "alpha ".repeat(5_000);
    let junk: String = (0..=255_u8).map(char::from).collect();
    let cases: &[(&str, &[&str])] = &[
        ("\"", &[]),
        ("*", &[]),
        ("\"*\"", &[]),
        ("^", &[]),
        ("()", &[]),
        ("-", &[]),
        ("\0", &[]),
        ("👍", &[]),
        ("NEAR(", &["NEAR alpha"]),
        ("NEAR(alpha beta)", &[]),
        ("-gamma", &["alpha gamma"]),
        ("NOT beta", &[]),
        ("alpha OR beta", &[]),
        ("alpha\" OR \"beta", &[]),
        (
            "\"alpha",
            &["text : alpha", "NEAR alpha", "alpha gamma", "alpha beta"],
        ),
        ("text:alpha", &["text : alpha"]),
        ("{text}:alpha", &["text : alpha"]),
        ("alpha* \"beta\"", &["alpha beta"]),
        ("alpha\0beta", &["alpha beta"]),
        ("'; DROP TABLE messages; --", &[]),
        (&long, &[]),
        (&junk, &[]),
        (
            &many,
            &["text : alpha", "NEAR alpha", "alpha gamma", "alpha beta"],
        ),
    ];
    for _ in 0..2 {
        for (words, expected) in cases {
            assert_eq!(&found(&fixture, words, &[room]), expected, "{words:?}");
        }
        index(&mut fixture);
    }
}
