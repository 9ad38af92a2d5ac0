//! What must hold when things go wrong: kills, damage, full memory, strange files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::server::{Server, command, wait_until};
use crate::wire::{Wire, method, publish_into};

pub(crate) const MIB: u64 = 1 << 20;
/// Journals and segments so small that a few megabytes fill many.
pub(crate) const SMALL: [&str; 4] = [
    "--set",
    "store.journal_bytes=1048576",
    "--set",
    "store.segment_bytes=1048576",
];

pub(crate) fn body(number: u32, bytes: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(bytes, (number % 251) as u8);
    body
}

pub(crate) fn number(body: &[u8]) -> u32 {
    let number = u32::from_be_bytes(body[..4].try_into().unwrap());
    assert!(
        body[4..]
            .iter()
            .all(|&byte| u32::from(byte) == number % 251),
        "message {number} is torn"
    );
    number
}

/// Takes everything from a queue.
pub(crate) fn drain(server: &Server, queue: &str) -> Vec<u32> {
    let mut wire = Wire::open(server.address("amqp"));
    let count = wire.count(queue);
    wire.consume(queue, true);
    let taken = (0..count).map(|_| number(&wire.delivery().1)).collect();
    assert_eq!(wire.count(queue), 0);
    taken
}

/// All files below a directory, with their sizes.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push((entry.path(), metadata.len()));
        }
    }
    found.sort();
    found
}

pub(crate) fn journals(data: &Path) -> Vec<PathBuf> {
    let found = files(&data.join("journal"))
        .into_iter()
        .map(|(path, _)| path);
    found
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "journal")
        })
        .collect()
}

/// A stopped server's data with some messages in it.
pub(crate) fn stopped(messages: u32) -> (tempfile::TempDir, PathBuf) {
    let mut server = Server::start(&SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.select_confirms();
    // Two halves, the second after the first is confirmed: at least two frames.
    for half in [0..messages / 2, messages / 2..messages] {
        wire.fill("q", half.map(|number| body(number, 1_000)));
    }
    drop(wire);
    assert!(server.terminate().success());
    let data = server.data.clone();
    (server.kill().unwrap(), data)
}

#[test]
fn an_alarm_blocks_publishers_and_serves_consumers() {
    let server = Server::start(&[]);
    let mut publisher = Wire::open(server.address("amqp"));
    publisher.declare("q");
    publisher.select_confirms();
    publisher.fill("q", (0..10).map(|number| body(number, 100)));
    for alarm in ["memory", "disk"] {
        assert!(server.chaski(&["alarm", "set", alarm]).status.success());
        let status = String::from_utf8(server.chaski(&["status"]).stdout).unwrap();
        assert!(status.contains("ALARM"), "{status}");
        let mut bytes = Vec::new();
        publish_into(&mut bytes, "q", &body(10, 100));
        publisher.send(&bytes);
        let mut consumer = Wire::open(server.address("amqp"));
        consumer.declare("another");
        consumer.consume("q", false);
        for expected in 0..10 {
            let (tag, body) = consumer.delivery();
            assert_eq!(number(&body), expected);
            let mut nack = tag.to_be_bytes().to_vec();
            nack.push(0b10);
            if expected == 9 {
                // Everything goes back for the next round.
                nack[8] = 0b11;
                consumer.send(&method(1, 60, 30, b"\x03tag\x00"));
                consumer.expect(60, 31);
                consumer.send(&method(1, 60, 120, &nack));
            }
        }
        assert_eq!(
            consumer.count("q"),
            10,
            "the message of the blocked publisher is not in"
        );
        assert!(server.chaski(&["alarm", "clear", alarm]).status.success());
        publisher.next_confirm().unwrap();
        let mut taker = Wire::open(server.address("amqp"));
        wait_until("the message is in", || taker.count("q") == 11);
        // For the next round: as it was.
        assert_eq!(drain(&server, "q").len(), 11);
        publisher.send(&method(1, 85, 10, b"\x01"));
        let mut filler = Wire::open(server.address("amqp"));
        filler.select_confirms();
        filler.fill("q", (0..10).map(|number| body(number, 100)));
    }
}

#[test]
fn clients_that_understand_it_are_told_that_they_are_blocked() {
    use futures_util::StreamExt;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let server = Server::start(&[]);
    runtime.block_on(async {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(&server.url(), properties)
            .await
            .unwrap();
        let mut events = Box::pin(connection.events_listener());
        let mut heard = async |wanted: fn(&lapin::Event) -> bool| {
            let wait = async { while !wanted(&events.next().await.unwrap()) {} };
            tokio::time::timeout(crate::server::DEADLINE, wait)
                .await
                .expect("an event in time");
        };
        let channel = connection.create_channel().await.unwrap();
        // RabbitMQ tells those that publish; so the first message is under way when the alarm is raised.
        let publish = async || {
            let options = Default::default();
            let published = channel
                .basic_publish("".into(), "x".into(), options, b"x", Default::default())
                .await;
            published.unwrap();
        };
        publish().await;
        assert!(server.chaski(&["alarm", "set", "memory"]).status.success());
        publish().await;
        heard(|event| matches!(event, lapin::Event::ConnectionBlocked(_))).await;
        assert!(
            server
                .chaski(&["alarm", "clear", "memory"])
                .status
                .success()
        );
        heard(|event| matches!(event, lapin::Event::ConnectionUnblocked)).await;
    });
}

#[test]
fn a_memory_limit_that_is_passed_blocks_publishers_and_not_consumers() {
    // Less than the process has anyway: as if others had taken the memory.
    let server = Server::start(&["--memory-high-bytes", "1048576"]);
    wait_until("the alarm is raised", || {
        String::from_utf8(server.chaski(&["status"]).stdout)
            .unwrap()
            .contains("ALARM: memory")
    });
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.consume("q", true);
    let mut publisher = Wire::open(server.address("amqp"));
    publisher.select_confirms();
    let mut bytes = Vec::new();
    publish_into(&mut bytes, "q", b"held");
    publisher.send(&bytes);
    assert_eq!(wire.count("q"), 0);
}

#[test]
fn sigterm_under_load_keeps_every_confirmed_message() {
    let mut server = Server::start(&SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.select_confirms();
    wire.fill("q", (0..500).map(|number| body(number, 1_000)));
    let mut sender = wire.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for message in 500..20_000 {
            let mut bytes = Vec::new();
            publish_into(&mut bytes, "q", &body(message, 1_000));
            if std::io::Write::write_all(&mut sender, &bytes).is_err() {
                return;
            }
        }
    });
    let first = wire.next_confirm().unwrap();
    assert!(first > 500, "the load is under way");
    let reader = std::thread::spawn(move || {
        let mut confirmed = first;
        while let Some(now) = wire.next_confirm() {
            confirmed = now;
        }
        wire.send(&method(0, 10, 51, b""));
        confirmed
    });
    let started = std::time::Instant::now();
    assert!(server.terminate().success());
    assert!(
        started.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    writer.join().unwrap();
    let confirmed = u32::try_from(reader.join().unwrap()).unwrap();
    let data = server.data.clone();
    let _kept = server.kill();
    let server = Server::start_on(&data, &SMALL);
    let kept = drain(&server, "q");
    assert!(
        kept.len() >= confirmed as usize,
        "{} kept of {confirmed} confirmed",
        kept.len()
    );
    assert!(
        kept.iter()
            .copied()
            .eq(0..u32::try_from(kept.len()).unwrap()),
        "in order, none twice"
    );
}

#[test]
fn three_kills_lose_nothing_that_was_confirmed() {
    let mut server = Server::start(&SMALL);
    let data = server.data.clone();
    let mut kept = None;
    let mut expected = Vec::new();
    for round in 0..3_u32 {
        let mut wire = Wire::open(server.address("amqp"));
        wire.declare("q");
        wire.select_confirms();
        let numbers = round * 8_000..(round + 1) * 8_000;
        wire.fill("q", numbers.clone().map(|number| body(number, 1_000)));
        expected.extend(numbers);
        let directory = server.kill();
        kept = kept.or(directory);
        server = Server::start_on(&data, &SMALL);
    }
    let mut wire = Wire::open(server.address("amqp"));
    assert_eq!(wire.count("q") as usize, expected.len());
    drop(wire);
    assert_eq!(drain(&server, "q"), expected);
    drop(kept);
}

#[test]
fn acks_in_any_order_survive_kills_too() {
    let mut server = Server::start(&SMALL);
    let data = server.data.clone();
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.declare("marks");
    wire.select_confirms();
    wire.fill("q", (0..6_000).map(|number| body(number, 1_000)));
    let mut left: Vec<u32> = (0..6_000).collect();
    let mut seed = 17_u64;
    let mut kept = None;
    for round in 0..3 {
        let mut wire = Wire::open(server.address("amqp"));
        wire.select_confirms();
        wire.consume("q", false);
        let mut unacked: Vec<_> = left
            .iter()
            .map(|_| wire.delivery())
            .map(|(tag, body)| (tag, number(&body)))
            .collect();
        assert_eq!(
            unacked
                .iter()
                .map(|(_, number)| *number)
                .collect::<Vec<_>>(),
            left,
            "round {round}"
        );
        for _ in 0..left.len() / 2 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(seed >> 33).unwrap() % unacked.len();
            let (tag, _) = unacked.swap_remove(at);
            wire.ack(tag);
        }
        left = unacked.into_iter().map(|(_, number)| number).collect();
        left.sort_unstable();
        // A message behind the acks, confirmed: they are on disk with it.
        wire.send(&method(1, 60, 30, b"\x03tag\x00"));
        wire.expect(60, 31);
        let mark = 6_000 + round;
        wire.fill("q", std::iter::once(body(mark, 1_000)));
        left.push(mark);
        let directory = server.kill();
        kept = kept.or(directory);
        server = Server::start_on(&data, &SMALL);
    }
    assert_eq!(drain(&server, "q"), left);
    drop(kept);
}

#[test]
fn another_number_of_shards_keeps_everything() {
    let mut server = Server::start(&[&SMALL[..], &["--shards", "1"]].concat());
    let data = server.data.clone();
    let queues: Vec<_> = (0..7).map(|queue| format!("q{queue}")).collect();
    let mut wire = Wire::open(server.address("amqp"));
    wire.select_confirms();
    for queue in &queues {
        wire.declare(queue);
        wire.fill(queue, (0..500).map(|number| body(number, 1_000)));
    }
    let mut kept = None;
    for shards in ["3", "2", "5", "1"] {
        let directory = server.kill();
        kept = kept.or(directory);
        server = Server::start_on(&data, &[&SMALL[..], &["--shards", shards]].concat());
        let mut wire = Wire::open(server.address("amqp"));
        for queue in &queues {
            assert_eq!(wire.count(queue), 500, "{queue} with {shards} shards");
        }
    }
    for queue in &queues {
        assert!(drain(&server, queue).into_iter().eq(0..500), "{queue}");
    }
    drop(kept);
}

#[test]
fn a_backlog_stays_on_disk() {
    let server = Server::start(&[]);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    wire.select_confirms();
    wire.fill("q", (0..1_000).map(|number| body(number, 100)));
    let before = server.resident_bytes();
    wire.fill("q", (1_000..300_000).map(|number| body(number, 100)));
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(
        grown < 64 * MIB,
        "{grown} bytes for a backlog of 300,000 messages"
    );
    assert_eq!(wire.count("q"), 300_000);
    assert!(drain(&server, "q").into_iter().eq(0..300_000));
}

#[test]
fn doctor_finds_a_good_directory_good_and_changes_nothing() {
    let (_directory, data) = stopped(3_000);
    let before = files(&data);
    let output = command(&data).args(["doctor", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|finding| finding["severity"] == "good"),
        "{report}"
    );
    assert!(report.to_string().contains("3000 live"), "{report}");
    let is_data = |(path, _): &(PathBuf, u64)| !path.to_string_lossy().contains("sqlite-");
    let kept = |files: Vec<(PathBuf, u64)>| files.into_iter().filter(is_data).collect::<Vec<_>>();
    assert_eq!(kept(files(&data)), kept(before));
}

/// Flips one bit in the middle of what a file holds.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let used = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .expect("something is in it");
    bytes[used / 2] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

/// Doctor names the damage, the server starts, serves only whole messages in order, and loses no more than `lost_max`.
fn damage_is_survived(messages: u32, lost_max: usize, damage: impl FnOnce(&Path)) {
    let (_directory, data) = stopped(messages);
    damage(&data);
    let output = command(&data).arg("doctor").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("BAD"), "{said}");
    let server = Server::start_on(&data, &SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    let kept: Vec<_> = std::iter::from_fn(|| wire.get("q"))
        .map(|body| number(&body))
        .collect();
    assert!(kept.is_sorted_by(|a, b| a < b), "in order, none twice");
    assert!(
        kept.len() + lost_max >= messages as usize,
        "{} of {messages} kept; doctor: {said}",
        kept.len()
    );
    wire.select_confirms();
    wire.fill("q", (0..100).map(|number| body(number, 1_000)));
    drop(wire);
    let data = server.data.clone();
    let _kept = server.kill();
    let server = Server::start_on(&data, &SMALL);
    assert!(
        drain(&server, "q").into_iter().eq(0..100),
        "what came after the damage is kept"
    );
}

#[test]
fn a_flipped_bit_in_a_segment_costs_only_its_batch() {
    damage_is_survived(3_000, 1_000, |data| {
        let segments = files(&data.join("queues"));
        let (largest, _) = segments
            .iter()
            .max_by_key(|(_, bytes)| *bytes)
            .expect("queues settle");
        flip(largest);
    });
}

#[test]
fn a_directory_where_a_file_should_be_is_named_and_kept() {
    for name in ["directory.sqlite", "LOCK", "journal"] {
        let (_directory, data) = stopped(10);
        let path = data.join(name);
        let aside = data.with_extension("aside");
        fs::rename(&path, &aside).unwrap();
        if name == "journal" {
            fs::write(&path, b"not a directory").unwrap();
        } else {
            fs::create_dir(&path).unwrap();
        }
        refuses(&data, name);
        if name == "journal" {
            fs::remove_file(&path).unwrap();
        } else {
            fs::remove_dir(&path).unwrap();
        }
        fs::rename(&aside, &path).unwrap();
        let server = Server::start_on(&data, &SMALL);
        assert_eq!(drain(&server, "q").len(), 10, "{name}: nothing was deleted");
    }
}

/// Checks that the server does not start on the data, says why in one line naming the part, and removes nothing.
fn refuses(data: &Path, naming: &str) {
    let before: Vec<_> = files(data).into_iter().map(|(path, _)| path).collect();
    let output = command(data)
        .args([
            "serve",
            "--amqp",
            "127.0.0.1:0",
            "--amqps",
            "off",
            "--ready-json",
            "--set",
            "log.level=error",
        ])
        .args(SMALL)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "it must not start");
    assert_eq!(said.lines().count(), 1, "one clear line, not {said:?}");
    assert!(said.contains(naming), "{said:?} names {naming}");
    let after: Vec<_> = files(data).into_iter().map(|(path, _)| path).collect();
    assert!(
        before.iter().all(|path| after.contains(path)),
        "nothing is deleted"
    );
}

#[test]
fn a_link_in_place_of_a_journal_is_refused() {
    let (directory, data) = stopped(10);
    let journal = journals(&data).pop().unwrap();
    let aside = directory.path().with_extension("journal-aside");
    fs::rename(&journal, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &journal).unwrap();
    refuses(&data, journal.file_name().unwrap().to_str().unwrap());
    fs::remove_file(&journal).unwrap();
    fs::rename(&aside, &journal).unwrap();
    assert_eq!(drain(&Server::start_on(&data, &SMALL), "q").len(), 10);
}

#[test]
fn a_database_of_rubbish_is_refused_and_kept() {
    let (_directory, data) = stopped(10);
    let path = data.join("directory.sqlite");
    for name in ["directory.sqlite-wal", "directory.sqlite-shm"] {
        let _ = fs::remove_file(data.join(name));
    }
    fs::write(&path, vec![0x5a; 8_192]).unwrap();
    refuses(&data, "directory.sqlite");
    assert_eq!(fs::read(&path).unwrap(), vec![0x5a; 8_192]);
}

#[test]
fn a_journal_cut_to_nothing_is_survived() {
    let (_directory, data) = stopped(10);
    fs::write(journals(&data).last().unwrap(), b"").unwrap();
    let server = Server::start_on(&data, &SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    wire.select_confirms();
    wire.declare("fresh");
    wire.fill("fresh", (0..10).map(|number| body(number, 100)));
}

#[test]
fn the_data_directory_is_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("fresh");
    let server = Server::start_on(&data, &[]);
    let mode = fs::metadata(&server.data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
