//! Threads that read files and hash them, slice by slice.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use files::content::{Chaining, Outline, Shape};
use files::limits::GROUP_BYTES;
use rustix::fs::OFlags;

use super::Hashed;
use super::limits::{BUFFER_BYTES, SLICE_BYTES, SLICES_MAX};
use super::owner::Message;
use crate::peer::catalog::Stamp;

/// A file that is to be hashed.
#[derive(Debug)]
pub(super) struct Task {
    /// Which of the shares it is in.
    pub(super) share: usize,
    /// Where, below the share's folder.
    pub(super) relative: String,
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) mode: u32,
    pub(super) shape: Shape,
    /// How often it was hashed in vain.
    pub(super) attempts: u32,
}

/// What came of it.
pub(super) struct Outcome {
    pub(super) work: Arc<Work>,
    pub(super) result: Result<Box<Outline>, Fault>,
}

/// Why it could not be hashed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is another file than before, or has other bytes.
    Changed,
    Unreadable(io::Error),
    /// Nobody waits for it.
    Stopped,
}

/// A file on its way through the workers.
pub(super) struct Work {
    pub(super) task: Task,
    file: OnceLock<Option<File>>,
    values: Mutex<Vec<Chaining>>,
    fault: Mutex<Option<Fault>>,
    slices_left: AtomicU32,
}

/// Groups of a slice.
#[expect(clippy::cast_possible_truncation, reason = "64")]
const SLICE_GROUPS: u32 = (SLICE_BYTES / GROUP_BYTES) as u32;
/// Groups that are read at once.
#[expect(clippy::cast_possible_truncation, reason = "4")]
const BUFFER_GROUPS: u32 = (BUFFER_BYTES as u64 / GROUP_BYTES) as u32;

impl Work {
    pub(super) fn new(task: Task) -> Arc<Self> {
        let groups = task.shape.groups();
        Arc::new(Self {
            file: OnceLock::new(),
            values: Mutex::new(vec![Chaining::default(); groups as usize]),
            fault: Mutex::new(None),
            slices_left: AtomicU32::new(Self::slices(groups)),
            task,
        })
    }

    /// How many slices a content has: one at least, so that an empty file is looked at, too.
    const fn slices(groups: u32) -> u32 {
        let slices = groups.div_ceil(SLICE_GROUPS);
        if slices == 0 { 1 } else { slices }
    }

    /// The slice with this number; none behind the last.
    pub(super) fn slice(self: &Arc<Self>, number: u32) -> Option<Slice> {
        let groups = self.task.shape.groups();
        (number < Self::slices(groups)).then(|| Slice {
            work: Arc::clone(self),
            groups: number * SLICE_GROUPS..((number + 1) * SLICE_GROUPS).min(groups),
        })
    }

    fn fail(&self, fault: Fault) {
        lock(&self.fault).get_or_insert(fault);
    }

    /// The file, if it is the one that was seen; opened by whoever comes first.
    fn open(&self) -> Option<&File> {
        let open = || {
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(flags.bits().cast_signed())
                .open(&self.task.path);
            match file {
                Ok(file) if self.is_same(&file) => Some(file),
                Ok(_) => {
                    self.fail(Fault::Changed);
                    None
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.fail(Fault::Changed);
                    None
                }
                Err(error) => {
                    self.fail(Fault::Unreadable(error));
                    None
                }
            }
        };
        self.file.get_or_init(open).as_ref()
    }

    fn is_same(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|metadata| {
            metadata.is_file()
                && metadata.len() == self.task.shape.size()
                && Stamp::of(&metadata) == self.task.stamp
        })
    }

    /// Ends with the outline, once every slice was read.
    fn finish(&self) -> Result<Box<Outline>, Fault> {
        if let Some(file) = self.open()
            && !self.is_same(file)
        {
            self.fail(Fault::Changed);
        }
        if let Some(fault) = lock(&self.fault).take() {
            return Err(fault);
        }
        let values = std::mem::take(&mut *lock(&self.values));
        let outline = Outline::new(self.task.shape, values);
        outline.map(Box::new).map_err(|_| Fault::Changed)
    }
}

/// A part of a file that one worker reads.
pub(super) struct Slice {
    work: Arc<Work>,
    groups: Range<u32>,
}

/// The threads.
pub(super) struct Pool {
    slices: Option<SyncSender<Slice>>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn start(
        count: usize,
        outcomes: &SyncSender<Message>,
        hashed: &Arc<Hashed>,
        stop: &Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let (sender, slices) = sync_channel(SLICES_MAX);
        let slices = Arc::new(Mutex::new(slices));
        let mut pool = Self {
            slices: Some(sender),
            workers: Vec::new(),
        };
        for _ in 0..count {
            let worker = Worker {
                slices: Arc::clone(&slices),
                outcomes: outcomes.clone(),
                hashed: Arc::clone(hashed),
                stop: Arc::clone(stop),
                buffer: vec![0; BUFFER_BYTES],
                values: Vec::new(),
            };
            let thread = thread::Builder::new().name("hash".to_owned());
            pool.workers.push(thread.spawn(move || worker.run())?);
        }
        Ok(pool)
    }

    /// Hands over a slice; there are never more than [`SLICES_MAX`], so it does not wait.
    pub(super) fn give(&self, slice: Slice) {
        if let Some(slices) = &self.slices {
            // It fails only if every worker has panicked.
            let _ = slices.send(slice);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.slices = None;
        for worker in self.workers.drain(..) {
            // A panic of the thread was printed where it happened.
            let _ = worker.join();
        }
    }
}

struct Worker {
    slices: Arc<Mutex<Receiver<Slice>>>,
    outcomes: SyncSender<Message>,
    hashed: Arc<Hashed>,
    stop: Arc<AtomicBool>,
    buffer: Vec<u8>,
    values: Vec<Chaining>,
}

impl Worker {
    fn run(mut self) {
        loop {
            let slice = lock(&self.slices).recv();
            let Ok(Slice { work, groups }) = slice else {
                return;
            };
            if let Err(fault) = self.read(&work, groups) {
                work.fail(fault);
            }
            let is_last = work.slices_left.fetch_sub(1, Ordering::AcqRel) == 1;
            let message = if is_last {
                let result = work.finish();
                self.hashed
                    .files
                    .fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
                Message::Hashed(Outcome { work, result })
            } else {
                Message::Sliced
            };
            if self.outcomes.send(message).is_err() {
                return;
            }
        }
    }

    fn read(&mut self, work: &Work, groups: Range<u32>) -> Result<(), Fault> {
        let Some(file) = work.open() else {
            return Ok(());
        };
        let shape = work.task.shape;
        self.values.clear();
        let mut at = groups.start;
        while at < groups.end {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            let end = (at + BUFFER_GROUPS).min(groups.end);
            let place = shape.bytes_of(at..end);
            // At most a buffer's length.
            let buffer = &mut self.buffer[..(place.end - place.start) as usize];
            file.read_exact_at(buffer, place.start).map_err(fault_of)?;
            let known = self.values.len();
            self.values
                .resize(known + (end - at) as usize, Chaining::default());
            let hashed = shape.hash_groups(at, buffer, &mut self.values[known..]);
            hashed.map_err(|_| Fault::Changed)?;
            self.hashed
                .bytes
                .fetch_add(buffer.len() as u64, Ordering::Relaxed);
            at = end;
        }
        lock(&work.values)[groups.start as usize..groups.end as usize]
            .copy_from_slice(&self.values);
        Ok(())
    }
}

/// A file that ends early was changed.
fn fault_of(error: io::Error) -> Fault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Fault::Changed
    } else {
        Fault::Unreadable(error)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
