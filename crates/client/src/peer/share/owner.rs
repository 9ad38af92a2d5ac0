//! The thread that owns what is known: it looks, decides what is to be hashed, and notes what came of it.

mod look;
mod note;
mod progress;
mod rest;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use self::note::{Noted, Notes};
use self::progress::Meter;
use self::rest::{Resting, Touched};
use super::Hashed;
use super::event::{LeftOut, ShareEvent};
use super::hash::{Fault, Outcome, Pool, Work};
use super::limits::{
    ATTEMPTS_MAX, ATTEMPTS_TOLD, LOOKS_MAX, MESSAGES_MAX, QUIET, SCAN_FAILED, SCAN_UNWATCHED,
    SCAN_WATCHED, SLICES_MAX, TOLD_MAX,
};
use super::walk::{Met, Walk, is_hidden, look};
use super::watch::watch;
use crate::peer::catalog::{Catalog, CatalogError, Content, Found, Known, Share};

/// What the owner is told.
pub(super) enum Message {
    /// Something happened to what is there.
    Touched(PathBuf),
    /// More happened than the system kept.
    Missed,
    /// Not everything is watched.
    WatchFailed(String),
    /// A file was read to its end, or could not be.
    Hashed(Outcome),
    /// A slice was read that is not the last one of its file.
    Sliced,
    /// Look at the flag.
    Stop,
}

/// What the owner is made of.
pub(super) struct Parts {
    pub(super) catalog: Arc<Catalog>,
    pub(super) shares: Vec<Share>,
    pub(super) state: PathBuf,
    pub(super) pool: Pool,
    pub(super) sender: SyncSender<Message>,
    pub(super) inbox: Receiver<Message>,
    pub(super) hashed: Arc<Hashed>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) tell: Box<dyn FnMut(ShareEvent) + Send>,
}

/// A file: the number of its share, and where it is below that folder.
type FileId = (usize, String);

/// A look at everything in a folder.
struct Scan {
    share: usize,
    walk: Walk,
    /// What is known of files that were not met yet; at the end they are gone.
    known: HashMap<String, Known>,
}

pub(super) struct Owner {
    parts: Parts,
    /// Folders to look at, one after the other.
    scans: VecDeque<Scan>,
    /// Files to look at, when there is no scan under way.
    ready: VecDeque<(FileId, Touched)>,
    resting: Resting,
    /// A file whose slices are being handed out, and the next of them.
    slicing: Option<(Arc<Work>, u32)>,
    slices: usize,
    in_flight: HashSet<FileId>,
    notes: Notes,
    meter: Meter,
    scan_due: Instant,
    is_watched: bool,
    /// What was told to be left out.
    told: HashSet<(usize, String)>,
    is_ready: bool,
}

impl Owner {
    pub(super) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            scans: VecDeque::new(),
            ready: VecDeque::new(),
            resting: Resting::default(),
            slicing: None,
            slices: 0,
            in_flight: HashSet::new(),
            notes: Notes::new(parts.shares.len(), now),
            meter: Meter::new(now),
            scan_due: now,
            is_watched: true,
            told: HashSet::new(),
            is_ready: false,
            parts,
        }
    }

    pub(super) fn run(mut self) {
        let folders = self.parts.shares.iter().map(|share| &share.folder);
        // Before the first look, so that nothing is missed between the two.
        let watcher = match watch(folders, self.parts.sender.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                self.unwatched(error.to_string());
                None
            }
        };
        while !self.parts.stop.load(Ordering::Relaxed) {
            let wait = self.step(Instant::now());
            // The owner has a sender itself, so this fails for want of time alone.
            if let Ok(message) = self.parts.inbox.recv_timeout(wait) {
                self.take(message);
            }
            for _ in 0..MESSAGES_MAX {
                match self.parts.inbox.try_recv() {
                    Ok(message) => self.take(message),
                    Err(_) => break,
                }
            }
        }
        self.flush();
        drop(watcher);
        let Parts { inbox, pool, .. } = self.parts;
        // Workers that wait to tell what came of a file need not any more.
        drop(inbox);
        drop(pool);
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Touched(path) => self.touched(&path),
            Message::Missed => self.scan_due = self.scan_due.min(Instant::now() + QUIET),
            Message::WatchFailed(reason) => self.unwatched(reason),
            Message::Hashed(outcome) => {
                self.slices -= 1;
                self.hashed(outcome);
            }
            Message::Sliced => self.slices -= 1,
            Message::Stop => {}
        }
    }

    /// Does what is due, and says how long there is nothing to do but to take messages.
    fn step(&mut self, now: Instant) -> Duration {
        if now >= self.scan_due {
            self.scan_due = now + self.scan_every();
            for share in 0..self.parts.shares.len() {
                self.scan(share, "");
            }
        }
        self.ready.extend(self.resting.take_due(now));
        let has_more = self.feed();
        if self.notes.is_due(now) {
            self.flush();
        }
        if self.slices > 0 {
            let progress = self
                .meter
                .tell(now, &self.parts.hashed, !self.scans.is_empty());
            if let Some(progress) = progress {
                (self.parts.tell)(ShareEvent::Progress(progress));
            }
        }
        if has_more {
            return Duration::ZERO;
        }
        let is_idle = self.slices == 0;
        if is_idle {
            self.flush();
        }
        // A manifest without the files that are about to come to rest would pass for the whole folder.
        let is_settled = is_idle && !self.resting.is_expecting();
        self.collect(now, is_settled);
        if is_idle {
            self.tell_ready();
        }
        let times = [
            Some(self.scan_due),
            self.resting.next(),
            self.notes.next(),
            (!is_idle).then(|| self.meter.next()),
        ];
        let next = times.into_iter().flatten().min();
        next.map_or(QUIET, |next| next.saturating_duration_since(now))
    }

    const fn scan_every(&self) -> Duration {
        if self.is_watched {
            SCAN_WATCHED
        } else {
            SCAN_UNWATCHED
        }
    }

    fn unwatched(&mut self, reason: String) {
        if self.is_watched {
            self.is_watched = false;
            self.scan_due = self.scan_due.min(Instant::now() + SCAN_UNWATCHED);
            (self.parts.tell)(ShareEvent::Unwatched { reason });
        }
    }

    fn tell_ready(&mut self) {
        if self.is_ready || self.resting.is_expecting() || self.notes.is_collecting() {
            return;
        }
        self.is_ready = true;
        self.meter.reset(&self.parts.hashed);
        match self.parts.catalog.totals() {
            Ok((files, bytes)) => (self.parts.tell)(ShareEvent::Ready { files, bytes }),
            Err(error) => self.failed(error),
        }
    }

    /// Notes that something happened to a path.
    fn touched(&mut self, path: &Path) {
        let below = |share: &Share| Some(path.strip_prefix(&share.folder).ok()?.to_owned());
        let found = self.parts.shares.iter().enumerate();
        let Some((share, relative)) = found
            .filter_map(|(index, share)| Some((index, below(share)?)))
            .next()
        else {
            return;
        };
        let bytes = relative.as_os_str().as_bytes();
        if bytes.is_empty() {
            self.scan_due = self.scan_due.min(Instant::now() + QUIET);
        } else if is_hidden(bytes) {
            // Such as those that are being fetched.
        } else if let Some(relative) = relative.to_str() {
            self.resting
                .touch((share, relative.to_owned()), Instant::now());
        } else if let Ok(metadata) = fs::symlink_metadata(path)
            && let Met::LeftOut(shown, reason) = look(bytes, metadata)
        {
            self.leave_out(share, shown, reason);
        }
    }

    /// Begins to look at everything in a folder of a share.
    fn scan(&mut self, share: usize, below: &str) {
        self.flush();
        let place = &self.parts.shares[share];
        let folder = if below.is_empty() {
            place.folder.clone()
        } else {
            place.folder.join(below)
        };
        let known = match self.parts.catalog.known(place.id, &folder) {
            Ok(known) => known,
            Err(error) => return self.failed(error),
        };
        let known = if below.is_empty() {
            known
        } else {
            let whole = |(path, known)| (format!("{below}/{path}"), known);
            known.into_iter().map(whole).collect()
        };
        self.scans.push_back(Scan {
            share,
            walk: Walk::new(&place.folder, below),
            known,
        });
        self.is_ready = false;
    }

    /// Looks at some files and hands out slices; tells whether it could go on.
    fn feed(&mut self) -> bool {
        for _ in 0..LOOKS_MAX {
            if self.slices >= SLICES_MAX {
                return false;
            }
            if let Some((work, number)) = self.slicing.take() {
                if let Some(slice) = work.slice(number) {
                    self.slices += 1;
                    self.parts.pool.give(slice);
                    self.slicing = Some((work, number + 1));
                }
            } else if let Some(scan) = self.scans.front_mut() {
                let share = scan.share;
                match scan.walk.next() {
                    Some(Met::File(path, metadata)) => {
                        let known = scan.known.remove(path.as_str());
                        self.consider(share, &path, &metadata, known, 0);
                    }
                    Some(Met::Folder(..)) => {}
                    Some(Met::LeftOut(shown, reason)) => self.leave_out(share, shown, reason),
                    None => self.end_scan(),
                }
            } else if let Some(((share, path), touched)) = self.ready.pop_front() {
                self.is_ready = false;
                self.look_at(share, &path, touched);
            } else {
                return false;
            }
        }
        true
    }

    fn end_scan(&mut self) {
        if let Some(scan) = self.scans.pop_front() {
            let gone: Vec<String> = scan.known.into_keys().collect();
            self.gone(scan.share, gone);
        }
    }

    fn hashed(&mut self, Outcome { work, result }: Outcome) {
        let task = &work.task;
        let id = (task.share, task.relative.clone());
        self.in_flight.remove(&id);
        match result {
            Ok(outline) => self.note(Noted {
                share: task.share,
                size: task.shape.size(),
                root: outline.root(),
                is_told: true,
                found: Found {
                    relative: id.1,
                    stamp: task.stamp,
                    mode: task.mode,
                    content: Content::Hashed(outline),
                },
            }),
            Err(Fault::Changed) => {
                let attempts = task.attempts + 1;
                let wait = QUIET * (1 << task.attempts.min(ATTEMPTS_MAX));
                self.resting
                    .postpone(id, Instant::now() + wait, attempts, false);
                if attempts == ATTEMPTS_TOLD {
                    let path = self.shown(task.share, &task.relative);
                    (self.parts.tell)(ShareEvent::Restless { path });
                }
            }
            Err(Fault::Unreadable(error)) => {
                let shown = files::path::escape(&task.relative);
                self.leave_out(task.share, shown, LeftOut::Unreadable(error));
                self.gone_below(task.share, &task.relative);
            }
            Err(Fault::Stopped) => {}
        }
    }

    /// Tells once that something is left out.
    fn leave_out(&mut self, share: usize, shown: String, reason: LeftOut) {
        if self.told.len() == TOLD_MAX {
            self.told.clear();
        }
        if self.told.insert((share, shown.clone())) {
            let path = self.shown(share, &shown);
            (self.parts.tell)(ShareEvent::LeftOut { path, reason });
        }
    }

    fn failed(&mut self, error: CatalogError) {
        self.scan_due = self.scan_due.min(Instant::now() + SCAN_FAILED);
        (self.parts.tell)(ShareEvent::Failed { error });
    }

    fn shown(&self, share: usize, relative: &str) -> String {
        format!("{}/{relative}", self.parts.shares[share].label)
    }
}
