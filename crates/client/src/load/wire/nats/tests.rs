#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use super::super::super::clock::Clock;
use super::super::super::consumer::Consumer;
use super::super::super::context::Context;
use super::super::super::options::{AckMode, Target};
use super::super::super::producer::Producer;
use super::super::super::shared::Shared;
use super::*;

const INFO: &[u8] = b"INFO {\"server_id\":\"x\",\"version\":\"2.15.1\",\"headers\":true}\r\n";

/// A wire with what it acts on.
struct Bench {
    wire: NatsWire,
    role: Role,
    out: Vec<u8>,
    context: Context,
}

impl Bench {
    fn new(wire: NatsWire, role: Role) -> Self {
        let shared = Arc::new(Shared::new(Clock::start(), 1));
        Self {
            wire,
            role,
            out: Vec::new(),
            context: Context::new(shared, 0),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<usize, LoadError> {
        let ends = Ends {
            role: &mut self.role,
            out: &mut self.out,
            context: &mut self.context,
        };
        self.wire.receive(bytes, ends)
    }

    /// What was said since the last look.
    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }
}

fn options(durable: bool) -> LoadOptions {
    let mut options = LoadOptions::new(Target::Nats(NatsUrl::default()));
    options.prefix = "p".to_owned();
    options.queues = 2;
    options.durable = durable;
    if durable {
        options.confirms = Some(10);
        options.acks = AckMode::Manual {
            prefetch: 10,
            every: 1,
        };
    }
    options
}

fn consumer(durable: bool) -> Bench {
    let options = options(durable);
    let plan = Plan::new(&options);
    let wire = NatsWire::consumer(&[0, 1], &NatsUrl::default(), &options, &plan);
    Bench::new(
        wire,
        Role::Consumer(Consumer::new(options.acks, vec![0, 1])),
    )
}

fn producer() -> Bench {
    let options = options(true);
    let plan = Plan::new(&options);
    let wire = NatsWire::producer(3, &NatsUrl::default(), &options, &plan);
    let producer = Producer::new(3, u64::MAX, &options, &plan);
    Bench::new(wire, Role::Producer(Box::new(producer)))
}

#[test]
fn a_connection_is_ready_when_its_subscriptions_stand() {
    let mut bench = consumer(false);
    bench.wire.begin(&mut bench.out);
    assert_eq!(bench.said(), "", "the server speaks first");
    assert_eq!(bench.receive(INFO).unwrap(), INFO.len());
    let said = bench.said();
    assert!(said.starts_with("CONNECT {"), "{said}");
    assert!(
        said.ends_with("\r\nSUB p.0 0\r\nSUB p.1 1\r\nPING\r\n"),
        "{said}"
    );
    assert!(!bench.wire.is_ready());
    bench.receive(b"PONG\r\n").unwrap();
    assert!(bench.wire.is_ready());
    assert_eq!(bench.context.books.server.version, "2.15.1");
}

#[test]
fn pings_are_answered_at_any_time() {
    let mut bench = producer();
    bench.receive(INFO).unwrap();
    bench.receive(b"PONG\r\n").unwrap();
    bench.said();
    assert_eq!(bench.receive(b"PING\r\nPI").unwrap(), 6);
    assert_eq!(bench.said(), "PONG\r\n");
}

#[test]
fn messages_are_booked_and_acknowledged_where_jetstream_delivers_them() {
    for (durable, acks) in [(false, ""), (true, "PUB $JS.ACK.s.1 0\r\n\r\n")] {
        let mut bench = consumer(durable);
        let taken = bench
            .receive(b"MSG p.1 1 $JS.ACK.s.1 5\r\nhello\r\nMSG p.1 1 $JS.")
            .unwrap();
        assert_eq!(taken, 32);
        assert_eq!(bench.context.counters.delivered, 1);
        assert_eq!(bench.context.counters.delivered_bytes, 5);
        assert_eq!(bench.said(), acks);
    }
}

#[test]
fn a_confirm_of_nothing_is_the_servers_fault() {
    for subject in ["_INBOX.p.000003.00000001", "_INBOX.p.000003.x", "short"] {
        let mut bench = producer();
        let line = format!("MSG {subject} 0 2\r\n{{}}\r\n");
        assert!(bench.receive(line.as_bytes()).is_err(), "{subject}");
    }
}

#[test]
fn the_servers_refusals_end_the_run_in_its_words() {
    let mut bench = consumer(false);
    let error = bench.receive(b"-ERR 'Slow Consumer'\r\n").unwrap_err();
    let LoadError::Nats { source, .. } = error else {
        panic!("{error:?} is no failure of NATS");
    };
    assert_eq!(source.to_string(), "the server refused: 'Slow Consumer'");
}
