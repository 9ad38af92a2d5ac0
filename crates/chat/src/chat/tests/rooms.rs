//! Rooms and their names, and that they go with their creators.

use super::rig::{Rig, create, say, settings};
use crate::{
    Command, Ended, Event, KeepRooms, LeftCause, Reason, Reply, RoomSettings, Sanction, Settings,
};

fn names(rig: &mut Rig, session: crate::SessionId) -> Vec<String> {
    match rig.done(session, Command::Rooms) {
        Reply::Rooms(views) => views.into_iter().map(|view| view.name).collect(),
        reply => panic!("rooms, not {reply:?}"),
    }
}

#[test]
fn ones_own_rooms_are_those_that_one_was_in_and_may_enter() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come("bob"));
    for room in ["One", "Two", "Three"] {
        rig.done(ana, create(room, false));
    }
    rig.join(bob, "one");
    rig.join(bob, "two");
    let own = |rig: &mut Rig, session| match rig.done(session, Command::OwnRooms) {
        Reply::Rooms(views) => views.into_iter().map(|view| view.name).collect::<Vec<_>>(),
        reply => panic!("rooms, not {reply:?}"),
    };
    assert_eq!(own(&mut rig, bob), ["One", "Two"]);
    let leave = Command::Leave {
        room: "two".to_owned(),
        to_default: false,
    };
    rig.done(bob, leave);
    assert_eq!(own(&mut rig, bob), ["One", "Two"]);
    let sanction = |is_on: bool| Command::Ban {
        room: "one".to_owned(),
        login: "bob".to_owned(),
        sanction: is_on.then(|| Sanction {
            login: "bob".to_owned(),
            minutes: None,
            reason: String::new(),
        }),
    };
    // Whoever is sent out goes to the default room.
    rig.done(ana, sanction(true));
    assert_eq!(own(&mut rig, bob), ["lobby", "Two"]);
    rig.done(ana, sanction(false));
    assert_eq!(own(&mut rig, bob), ["lobby", "One", "Two"]);
    let delete = Command::DeleteRoom {
        room: "two".to_owned(),
    };
    rig.done(ana, delete);
    assert_eq!(own(&mut rig, bob), ["lobby", "One"]);
}

/// Where a session was told that it is now, and why.
fn entered(rig: &mut Rig, session: crate::SessionId) -> Vec<(String, LeftCause)> {
    let told = rig.told(session).into_iter();
    told.filter_map(|event| match event {
        Event::Entered(entered) => Some((entered.room.clone(), entered.cause.clone())),
        Event::Message { .. }
        | Event::Changed { .. }
        | Event::Mentioned { .. }
        | Event::Left { .. }
        | Event::Presence { .. }
        | Event::Typing { .. }
        | Event::Read { .. }
        | Event::Room { .. } => None,
    })
    .collect()
}

fn with_room() -> (Rig, crate::SessionId, crate::SessionId) {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come_as("ana", true), rig.come_as("bob", true));
    rig.done(ana, create("Kitchen", false));
    let join = Command::Join {
        room: "kitchen".to_owned(),
        after: None,
        is_only: true,
    };
    rig.done(bob, join);
    rig.told(bob);
    (rig, ana, bob)
}

#[test]
fn a_room_goes_at_once_with_a_creator_who_says_goodbye() {
    let (mut rig, ana, bob) = with_room();
    rig.go(ana, Ended::Asked);
    let cause = LeftCause::CreatorGone("ana".to_owned());
    assert_eq!(entered(&mut rig, bob), [("lobby".to_owned(), cause)]);
    assert_eq!(names(&mut rig, bob), ["lobby"]);
}

#[test]
fn a_room_waits_for_a_creator_whose_connection_was_lost() {
    let (mut rig, ana, bob) = with_room();
    rig.go(ana, Ended::Lost);
    rig.wait(9_999);
    assert_eq!(names(&mut rig, bob), ["lobby", "Kitchen"]);
    let ana = rig.come("ana");
    rig.wait(60_000);
    assert_eq!(names(&mut rig, bob), ["lobby", "Kitchen"]);
    rig.go(ana, Ended::Lost);
    rig.wait(10_000);
    assert_eq!(names(&mut rig, bob), ["lobby"]);
    assert_eq!(entered(&mut rig, bob).len(), 1);
}

#[test]
fn a_room_stays_while_its_creator_has_another_session() {
    let (mut rig, ana, bob) = with_room();
    let other = rig.come("ana");
    rig.go(ana, Ended::Asked);
    assert_eq!(names(&mut rig, bob), ["lobby", "Kitchen"]);
    rig.go(other, Ended::Asked);
    assert_eq!(names(&mut rig, bob), ["lobby"]);
}

#[test]
fn a_creator_has_a_while_to_come_back_after_a_restart() {
    let (rig, _, _) = with_room();
    let mut rig = rig.restarted(settings());
    let bob = rig.come("bob");
    assert_eq!(names(&mut rig, bob), ["lobby", "Kitchen"]);
    rig.wait(10_000);
    assert_eq!(names(&mut rig, bob), ["lobby"]);
}

#[test]
fn rooms_that_stay_are_for_whom_the_operator_says() {
    for (keep_rooms, members, administrators) in [
        (KeepRooms::Anyone, true, true),
        (KeepRooms::Administrators, false, true),
        (KeepRooms::Nobody, false, false),
    ] {
        let mut rig = Rig::new(Settings {
            keep_rooms,
            ..settings()
        });
        let (ana, root) = (rig.come("ana"), rig.come("root"));
        for (who, name, may) in [(ana, "one", members), (root, "two", administrators)] {
            let made = rig.ask(who, create(name, true));
            assert_eq!(made.is_ok(), may, "{keep_rooms:?}");
        }
        rig.go(ana, Ended::Asked);
        rig.go(root, Ended::Asked);
        let mut rig = rig.restarted(settings());
        rig.wait(60_000);
        let bob = rig.come("bob");
        let count = 1 + usize::from(members) + usize::from(administrators);
        assert_eq!(names(&mut rig, bob).len(), count);
    }
}

#[test]
fn a_deleted_room_sends_its_members_to_the_default_room() {
    let (mut rig, ana, bob) = with_room();
    let delete = |room: &str| Command::DeleteRoom {
        room: room.to_owned(),
    };
    assert_eq!(rig.refused(ana, delete("lobby")), Reason::DefaultRoom);
    let not_his = Reason::NotOwner("Kitchen".to_owned());
    assert_eq!(rig.refused(bob, delete("kitchen")), not_his);
    rig.done(ana, delete("KITCHEN"));
    let cause = LeftCause::Deleted("ana".to_owned());
    assert_eq!(entered(&mut rig, bob), [("lobby".to_owned(), cause)]);
    let gone = Reason::NoRoom("kitchen".to_owned());
    assert_eq!(rig.refused(ana, say("kitchen", "x")), gone);
    // Another room of that name begins anew.
    rig.done(ana, create("kitchen", false));
    assert_eq!(rig.say(ana, "kitchen", "x"), 1);
}

#[test]
fn names_are_read_as_people_read_them() {
    let mut rig = Rig::new(settings());
    let root = rig.come("root");
    for good in [
        "cocina",
        "Ñandú",
        "кухня",
        "厨房",
        "a",
        "r-2_d",
        &"x".repeat(64),
    ] {
        rig.done(root, create(good, false));
    }
    for (name, code) in [
        ("Cocina", "room_taken"),
        ("COCINA", "room_taken"),
        ("ñandú", "room_taken"),
        ("n\u{303}andu\u{301}", "room_taken"),
        // A Cyrillic letter among Latin ones, and a name that is all Cyrillic and looks Latin.
        ("cocinа", "room_name"),
        ("а", "room_confusable"),
        ("", "room_name"),
        ("two words", "room_name"),
        ("#x", "room_name"),
        ("@ana", "room_name"),
        ("a.b", "room_name"),
        ("a/b", "room_name"),
        ("..", "room_name"),
        ("a\u{202e}b", "room_name"),
        ("a\u{0}b", "room_name"),
        ("\u{301}a", "room_name"),
        ("a\u{fe0f}b", "room_name"),
        ("a\u{34f}b", "room_name"),
        ("a\u{3164}b", "room_name"),
        ("R-2_D", "room_taken"),
        ("c0cina", "room_confusable"),
        (&"x".repeat(65), "room_name"),
    ] {
        let reason = rig.refused(root, create(name, false));
        assert_eq!(reason.code(), code, "{name:?}");
    }
}

#[test]
fn nobody_owns_too_many_rooms() {
    let mut rig = Rig::new(settings());
    let ana = rig.come("ana");
    for number in 0..crate::limits::ROOMS_PER_OWNER_MAX {
        rig.done(ana, create(&format!("r{number}"), false));
    }
    assert_eq!(rig.refused(ana, create("more", false)).code(), "too_many");
}

#[test]
fn settings_of_a_room_are_its_creators() {
    let (mut rig, ana, bob) = with_room();
    let set = |settings| Command::Set {
        room: "kitchen".to_owned(),
        settings,
    };
    let topic = RoomSettings {
        topic: Some("soup".to_owned()),
        ..RoomSettings::default()
    };
    assert_eq!(rig.refused(bob, set(topic.clone())).code(), "not_owner");
    rig.done(ana, set(topic));
    let told = rig.told(bob);
    assert!(
        told.iter()
            .any(|event| matches!(event, Event::Room { by, .. } if &**by == "ana")),
        "{told:?}"
    );
    let slow = RoomSettings {
        slow_s: Some(10),
        ..RoomSettings::default()
    };
    rig.done(ana, set(slow));
    rig.say(bob, "kitchen", "one");
    assert_eq!(rig.refused(bob, say("kitchen", "two")), Reason::Slow(10));
    rig.say(ana, "kitchen", "its creator is not slowed");
    rig.say(ana, "kitchen", "nor twice");
    rig.wait(10_000);
    rig.say(bob, "kitchen", "two");
}
