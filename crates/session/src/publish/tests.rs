use broker::{Event, Refusal, RefusalKind};
use bytes::Bytes;
use codec::amqp::content;
use codec::amqp::field::{Table, Value};
use codec::amqp::frame;
use codec::amqp::method::{BasicConsume, BasicPublish, ChannelClose, ChannelOpen, ConfirmSelect};
use codec::amqp::properties::Properties;
use proptest::prelude::*;

use crate::harness::{
    Bench, Call, body_bytes, encode, header_bytes, mandatory_bytes, publish_bytes,
};
use crate::{Login, Settings};

fn encoded(properties: &Properties) -> Vec<u8> {
    let mut raw = Vec::new();
    properties.encode(&mut raw);
    raw
}

fn published(bench: &mut Bench) -> Vec<(String, Vec<u8>, bool, Option<u64>)> {
    bench
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Publish {
                key,
                body,
                is_shared,
                number,
                ..
            } => Some((key, body, is_shared, number)),
            Call::Settle { .. }
            | Call::Request(..)
            | Call::Drop(_)
            | Call::Resume(_)
            | Call::OpenReply(..) => None,
        })
        .collect()
}

#[test]
fn small_bodies_are_copied_and_large_ones_shared() {
    let mut bench = Bench::open();
    for (length, is_shared) in [(0, false), (4_095, false), (4_096, true), (300_000, true)] {
        let body = vec![7; length];
        bench.publish("q", &body);
        assert_eq!(
            published(&mut bench),
            [("q".to_owned(), body, is_shared, None)]
        );
    }
    assert!(bench.session.has_published());
}

#[test]
fn a_publish_that_is_almost_there_waits_without_a_copy() {
    let mut bench = Bench::open();
    let bytes = publish_bytes(1, "q", &[0, 0], &[7; 1_000]);
    let (most, last) = bytes.split_at(bytes.len() - 1);
    bench.raw(most);
    assert_eq!(bench.held_back(), most.len());
    bench.raw(last);
    assert_eq!(bench.held_back(), 0);
    assert_eq!(published(&mut bench).len(), 1);
}

#[test]
fn an_announced_body_takes_no_memory_until_it_comes() {
    let mut bench = Bench::open();
    bench.raw(&encode(
        1,
        BasicPublish {
            routing_key: "q",
            ..BasicPublish::default()
        },
    ));
    bench.raw(&header_bytes(1, 1 << 63, &[0, 0]));
    bench.expect_only(
        "1 ChannelClose { reply_code: 406, reply_text: \"PRECONDITION_FAILED - message size 9223372036854775808 is larger than \
         configured max size 16777216\", class_id: 60, method_id: 40 }",
    );
    bench.raw(&body_bytes(1, b"dribble"));
    assert!(bench.output().is_empty());
}

#[test]
fn half_received_bodies_of_one_connection_are_bounded() {
    let settings = Settings {
        frame_max: 0,
        message_bytes_max: 20 << 20,
        ..Settings::default()
    };
    let mut bench = Bench::open_with(settings, 0);
    let piece = vec![0; 16 << 20];
    for channel in 2..=6 {
        bench.method(channel, ChannelOpen {});
        bench.frames();
        bench.raw(&encode(
            channel,
            BasicPublish {
                routing_key: "q",
                ..BasicPublish::default()
            },
        ));
        bench.raw(&header_bytes(channel, 20 << 20, &[0, 0]));
        bench.raw(&body_bytes(channel, &piece));
    }
    bench.expect_only("0 ConnectionClose { reply_code: 506");
}

#[test]
fn a_closed_channel_gives_back_its_half_received_body() {
    let mut bench = Bench::open();
    bench.raw(&encode(
        1,
        BasicPublish {
            routing_key: "q",
            ..BasicPublish::default()
        },
    ));
    bench.raw(&header_bytes(1, 200_000, &[0, 0]));
    bench.raw(&body_bytes(1, &[0; 100_000]));
    assert_eq!(bench.session.assembly_bytes, 100_000);
    bench.session.close(&mut bench.port);
    assert_eq!(bench.session.assembly_bytes, 0);
}

#[test]
fn properties_that_lie_are_told_with_406() {
    let user = |name: &str| Properties {
        user_id: Some(name.to_owned()),
        ..Properties::default()
    };
    let expiration = |text: &str| Properties {
        expiration: Some(text.to_owned()),
        ..Properties::default()
    };
    let reply = Properties {
        reply_to: Some("amq.rabbitmq.reply-to".to_owned()),
        ..Properties::default()
    };
    for (properties, text) in [
        (
            user("other"),
            "user_id property set to 'other' but authenticated user was 'user'",
        ),
        (expiration(""), "invalid expiration ''"),
        (expiration("-1"), "invalid expiration '-1'"),
        (expiration("+1"), "invalid expiration '+1'"),
        (expiration("1.5"), "invalid expiration '1.5'"),
        (
            expiration("99999999999999999999"),
            "invalid expiration '99999999999999999999'",
        ),
        (reply, "fast reply consumer does not exist"),
    ] {
        let mut bench = Bench::open();
        bench.raw(&publish_bytes(1, "q", &encoded(&properties), b"x"));
        bench.expect_only(&format!(
            "1 ChannelClose {{ reply_code: 406, reply_text: \"PRECONDITION_FAILED - {text}\", class_id: 60, method_id: 40 }}"
        ));
        assert_eq!(published(&mut bench), []);
    }
    for properties in [user("user"), expiration("0"), expiration("4294967295")] {
        let mut bench = Bench::open();
        bench.raw(&publish_bytes(1, "q", &encoded(&properties), b"x"));
        assert_eq!(published(&mut bench).len(), 1);
    }
}

#[test]
fn an_impersonator_may_publish_as_anybody() {
    let mut bench = Bench::open();
    bench.session.peer.is_impersonator = Login {
        name: "user".into(),
        impersonator: true,
    }
    .impersonator;
    let properties = Properties {
        user_id: Some("other".to_owned()),
        ..Properties::default()
    };
    bench.raw(&publish_bytes(1, "q", &encoded(&properties), b"x"));
    assert_eq!(published(&mut bench).len(), 1);
}

#[test]
fn properties_go_on_byte_for_byte_unless_they_must_not() {
    let forwarded = |bench: &mut Bench, raw: &[u8]| {
        bench.raw(&publish_bytes(1, "q", raw, b"x"));
        match bench.calls().pop() {
            Some(Call::Publish { forwarded, .. }) => forwarded,
            other => unreachable!("a publish is made, not {other:?}"),
        }
    };
    let mut bench = Bench::open();
    let mut headers = Table::new();
    headers.insert("CC", Value::Array(vec!["a".into()]));
    let mut properties = Properties {
        headers: Some(headers),
        priority: Some(3),
        ..Properties::default()
    };
    let raw = encoded(&properties);
    assert_eq!(forwarded(&mut bench, &raw), raw);
    properties
        .headers
        .get_or_insert_default()
        .insert("BCC", Value::Array(vec!["b".into()]));
    assert_eq!(
        forwarded(&mut bench, &encoded(&properties)),
        raw,
        "BCC is taken out"
    );

    let consume = BasicConsume {
        queue: "amq.rabbitmq.reply-to",
        no_ack: true,
        ..BasicConsume::default()
    };
    bench.method(1, consume);
    properties.reply_to = Some("amq.rabbitmq.reply-to".to_owned());
    let (sent, _) =
        Properties::decode(&forwarded(&mut bench, &encoded(&properties))).expect("properties");
    assert_eq!(
        sent.reply_to.as_deref(),
        Some("amq.rabbitmq.reply-to.65536")
    );
}

#[test]
fn a_delay_is_a_header_with_a_number_of_milliseconds() {
    let mut bench = Bench::open();
    let now_ms = bench.now_ms;
    for (headers, expected) in [
        (vec![], None),
        (vec![("x-delay", Value::I32(5_000))], Some(now_ms + 5_000)),
        (vec![("x-delay", Value::I64(0))], Some(now_ms)),
        (vec![("x-delay", Value::I64(-1))], None),
        (vec![("x-delay", Value::from("5000"))], None),
        (vec![("x-delay", Value::F64(5.0))], None),
        (vec![("X-Delay", Value::I64(5))], None),
        (
            vec![
                ("a", Value::from("b")),
                ("x-delay", Value::I64(i64::MAX)),
                ("BCC", Value::Array(vec!["b".into()])),
            ],
            Some(i64::MAX as u64 + now_ms),
        ),
    ] {
        let mut table = Table::new();
        for (name, value) in &headers {
            table.insert(*name, value.clone());
        }
        let properties = Properties {
            headers: Some(table),
            ..Properties::default()
        };
        bench.raw(&publish_bytes(1, "q", &encoded(&properties), b"x"));
        let Some(Call::Publish { deliver_at_ms, .. }) = bench.calls().pop() else {
            unreachable!("a publish is made")
        };
        assert_eq!(deliver_at_ms, expected, "{headers:?}");
    }
}

#[test]
fn a_header_names_a_message_that_may_be_published_again() {
    let mut bench = Bench::open();
    for (value, expected) in [
        (Value::from("order 5"), Some("order 5")),
        (Value::I32(5), None),
    ] {
        let mut headers = Table::new();
        headers.insert("x-deduplication-header", value);
        let properties = Properties {
            headers: Some(headers),
            ..Properties::default()
        };
        let raw = encoded(&properties);
        bench.raw(&publish_bytes(1, "q", &raw, b"x"));
        let Some(Call::Publish {
            dedup_id,
            forwarded,
            ..
        }) = bench.calls().pop()
        else {
            unreachable!("a publish is made")
        };
        assert_eq!(dedup_id.as_deref(), expected);
        assert_eq!(forwarded, raw, "consumers see the header");
    }
}

#[test]
fn immediate_is_not_implemented() {
    let mut bench = Bench::open();
    bench.raw(&encode(
        1,
        BasicPublish {
            routing_key: "q",
            immediate: true,
            ..BasicPublish::default()
        },
    ));
    bench.raw(&header_bytes(1, 0, &[0, 0]));
    bench.expect_only("0 ConnectionClose { reply_code: 540, reply_text: \"NOT_IMPLEMENTED - immediate=true\", class_id: 60, method_id: 40");
}

#[test]
fn a_refused_publish_ends_the_channel() {
    let mut bench = Bench::open();
    bench.port.refusal = Some(Refusal::no_exchange("x", "/"));
    bench.publish("q", b"x");
    bench.expect_only("1 ChannelClose { reply_code: 404, reply_text: \"NOT_FOUND - no exchange 'x' in vhost '/'\", class_id: 60, method_id: 40");
    let mut bench = Bench::open();
    bench.port.refusal = Some(Refusal::new(RefusalKind::AccessRefused, "no"));
    bench.publish("q", b"x");
    bench.expect_only("1 ChannelClose { reply_code: 403");
}

#[test]
fn an_unroutable_message_comes_back_before_its_confirm() {
    let mut bench = Bench::open();
    bench.port.answers = 0;
    bench.method(1, ConfirmSelect { no_wait: false });
    bench.frames();
    bench.publish("nowhere", b"dropped");
    bench.expect_only("1 BasicAck { delivery_tag: 1, multiple: false }");
    bench.raw(&mandatory_bytes(1, "nowhere", b"back"));
    assert_eq!(
        bench.frames(),
        [
            "1 BasicReturn { reply_code: 312, reply_text: \"NO_ROUTE\", exchange: \"\", routing_key: \"nowhere\" }",
            "1 header 4",
            "1 body 4",
            "1 BasicAck { delivery_tag: 2, multiple: false }"
        ]
    );
}

#[test]
fn confirms_of_a_batch_are_one_frame() {
    let mut bench = Bench::open();
    bench.method(1, ConfirmSelect { no_wait: true });
    let batch = publish_bytes(1, "q", &[0, 0], b"x").repeat(100);
    bench.raw(&batch);
    let numbers: Vec<Option<u64>> = published(&mut bench)
        .into_iter()
        .map(|(_, _, _, number)| number)
        .collect();
    assert_eq!(numbers, (1..=100).map(Some).collect::<Vec<_>>());
    for number in 1..=100 {
        bench.event(Event::Confirmed {
            channel: 1,
            first: number,
            last: number,
            rejected: false,
        });
    }
    assert!(bench.output().is_empty());
    bench.session.flush_confirms();
    bench.expect_only("1 BasicAck { delivery_tag: 100, multiple: true }");
}

#[test]
fn confirms_of_a_channels_earlier_tenant_are_not_its_own() {
    let mut bench = Bench::open();
    bench.method(1, ConfirmSelect { no_wait: true });
    bench.publish("q", b"x");
    bench.method(1, ChannelClose::default());
    bench.method(1, ChannelOpen {});
    bench.method(1, ConfirmSelect { no_wait: true });
    bench.publish("q", b"y");
    bench.frames();
    let numbers: Vec<Option<u64>> = published(&mut bench)
        .into_iter()
        .map(|(_, _, _, number)| number)
        .collect();
    assert_eq!(numbers, [Some(1), Some(2)]);
    bench.event(Event::Confirmed {
        channel: 1,
        first: 1,
        last: 1,
        rejected: false,
    });
    bench.session.flush_confirms();
    assert!(bench.output().is_empty());
    bench.event(Event::Confirmed {
        channel: 1,
        first: 2,
        last: 2,
        rejected: false,
    });
    bench.session.flush_confirms();
    bench.expect_only("1 BasicAck { delivery_tag: 1, multiple: false }");
}

/// One message of a random conversation.
#[derive(Debug, Clone)]
struct Sent {
    channel: u16,
    length: usize,
    /// Body frames of at most so many bytes.
    piece: usize,
    mandatory: bool,
    /// A frame of another channel comes in between.
    is_interleaved: bool,
    /// Something is wrong with it.
    fault: u8,
}

fn sent() -> impl Strategy<Value = Sent> {
    let length = prop_oneof![3 => 0..50_usize, 1 => 4_000..9_000_usize, 1 => 60_000..80_000_usize];
    (
        1..=2_u16,
        length,
        1_000..90_000_usize,
        any::<bool>(),
        prop::bool::weighted(0.2),
        0..40_u8,
    )
        .prop_map(
            |(channel, length, piece, mandatory, is_interleaved, fault)| Sent {
                channel,
                length,
                piece,
                mandatory,
                is_interleaved,
                fault,
            },
        )
}

fn bytes_of(sent: &Sent) -> Vec<u8> {
    let Sent {
        channel,
        length,
        piece,
        mandatory,
        is_interleaved,
        fault,
    } = *sent;
    let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
    let mut bytes = encode(
        channel,
        BasicPublish {
            routing_key: "key",
            mandatory,
            ..BasicPublish::default()
        },
    );
    if is_interleaved {
        bytes.extend(encode(
            3 - channel,
            codec::amqp::method::ChannelFlow { active: true },
        ));
    }
    let properties: &[u8] = if fault == 1 {
        &[0x01, 0, 1, b'x']
    } else {
        &[0x10, 0, 2]
    };
    let announced = if fault == 2 { 1 << 40 } else { length as u64 };
    content::encode_header_frame(channel, announced, properties, &mut bytes);
    if fault == 3 {
        bytes.extend(publish_bytes(channel, "inside", &[0, 0], b""));
    }
    for piece in body.chunks(piece) {
        bytes.extend(body_bytes(channel, piece));
    }
    bytes
}

/// Feeds a conversation cut at `cuts`; what came of it.
fn run(conversation: &[u8], cuts: &[usize]) -> (Vec<Call>, Vec<u8>) {
    let mut bench = Bench::open();
    bench.method(2, ChannelOpen {});
    bench.frames();
    bench.port.answers = 0;
    let mut output = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([conversation.len()]) {
        let cut = cut.max(from);
        bench.raw(conversation.get(from..cut).unwrap_or_default());
        from = cut;
        loop {
            let written = bench.output();
            if written.is_empty() {
                break;
            }
            output.extend(written);
            bench.resume_input();
        }
    }
    (bench.calls(), output)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_the_input_is_cut_changes_nothing(
        messages in prop::collection::vec(sent(), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let conversation: Vec<u8> = messages.iter().flat_map(bytes_of).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(conversation.len())).collect();
        cuts.sort_unstable();
        let whole = run(&conversation, &[]);
        let cut = run(&conversation, &cuts);
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(&whole.1, &cut.1);
        // With a heartbeat behind each frame no publish is ever found whole, so that all go frame by frame.
        let mut spaced = Vec::new();
        let mut rest = conversation.as_slice();
        while let Ok(Some((_, used))) = frame::parse(rest, 0) {
            let (first, behind) = rest.split_at(used);
            spaced.extend_from_slice(first);
            spaced.extend_from_slice(&content::HEARTBEAT_FRAME);
            rest = behind;
        }
        prop_assert_eq!(whole, run(&spaced, &[]));
    }

    #[test]
    fn no_input_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), is_open: bool) {
        let mut bench = if is_open { Bench::open() } else { Bench::new(Settings::default()) };
        let input = Bytes::from(bytes);
        let used = bench.session.handle_input(&input, bench.now_ms, Some(&mut bench.port));
        prop_assert!(used <= input.len());
    }
}
