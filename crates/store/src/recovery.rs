//! Finds out what a data directory holds.
//!
//! Recovery leaves the journal as it is: the files that it read stay until the shards have settled what is live in them, through
//! the same protocol as after a rotation, and new frames go to a new file. So a crash at any time during or after recovery finds
//! what this one found. It deletes only what no whole journal refers to: segments that were begun and never recorded, segments
//! whose every message is durably acked, and journal files without a whole frame.
//!
//! A process that was killed may have left its last frame in the page cache alone. So the journal is synced before it is read:
//! what is found, and built upon, is then on the disk.

pub(crate) mod replay;
pub(crate) mod scan;
pub(crate) mod segments;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::committer::{FullFile, Start};
use crate::damage::Damage;
use crate::disk::{Disk, OpenMode};
use crate::failure::Failure;
use crate::fields::{length_u64, to_usize};
use crate::ids::{QueueId, Sequence};
use crate::quarantine;
use crate::queue::QueueLog;
use crate::shared::{Places, Shared};

use replay::{Replay, Replayed};
use scan::Scan;

/// What a data directory held.
#[derive(Debug)]
pub struct Recovery {
    /// Every queue that has messages or a number to go on from, by number. What the caller does not know any more, it removes
    /// with [`QueueLog::remove`].
    pub queues: Vec<RecoveredQueue>,
    /// What was found damaged, and cut off or put into quarantine.
    pub damage: Vec<Damage>,
    /// How many whole commits the journal held.
    pub frames: u64,
    /// How many records they held.
    pub records: u64,
}

/// A queue that was found.
#[derive(Debug)]
pub struct RecoveredQueue {
    /// Its number.
    pub queue: QueueId,
    /// The sequence of its next message.
    pub next: Sequence,
    /// Its settled messages.
    pub log: QueueLog,
    /// Its live messages that are not settled, ascending.
    pub messages: Vec<RecoveredMessage>,
}

/// A message that was found in the journal. It counts as appended at `Position(0)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredMessage {
    /// Its number in the queue.
    pub sequence: Sequence,
    /// The latest note, 0 when there is none.
    pub note: u32,
    /// What was appended, its parts joined.
    pub payload: Bytes,
}

/// Recovers a data directory that is locked.
pub(crate) fn recover(shared: &Arc<Shared>) -> Result<(Recovery, Start), Failure> {
    let (disk, places) = (shared.disk.as_ref(), &shared.places);
    scan::sync(disk, places)?;
    let mut scan = scan::scan(disk, places)?;
    let mut replay = replay::replay(&scan);
    let mut damage = std::mem::take(&mut scan.damage);
    damage.append(&mut replay.damage);
    let doubtful = damage.iter().any(|damage| damage.kind.is_harmful());
    let checked = segments::check(disk, places, &mut replay, doubtful)?;
    damage.extend(checked.damage);
    keep_copies(disk, places, &mut damage);
    for found in &damage {
        if found.kind.is_harmful() {
            tracing::error!(damage = %found, "damage on the disk");
        } else {
            tracing::warn!(damage = %found, "damage on the disk without loss");
        }
    }
    // Everything has been looked at and nothing was refused: from here on the directory is changed.
    for path in &checked.orphans {
        let removed = disk.remove(path);
        removed.map_err(|error| Failure::disk("remove", path, error))?;
    }
    for (path, bytes) in &checked.too_long {
        let cut = (disk.open(path, OpenMode::Write)).and_then(|file| file.truncate(*bytes));
        cut.map_err(|error| Failure::disk("cut", path, error))?;
    }
    let start = start(disk, places, shared.options.journal_bytes, &scan)?;
    let recovery = Recovery {
        frames: length_u64(scan.frames.len()),
        records: replay.records,
        queues: collect(shared, &scan, replay),
        damage,
    };
    Ok((recovery, start))
}

/// Puts copies of what was found damaged into the quarantine.
fn keep_copies(disk: &dyn Disk, places: &Places, damage: &mut [Damage]) {
    for found in damage {
        if found.kind.is_harmful()
            && found.bytes > 0
            && let Ok(file) = disk.open(&found.file, OpenMode::Read)
        {
            found.quarantine = quarantine::copy_range(
                disk,
                places,
                &found.file,
                file.as_ref(),
                found.offset,
                found.bytes,
            );
        }
    }
}

/// Says where the committer goes on, and removes journal files that hold nothing.
fn start(
    disk: &dyn Disk,
    places: &Places,
    journal_bytes: u64,
    scan: &Scan,
) -> Result<Start, Failure> {
    let mut full = VecDeque::new();
    for file in &scan.files {
        if file.frames == 0 {
            let removed = disk.remove(&file.path);
            removed.map_err(|error| Failure::disk("remove", &file.path, error))?;
        } else {
            full.push_back(FullFile {
                number: file.number,
                path: file.path.clone(),
                reuse: file.length == journal_bytes,
                recovered: true,
            });
        }
    }
    let synced = disk.sync_dir(&places.journal);
    synced.map_err(|error| Failure::disk("sync", &places.journal, error))?;
    Ok(Start {
        file: scan.last_number + 1,
        frame: scan.next_frame(),
        full,
        spare: scan.spare.clone(),
    })
}

/// Hands out what is live.
fn collect(shared: &Arc<Shared>, scan: &Scan, replay: Replay) -> Vec<RecoveredQueue> {
    let contents = shareable(scan, &replay);
    let mut queues: Vec<_> = (replay.queues.into_values())
        .map(|replayed| recovered_queue(shared, scan, &contents, replayed))
        .collect();
    queues.sort_unstable_by_key(|recovered| recovered.queue);
    queues
}

/// Tells of each file whether messages may point into its bytes: only if that does not hold much more memory than they need.
fn shareable(scan: &Scan, replay: &Replay) -> Vec<bool> {
    let mut live = vec![0_u64; scan.files.len()];
    for message in replay.queues.values().flat_map(|queue| &queue.messages) {
        if let Some(live) = live.get_mut(to_usize(message.file.into()))
            && !message.dead
        {
            *live += u64::from(message.length);
        }
    }
    let lengths = scan.files.iter().map(|file| length_u64(file.content.len()));
    live.iter()
        .zip(lengths)
        .map(|(live, length)| live * 2 > length)
        .collect()
}

fn recovered_queue(
    shared: &Arc<Shared>,
    scan: &Scan,
    shareable: &[bool],
    replayed: Replayed,
) -> RecoveredQueue {
    let live = replayed.messages.iter().filter(|message| !message.dead);
    let messages = live.filter_map(|message| {
        let file = to_usize(message.file.into());
        let content = &scan.files.get(file)?.content;
        let start = to_usize(message.start);
        let range = start..start + to_usize(message.length.into());
        let payload = if shareable.get(file) == Some(&true) {
            content.slice(range)
        } else {
            Bytes::copy_from_slice(content.get(range)?)
        };
        Some(RecoveredMessage {
            sequence: message.sequence,
            note: message.note,
            payload,
        })
    });
    RecoveredQueue {
        queue: replayed.image.queue,
        next: replayed.image.next,
        messages: messages.collect(),
        log: QueueLog::restore(replayed.image, Arc::clone(shared)),
    }
}
