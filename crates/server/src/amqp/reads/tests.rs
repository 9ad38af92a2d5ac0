use super::{READ_BYTES_MAX, READ_BYTES_MAX_LARGE, READ_BYTES_MIN, read_bytes_max, room_for};

#[test]
fn nobody_unknown_makes_a_read_take_more_than_eight_kibibytes() {
    let most = session::limits::HANDSHAKE_FRAME_MAX;
    for held in 0..most as usize {
        for read_bytes in [READ_BYTES_MIN, 8 << 10, READ_BYTES_MAX] {
            let (room, wanted) = room_for(held, read_bytes, most, false);
            assert!(room <= 8 << 10, "{held} bytes held take {room}");
            assert!(wanted >= 1 && held + wanted <= room);
        }
    }
}

#[test]
fn a_large_frame_of_an_open_connection_is_read_in_one_piece() {
    let (room, wanted) = room_for(100, READ_BYTES_MIN, 131_072, true);
    assert_eq!((room, wanted), (131_072, READ_BYTES_MIN));
    let (room, _) = room_for(100, READ_BYTES_MAX, 131_072, true);
    assert_eq!(room, 100 + READ_BYTES_MAX);
}

#[test]
fn a_frame_beyond_the_limit_is_still_read_on_for_its_refusal() {
    for is_open in [false, true] {
        for frame_max in [0, 4_096] {
            let (room, wanted) = room_for(1 << 20, READ_BYTES_MIN, frame_max, is_open);
            assert!(wanted >= 1 && room > 1 << 20);
        }
    }
}

#[test]
fn large_messages_are_read_in_smaller_batches() {
    assert_eq!(read_bytes_max(256 << 10, 230), Some(READ_BYTES_MAX));
    assert_eq!(read_bytes_max(256 << 10, 16), Some(READ_BYTES_MAX_LARGE));
    assert_eq!(read_bytes_max(256 << 10, 0), None, "a part of a message");
}
