#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use amq_protocol::frame::AMQPFrame;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::field::strategy::short_text;
use crate::amqp::frame::{FrameKind, parse};
use crate::amqp::method::{BasicDeliver, Method};
use crate::amqp::oracle;
use crate::amqp::properties::strategy::properties;

/// Parses all frames of `bytes` and returns kind, channel and payload of each.
fn frames(mut bytes: &[u8], frame_max: u32) -> Vec<(FrameKind, u16, &[u8])> {
    let mut frames = Vec::new();
    while let Some((frame, used)) = parse(bytes, frame_max).unwrap() {
        frames.push((frame.kind, frame.channel, frame.payload));
        bytes = bytes.get(used..).unwrap();
    }
    assert!(bytes.is_empty(), "an incomplete frame is left");
    frames
}

#[test]
fn header_frame_has_its_layout() {
    let mut out = Vec::new();
    encode_header_frame(0x0102, 5, b"\x10\0\x02", &mut out);
    let golden = b"\x02\x01\x02\0\0\0\x0F\0\x3C\0\0\0\0\0\0\0\0\0\x05\x10\0\x02\xCE";
    assert_eq!(out, golden);
    let (kind, channel, payload) = frames(&out, 0).pop().unwrap();
    assert_eq!((kind, channel), (FrameKind::Header, 0x0102));
    let header = ContentHeader {
        class_id: 60,
        body_size: 5,
        properties: b"\x10\0\x02",
    };
    assert_eq!(ContentHeader::decode(payload), Ok(header));
}

#[test]
fn malformed_headers_are_refused() {
    let good = b"\0\x3C\0\0\0\0\0\0\0\0\0\x05\0\0";
    for cut in 0..12 {
        let result = ContentHeader::decode(good.get(..cut).unwrap());
        assert_eq!(result, Err(DecodeError::Truncated), "cut at {cut}");
    }
    let mut heavy = good.to_vec();
    *heavy.get_mut(3).unwrap() = 1;
    assert_eq!(
        ContentHeader::decode(&heavy),
        Err(DecodeError::InvalidWeight { weight: 1 })
    );
}

#[test]
fn an_announced_body_size_is_only_a_number() {
    let payload = b"\0\x3C\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0";
    assert_eq!(ContentHeader::decode(payload).unwrap().body_size, u64::MAX);
}

#[test]
fn heartbeat_frame_is_a_frame() {
    assert_eq!(
        frames(&HEARTBEAT_FRAME, 0),
        [(FrameKind::Heartbeat, 0, [].as_slice())]
    );
    assert_eq!(oracle::parse(&HEARTBEAT_FRAME), Some(AMQPFrame::Heartbeat));
}

#[test]
fn bodies_are_split_at_frame_max() {
    let table: &[(usize, u32, &[usize])] = &[
        (0, 4096, &[]),
        (1, 4096, &[1]),
        (4088, 4096, &[4088]),
        (4089, 4096, &[4088, 1]),
        (8176, 4096, &[4088, 4088]),
        (10_000, 0, &[10_000]),
        (10_000, 70_000, &[10_000]),
        (70_000, 70_000, &[69_992, 8]),
        (5000, 1, &[4088, 912]),
    ];
    for (size, frame_max, expected) in table {
        let body = vec![0x5A; *size];
        let mut out = Vec::new();
        encode_body_frames(3, &body, *frame_max, &mut out);
        let frames = frames(&out, 0);
        let sizes: Vec<usize> = frames.iter().map(|(_, _, payload)| payload.len()).collect();
        assert_eq!(sizes, *expected, "{size} bytes at {frame_max}");
        assert!(
            frames
                .iter()
                .all(|(kind, channel, _)| (*kind, *channel) == (FrameKind::Body, 3))
        );
    }
}

#[test]
fn deliver_has_its_layout() {
    let mut out = Vec::new();
    encode_deliver(1, "ct", 7, true, "e", "rk", b"\0\0", 3, &mut out);
    let golden = b"\x01\0\x01\0\0\0\x15\0\x3C\0\x3C\x02ct\0\0\0\0\0\0\0\x07\x01\x01e\x02rk\xCE\
        \x02\0\x01\0\0\0\x0E\0\x3C\0\0\0\0\0\0\0\0\0\x03\0\0\xCE";
    assert_eq!(out, golden);
}

#[test]
fn deliver_cuts_strings_that_do_not_fit() {
    let long = "x".repeat(300);
    let mut out = Vec::new();
    encode_deliver(1, &long, 1, false, &long, &long, b"\0\0", 0, &mut out);
    let frames = frames(&out, 0);
    let (_, _, payload) = frames.first().unwrap();
    let Ok(Method::BasicDeliver(deliver)) = Method::decode(payload) else {
        panic!("not a deliver");
    };
    assert_eq!(deliver.consumer_tag.len(), 255);
    assert_eq!(deliver.routing_key.len(), 255);
}

proptest! {
    #[test]
    fn deliver_is_method_and_header(
        (channel, delivery_tag, redelivered, body_size) in any::<(u16, u64, bool, u64)>(),
        (consumer_tag, exchange, routing_key) in (short_text(), short_text(), short_text()),
        properties in properties(),
    ) {
        let mut raw = Vec::new();
        properties.encode(&mut raw);
        let mut fast = Vec::new();
        encode_deliver(
            channel, &consumer_tag, delivery_tag, redelivered, &exchange, &routing_key, &raw,
            body_size, &mut fast,
        );
        let deliver = BasicDeliver {
            consumer_tag: &consumer_tag,
            delivery_tag,
            redelivered,
            exchange: &exchange,
            routing_key: &routing_key,
        };
        let mut slow = Vec::new();
        Method::from(deliver).encode_frame(channel, &mut slow);
        encode_header_frame(channel, body_size, &raw, &mut slow);
        prop_assert_eq!(fast, slow);
    }

    #[test]
    fn split_bodies_join_to_the_same(
        body in vec(any::<u8>(), 0..20_000),
        frame_max in 4096..10_000_u32,
    ) {
        let mut out = Vec::new();
        encode_body_frames(1, &body, frame_max, &mut out);
        let joined: Vec<u8> =
            frames(&out, frame_max).iter().flat_map(|(_, _, payload)| payload.to_vec()).collect();
        prop_assert_eq!(joined, body);
    }
}
