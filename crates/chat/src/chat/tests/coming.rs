//! Coming back, and who is there.

use super::rig::{Rig, create, join, settings, target};
use crate::{Command, Ended, Event, Presence, Reply};

#[test]
fn who_comes_back_misses_nothing_and_sees_nothing_twice() {
    // In memory, in part on disk, all on disk.
    for missed in [0, 10, 64, 65, 150] {
        let mut rig = Rig::new(settings());
        let (ana, bob) = (rig.come("ana"), rig.come("bob"));
        rig.join(ana, "lobby");
        rig.join(bob, "lobby");
        rig.say(ana, "lobby", "0");
        rig.told(bob);
        rig.go(bob, Ended::Lost);
        for number in 1..=missed {
            rig.say(ana, "lobby", &number.to_string());
        }
        let bob = rig.come("bob");
        rig.done(bob, join("lobby", Some(1)));
        rig.say(ana, "lobby", "last");
        let expected: Vec<_> = (1..=missed)
            .map(|number| format!("lobby {number}"))
            .chain(["lobby last".to_owned()])
            .collect();
        assert_eq!(rig.texts(bob), expected);
    }
}

#[test]
fn what_comes_while_the_past_is_read_comes_behind_it() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    for number in 1..=100 {
        rig.say(ana, "lobby", &number.to_string());
    }
    let mut rig = rig.restarted(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.done(bob, join("lobby", Some(98)));
    rig.say(ana, "lobby", "101");
    let told = rig.told(bob);
    let kinds: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            Event::Message {
                message,
                is_history,
                ..
            } => Some(format!("{} {is_history}", message.seq)),
            Event::Entered(entered) => Some(format!("in at {}", entered.head)),
            Event::Changed { .. }
            | Event::Mentioned { .. }
            | Event::Left { .. }
            | Event::Presence { .. }
            | Event::Typing { .. }
            | Event::Read { .. }
            | Event::Room { .. } => None,
        })
        .collect();
    assert_eq!(kinds, ["99 true", "100 true", "in at 100", "101 false"]);
}

#[test]
fn too_much_to_show_is_counted() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    for _ in 0..510 {
        rig.say(ana, "lobby", "x");
    }
    let reply = rig.done(bob, join("lobby", Some(5)));
    let Reply::Entered(entered) = reply else {
        panic!("in, not {reply:?}")
    };
    assert_eq!(entered.skipped, 5);
    assert_eq!(rig.texts(bob).len(), 500);
}

#[test]
fn comings_and_goings_are_told_together() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    rig.join(ana, "lobby");
    rig.wait(100);
    rig.wait(5_000);
    rig.told(ana);
    let (bob, eve, zoe) = (rig.come("bob"), rig.come("eve"), rig.come("zoe"));
    for session in [bob, eve, zoe] {
        rig.join(session, "lobby");
    }
    // Whoever goes at once was never there.
    rig.go(zoe, Ended::Lost);
    rig.wait(100);
    let told = rig.told(ana);
    let [Event::Presence { change, .. }] = &*told else {
        panic!("one notice, not {told:?}")
    };
    assert_eq!(change.joined, ["bob", "eve"]);
    assert_eq!((change.left_count, change.members), (0, 3));
    rig.go(bob, Ended::Lost);
    rig.wait(100);
    assert_eq!(rig.told(ana), [], "not so soon after the last");
    rig.wait(2_000);
    let told = rig.told(ana);
    assert!(
        matches!(&*told, [Event::Presence { change, .. }] if change.left == ["bob"]),
        "{told:?}"
    );
}

#[test]
fn presence_is_what_people_do() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    rig.join(ana, "lobby");
    let presence = |rig: &mut Rig, login: &str| {
        let Reply::Users(users) = rig.done(bob, Command::Users) else {
            panic!("users")
        };
        let user = users.into_iter().find(|user| user.login == login);
        let user = user.expect("an account");
        (user.presence, user.since_ms)
    };
    assert_eq!(presence(&mut rig, "ana").0, Presence::Online);
    assert_eq!(presence(&mut rig, "zoe"), (Presence::Offline, None));
    rig.wait(5 * 60_000);
    rig.wait(15_000);
    assert_eq!(presence(&mut rig, "ana").0, Presence::Idle);
    rig.say(ana, "lobby", "here");
    assert_eq!(presence(&mut rig, "ana").0, Presence::Online);
    let away = Command::Away {
        is_away: true,
        note: "lunch".to_owned(),
    };
    rig.done(ana, away);
    assert_eq!(presence(&mut rig, "ana").0, Presence::Away);
    rig.go(ana, Ended::Asked);
    let gone_ms = rig.now_ms;
    assert_eq!(
        presence(&mut rig, "ana"),
        (Presence::Offline, Some(gone_ms))
    );
    let mut rig = rig.restarted(settings());
    let bob = rig.come("bob");
    let Reply::Users(users) = rig.done(bob, Command::Users) else {
        panic!("users")
    };
    assert_eq!(users.first().expect("ana").since_ms, Some(gone_ms));
}

#[test]
fn who_types_is_told_to_the_others() {
    let mut rig = Rig::new(settings());
    let (ana, bob, line) = (rig.come("ana"), rig.come("bob"), rig.come_as("zoe", true));
    rig.join(ana, "lobby");
    rig.join(bob, "lobby");
    for session in [ana, bob, line] {
        rig.told(session);
    }
    let of = target("lobby");
    rig.done(ana, Command::Typing { of });
    let is_typing = |event: &Event| matches!(event, Event::Typing { .. });
    assert!(rig.told(bob).iter().any(is_typing));
    assert!(!rig.told(ana).iter().any(is_typing), "she knows");
    assert!(
        !rig.told(line).iter().any(is_typing),
        "a line cannot be taken back"
    );
}

#[test]
fn somebody_who_left_hears_nothing() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come_as("bob", true));
    rig.join(ana, "lobby");
    rig.done(bob, create("kitchen", false));
    rig.told(bob);
    rig.say(ana, "lobby", "x");
    assert_eq!(rig.texts(bob), [""; 0]);
    // Where one is in one room, what was said meanwhile is shown on coming back.
    let back = Command::Leave {
        room: "kitchen".to_owned(),
        to_default: true,
    };
    rig.done(bob, back);
    assert_eq!(rig.texts(bob), ["lobby x"]);
}
