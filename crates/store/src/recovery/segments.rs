//! Compares the segments that the journal describes with the files that are there. Changes nothing.

use std::path::{Path, PathBuf};

use hashbrown::{HashMap, HashSet};

use crate::damage::{Damage, DamageKind, Lost};
use crate::disk::{Disk, OpenMode};
use crate::failure::Failure;
use crate::fields::{length_u64, to_usize};
use crate::ids::{QueueId, Sequence};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::queue::reader;
use crate::queue::segment::{self, HEADER_BYTES, Segment};
use crate::shared::Places;

use super::replay::{Journaled, Replay, Replayed};

/// What is to be done about the files.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) damage: Vec<Damage>,
    /// Files that nothing refers to.
    pub(crate) orphans: Vec<PathBuf>,
    /// Files with bytes behind those that are theirs, and how long they ought to be.
    pub(crate) too_long: Vec<(PathBuf, u64)>,
}

/// Checks all segments. When the journal is `doubtful`, a queue whose last description is lost has its segments read instead.
pub(crate) fn check(
    disk: &dyn Disk,
    places: &Places,
    replay: &mut Replay,
    doubtful: bool,
) -> Result<Checked, Failure> {
    let listed = disk.list(&places.queues);
    let names = listed.map_err(|error| Failure::disk("list", &places.queues, error))?;
    let mut files: HashMap<QueueId, Vec<u64>> = HashMap::new();
    for (queue, id) in names.iter().filter_map(|name| segment::parse_name(name)) {
        files.entry(queue).or_default().push(id);
    }
    let mut checked = Checked::default();
    for (queue, ids) in &mut files {
        ids.sort_unstable();
        let known = replay.queues.get(queue);
        if doubtful
            && !replay.dropped.contains(queue)
            && known.is_none_or(|known| replay.misses_state(known))
        {
            rebuild(disk, places, replay, (*queue, ids), &mut checked)?;
        }
    }
    for (queue, replayed) in &mut replay.queues {
        let ids = files.get(queue).map_or(&[][..], Vec::as_slice);
        check_queue(disk, places, replayed, ids, &mut checked)?;
    }
    for (queue, ids) in files {
        let kept: HashSet<u64> = (replay.queues.get(&queue).into_iter())
            .flat_map(|replayed| replayed.image.segments.iter().map(|segment| segment.id))
            .collect();
        for id in ids.into_iter().filter(|id| !kept.contains(id)) {
            let path = places.queues.join(segment::file_name(queue, id));
            // Refuses what is no file of ours before anything is deleted.
            let opened = disk.open(&path, OpenMode::Read);
            let length = opened.and_then(|file| file.length());
            let length = length.map_err(|error| Failure::disk("open", &path, error))?;
            refuse_huge(&path, length)?;
            checked.orphans.push(path);
        }
    }
    Ok(checked)
}

fn check_queue(
    disk: &dyn Disk,
    places: &Places,
    replayed: &mut Replayed,
    ids: &[u64],
    checked: &mut Checked,
) -> Result<(), Failure> {
    let image = &mut replayed.image;
    let queue = image.queue;
    image.segments.retain(|segment| !segment.is_over());
    let ids: HashSet<u64> = ids.iter().copied().collect();
    let mut failed = None;
    let mut closed = false;
    let newest = image.next_segment;
    image.segments.retain(|segment| {
        let path = places.queues.join(segment::file_name(queue, segment.id));
        if failed.is_some() {
            return true;
        }
        if !ids.contains(&segment.id) {
            let lost = Lost {
                queue,
                first: segment.first,
                last: segment.last,
            };
            checked.damage.push(Damage {
                file: path,
                offset: 0,
                bytes: segment.bytes,
                kind: DamageKind::SegmentMissing,
                lost: vec![lost],
                quarantine: None,
            });
            return false;
        }
        match check_file(disk, path, queue, segment, checked) {
            Ok(whole) => closed |= !whole && segment.id + 1 == newest,
            Err(failure) => failed = Some(failure),
        }
        true
    });
    // Nothing is written behind damage.
    image.next_segment += u64::from(closed);
    failed.map_or(Ok(()), Err)
}

/// Checks the length and the header of a segment. Returns whether they are as they ought to be.
fn check_file(
    disk: &dyn Disk,
    path: PathBuf,
    queue: QueueId,
    segment: &Segment,
    checked: &mut Checked,
) -> Result<bool, Failure> {
    let at = |operation| {
        let path = &path;
        move |error| Failure::disk(operation, path, error)
    };
    let file = disk.open(&path, OpenMode::Read).map_err(at("open"))?;
    let length = file.length().map_err(at("measure"))?;
    let mut header = [0; HEADER_BYTES];
    file.read_at(&mut header, 0).map_err(at("read"))?;
    let (kind, offset, bytes) = if length < segment.bytes {
        (DamageKind::SegmentMissing, length, segment.bytes - length)
    } else if segment::decode_header(&header, queue, segment.id) != Some(segment.salt) {
        (DamageKind::SegmentHeader, 0, length_u64(HEADER_BYTES))
    } else {
        if length > segment.bytes {
            checked.too_long.push((path, segment.bytes));
        }
        return Ok(true);
    };
    // Which messages are gone shows when they are read: what is whole is still served.
    checked.damage.push(Damage {
        file: path,
        offset,
        bytes,
        kind,
        lost: Vec::new(),
        quarantine: None,
    });
    Ok(false)
}

/// Reads the segments of a queue whose last description was lost with a damaged frame. An older one says what was acked until
/// then; what was settled after it is behind what it knows.
fn rebuild(
    disk: &dyn Disk,
    places: &Places,
    replay: &mut Replay,
    (queue, ids): (QueueId, &[u64]),
    checked: &mut Checked,
) -> Result<(), Failure> {
    let replayed = replay
        .queues
        .entry(queue)
        .or_insert_with(|| Replayed::new(queue));
    let known_end = replayed.image.next_segment;
    for id in ids {
        let image = &mut replayed.image;
        let known = image.segments.iter().position(|known| known.id == *id);
        if *id < known_end && known.is_none() && replayed.described.is_some() {
            // The older description knew already that it is over.
            continue;
        }
        let path = places.queues.join(segment::file_name(queue, *id));
        let (length, bytes) = read_whole(disk, &path, u64::MAX)?;
        image.next_segment = image.next_segment.max(id + 1);
        let salt = segment::decode_header(&bytes, queue, *id);
        let place = (queue, *id, salt.unwrap_or_default());
        let mut found = read_beside(&bytes, place, &replayed.messages);
        found.forget_transient();
        for (first, last) in &replayed.ended {
            found.finish(*first, *last);
        }
        if salt.is_some() && found.is_over() && known.is_none() {
            // Nothing in it outlives the process that wrote it, so that no description of it was ever needed.
            continue;
        }
        if let Some(known) = known.and_then(|at| image.segments.get(at)) {
            if salt != Some(known.salt) || found.last <= known.last {
                continue;
            }
            found.finish_as(known);
        }
        checked.damage.push(Damage {
            file: path,
            offset: 0,
            bytes: length,
            kind: if salt.is_some() {
                DamageKind::Rebuilt
            } else {
                DamageKind::SegmentHeader
            },
            lost: Vec::new(),
            quarantine: None,
        });
        if found.is_over() {
            continue;
        }
        let (first, last) = (found.first, found.last);
        let before = image.segments.last().map(|segment| segment.last);
        match known.and_then(|at| image.segments.get_mut(at)) {
            Some(known) => *known = found,
            None if before.is_none_or(|before| before < first) => image.segments.push(found),
            None => continue,
        }
        replayed.hand_over(last);
    }
    Ok(())
}

/// Reads a segment that nothing describes, up to the first message that the journal has and the segment lacks: what the journal
/// holds, it knows better.
fn read_beside(bytes: &[u8], place: (QueueId, u64, u64), journaled: &[Journaled]) -> Segment {
    let whole = reader::scan_below(bytes, place, Sequence(u64::MAX)).segment;
    let lacks = |message: &&Journaled| !message.dead && whole.ordinal(message.sequence).is_none();
    match journaled.iter().find(lacks) {
        Some(first) if first.sequence <= whole.last => {
            reader::scan_below(bytes, place, first.sequence).segment
        }
        Some(_) | None => whole,
    }
}

/// Refuses a file that is too long to be a segment, and so not ours to read or delete.
fn refuse_huge(path: &Path, bytes: u64) -> Result<(), Failure> {
    if bytes > SEGMENT_BYTES_MAX {
        return Err(Failure::Unexpected {
            path: path.to_path_buf(),
            reason: format!("it is {bytes} bytes long, which no segment is; move it away"),
        });
    }
    Ok(())
}

/// Reads a segment, at most `bytes` of it, and returns its length too.
pub(crate) fn read_whole(
    disk: &dyn Disk,
    path: &Path,
    bytes: u64,
) -> Result<(u64, Vec<u8>), Failure> {
    let at = |operation| move |error| Failure::disk(operation, path, error);
    let file = disk.open(path, OpenMode::Read).map_err(at("open"))?;
    let length = file.length().map_err(at("measure"))?;
    refuse_huge(path, length.min(bytes))?;
    let mut content = vec![0; to_usize(length.min(bytes))];
    let count = file.read_at(&mut content, 0).map_err(at("read"))?;
    content.truncate(count);
    Ok((length, content))
}

#[cfg(test)]
mod tests;
