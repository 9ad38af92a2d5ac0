//! A content that is being fetched, as it grows on disk: a file of its whole length beside the target, with holes where nothing came
//! yet. Nothing is written that was not checked against the content's root, and the target appears only when everything is there.
//!
//! What an interrupted download left is found by looking: its groups are read and checked again, so that nothing has to be believed
//! that a crash may have torn.

mod direct;
mod gather;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use direct::Direct;
use files::content::{Chaining, Invalid, Root, Segment, Shape, Top};
use files::have::Have;
use gather::Gather;
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, SeekFrom, flock, renameat_with, seek};

/// Bytes written between two rounds of writing back, so that the disk works while the network does.
const WRITE_BACK_BYTES: u64 = 64 << 20;
/// Lists of segments that are kept; others are asked for again.
const SEGMENTS_KEPT: usize = 128;

/// Digits of the root before it.
const MARK_DIGITS: usize = 16;

/// Why a group was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// It is not what the root says: whoever sent it lies, or its disk does.
    #[error(transparent)]
    Wrong(#[from] Invalid),
    /// The list that it is checked against is not here.
    #[error("the hashes of this segment are not here")]
    NoSegment,
    /// The disk fails.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Why a download cannot begin or end at its target.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// There is a file of that name.
    #[error("{} is there already; choose another name with --output, or --overwrite", .0.display())]
    Exists(PathBuf),
    /// Another download writes it.
    #[error("another download writes {}", .0.display())]
    Busy(PathBuf),
    /// The disk or its rights are in the way.
    #[error("cannot write {}: {source}", path.display())]
    Disk {
        /// What was to be written.
        path: PathBuf,
        /// Why it cannot be.
        source: io::Error,
    },
}

/// A content that grows.
#[derive(Debug)]
pub(super) struct Sink {
    file: Arc<File>,
    /// The same file past the page cache, where the file system can do that.
    direct: Option<Direct>,
    gather: Gather,
    part: PathBuf,
    target: PathBuf,
    top: Top,
    /// Lists that were checked, by segment.
    segments: Mutex<BTreeMap<u32, Arc<Segment>>>,
    have: Mutex<Have>,
    unwritten: AtomicU64,
}

impl Sink {
    /// Begins, or goes on with what an earlier download of the same content left beside the target.
    ///
    /// # Errors
    /// The target is there, somebody else downloads to it, or the disk refuses.
    pub(super) fn open(target: &Path, top: Top, overwrite: bool) -> Result<Self, SinkError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SinkError::Disk { path, source }
        };
        if !overwrite && fs::symlink_metadata(target).is_ok() {
            return Err(SinkError::Exists(target.to_owned()));
        }
        let part = part_path(target, top.root());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o666)
            .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
            .open(&part)
            .map_err(failed(&part))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(SinkError::Busy(target.to_owned()));
        }
        file.set_len(top.shape().size()).map_err(failed(&part))?;
        let shape = top.shape();
        let mut segments = BTreeMap::new();
        // The one group's value is the root.
        if shape.groups() == 1
            && let Ok(segment) =
                Segment::new(shape, 0, vec![Chaining::from_bytes(*top.root().as_bytes())])
        {
            segments.insert(0, Arc::new(segment));
        }
        Ok(Self {
            direct: Direct::open(&part),
            gather: Gather::default(),
            file: Arc::new(file),
            part,
            target: target.to_owned(),
            segments: Mutex::new(segments),
            have: Mutex::new(Have::none(shape.groups())),
            top,
            unwritten: AtomicU64::new(0),
        })
    }

    pub(super) fn shape(&self) -> Shape {
        self.top.shape()
    }

    /// The lists of the whole content.
    pub(super) const fn top(&self) -> &Top {
        &self.top
    }

    /// Where it grows.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// Where it will be.
    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// The lists that are here, but for some segments', as they are sent.
    pub(super) fn lists(&self, but: &BTreeSet<u32>) -> Vec<(u32, Vec<u8>)> {
        let segments = lock(&self.segments);
        let others = segments.iter().filter(|(index, _)| !but.contains(index));
        others
            .map(|(index, segment)| (*index, segment.encode()))
            .collect()
    }

    /// What is there.
    pub(super) fn have(&self) -> Have {
        lock(&self.have).clone()
    }

    pub(super) fn knows(&self, segment: u32) -> bool {
        lock(&self.segments).contains_key(&segment)
    }

    /// A segment's list, if it is here.
    pub(super) fn segment(&self, segment: u32) -> Option<Arc<Segment>> {
        lock(&self.segments).get(&segment).cloned()
    }

    /// Takes a segment's list.
    ///
    /// # Errors
    /// It is not the content's.
    pub(super) fn take_segment(&self, index: u32, values: &[u8]) -> Result<(), Invalid> {
        let segment = Segment::decode(&self.top, index, values)?;
        let mut segments = lock(&self.segments);
        segments.insert(index, Arc::new(segment));
        while segments.len() > SEGMENTS_KEPT {
            let have = lock(&self.have);
            let shape = self.shape();
            let is_done =
                |segment: &u32| shape.groups_of(*segment).all(|group| have.contains(group));
            let Some(done) = segments.keys().copied().find(is_done) else {
                break;
            };
            segments.remove(&done);
        }
        Ok(())
    }

    /// Checks a group and writes it, or leaves the writing to a thread that does so already; `written` is called in the end.
    ///
    /// # Durability
    /// None before [`Self::finish`].
    pub(super) fn write(
        self: &Arc<Self>,
        group: u32,
        bytes: Bytes,
        written: impl FnOnce(Result<(), WriteError>) + Send + 'static,
    ) {
        if let Err(error) = self.check(group, &bytes) {
            return written(Err(error));
        }
        let sink = Arc::clone(self);
        let written = move |result: io::Result<()>| {
            if result.is_ok() {
                lock(&sink.have).insert(group);
            }
            drop(sink);
            written(result.map_err(WriteError::Disk));
        };
        let place = self.shape().bytes_of(group..group + 1);
        match self.direct.as_ref().filter(|_| Direct::takes(&bytes)) {
            Some(direct) => self.gather.write(direct, place.start, bytes, written),
            None => {
                let result = self.file.write_all_at(&bytes, place.start);
                self.write_back(bytes.len() as u64);
                written(result);
            }
        }
    }

    fn check(&self, group: u32, bytes: &[u8]) -> Result<(), WriteError> {
        let segment = self.segment(self.shape().segment_of(group));
        let segment = segment.ok_or(WriteError::NoSegment)?;
        Ok(segment.verify_group(group, bytes)?)
    }

    /// Lets the disk begin with what was written meanwhile: at the end there is less to wait for.
    fn write_back(&self, bytes: u64) {
        let before = self.unwritten.fetch_add(bytes, Ordering::Relaxed);
        if before / WRITE_BACK_BYTES != (before + bytes) / WRITE_BACK_BYTES {
            let file = self.file.clone();
            // A failure is told again, and heard, by the last one.
            std::thread::spawn(move || file.sync_data());
        }
    }

    /// Tells which segments have something on disk that an earlier download left.
    pub(super) fn left(&self) -> io::Result<Vec<u32>> {
        let mut left = Vec::new();
        for data in extents(&self.file, self.shape().size())? {
            let groups = self.groups_within(&data);
            let shape = self.shape();
            for segment in groups.clone().map(|group| shape.segment_of(group)) {
                if left.last() != Some(&segment) {
                    left.push(segment);
                }
            }
        }
        Ok(left)
    }

    /// Checks what an earlier download left of a segment whose list is here; tells how many bytes are right.
    pub(super) fn recover(&self, segment: u32) -> io::Result<u64> {
        let Some(list) = self.segment(segment) else {
            return Ok(0);
        };
        let of_segment = self.shape().groups_of(segment);
        let mut buffer = Vec::new();
        let mut right = 0;
        for data in extents(&self.file, self.shape().size())? {
            let groups = self.groups_within(&data);
            for group in groups.start.max(of_segment.start)..groups.end.min(of_segment.end) {
                let place = self.shape().bytes_of(group..group + 1);
                let length = place.end - place.start;
                buffer.resize(usize::try_from(length).unwrap_or_default(), 0);
                self.file.read_exact_at(&mut buffer, place.start)?;
                if list.verify_group(group, &buffer).is_ok() && lock(&self.have).insert(group) {
                    right += length;
                }
            }
        }
        Ok(right)
    }

    /// Groups that touch a run of bytes.
    fn groups_within(&self, data: &Range<u64>) -> Range<u32> {
        let group = |at: u64| u32::try_from(at / files::limits::GROUP_BYTES).unwrap_or(u32::MAX);
        group(data.start)..group(data.end.saturating_sub(1)).saturating_add(1)
    }

    /// Puts the whole content in its place.
    ///
    /// # Durability
    /// It is on disk on return, under its name.
    ///
    /// # Errors
    /// Something of that name has appeared meanwhile, or the disk fails; what was fetched stays beside it.
    pub(super) fn finish(&self, overwrite: bool) -> Result<(), SinkError> {
        let failed = |source| SinkError::Disk {
            path: self.target.clone(),
            source,
        };
        self.file.sync_all().map_err(failed)?;
        let flags = if overwrite {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        match renameat_with(CWD, &self.part, CWD, &self.target, flags) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Err(SinkError::Exists(self.target.clone())),
            Err(error) => return Err(failed(error.into())),
        }
        let folder = self
            .target
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }
}

/// How the names of what grows end.
pub(super) const PART_END: &str = ".chaski-part";

/// Where a content grows: beside its target, under a name that tells the two apart from any other.
pub(super) fn part_path(target: &Path, root: Root) -> PathBuf {
    /// What a name may have, in bytes.
    const NAME_BYTES_MAX: usize = 255;
    let mark: String = root.to_string().chars().take(MARK_DIGITS).collect();
    let end = format!(".{mark}{PART_END}");
    let name = target.file_name().unwrap_or_default().as_bytes();
    // As much of the name as there is room for, so that people see what it is; the mark makes it the only one.
    let kept = name.len().min(NAME_BYTES_MAX - end.len() - 1);
    let mut part = b".".to_vec();
    part.extend_from_slice(name.get(..kept).unwrap_or_default());
    part.extend_from_slice(end.as_bytes());
    target.with_file_name(std::ffi::OsStr::from_bytes(&part))
}

/// How a file that grows will be called, as far as its name tells.
pub(super) fn whole_name(name: &str) -> Option<&str> {
    let (whole, mark) = name
        .strip_prefix('.')?
        .strip_suffix(PART_END)?
        .rsplit_once('.')?;
    let is_mark = mark.len() == MARK_DIGITS && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_mark.then_some(whole)
}

/// Finds where a file has data, holes left out.
fn extents(file: &File, size: u64) -> io::Result<Vec<Range<u64>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // No data behind it.
            Err(rustix::io::Errno::NXIO) => break,
            // The file system knows no holes: all of it may be data.
            Err(rustix::io::Errno::INVAL) => {
                found.push(at..size);
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(size);
        found.push(start..end);
        at = end;
    }
    Ok(found)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
