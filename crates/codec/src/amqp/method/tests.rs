#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::field::strategy::{short_text, table};
use crate::amqp::frame::{FRAME_OVERHEAD, FrameKind, parse};
use crate::amqp::oracle;

/// Hands out random arguments, one after the other and from the start again.
#[derive(Debug)]
pub(super) struct Source {
    texts: Vec<String>,
    binaries: Vec<Vec<u8>>,
    tables: Vec<Vec<u8>>,
    numbers: Vec<[u8; 8]>,
    drawn: Cell<usize>,
}

impl Source {
    fn strategy() -> impl Strategy<Value = Self> {
        (
            vec(short_text(), 7),
            vec(vec(any::<u8>(), 0..300), 3),
            vec(table().prop_map(|table| table.to_bytes()), 3),
            vec(any::<[u8; 8]>(), 11),
        )
            .prop_map(|(texts, binaries, tables, numbers)| Self {
                texts,
                binaries,
                tables,
                numbers,
                drawn: Cell::new(0),
            })
    }

    fn draw<'s, T>(&self, pool: &'s [T]) -> &'s T {
        let drawn = self.drawn.get();
        self.drawn.set(drawn + 1);
        pool.get(drawn % pool.len()).expect("pools are not empty")
    }

    fn number<const N: usize>(&self) -> [u8; N] {
        *self
            .draw(&self.numbers)
            .first_chunk()
            .expect("numbers are up to 8 bytes wide")
    }

    pub(super) fn octet(&self) -> u8 {
        u8::from_be_bytes(self.number())
    }

    pub(super) fn short(&self) -> u16 {
        u16::from_be_bytes(self.number())
    }

    pub(super) fn long(&self) -> u32 {
        u32::from_be_bytes(self.number())
    }

    pub(super) fn longlong(&self) -> u64 {
        u64::from_be_bytes(self.number())
    }

    pub(super) fn bit(&self) -> bool {
        self.octet() & 1 == 1
    }

    pub(super) fn shortstr(&self) -> &str {
        self.draw::<String>(&self.texts)
    }

    pub(super) fn longstr(&self) -> &[u8] {
        self.draw::<Vec<u8>>(&self.binaries)
    }

    pub(super) fn table(&self) -> TableRef<'_> {
        TableRef::new(self.draw::<Vec<u8>>(&self.tables))
    }
}

fn encoded(method: Method<'_>, channel: u16) -> Vec<u8> {
    let mut out = Vec::new();
    method.encode_frame(channel, &mut out);
    out
}

/// Returns the payload of a method frame.
fn payload(frame: &[u8]) -> &[u8] {
    let (frame, _) = parse(frame, 0).unwrap().unwrap();
    assert_eq!(frame.kind, FrameKind::Method);
    frame.payload
}

#[test]
fn methods_have_their_layout() {
    let arguments = TableRef::new(b"\x01kV");
    let table: Vec<(Method<'_>, &[u8])> = vec![
        (
            ConnectionStart {
                version_major: 0,
                version_minor: 9,
                server_properties: arguments,
                mechanisms: b"PLAIN",
                locales: b"en_US",
            }
            .into(),
            b"\0\x0A\0\x0A\0\x09\0\0\0\x03\x01kV\0\0\0\x05PLAIN\0\0\0\x05en_US",
        ),
        (
            ConnectionTune {
                channel_max: 2047,
                frame_max: 131_072,
                heartbeat: 60,
            }
            .into(),
            b"\0\x0A\0\x1E\x07\xFF\0\x02\0\0\0\x3C",
        ),
        (
            ConnectionOpen {
                virtual_host: "/",
                ..Default::default()
            }
            .into(),
            b"\0\x0A\0\x28\x01/\0\0",
        ),
        (ConnectionOpenOk {}.into(), b"\0\x0A\0\x29\0"),
        (ChannelOpen {}.into(), b"\0\x14\0\x0A\0"),
        (ChannelOpenOk {}.into(), b"\0\x14\0\x0B\0\0\0\0"),
        (
            ChannelClose {
                reply_code: 404,
                reply_text: "no",
                class_id: 50,
                method_id: 10,
            }
            .into(),
            b"\0\x14\0\x28\x01\x94\x02no\0\x32\0\x0A",
        ),
        (
            ExchangeDeclare {
                exchange: "e",
                kind: "topic",
                durable: true,
                internal: true,
                arguments,
                ..Default::default()
            }
            .into(),
            b"\0\x28\0\x0A\0\0\x01e\x05topic\x0A\0\0\0\x03\x01kV",
        ),
        (
            QueueDeclare {
                queue: "q",
                exclusive: true,
                no_wait: true,
                ..Default::default()
            }
            .into(),
            b"\0\x32\0\x0A\0\0\x01q\x14\0\0\0\0",
        ),
        (
            QueueDeclareOk {
                queue: "q",
                message_count: 1,
                consumer_count: 2,
            }
            .into(),
            b"\0\x32\0\x0B\x01q\0\0\0\x01\0\0\0\x02",
        ),
        (
            BasicConsume {
                queue: "q",
                consumer_tag: "c",
                no_ack: true,
                ..Default::default()
            }
            .into(),
            b"\0\x3C\0\x14\0\0\x01q\x01c\x02\0\0\0\0",
        ),
        (
            BasicPublish {
                exchange: "e",
                routing_key: "rk",
                mandatory: true,
                immediate: false,
            }
            .into(),
            b"\0\x3C\0\x28\0\0\x01e\x02rk\x01",
        ),
        (
            BasicGetOk {
                delivery_tag: 1,
                redelivered: true,
                exchange: "e",
                routing_key: "rk",
                message_count: 9,
            }
            .into(),
            b"\0\x3C\0\x47\0\0\0\0\0\0\0\x01\x01\x01e\x02rk\0\0\0\x09",
        ),
        (
            BasicAck {
                delivery_tag: 0x0102,
                multiple: true,
            }
            .into(),
            b"\0\x3C\0\x50\0\0\0\0\0\0\x01\x02\x01",
        ),
        (
            BasicNack {
                delivery_tag: 1,
                multiple: false,
                requeue: true,
            }
            .into(),
            b"\0\x3C\0\x78\0\0\0\0\0\0\0\x01\x02",
        ),
        (ConfirmSelect { no_wait: true }.into(), b"\0\x55\0\x0A\x01"),
        (TxCommit {}.into(), b"\0\x5A\0\x14"),
    ];
    for (method, bytes) in table {
        let frame = encoded(method, 1);
        assert_eq!(payload(&frame), bytes, "{}", method.name());
        assert_eq!(Method::decode(bytes), Ok(method));
    }
}

#[test]
fn a_method_frame_has_its_layout() {
    let frame = encoded(ConnectionCloseOk {}.into(), 0x0102);
    assert_eq!(frame, b"\x01\x01\x02\0\0\0\x04\0\x0A\0\x33\xCE");
}

#[test]
fn unknown_methods_are_not_implemented() {
    for (class_id, method_id) in [(30, 10), (60, 41), (10, 12), (0, 0), (u16::MAX, u16::MAX)] {
        let [c1, c0] = u16::to_be_bytes(class_id);
        let [m1, m0] = u16::to_be_bytes(method_id);
        let error = MethodError::UnknownMethod {
            class_id,
            method_id,
        };
        assert_eq!(Method::decode(&[c1, c0, m1, m0]), Err(error));
        assert_eq!(error.reply_code().code(), 540);
    }
}

#[test]
fn malformed_methods_are_syntax_errors() {
    let table: &[(&[u8], &str, DecodeError)] = &[
        (b"\0\x3C\0\x28", "basic.publish", DecodeError::Truncated),
        (
            b"\0\x3C\0\x28\0\0\xFFe",
            "basic.publish",
            DecodeError::Truncated,
        ),
        (
            b"\0\x3C\0\x28\0\0\x01\xFF\0\0",
            "basic.publish",
            DecodeError::InvalidUtf8,
        ),
        (
            b"\0\x3C\0\x28\0\0\0\0\0!!",
            "basic.publish",
            DecodeError::TrailingBytes { count: 2 },
        ),
        (
            b"\0\x3C\0\x50\0\0\0\0\0\0\0\x01",
            "basic.ack",
            DecodeError::Truncated,
        ),
        (
            b"\0\x0A\0\x15\xFF\xFF\xFF\xFF",
            "connection.secure-ok",
            DecodeError::Truncated,
        ),
        (
            b"\0\x32\0\x0A\0\0\0\0\xFF\xFF\xFF\xFF",
            "queue.declare",
            DecodeError::Truncated,
        ),
        (
            b"\0\x32\0\x0A\0\0\0\0\0\0\0\x03\x01kZ",
            "queue.declare",
            DecodeError::UnknownFieldType { letter: b'Z' },
        ),
        (
            b"\0\x5A\0\x0A\0",
            "tx.select",
            DecodeError::TrailingBytes { count: 1 },
        ),
    ];
    for (bytes, method, source) in table {
        let error = MethodError::Malformed {
            method,
            source: *source,
        };
        assert_eq!(Method::decode(bytes), Err(error), "{bytes:02x?}");
        assert_eq!(error.reply_code().code(), 502);
    }
    for cut in 0..4 {
        let bytes = b"\0\x0A\0\x33";
        assert_eq!(
            Method::decode(bytes.get(..cut).unwrap()),
            Err(MethodError::MissingId)
        );
    }
}

#[test]
fn reserved_arguments_are_ignored() {
    let publish = b"\0\x3C\0\x28\xAB\xCD\0\x01k\0";
    let expected = BasicPublish {
        routing_key: "k",
        ..Default::default()
    };
    assert_eq!(Method::decode(publish), Ok(expected.into()));
    let open = b"\0\x14\0\x0A\x02\xFF\xFE";
    assert_eq!(Method::decode(open), Ok(ChannelOpen {}.into()));
}

#[test]
fn long_reply_texts_are_cut() {
    let long = "é".repeat(200);
    let close = ConnectionClose {
        reply_code: 541,
        reply_text: &long,
        class_id: 0,
        method_id: 0,
    };
    let frame = encoded(close.into(), 0);
    let Ok(Method::ConnectionClose(read)) = Method::decode(payload(&frame)) else {
        panic!("not a connection.close");
    };
    assert_eq!(read.reply_text, "é".repeat(127));
}

proptest! {
    #[test]
    fn every_method_round_trips(source in Source::strategy(), channel: u16) {
        let methods = Method::one_of_each(&source);
        prop_assert_eq!(methods.len(), 64);
        for method in methods {
            let frame = encoded(method, channel);
            let (parsed, used) = parse(&frame, 0).unwrap().unwrap();
            prop_assert_eq!((parsed.channel, used), (channel, frame.len()));
            prop_assert_eq!(parsed.payload.len() + FRAME_OVERHEAD, used);
            prop_assert_eq!(Method::decode(parsed.payload), Ok(method));
        }
    }

    #[test]
    fn the_oracle_reads_and_writes_the_same(source in Source::strategy(), channel: u16) {
        for mut method in Method::one_of_each(&source) {
            // The oracle knows the deprecated arguments only as reserved ones.
            if let Method::ConnectionOpen(open) = &mut method {
                (open.capabilities, open.insist) = ("", false);
            } else if let Method::BasicQos(qos) = &mut method {
                qos.prefetch_size = 0;
            }
            let frame = encoded(method, channel);
            prop_assert_eq!(&oracle::rewrite(&frame), &frame, "{}", method.name());
            // Debug of the oracle: `Method(1, Basic(Publish(..` or `Method(1, Basic(GetOk(..`.
            let theirs = format!("{:?}", oracle::parse(&frame)).to_lowercase();
            let ours = method.name().replace('-', "").replace('.', "(");
            prop_assert!(theirs.contains(&format!(", {ours}(")), "{ours} in {theirs}");
        }
    }

    #[test]
    fn every_method_cut_short_or_followed_by_more_is_refused(
        source in Source::strategy(),
        cut in any::<prop::sample::Index>(),
    ) {
        for method in Method::one_of_each(&source) {
            let frame = encoded(method, 1);
            let mut bytes = payload(&frame).to_vec();
            let short = bytes.get(..cut.index(bytes.len())).unwrap();
            prop_assert!(Method::decode(short).is_err(), "{} cut short", method.name());
            bytes.push(0);
            let source = DecodeError::TrailingBytes { count: 1 };
            let error = MethodError::Malformed { method: method.name(), source };
            prop_assert_eq!(Method::decode(&bytes), Err(error));
        }
    }

    #[test]
    fn what_is_accepted_is_read_again_as_it_was(
        class_id in prop::sample::select(vec![10_u16, 20, 40, 50, 60, 85, 90]),
        method_id in prop::sample::select(vec![10_u16, 11, 20, 21, 30, 31, 40, 50, 51, 60, 80, 120]),
        arguments in vec(prop_oneof![3 => Just(0_u8), 1 => 1..6_u8, 1 => any::<u8>()], 0..40),
    ) {
        let mut bytes = class_id.to_be_bytes().to_vec();
        bytes.extend(method_id.to_be_bytes());
        bytes.extend(arguments);
        if let Ok(method) = Method::decode(&bytes) {
            prop_assert_eq!((method.class_id(), method.method_id()), (class_id, method_id));
            let frame = encoded(method, 1);
            prop_assert_eq!(Method::decode(payload(&frame)), Ok(method));
        }
    }
}
