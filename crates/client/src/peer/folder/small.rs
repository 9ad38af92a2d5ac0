//! Many contents of at most one group: asked for over one stream to each source, as many ahead as it has shown to be worth. At the end, those
//! who have nothing to do are asked for what the others still owe.

mod line;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use files::content::Root;
use tokio::sync::mpsc;

use super::progress::Meter;
use super::{FolderError, failed};
use crate::peer::download::{Means, SourcePeer};
use crate::peer::limits::{ANSWER_TIMEOUT, ANSWER_TIMEOUT_MAX};
use line::Line;

/// Files that a source is asked for before it has sent any, and at most asked for a second time.
const FILES_AT_FIRST: usize = 16;
/// Files that one source is asked for ahead.
const FILES_AHEAD: usize = 256;
/// The bytes that go with each of them.
const BYTES_PER_FILE: u64 = 16 << 10;
/// Events that may wait.
const EVENTS: usize = 1_024;

/// A file to be fetched.
#[derive(Debug, Clone)]
pub(super) struct SmallFile {
    pub(super) place: PathBuf,
    pub(super) size: u64,
    pub(super) root: Root,
}

/// What an earlier download left.
pub(super) struct Left {
    pub(super) missing: Vec<SmallFile>,
    pub(super) recovered: u64,
}

/// Tells which files are not there yet; empty ones are made.
pub(super) fn missing(files: Vec<SmallFile>) -> Result<Left, FolderError> {
    let mut left = Left {
        missing: Vec::new(),
        recovered: 0,
    };
    for file in files {
        let is_it = |bytes: Vec<u8>| Root::of(&bytes) == file.root;
        if fs::read(&file.place).is_ok_and(is_it) {
            left.recovered += file.size;
        } else if file.size == 0 && file.root == Root::of(b"") {
            fs::write(&file.place, b"").map_err(failed(&file.place))?;
        } else {
            left.missing.push(file);
        }
    }
    Ok(left)
}

/// Whether a source may be one again.
enum Fate {
    /// It may.
    Lost,
    /// It may, and is waited for longer.
    Silent,
    /// Never.
    Liar,
}

/// What a line tells.
enum Event {
    /// It is spoken to, this way.
    Way { is_relayed: bool },
    /// A file is written.
    Written(usize),
    /// A file came that another source had sent meanwhile.
    Again(usize),
    /// The source does not have it.
    Missing(usize),
    /// The source is none any more: why, and what it was asked for.
    Gone {
        why: String,
        asked: Vec<usize>,
        is: Fate,
    },
    /// Our own disk fails.
    Disk(PathBuf, io::Error),
}

/// Files that came, each once.
#[derive(Debug, Clone)]
struct Came(Arc<[AtomicBool]>);

impl Came {
    fn of(files: usize) -> Self {
        Self((0..files).map(|_| AtomicBool::new(false)).collect())
    }

    /// Notes that a file came; tells whether it had not before.
    fn is_first(&self, file: usize) -> bool {
        let came = self.0.get(file);
        came.is_some_and(|came| !came.swap(true, Ordering::Relaxed))
    }

    fn contains(&self, file: usize) -> bool {
        let came = self.0.get(file);
        came.is_some_and(|came| came.load(Ordering::Relaxed))
    }
}

/// A source while it is one.
struct Active {
    name: String,
    meter: Meter,
    /// Whether it is reached through the server, once it is spoken to.
    is_relayed: Option<bool>,
    files: mpsc::UnboundedSender<(usize, SmallFile)>,
    asked: BTreeSet<usize>,
    bytes: u64,
    /// Files that it may be asked for ahead: the more it sends, the more.
    ahead: usize,
    /// Files that it does not have.
    lacks: BTreeSet<usize>,
}

impl Active {
    fn may_be_asked(&self) -> bool {
        self.asked.len() < self.ahead && self.bytes < BYTES_PER_FILE * self.ahead as u64
    }

    /// Asks it for a file, unless it lacks that or its line has ended.
    fn ask(&mut self, number: usize, file: &SmallFile) -> bool {
        if self.lacks.contains(&number) || self.files.send((number, file.clone())).is_err() {
            return false;
        }
        self.asked.insert(number);
        self.bytes += file.size;
        true
    }
}

/// The files, and who is asked for them.
pub(super) struct Small {
    collection: Root,
    files: Vec<SmallFile>,
    /// What nobody is asked for.
    open: VecDeque<usize>,
    /// What two are asked for.
    twice: BTreeSet<usize>,
    came: Came,
    left: usize,
    active: BTreeMap<[u8; 32], Active>,
    liars: BTreeSet<[u8; 32]>,
    /// How long those may stand still that did so before; as long as is usual otherwise.
    patience: BTreeMap<[u8; 32], Duration>,
    why: Option<String>,
    /// Sources that are none any more, and why; not told yet.
    lost: Vec<(String, String)>,
    means: Means,
    events: mpsc::Sender<([u8; 32], Event)>,
    inbox: mpsc::Receiver<([u8; 32], Event)>,
}

impl Small {
    pub(super) fn new(collection: Root, files: Vec<SmallFile>, means: Means) -> Self {
        let (events, inbox) = mpsc::channel(EVENTS);
        Self {
            collection,
            open: (0..files.len()).collect(),
            twice: BTreeSet::new(),
            came: Came::of(files.len()),
            left: files.len(),
            files,
            active: BTreeMap::new(),
            liars: BTreeSet::new(),
            patience: BTreeMap::new(),
            why: None,
            lost: Vec::new(),
            means,
            events,
            inbox,
        }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Whether nobody can be asked.
    pub(super) fn is_alone(&self) -> bool {
        self.active.is_empty()
    }

    pub(super) fn why(&self) -> String {
        let why = self.why.as_deref();
        why.map_or_else(String::new, |why| format!("; {why}"))
    }

    /// Those who are spoken to, with their bytes per second.
    pub(super) fn sources(&self) -> Vec<(String, u64)> {
        let spoken_to = self.active.values().filter(|one| one.is_relayed.is_some());
        let sources = spoken_to.map(|one| (one.name.clone(), one.meter.rate()));
        sources.collect()
    }

    /// How many of them are reached through the server.
    pub(super) fn relayed(&self) -> usize {
        let relayed = |one: &&Active| one.is_relayed == Some(true);
        self.active.values().filter(relayed).count()
    }

    /// Sources that were lost since this was asked last.
    pub(super) fn take_lost(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.lost)
    }

    /// Speaks to a source, unless it is spoken to or lied.
    pub(super) fn connect(&mut self, peer: SourcePeer) {
        let key = *peer.key.as_bytes();
        if self.active.contains_key(&key) || self.liars.contains(&key) {
            return;
        }
        let (files, wanted) = mpsc::unbounded_channel();
        let active = Active {
            name: peer.name.clone(),
            meter: Meter::new(),
            is_relayed: None,
            files,
            asked: BTreeSet::new(),
            bytes: 0,
            ahead: FILES_AT_FIRST,
            lacks: BTreeSet::new(),
        };
        self.active.insert(key, active);
        let line = Line {
            key,
            peer,
            collection: self.collection,
            wanted,
            asked: BTreeMap::new(),
            came: self.came.clone(),
            patience: self.patience.get(&key).copied().unwrap_or(ANSWER_TIMEOUT),
            events: self.events.clone(),
            means: self.means.clone(),
        };
        tokio::spawn(line.run());
        self.ask();
    }

    /// Gives every source as much to do as it may have.
    fn ask(&mut self) {
        for active in self.active.values_mut() {
            // What it lacks goes to the end, for another.
            for _ in 0..self.open.len() {
                if !active.may_be_asked() {
                    break;
                }
                let Some(next) = self.open.pop_front() else {
                    break;
                };
                if let Some(file) = self.files.get(next)
                    && !active.ask(next, file)
                {
                    self.open.push_back(next);
                }
            }
        }
        self.ask_twice();
    }

    /// Asks those who have nothing to do for what others still owe; for each file once.
    fn ask_twice(&mut self) {
        let is_idle = |active: &&mut Active| active.asked.is_empty();
        if self.active.len() < 2 || !self.active.values_mut().any(|active| is_idle(&active)) {
            return;
        }
        let owed: Vec<usize> = self
            .active
            .values()
            .flat_map(|active| active.asked.iter().rev().copied())
            .collect();
        for active in self.active.values_mut().filter(is_idle) {
            for &owed in &owed {
                if active.asked.len() >= FILES_AT_FIRST {
                    break;
                }
                let is_due = !self.twice.contains(&owed) && !self.came.contains(owed);
                if let Some(file) = self.files.get(owed).filter(|_| is_due)
                    && active.ask(owed, file)
                {
                    self.twice.insert(owed);
                }
            }
        }
    }

    /// Waits for something to happen; tells how many bytes came.
    pub(super) async fn next(&mut self) -> Result<u64, FolderError> {
        let Some((key, event)) = self.inbox.recv().await else {
            return Ok(0);
        };
        let mut came = 0;
        match event {
            Event::Way { is_relayed } => {
                if let Some(active) = self.active.get_mut(&key) {
                    active.is_relayed = Some(is_relayed);
                }
            }
            Event::Written(file) => {
                came = self.settle(key, file);
                if let Some(active) = self.active.get_mut(&key) {
                    active.meter.add(came);
                }
                self.left -= 1;
            }
            Event::Again(file) => drop(self.settle(key, file)),
            Event::Missing(file) => {
                self.settle(key, file);
                self.give_back(file);
                self.lack(key, file);
            }
            Event::Gone { why, asked, is } => {
                self.lose(key, why);
                match is {
                    Fate::Lost => {}
                    Fate::Silent => {
                        let patience = self.patience.entry(key).or_insert(ANSWER_TIMEOUT);
                        *patience = (*patience * 2).min(ANSWER_TIMEOUT_MAX);
                    }
                    Fate::Liar => drop(self.liars.insert(key)),
                }
                asked.into_iter().for_each(|file| self.give_back(file));
            }
            Event::Disk(path, error) => return Err(failed(&path)(error)),
        }
        self.ask();
        Ok(came)
    }

    /// A source has one file less to send; tells its bytes.
    fn settle(&mut self, key: [u8; 32], file: usize) -> u64 {
        let bytes = self.files.get(file).map_or(0, |file| file.size);
        if let Some(active) = self.active.get_mut(&key)
            && active.asked.remove(&file)
        {
            active.bytes -= bytes;
            let more = 1 + usize::try_from(bytes / BYTES_PER_FILE).unwrap_or(FILES_AHEAD);
            active.ahead = (active.ahead + more).min(FILES_AHEAD);
        }
        bytes
    }

    /// A file that a source was asked for is to be asked for again, unless it came or another is asked for it.
    fn give_back(&mut self, file: usize) {
        self.twice.remove(&file);
        let is_asked = self
            .active
            .values()
            .any(|active| active.asked.contains(&file));
        if !is_asked && !self.came.contains(file) {
            self.open.push_back(file);
        }
    }

    /// Notes what a source does not have; one that lacks all that is left is none.
    fn lack(&mut self, key: [u8; 32], file: usize) {
        let Some(active) = self.active.get_mut(&key) else {
            return;
        };
        active.lacks.insert(file);
        let (is_idle, lacks) = (active.asked.is_empty(), active.lacks.clone());
        let owed = self.active.values().flat_map(|active| &active.asked);
        if is_idle
            && self
                .open
                .iter()
                .chain(owed)
                .all(|file| lacks.contains(file))
        {
            self.lose(key, "the files are not there any more".to_owned());
        }
    }

    fn lose(&mut self, key: [u8; 32], why: String) {
        if let Some(active) = self.active.remove(&key) {
            self.why = Some(format!("{}: {why}", active.name));
            self.lost.push((active.name, why));
        }
    }
}

#[cfg(test)]
mod tests;
