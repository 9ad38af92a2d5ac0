use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use files::collection::{Collection, Kind};
use files::content::{Root, Shape};
use tempfile::TempDir;

use super::hash::{Fault, Outcome, Pool, Task, Work};
use super::owner::Message;
use super::*;
use crate::peer::catalog::{FILE, Share, Stamp};

const DEADLINE: Duration = Duration::from_secs(60);

struct Place {
    folder: TempDir,
    catalog: Arc<Catalog>,
}

/// A share that is running, with what it told.
struct Running {
    sharing: Sharing,
    events: Receiver<ShareEvent>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("docs")).expect("a share");
        let catalog = Catalog::open(&folder.path().join("state").join(FILE)).expect("a catalog");
        Self {
            catalog: Arc::new(catalog),
            folder,
        }
    }

    fn docs(&self) -> PathBuf {
        self.folder.path().join("docs")
    }

    fn write(&self, relative: &str, bytes: impl AsRef<[u8]>) -> Root {
        let path = self.docs().join(relative);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, &bytes).expect("written");
        Root::of(bytes.as_ref())
    }

    fn plan(&self) -> Plan {
        Plan {
            folders: vec![(self.docs(), Audience::Everyone)],
            state: self.folder.path().join("state"),
        }
    }

    fn start(&self) -> Running {
        let (sender, events) = channel();
        let tell = move |event| drop(sender.send(event));
        let sharing = Sharing::start(Arc::clone(&self.catalog), &self.plan(), tell);
        Running {
            sharing: sharing.expect("it starts"),
            events,
        }
    }

    fn share(&self) -> Share {
        let shares = self.catalog.share(&[(&self.docs(), &Audience::Everyone)]);
        shares.expect("shared").remove(0)
    }

    fn manifest(&self) -> (Root, Collection) {
        let collection = self.catalog.collection(self.share().id).expect("asked");
        let (root, path) = collection.expect("a collection");
        let text = fs::read(path).expect("a manifest");
        assert_eq!(Root::of(&text), root);
        (root, Collection::decode(&text).expect("a collection"))
    }

    fn has(&self, root: &Root) -> bool {
        self.catalog.find(root).expect("asked").is_some()
    }
}

fn ready(event: &ShareEvent) -> Option<u64> {
    if let ShareEvent::Ready { files, .. } = event {
        Some(*files)
    } else {
        None
    }
}

fn left_out(event: &ShareEvent) -> Option<String> {
    if let ShareEvent::LeftOut { path, reason } = event {
        Some(format!("{path}: {reason}"))
    } else {
        None
    }
}

impl Running {
    /// Takes events up to one that is waited for.
    fn until<T>(&self, mut is_it: impl FnMut(&ShareEvent) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left).expect("it happens in time");
            if let Some(found) = is_it(&event) {
                return found;
            }
        }
    }

    /// Waits until everything is hashed, and gives how many files there are.
    fn ready(&self) -> u64 {
        self.until(ready)
    }

    fn shared(&self, wanted: &str) -> Root {
        self.until(|event| {
            if let ShareEvent::Shared { path, root, .. } = event
                && path == wanted
            {
                return Some(*root);
            }
            None
        })
    }
}

#[test]
fn what_is_unchanged_is_not_hashed_again() {
    let place = Place::new();
    let roots: Vec<Root> = (0..30)
        .map(|number| place.write(&format!("{number}/a"), format!("file {number}")))
        .collect();
    let first = place.start();
    assert_eq!(first.ready(), 30);
    assert_eq!(first.sharing.hashed().files(), 30);
    drop(first);

    place.write("3/a", "other bytes");
    let second = place.start();
    assert_eq!(second.ready(), 30);
    assert_eq!(second.sharing.hashed().files(), 1);
    assert_eq!(second.sharing.hashed().bytes(), 11);
    assert!(!place.has(&roots[3]));
    assert!(
        roots
            .iter()
            .enumerate()
            .all(|(index, root)| index == 3 || place.has(root))
    );
}

#[test]
fn what_happens_in_the_folder_is_followed() {
    let place = Place::new();
    let old = place.write("a", "old");
    let running = place.start();
    running.ready();
    let new = place.write("deep/er/b", "new");
    assert_eq!(running.shared("docs/deep/er/b"), new);
    let changed = place.write("a", "changed");
    assert_eq!(running.shared("docs/a"), changed);
    assert!(!place.has(&old));
    fs::remove_dir_all(place.docs().join("deep")).expect("removed");
    running.until(|event| {
        matches!(event, ShareEvent::Removed { path } if path == "docs/deep/er/b").then_some(())
    });
    running.ready();
    assert!(!place.has(&new));
    assert!(place.has(&changed));
}

#[test]
fn what_went_while_nobody_looked_is_gone() {
    let place = Place::new();
    let gone = place.write("gone", "gone");
    place.write("stays", "stays");
    place.start().ready();
    fs::remove_file(place.docs().join("gone")).expect("removed");
    let running = place.start();
    assert_eq!(running.ready(), 1);
    assert!(!place.has(&gone));
    assert_eq!(running.sharing.hashed().files(), 0);
}

#[test]
fn what_is_renamed_is_not_hashed_again() {
    let place = Place::new();
    let file = place.write("file", "bytes");
    let within = place.write("folder/within", "more bytes");
    let running = place.start();
    running.ready();
    fs::rename(place.docs().join("file"), place.docs().join("renamed")).expect("renamed");
    assert_eq!(running.shared("docs/renamed"), file);
    running.ready();
    drop(running);
    fs::rename(place.docs().join("folder"), place.docs().join("moved")).expect("renamed");
    let running = place.start();
    assert_eq!(running.shared("docs/moved/within"), within);
    assert_eq!(running.ready(), 2);
    assert_eq!(running.sharing.hashed().files(), 0);
    let holding = place.catalog.find(&within).expect("asked").expect("here");
    assert_eq!(holding.path, place.docs().join("moved/within"));
}

#[test]
fn a_file_in_place_of_another_with_the_same_times_is_hashed() {
    let place = Place::new();
    let times = fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1));
    let write = |name: &str, bytes: &str| {
        let root = place.write(name, bytes);
        let file = fs::File::options()
            .write(true)
            .open(place.docs().join(name));
        file.expect("a file").set_times(times).expect("set");
        root
    };
    write("one", "one");
    place.start().ready();
    // Its number may be given to the next file that is made.
    fs::remove_file(place.docs().join("one")).expect("removed");
    let two = write("two", "two");
    let running = place.start();
    assert_eq!(running.shared("docs/two"), two);
}

#[test]
fn a_file_that_is_written_all_the_time_is_hashed_when_it_rests() {
    let place = Place::new();
    let running = place.start();
    running.ready();
    let mut bytes = Vec::new();
    for round in 0..300_u32 {
        bytes.extend_from_slice(&round.to_le_bytes());
        place.write("log", &bytes);
    }
    let root = Root::of(&bytes);
    running.until(|event| {
        let is_it = matches!(event, ShareEvent::Shared { root: shared, .. } if *shared == root);
        is_it.then_some(())
    });
    assert!(place.has(&root));
}

#[test]
fn a_file_that_changes_while_it_is_hashed_is_found_out() {
    let place = Place::new();
    let bytes = vec![1; 40 << 20];
    let root = place.write("large", &bytes);
    let path = place.docs().join("large");
    let (outcomes, inbox) = sync_channel(8);
    let stop = Arc::new(AtomicBool::new(false));
    let pool = Pool::start(2, &outcomes, &Arc::default(), &stop).expect("threads");
    let hash = |is_touched: bool| {
        let metadata = fs::metadata(&path).expect("a file");
        let work = Work::new(Task {
            share: 0,
            relative: "large".into(),
            path: path.clone(),
            stamp: Stamp::of(&metadata),
            mode: 0,
            shape: Shape::new(metadata.len()).expect("not too large"),
            attempts: 0,
        });
        for number in 0.. {
            let Some(slice) = work.slice(number) else {
                break;
            };
            pool.give(slice);
            if number == 0 && is_touched {
                inbox.recv_timeout(DEADLINE).expect("a slice is read");
                fs::File::options()
                    .append(true)
                    .open(&path)
                    .and_then(|mut file| io::Write::write_all(&mut file, b"x"))
                    .expect("written");
            }
        }
        loop {
            if let Message::Hashed(Outcome { result, .. }) =
                inbox.recv_timeout(DEADLINE).expect("an outcome")
            {
                return result;
            }
        }
    };
    let outline = hash(false).expect("nobody wrote");
    assert_eq!(outline.root(), root);
    assert!(matches!(hash(true), Err(Fault::Changed)));
    stop.store(true, Ordering::Relaxed);
    assert!(matches!(hash(false), Err(Fault::Stopped)));
}

#[test]
fn what_is_no_file_or_has_an_odd_name_is_left_out_and_told_of_once() {
    let place = Place::new();
    let docs = place.docs();
    let good = place.write("good", "good");
    let hidden = place.write(".git/config", "hidden");
    let part = place.write(".big.chaski-part", "part");
    symlink("..", docs.join("loop")).expect("a link");
    symlink("/etc/passwd", docs.join("passwd")).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        docs.join("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("a pipe");
    for name in [
        b"\xff\xfe".as_slice(),
        b"back\\slash",
        b"dot.",
        b"aux",
        b"line\nfeed",
    ] {
        fs::write(docs.join(OsStr::from_bytes(name)), "odd").expect("written");
    }
    let running = place.start();
    let mut told = Vec::new();
    let mut collect = |event: &ShareEvent| {
        told.extend(left_out(event));
        ready(event)
    };
    assert_eq!(running.until(&mut collect), 1);
    // Everything is looked at again, and nothing told again.
    running
        .sharing
        .inbox
        .send(Message::Missed)
        .expect("it runs");
    assert_eq!(running.until(&mut collect), 1);
    told.sort();
    let due = [
        "docs/aux: a part of it is reserved on Windows",
        "docs/back\\\\slash: it holds a backslash",
        "docs/dot.: a part of it ends with a dot or a space",
        "docs/line\\nfeed: it holds the control character U+000A",
        "docs/loop: a symbolic link",
        "docs/passwd: a symbolic link",
        "docs/pipe: neither file nor folder",
        "docs/\u{fffd}\u{fffd}: it is not UTF-8",
    ];
    assert_eq!(told, due);
    assert!(place.has(&good));
    assert!(!place.has(&hidden) && !place.has(&part));
}

#[test]
fn the_folder_as_a_whole_is_a_content() {
    let place = Place::new();
    let one = place.write("one", "1");
    place.write("empty", "");
    place.write("folder/script", "#!");
    fs::create_dir(place.docs().join("nothing")).expect("made");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.docs().join("folder/script"), mode).expect("set");
    let running = place.start();
    running.ready();
    let (root, collection) = place.manifest();
    let entries = collection.entries().iter();
    let shown: Vec<_> = entries
        .map(|entry| {
            (
                entry.path.as_str(),
                entry.is_executable(),
                entry.kind == Kind::Folder,
            )
        })
        .collect();
    let due = [
        ("empty", false, false),
        ("folder", false, true),
        ("folder/script", true, false),
        ("nothing", false, true),
        ("one", false, false),
    ];
    assert_eq!(shown, due);
    assert!(place.catalog.is_member(&root, &one).expect("asked"));

    let two = place.write("two", "2");
    running.ready();
    let (next, _) = place.manifest();
    assert_ne!(next, root);
    assert!(place.catalog.is_member(&next, &two).expect("asked"));
    // Whoever fetches the former one may go on.
    assert!(place.catalog.is_member(&root, &one).expect("asked"));
    drop(running);
    let revision = place.catalog.revision().expect("asked");
    place.start().ready();
    assert_eq!(place.manifest().0, next);
    assert_eq!(place.catalog.revision().expect("asked"), revision);
}

#[test]
fn names_that_are_one_elsewhere_are_not_both_in_the_manifest() {
    let place = Place::new();
    place.write("Name", "one");
    let other = place.write("name", "other");
    let running = place.start();
    let reason = running.until(left_out);
    assert!(
        reason.starts_with("docs/name: not in the folder's manifest"),
        "{reason}"
    );
    running.ready();
    assert_eq!(place.manifest().1.entries().len(), 1);
    assert!(place.has(&other));
}

#[test]
fn folders_in_each_other_and_ones_own_state_are_refused() {
    let place = Place::new();
    let refused = |plan: &Plan| {
        let refused = Sharing::start(Arc::clone(&place.catalog), plan, drop);
        refused.expect_err("refused").to_string()
    };
    let mut plan = place.plan();
    plan.folders.push((place.docs().join("in"), Audience::Link));
    assert!(refused(&plan).contains("which is shared as a whole"));
    let mut plan = place.plan();
    plan.state = place.docs().join("state");
    assert!(refused(&plan).contains("keeps for itself"));
}
