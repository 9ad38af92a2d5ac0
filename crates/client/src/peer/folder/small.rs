//! Many contents of at most one group: asked for over one stream to each source, some thousand bytes and files ahead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use files::content::Root;
use rpc::v1::fetch_request::Ask;
use rpc::v1::fetch_response::Answer;
use rpc::v1::{FetchRequest, Groups, Open, RefusedReason};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::progress::Meter;
use super::{FolderError, failed};
use crate::peer::download::{Lie, Means, SourcePeer};
use crate::peer::limits::{ANSWER_TIMEOUT, ANSWER_TIMEOUT_MAX};
use crate::peer::source::{Heard, SourceError, Talk};

/// Files that one source is asked for ahead.
const FILES_AHEAD: usize = 256;
/// Their bytes.
const BYTES_AHEAD: u64 = 4 << 20;
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

/// A source while it is one.
struct Active {
    name: String,
    meter: Meter,
    /// Whether it is reached through the server, once it is spoken to.
    is_relayed: Option<bool>,
    files: mpsc::UnboundedSender<(usize, SmallFile)>,
    asked: usize,
    bytes: u64,
    /// Files that it does not have.
    lacks: BTreeSet<usize>,
}

/// The files, and who is asked for them.
pub(super) struct Small {
    collection: Root,
    files: Vec<SmallFile>,
    /// What nobody is asked for.
    open: VecDeque<usize>,
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
            asked: 0,
            bytes: 0,
            lacks: BTreeSet::new(),
        };
        self.active.insert(key, active);
        let line = Line {
            key,
            peer,
            collection: self.collection,
            wanted,
            asked: BTreeMap::new(),
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
                if active.asked >= FILES_AHEAD || active.bytes >= BYTES_AHEAD {
                    break;
                }
                let Some(next) = self.open.pop_front() else {
                    break;
                };
                let Some(file) = self.files.get(next) else {
                    continue;
                };
                if active.lacks.contains(&next) || active.files.send((next, file.clone())).is_err()
                {
                    self.open.push_back(next);
                    continue;
                }
                active.asked += 1;
                active.bytes += file.size;
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
            Event::Missing(file) => {
                self.settle(key, file);
                self.open.push_back(file);
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
                self.open.extend(asked);
            }
            Event::Disk(path, error) => return Err(failed(&path)(error)),
        }
        self.ask();
        Ok(came)
    }

    /// A source has one file less to send; tells its bytes.
    fn settle(&mut self, key: [u8; 32], file: usize) -> u64 {
        let bytes = self.files.get(file).map_or(0, |file| file.size);
        if let Some(active) = self.active.get_mut(&key) {
            active.asked -= 1;
            active.bytes -= bytes;
        }
        bytes
    }

    /// Notes what a source does not have; one that lacks all that is left is none.
    fn lack(&mut self, key: [u8; 32], file: usize) {
        let Some(active) = self.active.get_mut(&key) else {
            return;
        };
        active.lacks.insert(file);
        let lacks = &active.lacks;
        if active.asked == 0 && self.open.iter().all(|file| lacks.contains(file)) {
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

/// A line is to be given up.
enum End {
    Lost(String),
    Silent,
    Lied,
}

/// The line to one source.
struct Line {
    key: [u8; 32],
    peer: SourcePeer,
    collection: Root,
    wanted: mpsc::UnboundedReceiver<(usize, SmallFile)>,
    /// What it was asked for, by the number in the stream.
    asked: BTreeMap<u32, (usize, SmallFile)>,
    /// How long it may send nothing that it was asked for.
    patience: Duration,
    events: mpsc::Sender<([u8; 32], Event)>,
    means: Means,
}

impl Line {
    async fn run(mut self) {
        let (why, is) = match self.speak().await {
            Ok(()) => ("it has ended the stream".to_owned(), Fate::Lost),
            Err(End::Lost(why)) => (why, Fate::Lost),
            Err(End::Silent) => ("it does not answer".to_owned(), Fate::Silent),
            Err(End::Lied) => ("it sent what is not the content".to_owned(), Fate::Liar),
        };
        let asked = std::mem::take(&mut self.asked);
        let mut asked: Vec<_> = asked.into_values().map(|(file, _)| file).collect();
        self.wanted.close();
        while let Ok((file, _)) = self.wanted.try_recv() {
            asked.push(file);
        }
        let gone = Event::Gone { why, asked, is };
        // Nobody is left to be told.
        let _ = self.events.send((self.key, gone)).await;
    }

    async fn speak(&mut self) -> Result<(), End> {
        let opened = Talk::open(&self.peer, self.patience).await;
        let mut talk = opened.map_err(|error| match error {
            SourceError::Silent => End::Silent,
            SourceError::Unreachable { .. }
            | SourceError::NoAddress
            | SourceError::NoWay { .. }
            | SourceError::Refused(_)
            | SourceError::Lost(_) => End::Lost(error.to_string()),
        })?;
        self.tell_way(&talk).await?;
        let mut next = 0_u32;
        // Since when something is due and nothing came.
        let mut waits_since = Instant::now();
        loop {
            tokio::select! {
                heard = talk.hear() => match heard {
                    Ok(Some(Heard::Answer(answer))) => {
                        self.take(answer.content, answer.answer).await?;
                        waits_since = Instant::now();
                    }
                    // Each file is opened by itself.
                    Ok(Some(Heard::Moved)) => self.tell_way(&talk).await?,
                    Ok(None) => return Ok(()),
                    Err(error) => return Err(End::Lost(error.to_string())),
                },
                file = self.wanted.recv() => match file {
                    Some((number, file)) => {
                        next = next.wrapping_add(1);
                        if self.asked.is_empty() {
                            waits_since = Instant::now();
                        }
                        self.ask(&talk, next, &file).await?;
                        self.asked.insert(next, (number, file));
                    }
                    None => return Ok(()),
                },
                () = sleep_until(waits_since + self.patience), if !self.asked.is_empty() => {
                    return Err(End::Silent);
                }
            }
        }
    }

    async fn tell_way(&self, talk: &Talk) -> Result<(), End> {
        let is_relayed = talk.is_relayed();
        self.tell(Event::Way { is_relayed }).await
    }

    async fn tell(&self, event: Event) -> Result<(), End> {
        let told = self.events.send((self.key, event)).await;
        told.map_err(|_| End::Lost("nobody wants it any more".to_owned()))
    }

    async fn ask(&self, talk: &Talk, content: u32, file: &SmallFile) -> Result<(), End> {
        let (ticket, secret) = self.peer.permission.shown();
        let open = Open {
            root: file.root.as_bytes().to_vec(),
            ticket,
            secret,
            collection: self.collection.as_bytes().to_vec(),
        };
        let groups = Groups { first: 0, count: 1 };
        for ask in [Ask::Open(open), Ask::Groups(groups), Ask::Close(true)] {
            let request = FetchRequest {
                content,
                ask: Some(ask),
            };
            let asked = talk.ask(request).await;
            asked.map_err(|error| End::Lost(error.to_string()))?;
        }
        Ok(())
    }

    async fn take(&mut self, content: u32, answer: Option<Answer>) -> Result<(), End> {
        let event = match answer {
            Some(Answer::Group(group)) => {
                let Some((number, file)) = self.asked.remove(&content) else {
                    // It could go on with that for ever.
                    return Err(End::Lied);
                };
                if Root::of(&group.data) != file.root {
                    if let Some(liars) = &self.means.liars {
                        let (key, root) = (self.peer.key, file.root);
                        // Whoever wanted to know may have gone.
                        let _ = liars.send(Lie { key, root });
                    }
                    self.asked.insert(content, (number, file));
                    return Err(End::Lied);
                }
                let wait = self.means.throttle.take(file.size);
                if !wait.is_zero() {
                    // What is not read here is not sent there.
                    sleep(wait).await;
                }
                // One that is there already is the same, or was cut by a crash.
                match fs::write(&file.place, &group.data) {
                    Ok(()) => Event::Written(number),
                    Err(error) => Event::Disk(file.place, error),
                }
            }
            Some(Answer::Refused(refused)) => match refused.reason() {
                RefusedReason::NotHere | RefusedReason::Changed | RefusedReason::NotYet => {
                    let Some((number, _)) = self.asked.remove(&content) else {
                        return Ok(());
                    };
                    Event::Missing(number)
                }
                RefusedReason::Unspecified
                | RefusedReason::Ticket
                | RefusedReason::Busy
                | RefusedReason::Invalid
                | RefusedReason::Disk => return Err(End::Lost(refused.text)),
            },
            Some(Answer::Opened(_) | Answer::Segment(_)) | None => return Ok(()),
        };
        self.tell(event).await
    }
}
