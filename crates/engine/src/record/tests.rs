#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use broker::{Body, DedupId, Message, Name};
use bytes::Bytes;

use super::{Header, decode};

fn round_trip(message: &Message) -> (Message, u64, u64) {
    let header = Header::new(message, 7, 9);
    let payload = Bytes::from(header.parts(message).concat());
    let mut exchange = Name::from("");
    let decoded = decode(&payload, &mut exchange).unwrap();
    (
        std::sync::Arc::into_inner(decoded.message).unwrap(),
        decoded.expires_at_ms,
        decoded.received_ms,
    )
}

#[test]
fn a_message_reads_back_as_it_was_written() {
    let large = Bytes::from(vec![5; 10_000]);
    for body in [Body::Copy(b""), Body::Copy(b"hello"), Body::Share(large)] {
        let mut message = Message::new("logs".into(), "a.b", b"\x10\x00\x02", body);
        message.persistent = true;
        message.priority = 3;
        message.expiration_ms = Some(60_000);
        let (read, expires_at_ms, received_ms) = round_trip(&message);
        assert_eq!(
            (read.exchange(), read.routing_key(), read.properties()),
            (message.exchange(), "a.b", &b"\x10\x00\x02"[..])
        );
        assert_eq!(read.body(), message.body());
        assert_eq!(
            (read.persistent, read.priority, read.expiration_ms),
            (true, 3, Some(60_000))
        );
        assert_eq!((expires_at_ms, received_ms), (7, 9));
    }
}

#[test]
fn a_delay_and_an_id_are_kept_and_a_message_without_has_the_form_of_before() {
    let mut message = Message::new("x".into(), "k", b"\x00\x00", Body::Copy(b"body"));
    message.persistent = true;
    let plain = Header::new(&message, 7, 9).parts(&message).concat();
    let expected = [
        &[1, 1, 0, 1, 1, 2, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9][..],
        &[0; 7],
        &[255; 8],
        b"xk\x00\x00body",
    ];
    assert_eq!(plain, expected.concat());
    let id = DedupId::of("order 5").map(Box::new);
    for (deliver_at_ms, dedup_id) in [
        (None, id.clone()),
        (Some(5), id),
        (Some(u64::MAX - 1), None),
    ] {
        (message.deliver_at_ms, message.dedup_id) = (deliver_at_ms, dedup_id);
        let (read, expires_at_ms, received_ms) = round_trip(&message);
        assert_eq!(read, message);
        assert_eq!((expires_at_ms, received_ms), (7, 9));
    }
    let mut unknown = Header::new(&message, 7, 9).parts(&message).concat();
    assert_eq!(unknown[..2], [2, 3]);
    unknown[1] |= 1 << 7;
    assert!(
        decode(&Bytes::from(unknown), &mut Name::from("")).is_none(),
        "a field that is not known may be anywhere"
    );
}

#[test]
fn bytes_of_another_form_are_refused() {
    let mut message = Message::new("x".into(), "k", b"\x00\x00", Body::Copy(b"body"));
    message.deliver_at_ms = Some(5);
    message.dedup_id = DedupId::of("order 5").map(Box::new);
    let whole = Header::new(&message, 0, 0).parts(&message).concat();
    for length in 0..whole.len() - 4 {
        let cut = Bytes::copy_from_slice(&whole[..length]);
        assert!(
            decode(&cut, &mut Name::from("")).is_none(),
            "{length} bytes"
        );
    }
    let mut other = whole;
    other[0] = 9;
    assert!(decode(&Bytes::from(other), &mut Name::from("")).is_none());
}
