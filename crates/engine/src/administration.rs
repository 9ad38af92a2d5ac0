//! What can be asked of the engine from any thread: logins, listings, an operator's changes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use broker::arguments::QueueKind;
use broker::shard::ConsumerView;
use broker::topology::BindingView;
use broker::{ConnectionId, ExchangeKind, Name, QueueRef, QueueStatistics};
use codec::amqp::field::Table;
use directory::{Change, CommitError};
use tokio::sync::oneshot;

use crate::SharedRef;
use crate::accounts::{Accounts, Denied, Login};
use crate::alarm::{Alarm, Alarms};
use crate::connection::ConnectionInfo;
use crate::mailbox::Letter;
use crate::shard::Shard;
use crate::startup::Engine;

/// A queue as listings show it.
#[derive(Debug, Clone)]
pub struct QueueView {
    /// Its virtual host.
    pub vhost: Name,
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: QueueKind,
    /// It was declared durable.
    pub durable: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// Only one connection may use it.
    pub exclusive: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The account that declared it.
    pub owner: Option<Name>,
    /// The policy that holds for it.
    pub policy: Option<String>,
    /// How it is doing.
    pub statistics: QueueStatistics,
}

/// An exchange as listings show it.
#[derive(Debug, Clone)]
pub struct ExchangeView {
    /// Its virtual host.
    pub vhost: Name,
    /// Its name; empty is the default exchange.
    pub name: Name,
    /// Its type.
    pub kind: ExchangeKind,
    /// It outlives the process.
    pub durable: bool,
    /// It goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The account that declared it; `None` for the broker's own.
    pub owner: Option<Name>,
    /// The policy that holds for it.
    pub policy: Option<String>,
}

/// A connection as listings show it.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Its identity.
    pub id: ConnectionId,
    /// What it is.
    pub info: ConnectionInfo,
}

/// The open connections of all shards, for listings. A leaf lock, taken when a connection opens or closes.
#[derive(Debug, Default)]
pub(crate) struct ConnectionTable {
    open: Mutex<HashMap<ConnectionId, ConnectionInfo>>,
}

impl ConnectionTable {
    pub(crate) fn insert(&self, connection: ConnectionId, info: ConnectionInfo) {
        self.lock().insert(connection, info);
    }

    pub(crate) fn remove(&self, connection: ConnectionId) {
        self.lock().remove(&connection);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn of(&self, is_wanted: impl Fn(&ConnectionInfo) -> bool) -> Vec<ConnectionView> {
        let open = self.lock();
        let wanted = open.iter().filter(|(_, info)| is_wanted(info));
        let mut views: Vec<_> = wanted
            .map(|(id, info)| ConnectionView {
                id: *id,
                info: info.clone(),
            })
            .collect();
        views.sort_by_key(|view| view.id);
        views
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConnectionId, ConnectionInfo>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine as every thread may use it; connections alone are bound to their shard.
///
/// # Concurrency
/// Cheap to clone. Its futures wait for other threads and may be dropped at any time; what they asked for is done all the same.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) shared: SharedRef,
}

impl Engine {
    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: self.shared.clone(),
        }
    }
}

impl Shard {
    /// A handle for what is not bound to this shard.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: self.shared.clone(),
        }
    }

    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }
}

impl Handle {
    /// The accounts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.shared.accounts
    }

    /// The alarms in force.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.shared.alarms
    }

    /// The time, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Checks a login; see [`Accounts::authenticate`].
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(
        &self,
        login: &str,
        password: &str,
        is_local: bool,
    ) -> Result<Login, Denied> {
        self.shared
            .accounts
            .authenticate(login, password, is_local)
            .await
    }

    /// Raises or ends an alarm on the operator's behalf.
    pub fn set_alarm(&self, alarm: Alarm, is_raised: bool) {
        self.shared.set_alarm(alarm, is_raised);
    }

    /// The names of all virtual hosts.
    #[must_use]
    pub fn vhosts(&self) -> Vec<Name> {
        self.shared
            .topology()
            .vhosts()
            .iter()
            .map(|vhost| vhost.name.clone())
            .collect()
    }

    /// Every queue of one virtual host or of all, with how it is doing.
    pub async fn queues(&self, vhost: Option<&str>) -> Vec<QueueView> {
        let mut views = Vec::new();
        let mut places = Vec::new();
        {
            let topology = self.shared.topology();
            let hosts = topology.vhosts();
            for host in hosts
                .into_iter()
                .filter(|host| vhost.is_none_or(|name| *host.name == *name))
            {
                for queue in host.queues() {
                    places.push(queue.place);
                    views.push(QueueView {
                        vhost: host.name.clone(),
                        name: queue.name.clone(),
                        kind: queue.kind,
                        durable: queue.durable,
                        auto_delete: queue.auto_delete,
                        exclusive: queue.exclusive.is_some(),
                        arguments: queue.arguments.clone(),
                        owner: queue.owner.clone(),
                        policy: host.queue_policy(queue).map(str::to_owned),
                        statistics: QueueStatistics::default(),
                    });
                }
            }
        }
        let found = self.statistics(&places).await;
        for (view, statistics) in views.iter_mut().zip(found) {
            view.statistics = statistics.unwrap_or_default();
        }
        views
    }

    pub(crate) async fn statistics(&self, places: &[QueueRef]) -> Vec<Option<QueueStatistics>> {
        let mut found = vec![None; places.len()];
        for (shard, wanted) in self.by_shard(places) {
            let (answer, answered) = oneshot::channel();
            let places = wanted.iter().map(|(_, place)| *place).collect();
            self.shared
                .post(shard, Letter::Statistics { places, answer });
            for ((index, _), statistics) in wanted.iter().zip(answered.await.unwrap_or_default()) {
                if let Some(slot) = found.get_mut(*index) {
                    *slot = statistics;
                }
            }
        }
        found
    }

    /// Every consumer, by queue.
    pub async fn consumers(&self) -> Vec<ConsumerView> {
        let places: Vec<_> = {
            let topology = self.shared.topology();
            topology
                .vhosts()
                .iter()
                .flat_map(|host| host.queues())
                .map(|queue| queue.place)
                .collect()
        };
        let mut all = Vec::new();
        for (shard, wanted) in self.by_shard(&places) {
            let (answer, answered) = oneshot::channel();
            let places = wanted.into_iter().map(|(_, place)| place).collect();
            self.shared
                .post(shard, Letter::Consumers { places, answer });
            all.extend(answered.await.unwrap_or_default());
        }
        all
    }

    fn by_shard(&self, places: &[QueueRef]) -> Vec<(u16, Vec<(usize, QueueRef)>)> {
        let shards = u16::try_from(self.shared.mailboxes.len()).unwrap_or(u16::MAX);
        let wanted = |shard| -> Vec<_> {
            places
                .iter()
                .copied()
                .enumerate()
                .filter(|(_, place)| place.shard == shard)
                .collect()
        };
        (0..shards)
            .map(|shard| (shard, wanted(shard)))
            .filter(|(_, wanted)| !wanted.is_empty())
            .collect()
    }

    /// Every exchange of one virtual host or of all.
    #[must_use]
    pub fn exchanges(&self, vhost: Option<&str>) -> Vec<ExchangeView> {
        let topology = self.shared.topology();
        let hosts = topology.vhosts();
        let wanted = hosts
            .into_iter()
            .filter(|host| vhost.is_none_or(|name| *host.name == *name));
        let view =
            |host: &broker::topology::Vhost, exchange: &broker::topology::Exchange| ExchangeView {
                vhost: host.name.clone(),
                name: exchange.name.clone(),
                kind: exchange.kind,
                durable: exchange.durable,
                auto_delete: exchange.auto_delete,
                internal: exchange.internal,
                arguments: exchange.arguments.clone(),
                owner: exchange.owner.clone(),
                policy: host.exchange_policy(exchange).map(str::to_owned),
            };
        wanted
            .flat_map(|host| {
                host.exchanges()
                    .into_iter()
                    .map(|exchange| view(host, exchange))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Every binding of one virtual host or of all, also the default exchange's.
    #[must_use]
    pub fn bindings(&self, vhost: Option<&str>) -> Vec<BindingView> {
        let topology = self.shared.topology();
        let hosts = topology.vhosts();
        hosts
            .into_iter()
            .filter(|host| vhost.is_none_or(|name| *host.name == *name))
            .flat_map(|host| host.bindings())
            .collect()
    }

    /// Every open connection.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionView> {
        self.shared.connections.of(|_| true)
    }

    /// Closes one connection or all, for a reason that clients are shown; returns how many.
    #[must_use]
    pub fn close_connections(&self, connection: Option<ConnectionId>, reason: &str) -> usize {
        let views = self.shared.connections.of(|_| true);
        let wanted = views
            .iter()
            .filter(|view| connection.is_none_or(|id| view.id == id));
        wanted
            .map(|view| {
                self.shared.post(
                    view.id.shard(),
                    Letter::Close {
                        connection: Some(view.id),
                        reason: reason.into(),
                    },
                )
            })
            .count()
    }

    /// Makes an operator's changes durable, then acts on them: accounts, rights, virtual hosts, policies.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        self.shared.metadata.commit(changes.clone(), move |result| {
            let _ = answer.send(result);
        });
        match answered.await {
            Ok(result) => result?,
            // The directory's thread ends only with the engine.
            Err(_) => return Ok(()),
        }
        for change in &changes {
            self.act_on(change);
        }
        let policies = changes
            .iter()
            .any(|change| matches!(change, Change::PolicySet(_) | Change::PolicyCleared { .. }));
        if policies {
            self.follow_policies(&changes);
        }
        Ok(())
    }

    fn act_on(&self, change: &Change) {
        if let Some(login) = self.shared.accounts.apply(change) {
            for view in self.shared.connections.of(|info| *info.login == *login) {
                let reason = "the account's rights or password were changed".into();
                self.shared.post(
                    view.id.shard(),
                    Letter::Close {
                        connection: Some(view.id),
                        reason,
                    },
                );
            }
        }
        if let Change::AccountDeleted { login } = change {
            self.shared.topology_mut().disown(login);
        }
        if let Change::VhostAdded { name } = change {
            self.shared.topology_mut().add_vhost(name);
        }
        if let Change::VhostDeleted { name } = change {
            self.forget_policies(name);
            self.end_vhost(name);
        }
    }

    fn end_vhost(&self, name: &str) {
        for view in self.shared.connections.of(|info| *info.vhost == *name) {
            let reason = format!("vhost '{name}' is deleted").into();
            self.shared.post(
                view.id.shard(),
                Letter::Close {
                    connection: Some(view.id),
                    reason,
                },
            );
        }
        for place in self.shared.topology_mut().remove_vhost(name) {
            let letter = Letter::Delete {
                place,
                if_unused: false,
                if_empty: false,
                answer: None,
            };
            self.shared.post(place.shard, letter);
        }
    }

    /// Applies changed policies to the queues and exchanges that they are for.
    fn follow_policies(&self, changes: &[Change]) {
        let mut stored = self
            .shared
            .policies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            if let Change::PolicySet(policy) = change {
                stored.retain(|known| known.vhost != policy.vhost || known.name != policy.name);
                stored.push(policy.clone());
            }
            if let Change::PolicyCleared { vhost, name } = change {
                stored.retain(|known| known.vhost != *vhost || known.name != *name);
            }
        }
        for vhost in self.vhosts() {
            let compiled = crate::policies::compile_all(&stored, &vhost);
            let options = self.shared.topology_mut().set_policies(&vhost, compiled);
            for (place, options) in options {
                self.shared.post(
                    place.shard,
                    Letter::Configure {
                        place,
                        options: Box::new(options),
                    },
                );
            }
        }
    }

    /// Reads what the directory holds, for listings of accounts, rights and policies.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn snapshot(&self) -> Result<directory::Snapshot, directory::Failure> {
        let path = self.shared.directory_path.clone();
        let read = tokio::task::spawn_blocking(move || directory::Directory::open(&path)?.load());
        match read.await {
            Ok(snapshot) => snapshot,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}
