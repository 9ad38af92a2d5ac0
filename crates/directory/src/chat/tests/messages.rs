//! Saying, editing, deleting, and what is put under a message.

use super::*;

#[test]
fn a_message_in_no_room_is_refused_and_takes_no_number() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let nowhere = RoomNumber(99);
    let outcomes = fixture.commit(&[
        posted(room, draft("ana", "one")),
        posted(nowhere, draft("ana", "lost")),
        posted(room, draft("ana", "two")),
    ]);
    assert_eq!(posting(outcomes[0].clone()).0.seq, 1);
    assert_eq!(outcomes[1], ChatOutcome::Refused(ChatRefused::NoRoom));
    let second = posting(outcomes[2].clone()).0;
    assert_eq!((second.id, second.seq), (2, 2));
}

#[test]
fn everything_of_a_message_is_kept() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ben", "question");
    let full = Draft {
        is_action: true,
        sent_id: Some("x-1".into()),
        reply_to: Some(1),
        mentions: vec!["ben".into(), "José Luis".into()],
        ..draft("ana", "answers")
    };
    let message = fixture.posted(posted(room, full));
    assert_eq!(
        message,
        ChatMessage {
            id: 2,
            room,
            seq: 2,
            author: "ana".into(),
            text: "answers".into(),
            is_action: true,
            sent_id: Some("x-1".into()),
            reply_to: Some(1),
            mentions: vec!["ben".into(), "José Luis".into()],
            at_ms: AT_MS,
            edited_ms: None,
            deleted_ms: None,
            reactions: Vec::new(),
        }
    );
    assert_eq!(fixture.reader().message(room, 2).unwrap(), Some(message));
    assert_eq!(fixture.reader().message(room, 3).unwrap(), None);
    let lost = Draft {
        reply_to: Some(77),
        ..draft("ana", "to nothing")
    };
    let outcomes = fixture.commit(&[posted(room, lost), posted(room, draft("ana", "next"))]);
    assert_eq!(outcomes[0], ChatOutcome::Refused(ChatRefused::NoMessage));
    assert_eq!(posting(outcomes[1].clone()).0.seq, 3);
}

#[test]
fn the_same_sent_id_of_the_same_author_is_one_message() {
    let mut fixture = Fixture::new();
    let (room, other) = (fixture.room("lobby"), fixture.room("other"));
    let named = |author: &str, text: &str| Draft {
        sent_id: Some("s".into()),
        ..draft(author, text)
    };
    let outcomes = fixture.commit(&[
        posted(room, named("ana", "first")),
        posted(room, named("ANA", "again")),
        posted(other, named("ana", "elsewhere")),
        posted(room, named("ben", "another")),
    ]);
    let mut outcomes = outcomes.into_iter().map(posting);
    let first = outcomes.next().unwrap();
    assert!(!first.1);
    assert_eq!(outcomes.next(), Some((first.0.clone(), true)));
    assert_eq!(outcomes.next(), Some((first.0.clone(), true)));
    assert!(!outcomes.next().unwrap().1);

    let mut fixture = fixture.reopen();
    let again = fixture.one(posted(room, named("ana", "again")));
    assert_eq!(posting(again), (first.0.clone(), true));
    let private = fixture.one(posted_to("ben", named("ana", "again")));
    assert_eq!(posting(private), (first.0, true));
    // No conversation was made for it.
    assert_eq!(fixture.person("ben").conversations, []);
    assert_eq!(texts(&fixture.newest(room)), ["first", "another"]);
    assert_eq!(fixture.newest(other), []);
    assert_eq!(fixture.say(room, "ana", "new").id, 3);
}

#[test]
fn only_its_author_edits_a_message_and_in_time() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "helo");
    let late = |since_ms| ChatChange::Edited {
        room,
        seq: 1,
        author: "ana".into(),
        text: "hello".into(),
        mentions: vec!["ben".into()],
        at_ms: 6_000,
        since_ms,
    };
    for (change, reason) in [
        (edited(room, 2, "ana", "x"), ChatRefused::NoMessage),
        (edited(RoomNumber(9), 1, "ana", "x"), ChatRefused::NoMessage),
        (edited(room, 1, "ben", "x"), ChatRefused::NotAuthor),
        (late(AT_MS + 1), ChatRefused::TooOld),
        (deleted(room, 2, None), ChatRefused::NoMessage),
        (deleted(room, 1, Some("ben")), ChatRefused::NotAuthor),
    ] {
        assert_eq!(fixture.refusal(change.clone()), reason, "{change:?}");
    }
    let message = fixture.changed(late(AT_MS));
    assert_eq!(
        (&*message.text, message.edited_ms, &message.mentions[..]),
        ("hello", Some(6_000), &["ben".to_owned()][..])
    );
    assert_eq!(fixture.newest(room), [message]);
}

#[test]
fn a_deleted_message_keeps_its_number_and_nothing_else() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let named = Draft {
        mentions: vec!["ben".into()],
        ..draft("ana", "secret")
    };
    fixture.posted(posted(room, named));
    fixture.changed(reacted(1, "ben", "👍", true));
    let too_late = ChatChange::Deleted {
        room,
        seq: 1,
        author: Some("ana".into()),
        at_ms: 6_000,
        since_ms: AT_MS + 1,
    };
    assert_eq!(fixture.refusal(too_late), ChatRefused::TooOld);
    let stone = fixture.changed(deleted(room, 1, Some("Ana")));
    assert_eq!((&*stone.text, stone.deleted_ms), ("", Some(6_000)));
    assert!(stone.mentions.is_empty() && stone.reactions.is_empty());
    assert_eq!(fixture.newest(room), [stone]);
    let positions = fixture.person("ben").positions;
    assert!(
        positions
            .iter()
            .all(|position| position.mentions.is_empty())
    );
    for change in [
        deleted(room, 1, None),
        edited(room, 1, "ana", "x"),
        reacted(1, "ana", "👍", true),
    ] {
        assert_eq!(fixture.refusal(change), ChatRefused::NoMessage);
    }
    assert_eq!(fixture.say(room, "ana", "next").seq, 2);
}

fn reacted(seq: u64, login: &str, emoji: &str, is_on: bool) -> ChatChange {
    ChatChange::Reacted {
        room: RoomNumber(1),
        seq,
        login: login.into(),
        emoji: emoji.into(),
        is_on,
    }
}

#[test]
fn reactions_come_in_their_order_and_are_bounded() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "hi");
    for (login, emoji) in [("ben", "🎉"), ("ana", "👍"), ("cleo", "🎉"), ("ben", "🎉")] {
        fixture.changed(reacted(1, login, emoji, true));
    }
    let reaction = |emoji: &str, logins: &[&str]| ChatReaction {
        emoji: emoji.into(),
        logins: logins.iter().map(|login| (*login).to_owned()).collect(),
    };
    let message = fixture.newest(room).remove(0);
    let both = [reaction("🎉", &["ben", "cleo"]), reaction("👍", &["ana"])];
    assert_eq!(message.reactions, both);
    let message = fixture.changed(reacted(1, "BEN", "🎉", false));
    let both = [reaction("👍", &["ana"]), reaction("🎉", &["cleo"])];
    assert_eq!(message.reactions, both);

    for number in 2..crate::limits::EMOJIS_PER_MESSAGE_MAX {
        fixture.changed(reacted(1, "ana", &format!(":{number}:"), true));
    }
    let further = reacted(1, "ben", "😀", true);
    assert_eq!(fixture.refusal(further.clone()), ChatRefused::TooMany);
    // What is there already may be joined.
    let joined = fixture.changed(reacted(1, "ben", "👍", true));
    assert_eq!(joined.reactions[0], reaction("👍", &["ana", "ben"]));
    fixture.changed(reacted(1, "cleo", "🎉", false));
    fixture.changed(further);
    assert_eq!(
        fixture.refusal(reacted(2, "ana", "👍", true)),
        ChatRefused::NoMessage
    );
}

#[test]
fn a_history_is_paged_both_ways() {
    let mut fixture = Fixture::new();
    let (room, other) = (fixture.room("lobby"), fixture.room("other"));
    for number in 1..=5 {
        fixture.say(room, "ana", &number.to_string());
        fixture.say(other, "ana", "noise");
    }
    let reader = fixture.reader();
    for (cursor, limit, expected, has_more) in [
        (Cursor::Before(u64::MAX), 2, &["4", "5"][..], true),
        (Cursor::Before(4), 2, &["2", "3"], true),
        (Cursor::Before(3), 2, &["1", "2"], false),
        (Cursor::Before(1), 2, &[], false),
        (Cursor::After(0), 2, &["1", "2"], true),
        (Cursor::After(3), 2, &["4", "5"], false),
        (Cursor::After(u64::MAX), 2, &[], false),
        (Cursor::After(0), 0, &[], true),
    ] {
        let page = reader.history(room, cursor, limit).unwrap();
        assert_eq!(texts(&page.messages), expected, "{cursor:?}");
        assert_eq!(page.has_more, has_more, "{cursor:?}");
    }
}
