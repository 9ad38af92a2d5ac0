//! What is said, to whom and in which order.

use super::rig::{Rig, create, join, say, settings, target};
use crate::{Command, Event, Reason, RefusalKind, Reply, Settings};

fn with_id(text: &str, id: &str) -> Command {
    Command::Say {
        to: target("lobby"),
        text: text.to_owned(),
        is_action: false,
        sent_id: Some(id.to_owned()),
        reply_to: None,
    }
}

#[test]
fn everybody_in_a_room_hears_everything_once_and_in_one_order() {
    let mut rig = Rig::new(settings());
    let (ana, bob, eve) = (rig.come("ana"), rig.come("bob"), rig.come("eve"));
    rig.join(ana, "lobby");
    rig.join(bob, "LOBBY");
    assert_eq!(rig.say(ana, "lobby", "one"), 1);
    assert_eq!(rig.say(bob, "lobby", "two"), 2);
    assert_eq!(rig.say(ana, "lobby", "three"), 3);
    let all = ["lobby one", "lobby two", "lobby three"];
    assert_eq!(rig.texts(ana), all);
    assert_eq!(rig.texts(bob), all);
    assert_eq!(rig.texts(eve), [""; 0], "she is not there");
}

#[test]
fn nobody_hears_of_what_is_not_stored() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.join(bob, "lobby");
    rig.is_held = true;
    let ticket = rig.begin(ana, say("lobby", "soon"));
    assert_eq!(rig.answer(ticket), None);
    assert_eq!(rig.texts(bob), [""; 0]);
    rig.is_held = false;
    rig.turn();
    assert!(matches!(rig.answer(ticket), Some(Ok(Reply::Posted(_)))));
    assert_eq!(rig.texts(bob), ["lobby soon"]);
}

#[test]
fn what_cannot_be_stored_is_refused_and_the_next_has_its_number() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    rig.is_held = true;
    let ticket = rig.begin(ana, say("lobby", "lost"));
    rig.fail();
    let refusal = rig.answer(ticket).expect("an answer").expect_err("refused");
    assert_eq!(refusal.kind, RefusalKind::Unavailable);
    assert_eq!(rig.texts(ana), [""; 0]);
    assert_eq!(rig.say(ana, "lobby", "kept"), 1);
}

#[test]
fn a_message_that_is_sent_again_is_one_message() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    rig.done(ana, with_id("hola", "a1"));
    let again = rig.done(ana, with_id("hola", "a1"));
    let Reply::Posted(posted) = again else {
        panic!("said, not {again:?}")
    };
    assert!(posted.is_duplicate);
    assert_eq!(posted.message.seq, 1);
    assert_eq!(rig.texts(ana), ["lobby hola"]);
    // Nor after a restart.
    let mut rig = rig.restarted(settings());
    let ana = rig.come("ana");
    rig.done(ana, with_id("hola", "a1"));
    assert_eq!(rig.say(ana, "lobby", "next"), 2);
}

#[test]
fn an_id_that_was_used_elsewhere_names_what_was_said_there() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.done(ana, with_id("in the lobby", "a1"));
    let privately = Command::Say {
        to: target("@bob"),
        text: "in private".to_owned(),
        is_action: false,
        sent_id: Some("a1".to_owned()),
        reply_to: None,
    };
    let Reply::Posted(posted) = rig.done(ana, privately) else {
        panic!("said")
    };
    assert_eq!((&*posted.place, posted.is_duplicate), ("lobby", true));
    assert_eq!(rig.texts(bob), [""; 0]);
}

#[test]
fn an_answer_to_nothing_is_refused_and_leaves_nothing_behind() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    let answer = |place: &str, seq| Command::Say {
        to: target(place),
        text: "yes".to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: Some(seq),
    };
    let is_posted = |reply: &Reply| matches!(reply, Reply::Posted(posted) if posted.message.reply_to == Some(1));
    rig.say(ana, "lobby", "well?");
    for seq in [0, 2, u64::MAX] {
        let reason = rig.refused(ana, answer("lobby", seq));
        assert_eq!(reason, Reason::NoMessage(seq));
    }
    assert_eq!(rig.texts(ana), ["lobby well?"]);
    // One that was taken back still has its number.
    let of = target("lobby");
    rig.done(ana, Command::Delete { of, seq: 1 });
    assert!(is_posted(&rig.done(ana, answer("lobby", 1))));
    // In private neither, where it does not begin a conversation.
    assert_eq!(rig.refused(ana, answer("@bob", 1)), Reason::NoMessage(1));
    let none = rig.done(ana, Command::Conversations);
    assert_eq!(none, Reply::Conversations(Vec::new()));
    rig.say(bob, "@ana", "psst");
    assert!(is_posted(&rig.done(ana, answer("@bob", 1))));
    assert_eq!(rig.refused(bob, answer("@ana", 3)), Reason::NoMessage(3));
}

#[test]
fn an_answer_to_nothing_does_not_count_in_a_slow_room() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.done(ana, create("den", false));
    rig.join(bob, "den");
    let settings = crate::RoomSettings {
        slow_s: Some(60),
        ..crate::RoomSettings::default()
    };
    let room = "den".to_owned();
    rig.done(ana, Command::Set { room, settings });
    let lost = Command::Say {
        to: target("den"),
        text: "yes".to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: Some(9),
    };
    assert_eq!(rig.refused(bob, lost), Reason::NoMessage(9));
    assert_eq!(rig.say(bob, "den", "so"), 1);
    assert_eq!(rig.refused(bob, say("den", "more")), Reason::Slow(60));
}

#[test]
fn a_mention_makes_one_message_unread_and_goes_with_it() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    for _ in 0..5 {
        rig.say(ana, "lobby", "before he was ever there");
    }
    let seq = rig.say(ana, "lobby", "@bob");
    let counts = |rig: &mut Rig, session| {
        let room = "lobby".to_owned();
        match rig.done(session, Command::Room { room }) {
            Reply::Room(view) => (view.unread, view.mentions),
            reply => panic!("a room, not {reply:?}"),
        }
    };
    assert_eq!(counts(&mut rig, bob), (1, 1));
    let of = target("lobby");
    rig.done(ana, Command::Delete { of, seq });
    assert_eq!(counts(&mut rig, bob), (1, 0));
    let mut rig = rig.restarted(settings());
    let bob = rig.come("bob");
    assert_eq!(counts(&mut rig, bob), (1, 0));
}

#[test]
fn texts_have_bounds() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    for (text, reason) in [
        (String::new(), Reason::EmptyText),
        (" \t ".to_owned(), Reason::EmptyText),
        ("x".repeat(8_193), Reason::LongText(8_193)),
    ] {
        assert_eq!(rig.refused(ana, say("lobby", &text)), reason);
    }
    rig.say(ana, "lobby", &"x".repeat(8_192));
    let nowhere = rig.refused(ana, say("kitchen", "x"));
    assert_eq!(nowhere, Reason::NoRoom("kitchen".to_owned()));
    let nobody = rig.refused(ana, say("@nobody", "x"));
    assert_eq!(nobody, Reason::NoUser("nobody".to_owned()));
}

#[test]
fn who_talks_too_fast_waits() {
    let mut rig = Rig::new(Settings {
        messages_per_second: 2,
        messages_burst: 3,
        ..Settings::default()
    });
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.join(bob, "lobby");
    for _ in 0..3 {
        rig.say(ana, "lobby", "x");
    }
    let refusal = rig.ask(ana, say("lobby", "x")).expect_err("too fast");
    assert_eq!(refusal.reason, Reason::Flood);
    assert_eq!(
        refusal.kind,
        RefusalKind::Limited {
            retry_after_ms: 500
        }
    );
    // Others are not slowed by it.
    rig.say(bob, "lobby", "y");
    rig.wait(500);
    rig.say(ana, "lobby", "x");
}

#[test]
fn who_is_named_elsewhere_is_told_and_it_counts_until_it_is_read() {
    let mut rig = Rig::new(settings());
    let (ana, bob, zoe) = (rig.come("ana"), rig.come("bob"), rig.come("zoe"));
    rig.join(ana, "lobby");
    rig.done(bob, create("kitchen", false));
    rig.told(bob);
    rig.join(zoe, "lobby");
    rig.say(ana, "lobby", "hey @bob, @zoe. and mail@ana, @nobody");
    let Some(Event::Mentioned { place, message }) = rig.told(bob).into_iter().next() else {
        panic!("he is told")
    };
    assert_eq!(
        (&*place, &*message.mentions),
        ("lobby", &["bob".to_owned(), "zoe".to_owned()][..])
    );
    assert!(
        !rig.told(zoe)
            .iter()
            .any(|event| matches!(event, Event::Mentioned { .. })),
        "she hears it in the room"
    );
    let room = |rig: &mut Rig, session| {
        let room = "lobby".to_owned();
        match rig.done(session, Command::Room { room }) {
            Reply::Room(view) => (view.unread, view.mentions),
            reply => panic!("a room, not {reply:?}"),
        }
    };
    assert_eq!(room(&mut rig, zoe), (1, 1));
    rig.done(
        zoe,
        Command::Read {
            of: target("lobby"),
            seq: 1,
        },
    );
    assert_eq!(room(&mut rig, zoe), (0, 0));
}

#[test]
fn messages_are_changed_by_their_authors_and_for_a_while() {
    let mut rig = Rig::new(Settings {
        edit_ms: 60_000,
        ..settings()
    });
    let (ana, bob, root) = (rig.come("ana"), rig.come("bob"), rig.come("root"));
    rig.join(ana, "lobby");
    rig.join(bob, "lobby");
    rig.say(ana, "lobby", "helo");
    let edit = |text: &str| Command::Edit {
        of: target("lobby"),
        seq: 1,
        text: text.to_owned(),
    };
    let delete = Command::Delete {
        of: target("lobby"),
        seq: 1,
    };
    assert_eq!(rig.refused(bob, edit("x")), Reason::NotAuthor);
    assert_eq!(rig.refused(bob, delete.clone()), Reason::NotAuthor);
    rig.told(bob);
    rig.done(ana, edit("hello"));
    let told = rig.told(bob);
    let Some(Event::Changed { message, .. }) = told.first() else {
        panic!("a change, not {told:?}")
    };
    assert_eq!((&*message.text, message.seq), ("hello", 1));
    assert!(message.edited_ms.is_some());
    // Whoever comes back in a moment is shown what it says now.
    let zoe = rig.come("zoe");
    rig.done(zoe, join("lobby", Some(0)));
    assert_eq!(rig.texts(zoe), ["lobby hello"]);
    rig.wait(60_001);
    assert_eq!(rig.refused(ana, edit("late")), Reason::TooOld);
    assert_eq!(rig.refused(ana, delete.clone()), Reason::TooOld);
    rig.done(root, delete.clone());
    assert_eq!(rig.refused(root, delete), Reason::NoMessage(1));
}

#[test]
fn reactions_are_one_emoji() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    rig.say(ana, "lobby", "x");
    let react = |emoji: &str, is_on| Command::React {
        of: target("lobby"),
        seq: 1,
        emoji: emoji.to_owned(),
        is_on,
    };
    for good in ["👍", "👩‍👩‍👧", "🇵🇪", "1️⃣", "❤️"] {
        rig.done(ana, react(good, true));
    }
    for bad in ["", "ok", "👍👍", "<b>", "ñ", "\u{202e}", "\u{1b}"] {
        let refused = rig.ask(ana, react(bad, true));
        assert!(refused.is_err(), "{bad:?} is no emoji");
    }
    let reply = rig.done(ana, react("👍", false));
    let Reply::Message { message, .. } = reply else {
        panic!("a message, not {reply:?}")
    };
    assert!(!message.reactions.iter().any(|(emoji, _)| emoji == "👍"));
}

#[test]
fn a_search_finds_what_may_be_read_and_nothing_else() {
    let mut rig = Rig::new(settings());
    let (ana, bob, eve) = (rig.come("ana"), rig.come("bob"), rig.come("eve"));
    rig.join(ana, "lobby");
    rig.say(ana, "lobby", "the potatoes are in the lobby");
    rig.done(ana, create("cellar", false));
    rig.say(ana, "cellar", "the potatoes are in the cellar");
    rig.done(ana, say("@bob", "potatoes for you"));
    let search = || Command::Search {
        words: "potat".to_owned(),
        of: None,
        before: None,
        limit: 10,
    };
    let places = |reply: Reply| match reply {
        Reply::Found { found, .. } => found.into_iter().map(|one| one.place).collect::<Vec<_>>(),
        reply => panic!("found, not {reply:?}"),
    };
    let found = rig.done(bob, search());
    assert_eq!(places(found), ["@ana", "cellar", "lobby"]);
    let found = rig.done(eve, search());
    assert_eq!(places(found), ["cellar", "lobby"]);
    let ban = Command::Ban {
        room: "cellar".to_owned(),
        login: "eve".to_owned(),
        sanction: Some(crate::Sanction {
            login: "eve".to_owned(),
            minutes: None,
            reason: String::new(),
        }),
    };
    rig.done(ana, ban);
    let found = rig.done(eve, search());
    assert_eq!(places(found), ["lobby"]);
}
