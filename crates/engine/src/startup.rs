//! Opening a data directory: tables, topology, queues with their messages; and closing it.

mod restore;

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use broker::Name;
use broker::log::Stored;
use broker::shard::{Kept, QueueSpecification, Recovered};
use broker::topology::Quotas;
use directory::{Change, CommitError, Directory, Permission, password};
use store::disk::RealDisk;
use store::{Hooks, RecoveredQueue, ShardLog, Store};

use crate::accounts::{Accounts, GUEST};
use crate::alarm::{AlarmLimits, Alarms};
use crate::clock::Clock;
use crate::crowds::Crowds;
use crate::embedded::{EmbeddedBacklog, EmbeddedLog};
use crate::mailbox::Mailbox;
use crate::metadata::Metadata;
use crate::quotas::AccountLimits;
use crate::shard::Shard;
use crate::{Shared, SharedRef, record};
pub use restore::{Unservable, unservable};

/// The directory's parameter that holds the highest queue number ever used.
pub(crate) const QUEUE_HIGH_WATER: &str = "queue_number_high_water";
/// How long the end of the last look at the disk is waited for.
const STORE_RELEASE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// The virtual host that every server has.
pub(crate) const DEFAULT_VHOST: &str = "/";

/// How to run the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory.
    pub data: PathBuf,
    /// Shards, each a thread; at least 1.
    pub shards: u16,
    /// Bytes of one journal file.
    pub journal_bytes: u64,
    /// Bytes of one segment.
    pub segment_bytes: u64,
    /// The guest account may log in, from this machine.
    pub guest: bool,
    /// The administrator's name at first start.
    pub administrator: String,
    /// The administrator's password at first start; generated when absent.
    pub administrator_password: Option<String>,
    /// How much clients may declare.
    pub quotas: Quotas,
    /// How much each account may have and do, unless it has bounds of its own.
    pub account_limits: AccountLimits,
    /// Above this many bytes of memory publishers wait.
    pub memory_high_bytes: u64,
    /// Below this many they go on.
    pub memory_resume_bytes: u64,
    /// Below this many free bytes on disk publishers wait.
    pub disk_free_low_bytes: u64,
    /// Above this many they go on.
    pub disk_free_resume_bytes: u64,
    /// Called on the thread of passwords when it comes to rest, first a moment after the start: hashing takes megabytes, which
    /// allocators keep.
    pub release_memory: fn(),
}

/// Why the engine cannot start or stop.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The message log cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Failure),
    /// The directory cannot be opened.
    #[error(transparent)]
    Directory(#[from] directory::Failure),
    /// The first accounts cannot be made.
    #[error("the first accounts cannot be made")]
    FirstStart(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The directory holds what this version cannot serve.
    #[error("{}", in_one_line(.0))]
    Unservable(Vec<Unservable>),
    /// The message log holds queues that the directory does not know.
    #[error("{} holds messages but no directory.sqlite; put that file back, or move the whole directory away", .0.display())]
    DirectoryMissing(PathBuf),
    /// A thread cannot be started.
    #[error("a thread cannot be started")]
    Thread(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn in_one_line(found: &[Unservable]) -> String {
    match found {
        [] => "the directory holds what cannot be served".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!(
            "{first} (and {} more; `chaski doctor` names them all)",
            others.len()
        ),
    }
}

/// What one shard's thread begins with.
pub struct ShardSeed {
    index: u16,
    shared: SharedRef,
    log: ShardLog,
    store: Arc<Store>,
    queues: Vec<Restored>,
}

impl std::fmt::Debug for ShardSeed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShardSeed")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

struct Restored {
    specification: QueueSpecification,
    ordinary: Option<RecoveredQueue>,
    delayed: Option<RecoveredQueue>,
    dedup: Option<RecoveredQueue>,
}

/// What the first start of a data directory made.
#[derive(Debug, Clone)]
pub struct FirstStart {
    /// The administrator's login.
    pub administrator: String,
    /// Its password, if it was generated: nobody is told again.
    pub password: Option<String>,
}

/// The running engine, as whoever started it holds it.
#[derive(Debug)]
pub struct Engine {
    pub(crate) shared: SharedRef,
    store: Arc<Store>,
    /// The administrator, when this start made the account.
    pub first: Option<FirstStart>,
    /// What recovery found damaged.
    pub damage: Vec<store::Damage>,
}

impl Engine {
    /// Opens a data directory and everything in it; the seeds are to become [`Shard`]s on threads of their own.
    ///
    /// # Errors
    /// The directory is locked, damaged beyond starting, or the disk fails.
    pub fn open(options: &Options) -> Result<(Self, Vec<ShardSeed>), EngineError> {
        let shards = usize::from(options.shards.max(1));
        let store_options = store::Options {
            shards,
            journal_bytes: options.journal_bytes,
            segment_bytes: options.segment_bytes,
        };
        let hooks = Hooks {
            failed: Arc::new(|failure| stop_at_once(&failure.to_string())),
        };
        let (mut store, recovery) = Store::open(
            Arc::new(RealDisk::new()),
            &options.data,
            store_options,
            hooks,
        )?;
        let place = options.data.join("directory.sqlite");
        // Looked at before it is made: a fresh one would stand in the way of the one that is to be put back.
        let is_absent = std::fs::metadata(&place).map_or(0, |metadata| metadata.len()) == 0;
        if is_absent && !recovery.queues.is_empty() {
            return Err(EngineError::DirectoryMissing(options.data.clone()));
        }
        let mut directory = Directory::open(&place)?;
        let is_new = directory.load()?.accounts.is_empty();
        if is_new && !recovery.queues.is_empty() {
            return Err(EngineError::DirectoryMissing(options.data.clone()));
        }
        let first = first_start(&mut directory, options)?;
        let clock = Clock::default();
        let mut snapshot = directory.load()?;
        let now_ms = clock.now_ms();
        let known = snapshot.sessions.len();
        snapshot
            .sessions
            .retain(|session| now_ms < session.expires_ms);
        if snapshot.sessions.len() < known {
            commit_first(&mut directory, &[Change::SessionsExpired { now_ms }])?;
        }
        let (mut topology, specifications) =
            restore::build_topology(&snapshot, shards, options.quotas)?;
        let accounts = Accounts::start(&snapshot, options.guest, clock, options.release_memory)
            .map_err(EngineError::Thread)?;
        let accounts = Arc::new(accounts);
        topology.set_owners(accounts.clone());
        let metadata = Metadata::start(directory, stop_at_once)
            .map_err(|error| EngineError::Thread(error.into()))?;
        let limits = AlarmLimits {
            memory_high_bytes: options.memory_high_bytes,
            memory_resume_bytes: options.memory_resume_bytes,
            disk_free_low_bytes: options.disk_free_low_bytes,
            disk_free_resume_bytes: options.disk_free_resume_bytes,
        };
        let shared = Arc::new(Shared {
            clock,
            topology: std::sync::RwLock::new(topology),
            mailboxes: (0..shards).map(|_| Mailbox::default()).collect(),
            crowds: (0..shards).map(|_| Crowds::default()).collect(),
            metadata,
            accounts,
            alarms: Alarms::new(limits),
            replies: crate::reply_address::ReplyAddresses::default(),
            connections: crate::administration::ConnectionTable::default(),
            policies: std::sync::Mutex::new(snapshot.policies),
            audit: crate::audit::Audit::default(),
            groups: crate::groups::StreamGroups::new(snapshot.stream_groups),
            quotas: crate::quotas::Quotas::new(options.account_limits),
            rooms: std::sync::OnceLock::new(),
            directory_path: options.data.join("directory.sqlite"),
            is_draining: std::sync::atomic::AtomicBool::new(false),
            alarm_order: std::sync::Mutex::new(()),
        });
        let mut logs: Vec<ShardLog> = (0..shards).map(|index| store.shard(index)).collect();
        for (index, log) in logs.iter_mut().enumerate() {
            let weak = Arc::downgrade(&shared);
            log.set_waker(Arc::new(move || {
                if let Some(mailbox) = weak
                    .upgrade()
                    .as_ref()
                    .and_then(|shared| shared.mailboxes.get(index))
                {
                    mailbox.notify.notify_one();
                }
            }));
        }
        let store = Arc::new(store);
        let watched = Arc::downgrade(&store);
        let free_bytes = move || watched.upgrade().and_then(|store| store.free_bytes().ok());
        crate::alarm::watch(&shared, free_bytes)
            .map_err(|error| EngineError::Thread(error.into()))?;
        let seeds = sow(&shared, &store, logs, specifications, recovery.queues);
        Ok((
            Self {
                shared,
                store,
                first,
                damage: recovery.damage,
            },
            seeds,
        ))
    }

    /// The engine's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Tells every connection to close, for a reason that clients are shown.
    pub fn close_connections(&self, reason: &str) {
        self.shared
            .is_draining
            .store(true, std::sync::atomic::Ordering::Relaxed);
        for mailbox in &self.shared.mailboxes {
            mailbox.post(crate::mailbox::Letter::Close {
                connection: None,
                reason: reason.into(),
            });
        }
        self.shared.connections.close_elsewhere(reason);
    }

    /// How many connections are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.connections.len()
    }

    /// Makes everything durable and ends the threads; every [`Shard`] must have been dropped.
    ///
    /// # Errors
    /// The log could not be flushed.
    pub fn close(self) -> Result<(), EngineError> {
        self.shared.flush_audit(true);
        self.shared.metadata.stop();
        let mut store = self.store;
        let deadline = std::time::Instant::now() + STORE_RELEASE_PATIENCE;
        loop {
            match Arc::try_unwrap(store) {
                Ok(store) => return Ok(store.close()?),
                // A look at the free space holds the store for a moment.
                Err(shared) if std::time::Instant::now() < deadline => store = shared,
                // Dropping it flushes it as well.
                Err(_) => return Ok(()),
            }
            std::thread::yield_now();
        }
    }
}

impl ShardSeed {
    /// Makes the shard; to be called on the thread that will run it.
    #[must_use]
    pub fn grow(self) -> Rc<Shard> {
        let now_ms = self.shared.clock.now_ms();
        let mut core = broker::shard::Shard::new(EmbeddedLog::new(self.log, self.store));
        for Restored {
            specification,
            ordinary,
            delayed,
            dedup,
        } in self.queues
        {
            let recovered = Recovered {
                ordinary: ordinary.map(kept),
                delayed: delayed.map(kept),
                dedup: dedup.map(kept),
            };
            if core.restore(specification, recovered, now_ms).is_err() {
                // Which file it is stands in the log.
                stop_at_once("the messages of a queue cannot be read");
            }
        }
        Shard::new(self.index, self.shared, core)
    }
}

/// What failed on disk may not be written over: the process ends, and recovery decides at the next start.
fn stop_at_once(failure: &str) {
    tracing::error!(
        failure,
        "the disk failed; stopping at once so that nothing unconfirmed is taken for durable"
    );
    #[expect(
        clippy::print_stderr,
        reason = "the log may go elsewhere, and this must be seen"
    )]
    {
        eprintln!(
            "chaski: the disk failed: {failure}. Nothing confirmed is lost; check the disk, then start again."
        );
    }
    std::process::exit(1);
}

/// Makes the accounts and the virtual host of a new data directory.
fn first_start(
    directory: &mut Directory,
    options: &Options,
) -> Result<Option<FirstStart>, EngineError> {
    let known = directory.load()?;
    if !known.vhosts.is_empty() || !known.accounts.is_empty() {
        return Ok(None);
    }
    let failed = |error: password::PasswordError| EngineError::FirstStart(error.into());
    let given = options.administrator_password.clone();
    let shown = given.is_none();
    let secret = given.map_or_else(|| password::generate_password().map_err(failed), Ok)?;
    let created_ms = Clock::default().now_ms();
    let account = |login: &str, secret: &str| -> Result<directory::Account, EngineError> {
        Ok(directory::Account::with_tags(
            login.to_owned(),
            password::hash(secret).map_err(failed)?,
            vec!["administrator".to_owned()],
            created_ms,
        ))
    };
    let mut changes = vec![Change::VhostAdded {
        name: DEFAULT_VHOST.to_owned(),
    }];
    for (login, secret) in [
        (options.administrator.as_str(), secret.as_str()),
        (GUEST, GUEST),
    ] {
        changes.push(Change::AccountAdded(account(login, secret)?));
        changes.push(Change::PermissionSet(full_rights(login)));
    }
    commit_first(directory, &changes)?;
    Ok(Some(FirstStart {
        administrator: options.administrator.clone(),
        password: shown.then_some(secret),
    }))
}

fn commit_first(directory: &mut Directory, changes: &[Change]) -> Result<(), EngineError> {
    directory.commit(changes).map_err(|error| match error {
        CommitError::Failure(failure) => EngineError::Directory(failure),
        CommitError::Refused(refused) => EngineError::FirstStart(Box::new(refused)),
    })
}

pub(crate) fn full_rights(login: &str) -> Permission {
    Permission {
        vhost: DEFAULT_VHOST.to_owned(),
        login: login.to_owned(),
        configure: ".*".to_owned(),
        write: ".*".to_owned(),
        read: ".*".to_owned(),
    }
}

/// Gives every shard its log and its queues. Messages of queues that are not in the directory any more are dropped.
fn sow(
    shared: &SharedRef,
    store: &Arc<Store>,
    logs: Vec<ShardLog>,
    specifications: Vec<QueueSpecification>,
    recovered: Vec<RecoveredQueue>,
) -> Vec<ShardSeed> {
    let mut recovered: HashMap<u64, RecoveredQueue> = recovered
        .into_iter()
        .map(|queue| (queue.queue.0, queue))
        .collect();
    let mut queues: Vec<Vec<Restored>> = logs.iter().map(|_| Vec::new()).collect();
    for specification in specifications {
        let id = specification.place.id;
        let [ordinary, delayed, dedup] =
            [id, id.delayed(), id.dedup()].map(|part| recovered.remove(&part.0));
        if let Some(queues) = queues.get_mut(usize::from(specification.place.shard)) {
            queues.push(Restored {
                specification,
                ordinary,
                delayed,
                dedup,
            });
        }
    }
    let mut logs = logs;
    if let Some(first) = logs.first_mut() {
        for (number, orphan) in recovered {
            tracing::warn!(number, "messages of a queue that was deleted are dropped");
            orphan.log.remove(first);
        }
        first.submit();
    }
    let seed = |(index, (log, queues)): (usize, (ShardLog, Vec<Restored>))| ShardSeed {
        index: u16::try_from(index).unwrap_or(u16::MAX),
        shared: shared.clone(),
        log,
        store: store.clone(),
        queues,
    };
    logs.into_iter().zip(queues).enumerate().map(seed).collect()
}

/// What was found of a queue, or of a part of it, as the broker takes it.
pub(crate) fn kept(recovered: RecoveredQueue) -> Kept<EmbeddedBacklog> {
    Kept {
        next: recovered.next.0,
        messages: stored_messages(&recovered),
        backlog: EmbeddedBacklog::new(recovered.log),
    }
}

/// The messages of a queue that only the journal holds.
pub(crate) fn stored_messages(recovered: &RecoveredQueue) -> Vec<Stored> {
    let mut exchange = Name::from("");
    let messages = recovered.messages.iter();
    messages
        .filter_map(|message| {
            record::stored(
                message.sequence.0,
                &message.payload,
                message.note,
                &mut exchange,
            )
        })
        .collect()
}
