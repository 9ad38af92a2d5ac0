//! The codec alone.

use std::hint::black_box;
use std::path::Path;

use codec::amqp::content::{self, ContentHeader};
use codec::amqp::field::{Table, TableRef, Value};
use codec::amqp::frame::{self, FrameKind};
use codec::amqp::method::Method;
use codec::amqp::properties::PropertiesRef;

use crate::counting::Counter;
use crate::frames::{self, CHANNEL, FRAME_MAX, Message};

const COUNT: u64 = 1_000;

/// Decodes publishes of 16 bytes.
pub(crate) fn decode(_: &Path) -> u64 {
    let message = Message {
        exchange: "",
        body_bytes: 16,
        persistent: true,
    };
    let keys = (0..COUNT).map(|_| "queue");
    let bytes = frames::publishes(message, keys);
    let bodies = Counter::started().run(|| {
        let (mut rest, mut bodies) = (bytes.as_ref(), 0);
        while let Ok(Some((frame, used))) = frame::parse(rest, FRAME_MAX) {
            match frame.kind {
                FrameKind::Method => {
                    let _ = black_box(Method::decode(frame.payload));
                }
                FrameKind::Header => {
                    let header = ContentHeader::decode(frame.payload).expect("it is a header");
                    let _ = black_box(PropertiesRef::parse(header.properties));
                }
                FrameKind::Body => bodies += 1,
                FrameKind::Heartbeat => {}
            }
            rest = &rest[used..];
        }
        bodies
    });
    assert_eq!(bodies, COUNT, "every publish was decoded");
    COUNT
}

/// Encodes deliveries of 16 bytes.
pub(crate) fn encode(_: &Path) -> u64 {
    let mut out = Vec::with_capacity(1 << 20);
    Counter::started().run(|| {
        for tag in 1..=COUNT {
            let (properties, size) = (black_box(&[0x10, 0, 2]), 16);
            content::encode_deliver(
                CHANNEL, "bench", tag, false, "", "queue", properties, size, &mut out,
            );
            content::encode_body_frames(CHANNEL, black_box(&[b'x'; 16]), FRAME_MAX, &mut out);
        }
    });
    assert!(black_box(out).len() > 1_000, "something was encoded");
    COUNT
}

/// Validates a table, looks a name up and copies it, as is done with headers and arguments.
pub(crate) fn table(_: &Path) -> u64 {
    let mut inner = Table::new();
    inner.insert("host", "producer-7");
    inner.insert("depth", 3_i64);
    let mut table = Table::new();
    for name in ["tenant", "region", "trace", "span", "content"] {
        table.insert(name, format!("the value of {name}").as_str());
    }
    table.insert("attempt", 2_i64);
    table.insert("is_replayed", true);
    table.insert("ratio", Value::F64(0.5));
    table.insert("origin", inner);
    table.insert("path", Value::Array(vec![Value::I64(1), Value::I64(2)]));
    let bytes = table.to_bytes();
    Counter::started().run(|| {
        for _ in 0..COUNT {
            let table = TableRef::new(black_box(&bytes));
            table.validate().expect("the table is valid");
            let _ = black_box(table.get("is_replayed"));
            let _ = black_box(table.to_owned());
        }
    });
    COUNT
}
