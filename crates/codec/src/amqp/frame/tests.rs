#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::content::HEARTBEAT_FRAME;

fn frame(octet: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("test payloads are small");
    let mut bytes = vec![octet];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend(payload);
    bytes.push(FRAME_END);
    bytes
}

#[test]
fn every_frame_kind_is_parsed() {
    let table = [
        (FRAME_METHOD, FrameKind::Method, 4),
        (FRAME_HEADER, FrameKind::Header, 14),
        (FRAME_BODY, FrameKind::Body, 0),
        (FRAME_BODY, FrameKind::Body, 1),
        (FRAME_HEARTBEAT, FrameKind::Heartbeat, 0),
    ];
    for (octet, kind, size) in table {
        let payload = vec![0xAB; size];
        let bytes = frame(octet, 0x1234, &payload);
        let expected = Frame {
            kind,
            channel: 0x1234,
            payload: &payload,
        };
        assert_eq!(
            parse(&bytes, 0),
            Ok(Some((expected, size + FRAME_OVERHEAD)))
        );
    }
}

#[test]
fn bytes_after_a_frame_are_left_alone() {
    let mut bytes = frame(FRAME_BODY, 1, b"hello");
    bytes.extend(HEARTBEAT_FRAME);
    let (first, used) = parse(&bytes, 4096).unwrap().unwrap();
    assert_eq!((first.payload, used), (b"hello".as_slice(), 13));
    let (second, used) = parse(bytes.get(13..).unwrap(), 4096).unwrap().unwrap();
    assert_eq!(
        (second.kind, second.channel, used),
        (FrameKind::Heartbeat, 0, 8)
    );
}

#[test]
fn incomplete_frames_ask_for_more() {
    let bytes = frame(FRAME_METHOD, 1, &[0, 10, 0, 51]);
    for cut in 0..bytes.len() {
        assert_eq!(
            parse(bytes.get(..cut).unwrap(), 4096),
            Ok(None),
            "cut at {cut}"
        );
    }
}

#[test]
fn frame_max_counts_the_whole_frame() {
    let bytes = frame(FRAME_BODY, 1, &[0; 92]);
    assert!(matches!(parse(&bytes, 100), Ok(Some((_, 100)))));
    let refused = FrameError::TooLarge {
        size: 100,
        limit: 99,
    };
    assert_eq!(parse(&bytes, 99), Err(refused));
    assert_eq!(
        parse(bytes.get(..7).unwrap(), 99),
        Err(refused),
        "refused by the header alone"
    );
    assert_eq!(parse(bytes.get(..6).unwrap(), 99), Ok(None));
}

#[test]
fn no_limit_still_has_a_hard_one() {
    let header = |size: u32| {
        let [s3, s2, s1, s0] = size.to_be_bytes();
        [FRAME_BODY, 0, 1, s3, s2, s1, s0]
    };
    for frame_max in [0, u32::MAX] {
        assert_eq!(parse(&header(FRAME_MAX_HARD - 8), frame_max), Ok(None));
        for size in [FRAME_MAX_HARD - 7, u32::MAX] {
            let refused = FrameError::TooLarge {
                size: u64::from(size) + 8,
                limit: FRAME_MAX_HARD,
            };
            assert_eq!(parse(&header(size), frame_max), Err(refused));
        }
    }
}

#[test]
fn malformed_frames_are_refused() {
    let unknown = FrameError::UnknownType { octet: 9 };
    assert_eq!(parse(&frame(9, 0, &[]), 0), Err(unknown));
    assert_eq!(
        parse(b"GET / HTTP/1.1", 0),
        Err(FrameError::UnknownType { octet: b'G' })
    );
    assert_eq!(
        parse(&frame(FRAME_METHOD, 0, &[]), 0),
        Err(FrameError::TooShort { size: 0 })
    );
    assert_eq!(
        parse(&frame(FRAME_METHOD, 0, &[0; 3]), 0),
        Err(FrameError::TooShort { size: 3 })
    );
    assert_eq!(
        parse(&frame(FRAME_HEADER, 0, &[0; 13]), 0),
        Err(FrameError::TooShort { size: 13 })
    );
    let heartbeat = FrameError::HeartbeatPayload { size: 1 };
    assert_eq!(parse(&frame(FRAME_HEARTBEAT, 0, &[0]), 0), Err(heartbeat));

    let mut bytes = frame(FRAME_BODY, 1, b"x");
    *bytes.last_mut().unwrap() = 0xCD;
    assert_eq!(
        parse(&bytes, 0),
        Err(FrameError::MissingEnd { octet: 0xCD })
    );
    assert_eq!(unknown.reply_code().code(), 501);
}

proptest! {
    #[test]
    fn any_payload_round_trips(channel: u16, payload in vec(any::<u8>(), 0..300)) {
        let bytes = frame(FRAME_BODY, channel, &payload);
        let expected = Frame { kind: FrameKind::Body, channel, payload: &payload };
        prop_assert_eq!(parse(&bytes, 4096), Ok(Some((expected, bytes.len()))));
    }

    #[test]
    fn arbitrary_bytes_never_yield_more_than_they_hold(
        bytes in vec(prop_oneof![0..10_u8, any::<u8>(), Just(FRAME_END)], 0..64),
        frame_max: u32,
    ) {
        if let Ok(Some((frame, used))) = parse(&bytes, frame_max) {
            prop_assert!(used <= bytes.len());
            prop_assert_eq!(frame.payload.len() + FRAME_OVERHEAD, used);
            prop_assert_eq!(bytes.get(used - 1), Some(&FRAME_END));
        }
    }
}
