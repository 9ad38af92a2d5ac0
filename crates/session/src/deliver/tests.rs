use broker::{Annotation, Body, ConsumerNumber, Delivery, Event, Message, QueueId};
use codec::amqp::field::{Table, Value};
use codec::amqp::properties::Properties;
use proptest::prelude::*;

use super::annotate;
use crate::Settings;
use crate::harness::{Bench, delivery};

#[test]
fn a_delivery_is_three_frames_with_ascending_tags() {
    let mut bench = Bench::open();
    let consumer = bench.consume("c", false);
    bench.frames();
    bench.deliver(consumer, 1, b"hello");
    bench.deliver(consumer, 2, b"");
    assert_eq!(
        bench.frames(),
        [
            "1 BasicDeliver { consumer_tag: \"c\", delivery_tag: 1, redelivered: false, exchange: \"x\", routing_key: \"key\" }",
            "1 header 5",
            "1 body 5",
            "1 BasicDeliver { consumer_tag: \"c\", delivery_tag: 2, redelivered: false, exchange: \"x\", routing_key: \"key\" }",
            "1 header 0",
        ]
    );
}

#[test]
fn no_frame_exceeds_what_the_client_agreed_to() {
    let mut bench = Bench::open_with(Settings::default(), 70_000);
    let consumer = bench.consume("c", false);
    bench.frames();
    bench.deliver(consumer, 1, &vec![0; 140_000]);
    assert_eq!(
        bench.frames().split_off(1),
        [
            "1 header 140000",
            "1 body 69992",
            "1 body 69992",
            "1 body 16"
        ]
    );
}

#[test]
fn direct_replies_are_never_put_back() {
    let mut bench = Bench::open();
    let mut reply = delivery(0, b"x");
    reply.queue.id = QueueId(0);
    bench.event(Event::Deliver {
        channel: 1,
        consumer: ConsumerNumber(0x1_0000),
        delivery: reply,
    });
    assert_eq!(bench.calls(), []);
    assert!(bench.output().is_empty());
}

fn annotated(properties: &Properties, annotation: Annotation) -> Properties {
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    let mut scratch = vec![9; 9];
    let result = annotate(&raw, annotation, &mut scratch);
    let (decoded, used) = Properties::decode(result).expect("properties stay properties");
    assert_eq!(used, result.len());
    decoded
}

#[test]
fn an_annotation_replaces_one_that_came_with_the_message() {
    let mut headers = Table::new();
    headers.insert("x-stream-offset", 1_i64);
    headers.insert("other", true);
    let properties = Properties {
        headers: Some(headers),
        ..Properties::default()
    };
    let headers = annotated(&properties, Annotation::StreamOffset(7))
        .headers
        .expect("headers");
    assert_eq!(headers.len(), 2);
    assert_eq!(headers.get("x-stream-offset"), Some(&Value::I64(7)));
}

proptest! {
    #[test]
    fn an_annotation_changes_nothing_else(
        content_type in prop::option::of("[a-z/]{0,20}"),
        content_encoding in prop::option::of("[a-z]{0,20}"),
        header in prop::option::of("[a-z]{1,20}"),
        delivery_mode in prop::option::of(1..=2_u8),
        app_id in prop::option::of("[a-z]{0,20}"),
        count in 0..u32::MAX,
    ) {
        let headers = header.map(|name| { let mut table = Table::new(); table.insert(name, "value"); table });
        let properties = Properties { content_type, content_encoding, headers, delivery_mode, app_id, ..Properties::default() };
        prop_assert_eq!(&annotated(&properties, Annotation::None), &properties);
        let mut expected = properties.clone();
        expected.headers.get_or_insert_default().insert("x-delivery-count", i64::from(count));
        prop_assert_eq!(annotated(&properties, Annotation::DeliveryCount(count)), expected);
    }
}

#[test]
fn a_delivery_counts_for_at_least_what_it_takes_on_the_wire() {
    let long = "n".repeat(255);
    for tag in ["c", &long] {
        for (exchange, key) in [("", "q"), (long.as_str(), long.as_str())] {
            for frame_max in [4_096, 131_072] {
                for length in [0, 1, 255, 4_087, 4_088, 4_089, 8_176, 100_000] {
                    for annotation in [
                        Annotation::None,
                        Annotation::DeliveryCount(3),
                        Annotation::StreamOffset(9),
                    ] {
                        let mut bench = Bench::open_with(Settings::default(), frame_max);
                        let consumer = bench.consume(tag, false);
                        bench.frames();
                        let body = vec![7; length];
                        let message =
                            Message::new(exchange.into(), key, &[0, 0], Body::Copy(&body));
                        let delivery = Delivery {
                            outbox_bytes: Delivery::outbox_bytes_of(
                                &message,
                                Delivery::tag_bytes_of(tag),
                            ),
                            message: message.into(),
                            annotation,
                            ..delivery(1, b"")
                        };
                        let counted = delivery.outbox_bytes();
                        bench.event(Event::Deliver {
                            channel: 1,
                            consumer,
                            delivery,
                        });
                        let taken = bench.session.output().len();
                        assert!(
                            taken <= counted && counted <= taken + taken / 200 + 84,
                            "a body of {length}: {taken} bytes on the wire count for {counted}"
                        );
                    }
                }
            }
        }
    }
}
