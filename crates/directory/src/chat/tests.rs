#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod fixture;
mod going;
mod inspection;
mod messages;
mod model;
mod people;
mod search;

use super::*;
use fixture::*;

#[test]
fn what_is_said_is_numbered_kept_and_read_again_after_a_restart() {
    let mut fixture = Fixture::new();
    let room = fixture.room("Lobby");
    assert_eq!(fixture.say(room, "ana", "one").seq, 1);
    let second = fixture.say(room, "ben", "two");
    assert_eq!((second.id, second.seq), (2, 2));

    let mut fixture = fixture.reopen();
    let rooms = fixture.store.load().unwrap().rooms;
    assert_eq!((rooms.len(), rooms[0].number, rooms[0].head), (1, room, 2));
    assert_eq!((&*rooms[0].name, &*rooms[0].fold), ("Lobby", "lobby"));
    assert_eq!(fixture.say(room, "ana", "three").seq, 3);
    assert_eq!(texts(&fixture.newest(room)), ["one", "two", "three"]);
    assert_eq!(fixture.newest(room)[1], second);
    let ana = fixture.person("ana");
    assert_eq!(ana.positions, [position(room, 3, &[])]);
    assert_eq!(fixture.person("ben").positions, [position(room, 2, &[])]);
}
