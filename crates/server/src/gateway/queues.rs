//! What is done to a queue as a whole, partitions included.

use broker::access::Access;
use broker::{Refusal, RefusalKind, Reply, Request};
use engine::QueueView;
use engine::audit::Author;

use super::{Gateway, Link, stopping};

impl Gateway {
    /// Splits a partitioned queue into `count` partitions; those who consume share out the new ones.
    ///
    /// # Errors
    /// See [`engine::Handle::raise_partitions`].
    pub(crate) async fn raise_partitions(
        &self,
        access: &Access,
        queue: &str,
        count: u32,
        author: &Author,
    ) -> Result<(), Refusal> {
        let (gateway, access, author) = (self.clone(), access.clone(), author.clone());
        let queue = queue.to_owned();
        // Whoever asked may go: those who consume are to hear of it all the same.
        let raising = tokio::spawn(async move {
            let engine = gateway.engine();
            let raised = engine.raise_partitions(&access, &queue, count, &author);
            raised.await?;
            gateway.groups().raised(&access.vhost, &queue);
            Ok(())
        });
        raising.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Deletes all messages that wait in a queue; returns how many.
    ///
    /// # Errors
    /// The refusal; of a partitioned queue some partitions may be empty then.
    pub(crate) async fn purge(
        &self,
        link: &Link,
        vhost: &str,
        queue: &str,
    ) -> Result<u64, Refusal> {
        let engine = self.engine();
        let parts = engine.queue_parts(vhost, queue);
        let partitions = parts.map(|parts| parts.partitions).unwrap_or_default();
        if partitions.is_empty() {
            let name = queue.to_owned();
            return Ok(counted(&link.request(Request::QueuePurge { name }).await?));
        }
        let mut purged = 0;
        for place in partitions {
            if let Some(name) = engine.queue_name(vhost, place) {
                let name = name.to_string();
                purged += counted(&link.request(Request::QueuePurge { name }).await?);
            }
        }
        Ok(purged)
    }

    /// Deletes a queue with its messages; returns how many.
    ///
    /// # Errors
    /// The refusal; `PreconditionFailed` for a condition that does not hold.
    pub(crate) async fn delete(
        &self,
        link: &Link,
        queue: &QueueView,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<u64, Refusal> {
        let is_split = queue.partitions > 0;
        if is_split {
            check_conditions(queue, if_unused, if_empty)?;
        }
        let request = Request::QueueDelete {
            name: queue.name.to_string(),
            if_unused: if_unused && !is_split,
            if_empty: if_empty && !is_split,
        };
        let deleted = counted(&link.request(request).await?);
        Ok(if is_split {
            queue.statistics.ready
        } else {
            deleted
        })
    }
}

/// The conditions on a partitioned queue, by how it is doing just now: no shard knows all of it.
fn check_conditions(queue: &QueueView, if_unused: bool, if_empty: bool) -> Result<(), Refusal> {
    let of = &queue.statistics;
    let reason = if if_unused && of.consumers > 0 {
        "in use"
    } else if if_empty && of.ready + of.unacked + of.delayed > 0 {
        "not empty"
    } else {
        return Ok(());
    };
    Err(Refusal::new(
        RefusalKind::PreconditionFailed,
        format!("queue '{}' in vhost '{}' {reason}", queue.name, queue.vhost),
    ))
}

const fn counted(reply: &Reply) -> u64 {
    match reply {
        Reply::Purged(messages) | Reply::Deleted(messages) => *messages,
        Reply::Done | Reply::QueueDeclared { .. } | Reply::Got(..) | Reply::Empty => 0,
    }
}
