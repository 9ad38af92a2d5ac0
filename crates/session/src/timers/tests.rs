use codec::amqp::content::HEARTBEAT_FRAME;
use codec::amqp::frame::PROTOCOL_HEADER;
use codec::amqp::method::{BasicRecover, QueuePurge};

use crate::Settings;
use crate::harness::{Bench, capabilities};

fn beating() -> Bench {
    Bench::open_with(
        Settings {
            heartbeat_s: 10,
            ..Settings::default()
        },
        0,
    )
}

#[test]
fn the_handshake_has_one_deadline_for_all_of_it() {
    for stage in 0..3 {
        let mut bench = Bench::new(Settings::default());
        if stage > 0 {
            bench.now_ms = 9_000;
            bench.raw(&PROTOCOL_HEADER);
        }
        if stage > 1 {
            bench.start_ok(&capabilities(), "PLAIN", b"\0user\0password");
        }
        assert_eq!(bench.session.next_deadline(), Some(11_000));
        bench.timeout(10_999);
        assert!(!bench.session.is_closed());
        bench.timeout(11_000);
        assert!(bench.session.is_closed());
    }
}

#[test]
fn a_fault_in_the_handshake_buys_no_time() {
    let mut bench = Bench::new(Settings::default());
    bench.raw(&PROTOCOL_HEADER);
    bench.now_ms = 10_000;
    bench.raw(&[9; 7]);
    assert_eq!(bench.session.next_deadline(), Some(11_000));
}

#[test]
fn a_heartbeat_goes_out_when_nothing_else_does() {
    let mut bench = beating();
    assert_eq!(bench.session.next_deadline(), Some(6_000));
    bench.timeout(6_000);
    assert!(bench.output().is_empty(), "channel.open-ok went out since");
    bench.raw(&HEARTBEAT_FRAME);
    bench.timeout(11_000);
    bench.expect_only("0 heartbeat");
    bench.timeout(15_999);
    assert!(bench.output().is_empty());
    bench.timeout(16_000);
    bench.expect_only("0 heartbeat");
}

#[test]
fn a_peer_that_does_not_read_gets_no_pile_of_heartbeats() {
    let mut bench = beating();
    bench.timeout(6_000);
    for now_ms in (11_000..100_000).step_by(5_000) {
        bench.raw(&HEARTBEAT_FRAME);
        bench.timeout(now_ms);
    }
    bench.expect_only("0 heartbeat");
}

#[test]
fn a_silent_peer_is_dropped_after_two_intervals() {
    let mut bench = beating();
    bench.timeout(20_999);
    assert!(!bench.session.is_closed());
    bench.timeout(21_000);
    assert!(bench.session.is_closed());
}

#[test]
fn a_part_of_a_frame_is_a_sign_of_life() {
    let mut bench = beating();
    bench.now_ms = 15_000;
    bench.raw(&[8]);
    bench.timeout(34_999);
    assert!(!bench.session.is_closed());
    bench.timeout(35_000);
    assert!(bench.session.is_closed());
}

#[test]
fn a_peer_that_nobody_listens_to_is_not_silent() {
    let mut bench = beating();
    bench.method(
        1,
        QueuePurge {
            queue: "q",
            no_wait: false,
        },
    );
    bench.timeout(60_000);
    assert!(!bench.session.is_closed());
    let mut bench = beating();
    bench.session.touch(50_000);
    bench.timeout(60_000);
    assert!(!bench.session.is_closed());
}

#[test]
fn without_heartbeats_nothing_is_due() {
    let mut bench = Bench::open_with(
        Settings {
            heartbeat_s: 0,
            ..Settings::default()
        },
        0,
    );
    assert_eq!(bench.session.next_deadline(), None);
    bench.timeout(u64::MAX);
    assert!(!bench.session.is_closed());
}

#[test]
fn a_peer_has_five_seconds_for_close_ok() {
    let mut bench = beating();
    bench.method(1, BasicRecover { requeue: false });
    assert_eq!(bench.session.next_deadline(), Some(6_000));
    bench.timeout(5_999);
    assert!(!bench.session.is_closed());
    bench.timeout(6_000);
    assert!(bench.session.is_closed());
}
