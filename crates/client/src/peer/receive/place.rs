//! Where an offer goes: a name that is free, in a folder and on a disk that have room for it.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use files::content::Root;
use files::path::{PathRefused, RelativePath, escape};
use rustix::fs::statvfs;

use super::{Entry, Offer};
use crate::peer::put::root_of;
use crate::peer::sink::{PART_END, part_path};

/// Names that are tried, one after the other.
const NAMES_MAX: u32 = 1_000;
/// What a file or folder takes of the quota beside its bytes: about what the system needs for one that has none.
pub(super) const ENTRY_BYTES: u64 = 4_096;
/// Bytes of a block, as the system counts what a file occupies.
const BLOCK_BYTES: u64 = 512;

/// Where an offer goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There, where nothing is; `left` bytes of it may be there from another time.
    Free { target: PathBuf, left: u64 },
    /// It is there.
    Already(PathBuf),
}

/// Why there is no place for an offer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPlace {
    #[error(transparent)]
    Name(#[from] PathRefused),
    #[error("the name \"{0}\" is refused: it is a hidden file's")]
    Hidden(String),
    #[error("the name \"{0}\" is refused: it is too long")]
    Long(String),
    #[error("{is} bytes are more than the {most} that this peer takes at once")]
    Large { is: u64, most: u64 },
    #[error(
        "the quota is used up: {is} bytes come, with 4096 for each file and folder, and there is room for {room}"
    )]
    Quota { is: u64, room: u64 },
    #[error("the disk is too full: {is} bytes come, and there is room for {room}")]
    Full { is: u64, room: u64 },
    #[error("the same is being fetched already")]
    UnderWay,
    #[error("too many files there have that name")]
    Names,
    #[error("the folder cannot be read: {0}")]
    Disk(#[from] io::Error),
}

/// Checks what can be told without looking at the disk.
pub(super) fn check(offer: &Offer, largest: Option<u64>) -> Result<(), NoPlace> {
    let name = RelativePath::parse_name(&offer.name)?;
    if name.as_str().starts_with('.') {
        return Err(NoPlace::Hidden(escape(&offer.name)));
    }
    match largest {
        Some(most) if offer.total > most => Err(NoPlace::Large {
            is: offer.total,
            most,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Finds a place and keeps it for the offer until its entry is dropped.
///
/// Called from threads that may wait for the disk.
pub(super) fn find(entry: &Entry, offer: &Offer) -> Result<Place, NoPlace> {
    let inbox = &*entry.inbox;
    let _placing = inbox.placing.lock();
    let mut taken = HashSet::new();
    for (target, root, _) in inbox.running().values().filter_map(|it| it.place.as_ref()) {
        if *root == offer.root {
            return Err(NoPlace::UnderWay);
        }
        taken.insert(target.clone());
    }
    let Some(target) = free(&inbox.folder, offer, &taken)? else {
        return Err(NoPlace::Names);
    };
    let target = match target {
        Place::Free { target, .. } => target,
        already @ Place::Already(_) => return Ok(already),
    };
    let part = part_path(&target, offer.root);
    let left = used(&part, &HashSet::new())?.bytes.min(offer.total);
    // How much its list names is known later.
    let charge = charge(offer, 0);
    fits(entry, &part, charge)?;
    let disk = statvfs(&inbox.folder).map_err(io::Error::from)?;
    let room = disk.f_bavail.saturating_mul(disk.f_frsize);
    let is = offer.total;
    if is - left > room {
        return Err(NoPlace::Full { is, room });
    }
    keep(entry, &target, offer.root, charge);
    Ok(Place::Free { target, left })
}

/// Keeps room for a folder whose list names so many entries, if there is as much.
///
/// Called from threads that may wait for the disk.
pub(super) fn find_room(
    entry: &Entry,
    offer: &Offer,
    target: &Path,
    entries: u64,
) -> Result<(), NoPlace> {
    let _placing = entry.inbox.placing.lock();
    let charge = charge(offer, entries);
    fits(entry, &part_path(target, offer.root), charge)?;
    keep(entry, target, offer.root, charge);
    Ok(())
}

/// What an offer takes of the quota: its bytes, its list if it is a folder's, and itself with so many entries of that list.
fn charge(offer: &Offer, entries: u64) -> u64 {
    let list = if offer.is_folder { offer.size } else { 0 };
    let used = Used {
        bytes: offer.total.saturating_add(list),
        entries: entries.saturating_add(1),
    };
    used.charge()
}

/// Whether so much fits into the quota, beside what lies in the folder and what is coming. `part` is the offer's own.
fn fits(entry: &Entry, part: &Path, is: u64) -> Result<(), NoPlace> {
    let inbox = &*entry.inbox;
    let Some(quota) = inbox.rules.quota else {
        return Ok(());
    };
    // What is coming is counted by what it will be.
    let mut parts = HashSet::from([part.to_owned()]);
    let mut held = 0_u64;
    for (id, running) in inbox.running().iter() {
        if let Some((target, root, charge)) = &running.place
            && *id != entry.id
        {
            parts.insert(part_path(target, *root));
            held = held.saturating_add(*charge);
        }
    }
    let room = quota.saturating_sub(held.saturating_add(used(&inbox.folder, &parts)?.charge()));
    if is > room {
        return Err(NoPlace::Quota { is, room });
    }
    Ok(())
}

fn keep(entry: &Entry, target: &Path, root: Root, charge: u64) {
    if let Some(running) = entry.inbox.running().get_mut(&entry.id) {
        running.place = Some((target.to_owned(), root, charge));
    }
}

/// The first name that nothing has, or the one that the same content has.
fn free(folder: &Path, offer: &Offer, taken: &HashSet<PathBuf>) -> Result<Option<Place>, NoPlace> {
    for number in 1..=NAMES_MAX {
        let name = numbered(&offer.name, number, offer.is_folder);
        // It may have become too long.
        if RelativePath::parse_name(&name).is_err() {
            return Err(NoPlace::Long(escape(&name)));
        }
        let target = folder.join(name);
        if taken.contains(&target) {
            continue;
        }
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let left = 0;
                return Ok(Some(Place::Free { target, left }));
            }
            Err(error) => return Err(error.into()),
            Ok(facts) if is_same(&target, &facts, offer) => {
                return Ok(Some(Place::Already(target)));
            }
            Ok(_) => {}
        }
    }
    Ok(None)
}

/// `report.pdf`, `report (2).pdf` and so on.
pub(super) fn numbered(name: &str, number: u32, is_folder: bool) -> String {
    if number == 1 {
        return name.to_owned();
    }
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && !is_folder => format!("{stem} ({number}).{end}"),
        Some(_) | None => format!("{name} ({number})"),
    }
}

/// Whether what is there is what comes. What cannot be read is something else.
fn is_same(target: &Path, facts: &Metadata, offer: &Offer) -> bool {
    let may_be = if offer.is_folder {
        facts.is_dir()
    } else {
        facts.is_file() && facts.len() == offer.size
    };
    let root: Option<Root> = may_be.then(|| root_of(target).ok()).flatten();
    root == Some(offer.root)
}

/// What lies somewhere.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// The bytes of all files.
    bytes: u64,
    /// Files and folders.
    entries: u64,
}

impl Used {
    /// What it takes of the quota.
    const fn charge(self) -> u64 {
        self.bytes
            .saturating_add(self.entries.saturating_mul(ENTRY_BYTES))
    }
}

/// What is in a folder, or in one file; nothing where there is none. The place itself is no entry.
fn used(top: &Path, except: &HashSet<PathBuf>) -> io::Result<Used> {
    let mut waiting = vec![top.to_owned()];
    let mut used = Used::default();
    while let Some(place) = waiting.pop() {
        if except.contains(&place) {
            continue;
        }
        let facts = match fs::symlink_metadata(&place) {
            Ok(facts) => facts,
            // It was not there, or went in the meantime.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        used.entries += u64::from(place != top);
        if facts.is_dir() {
            for entry in fs::read_dir(&place)? {
                waiting.push(entry?.path());
            }
            continue;
        }
        let is_part = place
            .as_os_str()
            .as_encoded_bytes()
            .ends_with(PART_END.as_bytes());
        let bytes = match is_part {
            // It has its whole length from the beginning, with holes.
            true => facts.len().min(facts.blocks() * BLOCK_BYTES),
            false => facts.len(),
        };
        used.bytes = used.bytes.saturating_add(bytes);
    }
    Ok(used)
}
