//! What can be asked of the engine from any thread: logins, listings, an operator's changes.

mod accounts;
mod changes;
mod connections;

use broker::arguments::QueueKind;
use broker::shard::ConsumerView;
use broker::topology::{BindingView, PartitionOf};
use broker::{ExchangeKind, Name, QueueRef, QueueStatistics};
use codec::amqp::field::Table;
use tokio::sync::oneshot;

use crate::SharedRef;
use crate::accounts::Accounts;
use crate::alarm::{Alarm, Alarms};
use crate::aside;
use crate::mailbox::Letter;
use crate::shard::Shard;
use crate::startup::Engine;
pub use accounts::{AccountView, QueueKeyView, Registration};
pub(crate) use connections::ConnectionTable;
pub use connections::{Admission, Closer, ConnectionView};

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
    /// Into how many partitions it is split; 0 if it is not.
    pub partitions: u32,
    /// What it is a partition of.
    pub partition_of: Option<PartitionOf>,
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

impl ExchangeView {
    pub(crate) fn of(
        host: &broker::topology::Vhost,
        exchange: &broker::topology::Exchange,
    ) -> Self {
        Self {
            vhost: host.name.clone(),
            name: exchange.name.clone(),
            kind: exchange.kind,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: exchange.arguments.clone(),
            owner: exchange.owner.clone(),
            policy: host.exchange_policy(exchange).map(str::to_owned),
        }
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

    /// Raises or ends an alarm on the operator's behalf.
    pub fn set_alarm(&self, alarm: Alarm, is_raised: bool) {
        self.shared.set_alarm(alarm, is_raised);
    }

    /// The names of all virtual hosts.
    #[must_use]
    pub fn vhosts(&self) -> Vec<Name> {
        self.shared.vhost_names()
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
                        partitions: host.partitions_of(queue),
                        partition_of: queue.partition_of.clone(),
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
        self.consumers_at(&places).await
    }

    pub(crate) async fn consumers_at(&self, places: &[QueueRef]) -> Vec<ConsumerView> {
        let mut all = Vec::new();
        for (shard, wanted) in self.by_shard(places) {
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
        wanted
            .flat_map(|host| {
                host.exchanges()
                    .into_iter()
                    .map(|exchange| ExchangeView::of(host, exchange))
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

    /// Reads what the directory holds, for listings of accounts, rights and policies.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn snapshot(&self) -> Result<directory::Snapshot, directory::Failure> {
        let path = self.shared.directory_path.clone();
        aside(move || directory::Directory::open(&path)?.load()).await
    }
}
