//! Private messages.

use super::rig::{Rig, say, settings, target};
use crate::{Actor, Command, Cursor, PageOf, Reason, Reply, Settings};

#[test]
fn private_messages_reach_all_sessions_of_both_and_nobody_else() {
    let mut rig = Rig::new(settings());
    let (ana, bob, phone) = (rig.come("ana"), rig.come("bob"), rig.come("bob"));
    let (eve, root) = (rig.come("eve"), rig.come("root"));
    for session in [ana, eve, root] {
        rig.join(session, "lobby");
    }
    rig.done(ana, say("@bob", "psst @eve"));
    assert_eq!(rig.texts(ana), ["@bob psst @eve"]);
    assert_eq!(rig.texts(bob), ["@ana psst @eve"]);
    assert_eq!(rig.texts(phone), ["@ana psst @eve"]);
    for other in [eve, root] {
        let told = rig.told(other);
        assert!(!format!("{told:?}").contains("psst"), "{told:?}");
    }
    assert!(!format!("{:?}", rig.overheard).contains("psst"));
    // Nor by asking: to others there is no such conversation.
    let page = PageOf {
        cursor: Cursor::Before(u64::MAX),
        limit: 10,
    };
    for of in ["@ana", "@bob"] {
        let history = Command::History {
            of: target(of),
            page: page.clone(),
        };
        let refused = rig.refused(root, history);
        assert_eq!(refused.code(), "no_conversation");
    }
}

#[test]
fn private_messages_wait_for_those_who_are_away() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.done(ana, say("@bob", "one"));
    rig.done(ana, say("@bob", "two"));
    let mut rig = rig.restarted(settings());
    let bob = rig.come_as("bob", true);
    assert_eq!(rig.texts(bob), ["@ana one", "@ana two"]);
    let again = rig.come_as("bob", true);
    assert_eq!(rig.texts(again), [""; 0], "once");
}

#[test]
fn clients_that_say_what_they_read_have_them_counted() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.done(ana, say("@bob", "one"));
    let bob = rig.come("bob");
    let unread = |rig: &mut Rig| match rig.done(bob, Command::Conversations) {
        Reply::Conversations(all) => all.first().map(|one| (one.with.clone(), one.unread)),
        reply => panic!("conversations, not {reply:?}"),
    };
    assert_eq!(unread(&mut rig), Some(("ana".to_owned(), 1)));
    let of = target("@ana");
    rig.done(bob, Command::Read { of, seq: 1 });
    assert_eq!(unread(&mut rig), Some(("ana".to_owned(), 0)));
}

#[test]
fn who_is_blocked_is_not_heard() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.join(bob, "lobby");
    let block = |is_on| Command::Block {
        login: "ana".to_owned(),
        is_on,
    };
    rig.done(bob, block(true));
    rig.say(ana, "lobby", "@bob in the room");
    let refused = rig.refused(ana, say("@bob", "in private"));
    assert_eq!(refused, Reason::Blocked("bob".to_owned()));
    let told = rig.told(bob);
    assert!(!format!("{told:?}").contains("in the room"), "{told:?}");
    // Nor when he is not there, nor after a restart.
    let mut rig = rig.restarted(settings());
    let ana = rig.come("ana");
    let refused = rig.refused(ana, say("@bob", "in private"));
    assert_eq!(refused, Reason::Blocked("bob".to_owned()));
    let bob = rig.come("bob");
    rig.done(bob, block(false));
    rig.done(ana, say("@bob", "again"));
    assert_eq!(rig.texts(bob), ["@ana again"]);
}

#[test]
fn a_new_account_of_an_old_login_is_somebody_else() {
    let mut rig = Rig::new(Settings::default());
    let ana = rig.come("ana");
    rig.done(ana, say("@bob", "for the old bob"));
    let bob = Actor {
        login: "bob".to_owned(),
        created_ms: 2,
        is_administrator: false,
        session: None,
    };
    let ticket = rig.begin_as(bob, Command::Conversations);
    let answer = rig.answer(ticket).expect("an answer");
    assert_eq!(answer, Ok(Reply::Conversations(Vec::new())));
}
