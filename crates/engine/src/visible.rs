//! What of the topology somebody with rights may see.

use std::collections::HashSet;

use broker::access::{Access, Resource, Right};
use broker::shard::ConsumerView;
use broker::topology::{BindingView, QueueEntry, Vhost};
use broker::{Name, QueueRef, QueueStatistics, Refusal};

use crate::administration::{ExchangeView, Handle, QueueView};

impl Handle {
    /// The name of the queue at a place; `None` when it is gone.
    #[must_use]
    pub fn queue_name(&self, vhost: &str, place: QueueRef) -> Option<Name> {
        self.shared.topology().queue_name(vhost, place)
    }

    /// The first `limit` queues, by name, that whoever has `access` may see and whose name is wanted, with how they are doing.
    pub async fn queues_seen_by(
        &self,
        access: &Access,
        is_wanted: impl Fn(&QueueEntry) -> bool + Send,
        limit: usize,
    ) -> Vec<QueueView> {
        let (mut views, places) = self.seen(access, &is_wanted, limit);
        let all: Vec<_> = places.iter().flatten().copied().collect();
        let mut found = self.statistics(&all).await.into_iter();
        for (view, places) in views.iter_mut().zip(places) {
            for one in found.by_ref().take(places.len()).flatten() {
                view.statistics.add(&one);
            }
        }
        views
    }

    fn seen(
        &self,
        access: &Access,
        is_wanted: &(impl Fn(&QueueEntry) -> bool + Send),
        limit: usize,
    ) -> (Vec<QueueView>, Vec<Vec<QueueRef>>) {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(&access.vhost) else {
            return Default::default();
        };
        let queues = host.queues();
        let mut seen: Vec<_> = queues
            .into_iter()
            .filter(|queue| is_wanted(queue) && access.sees_queue(queue))
            .collect();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        seen.truncate(limit);
        let view = |queue: &&QueueEntry| QueueView {
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
        };
        (
            seen.iter().map(view).collect(),
            // What a partitioned queue holds is in its partitions; the order of these does not matter.
            seen.iter()
                .map(|queue| {
                    let mut places = host.partition_places(queue);
                    places.push(queue.place);
                    places
                })
                .collect(),
        )
    }

    /// The first `limit` exchanges, by name, that whoever has `access` may see and whose name is wanted; not the default one.
    #[must_use]
    pub fn exchanges_seen_by(
        &self,
        access: &Access,
        is_wanted: impl Fn(&str) -> bool,
        limit: usize,
    ) -> Vec<ExchangeView> {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(&access.vhost) else {
            return Vec::new();
        };
        let exchanges = host.exchanges();
        let mut seen: Vec<_> = exchanges
            .into_iter()
            .filter(|exchange| !exchange.name.is_empty() && is_wanted(&exchange.name))
            .filter(|exchange| access.sees_exchange(exchange))
            .collect();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        seen.truncate(limit);
        seen.into_iter()
            .map(|exchange| ExchangeView::of(host, exchange))
            .collect()
    }

    /// The bindings of an exchange whose destinations whoever has `access` may see.
    #[must_use]
    pub fn bindings_seen_by(&self, access: &Access, exchange: &str) -> Vec<BindingView> {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(&access.vhost) else {
            return Vec::new();
        };
        let is_seen = |view: &BindingView| {
            if view.to_exchange {
                let found = host.exchange(&view.destination);
                found.is_some_and(|exchange| access.sees_exchange(exchange))
            } else {
                let found = host.queue(&view.destination);
                found.is_some_and(|queue| access.sees_queue(queue))
            }
        };
        let bindings = host.bindings().into_iter();
        bindings
            .filter(|view| *view.source == *exchange && is_seen(view))
            .collect()
    }

    /// What leads to a queue that whoever has `access` may see, from exchanges that they may see as well.
    #[must_use]
    pub fn bindings_to_queue_seen_by(&self, access: &Access, queue: &str) -> Vec<BindingView> {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(&access.vhost) else {
            return Vec::new();
        };
        if !host
            .queue(queue)
            .is_some_and(|entry| access.sees_queue(entry))
        {
            return Vec::new();
        }
        let mut found = host.bindings_to_queue(queue);
        found.retain(|view| {
            let source = host.exchange(&view.source);
            source.is_some_and(|exchange| access.sees_exchange(exchange))
        });
        found
    }

    /// The consumers of a queue, those of its partitions among them. Whether somebody may see it is for the caller to ask.
    pub async fn consumers_of(&self, vhost: &str, queue: &str) -> Vec<ConsumerView> {
        let places = {
            let topology = self.shared.topology();
            let host = topology.vhost(vhost);
            let found = host.and_then(|host| Some((host, host.queue(queue)?)));
            found.map_or_else(Vec::new, |(host, entry)| {
                let mut places = host.partition_places(entry);
                places.push(entry.place);
                places
            })
        };
        self.consumers_at(&places).await
    }

    /// How queues are doing, partitions with the queue that they are parts of: all of them, or those of these virtual hosts and names.
    pub async fn queue_statistics(
        &self,
        wanted: Option<&HashSet<(Name, Name)>>,
    ) -> Vec<((Name, Name), QueueStatistics)> {
        let mut rows = Vec::new();
        let mut places: Vec<Vec<QueueRef>> = Vec::new();
        {
            let topology = self.shared.topology();
            let mut note = |host: &Vhost, queue: &QueueEntry| {
                let mut parts = host.partition_places(queue);
                parts.push(queue.place);
                places.push(parts);
                let name = (host.name.clone(), queue.name.clone());
                rows.push((name, QueueStatistics::default()));
            };
            if let Some(wanted) = wanted {
                for (vhost, name) in wanted {
                    let host = topology.vhost(vhost);
                    if let Some((host, queue)) =
                        host.and_then(|host| Some((host, host.queue(name)?)))
                    {
                        note(host, queue);
                    }
                }
            } else {
                for host in topology.vhosts() {
                    let whole = |queue: &&QueueEntry| queue.partition_of.is_none();
                    for queue in host.queues().into_iter().filter(whole) {
                        note(host, queue);
                    }
                }
            }
        }
        let all: Vec<_> = places.iter().flatten().copied().collect();
        let mut found = self.statistics(&all).await.into_iter();
        for ((_, sum), places) in rows.iter_mut().zip(places) {
            for one in found.by_ref().take(places.len()).flatten() {
                sum.add(&one);
            }
        }
        rows
    }

    /// How many queues there are.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.shared.topology().census().queues
    }

    /// Says whether there is a queue or an exchange of this name.
    #[must_use]
    pub fn exists(&self, vhost: &str, resource: Resource, name: &str) -> bool {
        let topology = self.shared.topology();
        topology.vhost(vhost).is_some_and(|host| match resource {
            Resource::Queue => host.queue(name).is_some(),
            Resource::Exchange => host.exchange(name).is_some(),
        })
    }

    /// Says whether there is a queue of this name that this account declared.
    #[must_use]
    pub fn owns_queue(&self, login: &str, vhost: &str, queue: &str) -> bool {
        let topology = self.shared.topology();
        let host = topology.vhost(vhost);
        host.and_then(|host| host.queue(queue))
            .is_some_and(|found| found.owner.as_deref() == Some(login))
    }

    /// Checks one right on a queue or an exchange.
    ///
    /// # Errors
    /// `AccessRefused` without the right, whether or not there is such a thing; then `NotFound` if there is not.
    pub fn check_right(
        &self,
        access: &Access,
        right: Right,
        resource: Resource,
        name: &str,
    ) -> Result<(), Refusal> {
        let topology = self.shared.topology();
        let not_found = || match resource {
            Resource::Queue => Refusal::no_queue(name, &access.vhost),
            Resource::Exchange => Refusal::no_exchange(name, &access.vhost),
        };
        let host = topology.vhost(&access.vhost).ok_or_else(not_found)?;
        let found = match resource {
            Resource::Queue => host
                .queue(name)
                .map(|queue| (&**queue.known_as(), queue.owner.as_deref())),
            Resource::Exchange => host
                .exchange(name)
                .map(|exchange| (name, exchange.owner.as_deref())),
        };
        let (known_as, owner) = found.unwrap_or((name, None));
        access.check(right, resource, known_as, owner)?;
        found.map(|_| ()).ok_or_else(not_found)
    }
}
