use super::{Positions, Turn, stored};

/// What is written of a room.
fn written(positions: &mut Positions, room: &str) -> Option<u64> {
    let (_, value) = positions.take_change(room)?;
    stored(&value, 7)
}

#[test]
fn a_message_is_published_once_and_in_its_turn() {
    let mut positions = Positions::default();
    positions.follow("lobby", 7, 3);
    positions.follow("lobby", 7, 9);
    assert_eq!(positions.sent("lobby"), Some(3), "it is followed already");
    assert_eq!(positions.turn("lobby", 3), Turn::Past);
    assert_eq!(positions.turn("lobby", 4), Turn::Now);
    assert_eq!(positions.turn("lobby", 5), Turn::Early);
    positions.note_sent("lobby", 4);
    assert_eq!(positions.turn("lobby", 4), Turn::Past);
    assert_eq!(positions.turn("lobby", 5), Turn::Now);
}

#[test]
fn what_is_written_is_what_is_safe() {
    let mut positions = Positions::default();
    positions.follow("lobby", 7, 3);
    assert_eq!(written(&mut positions, "lobby"), Some(3), "a new one");
    assert_eq!(written(&mut positions, "lobby"), None, "nothing changed");
    positions.note_sent("lobby", 6);
    assert_eq!(written(&mut positions, "lobby"), None, "not safe yet");
    positions.note_safe("lobby", 5);
    assert_eq!(written(&mut positions, "lobby"), Some(5));
    positions.keep_changes(&["lobby".to_owned()]);
    assert_eq!(written(&mut positions, "lobby"), Some(5), "it was not kept");
    assert_eq!(positions.rewind(), ["lobby"]);
    assert_eq!(positions.turn("lobby", 6), Turn::Now, "it was lost");
}

#[test]
fn a_position_is_of_one_room_and_not_of_its_name() {
    assert_eq!(stored("7:12", 7), Some(12));
    assert_eq!(stored("7:12", 8), None, "another room of that name");
    for damaged in ["", "7", "7:", "x:1", ":"] {
        assert_eq!(stored(damaged, 7), None, "{damaged:?}");
    }
}
