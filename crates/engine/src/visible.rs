//! What of the topology somebody with rights may see.

use broker::access::Access;
use broker::{Name, QueueRef, QueueStatistics};

use crate::administration::{Handle, QueueView};

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
        is_wanted: impl Fn(&str) -> bool + Send,
        limit: usize,
    ) -> Vec<QueueView> {
        let (mut views, places) = self.seen(access, &is_wanted, limit);
        let found = self.statistics(&places).await;
        for (view, statistics) in views.iter_mut().zip(found) {
            view.statistics = statistics.unwrap_or_default();
        }
        views
    }

    fn seen(
        &self,
        access: &Access,
        is_wanted: &(impl Fn(&str) -> bool + Send),
        limit: usize,
    ) -> (Vec<QueueView>, Vec<QueueRef>) {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(&access.vhost) else {
            return Default::default();
        };
        let queues = host.queues();
        let mut seen: Vec<_> = queues
            .into_iter()
            .filter(|queue| is_wanted(&queue.name) && access.sees_queue(queue))
            .collect();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        seen.truncate(limit);
        let view = |queue: &&broker::topology::QueueEntry| QueueView {
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
        };
        (
            seen.iter().map(view).collect(),
            seen.iter().map(|queue| queue.place).collect(),
        )
    }
}
