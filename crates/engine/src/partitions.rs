//! Splitting a partitioned queue further, from any thread.

use broker::access::{Access, Right};
use broker::topology::Actor;
use broker::{Refusal, RefusalKind};
use tokio::sync::oneshot;

use crate::administration::Handle;
use crate::audit::Author;
use crate::declared::to_store;
use crate::renaming::NO_CONNECTION;
use crate::requests::specifications;

impl Handle {
    /// Gives a partitioned queue further partitions, up to `count`; see [`broker::topology::Topology::raise_partitions`].
    ///
    /// # Durability
    /// The new partitions are on disk on return. When they cannot be written there are none.
    ///
    /// # Errors
    /// As there; also `LimitExceeded` for the quota of the owner, and `Unavailable` when the disk fails.
    pub async fn raise_partitions(
        &self,
        access: &Access,
        name: &str,
        count: u32,
        author: &Author,
    ) -> Result<(), Refusal> {
        let actor = Actor {
            connection: NO_CONNECTION,
            access: Some(access),
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut topology = self.shared.topology_mut();
            let head = topology.vhost(&access.vhost).and_then(|host| {
                let head = host.usable_queue(name, Right::Configure, &actor).ok()?;
                let more = count.saturating_sub(host.partitions_of(head));
                Some((head.owner.clone()?, u64::from(more)))
            });
            // Whoever asks, they are the owner's.
            if let Some((owner, more)) = &head {
                self.shared.check_queues(&topology, owner, *more)?;
            }
            let made = topology.raise_partitions(&access.vhost, name, count, &actor)?;
            let made = specifications(made, &access.vhost);
            let mut changes = to_store(topology.take_changes());
            if changes.is_empty() {
                return Ok(());
            }
            let now_ms = self.now_ms();
            changes.extend(author.changed(&changes, now_ms));
            let places: Vec<_> = made.iter().map(|one| one.place).collect();
            for partition in made {
                if let Some((owner, _)) = &head {
                    self.shared.quotas.owns_another(owner);
                }
                // Under the topology's lock: whoever finds the queue from now on finds it on its shard.
                if let Some(mailbox) = self
                    .shared
                    .mailboxes
                    .get(usize::from(partition.place.shard))
                {
                    mailbox.post_creation(partition);
                }
            }
            let shared = std::sync::Arc::downgrade(&self.shared);
            self.shared.metadata.commit(changes, move |result| {
                if let (Err(_), Some(shared)) = (&result, shared.upgrade()) {
                    shared.unmake(places);
                }
                // Whoever asked may have gone.
                let _ = answer.send(result);
            });
        }
        match answered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                RefusalKind::Unavailable,
                "the partitions could not be made durable; try again later",
            )),
        }
    }
}
