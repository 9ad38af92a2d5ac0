#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::content::ContentHeader;
use codec::amqp::frame::{self, FrameKind};
use codec::amqp::method::Method;

use super::super::mark::MARK_BYTES;
use super::*;

/// Reads frames back to (routing key, persistent, body).
fn decode(mut bytes: &[u8], frame_max: u32) -> Vec<(String, bool, Vec<u8>)> {
    let mut messages: Vec<(String, bool, Vec<u8>)> = Vec::new();
    while let Some((frame, taken)) = frame::parse(bytes, frame_max).unwrap() {
        match frame.kind {
            FrameKind::Method => {
                let method = Method::decode(frame.payload).unwrap();
                let Method::BasicPublish(publish) = method else {
                    panic!("a publish was laid out as {method:?}");
                };
                assert_eq!(publish.exchange, "ex");
                messages.push((publish.routing_key.to_owned(), false, Vec::new()));
            }
            FrameKind::Header => {
                let header = ContentHeader::decode(frame.payload).unwrap();
                let last = messages.last_mut().unwrap();
                last.1 = header.properties == [0x10, 0, 2];
                last.2.reserve(usize::try_from(header.body_size).unwrap());
            }
            FrameKind::Body => messages.last_mut().unwrap().2.extend(frame.payload),
            FrameKind::Heartbeat => panic!("a heartbeat was laid out"),
        }
        bytes = &bytes[taken..];
    }
    assert!(bytes.is_empty(), "{} bytes are no frame", bytes.len());
    messages
}

fn amqp() -> AmqpLayout {
    AmqpLayout {
        exchange: "ex".to_owned(),
        mandatory: false,
        persistent: true,
        frame_max: 4_096,
    }
}

fn shape<'a>(layout: &'a dyn Layout, keys: &'a [String], sizes: &'a [usize]) -> SlabShape<'a> {
    SlabShape {
        layout,
        keys,
        sizes,
        bytes_max: 64 << 10,
        slots_max: usize::MAX,
    }
}

#[test]
fn messages_are_whole_publishes_with_rising_marks() {
    let keys = ["q1".to_owned(), "q2".to_owned()];
    let mut slab = Slab::new(&shape(&amqp(), &keys, &[20, 10_000]));
    for stamp in 0..4 {
        slab.push(stamp, 7).unwrap();
    }
    let messages = decode(slab.pending(), 4_096);
    let seen: Vec<(&str, bool, usize)> = messages
        .iter()
        .map(|(key, persistent, body)| (key.as_str(), *persistent, body.len()))
        .collect();
    let wanted = [
        ("q1", true, 20),
        ("q2", true, 10_000),
        ("q1", true, 20),
        ("q2", true, 10_000),
    ];
    assert_eq!(seen, wanted);
    let marks: Vec<Mark> = messages
        .iter()
        .map(|(_, _, body)| Mark::read(body.first_chunk::<MARK_BYTES>().unwrap()))
        .collect();
    let mark = |stamp, sequence| Mark {
        stamp,
        producer: 7,
        sequence,
    };
    assert_eq!(marks, [mark(0, 0), mark(1, 0), mark(2, 1), mark(3, 1)]);
}

#[test]
fn the_ring_goes_round_only_when_all_is_written() {
    let keys = ["q".to_owned()];
    let mut slab = Slab::new(&SlabShape {
        slots_max: 2,
        ..shape(&amqp(), &keys, &[16])
    });
    assert!(slab.push(0, 1).is_some() && slab.push(0, 1).is_some());
    let bytes = slab.pending().len();
    slab.wrote(bytes - 1);
    assert!(
        slab.push(0, 1).is_none(),
        "a message that is not written was overwritten"
    );
    slab.wrote(1);
    assert!(slab.push(9, 1).is_some());
    let messages = decode(slab.pending(), 4_096);
    let mark = Mark::read(messages[0].2.first_chunk::<MARK_BYTES>().unwrap());
    assert_eq!((mark.stamp, mark.sequence), (9, 2));
}

#[test]
fn small_bodies_hold_what_fits() {
    let keys = ["q".to_owned()];
    for (size, wanted) in [(0, 0), (3, 0), (8, 0x0102), (15, 0x0102)] {
        let mut slab = Slab::new(&shape(&amqp(), &keys, &[size]));
        slab.push(0x0102, 1).unwrap();
        let body = &decode(slab.pending(), 4_096)[0].2;
        assert_eq!(body.len(), size);
        let stamp = body
            .first_chunk::<8>()
            .map_or(0, |stamp| u64::from_le_bytes(*stamp));
        assert_eq!(stamp, wanted, "{size} bytes");
    }
}

#[test]
fn nats_messages_are_whole_lines_and_bodies_with_rising_marks() {
    let keys = ["q.1".to_owned(), "q.2".to_owned()];
    let layout = NatsLayout { inbox: None };
    let mut slab = Slab::new(&shape(&layout, &keys, &[20, 3]));
    for stamp in 0..3 {
        slab.push(stamp, 7).unwrap();
    }
    let mut wanted = Vec::new();
    let mark = |stamp, sequence| Mark {
        stamp,
        producer: 7,
        sequence,
    };
    for (line, size, mark) in [
        ("PUB q.1 20", 20, Some(mark(0, 0))),
        ("PUB q.2 3", 3, None),
        ("PUB q.1 20", 20, Some(mark(2, 1))),
    ] {
        let mut body = vec![b'x'; size];
        if let Some(mark) = mark {
            mark.write(&mut body);
        }
        wanted.extend(line.bytes().chain(*b"\r\n").chain(body).chain(*b"\r\n"));
    }
    assert_eq!(
        slab.pending().escape_ascii().to_string(),
        wanted.escape_ascii().to_string()
    );
}

#[test]
fn nats_confirms_are_told_apart_by_a_number_in_the_reply_subject() {
    let keys = ["q".to_owned()];
    let layout = NatsLayout {
        inbox: Some("_INBOX.a.".to_owned()),
    };
    let mut slab = Slab::new(&SlabShape {
        slots_max: 2,
        ..shape(&layout, &keys, &[0])
    });
    let mut seen = Vec::new();
    for _ in 0..20 {
        slab.push(0, 1).unwrap();
        let text = str::from_utf8(slab.pending()).unwrap().to_owned();
        let reply = text.split(' ').nth(2).unwrap();
        let digits = reply.strip_prefix("_INBOX.a.").unwrap().as_bytes();
        seen.push(parse_tag(digits.first_chunk().unwrap()).unwrap());
        slab.wrote(text.len());
    }
    assert_eq!(seen, (1..=20).collect::<Vec<u32>>());
    assert_eq!(parse_tag(b"0000000g"), None);
    assert_eq!(parse_tag(&tag_digits(0x89ab_cdef)), Some(0x89ab_cdef));
}
