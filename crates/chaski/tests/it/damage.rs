//! Bytes on the disk that are not what was written: flipped, zeroed, cut off, stale, in the wrong file. Doctor finds all of it, and
//! the server never serves what is wrong, and keeps what is right.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::faults::{SMALL, files, journals};
use crate::server::{Server, command};
use crate::wire::Wire;

const PAGE: usize = 4_096;
const QUEUES: [&str; 2] = ["one", "two"];
/// Of each queue: enough for several segments and journal files.
const MESSAGES: u32 = 2_500;
const BODY_BYTES: usize = 1_000;
/// Of those the first that are acknowledged, in a queue that keeps the rest.
const ACKED: u32 = 100;
/// Positions that the flips of one file are spread over.
const FLIPS: usize = 240;

/// A message that tells its queue and number all over.
fn body(queue: usize, number: u32) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(
        BODY_BYTES,
        (number % 251) as u8 ^ u8::try_from(queue).unwrap(),
    );
    body
}

/// The number of a message that must be one of a queue's, whole.
fn number_in(queue: usize, bytes: &[u8]) -> u32 {
    let number = u32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(
        bytes,
        body(queue, number),
        "a message of queue {queue}, whole"
    );
    number
}

/// A stopped server's data: two queues of which most is in segments, with a copy of how it was in between.
struct Sample {
    directory: tempfile::TempDir,
    data: PathBuf,
    earlier: PathBuf,
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

impl Sample {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let earlier = directory.path().join("earlier");
        for half in [0..MESSAGES / 2, MESSAGES / 2..MESSAGES] {
            let mut server = Server::start_on(&data, &[&SMALL[..], &["--shards", "1"]].concat());
            let mut wire = Wire::open(server.address("amqp"));
            QUEUES.iter().for_each(|queue| wire.declare(queue));
            wire.select_confirms();
            for piece in [half.start..half.end - 50, half.end - 50..half.end] {
                for (queue, name) in QUEUES.iter().enumerate() {
                    wire.fill(name, piece.clone().map(|number| body(queue, number)));
                }
            }
            if half.start == 0 {
                for _ in 0..ACKED {
                    wire.get(QUEUES[0]).expect("it is there");
                }
            }
            drop(wire);
            assert!(server.terminate().success());
            if half.start == 0 {
                copy(&data, &earlier);
            }
        }
        Self {
            directory,
            data,
            earlier,
        }
    }

    /// A copy to damage.
    fn fresh(&self) -> PathBuf {
        let place = self.directory.path().join("damaged");
        if place.exists() {
            fs::remove_dir_all(&place).unwrap();
        }
        copy(&self.data, &place);
        place
    }
}

fn first_message(queue: usize) -> u32 {
    if queue == 0 { ACKED } else { 0 }
}

/// Doctor finds the damage; the server starts and serves what is right, in order, and all but `lost_max` messages of it.
fn survives(data: &Path, lost_max: usize, case: &str) {
    let doctor = command(data).arg("doctor").output().unwrap();
    let found = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{case}: {found}");
    assert!(found.contains("BAD"), "{case}: {found}");
    let server = Server::start_on(data, &[&SMALL[..], &["--shards", "1"]].concat());
    let mut lost = 0;
    for (queue, name) in QUEUES.iter().enumerate() {
        let mut wire = Wire::open(server.address("amqp"));
        let kept: Vec<_> = std::iter::from_fn(|| wire.get(name))
            .map(|bytes| number_in(queue, &bytes))
            .collect();
        assert!(
            kept.is_sorted_by(|a, b| a < b),
            "{case}: in order, none twice"
        );
        assert!(kept.iter().all(|number| *number < MESSAGES), "{case}");
        // What was acknowledged may come again when its acknowledgement is lost, and does not make up for what is lost.
        let live = kept
            .iter()
            .filter(|number| **number >= first_message(queue))
            .count();
        lost += (MESSAGES - first_message(queue)) as usize - live;
    }
    assert!(
        lost <= lost_max,
        "{case}: {lost} lost, at most {lost_max}: {found}"
    );
    goes_on(server, data, case);
}

/// What comes after the damage is kept as ever.
fn goes_on(server: Server, data: &Path, case: &str) {
    let mut wire = Wire::open(server.address("amqp"));
    wire.select_confirms();
    wire.fill(QUEUES[0], (0..20).map(|number| body(0, number)));
    server.kill();
    let server = Server::start_on(data, &SMALL);
    let mut wire = Wire::open(server.address("amqp"));
    let kept: Vec<_> = std::iter::from_fn(|| wire.get(QUEUES[0]))
        .map(|bytes| number_in(0, &bytes))
        .collect();
    assert!(
        kept.into_iter().eq(0..20),
        "{case}: what came after the damage"
    );
    assert!(
        wire.get(QUEUES[1]).is_none(),
        "{case}: what was taken comes not again"
    );
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn swap(one: &Path, other: &Path) {
    let aside = one.with_extension("aside");
    fs::rename(one, &aside).unwrap();
    fs::rename(other, one).unwrap();
    fs::rename(&aside, other).unwrap();
}

/// How many messages a stretch of bytes can hold at most, with a part at each end.
const fn messages_in(bytes: usize) -> usize {
    bytes / BODY_BYTES + 2
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let found = files(&data.join("queues"));
    found.into_iter().map(|(path, _)| path).collect()
}

/// Where the payloads of a journal file's valid frames lie, as docs/format/store.md says.
fn payloads(journal: &[u8]) -> Vec<Range<usize>> {
    let salt = &journal[16..24];
    let mut found = Vec::new();
    let mut at = 4_096;
    while journal.get(at..at + 4) == Some(b"CHJF") && journal[at + 16..at + 24] == *salt {
        let length = u32::from_le_bytes(journal[at + 32..at + 36].try_into().unwrap()) as usize;
        found.push(at + 48..at + 48 + length);
        at = (at + 48 + length).next_multiple_of(4_096);
    }
    found
}

/// The journal files that hold something, with the places of their frames' payloads. The others wait to be written, with what they
/// held under another name.
fn written(data: &Path) -> Vec<(PathBuf, Vec<Range<usize>>)> {
    let found = journals(data).into_iter().filter_map(|path| {
        let bytes = fs::read(&path).unwrap();
        let number: u64 = path.file_stem()?.to_str()?.parse().unwrap();
        (bytes[8..16] == number.to_le_bytes()).then(|| (path, payloads(&bytes)))
    });
    found.filter(|(_, frames)| !frames.is_empty()).collect()
}

/// The queue and number in a segment's name.
fn queue_of(path: &Path) -> String {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.split('-').next().unwrap().to_owned()
}

#[test]
fn swapped_segments_are_found_and_not_served() {
    let sample = Sample::new();
    for same_queue in [true, false] {
        let data = sample.fresh();
        let segments = segments(&data);
        assert!(segments.len() >= 2 * QUEUES.len(), "{segments:?}");
        let pair = segments.iter().enumerate().find_map(|(at, one)| {
            let fits = |other: &&PathBuf| (queue_of(one) == queue_of(other)) == same_queue;
            segments[at + 1..]
                .iter()
                .find(fits)
                .map(|other| (one, other))
        });
        let (one, other) = pair.expect("two segments of each queue");
        let bytes = fs::metadata(one).unwrap().len() + fs::metadata(other).unwrap().len();
        swap(one, other);
        let lost_max = messages_in(usize::try_from(bytes).unwrap());
        survives(
            &data,
            lost_max,
            &format!("swapped, of one queue: {same_queue}"),
        );
    }
}

#[test]
fn zeroed_pages_cost_what_was_on_them() {
    let sample = Sample::new();
    let segment = |data: &Path| segments(data).swap_remove(1);
    let length = usize::try_from(fs::metadata(segment(&sample.data)).unwrap().len()).unwrap();
    for at in (0..length).step_by(length / 6) {
        let data = sample.fresh();
        let at = at / PAGE * PAGE;
        let end = (at + PAGE).min(length);
        change(&segment(&data), |bytes| bytes[at..end].fill(0));
        survives(&data, messages_in(PAGE), &format!("zeroed at {at}"));
    }
}

#[test]
fn stale_pages_cost_what_was_on_them() {
    let sample = Sample::new();
    let mut tried = 0;
    for before in journals(&sample.earlier)
        .into_iter()
        .chain(segments(&sample.earlier))
    {
        let now = sample
            .data
            .join(before.strip_prefix(&sample.earlier).unwrap());
        let (Ok(old), Ok(new)) = (fs::read(&before), fs::read(&now)) else {
            continue;
        };
        let differs = |at: &usize| old.get(*at..at + PAGE) != new.get(*at..at + PAGE);
        let pages = (0..old.len().min(new.len()).saturating_sub(PAGE)).step_by(PAGE);
        let changed: Vec<_> = pages.filter(differs).collect();
        for at in changed.iter().step_by(changed.len().div_ceil(3).max(1)) {
            let data = sample.fresh();
            let place = data.join(now.strip_prefix(&sample.data).unwrap());
            change(&place, |bytes| {
                bytes[*at..at + PAGE].copy_from_slice(&old[*at..at + PAGE]);
            });
            tried += 1;
            survives(
                &data,
                MESSAGES as usize,
                &format!("stale {} at {at}", place.display()),
            );
        }
    }
    // A recycled journal file holds pages of its earlier use behind its new name.
    let (old, _) = written(&sample.earlier).pop().unwrap();
    let (new, frames) = written(&sample.data).pop().unwrap();
    let hit = frames.iter().max_by_key(|frame| frame.len()).unwrap();
    let at = hit.start / PAGE * PAGE;
    let old = fs::read(old).unwrap();
    let data = sample.fresh();
    let place = data.join(new.strip_prefix(&sample.data).unwrap());
    change(&place, |bytes| {
        bytes[at..at + PAGE].copy_from_slice(&old[at..at + PAGE])
    });
    survives(&data, messages_in(hit.len()), "a page of an earlier file");
    assert!(tried < 20, "{tried} are more than a test needs");
}

#[test]
fn segments_cut_short_anywhere_keep_what_is_left() {
    let sample = Sample::new();
    let segment = |data: &Path| segments(data).swap_remove(1);
    let length = usize::try_from(fs::metadata(segment(&sample.data)).unwrap().len()).unwrap();
    let mut lengths: Vec<_> = (0..length).step_by(length / 5).collect();
    lengths.extend([1, 31, 32, 33, length - 512, length - 1]);
    for left in lengths {
        let data = sample.fresh();
        change(&segment(&data), |bytes| bytes.truncate(left));
        survives(&data, messages_in(length - left), &format!("cut to {left}"));
    }
}

#[test]
fn journals_cut_short_anywhere_keep_what_is_left() {
    let sample = Sample::new();
    let (newest, frames) = written(&sample.data).pop().unwrap();
    let end = frames.last().unwrap().end;
    for left in (0..end).step_by((end / 5).max(1)).chain([end - 1]) {
        let data = sample.fresh();
        let place = data.join(newest.strip_prefix(&sample.data).unwrap());
        change(&place, |bytes| bytes.truncate(left));
        // The frame that is cut is lost with what is left of it.
        let whole = frames.iter().rfind(|frame| frame.end <= left);
        let lost = end - whole.map_or(0, |frame| frame.end);
        survives(&data, messages_in(lost), &format!("journal cut to {left}"));
    }
}

#[test]
fn a_flip_in_any_frame_of_the_journal_costs_only_that_frame() {
    let sample = Sample::new();
    for (journal, frames) in written(&sample.data) {
        for hit in frames.iter().step_by(frames.len().div_ceil(4)) {
            let data = sample.fresh();
            let place = data.join(journal.strip_prefix(&sample.data).unwrap());
            let at = usize::midpoint(hit.start, hit.end.max(hit.start + 1));
            change(&place, |bytes| bytes[at] ^= 0x10);
            let case = format!("{} at {at}, of {hit:?}", place.display());
            survives(&data, messages_in(hit.len()), &case);
        }
    }
}

/// The stretches of a journal file that mean something: the fields of its header, and its frames with their padding. Not live are
/// the rest of the header's block, which is never read, what lies behind the last frame, which is of an earlier use, and files that
/// wait to be written.
fn live_in_journal(frames: &[Range<usize>]) -> Vec<Range<usize>> {
    let end = frames
        .last()
        .map_or(PAGE, |last| last.end.next_multiple_of(PAGE));
    vec![0..40, PAGE..end]
}

#[test]
fn doctor_finds_a_flip_at_every_place_that_is_live() {
    let sample = Sample::new();
    let data = sample.fresh();
    assert!(server::doctor::examine(&data).is_sound());
    let mut places: Vec<(PathBuf, Vec<Range<usize>>)> = Vec::new();
    for (journal, frames) in written(&data) {
        places.push((journal, live_in_journal(&frames)));
    }
    // A segment is live from end to end as long as one of its messages is. One that was being written when the server stopped is
    // not: its messages are in the journal, and nobody misses it.
    let is_missed = |segment: &PathBuf| {
        let aside = data.join("aside");
        fs::rename(segment, &aside).unwrap();
        let is_missed = !server::doctor::examine(&data).is_sound();
        fs::rename(&aside, segment).unwrap();
        is_missed
    };
    let live: Vec<_> = segments(&data).into_iter().filter(is_missed).collect();
    assert!(live.len() >= QUEUES.len(), "{live:?}");
    for segment in live {
        let bytes = usize::try_from(fs::metadata(&segment).unwrap().len()).unwrap();
        places.push((segment, std::iter::once(0..bytes).collect()));
    }
    let total: usize = places
        .iter()
        .flat_map(|(_, live)| live)
        .map(Range::len)
        .sum();
    // Not a multiple of any record or page, so that all their parts are hit.
    let stride = (total / FLIPS) | 1;
    for (path, live) in places {
        let whole = fs::read(&path).unwrap();
        let edges = live.iter().flat_map(|live| [live.start, live.end - 1]);
        let spread = live.iter().flat_map(|live| live.clone().step_by(stride));
        for at in edges.chain(spread) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let report = server::doctor::examine(&data);
            assert!(!report.is_sound(), "{} at {at}: {report:?}", path.display());
        }
        fs::write(&path, whole).unwrap();
    }
    assert!(server::doctor::examine(&data).is_sound());
}

/// Tells whether a server comes up on the data; if not, that it says why in one line.
fn comes_up(data: &Path, case: &str) -> bool {
    let mut child = command(data)
        .args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "off"])
        .args(["--ready-json", "--set", "log.level=off"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let stdout = child.stdout.as_mut().expect("it is piped");
    BufReader::new(stdout).read_line(&mut ready).unwrap();
    if !ready.is_empty() {
        child.kill().unwrap();
        child.wait().unwrap();
        return true;
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{case}: {said}");
    assert_eq!(said.lines().count(), 1, "{case}: {said}");
    false
}

/// SQLite keeps no checksum of its pages: damage to its structure shows, a flip inside a value may not.
#[test]
fn a_flip_in_the_database_is_survived_or_refused_in_one_line() {
    let sample = Sample::new();
    let database = sample.data.join("directory.sqlite");
    let length = usize::try_from(fs::metadata(database).unwrap().len()).unwrap();
    let mut found = 0;
    for at in (0..length).step_by(length / 40) {
        let data = sample.fresh();
        change(&data.join("directory.sqlite"), |bytes| bytes[at] ^= 0x10);
        let doctor = command(&data).arg("doctor").output().unwrap();
        let is_sound = doctor.status.code() == Some(0);
        found += usize::from(!is_sound);
        let starts = comes_up(&data, &format!("at {at}"));
        assert!(
            starts || !is_sound,
            "at {at}: doctor knows what keeps it from starting"
        );
    }
    assert!(found > 0, "damage to its structure shows");
}
