#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::amqp::content::{encode_body_frames, encode_deliver};
use codec::amqp::method::{BasicAck, BasicNack, ConnectionUnblocked, Method};

use super::*;

#[derive(Default, Debug, PartialEq, Eq)]
struct Found {
    deliveries: Vec<(u64, u32, u64, u8)>,
    confirms: Vec<(u64, bool, bool)>,
    methods: Vec<Vec<u8>>,
}

impl Sink for Found {
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), LoadError> {
        let Delivery {
            tag,
            consumer,
            size,
            head,
        } = *delivery;
        self.deliveries.push((tag, consumer, size, head[0]));
        Ok(())
    }
    fn confirm(&mut self, tag: u64, multiple: bool, refused: bool) -> Result<(), LoadError> {
        self.confirms.push((tag, multiple, refused));
        Ok(())
    }
    fn returned(&mut self) {}
    fn method(&mut self, payload: &[u8]) -> Result<(), LoadError> {
        self.methods.push(payload.to_owned());
        Ok(())
    }
    fn heartbeat(&mut self) {}
}

fn traffic() -> (Vec<u8>, Found) {
    let mut bytes = Vec::new();
    for (tag, consumer, body) in [
        (1, "0", vec![7; 20]),
        (2, "12", Vec::new()),
        (3, "0", vec![9; 9_000]),
    ] {
        let size = body.len() as u64;
        encode_deliver(1, consumer, tag, false, "", "q", &[0, 0], size, &mut bytes);
        encode_body_frames(1, &body, 4_096, &mut bytes);
    }
    Method::from(BasicAck {
        delivery_tag: 5,
        multiple: true,
    })
    .encode_frame(1, &mut bytes);
    let nack = BasicNack {
        delivery_tag: 6,
        multiple: false,
        requeue: false,
    };
    Method::from(nack).encode_frame(1, &mut bytes);
    Method::from(ConnectionUnblocked {}).encode_frame(0, &mut bytes);
    let found = Found {
        deliveries: vec![(1, 0, 20, 7), (2, 12, 0, 0), (3, 0, 9_000, 9)],
        confirms: vec![(5, true, false), (6, false, true)],
        methods: vec![vec![0, 10, 0, 61]],
    };
    (bytes, found)
}

#[test]
fn what_arrives_is_found_however_it_is_cut() {
    let (bytes, wanted) = traffic();
    for step in [1, 7, 100, bytes.len()] {
        let (mut scanner, mut found) = (Scanner::default(), Found::default());
        let mut held: Vec<u8> = Vec::new();
        for part in bytes.chunks(step) {
            held.extend(part);
            let taken = scanner.scan(&held, &mut found).unwrap();
            held.drain(..taken);
        }
        assert!(held.is_empty());
        assert_eq!(found, wanted, "in steps of {step}");
    }
}

#[test]
fn frames_out_of_order_end_the_run() {
    let (bytes, _) = traffic();
    let header_length = bytes.iter().position(|&byte| byte == 0xCE).unwrap() + 1;
    let mut scanner = Scanner::default();
    let result = scanner.scan(&bytes[header_length..], &mut Found::default());
    assert!(
        matches!(
            result,
            Err(LoadError::Protocol("content header out of order"))
        ),
        "{result:?}"
    );
}

#[test]
fn a_frame_without_its_end_ends_the_run() {
    let (mut bytes, _) = traffic();
    let end = bytes.iter().position(|&byte| byte == 0xCE).unwrap();
    bytes[end] = 0;
    let result = Scanner::default().scan(&bytes, &mut Found::default());
    assert!(
        matches!(
            result,
            Err(LoadError::Protocol("frame without its end octet"))
        ),
        "{result:?}"
    );
}
