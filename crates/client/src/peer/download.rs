//! One download: sources come and go, the plan says what to ask of whom, and the sink keeps what is right.
//!
//! A task for each source speaks to it, checks what comes and writes it; one more owns the plan. It goes on while there is hope: sources
//! that are lost come back by [`Download::sources`], and a source that lied is never asked again.
//!
//! Start reading at [`Download::run`].

mod due;
mod growth;
mod line;
mod owner;
#[cfg(test)]
pub(super) mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use files::content::{Root, Shape};
use tokio::sync::{mpsc, watch};
use tokio::time::{interval, sleep_until};

use super::catalog::Catalog;
use super::identity::Fingerprint;
use super::limits::SOURCES_TIMEOUT;
use super::relay::Detour;
use super::sink::{SinkError, part_path};
use super::source::Permission;
use super::throttle::Throttle;
use owner::Owner;

/// How often it is told how far the download is.
const TELL_INTERVAL: Duration = Duration::from_millis(100);

/// How often it is noted what others may have of it already.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// What is to be fetched.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The content.
    pub root: Root,
    /// Its bytes, as the server has it; sources that say otherwise are no sources.
    pub size: u64,
    /// The collection that the permissions are for, if the content is a part of one.
    pub collection: Option<Root>,
    /// Where it goes.
    pub target: PathBuf,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
}

/// How it is fetched.
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// Distinguishes downloads of the same content, so that they begin at different places.
    pub seed: u64,
    /// The rate that is kept, with whoever else shares it.
    pub throttle: Arc<Throttle>,
    /// Where it is noted what is here, if a peer of ours may give it to others meanwhile.
    pub catalog: Option<Arc<Catalog>>,
    /// Told of those who sent what was not the content, as soon as they did.
    pub liars: Option<mpsc::UnboundedSender<Lie>>,
}

/// Somebody sent what was not the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    /// Who.
    pub key: Fingerprint,
    /// What was asked for; of a part of a collection that, for which the permission was given.
    pub root: Root,
}

/// A peer that has it.
#[derive(Debug, Clone)]
pub struct SourcePeer {
    /// What people call it: `account/peer`.
    pub name: String,
    /// Where it listens, `host:port`.
    pub addresses: Vec<String>,
    /// The hash of its key.
    pub key: Fingerprint,
    /// What to show it.
    pub permission: Permission,
    /// How it is reached when none of its addresses answers.
    pub detour: Option<Detour>,
}

/// How far a download is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes that are here and checked.
    pub bytes: u64,
    /// Bytes that it has, once that is known: of a folder, those of all its files.
    pub total: Option<u64>,
    /// Bytes per second, at the moment.
    pub rate: u64,
    /// Time that is left at that rate, in milliseconds.
    pub remaining_ms: Option<u64>,
    /// Sources that send, by name, with their bytes per second.
    pub sources: Vec<(String, u64)>,
    /// How many of them are reached through the server.
    pub relayed: usize,
    /// What became of sources that are none any more, the latest last; only the last ones are kept.
    pub lost: Vec<(String, String)>,
    /// How many there were, with those that are not kept any more.
    pub lost_count: usize,
}

/// How a download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Bytes that an earlier download had left.
    pub recovered: u64,
    /// How long it took.
    pub time: Duration,
    /// Those who sent what was not the content.
    pub liars: Vec<Fingerprint>,
}

/// Why a download did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The place where it goes.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The size is none that a content can have.
    #[error("a content cannot have {0} bytes")]
    Size(u64),
    /// Nobody finds sources any more.
    #[error("no peer that has it can be reached{0}")]
    NoSource(String),
}

/// A download.
pub struct Download {
    /// What is fetched.
    pub wanted: Wanted,
    /// Peers that have it, as they are found; a peer that is named again is tried again, unless it lied. When the channel closes and the
    /// last of them is gone, the download ends.
    pub sources: mpsc::Receiver<SourcePeer>,
    /// Told how far it is, ten times a second.
    pub status: watch::Sender<Status>,
    /// How it is fetched.
    pub means: Means,
}

impl Download {
    /// Fetches the content.
    ///
    /// # Durability
    /// On success it is on disk under its name. Otherwise what is there stays beside the target, and another download goes on with it.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub async fn run(self) -> Result<Fetched, DownloadError> {
        let Self {
            wanted,
            sources,
            status,
            means,
        } = self;
        let shape = Shape::new(wanted.size).map_err(|_| DownloadError::Size(wanted.size))?;
        let (events, mut inbox) = mpsc::channel(line::EVENTS);
        let mut owner = Owner::new(wanted, shape, means, events);
        match attend(&mut owner, sources, &mut inbox, &status).await {
            Ok(()) => {
                drop(status.send_replace(owner.status()));
                owner.finish().await
            }
            Err(error) => {
                drop(owner);
                // What is being written is, before somebody goes on with the file: it ends with the last who could tell of it.
                while inbox.recv().await.is_some() {}
                Err(error)
            }
        }
    }
}

/// Does what is to be done until everything is there.
async fn attend(
    owner: &mut Owner,
    mut sources: mpsc::Receiver<SourcePeer>,
    inbox: &mut mpsc::Receiver<line::Event>,
    status: &watch::Sender<Status>,
) -> Result<(), DownloadError> {
    owner.begin_alone()?;
    let mut may_find = true;
    let mut tell = interval(TELL_INTERVAL);
    let mut note = interval(NOTE_INTERVAL);
    let mut had_source = Instant::now();
    while !owner.is_done() {
        if owner.has_source() {
            had_source = Instant::now();
        }
        if !may_find && owner.is_alone() || had_source.elapsed() > SOURCES_TIMEOUT {
            return Err(DownloadError::NoSource(owner.why()));
        }
        let timeout = owner.next_timeout();
        tokio::select! {
            source = sources.recv(), if may_find => match source {
                Some(source) => owner.connect(source),
                None => may_find = false,
            },
            event = inbox.recv() => {
                if let Some(event) = event {
                    owner.take(event)?;
                }
            }
            () = at(timeout) => owner.time_passed(),
            _ = tell.tick() => drop(status.send_replace(owner.status())),
            _ = note.tick() => owner.note_growth(),
        }
        owner.ask_all();
    }
    Ok(())
}

/// Removes what an interrupted download of a file or a folder left beside its target.
///
/// # Errors
/// The disk or its rights are in the way.
pub fn discard(target: &Path, root: Root) -> io::Result<()> {
    let part = part_path(target, root);
    let removed = match fs::symlink_metadata(&part) {
        Ok(facts) if facts.is_dir() => fs::remove_dir_all(&part),
        Ok(_) => fs::remove_file(&part),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
