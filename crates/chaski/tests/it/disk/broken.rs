//! Syncs and reads that fail, by the kernel's hand.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::faults::{SMALL, body, drain};
use crate::server::{Server, command, wait_until};
use crate::wire::{Wire, publish_into};

/// From the moment of the fault to the end of the process. The server aims at a tenth of it; the rest is for a busy machine.
const END_MAX: Duration = Duration::from_secs(1);

/// A server whose disk can be broken, and where it says its last words.
struct Fragile {
    server: Server,
    directory: tempfile::TempDir,
}

impl Fragile {
    /// Starts a server of which one kind of system call will fail: `syncs`, `writes` (with the syncs) or `reads`.
    fn start(kind: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("fails.c");
        fs::write(&source, include_str!("fails.c")).unwrap();
        let library = directory.path().join("fails.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .arg("-pthread")
            .output()
            .expect("a C compiler is installed");
        assert!(compiled.status.success(), "{compiled:?}");
        let data = directory.path().join("data");
        let mut command = command(&data);
        let said = fs::File::create(directory.path().join("said")).unwrap();
        command
            .env("LD_PRELOAD", &library)
            .env("FAULT_TRIGGER", directory.path().join("trigger"))
            .env("FAULT_KIND", kind)
            .stderr(Stdio::from(said));
        let level = ["--set", "log.level=error"];
        let server = Server::start_by(command, &data, &[&SMALL[..], &level].concat());
        Self { server, directory }
    }

    fn breaks(&self) {
        fs::write(self.directory.path().join("trigger"), b"").unwrap();
    }

    fn said(&self) -> String {
        fs::read_to_string(self.directory.path().join("said")).unwrap()
    }

    fn data(&self) -> PathBuf {
        self.server.data.clone()
    }
}

/// Publishes without end until the server is gone, breaks its disk on the way, and returns how many were confirmed and how long the
/// process lived after the fault.
fn break_under_load(fragile: &mut Fragile) -> (u64, Duration) {
    let mut wire = Wire::open(fragile.server.address("amqp"));
    wire.declare("q");
    wire.select_confirms();
    let mut sender = wire.stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        for message in 0.. {
            let mut bytes = Vec::new();
            publish_into(&mut bytes, "q", &body(message, 1_000));
            if std::io::Write::write_all(&mut sender, &bytes).is_err() {
                return;
            }
        }
    });
    let mut confirmed = 0;
    while confirmed < 500 {
        confirmed = wire.next_confirm().unwrap();
    }
    fragile.breaks();
    let broken = Instant::now();
    let reader = std::thread::spawn(move || {
        while let Some(now) = wire.next_confirm() {
            confirmed = now;
        }
        confirmed
    });
    let status = fragile.server.ended();
    let lived = broken.elapsed();
    assert_eq!(status.code(), Some(1), "{}", fragile.said());
    writer.join().unwrap();
    (reader.join().unwrap(), lived)
}

fn stops_and_keeps_what_was_confirmed(kind: &str) {
    let mut fragile = Fragile::start(kind);
    let (confirmed, lived) = break_under_load(&mut fragile);
    assert!(lived < END_MAX, "it lived on for {lived:?}");
    let said = fragile.said();
    let last_words: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("chaski: "))
        .collect();
    assert!(
        matches!(last_words[..], [line] if line.contains("the disk failed: cannot")),
        "one clear line, not {said:?}"
    );
    let doctor = command(&fragile.data()).arg("doctor").output().unwrap();
    let found = String::from_utf8(doctor.stdout).unwrap();
    // A write that was cut short is no loss, and the only thing that may be found.
    let is_torn = |line: &str| !line.starts_with("BAD") || line.contains("was cut short");
    assert!(found.lines().all(is_torn), "{found}");
    let server = Server::start_on(&fragile.data(), &SMALL);
    let kept = drain(&server, "q");
    assert!(
        kept.len() as u64 >= confirmed,
        "{} kept of {confirmed} confirmed",
        kept.len()
    );
    let all = 0..u32::try_from(kept.len()).unwrap();
    assert!(kept.into_iter().eq(all), "in order, none twice");
}

#[test]
fn a_failed_write_or_sync_of_the_journal_stops_the_process() {
    stops_and_keeps_what_was_confirmed("writes");
}

#[test]
fn a_failed_sync_alone_stops_the_process() {
    stops_and_keeps_what_was_confirmed("syncs");
}

#[test]
fn messages_that_cannot_be_read_stay_and_the_rest_is_served() {
    let mut fragile = Fragile::start("reads");
    let mut wire = Wire::open(fragile.server.address("amqp"));
    wire.declare("q");
    wire.declare("other");
    wire.select_confirms();
    // More than a queue keeps in memory: the first ones are on the disk alone.
    wire.fill("q", (0..8_000).map(|number| body(number, 1_000)));
    fragile.breaks();
    wait_until("the disk fails", || {
        let mut wire = Wire::open(fragile.server.address("amqp"));
        wire.get("q");
        fragile.said().contains("cannot be read")
    });
    let ready = wire.count("q");
    assert!(
        wire.get("q").is_none(),
        "the rest does not pass what is on the disk"
    );
    wire.fill("q", (8_000..8_010).map(|number| body(number, 1_000)));
    wire.fill("other", (0..10).map(|number| body(number, 1_000)));
    assert_eq!(drain(&fragile.server, "other").len(), 10);
    assert_eq!(wire.count("q"), ready + 10);
    assert!(fragile.server.is_running());
    let data = fragile.data();
    let directory = fragile.directory;
    drop(fragile.server);
    let server = Server::start_on(&data, &SMALL);
    let kept = drain(&server, "q");
    assert_eq!(kept.len(), ready as usize + 10, "none was taken for lost");
    assert!(kept.into_iter().eq(8_010 - ready - 10..8_010));
    drop(directory);
}
