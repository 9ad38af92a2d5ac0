//! A file system of 64 MiB that fills up, in a mount namespace of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::faults::{MIB, SMALL, body, number};
use crate::server::{Server, command, wait_until};
use crate::wire::{METHOD, Wire, method, publish_into};

/// Rounds of filling and draining.
const ROUNDS: u32 = 10;
const BODY_BYTES: usize = 16 << 10;
/// Client properties that say: tell me when I am blocked.
const KNOWS_BLOCKED: &[u8] =
    b"\x00\x00\x00\x27\x0ccapabilitiesF\x00\x00\x00\x15\x12connection.blockedt\x01";
/// Where the disk alarm begins and ends.
const ALARMS: [&str; 4] = [
    "--set",
    "limits.disk_free_low_bytes=25165824",
    "--set",
    "limits.disk_free_resume_bytes=33554432",
];
const LOW_BYTES: u64 = 24 * MIB;
const RESUME_BYTES: u64 = 32 * MIB;
/// No alarm before the disk is truly full.
const NO_ALARMS: [&str; 4] = [
    "--set",
    "limits.disk_free_low_bytes=0",
    "--set",
    "limits.disk_free_resume_bytes=1",
];

/// A small disk that only its own processes see; it goes with them.
struct SmallDisk {
    holder: Child,
    place: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        let mut holder = command
            .args(["--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o size=64m,mode=700 tmpfs \"$0\" && echo mounted && exec cat")
            .arg(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("util-linux is installed");
        let mut line = String::new();
        let output = holder.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(
            line, "mounted\n",
            "this test needs a mount namespace of its own"
        );
        Self { holder, place }
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    /// A path on the disk as it is seen from outside.
    fn outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    fn free_bytes(&self) -> u64 {
        let status = rustix::fs::statvfs(self.outside(self.place.path())).unwrap();
        status.f_bavail * status.f_frsize
    }

    /// The command line of the server, on this disk.
    fn command(&self) -> Command {
        let inner = command(&self.data());
        let mut command = Command::new("nsenter");
        command
            .env_clear()
            .arg("--target")
            .arg(self.holder.id().to_string());
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--mount", "--"]);
        command.arg(inner.get_program()).args(inner.get_args());
        let settings = inner.get_envs();
        command.envs(settings.filter_map(|(name, value)| Some((name, value?))));
        command
    }

    fn start(&self, limits: &[&str]) -> Server {
        let mut command = self.command();
        command.stderr(Stdio::null());
        Server::start_by(command, &self.data(), &[&SMALL[..], limits].concat())
    }

    fn chaski(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    fn assert_clean(&self) {
        let output = self.chaski(&["doctor"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }

    /// Takes all the space that is left, until what is returned is dropped.
    fn fill(&self) -> Filler {
        let path = self.outside(&self.place.path().join("filler"));
        let mut file = fs::File::create(&path).unwrap();
        let piece = vec![1; 64 << 10];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&[1; 512]).is_ok() {}
        Filler(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

struct Filler(PathBuf);

impl Drop for Filler {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a publisher hears.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Confirmed(u64),
    Blocked,
    Unblocked,
}

fn hear(wire: &mut Wire) -> Heard {
    loop {
        let frame = wire.next().expect("the server stays");
        assert_eq!(frame.kind, METHOD);
        match frame.method() {
            Some((60, 80)) => return Heard::Confirmed(frame.u64_at(4)),
            Some((10, 60)) => return Heard::Blocked,
            Some((10, 61)) => return Heard::Unblocked,
            Some((10, 50) | (20, 40) | (60, 120)) => panic!("{frame:?}"),
            Some(_) | None => {}
        }
    }
}

/// A publisher that counts.
struct Publisher {
    wire: Wire,
    sent: u32,
    confirmed: u64,
}

impl Publisher {
    fn new(server: &Server) -> Self {
        let mut wire = Wire::open_with(server.address("amqp"), KNOWS_BLOCKED);
        wire.declare("q");
        wire.select_confirms();
        Self {
            wire,
            sent: 0,
            confirmed: 0,
        }
    }

    fn send(&mut self, count: u32) {
        let mut bytes = Vec::new();
        for message in self.sent..self.sent + count {
            publish_into(&mut bytes, "q", &body(message, BODY_BYTES));
        }
        self.sent += count;
        self.wire.send(&bytes);
    }

    /// Publishes until the server says that it is enough.
    fn until_blocked(&mut self) {
        loop {
            if u64::from(self.sent) - self.confirmed < 50 {
                self.send(10);
            }
            match hear(&mut self.wire) {
                Heard::Confirmed(number) => self.confirmed = number,
                Heard::Blocked => return,
                Heard::Unblocked => panic!("nothing was blocked"),
            }
        }
    }

    /// Waits until it may go on and all that was sent is confirmed.
    fn until_unblocked(&mut self) {
        let mut is_blocked = true;
        while is_blocked || self.confirmed < u64::from(self.sent) {
            match hear(&mut self.wire) {
                Heard::Confirmed(number) => self.confirmed = number,
                Heard::Unblocked => is_blocked = false,
                Heard::Blocked => panic!("it was not unblocked"),
            }
        }
    }
}

/// Takes and acknowledges messages from a queue, as many as are wanted.
fn take(consumer: &mut Wire, expected: std::ops::Range<u32>) {
    for expected in expected {
        let (tag, body) = consumer.delivery();
        assert_eq!(number(&body), expected, "in order, none lost, none twice");
        consumer.ack(tag);
    }
}

#[test]
fn publishers_wait_and_all_else_goes_on_while_the_disk_is_full() {
    let disk = SmallDisk::mount();
    let mut server = disk.start(&ALARMS);
    let mut publisher = Publisher::new(&server);
    let mut admin = Wire::open(server.address("amqp"));
    let mut taken = 0;
    for round in 0..ROUNDS {
        publisher.until_blocked();
        assert!(
            disk.free_bytes() < LOW_BYTES + 4 * MIB,
            "round {round}: not too early"
        );
        // Everything else goes on: declaring, deleting, consuming, acknowledging.
        let name = format!("aside-{round}");
        admin.declare(&name);
        assert_eq!(admin.count(&name), 0);
        assert!(disk_is_alarmed(&disk));
        let mut arguments = vec![0, 0, u8::try_from(name.len()).unwrap()];
        arguments.extend(name.bytes());
        arguments.push(0);
        admin.send(&method(1, 50, 40, &arguments));
        admin.expect(50, 41);
        let confirmed = u32::try_from(publisher.confirmed).unwrap();
        let mut consumer = Wire::open(server.address("amqp"));
        consumer.consume("q", false);
        take(&mut consumer, taken..confirmed);
        // Only now is there room again, and for all of it at once: the alarm does not end where it began.
        publisher.until_unblocked();
        assert!(
            disk.free_bytes() > LOW_BYTES + (RESUME_BYTES - LOW_BYTES) / 2,
            "round {round}"
        );
        take(&mut consumer, confirmed..publisher.sent);
        taken = publisher.sent;
        // Answered behind the acknowledgements: they have arrived.
        consumer.send(&method(1, 60, 30, b"\x03tag\x00"));
        consumer.expect(60, 31);
        publisher.send(1);
        while publisher.confirmed < u64::from(publisher.sent) {
            publisher.confirmed = publisher.wire.next_confirm().unwrap();
        }
    }
    assert!(
        taken > ROUNDS * 1_000,
        "{taken} messages are hardly a full disk"
    );
    assert!(server.terminate().success());
    disk.assert_clean();
    let server = disk.start(&ALARMS);
    let mut wire = Wire::open(server.address("amqp"));
    assert_eq!(number(&wire.get("q").expect("the last one")), taken);
    assert!(wire.get("q").is_none());
}

fn disk_is_alarmed(disk: &SmallDisk) -> bool {
    let status = disk.chaski(&["status"]);
    String::from_utf8_lossy(&status.stdout).contains("ALARM: disk")
}

/// Publishes until a full disk lets nothing through any more; the filler is what fills it.
fn until_stuck(disk: &SmallDisk, publisher: &mut Publisher) -> Filler {
    publisher.send(20);
    while publisher.confirmed < 20 {
        publisher.confirmed = publisher.wire.next_confirm().unwrap();
    }
    let filler = disk.fill();
    publisher.send(2_000);
    // What fits the space that was reserved is still confirmed; then nothing is.
    let patience = std::time::Duration::from_secs(1);
    publisher
        .wire
        .stream
        .set_read_timeout(Some(patience))
        .unwrap();
    while let Some(number) = publisher.wire.confirm_in_time() {
        publisher.confirmed = number;
    }
    publisher
        .wire
        .stream
        .set_read_timeout(Some(crate::server::DEADLINE))
        .unwrap();
    assert!(
        publisher.confirmed < u64::from(publisher.sent),
        "it is not full"
    );
    filler
}

#[test]
fn a_disk_without_any_room_holds_everything_up_and_breaks_nothing() {
    let disk = SmallDisk::mount();
    let mut server = disk.start(&NO_ALARMS);
    let mut publisher = Publisher::new(&server);
    let filler = until_stuck(&disk, &mut publisher);
    assert!(server.is_running());
    assert!(disk.chaski(&["status"]).status.success(), "it answers");
    drop(filler);
    while publisher.confirmed < u64::from(publisher.sent) {
        publisher.confirmed = publisher.wire.next_confirm().unwrap();
    }
    let mut consumer = Wire::open(server.address("amqp"));
    consumer.consume("q", false);
    take(&mut consumer, 0..publisher.sent);
    drop((consumer, publisher));
    assert!(server.terminate().success());
    disk.assert_clean();
}

#[test]
fn a_kill_on_a_full_disk_loses_nothing_confirmed() {
    let disk = SmallDisk::mount();
    let server = disk.start(&NO_ALARMS);
    let mut publisher = Publisher::new(&server);
    let filler = until_stuck(&disk, &mut publisher);
    server.kill();
    // It says why it cannot start either.
    let started = disk
        .command()
        .args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "off"])
        .args(["--ready-json", "--set", "log.level=off"])
        .args(SMALL)
        .args(NO_ALARMS)
        .stdin(Stdio::null())
        .output();
    let said = String::from_utf8(started.unwrap().stderr).unwrap();
    assert!(
        said.contains("No space left") && said.lines().count() == 1,
        "{said}"
    );
    drop(filler);
    let server = disk.start(&NO_ALARMS);
    let mut wire = Wire::open(server.address("amqp"));
    let kept = wire.count("q");
    assert!(u64::from(kept) >= publisher.confirmed);
    wire.consume("q", false);
    take(&mut wire, 0..kept);
    wait_until("the acknowledgements are in", || {
        Wire::open(server.address("amqp")).count("q") == 0
    });
    wire.send(&method(0, 10, 50, b"\x00\xc8\x00\x00\x00\x00\x00"));
}
