//! Finds the whole frames of all journal files, and what is wrong between them. Changes no byte.
//!
//! Frames are numbered without gaps, and each file says which number it starts with. So what lies behind a file's last whole frame
//! is a torn tail if the next file goes on with the next number, and damage if it does not. Behind the last whole frame of all it
//! is a torn tail, as one frame is written and synced at a time.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use hashbrown::HashMap;

use crate::damage::{Damage, DamageKind, Lost};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::failure::Failure;
use crate::fields::{Fields, length_u64, to_usize};
use crate::frame::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, FrameHeader};
use crate::ids::{QueueId, Sequence};
use crate::limits::{BLOCK_BYTES, JOURNAL_BYTES_MAX, NUMBER_MAX, READ_BYTES};
use crate::newest::{self, Newest};
use crate::record::{self, Record};
use crate::shared::{Places, SPARE_NAME};

/// A journal file that was read.
#[derive(Debug)]
pub(crate) struct ScannedFile {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    pub(crate) content: Bytes,
    pub(crate) frames: usize,
    /// The first frame that it may hold, as far as that is known.
    first_frame: u64,
    /// Frames whose own header is whole and whose payload is not.
    broken: Vec<(usize, FrameHeader)>,
    salt: Option<u64>,
}

/// A whole frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScannedFrame {
    /// The index of its file.
    pub(crate) file: usize,
    pub(crate) offset: usize,
    pub(crate) header: FrameHeader,
}

/// All that the journal holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) files: Vec<ScannedFile>,
    /// Ascending by sequence.
    pub(crate) frames: Vec<ScannedFrame>,
    pub(crate) damage: Vec<Damage>,
    /// A released file that waits to be written again.
    pub(crate) spare: Option<PathBuf>,
    /// The greatest number that any file's name has.
    pub(crate) last_number: u64,
    /// A commit that was durable, though its file may have been released since.
    newest: Newest,
}

impl Scan {
    /// Returns a frame's records.
    pub(crate) fn payload(&self, frame: &ScannedFrame) -> &[u8] {
        let start = frame.offset + FRAME_HEADER_BYTES;
        let content = self.files.get(frame.file).map(|file| file.content.as_ref());
        content
            .and_then(|content| content.get(start..start + frame.header.payload_bytes))
            .unwrap_or_default()
    }

    /// Returns the number of the next frame to write.
    pub(crate) fn next_frame(&self) -> u64 {
        let last = self.frames.last().map_or(0, |frame| frame.header.sequence);
        // Numbers that were given are not given again, even if their frames are lost.
        last.max(self.newest.frame) + 1
    }
}

/// Makes durable what the process before may have written and not synced, so that a power cut cannot take it back.
pub(crate) fn sync(disk: &dyn Disk, places: &Places) -> Result<(), Failure> {
    for number in list(disk, places)?
        .iter()
        .filter_map(|name| parse_name(name))
    {
        let path = places.journal_file(number);
        let file = disk.open(&path, OpenMode::Read);
        let file = file.map_err(|error| Failure::disk("open", &path, error))?;
        let synced = file.sync().and_then(|()| file.length());
        let length = synced.map_err(|error| Failure::disk("sync", &path, error))?;
        // After a failed sync the cache may hold what the disk does not: what is synced is read from the disk again.
        file.start_writeback(0, length);
    }
    Ok(())
}

fn list(disk: &dyn Disk, places: &Places) -> Result<Vec<String>, Failure> {
    let listed = disk.list(&places.journal);
    listed.map_err(|error| Failure::disk("list", &places.journal, error))
}

/// Reads all journal files.
pub(crate) fn scan(disk: &dyn Disk, places: &Places) -> Result<Scan, Failure> {
    let names = list(disk, places)?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| parse_name(name)).collect();
    numbers.sort_unstable();
    let newest = newest::read(disk, places)?;
    let mut scan = Scan {
        last_number: numbers.last().copied().unwrap_or(0).max(newest.file),
        newest,
        spare: (names.iter().any(|name| name == SPARE_NAME))
            .then(|| places.journal.join(SPARE_NAME)),
        ..Scan::default()
    };
    for number in numbers {
        scan_file(disk, places.journal_file(number), number, &mut scan)?;
    }
    find_gaps(&mut scan);
    find_lost_end(&mut scan, places);
    Ok(scan)
}

fn parse_name(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".journal")?;
    let is_ours = number.len() >= 10 && number.bytes().all(|byte| byte.is_ascii_digit());
    number
        .parse()
        .ok()
        .filter(|number| is_ours && *number < NUMBER_MAX)
}

fn read_file(
    disk: &dyn Disk,
    path: &Path,
    number: u64,
    newest: Newest,
) -> Result<(u64, Vec<u8>, Option<FileHeader>), Failure> {
    let at = |operation| move |error| Failure::disk(operation, path, error);
    let file = disk.open(path, OpenMode::Read).map_err(at("open"))?;
    let length = file.length().map_err(at("measure"))?;
    let mut content = vec![0; to_usize(length.min(FILE_HEADER_BYTES + BLOCK_BYTES))];
    let count = file.read_at(&mut content, 0).map_err(at("read"))?;
    content.truncate(count);
    // The file that waits to be written next need not be read: the mark says so, and it looks so, new or to be written again.
    if newest.is_before(number) && length <= JOURNAL_BYTES_MAX && looks_untouched(&content, number)
    {
        return Ok((length, Vec::new(), None));
    }
    let header = FileHeader::decode(&content, number);
    // The length that the header states keeps a file that was blown up from filling the memory.
    let useful = header.map_or(length, |header| header.bytes.min(length));
    if useful > JOURNAL_BYTES_MAX {
        return Err(Failure::Unexpected {
            path: path.to_path_buf(),
            reason: format!("it is {length} bytes long, which no journal file is; move it away"),
        });
    }
    let mut content = vec![0; to_usize(useful)];
    let count = if header.is_some() {
        file.read_through(&mut content, 0)
    } else {
        read_sparsely(file.as_ref(), &mut content)
    };
    content.truncate(count.map_err(at("read"))?);
    Ok((length, content, header))
}

/// Says whether the first blocks of a file are zeros, or carry the header of another file.
fn looks_untouched(content: &[u8], number: u64) -> bool {
    let is_of_another =
        || FileHeader::decode_any(content).is_some_and(|other| other.file != number);
    content.iter().all(|byte| *byte == 0) || is_of_another()
}

/// Fills a buffer that is zero without having been touched, and touches it only where the file is not: a sparse file that says
/// nothing about its length costs the memory of what it holds.
fn read_sparsely(file: &dyn DiskFile, content: &mut [u8]) -> std::io::Result<usize> {
    let mut piece = vec![0; READ_BYTES];
    // A file that was never written is all zeroes: compared as a whole, it costs a start next to nothing.
    let zeroes = vec![0; READ_BYTES];
    let mut done = 0;
    for target in content.chunks_mut(READ_BYTES) {
        let piece = piece.get_mut(..target.len()).unwrap_or_default();
        let count = file.read_at(piece, length_u64(done))?;
        if piece.get(..count) != zeroes.get(..count) {
            target.copy_from_slice(piece);
        }
        done += count;
        if count < piece.len() {
            break;
        }
    }
    Ok(done)
}

fn scan_file(disk: &dyn Disk, path: PathBuf, number: u64, scan: &mut Scan) -> Result<(), Failure> {
    let (length, content, header) = read_file(disk, &path, number, scan.newest)?;
    let index = scan.files.len();
    let block = to_usize(BLOCK_BYTES);
    let mut salt = header.map(|header| header.salt);
    let mut file = ScannedFile {
        number,
        path,
        length,
        content: Bytes::from(content),
        frames: 0,
        first_frame: header.map_or(u64::MAX, |header| header.first_frame),
        broken: Vec::new(),
        salt,
    };
    let mut last = 0;
    let mut at = to_usize(FILE_HEADER_BYTES);
    while let Some(bytes) = file.content.get(at..).filter(|bytes| !bytes.is_empty()) {
        let found = FrameHeader::decode(bytes).filter(|found| {
            found.file == number
                && salt.is_none_or(|salt| salt == found.salt)
                && found.sequence > last
        });
        let Some(found) = found else {
            at += block;
            continue;
        };
        let payload_end = FRAME_HEADER_BYTES + found.payload_bytes;
        let whole = (bytes.get(FRAME_HEADER_BYTES..payload_end))
            .is_some_and(|payload| found.matches(payload));
        if whole {
            let padding = bytes
                .get(payload_end..found.frame_bytes())
                .unwrap_or_default();
            if padding.iter().any(|byte| *byte != 0) {
                let range = (at + payload_end, padding.len());
                scan.damage
                    .push(damage(&file, range, DamageKind::Padding, Vec::new()));
            }
            // Where the file's header is lost, the first whole frame stands in for it.
            salt.get_or_insert(found.salt);
            file.salt = salt;
            file.first_frame = file.first_frame.min(found.sequence);
            last = found.sequence;
            file.frames += 1;
            scan.frames.push(ScannedFrame {
                file: index,
                offset: at,
                header: found,
            });
        } else if salt.is_some() {
            file.broken.push((at, found));
        }
        at += found.frame_bytes();
    }
    if header.is_none() && file.frames > 0 {
        let range = (0, to_usize(FILE_HEADER_BYTES));
        scan.damage
            .push(damage(&file, range, DamageKind::JournalHeader, Vec::new()));
    }
    scan.files.push(file);
    Ok(())
}

fn damage(
    file: &ScannedFile,
    (offset, bytes): (usize, usize),
    kind: DamageKind,
    lost: Vec<Lost>,
) -> Damage {
    Damage {
        file: file.path.clone(),
        offset: length_u64(offset),
        bytes: length_u64(bytes),
        kind,
        lost,
        quarantine: None,
    }
}

/// Drops frames that were never confirmed and names what is missing between the others.
fn find_gaps(scan: &mut Scan) {
    // A file starts at a number because nothing at or above it had been confirmed.
    let mut bound = u64::MAX;
    let mut bounds = vec![u64::MAX; scan.files.len()];
    for (file, slot) in scan.files.iter().zip(&mut bounds).rev() {
        *slot = bound;
        if file.frames > 0 {
            bound = bound.min(file.first_frame);
        }
    }
    scan.frames.retain(|frame| {
        bounds
            .get(frame.file)
            .is_some_and(|bound| frame.header.sequence < *bound)
    });

    let mut found = Vec::new();
    let mut before: Option<ScannedFrame> = None;
    for frame in &scan.frames {
        let expected = before.map_or(frame.header.sequence, |before| before.header.sequence + 1);
        if frame.header.sequence != expected {
            found.extend(gap(scan, before, Some(frame)));
        }
        before = Some(*frame);
    }
    // The frames before the first one of a file that lost it, and the torn tail of the last.
    if let Some(first) = scan.frames.first()
        && (scan.files.iter().take(first.file + 1))
            .any(|file| file.first_frame < first.header.sequence)
    {
        found.extend(gap(scan, None, Some(first)));
    }
    found.extend(tail(scan, before));
    scan.damage.append(&mut found);
}

/// Names the loss of the journal's end: a commit was durable, and neither it nor a later one is left.
fn find_lost_end(scan: &mut Scan, places: &Places) {
    let last = scan.frames.last().map_or(0, |frame| frame.header.sequence);
    if last >= scan.newest.frame {
        return;
    }
    // What looks like a write that was cut short had been confirmed.
    let torn = scan
        .damage
        .extract_if(.., |damage| damage.kind == DamageKind::TornTail)
        .next();
    let place = torn.map_or_else(
        || (places.journal_file(newest_file(scan)), 0, 0),
        |torn| (torn.file, torn.offset, torn.bytes),
    );
    let (path, offset, bytes) = place;
    let file = scan.files.iter().find(|file| file.path == path);
    let lost = file.into_iter().flat_map(|file| {
        let broken = file.broken.iter();
        broken
            .filter(|(at, _)| length_u64(*at) >= offset)
            .flat_map(|(at, header)| guess_lost(file, *at, header))
    });
    let found = Damage {
        lost: lost.collect(),
        kind: if file.is_some() {
            DamageKind::Frame
        } else {
            DamageKind::MissingFrames
        },
        // A file that holds nothing whole any more is kept as it is.
        bytes: if bytes == 0 {
            file.map_or(0, |file| length_u64(file.content.len()))
        } else {
            bytes
        },
        file: path,
        offset,
        quarantine: None,
    };
    scan.damage.push(found);
}

/// Returns the number of the file that held the newest commit: the marked one, or the last before it if nothing was committed there.
fn newest_file(scan: &Scan) -> u64 {
    let newest = scan.newest;
    let is_begun_after = scan.files.iter().any(|file| {
        let has_header = file.first_frame != u64::MAX;
        file.number == newest.file && has_header && file.first_frame > newest.frame
    });
    let before = scan.files.iter().rev().find(|file| {
        let has_frames = file.frames > 0 || !file.broken.is_empty();
        file.number < newest.file && has_frames
    });
    before
        .filter(|_| is_begun_after)
        .map_or(newest.file, |file| file.number)
}

/// Names what lies between two whole frames whose numbers do not follow each other.
fn gap(scan: &Scan, before: Option<ScannedFrame>, after: Option<&ScannedFrame>) -> Vec<Damage> {
    let first = before.map_or(0, |frame| frame.file);
    let last = after.map_or(scan.files.len(), |frame| frame.file);
    let mut found = Vec::new();
    for (index, file) in scan.files.iter().enumerate() {
        if index < first || index > last {
            continue;
        }
        let start = match before {
            Some(frame) if frame.file == index => frame.offset + frame.header.frame_bytes(),
            Some(_) | None => to_usize(FILE_HEADER_BYTES),
        };
        let end = match after {
            Some(frame) if frame.file == index => frame.offset,
            Some(_) | None => file.content.len(),
        };
        if start < end {
            let lost = file
                .broken
                .iter()
                .filter(|(at, _)| (start..end).contains(at));
            let lost = lost
                .flat_map(|(at, header)| guess_lost(file, *at, header))
                .collect();
            found.push(damage(file, (start, end - start), DamageKind::Frame, lost));
        }
    }
    if found.is_empty()
        && let Some(file) = scan.files.get(last)
    {
        let at = after.map_or(0, |frame| frame.offset);
        found.push(damage(file, (at, 0), DamageKind::MissingFrames, Vec::new()));
    }
    found
}

/// Names the write that a power cut interrupted, if there was one: it shows behind the last whole frame, or at the start of a
/// newer file that has none.
fn tail(scan: &Scan, last: Option<ScannedFrame>) -> Option<Damage> {
    let begun = last.map(|frame| (frame.file, frame.offset + frame.header.frame_bytes()));
    let newer = last.map_or(0, |frame| frame.file + 1)..scan.files.len();
    let places = begun
        .into_iter()
        .chain(newer.map(|file| (file, to_usize(FILE_HEADER_BYTES))));
    places.into_iter().find_map(|(file, start)| {
        let file = scan.files.get(file)?;
        let bytes = torn_bytes(file, start)?;
        Some(damage(
            file,
            (start, bytes),
            DamageKind::TornTail,
            Vec::new(),
        ))
    })
}

/// Tells how long the frame is that was begun at a place and is not whole, if there is one.
fn torn_bytes(file: &ScannedFile, start: usize) -> Option<usize> {
    let broken = file.broken.iter().find(|(at, _)| *at == start);
    if let Some((_, header)) = broken {
        return Some(header.frame_bytes());
    }
    // A header that is not whole gives itself away by the file number or salt behind its checksum. Those of an earlier use differ.
    file.salt?;
    let begun = file.content.get(start..)?;
    let mut fields = Fields::new(begun.get(..FRAME_HEADER_BYTES)?);
    fields.u64()?;
    let ours = fields.u64() == Some(file.number);
    let salted = fields.u64().is_some_and(|salt| Some(salt) == file.salt);
    let torn = FrameHeader::decode(begun).is_none() && (ours || salted);
    torn.then(|| to_usize(BLOCK_BYTES))
}

/// Reads what it can of a damaged frame, to say which messages were probably in it. None of it is used otherwise.
fn guess_lost(file: &ScannedFile, at: usize, header: &FrameHeader) -> Vec<Lost> {
    let start = at + FRAME_HEADER_BYTES;
    let end = (start + header.payload_bytes).min(file.content.len());
    let mut fields = Fields::new(file.content.get(start..end).unwrap_or_default());
    let mut lost: HashMap<QueueId, (Sequence, Sequence)> = HashMap::new();
    while let Some(found) = record::take(&mut fields) {
        if let Record::Message { targets, .. } = found {
            for (queue, sequence) in targets.iter() {
                let range = lost.entry(queue).or_insert((sequence, sequence));
                *range = (range.0.min(sequence), range.1.max(sequence));
            }
        }
    }
    let mut lost: Vec<_> = (lost.into_iter())
        .map(|(queue, (first, last))| Lost { queue, first, last })
        .collect();
    lost.sort_unstable_by_key(|lost| lost.queue);
    lost
}

#[cfg(test)]
mod tests;
