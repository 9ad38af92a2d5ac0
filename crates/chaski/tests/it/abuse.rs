//! Peers that mean harm: before login, and after it.

use std::time::{Duration, Instant};

use crate::server::{DEADLINE, Server, read_to_end};
use crate::wire::{
    BODY, HEADER, Wire, content_header, frame, method, publish_into, publish_method, start_ok,
    start_ok_with,
};

const MIB: u64 = 1 << 20;

/// Waits until a well-behaved client is served; nothing that others do may take it longer.
fn good_client_is_served(server: &Server) {
    let started = Instant::now();
    let mut good = Wire::open(server.address("amqp"));
    good.declare("good");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn silent_sockets_are_closed_by_the_handshake_deadline() {
    let server = Server::start(&["--set", "limits.handshake_timeout_ms=1500"]);
    good_client_is_served(&server);
    let before = server.resident_bytes();
    let started = Instant::now();
    let mut silent: Vec<_> = (0..200)
        .map(|_| Wire::silent(server.address("amqp")))
        .collect();
    good_client_is_served(&server);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 8 * MIB, "{grown} bytes for 200 silent sockets");
    for wire in &mut silent {
        let said = read_to_end(&mut wire.stream);
        assert!(said.is_empty(), "{said:?}");
    }
    let elapsed = started.elapsed();
    assert!(
        elapsed > Duration::from_millis(1400) && elapsed < Duration::from_secs(10),
        "{elapsed:?}"
    );
}

#[test]
fn a_slow_header_meets_the_same_deadline() {
    let server = Server::start(&["--set", "limits.handshake_timeout_ms=1500"]);
    let started = Instant::now();
    let mut wire = Wire::silent(server.address("amqp"));
    wire.stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut bytes = HEADER.iter().cycle();
    // A byte each time the server has been silent for 300 ms, never a whole header before the deadline.
    let mut sent = 0;
    loop {
        let mut byte = [0];
        match std::io::Read::read(&mut wire.stream, &mut byte) {
            Ok(0) => break,
            Ok(_) => panic!("an answer after {sent} bytes of a header"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                wire.send(&[*bytes.next().unwrap()]);
                sent += 1;
            }
            Err(_) => break,
        }
        assert!(started.elapsed() < DEADLINE, "it is never closed");
    }
    assert!(
        sent < 8 && started.elapsed() < Duration::from_secs(5),
        "{sent} bytes, {:?}",
        started.elapsed()
    );
}

#[test]
fn a_login_that_never_comes_meets_the_same_deadline() {
    let server = Server::start(&["--set", "limits.handshake_timeout_ms=1000"]);
    let started = Instant::now();
    let mut wire = Wire::started(server.address("amqp"));
    wire.closed_with();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn frames_before_tune_are_small_and_well_formed() {
    let server = Server::start(&[]);
    good_client_is_served(&server);
    let before = server.resident_bytes();
    let mut oversized = frame(1, 0, b"");
    oversized[3..7].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut over_max = frame(1, 0, b"");
    over_max[3..7].copy_from_slice(&131_073_u32.to_be_bytes());
    let mut bad_end = method(0, 10, 11, b"");
    *bad_end.last_mut().unwrap() = 0;
    let abuses = [
        ("a frame of 4 GiB", oversized),
        ("a frame over frame_max", over_max),
        ("an empty method frame", frame(1, 0, b"")),
        ("a wrong frame end", bad_end),
        ("an unknown frame type", frame(9, 0, b"abcd")),
        (
            "content on channel 0",
            frame(2, 0, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
        ),
        ("a heartbeat on channel 5", frame(8, 5, b"")),
        ("a channel before login", method(1, 20, 10, b"\x00")),
        ("open before login", method(0, 10, 40, b"\x01/\x00\x00")),
    ];
    for (what, bytes) in abuses {
        let mut wire = Wire::started(server.address("amqp"));
        wire.send(&bytes);
        let code = wire.closed_with();
        assert!(matches!(code, None | Some(501..=505)), "{what}: {code:?}");
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes");
    good_client_is_served(&server);
}

#[test]
fn field_tables_that_lie_cost_nothing() {
    let server = Server::start(&[]);
    good_client_is_served(&server);
    let before = server.resident_bytes();
    let sized = |items: Vec<u8>| {
        let mut table = u32::try_from(items.len()).unwrap().to_be_bytes().to_vec();
        table.extend(items);
        table
    };
    let mut nested = vec![0, 0, 0, 0];
    for _ in 0..1_000 {
        let mut outer = b"\x01aF".to_vec();
        outer.extend(nested);
        nested = sized(outer);
    }
    let mut voids = b"\x01aA\xff\xff\xff\xff".to_vec();
    voids.extend([b'V'; 64]);
    let tables = [
        (
            "a table longer than its frame",
            vec![0xff, 0xff, 0xff, 0xff],
        ),
        ("tables nested 1,000 deep", nested),
        ("an array of 2^32 voids", sized(voids)),
        (
            "a string of 2^32 bytes",
            sized(b"\x01aS\xff\xff\xff\xffabc".to_vec()),
        ),
        (
            "a name that overflows its table",
            sized(b"\xffabc".to_vec()),
        ),
        ("an unknown type", sized(b"\x01a\x00\x00".to_vec())),
    ];
    for (what, table) in tables {
        let mut wire = Wire::started(server.address("amqp"));
        wire.send(&start_ok_with(&table, "PLAIN", b"\0guest\0guest"));
        let code = wire.closed_with();
        assert!(matches!(code, None | Some(501 | 502)), "{what}: {code:?}");
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes");
    good_client_is_served(&server);
}

#[test]
fn logins_that_are_not_quite_logins_are_refused() {
    let server = Server::start(&[]);
    let logins: [(&str, &str, &[u8]); 10] = [
        ("three zeros", "PLAIN", b"\0guest\0guest\0more"),
        ("one zero", "PLAIN", b"guest\0guest"),
        ("no zero", "PLAIN", b"guest"),
        ("nothing", "PLAIN", b""),
        ("acting as another", "PLAIN", b"admin\0guest\0guest"),
        ("not UTF-8", "PLAIN", b"\0\xff\xfe\0guest"),
        ("an empty user", "PLAIN", b"\0\0guest"),
        ("an empty password", "PLAIN", b"\0guest\0"),
        ("a wrong password", "PLAIN", b"\0guest\0guesS"),
        ("an unknown mechanism", "EXTERNAL", b""),
    ];
    for (what, mechanism, response) in logins {
        let mut wire = Wire::started(server.address("amqp"));
        wire.send(&start_ok(mechanism, response));
        let mut tuned = false;
        let mut code = None;
        while let Some(frame) = wire.next() {
            tuned |= frame.method() == Some((10, 30));
            if frame.method() == Some((10, 50)) {
                code = Some(frame.u16_at(4));
                wire.send(&method(0, 10, 51, b""));
            }
        }
        assert!(!tuned, "{what}: let in");
        assert!(
            matches!(code, None | Some(403 | 501..=504 | 530)),
            "{what}: {code:?}"
        );
    }
    let mut wire = Wire::started(server.address("amqp"));
    let mut huge = b"\0guest\0".to_vec();
    huge.resize(1 << 20, b'x');
    wire.send(&start_ok("PLAIN", &huge));
    assert!(matches!(wire.closed_with(), None | Some(501)));
    good_client_is_served(&server);
}

#[test]
fn a_body_of_2_to_the_63_bytes_is_refused_at_its_header() {
    let server = Server::start(&[]);
    good_client_is_served(&server);
    let before = server.resident_bytes();
    for size in [1 << 63, u64::MAX, 16 * MIB + 1] {
        let mut wire = Wire::open(server.address("amqp"));
        wire.declare("q");
        wire.send(&publish_method("q"));
        wire.send(&content_header(size));
        let close = loop {
            let frame = wire.next().expect("an answer");
            if matches!(frame.method(), Some((10, 50) | (20, 40))) {
                break frame;
            }
        };
        assert!(
            matches!(close.u16_at(4), 311 | 406 | 501),
            "{size}: {}",
            close.u16_at(4)
        );
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes");
}

#[test]
fn a_body_longer_than_declared_closes_the_connection() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.send(&publish_method("q"));
    wire.send(&content_header(3));
    wire.send(&frame(BODY, 1, b"four"));
    let code = wire.closed_with();
    assert!(matches!(code, Some(501 | 505)), "{code:?}");
    assert_eq!(Wire::open(server.address("amqp")).count("q"), 0);
}

#[test]
fn a_channel_over_channel_max_closes_the_connection() {
    let server = Server::start(&["--set", "limits.channel_max=10"]);
    let mut wire = Wire::open(server.address("amqp"));
    for channel in 2..=10 {
        wire.send(&method(channel, 20, 10, b"\x00"));
        assert_eq!(wire.expect(20, 11).channel, channel);
    }
    wire.send(&method(11, 20, 10, b"\x00"));
    let code = wire.closed_with();
    assert!(matches!(code, Some(504 | 530)), "{code:?}");
}

#[test]
fn a_consumer_that_never_reads_harms_nobody() {
    let server = Server::start(&[]);
    let mut stuck = Wire::open(server.address("amqp"));
    stuck.declare("stuck");
    stuck.consume("stuck", true);
    let mut wire = Wire::open(server.address("amqp"));
    wire.select_confirms();
    wire.declare("busy");
    let mut other = Wire::open(server.address("amqp"));
    other.consume("busy", true);
    wire.fill("stuck", (0..200).map(|_| vec![7; 1_000]));
    // 16 MB for the one that does not read make the server take the memory it works with; 64 MB more must not add to it.
    let mut before = 0;
    for round in 0..20_u32 {
        wire.fill("stuck", (0..40).map(|_| vec![7; 100_000]));
        wire.fill("busy", std::iter::once(round.to_be_bytes().to_vec()));
        assert_eq!(other.delivery().1, round.to_be_bytes());
        if round == 3 {
            before = server.resident_bytes();
        }
    }
    assert!(before < 96 * MIB, "{before} bytes at first");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB, "{grown} bytes for one stuck consumer");
    // It costs it nothing either: once it reads, everything is there.
    for _ in 0..200 {
        assert_eq!(stuck.delivery().1.len(), 1_000);
    }
    for _ in 0..20 * 40 {
        assert_eq!(stuck.delivery().1.len(), 100_000);
    }
}

#[test]
fn requeueing_at_full_speed_leaves_others_their_turn() {
    let server = Server::start(&[]);
    let mut looping = Wire::open(server.address("amqp"));
    looping.declare("loop");
    looping.select_confirms();
    looping.fill("loop", std::iter::once(b"again".to_vec()));
    looping.consume("loop", false);
    for _ in 0..2_000 {
        let (tag, body) = looping.delivery();
        assert_eq!(body, b"again");
        let mut nack = tag.to_be_bytes().to_vec();
        nack.push(0b10);
        looping.send(&method(1, 60, 120, &nack));
    }
    good_client_is_served(&server);
}

#[test]
fn a_flood_of_wrong_passwords_does_not_lock_the_right_one_out() {
    let server = Server::start(&[]);
    let mut wrong: Vec<_> = (0..100)
        .map(|_| {
            let mut wire = Wire::started(server.address("amqp"));
            wire.send(&start_ok("PLAIN", b"\0admin\0wrong"));
            wire
        })
        .collect();
    good_client_is_served(&server);
    for wire in &mut wrong {
        assert!(matches!(wire.closed_with(), None | Some(403)));
    }
}

#[test]
fn half_received_bodies_are_bounded_over_all_connections() {
    let server = Server::start(&["--set", "limits.max_message_bytes=1048576"]);
    good_client_is_served(&server);
    let before = server.resident_bytes();
    let wires: Vec<_> = (0..10)
        .map(|_| {
            let mut wire = Wire::open(server.address("amqp"));
            wire.declare("q");
            let mut bytes = publish_method("q");
            bytes.extend(content_header(MIB));
            bytes.extend(frame(BODY, 1, b"only a little"));
            wire.send(&bytes);
            wire
        })
        .collect();
    good_client_is_served(&server);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 6 * MIB,
        "{grown} bytes for bodies that have not come"
    );
    drop(wires);
}

#[test]
fn a_publish_that_is_cut_off_leaves_nothing_behind() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    let mut whole = Vec::new();
    publish_into(&mut whole, "q", &[1; 5_000]);
    for end in [1, 10, 40, 60, 4_000, whole.len() - 1] {
        let mut cut = Wire::open(server.address("amqp"));
        cut.send(&whole[..end]);
        drop(cut);
    }
    assert_eq!(wire.count("q"), 0);
}
