//! Fetching a folder: the list of what is in it, then everything in it, and only then the folder under its name.
//!
//! What comes lies in a folder beside the target until all of it is there, so that an interrupted download goes on: files that are
//! whole are told by their content, not by a note that could be wrong. Contents of at most one group come many at a time over one
//! stream ([`small`]); others each as a [`Download`].

mod progress;
mod small;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use files::collection::{Collection, CollectionError, Entry, Kind};
use files::content::Root;
use files::limits::GROUP_BYTES;
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with, syncfs};
use tokio::sync::{mpsc, watch};
use tokio::time::interval;

use super::download::{Download, DownloadError, Fetched, Means, SourcePeer, Status, Wanted};
use super::limits::SOURCES_TIMEOUT;
use super::sink::{SinkError, part_path};
use crate::aside::aside;
use progress::{Progress, Senders, Single};
use small::{Small, SmallFile};

/// The list of the folder, beside what it names.
const MANIFEST: &str = "manifest";
/// The folder's content, beside its list.
const CONTENT: &str = "content";
/// How often it is told how far it is.
const TELL_INTERVAL: Duration = Duration::from_millis(50);

/// Why a folder is not there.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file in it, or the list, cannot be fetched or written.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The list is none, or names what may not be written.
    #[error("the list of the folder cannot be used: {0}")]
    Collection(#[from] CollectionError),
    /// Something of that name is there.
    #[error("{} is there already, and a folder replaces nothing; choose another name with --output", .0.display())]
    Exists(PathBuf),
    /// There is more in it than was agreed.
    #[error("there are {is} bytes in the folder, and {most} were agreed")]
    TooLarge {
        /// What its list says.
        is: u64,
        /// What there may be.
        most: u64,
    },
    /// The disk or its rights are in the way.
    #[error("cannot write {}: {source}", path.display())]
    Disk {
        /// What was to be written.
        path: PathBuf,
        /// Why it cannot be.
        source: io::Error,
    },
}

/// What came of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedFolder {
    /// Files that are in it.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that an earlier download had left.
    pub recovered: u64,
    /// How long it took.
    pub time: Duration,
}

/// Fetches a folder as [`Download::run`] fetches a file; nothing of that name may be there.
///
/// # Durability
/// On success all of it is on disk under its name.
///
/// # Errors
/// [`FolderError`]; what is there stays beside the target, and another download goes on with it.
pub async fn fetch(
    wanted: Wanted,
    means: Means,
    found: mpsc::Receiver<SourcePeer>,
    status: watch::Sender<Status>,
) -> Result<FetchedFolder, FolderError> {
    fetch_at_most(wanted, means, found, status, u64::MAX).await
}

/// Fetches a folder as [`fetch`] does, unless there are more than `most` bytes in it.
pub(super) async fn fetch_at_most(
    wanted: Wanted,
    means: Means,
    mut found: mpsc::Receiver<SourcePeer>,
    status: watch::Sender<Status>,
    most: u64,
) -> Result<FetchedFolder, FolderError> {
    let began = Instant::now();
    // Its files are given to others when the folder is there.
    let means = Means {
        catalog: None,
        ..means
    };
    if fs::symlink_metadata(&wanted.target).is_ok() {
        return Err(FolderError::Exists(wanted.target));
    }
    let staging = part_path(&wanted.target, wanted.root);
    let manifest = staging.join(MANIFEST);
    let content = staging.join(CONTENT);
    fs::create_dir_all(&content).map_err(failed(&content))?;
    // Held to the end: two that wrote the same files would cut what the other has finished.
    let held = File::open(&staging).map_err(failed(&staging))?;
    if flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(DownloadError::from(SinkError::Busy(wanted.target)).into());
    }
    let mut peers = Peers::default();
    let mut progress = Progress::new();
    let mut list = Single::default();
    let tell = |told: &Status| {
        progress.follow(&mut list, told);
        let now = progress.status(Senders::of(told), 0);
        drop(status.send_replace(now));
    };
    let collection = fetch_list(&wanted, &means, &manifest, (&mut found, &mut peers), tell).await?;
    let is = collection.size();
    if is > most {
        return Err(FolderError::TooLarge { is, most });
    }
    let work = Work::of(&collection, &content)?;
    let mut fetched = FetchedFolder {
        files: work.small.len() as u64 + work.large.len() as u64,
        bytes: collection.size(),
        recovered: 0,
        time: began.elapsed(),
    };
    progress.begin(collection.size());
    let mut folder = Folder {
        wanted: &wanted,
        peers,
        found,
        status,
        progress,
        means,
    };
    fetched.recovered = folder.small(work.small).await?;
    for (file, size, root) in work.large {
        fetched.recovered += folder.large(file, size, root).await?;
    }
    let target = wanted.target.clone();
    aside(move || finish(&collection, &staging, &content, &target)).await?;
    fetched.time = began.elapsed();
    Ok(fetched)
}

/// The peers that were found so far, the latest of each.
#[derive(Default)]
struct Peers(BTreeMap<[u8; 32], SourcePeer>);

impl Peers {
    fn add(&mut self, peer: SourcePeer) {
        self.0.insert(*peer.key.as_bytes(), peer);
    }

    /// Runs a download with everybody who is known, and whoever is found meanwhile; tells how far it is.
    async fn download(
        &mut self,
        wanted: Wanted,
        means: Means,
        found: &mut mpsc::Receiver<SourcePeer>,
        mut tell: impl FnMut(&Status),
    ) -> Result<Fetched, DownloadError> {
        let (status, mut shown) = watch::channel(Status::default());
        let (sender, sources) = mpsc::channel(files::limits::SOURCES_MAX);
        for peer in self.0.values() {
            // There is room for as many as may be sources; more are not needed.
            let _ = sender.try_send(peer.clone());
        }
        let download = Download {
            wanted,
            sources,
            status,
            means,
        };
        let running = download.run();
        tokio::pin!(running);
        let mut sender = Some(sender);
        let fetched = loop {
            tokio::select! {
                fetched = &mut running => break fetched,
                Ok(()) = shown.changed() => tell(&shown.borrow_and_update()),
                peer = found.recv(), if sender.is_some() => match (peer, &sender) {
                    (Some(peer), Some(to)) => {
                        self.add(peer.clone());
                        let _ = to.try_send(peer);
                    }
                    (None, _) | (_, None) => sender = None,
                },
            }
        };
        tell(&shown.borrow());
        fetched
    }
}

/// Fetches the list, unless it is there.
async fn fetch_list(
    wanted: &Wanted,
    means: &Means,
    manifest: &Path,
    (found, peers): (&mut mpsc::Receiver<SourcePeer>, &mut Peers),
    tell: impl FnMut(&Status),
) -> Result<Collection, FolderError> {
    let is_it = |bytes: &Vec<u8>| Root::of(bytes) == wanted.root;
    let bytes = match fs::read(manifest).ok().filter(is_it) {
        Some(bytes) => bytes,
        None => {
            let list = Wanted {
                target: manifest.to_owned(),
                overwrite: true,
                ..wanted.clone()
            };
            peers.download(list, means.clone(), found, tell).await?;
            fs::read(manifest).map_err(failed(manifest))?
        }
    };
    Ok(Collection::decode(&bytes)?)
}

/// What is to be fetched.
struct Work {
    small: Vec<SmallFile>,
    large: Vec<(PathBuf, u64, Root)>,
}

impl Work {
    /// Makes the folders, and lists the files.
    fn of(collection: &Collection, content: &Path) -> Result<Self, FolderError> {
        let mut work = Self {
            small: Vec::new(),
            large: Vec::new(),
        };
        for Entry { path, kind, .. } in collection.entries() {
            let place = path.below(content);
            match *kind {
                Kind::Folder => fs::create_dir_all(&place).map_err(failed(&place))?,
                Kind::File { size, root } if size <= GROUP_BYTES => {
                    work.small.push(SmallFile { place, size, root })
                }
                Kind::File { size, root } => work.large.push((place, size, root)),
            }
        }
        Ok(work)
    }
}

/// A folder that is being fetched.
struct Folder<'a> {
    wanted: &'a Wanted,
    peers: Peers,
    found: mpsc::Receiver<SourcePeer>,
    status: watch::Sender<Status>,
    progress: Progress,
    means: Means,
}

impl Folder<'_> {
    async fn small(&mut self, files: Vec<SmallFile>) -> Result<u64, FolderError> {
        let all = tokio::task::block_in_place(|| small::missing(files))?;
        self.progress.recovered(all.recovered);
        let mut small = Small::new(self.wanted.root, all.missing, self.means.clone());
        for peer in self.peers.0.values() {
            small.connect(peer.clone());
        }
        let mut may_find = true;
        let mut came = Instant::now();
        let mut tell = interval(TELL_INTERVAL);
        while !small.is_done() {
            let may_wait = self.means.throttle.is_limited() && !small.is_alone();
            let is_silent = came.elapsed() > SOURCES_TIMEOUT && !may_wait;
            if is_silent || !may_find && small.is_alone() {
                return Err(DownloadError::NoSource(small.why()).into());
            }
            tokio::select! {
                peer = self.found.recv(), if may_find => match peer {
                    Some(peer) => {
                        self.peers.add(peer.clone());
                        small.connect(peer);
                    }
                    None => may_find = false,
                },
                bytes = small.next() => {
                    let bytes = bytes?;
                    if bytes > 0 {
                        came = Instant::now();
                    }
                    self.progress.came(bytes);
                }
                // Not at each of them: there are thousands in a second.
                _ = tell.tick() => self.tell_small(&mut small),
            }
        }
        self.tell_small(&mut small);
        Ok(all.recovered)
    }

    fn tell_small(&mut self, small: &mut Small) {
        for (name, why) in small.take_lost() {
            self.progress.lost(name, why);
        }
        self.tell(Senders::new(small.sources(), small.relayed()));
    }

    fn tell(&mut self, senders: Senders) {
        drop(self.status.send_replace(self.progress.status(senders, 0)));
    }

    /// Fetches a file by itself; tells how many of its bytes were there before.
    async fn large(&mut self, place: PathBuf, size: u64, root: Root) -> Result<u64, FolderError> {
        let is_there = fs::metadata(&place).is_ok_and(|facts| facts.len() == size);
        // It has its name only since it was whole and on disk.
        if is_there {
            self.progress.recovered(size);
            self.tell(Senders::none());
            return Ok(size);
        }
        let wanted = Wanted {
            root,
            size,
            collection: Some(self.wanted.root),
            target: place,
            overwrite: false,
        };
        let (progress, status) = (&mut self.progress, &self.status);
        let mut single = Single::default();
        let tell = |told: &Status| {
            progress.follow(&mut single, told);
            let now = progress.status(Senders::of(told), told.bytes);
            drop(status.send_replace(now));
        };
        let (means, found) = (self.means.clone(), &mut self.found);
        let fetched = self.peers.download(wanted, means, found, tell).await?;
        progress.finished(&single, size, fetched.recovered);
        self.tell(Senders::none());
        Ok(fetched.recovered)
    }
}

/// Gives everything the rights that it has where it comes from, and the folder its name.
fn finish(
    collection: &Collection,
    staging: &Path,
    content: &Path,
    target: &Path,
) -> Result<(), FolderError> {
    // Folders last and deepest first: one that may not be written is still to be filled.
    for entry in collection.entries().iter().rev() {
        let place = entry.path.below(content);
        let mode = fs::Permissions::from_mode(u32::from(entry.mode & 0o777));
        fs::set_permissions(&place, mode).map_err(failed(&place))?;
    }
    let folder = File::open(content).map_err(failed(content))?;
    syncfs(&folder).map_err(|error| failed(content)(error.into()))?;
    match renameat_with(CWD, content, CWD, target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(rustix::io::Errno::EXIST) => {
            return Err(FolderError::Exists(target.to_owned()));
        }
        Err(error) => return Err(failed(target)(error.into())),
    }
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))
        .and_then(|parent| parent.sync_all())
        .map_err(failed(target))?;
    // What is left of the list is no harm.
    let _ = fs::remove_dir_all(staging);
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Disk { path, source }
}
