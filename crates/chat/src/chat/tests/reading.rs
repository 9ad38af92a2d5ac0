//! What was read, and that no badge is ever wrong.

use super::rig::{Rig, settings, target};
use crate::{Command, Ended, Event, Reply, SessionId};

fn unread(rig: &mut Rig, session: SessionId) -> u64 {
    let room = "lobby".to_owned();
    match rig.done(session, Command::Room { room }) {
        Reply::Room(view) => view.unread,
        reply => panic!("a room, not {reply:?}"),
    }
}

fn read(rig: &mut Rig, session: SessionId, seq: u64) {
    let of = target("lobby");
    rig.done(session, Command::Read { of, seq });
}

#[test]
fn unread_is_what_came_after_what_was_read() {
    let mut rig = Rig::new(settings());
    let (ana, bob, phone) = (rig.come("ana"), rig.come("bob"), rig.come("bob"));
    rig.join(ana, "lobby");
    rig.say(ana, "lobby", "before he was ever there");
    rig.join(bob, "lobby");
    assert_eq!(unread(&mut rig, bob), 0);
    for _ in 0..3 {
        rig.say(ana, "lobby", "x");
    }
    assert_eq!(unread(&mut rig, bob), 3);
    assert_eq!(unread(&mut rig, ana), 0, "her own");
    read(&mut rig, bob, 3);
    assert_eq!(unread(&mut rig, bob), 1);
    let told = rig.told(phone);
    assert!(
        told.iter().any(|event| matches!(
            event,
            Event::Read {
                read: 3,
                unread: 1,
                ..
            }
        )),
        "{told:?}"
    );
    read(&mut rig, bob, 2);
    assert_eq!(unread(&mut rig, bob), 1, "nothing is unread again");
    read(&mut rig, bob, u64::MAX);
    assert_eq!(unread(&mut rig, bob), 0);
    rig.say(ana, "lobby", "x");
    let mut rig = rig.restarted(settings());
    let bob = rig.come("bob");
    assert_eq!(unread(&mut rig, bob), 1);
}

#[test]
fn what_reaches_a_line_counts_as_read() {
    let mut rig = Rig::new(settings());
    let (ana, bob) = (rig.come("ana"), rig.come_as("bob", true));
    rig.join(ana, "lobby");
    rig.say(ana, "lobby", "one");
    assert_eq!(unread(&mut rig, bob), 0);
    rig.go(bob, Ended::Lost);
    rig.say(ana, "lobby", "two");
    let bob = rig.come_as("bob", true);
    assert_eq!(rig.texts(bob), ["lobby two"]);
    rig.say(ana, "lobby", "three");
    rig.texts(bob);
    // It is written down now and then, not only when he goes.
    rig.wait(2_000);
    let mut rig = rig.restarted(settings());
    let bob = rig.come_as("bob", true);
    assert_eq!(rig.texts(bob), [""; 0]);
}
