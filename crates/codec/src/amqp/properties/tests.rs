#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use amq_protocol::frame::AMQPFrame;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::content::encode_header_frame;
use crate::amqp::oracle;

fn encoded(properties: &Properties) -> Vec<u8> {
    let mut out = Vec::new();
    properties.encode(&mut out);
    out
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn every_property_has_its_flag() {
    let none = Properties::default();
    let table: Vec<(Properties, &[u8])> = vec![
        (none.clone(), b"\0\0"),
        (
            Properties {
                content_type: text("a"),
                ..none.clone()
            },
            b"\x80\0\x01a",
        ),
        (
            Properties {
                content_encoding: text("a"),
                ..none.clone()
            },
            b"\x40\0\x01a",
        ),
        (
            Properties {
                headers: Some(Table::new()),
                ..none.clone()
            },
            b"\x20\0\0\0\0\0",
        ),
        (
            Properties {
                delivery_mode: Some(2),
                ..none.clone()
            },
            b"\x10\0\x02",
        ),
        (
            Properties {
                priority: Some(9),
                ..none.clone()
            },
            b"\x08\0\x09",
        ),
        (
            Properties {
                correlation_id: text("a"),
                ..none.clone()
            },
            b"\x04\0\x01a",
        ),
        (
            Properties {
                reply_to: text("a"),
                ..none.clone()
            },
            b"\x02\0\x01a",
        ),
        (
            Properties {
                expiration: text("60"),
                ..none.clone()
            },
            b"\x01\0\x0260",
        ),
        (
            Properties {
                message_id: text("a"),
                ..none.clone()
            },
            b"\0\x80\x01a",
        ),
        (
            Properties {
                timestamp: Some(1),
                ..none.clone()
            },
            b"\0\x40\0\0\0\0\0\0\0\x01",
        ),
        (
            Properties {
                kind: text("a"),
                ..none.clone()
            },
            b"\0\x20\x01a",
        ),
        (
            Properties {
                user_id: text("a"),
                ..none.clone()
            },
            b"\0\x10\x01a",
        ),
        (
            Properties {
                app_id: text("a"),
                ..none.clone()
            },
            b"\0\x08\x01a",
        ),
        (
            Properties {
                cluster_id: text("a"),
                ..none
            },
            b"\0\x04\x01a",
        ),
    ];
    for (properties, bytes) in table {
        assert_eq!(encoded(&properties), bytes, "{properties:?}");
        assert_eq!(
            Properties::decode(bytes),
            Ok((properties.clone(), bytes.len()))
        );
        let borrowed = PropertiesRef::parse(bytes).unwrap();
        assert_eq!(borrowed.to_owned(), Ok(properties));
    }
}

#[test]
fn malformed_properties_are_refused() {
    use DecodeError as E;
    let table: &[(&[u8], DecodeError)] = &[
        (b"", E::Truncated),
        (b"\0", E::Truncated),
        (b"\0\x01\0\0", E::InvalidPropertyFlags { flags: 1 }),
        (
            b"\x10\x01\x02\0\0",
            E::InvalidPropertyFlags { flags: 0x1001 },
        ),
        (b"\0\x02", E::InvalidPropertyFlags { flags: 2 }),
        (b"\x10\0", E::Truncated),
        (b"\x80\0", E::Truncated),
        (b"\x80\0\xFFabc", E::Truncated),
        (b"\x80\0\x01\xFF", E::InvalidUtf8),
        (b"\x20\0\0\0\0\x01", E::Truncated),
        (b"\x20\0\xFF\xFF\xFF\xFF", E::Truncated),
        (b"\0\x40\0\0\0\0\0\0\0", E::Truncated),
    ];
    for (bytes, error) in table {
        assert_eq!(PropertiesRef::parse(bytes), Err(*error), "{bytes:02x?}");
        assert_eq!(Properties::decode(bytes), Err(*error), "{bytes:02x?}");
    }
}

#[test]
fn borrowed_properties_are_all_of_their_bytes() {
    for bytes in [b"\0\0!".as_slice(), b"\x10\0\x02!", b"\x80\0\x01a!"] {
        let error = DecodeError::TrailingBytes { count: 1 };
        assert_eq!(PropertiesRef::parse(bytes), Err(error));
        let (_, used) = Properties::decode(bytes).unwrap();
        assert_eq!(used + 1, bytes.len());
    }
}

#[test]
fn malformed_headers_are_found_when_they_are_read() {
    let borrowed = PropertiesRef::parse(b"\x20\0\0\0\0\x03\x01kZ").unwrap();
    let error = DecodeError::UnknownFieldType { letter: b'Z' };
    assert_eq!(borrowed.headers.unwrap().validate(), Err(error));
    assert_eq!(borrowed.to_owned(), Err(error));
}

proptest! {
    #[test]
    fn properties_round_trip(properties in strategy::properties()) {
        let raw = encoded(&properties);
        prop_assert_eq!(Properties::decode(&raw), Ok((properties.clone(), raw.len())));
        let borrowed = PropertiesRef::parse(&raw).unwrap();
        prop_assert_eq!(borrowed.correlation_id, properties.correlation_id.as_deref());
        prop_assert_eq!(borrowed.to_owned(), Ok(properties));
    }

    #[test]
    fn the_oracle_reads_and_writes_the_same(
        properties in strategy::properties(),
        body_size: u64,
    ) {
        let mut frame = Vec::new();
        encode_header_frame(7, body_size, &encoded(&properties), &mut frame);
        prop_assert_eq!(&oracle::rewrite(&frame), &frame);

        let Some(AMQPFrame::Header(7, header)) = oracle::parse(&frame) else {
            panic!("not a header frame on channel 7");
        };
        prop_assert_eq!((header.class_id, header.body_size), (60, body_size));
        let read = header.properties;
        let texts = [
            (read.content_type(), properties.content_type),
            (read.content_encoding(), properties.content_encoding),
            (read.correlation_id(), properties.correlation_id),
            (read.reply_to(), properties.reply_to),
            (read.expiration(), properties.expiration),
            (read.message_id(), properties.message_id),
            (read.kind(), properties.kind),
            (read.user_id(), properties.user_id),
            (read.app_id(), properties.app_id),
            (read.cluster_id(), properties.cluster_id),
        ];
        for (theirs, ours) in texts {
            prop_assert_eq!(theirs.as_ref().map(|text| text.as_str()), ours.as_deref());
        }
        prop_assert_eq!(*read.delivery_mode(), properties.delivery_mode);
        prop_assert_eq!(*read.priority(), properties.priority);
        prop_assert_eq!(*read.timestamp(), properties.timestamp);
        let fields = read.headers().as_ref().map(|table| table.inner().len());
        prop_assert_eq!(fields, properties.headers.map(|table| table.len()));
    }

    #[test]
    fn what_is_accepted_is_written_back_as_it_was(
        bytes in vec(prop_oneof![Just(0_u8), 1..4_u8, any::<u8>()], 0..40),
    ) {
        if let Ok((properties, used)) = Properties::decode(&bytes) {
            // Booleans and the letter `L` have several forms: compare what is read, not bytes.
            let (again, _) = Properties::decode(&encoded(&properties)).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{properties:?}"));
            prop_assert!(used <= bytes.len());
        }
    }
}
