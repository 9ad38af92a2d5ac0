//! Looks at a data directory without changing anything, for whoever wants to know whether it is whole.

use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use crate::damage::{Damage, DamageKind, Lost};
use crate::disk::{Disk, DiskLock, OpenMode};
use crate::failure::Failure;
use crate::fields::length_u64;
use crate::ids::{QueueId, Sequence};
use crate::queue::reader;
use crate::queue::segment::{self, Segment};
use crate::recovery::replay::{self, Replayed};
use crate::recovery::{scan, segments};
use crate::shared::Places;
use crate::store::take_lock;

/// What a data directory holds, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// A server has it open: files may have changed while they were read, and damage in the newest ones means nothing.
    pub locked: bool,
    /// The journal files, oldest first.
    pub journal: Vec<InspectedJournal>,
    /// The segments, by queue and number.
    pub segments: Vec<InspectedSegment>,
    /// The queues, by number.
    pub queues: Vec<InspectedQueue>,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// A journal file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedJournal {
    /// Where it is.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// How many whole commits it holds. A file without any waits to be written.
    pub frames: u64,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedSegment {
    /// Where it is.
    pub path: PathBuf,
    /// Whose messages it holds.
    pub queue: QueueId,
    /// How long it is.
    pub bytes: u64,
    /// How many whole messages it holds.
    pub messages: u64,
    /// How many of them are live; none when the journal does not refer to it and the next start will delete it.
    pub live: u64,
}

/// A queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InspectedQueue {
    /// Its number.
    pub queue: QueueId,
    /// The sequence of its next message.
    pub next: Sequence,
    /// Live messages that are only in the journal.
    pub unsettled: u64,
    /// Live messages in segments.
    pub settled: u64,
}

/// Reads a whole data directory and checks every checksum. Never changes anything.
///
/// # Errors
/// [`Failure::Disk`] when it cannot be read, [`Failure::Unexpected`] when it holds what the store never wrote.
pub fn inspect(disk: &dyn Disk, dir: &Path) -> Result<Inspection, Failure> {
    let places = Places::new(dir);
    // Held while reading, so that a server does not start in the middle.
    let lock = lock_if_there(disk, &places)?;
    let mut scan = scan::scan(disk, &places)?;
    let mut replay = replay::replay(&scan);
    let mut damage = std::mem::take(&mut scan.damage);
    damage.append(&mut replay.damage);
    let doubtful = damage.iter().any(|damage| damage.kind.is_harmful());
    damage.extend(segments::check(disk, &places, &mut replay, doubtful)?.damage);
    let segments = inspect_segments(disk, &places, &replay.queues, &mut damage)?;
    let journal = scan.files.iter().map(|file| InspectedJournal {
        path: file.path.clone(),
        bytes: file.length,
        frames: length_u64(file.frames),
    });
    let mut queues: Vec<_> = replay.queues.values().map(inspect_queue).collect();
    queues.sort_unstable_by_key(|queue| queue.queue);
    Ok(Inspection {
        locked: matches!(lock, Lock::Taken),
        journal: journal.collect(),
        segments,
        queues,
        damage,
    })
}

enum Lock {
    Taken,
    #[expect(dead_code, reason = "held for its lock alone")]
    Ours(Box<dyn DiskLock>),
    /// There is no lock file, and none is made.
    Absent,
}

fn lock_if_there(disk: &dyn Disk, places: &Places) -> Result<Lock, Failure> {
    match disk.open(&places.lock, OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::Absent),
        Err(error) => return Err(Failure::disk("open", &places.lock, error)),
        Ok(_) => {}
    }
    match take_lock(disk, places) {
        Ok(lock) => Ok(Lock::Ours(lock)),
        Err(Failure::Locked { .. }) => Ok(Lock::Taken),
        Err(failure) => Err(failure),
    }
}

fn inspect_queue(replayed: &Replayed) -> InspectedQueue {
    let live = replayed.messages.iter().filter(|message| !message.dead);
    let settled = replayed
        .image
        .segments
        .iter()
        .map(|segment| u64::from(segment.live()));
    InspectedQueue {
        queue: replayed.image.queue,
        next: replayed.image.next,
        unsettled: length_u64(live.count()),
        settled: settled.sum(),
    }
}

fn inspect_segments(
    disk: &dyn Disk,
    places: &Places,
    queues: &HashMap<QueueId, Replayed>,
    damage: &mut Vec<Damage>,
) -> Result<Vec<InspectedSegment>, Failure> {
    let listed = disk.list(&places.queues);
    let names = listed.map_err(|error| Failure::disk("list", &places.queues, error))?;
    let mut ids: Vec<_> = names
        .iter()
        .filter_map(|name| segment::parse_name(name))
        .collect();
    ids.sort_unstable();
    let mut segments = Vec::with_capacity(ids.len());
    for (queue, id) in ids {
        let path = places.queues.join(segment::file_name(queue, id));
        let known = queues
            .get(&queue)
            .map(|replayed| replayed.image.segments.as_slice());
        let known = known
            .unwrap_or_default()
            .iter()
            .find(|segment| segment.id == id);
        segments.push(inspect_segment(disk, path, (queue, id), known, damage)?);
    }
    Ok(segments)
}

fn inspect_segment(
    disk: &dyn Disk,
    path: PathBuf,
    (queue, id): (QueueId, u64),
    known: Option<&Segment>,
    damage: &mut Vec<Damage>,
) -> Result<InspectedSegment, Failure> {
    let (length, bytes) =
        segments::read_whole(disk, &path, known.map_or(u64::MAX, |known| known.bytes))?;
    let salt = known
        .map(|known| known.salt)
        .or_else(|| segment::decode_header(&bytes, queue, id));
    let found = reader::scan(&bytes, queue, id, salt.unwrap_or_default());
    // What no journal refers to is about to be deleted: only what is live can be damaged.
    if let Some(known) = known {
        for (start, end, sequences) in found.holes {
            let lost = Lost {
                queue,
                first: sequences.start.max(known.first),
                last: Sequence(sequences.end.0.saturating_sub(1)).min(known.last),
            };
            damage.push(Damage {
                file: path.clone(),
                offset: start,
                bytes: end - start,
                kind: DamageKind::SegmentRecord,
                lost: vec![lost],
                quarantine: None,
            });
        }
    }
    Ok(InspectedSegment {
        path,
        queue,
        bytes: length,
        messages: u64::from(found.segment.count),
        live: known.map_or(0, |known| u64::from(known.live())),
    })
}
