//! Webhooks: messages of a queue posted to a URL, in the name of the account that asked for it.
//!
//! The directory keeps each webhook; one that is not paused has a task, which consumes by a [`Link`](crate::gateway::Link) of its own
//! as its owner. So the engine's rules hold for it as for every other consumer: without the right to read nothing is read, and an
//! answer of 2xx is the acknowledgement. A message is never let go of for good because its receiver does not take it: it becomes a dead
//! letter, or the webhook is paused.
//!
//! It must never connect to an address that was not judged, follow a redirect, or log what a receiver sent.
//!
//! Start reading at [`Hooks`], then [`hook::Hook::run`].

mod address;
mod backoff;
mod bounds;
mod client;
mod fault;
mod hook;
mod letter;
mod settings;
mod signature;
mod status;
mod wishes;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::QueueRef;
use directory::Webhook;
use engine::accounts::Login;
use engine::{Change, CommitError};
use tokio::runtime::Handle as Runtime;
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use address::Reach;
use bounds::Bounds;
use client::{Client, Kept};
use hook::Hook;
use settings::Settings;
use signature::Signer;
use status::Status;

use crate::gateway::Gateway;
pub(crate) use settings::Wish;
pub(crate) use wishes::{HookView, Tried};

/// How often webhooks are looked for whose queue or account is gone.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait before the directory is read again when it could not be.
const LOAD_AGAIN: Duration = Duration::from_secs(5);

/// Why something cannot be done with a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookError {
    /// There is none that the caller may see.
    NotFound,
    /// The caller may not do that.
    Forbidden(String),
    /// It cannot be as it was asked for.
    Invalid(String),
    /// There are too many.
    TooMany(String),
    /// It is in a state that does not allow it.
    Conflict(String),
    /// Not at the moment.
    Unavailable(String),
}

/// How the operator wants webhooks to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookOptions {
    /// Messages are sent at all.
    pub(crate) enabled: bool,
    /// Also to addresses that are not public.
    pub(crate) allow_private: bool,
}

/// The right to change a webhook, which one has at a time.
type Changing = tokio::sync::OwnedMutexGuard<()>;

/// All webhooks; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hooks(Arc<Inner>);

struct Inner {
    gateway: Gateway,
    options: HookOptions,
    client: Client,
    bounds: Bounds,
    runtime: Runtime,
    table: Mutex<BTreeMap<String, Entry>>,
    loaded: OnceCell<()>,
    /// Held while one is changed, so that what is stored and what runs are the same.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// The account that a webhook belongs to: not another one that took its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    login: String,
    since_ms: u64,
}

#[derive(Clone)]
struct Entry {
    row: Webhook,
    owner: Owner,
    place: QueueRef,
    settings: Settings,
    status: Arc<Status>,
    task: Option<AbortHandle>,
}

impl Hooks {
    /// Makes the webhooks of a server; they work on `runtime` once [`Self::run`] was called.
    pub(crate) fn new(gateway: Gateway, options: HookOptions, runtime: Runtime) -> Self {
        let reach = if options.allow_private {
            Reach::Anywhere
        } else {
            Reach::Public
        };
        Self(Arc::new(Inner {
            gateway,
            options,
            client: Client::new(reach),
            bounds: Bounds::new(),
            runtime,
            table: Mutex::default(),
            loaded: OnceCell::new(),
            changing: Arc::default(),
        }))
    }

    /// Starts every webhook that the directory knows, and forgets those whose queue or account goes, until it is dropped.
    pub(crate) async fn run(self) {
        while let Err(error) = self.load().await {
            tracing::error!(?error, "webhooks cannot be read; trying again");
            tokio::time::sleep(LOAD_AGAIN).await;
        }
        let mut sweeps = tokio::time::interval(SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            self.sweep();
        }
    }

    async fn load(&self) -> Result<(), HookError> {
        let loaded = self.0.loaded.get_or_try_init(|| async {
            let snapshot = self.gateway().engine().snapshot().await;
            let snapshot = snapshot.map_err(|failure| not_stored(&failure))?;
            for row in snapshot.webhooks {
                self.put(row);
            }
            Ok(())
        });
        loaded.await.copied()
    }

    /// Takes webhooks out whose queue or account is gone: the directory deleted them as well.
    fn sweep(&self) {
        let all: Vec<Entry> = self.table().values().cloned().collect();
        for entry in all {
            let alive = self.alive(&entry);
            let mut table = self.table();
            // Looked at again: somebody may have put another one there.
            let known = table.get_mut(&entry.row.id);
            let Some(known) = known.filter(|known| Arc::ptr_eq(&known.status, &entry.status))
            else {
                continue;
            };
            match alive {
                Some(alive) => known.row.queue = alive.row.queue,
                None => drop(table.remove(&entry.row.id)),
            }
            drop(table);
        }
    }

    /// A webhook with the name that its queue has now; `None` when its queue or account is gone.
    fn alive(&self, entry: &Entry) -> Option<Entry> {
        let row = &entry.row;
        let queue = self.queue_at(&row.vhost, entry.place, &row.queue)?;
        self.login_of(&entry.owner)?;
        let mut alive = entry.clone();
        alive.row.queue = queue;
        Some(alive)
    }

    /// Pauses a webhook on its task's behalf, for a reason that its owner is shown.
    async fn pause(&self, id: &str, status: &Arc<Status>, reason: String) {
        let _changing = self.begin_change().await;
        let found = self.table().get(id).cloned();
        // Somebody may have changed it meanwhile: then another task works by other settings.
        let found = found.filter(|entry| Arc::ptr_eq(&entry.status, status));
        let Some(entry) = found.and_then(|entry| self.alive(&entry)) else {
            return;
        };
        let mut row = entry.row.clone();
        row.is_paused = true;
        let settings = Settings {
            paused_because: Some(reason),
            ..entry.settings
        };
        row.settings = settings.to_text();
        if let Err(error) = self.store(row.clone()).await {
            tracing::warn!(
                webhook = id,
                ?error,
                "a webhook is paused until the next start only"
            );
        }
        if let Some(known) = self.table().get_mut(id) {
            known.row = row;
            known.settings = settings;
            known.task = None;
            status.under_way(0);
        }
    }

    /// Puts a stored webhook to work, in the place of the one that had its id; `None` when its queue or account is gone.
    fn put(&self, row: Webhook) -> Option<Entry> {
        let engine = self.gateway().engine();
        let place = engine.queue_place(&row.vhost, &row.queue);
        let acting = engine.act_as(&row.owner);
        let mut table = self.table();
        let before = table.remove(&row.id);
        if let Some(task) = before.as_ref().and_then(|before| before.task.as_ref()) {
            task.abort();
        }
        let mut entry = Entry {
            owner: Owner {
                login: row.owner.clone(),
                since_ms: acting?.since_ms,
            },
            place: place?,
            settings: Settings::parse(&row.settings),
            status: Arc::new(
                before.map_or_else(Status::default, |before| before.status.continuing()),
            ),
            task: None,
            row,
        };
        if !entry.row.is_paused && self.0.options.enabled {
            entry.task = self.spawn(&entry);
        }
        table.insert(entry.row.id.clone(), entry.clone());
        Some(entry)
    }

    fn spawn(&self, entry: &Entry) -> Option<AbortHandle> {
        let row = &entry.row;
        let Ok(target) = settings::Target::parse(&row.url) else {
            tracing::error!(webhook = row.id, "a webhook's URL cannot be used any more");
            return None;
        };
        let hook = Hook {
            hooks: self.clone(),
            id: row.id.clone(),
            owner: entry.owner.clone(),
            vhost: row.vhost.clone(),
            queue: row.queue.clone(),
            place: entry.place,
            gates: self.gates_of(row, &target),
            target,
            signer: Signer::new(&row.secret),
            settings: entry.settings.clone(),
            status: entry.status.clone(),
            kept: Kept::default(),
        };
        Some(self.0.runtime.spawn(hook.run()).abort_handle())
    }

    fn gates_of(&self, row: &Webhook, target: &settings::Target) -> bounds::Gates {
        let host = format!("{}:{}", target.host, target.port);
        self.0.bounds.gates(&row.owner, &host)
    }

    fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn now_ms(&self) -> u64 {
        self.gateway().engine().now_ms()
    }

    /// A login in the name of an account, if it is still the same one.
    fn login_of(&self, owner: &Owner) -> Option<Login> {
        let acting = self.gateway().engine().act_as(&owner.login)?;
        (acting.since_ms == owner.since_ms).then_some(acting.login)
    }

    /// The name of the queue at a place, which was `known` when last seen.
    fn queue_at(&self, vhost: &str, place: QueueRef, known: &str) -> Option<String> {
        let engine = self.gateway().engine();
        if engine.queue_place(vhost, known) == Some(place) {
            return Some(known.to_owned());
        }
        engine.queue_name(vhost, place).map(|name| name.to_string())
    }

    /// Stores a webhook and puts it to work, also when whoever asked for it goes away meanwhile.
    async fn set(&self, row: Webhook, changing: Changing) -> Result<Entry, HookError> {
        let this = self.clone();
        self.to_the_end(async move {
            let _changing = changing;
            this.store(row.clone()).await?;
            // The queue or the account may have gone while it was stored.
            this.put(row).ok_or(HookError::NotFound)
        })
        .await
    }

    /// Deletes a webhook and ends its work, also when whoever asked for it goes away meanwhile.
    async fn remove(&self, id: String, changing: Changing) -> Result<(), HookError> {
        let this = self.clone();
        self.to_the_end(async move {
            let _changing = changing;
            this.commit(Change::WebhookDeleted { id: id.clone() })
                .await?;
            let removed = this.table().remove(&id);
            if let Some(task) = removed.and_then(|entry| entry.task) {
                task.abort();
            }
            Ok(())
        })
        .await
    }

    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, HookError>> + Send + 'static,
    ) -> Result<T, HookError> {
        let stopped = || HookError::Unavailable("the server is shutting down".to_owned());
        let done = self.0.runtime.spawn(work).await;
        done.unwrap_or_else(|_| Err(stopped()))
    }

    async fn begin_change(&self) -> Changing {
        self.0.changing.clone().lock_owned().await
    }

    async fn store(&self, row: Webhook) -> Result<(), HookError> {
        self.commit(Change::WebhookSet(row)).await
    }

    async fn commit(&self, change: Change) -> Result<(), HookError> {
        let committed = self.gateway().engine().commit(vec![change]).await;
        committed.map_err(|error| match error {
            CommitError::Refused(refused) => HookError::Conflict(format!(
                "{refused}; a webhook needs a durable queue that is there"
            )),
            CommitError::Failure(failure) => not_stored(&failure),
        })
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_stored(failure: &directory::Failure) -> HookError {
    tracing::error!(
        error = failure as &dyn std::error::Error,
        "the directory failed a webhook"
    );
    HookError::Unavailable("the directory cannot be used at the moment".to_owned())
}
