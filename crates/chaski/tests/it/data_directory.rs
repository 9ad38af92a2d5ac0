//! Strange things in a data directory: each entry replaced in each way. The server refuses with one line and changes nothing, or
//! starts and keeps what it can.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::faults::{SMALL, drain, files, journals, number, stopped};
use crate::server::{Server, command};
use crate::wire::Wire;

/// Enough for segments and several journal files.
const MESSAGES: u32 = 3_000;
const MIB: u64 = 1 << 20;
/// Far more than any file of ours, and than any memory.
const HUGE_BYTES: u64 = 1 << 40;
/// What a server may hold that was not tricked into reading a huge file.
const RESIDENT_BYTES_MAX: u64 = 256 * MIB;
/// An account that owns nothing here.
const STRANGER: u32 = 65_534;

/// What is done to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Link,
    Foreign,
    ReadOnly,
    Unreadable,
    Missing,
    Empty,
    Huge,
    Directory,
    File,
}

/// What comes of it.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// One line that holds this and the entry's path.
    Refused(&'static str),
    /// It starts with every message.
    Whole,
    /// It starts with some messages gone, and doctor says so before.
    Damaged,
}

use Change::{Directory, Empty, File, Foreign, Huge, Link, Missing, ReadOnly, Unreadable};
use Outcome::{Damaged, Refused, Whole};

/// `JOURNAL` stands for all journal files, `WRITTEN` for those of them that hold something, `SEGMENT` for the largest segment.
const CASES: &[(&str, Change, Outcome)] = &[
    ("LOCK", Link, Refused("symbolic link")),
    ("LOCK", Foreign, Refused("chown")),
    ("LOCK", ReadOnly, Refused("chmod")),
    ("LOCK", Missing, Whole),
    ("LOCK", Huge, Whole),
    ("LOCK", Directory, Refused("not a regular file")),
    ("JOURNAL", Link, Refused("symbolic link")),
    ("JOURNAL", Foreign, Refused("chown")),
    ("JOURNAL", ReadOnly, Refused("chmod")),
    ("JOURNAL", Unreadable, Refused("chmod")),
    (
        "JOURNAL",
        Missing,
        Refused("has no file to say which messages"),
    ),
    ("JOURNAL", Empty, Damaged),
    ("WRITTEN", Huge, Whole),
    (
        "journal/0000000900.journal",
        Huge,
        Refused("which no journal file is"),
    ),
    ("JOURNAL", Directory, Refused("not a regular file")),
    ("SEGMENT", Link, Refused("symbolic link")),
    ("SEGMENT", Foreign, Refused("chown")),
    ("SEGMENT", ReadOnly, Refused("chmod")),
    ("SEGMENT", Unreadable, Refused("chmod")),
    ("SEGMENT", Missing, Damaged),
    ("SEGMENT", Empty, Damaged),
    ("SEGMENT", Huge, Whole),
    ("SEGMENT", Directory, Refused("not a regular file")),
    ("directory.sqlite", Link, Refused("symbolic link")),
    ("directory.sqlite", Foreign, Refused("chown")),
    ("directory.sqlite", ReadOnly, Refused("chmod")),
    ("directory.sqlite", Missing, Refused("put that file back")),
    ("directory.sqlite", Empty, Refused("put that file back")),
    ("directory.sqlite", Huge, Whole),
    ("directory.sqlite", Directory, Refused("not a regular file")),
    ("tls/server.key", Link, Refused("symbolic link")),
    ("tls/server.key", Foreign, Refused("chown")),
    ("tls/server.key", ReadOnly, Whole),
    ("tls/server.key", Unreadable, Refused("chmod")),
    ("tls/server.key", Missing, Refused("missing beside")),
    ("tls/server.key", Empty, Refused("PEM")),
    ("tls/server.key", Huge, Refused("larger than any PEM file")),
    ("tls/server.key", Directory, Refused("not a regular file")),
    ("tls/server.crt", Link, Refused("symbolic link")),
    ("tls/server.crt", Missing, Refused("missing beside")),
    ("tls/server.crt", Empty, Refused("PEM")),
    ("tls/server.crt", Huge, Refused("larger than any PEM file")),
    ("tls/server.crt", Directory, Refused("not a regular file")),
    ("admin.sock", Link, Refused("symbolic link")),
    ("admin.sock", Foreign, Refused("admin.sock")),
    ("admin.sock", ReadOnly, Whole),
    ("admin.sock", Missing, Whole),
    ("admin.sock", File, Refused("not a socket")),
    ("admin.sock", Directory, Refused("not a socket")),
    ("journal", Link, Refused("symbolic link")),
    ("journal", Foreign, Refused("chown")),
    ("journal", ReadOnly, Refused("chmod")),
    ("journal", Missing, Refused("put it back")),
    ("journal", File, Refused("not a directory")),
    ("queues", Link, Refused("symbolic link")),
    ("queues", Foreign, Refused("chown")),
    ("queues", ReadOnly, Refused("chmod")),
    ("queues", Missing, Refused("put it back")),
    ("queues", File, Refused("not a directory")),
    ("tls", Link, Refused("symbolic link")),
    ("tls", Foreign, Refused("chown")),
    ("tls", Missing, Whole),
    ("tls", File, Refused("not a directory")),
    ("quarantine", File, Refused("not a directory")),
    ("quarantine", Link, Refused("symbolic link")),
];

/// The paths that a name of the table stands for.
fn places(data: &Path, name: &str) -> Vec<PathBuf> {
    match name {
        "JOURNAL" => journals(data),
        // Others wait to be written and say nothing about themselves.
        "WRITTEN" => {
            let is_begun = |path: &PathBuf| {
                let bytes = fs::read(path).unwrap();
                let number: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                bytes[8..16] == number.to_le_bytes()
            };
            let mut found = journals(data);
            found.retain(is_begun);
            found
        }
        "SEGMENT" => {
            let largest = files(&data.join("queues"))
                .into_iter()
                .max_by_key(|(_, bytes)| *bytes);
            vec![largest.expect("queues settle").0]
        }
        name => vec![data.join(name)],
    }
}

/// Does it; `aside` is a place outside the data directory.
fn apply(change: Change, path: &Path, aside: &Path) {
    let allow = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let move_away = || {
        if path.exists() {
            fs::rename(path, aside).unwrap();
        }
    };
    let is_dir = path.is_dir();
    match change {
        Link => {
            move_away();
            symlink(aside, path).unwrap();
        }
        Foreign if is_root() => chown(path, Some(STRANGER), None).unwrap(),
        // Who may not give files away has another's mounted over it: see `as_seen`.
        Foreign => {}
        ReadOnly => allow(if is_dir { 0o500 } else { 0o400 }),
        Unreadable => allow(0),
        Missing => move_away(),
        Empty => fs::write(path, b"").unwrap(),
        Huge => resize(path, HUGE_BYTES),
        Directory => {
            move_away();
            fs::create_dir(path).unwrap();
        }
        File => {
            move_away();
            fs::write(path, b"precious").unwrap();
        }
    }
}

fn resize(path: &Path, bytes: u64) {
    let mut open = fs::OpenOptions::new();
    let file = open.write(true).create(true).truncate(false).open(path);
    let file = file.unwrap();
    file.set_len(bytes).unwrap();
}

/// A file's or directory's look: whatever must not change when a start is refused.
fn look(path: &Path) -> (PathBuf, u32, u32, u64, Vec<u8>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_file() && metadata.len() < 64 * MIB {
        let mode = metadata.mode();
        // Root reads it anyway; others only what they may.
        fs::read(path).unwrap_or_else(|error| format!("{mode}: {error}").into_bytes())
    } else if metadata.is_symlink() {
        fs::read_link(path)
            .unwrap()
            .into_os_string()
            .into_encoded_bytes()
    } else {
        Vec::new()
    };
    let path = path.to_owned();
    (
        path,
        metadata.mode(),
        metadata.uid(),
        metadata.len(),
        content,
    )
}

fn looks(data: &Path) -> Vec<(PathBuf, u32, u32, u64, Vec<u8>)> {
    files(data).iter().map(|(path, _)| look(path)).collect()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command of the server to which modes apply: root passes them by, unless it gives up that right. An entry that is to be
/// another's, and that this account could not give away, is hidden under one of the system's.
fn as_seen(data: &Path, foreign: Option<&Path>) -> Command {
    let plain = command(data);
    let mut bound = match foreign.filter(|_| !is_root()) {
        Some(foreign) => {
            let others = if foreign.is_dir() {
                "/usr"
            } else {
                "/etc/passwd"
            };
            let mut bound = Command::new("unshare");
            bound.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
            bound.arg("mount --bind \"$0\" \"$1\" && shift && exec \"$@\"");
            bound.arg(others).arg(foreign);
            bound
        }
        None if is_root() => {
            let mut bound = Command::new("setpriv");
            bound.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
            bound
        }
        None => Command::new("env"),
    };
    bound.arg(plain.get_program()).args(plain.get_args());
    bound.current_dir(std::env::temp_dir());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CHASKI_") {
            bound.env_remove(name);
        }
    }
    bound
}

fn serve(mut command: Command) -> Output {
    command.args([
        "serve",
        "--amqp",
        "127.0.0.1:0",
        "--amqps",
        "127.0.0.1:0",
        "--ready-json",
        "--set",
        "log.level=off",
    ]);
    command.args(SMALL).stdin(Stdio::null());
    command.output().unwrap()
}

/// A server on the data; what keeps it from starting is shown with the test's failure.
fn started(data: &Path) -> Server {
    let level = ["--set", "log.level=error"];
    Server::start_by(command(data), data, &[&SMALL[..], &level].concat())
}

fn check_case(pristine: &Path, name: &str, change: Change, outcome: Outcome) {
    let case = format!("{name} {change:?}");
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    copy(pristine, &data);
    let aside = directory.path().join("aside");
    fs::create_dir(&aside).unwrap();
    let places = places(&data, name);
    let foreign = (change == Foreign).then(|| places[0].as_path());
    for (index, path) in places.iter().enumerate() {
        apply(change, path, &aside.join(index.to_string()));
    }
    match outcome {
        Refused(saying) => {
            let before = (looks(&data), looks(&aside));
            let output = serve(as_seen(&data, foreign));
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{case}: {said}");
            assert_eq!(said.lines().count(), 1, "{case}: one line, not {said:?}");
            let named = places[0].display().to_string();
            assert!(
                said.contains(saying) && (said.contains(&named) || names_the_part(&said, name)),
                "{case}: {said}"
            );
            let after = (looks(&data), looks(&aside));
            for (before, after) in [(before.0, after.0), (before.1, after.1)] {
                for look in before {
                    assert!(
                        after.contains(&look),
                        "{case}: {} changed",
                        look.0.display()
                    );
                }
            }
            let doctor = as_seen(&data, foreign).arg("doctor").output().unwrap();
            assert_eq!(doctor.status.code(), Some(1), "{case}: doctor sees it");
        }
        Whole => {
            let server = started(&data);
            assert!(server.resident_bytes() < RESIDENT_BYTES_MAX, "{case}");
            let kept = drain(&server, "q");
            assert!(kept.into_iter().eq(0..MESSAGES), "{case}");
        }
        Damaged => {
            let doctor = command(&data).arg("doctor").output().unwrap();
            let said = String::from_utf8(doctor.stdout).unwrap();
            assert_eq!(doctor.status.code(), Some(1), "{case}: {said}");
            let server = started(&data);
            let mut wire = Wire::open(server.address("amqp"));
            let kept: Vec<_> = std::iter::from_fn(|| wire.get("q"))
                .map(|body| number(&body))
                .collect();
            assert!(
                kept.is_sorted_by(|a, b| a < b),
                "{case}: in order, none twice"
            );
            assert!(!kept.is_empty(), "{case}: what is whole is kept");
        }
    }
}

/// A message about something that is not there names the directory that it belongs to.
fn names_the_part(said: &str, name: &str) -> bool {
    match name {
        "JOURNAL" => said.contains("/journal"),
        name => said.contains(name),
    }
}

#[test]
fn every_entry_is_found_out_in_every_disguise() {
    let (_directory, pristine) = stopped(MESSAGES);
    assert!(journals(&pristine).len() > 1 || !files(&pristine.join("queues")).is_empty());
    for (name, change, outcome) in CASES {
        check_case(&pristine, name, *change, *outcome);
    }
}

#[test]
fn a_second_server_names_the_directory_and_harms_nothing() {
    let server = Server::start(&SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    wire.declare("q");
    let output = serve(as_seen(&server.data, None));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let named = format!("the data directory {};", server.data.display());
    assert!(said.contains(&named) && said.lines().count() == 1, "{said}");
    assert!(!said.contains("LOCK"), "{said}");
    wire.select_confirms();
    wire.fill("q", (0..100).map(|number| crate::faults::body(number, 100)));
    assert!(drain(&server, "q").into_iter().eq(0..100));
}

#[test]
fn a_data_directory_that_may_not_be_written_is_named() {
    let (_directory, data) = stopped(10);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o500)).unwrap();
    let output = serve(as_seen(&data, None));
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("may not be written") && said.lines().count() == 1,
        "{said}"
    );
}
