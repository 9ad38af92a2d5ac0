#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::time::Duration;

use super::*;
use crate::load::{self, LoadOptions, Routing, RunLength, SizeRange, Target};

fn options() -> LoadOptions {
    let relay = Relay::bind("127.0.0.1:0").unwrap();
    let address = relay.address().to_string();
    // It serves until the test process ends.
    thread::spawn(move || relay.run());
    LoadOptions {
        size: SizeRange { min: 16, max: 100 },
        length: RunLength::Messages(5_000),
        drain_timeout: Duration::from_secs(20),
        ..LoadOptions::new(Target::Relay(address))
    }
}

#[test]
fn every_message_of_every_lane_goes_through_in_order() {
    let options = LoadOptions {
        producers: 3,
        consumers: 3,
        queues: 3,
        threads: 2,
        ..options()
    };
    let report = load::run(&options, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.checks.received, 5_000);
    assert!(report.checks.passed(), "{:?}", report.checks);
    let latency = report.stages[0].end_to_end_latency.unwrap();
    assert_eq!(latency.count, 5_000);
    assert!(latency.p50_us <= latency.p99_us && latency.p99_us <= latency.max_us);
}

#[test]
fn a_fan_out_reaches_every_consumer() {
    let options = LoadOptions {
        consumers: 4,
        queues: 4,
        routing: Routing::Fanout,
        ..options()
    };
    let report = load::run(&options, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(report.checks.received, 20_000);
    assert!(report.checks.passed(), "{:?}", report.checks);
}

#[test]
fn a_paced_run_keeps_its_rate() {
    let options = LoadOptions {
        length: RunLength::Time(Duration::from_millis(500)),
        warm_up: Duration::from_millis(100),
        rate: Some(2_000.0),
        ..options()
    };
    let report = load::run(&options, |_| ControlFlow::Continue(())).unwrap();
    let published = report.stages[0].published.per_s;
    assert!((1_500.0..2_500.0).contains(&published), "{published}");
    assert!(report.checks.passed(), "{:?}", report.checks);
}

#[test]
fn a_stranger_is_turned_away() {
    let relay = Relay::bind("127.0.0.1:0").unwrap();
    let address = relay.address();
    thread::spawn(move || relay.run());
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(b"AMQP\0\0\x09\x01").unwrap();
    let mut answer = Vec::new();
    stranger.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty(), "{answer:?}");
}
