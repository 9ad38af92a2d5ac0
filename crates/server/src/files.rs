//! The file index as the doors use it: who is there, what they have, who may fetch it.
//!
//! One thread owns the store and who is live, another one searches, a third keeps the words of names in memory; everything else reaches them by jobs, and waits for their answers. No
//! byte of a file ever comes here.
//!
//! Start reading at [`Files`].

mod index;
mod keys;
mod reading;
mod relay;
mod reports;
mod word_indexer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use directory::Failure;
use directory::files::{
    AudienceMember, FileContent, FileLink, FilePage, FileSearch, FileStore, FileViewer,
};
use engine::Handle;
use tokio::sync::oneshot;

pub(crate) use index::{Index, OfferTo, PeerView};
pub(crate) use keys::Permission;
use keys::TicketSigner;
use reading::{Reading, ToReader};
pub(crate) use relay::{Call, Line, Relay, RelayCounts};
pub(crate) use reports::{Reports, Standing};
use word_indexer::{ToIndexer, WordIndexer};

use crate::config::{self, paths};
use crate::http::files::relay::Callee;

/// How often it is looked for peers that fell silent, at least.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked for peers that nobody has heard of for long.
const CLEAN_MS: u64 = 3_600_000;
/// After how long a peer that was not heard of is forgotten with all its files.
const FORGET_MS: u64 = 30 * 24 * 3_600_000;

/// How many of the threads only read; they stand before the others.
const READERS: usize = 2;

/// What is not given. Each door has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilesError {
    /// There is no such thing, or none that one may see.
    NotFound,
    /// The peer is another account's.
    OtherAccount,
    /// The peer's files are at another revision.
    WrongRevision(u64),
    /// The account has as many peers as it may have, all of them live.
    TooManyPeers,
    /// The peer would have more files than it may have.
    TooManyFiles,
    /// The account has as many links as it may have.
    TooManyLinks,
    /// The peer keeps no line on which it can be called.
    NoLine,
    /// The account calls as many peers as it may.
    TooManyCalls,
    /// There are as many calls as there may be.
    RelayFull,
    /// The peer does not take the call.
    NotTaken,
    /// The index cannot be read or written, or the server stops.
    Unavailable,
    /// The operator does not want it.
    Off,
    /// The operator does not want peers to be called through the server.
    RelayOff,
}

/// Numbers for who watches the server.
#[derive(Debug, Default)]
pub(crate) struct FileCounts {
    pub(crate) live: AtomicU64,
    pub(crate) files: AtomicU64,
    pub(crate) searches: AtomicU64,
    pub(crate) tickets: AtomicU64,
    pub(crate) offers: AtomicU64,
    pub(crate) reports: AtomicU64,
}

/// What is to be done with the index.
type Job = Box<dyn FnOnce(&mut Index, u64) + Send>;

/// The file index, from any thread; cheap to clone.
#[derive(Clone)]
pub(crate) struct Files(Option<Ways>);

#[derive(Clone)]
struct Ways {
    jobs: Sender<Job>,
    readings: Sender<ToReader>,
    counts: Arc<FileCounts>,
    settings: Arc<config::Files>,
    signer: Arc<TicketSigner>,
    relay: Option<Relay<Callee>>,
    reports: Arc<Mutex<Reports>>,
}

/// The file index while it runs.
pub(crate) struct Running {
    files: Files,
    jobs: Option<Sender<Job>>,
    changes: Option<Sender<ToIndexer>>,
    threads: Vec<JoinHandle<()>>,
}

/// Why the file index cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum FilesFailure {
    /// Its file cannot be used.
    #[error(transparent)]
    Store(#[from] Failure),
    /// The key of tickets cannot be read or made.
    #[error("cannot use the key of tickets {}", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system refuses threads.
    #[error("the operating system refuses what the file index needs")]
    System(#[from] io::Error),
}

/// Opens the index and starts its threads.
///
/// # Errors
/// [`FilesFailure`].
pub(crate) fn start(
    settings: &config::Files,
    data: &Path,
    engine: &Handle,
) -> Result<Running, FilesFailure> {
    if !settings.enabled {
        return Ok(Running {
            files: Files(None),
            jobs: None,
            changes: None,
            threads: Vec::new(),
        });
    }
    let signer = Arc::new(TicketSigner::open(&paths::files_key(data))?);
    let path = paths::files(data);
    let counts = Arc::new(FileCounts::default());
    let settings = Arc::new(settings.clone());
    let (readings, to_read) = channel();
    let (changes, changed) = channel();
    let index = Index::open(
        &path,
        &settings,
        counts.clone(),
        readings.clone(),
        changes.clone(),
    )?;
    let indexer = WordIndexer::new(path.clone(), readings.clone());
    let reading = Reading::open(&path)?;
    let (jobs, to_do) = channel();
    let engine = engine.clone();
    let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let owner = spawn("files").spawn(move || run(index, &to_do, &engine))?;
    let reader = spawn("files-reader").spawn(move || reading.run(&to_read))?;
    let indexer = spawn("files-words").spawn(move || indexer.run(&changed))?;
    let relay = settings.relay_enabled.then(|| Relay::new(&settings));
    let ways = Ways {
        jobs: jobs.clone(),
        relay,
        readings,
        counts,
        settings,
        signer,
        reports: Arc::default(),
    };
    Ok(Running {
        files: Files(Some(ways)),
        jobs: Some(jobs),
        changes: Some(changes),
        threads: vec![reader, indexer, owner],
    })
}

impl Running {
    pub(crate) fn files(&self) -> Files {
        self.files.clone()
    }

    /// Ends the threads; what was committed stays. Those that read go first: they would keep the writer from tidying up.
    pub(crate) fn close(self) {
        if let Files(Some(ways)) = &self.files {
            // A thread that is gone has ended already.
            let _ = ways.readings.send(ToReader::End);
        }
        if let Some(changes) = self.changes {
            let _ = changes.send(ToIndexer::End);
        }
        let mut threads = self.threads.into_iter();
        threads.by_ref().take(READERS).for_each(join);
        if let Some(jobs) = self.jobs {
            let _ = jobs.send(Box::new(|index, _| index.end()));
        }
        threads.for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Does what is asked for, and between it what is due.
fn run(mut index: Index, jobs: &Receiver<Job>, engine: &Handle) {
    let mut has_more = true;
    let mut looked = Instant::now();
    while !index.is_over() {
        let wait = if has_more { Duration::ZERO } else { LOOK };
        match jobs.recv_timeout(wait) {
            Ok(job) => job(&mut index, engine.now_ms()),
            Err(RecvTimeoutError::Timeout) => has_more = index.sweep(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Everybody is looked at for that: not after every job.
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            has_more |= index.expire(engine.now_ms());
        }
    }
}

impl Files {
    /// None at all.
    #[cfg(test)]
    pub(crate) const fn off() -> Self {
        Self(None)
    }

    /// What the operator says of it.
    ///
    /// # Errors
    /// [`FilesError::Off`].
    pub(crate) fn settings(&self) -> Result<&config::Files, FilesError> {
        self.0
            .as_ref()
            .map(|ways| &*ways.settings)
            .ok_or(FilesError::Off)
    }

    /// The numbers; `None` when the index is off.
    pub(crate) fn counts(&self) -> Option<&FileCounts> {
        self.0.as_ref().map(|ways| &*ways.counts)
    }

    /// The relay.
    ///
    /// # Errors
    /// [`FilesError::Off`], [`FilesError::RelayOff`].
    pub(crate) fn relay(&self) -> Result<&Relay<Callee>, FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        ways.relay.as_ref().ok_or(FilesError::RelayOff)
    }

    /// The key that tickets are checked with, and its id.
    ///
    /// # Errors
    /// [`FilesError::Off`].
    pub(crate) fn ticket_key(&self) -> Result<(u32, &[u8; 32]), FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        Ok((ways.signer.id(), ways.signer.public()))
    }

    /// What was reported of peers.
    ///
    /// # Errors
    /// [`FilesError::Off`].
    pub(crate) fn reports(&self) -> Result<MutexGuard<'_, Reports>, FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        Ok(ways.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a ticket.
    ///
    /// # Errors
    /// [`FilesError::Off`], [`FilesError::Unavailable`].
    pub(crate) fn sign(
        &self,
        permission: &Permission<'_>,
        times: (u64, u64),
    ) -> Result<String, FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        let ticket = ways.signer.sign(permission, times)?;
        ways.counts.tickets.fetch_add(1, Ordering::Relaxed);
        Ok(ticket)
    }

    /// Has something done with the index, at a time in milliseconds since 1970.
    ///
    /// # Errors
    /// What the job says; [`FilesError::Off`], [`FilesError::Unavailable`].
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Index, u64) -> Result<T, FilesError> + Send + 'static,
    ) -> Result<T, FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |index, now_ms| {
            // Whoever asked may have gone.
            let _ = answer.send(job(index, now_ms));
        });
        ways.jobs.send(job).map_err(|_| FilesError::Unavailable)?;
        answered.await.unwrap_or(Err(FilesError::Unavailable))
    }

    /// Has something looked up.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&reading::Seen<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, FilesError> {
        let ways = self.0.as_ref().ok_or(FilesError::Off)?;
        let (answer, answered) = oneshot::channel();
        let look = ToReader::Look(Box::new(move |seen| {
            let found = look(seen).map_err(|failure| {
                tracing::error!(error = %crate::admin::with_causes(&failure), "the file index cannot be read");
                FilesError::Unavailable
            });
            // As above.
            let _ = answer.send(found);
        }));
        ways.readings
            .send(look)
            .map_err(|_| FilesError::Unavailable)?;
        answered.await.unwrap_or(Err(FilesError::Unavailable))
    }

    /// Finds a page of contents.
    ///
    /// # Errors
    /// [`FilesError::Off`], [`FilesError::Unavailable`]; as in those below.
    pub(crate) async fn search(
        &self,
        search: FileSearch,
        viewer: FileViewer,
    ) -> Result<FilePage, FilesError> {
        if let Some(counts) = self.counts() {
            counts.searches.fetch_add(1, Ordering::Relaxed);
        }
        self.look(move |seen| seen.reader.search(&search, &viewer, seen.live, seen.index))
            .await
    }

    /// Finds one content, in each of the sizes that are stated for it.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] if nobody live has it whom the viewer may see.
    pub(crate) async fn contents(
        &self,
        root: [u8; 32],
        viewer: FileViewer,
    ) -> Result<Vec<FileContent>, FilesError> {
        let found = self.look(move |seen| seen.reader.contents(root, &viewer, seen.live));
        let found = found.await?;
        if found.is_empty() {
            return Err(FilesError::NotFound);
        }
        Ok(found)
    }

    /// Tells whether an account has an entry of a content, live or not.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub(crate) async fn has(
        &self,
        owner: AudienceMember,
        root: [u8; 32],
    ) -> Result<bool, FilesError> {
        self.look(move |seen| seen.reader.has(&owner, root)).await
    }

    /// Finds those of some contents that a room was not told of.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub(crate) async fn untold(
        &self,
        room: AudienceMember,
        roots: Vec<[u8; 32]>,
    ) -> Result<Vec<[u8; 32]>, FilesError> {
        self.look(move |seen| seen.reader.untold(&room, &roots))
            .await
    }

    /// The links of an account.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub(crate) async fn links(&self, owner: AudienceMember) -> Result<Vec<FileLink>, FilesError> {
        self.look(move |seen| seen.reader.links(&owner)).await
    }

    /// Finds a link by the hash of its capability.
    ///
    /// # Errors
    /// As [`Self::search`].
    pub(crate) async fn link(&self, hash: [u8; 32]) -> Result<Option<FileLink>, FilesError> {
        self.look(move |seen| seen.reader.link(&hash)).await
    }
}

/// Opens the store, and says so if it had to begin anew.
fn open_store(path: &Path) -> Result<FileStore, Failure> {
    let (store, renewed) = FileStore::open(path)?;
    if let Some(renewed) = renewed {
        let links = renewed
            .links
            .map_or_else(|| "lost".to_owned(), |count| count.to_string());
        tracing::warn!(
            failure = %crate::admin::with_causes(&renewed.failure), aside = %renewed.aside.display(), %links,
            "the file index was damaged and begins anew; peers announce what they have by themselves"
        );
    }
    Ok(store)
}
