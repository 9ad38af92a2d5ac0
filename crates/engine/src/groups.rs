//! Groups that read streams: how far each came, in memory and on disk; and the parts of queues that consumers share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker::arguments::QueueKind;
use broker::{Name, QueueId, QueueRef, Refusal, RefusalKind};
use directory::{Change, StreamGroup};
use tokio::sync::oneshot;

use crate::administration::Handle;

/// What a queue consists of.
#[derive(Debug, Clone)]
pub struct QueueParts {
    /// Where the queue itself lives; a partitioned one keeps nothing there.
    pub head: QueueRef,
    /// Its kind.
    pub kind: QueueKind,
    /// Where its partitions live, in order; none if it is not split.
    pub partitions: Vec<QueueRef>,
    /// It is itself a partition of another.
    pub is_partition: bool,
}

impl QueueParts {
    /// The places that messages are in: the partitions, or the queue itself.
    #[must_use]
    pub fn units(&self) -> Vec<QueueRef> {
        if self.partitions.is_empty() {
            vec![self.head]
        } else {
            self.partitions.clone()
        }
    }
}

/// How far each group of each stream came: the first offset that is not done with.
#[derive(Debug, Default)]
pub(crate) struct StreamGroups(Mutex<BTreeMap<(u64, Name), u64>>);

impl StreamGroups {
    pub(crate) fn new(stored: Vec<StreamGroup>) -> Self {
        let known = stored
            .into_iter()
            .map(|group| ((group.queue, group.name.into()), group.next_offset));
        Self(Mutex::new(known.collect()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u64, Name), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks the name of a group.
///
/// # Errors
/// What is wrong with it.
pub fn check_group_name(name: &str) -> Result<(), String> {
    directory::check_name(name)
}

impl Handle {
    /// Finds what a queue consists of; `None` when there is none of this name.
    #[must_use]
    pub fn queue_parts(&self, vhost: &str, queue: &str) -> Option<QueueParts> {
        let topology = self.shared.topology();
        let host = topology.vhost(vhost)?;
        let found = host.queue(queue)?;
        Some(QueueParts {
            head: found.place,
            kind: found.kind,
            partitions: host.partition_places(found),
            is_partition: found.partition_of.is_some(),
        })
    }

    /// Finds what the queue at a place is called by those who published to it, and which of its partitions it is.
    #[must_use]
    pub fn known_queue(
        &self,
        vhost: &str,
        place: QueueRef,
    ) -> Option<(Name, QueueKind, Option<u32>)> {
        let topology = self.shared.topology();
        let name = topology.queue_name(vhost, place)?;
        let found = topology.vhost(vhost)?.queue(&name)?;
        let partition = found.partition_of.as_ref().map(|part| part.index);
        Some((found.known_as().clone(), found.kind, partition))
    }

    /// Where streams end: the offset that the next message of each will have, 0 for what is gone.
    pub async fn stream_ends(&self, places: &[QueueRef]) -> Vec<u64> {
        let found = self.statistics(places).await.into_iter();
        found
            .map(|statistics| statistics.map_or(0, |statistics| statistics.published))
            .collect()
    }

    /// How far a group came in a stream; `None` for one that never read it.
    #[must_use]
    pub fn group_offset(&self, stream: QueueId, group: &str) -> Option<u64> {
        let known = self.shared.groups.lock();
        known.get(&(stream.0, group.into())).copied()
    }

    /// The groups of a stream, by name, and how far each came.
    #[must_use]
    pub fn groups_of(&self, stream: QueueId) -> Vec<(Name, u64)> {
        let known = self.shared.groups.lock();
        let theirs = known.range((stream.0, "".into())..(stream.0 + 1, "".into()));
        theirs
            .map(|((_, name), offset)| (name.clone(), *offset))
            .collect()
    }

    /// Writes down how far groups came in streams.
    ///
    /// # Durability
    /// On return it is on disk.
    ///
    /// # Errors
    /// `Unavailable`: the disk takes nothing for now.
    pub async fn set_group_offsets(&self, moved: &[(QueueId, Name, u64)]) -> Result<(), Refusal> {
        let changes = moved.iter().map(|(stream, name, next_offset)| {
            Change::StreamGroupSet(StreamGroup {
                queue: stream.0,
                name: name.to_string(),
                next_offset: *next_offset,
            })
        });
        self.write_groups(changes.collect()).await?;
        let mut known = self.shared.groups.lock();
        for (stream, name, next_offset) in moved {
            known.insert((stream.0, name.clone()), *next_offset);
        }
        Ok(())
    }

    /// Forgets a group of some streams.
    ///
    /// # Errors
    /// `Unavailable`: the disk takes nothing for now.
    pub async fn delete_group(&self, streams: &[QueueRef], group: &str) -> Result<(), Refusal> {
        let changes = streams.iter().map(|stream| Change::StreamGroupDeleted {
            queue: stream.id.0,
            name: group.to_owned(),
        });
        self.write_groups(changes.collect()).await?;
        let mut known = self.shared.groups.lock();
        for stream in streams {
            known.remove(&(stream.id.0, group.into()));
        }
        Ok(())
    }

    async fn write_groups(&self, changes: Vec<Change>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.shared.metadata.commit(changes, move |result| {
            // Whoever asked may have gone.
            let _ = answer.send(result);
        });
        match answered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Refusal::new(
                RefusalKind::Unavailable,
                "how far the group came could not be written down; try again later",
            )),
        }
    }
}
