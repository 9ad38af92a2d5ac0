//! Keeping order.

use super::rig::{Rig, create, join, say, settings};
use crate::{
    ChatSanction, Command, Event, LeftCause, Reason, Reply, Sanction, SanctionKind, SessionId,
};

struct House {
    rig: Rig,
    ana: SessionId,
    bob: SessionId,
    root: SessionId,
}

/// Ana's room, with Bob and an administrator in it.
fn house() -> House {
    let mut rig = Rig::new(settings());
    let (ana, bob, root) = (rig.come("ana"), rig.come("bob"), rig.come("root"));
    rig.done(ana, create("house", false));
    rig.join(bob, "house");
    rig.join(root, "house");
    rig.told(bob);
    House {
        rig,
        ana,
        bob,
        root,
    }
}

fn kick(login: &str) -> Command {
    Command::Kick {
        room: "house".to_owned(),
        login: login.to_owned(),
        reason: "noise".to_owned(),
    }
}

fn sanction(login: &str, minutes: Option<u32>) -> Option<Sanction> {
    Some(Sanction {
        login: login.to_owned(),
        minutes,
        reason: "noise".to_owned(),
    })
}

fn ban(room: &str, login: &str, sanction: Option<Sanction>) -> Command {
    Command::Ban {
        room: room.to_owned(),
        login: login.to_owned(),
        sanction,
    }
}

fn mute(room: &str, login: &str, sanction: Option<Sanction>) -> Command {
    Command::Mute {
        room: room.to_owned(),
        login: login.to_owned(),
        sanction,
    }
}

fn listed(kind: SanctionKind, behind: &str, limit: usize) -> Command {
    Command::Sanctions {
        room: "HOUSE".to_owned(),
        kind,
        behind: behind.to_owned(),
        limit,
    }
}

#[test]
fn bans_and_mutes_are_listed_by_login_while_they_last() {
    let House {
        mut rig, ana, root, ..
    } = house();
    for command in [
        ban("house", "zoe", sanction("zoe", None)),
        ban("house", "bob", sanction("bob", Some(2))),
        mute("house", "eve", sanction("eve", Some(1))),
    ] {
        rig.done(ana, command);
    }
    let list = |rig: &mut Rig, kind, behind: &str, limit| match rig
        .done(root, listed(kind, behind, limit))
    {
        Reply::Sanctions { place, sanctions } => {
            assert_eq!(&*place, "house");
            let row = |one: ChatSanction| {
                assert_eq!((&*one.by, &*one.reason, one.kind), ("ana", "noise", kind));
                (one.login, one.until_ms)
            };
            sanctions.into_iter().map(row).collect::<Vec<_>>()
        }
        reply => panic!("a list, not {reply:?}"),
    };
    let until_ms = Some(rig.now_ms + 120_000);
    let (bob, zoe) = (("bob".to_owned(), until_ms), ("zoe".to_owned(), None));
    let (bans, mutes) = (SanctionKind::Ban, SanctionKind::Mute);
    assert_eq!(list(&mut rig, bans, "", 9), [bob.clone(), zoe.clone()]);
    assert_eq!(list(&mut rig, bans, "", 1), std::slice::from_ref(&bob));
    assert_eq!(list(&mut rig, bans, "bob", 9), std::slice::from_ref(&zoe));
    assert_eq!(list(&mut rig, mutes, "", 9).len(), 1);
    rig.wait(120_000);
    assert_eq!(list(&mut rig, bans, "", 9), [zoe]);
    assert_eq!(list(&mut rig, mutes, "", 9), []);
}

#[test]
fn order_is_kept_by_the_creator_and_administrators() {
    let House {
        mut rig,
        ana,
        bob,
        root,
    } = house();
    let not_his = Reason::NotOwner("house".to_owned());
    for command in [
        kick("ana"),
        ban("house", "ana", sanction("ana", None)),
        mute("house", "ana", sanction("ana", None)),
        ban("house", "ana", None),
        listed(SanctionKind::Ban, "", 9),
        listed(SanctionKind::Mute, "", 9),
    ] {
        assert_eq!(rig.refused(bob, command), not_his);
    }
    assert_eq!(rig.refused(ana, kick("root")), Reason::Administrator);
    assert_eq!(rig.refused(ana, kick("ana")), Reason::Yourself);
    assert_eq!(rig.refused(ana, kick("nobody")).code(), "no_user");
    assert_eq!(rig.refused(ana, kick("zoe")).code(), "user_not_there");
    rig.done(root, kick("ana"));
}

#[test]
fn who_is_kicked_is_in_the_default_room_and_may_come_back() {
    let House {
        mut rig, ana, bob, ..
    } = house();
    rig.done(ana, kick("bob"));
    let cause = LeftCause::Kicked {
        by: "ana".to_owned(),
        reason: "noise".to_owned(),
    };
    let told = rig.told(bob);
    let is_left = |event: &Event| matches!(event, Event::Left { place, cause: why } if &**place == "house" && *why == cause);
    assert!(told.iter().any(is_left), "{told:?}");
    let is_in = |event: &Event| matches!(event, Event::Entered(entered) if entered.is_default);
    assert!(told.iter().any(is_in), "{told:?}");
    rig.say(ana, "house", "x");
    assert_eq!(rig.texts(bob), [""; 0]);
    rig.join(bob, "house");
}

#[test]
fn a_ban_keeps_out_until_it_ends() {
    let House {
        mut rig, ana, bob, ..
    } = house();
    rig.done(ana, ban("house", "bob", sanction("bob", Some(5))));
    for command in [
        join("house", None),
        say("house", "x"),
        Command::Members {
            room: "house".to_owned(),
        },
    ] {
        assert_eq!(rig.refused(bob, command).code(), "banned");
    }
    let mut rig = rig.restarted(settings());
    let bob = rig.come("bob");
    assert_eq!(rig.refused(bob, join("house", None)).code(), "banned");
    let ana = rig.come("ana");
    rig.wait(5 * 60_000);
    rig.join(bob, "house");
    rig.done(ana, ban("house", "bob", sanction("bob", None)));
    rig.done(ana, ban("house", "bob", None));
    rig.join(bob, "house");
    assert_eq!(
        rig.refused(ana, ban("house", "bob", None)).code(),
        "not_sanctioned"
    );
}

#[test]
fn who_is_banned_or_kicked_on_the_way_in_does_not_get_in() {
    for command in [ban("house", "bob", sanction("bob", None)), kick("bob")] {
        let House {
            mut rig, ana, bob, ..
        } = house();
        for _ in 0..100 {
            rig.say(ana, "house", "x");
        }
        rig.is_deaf = true;
        let ticket = rig.begin(bob, join("house", Some(0)));
        rig.done(ana, command);
        rig.is_deaf = false;
        rig.turn();
        assert!(rig.answer(ticket).expect("an answer").is_err());
        rig.told(bob);
        rig.say(ana, "house", "without him");
        assert_eq!(rig.texts(bob), [""; 0]);
    }
}

#[test]
fn nobody_lifts_what_was_put_on_them() {
    let House {
        mut rig, ana, root, ..
    } = house();
    rig.done(root, mute("house", "ana", sanction("ana", None)));
    assert_eq!(
        rig.refused(ana, mute("house", "ana", None)),
        Reason::Yourself
    );
    assert_eq!(rig.refused(ana, say("house", "x")).code(), "muted");
    rig.done(root, mute("house", "ana", None));
    rig.say(ana, "house", "x");
}

#[test]
fn a_mute_takes_the_word_and_nothing_else() {
    let House {
        mut rig, ana, bob, ..
    } = house();
    rig.done(ana, mute("house", "bob", sanction("bob", None)));
    assert_eq!(rig.refused(bob, say("house", "x")).code(), "muted");
    rig.told(bob);
    rig.say(ana, "house", "he hears");
    assert_eq!(rig.texts(bob), ["house he hears"]);
    rig.done(ana, mute("house", "bob", None));
    rig.say(bob, "house", "x");
}

#[test]
fn nobody_is_kept_out_of_the_default_room() {
    let House { mut rig, root, .. } = house();
    let banned = rig.refused(root, ban("lobby", "bob", sanction("bob", None)));
    assert_eq!(banned, Reason::DefaultRoom);
    rig.done(root, mute("lobby", "bob", sanction("bob", None)));
}
