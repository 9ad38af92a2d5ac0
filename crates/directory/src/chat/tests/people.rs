//! What people have read, whom they do not hear, and what is private.

use super::*;

fn read(room: RoomNumber, login: &str, seq: u64) -> ChatChange {
    ChatChange::Read {
        room,
        login: login.into(),
        seq,
    }
}

fn naming(author: &str, mentions: &[&str]) -> Draft {
    Draft {
        mentions: mentions.iter().map(|login| (*login).to_owned()).collect(),
        ..draft(author, "you")
    }
}

fn blocking(login: &str, blocked: &str, is_on: bool) -> ChatChange {
    ChatChange::BlockSet {
        login: login.into(),
        blocked: blocked.into(),
        is_on,
    }
}

#[test]
fn positions_only_go_forward_and_take_the_mentions_with_them() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    for _ in 0..3 {
        fixture.posted(posted(room, naming("ana", &["Ben", "ana"])));
    }
    let check = |fixture: &mut Fixture, read: u64, mentions: &[u64]| {
        let positions = fixture.person("ben").positions;
        assert_eq!(positions, [position(room, read, mentions)]);
    };
    check(&mut fixture, 0, &[1, 2, 3]);
    fixture.done(read(room, "BEN", 2));
    check(&mut fixture, 2, &[3]);
    fixture.done(read(room, "ben", 1));
    check(&mut fixture, 2, &[3]);
    // An edit names whom it names now, where it was not read.
    for (seq, author) in [(1, "ana"), (3, "ana")] {
        fixture.changed(edited(room, seq, author, "nobody"));
    }
    check(&mut fixture, 2, &[]);
    let mut fixture = fixture.reopen();
    // Not beyond what was said: the next is unread.
    fixture.done(read(room, "ben", 100));
    check(&mut fixture, 3, &[]);
    fixture.posted(posted(room, naming("ana", &["ben"])));
    check(&mut fixture, 3, &[4]);
    // Who talks has read.
    fixture.say(room, "ben", "me");
    check(&mut fixture, 5, &[]);
    assert_eq!(fixture.person("ana").positions, [position(room, 4, &[])]);
    fixture.posted(posted(room, naming("ana", &["ben"])));
    fixture.done(ChatChange::Forgotten {
        room,
        login: "ben".into(),
    });
    assert_eq!(fixture.person("ben").positions, []);
    fixture.done(read(RoomNumber(77), "ben", 1));
    assert_eq!(fixture.person("ben").positions, []);
}

#[test]
fn what_people_set_is_kept() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    assert_eq!(fixture.person("eva"), ChatPerson::default());
    fixture.commit(&[
        ChatChange::LanguageSet {
            login: "ana".into(),
            language: "es".into(),
        },
        ChatChange::Seen {
            login: "ana".into(),
            at_ms: 9,
        },
        blocking("ana", "ben", true),
        blocking("ana", "Ben", true),
        blocking("ana", "cleo", true),
        blocking("ana", "cleo", false),
        ChatChange::NotifySet {
            room,
            login: "ana".into(),
            notify: "mentions".into(),
        },
        ChatChange::NotifySet {
            room: RoomNumber(50),
            login: "ana".into(),
            notify: "all".into(),
        },
    ]);
    let expected = ChatPerson {
        language: "es".into(),
        last_seen_ms: 9,
        blocked: vec!["ben".into()],
        positions: vec![ChatPosition {
            notify: "mentions".into(),
            ..position(room, 0, &[])
        }],
        conversations: Vec::new(),
    };
    assert_eq!(fixture.person("Ana"), expected);
    assert_eq!(fixture.reopen().person("ana"), expected);
}

#[test]
fn two_accounts_have_one_conversation_in_the_rooms_number_space() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let message = fixture.tell("ben", "ana", "psst");
    assert!(message.room > room);
    let answer = fixture.tell("Ana", "BEN", "what");
    assert_eq!((answer.room, answer.seq), (message.room, 2));
    let next = fixture.room("next");
    assert!(next > message.room);
    let with = |with: &str| {
        [Conversation {
            number: message.room,
            with: with.into(),
            head: 2,
            last_ms: AT_MS,
        }]
    };
    assert_eq!(fixture.person("ana").conversations, with("ben"));
    assert_eq!(fixture.person("ben").conversations, with("ana"));
    // It is no room, and may be named only to the two.
    assert_eq!(fixture.store.load().unwrap().rooms.len(), 2);
    fixture.posted(posted(message.room, naming("ana", &["cleo", "ben"])));
    assert_eq!(fixture.person("cleo"), ChatPerson::default());
    assert_eq!(
        fixture.person("ben").positions,
        [position(message.room, 1, &[3])]
    );
    // A conversation with oneself is one, too.
    let own = fixture.tell("cleo", "cleo", "note");
    assert_eq!(fixture.person("cleo").conversations.len(), 1);
    assert_eq!(fixture.tell("cleo", "Cleo", "note").room, own.room);
}

#[test]
fn who_blocks_is_not_told_anything() {
    let mut fixture = Fixture::new();
    fixture.done(blocking("ana", "ben", true));
    let private = || posted_to("ANA", draft("Ben", "hey"));
    assert_eq!(fixture.refusal(private()), ChatRefused::Blocked);
    assert_eq!(fixture.person("ben").conversations, []);
    // The other way round it is open, and a room is no private matter.
    fixture.tell("ana", "ben", "hey");
    fixture.done(blocking("ana", "BEN", false));
    fixture.posted(private());
}

#[test]
fn a_new_account_of_an_old_login_inherits_nothing_private() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let named = Draft {
        sent_id: Some("s".into()),
        ..naming("ben", &["ana"])
    };
    fixture.posted(posted(room, named.clone()));
    let private = fixture.tell("ana", "ben", "between us").room;
    while fixture.store.index(10).unwrap() {}
    fixture.commit(&[
        blocking("ben", "ana", true),
        blocking("ana", "cleo", true),
        ChatChange::LanguageSet {
            login: "ben".into(),
            language: "de".into(),
        },
    ]);
    let made_ms = AT_MS + 1;
    let mut fixture = fixture.reopen();
    assert_eq!(fixture.person_made("Ben", made_ms), ChatPerson::default());
    assert_eq!(fixture.newest(private), []);
    let found = fixture
        .reader()
        .search("between", &[private], None, 9)
        .unwrap();
    assert_eq!(found, (vec![], false));
    let ana = fixture.person("ana");
    assert_eq!(ana.positions, [position(room, 0, &[1])]);
    assert_eq!(ana.conversations, []);
    assert_eq!(ana.blocked, ["cleo"]);

    // What was public stays, and is somebody else's.
    assert_eq!(texts(&fixture.newest(room)), ["you"]);
    for change in [
        edited(room, 1, "ben", "mine"),
        deleted(room, 1, Some("ben")),
    ] {
        assert_eq!(fixture.refusal(change), ChatRefused::NotAuthor);
    }
    let again = fixture.posted(posted(room, named));
    assert_eq!(again.seq, 2);
    // The number of the conversation is not used again; a message to the new account begins another.
    let told = ChatChange::PostedTo {
        to: ChatAuthor {
            login: "ben".into(),
            created_ms: made_ms,
        },
        from_created_ms: CREATED_MS,
        draft: draft("ana", "welcome"),
    };
    let told = fixture.posted(told);
    assert!(told.room > private);
    assert_eq!(told.seq, 1);
    // A message to or from a newer account is enough to tell, too.
    fixture.done(blocking("ana", "ben", true));
    let newer = ChatChange::PostedTo {
        to: ChatAuthor {
            login: "ana".into(),
            created_ms: made_ms,
        },
        from_created_ms: made_ms,
        draft: draft("ben", "hello"),
    };
    assert_eq!(fixture.posted(newer).seq, 1);
    assert_eq!(fixture.newest(told.room), []);
}
