//! Groups of a stream as lists show them, and what an operator does to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker::{QueueRef, Refusal, StreamOffset};
use engine::QueueParts;

use super::{Group, Groups};
use crate::gateway::{Link, Pull, PullFrom};

/// A group as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct GroupView {
    /// Its name.
    pub(crate) name: String,
    /// Members that stay.
    pub(crate) members: usize,
    /// How far it came in each partition, or in the stream if that is not split.
    pub(crate) partitions: Vec<Progress>,
}

/// How far a group came in one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// The first offset that is not done with; `None` for a group that never read.
    pub(crate) next_offset: Option<u64>,
    /// The offset that the next message will have.
    pub(crate) end_offset: u64,
    /// A member, or somebody who pulled, has messages of it, or waits for them.
    pub(crate) is_held: bool,
}

impl Groups {
    /// The groups of a stream, by name.
    pub(crate) async fn list(&self, vhost: &str, parts: &QueueParts) -> Vec<GroupView> {
        let units = parts.units();
        let ends = self.0.engine.stream_ends(&units).await;
        let known = units.iter().flat_map(|unit| {
            let groups = self.0.engine.groups_of(unit.id).into_iter();
            groups.map(|(name, _)| name.to_string())
        });
        let mut names: BTreeSet<_> = known.collect();
        {
            let open = self.lock();
            let of_stream = open.keys().filter(|(host, head, name)| {
                **host == *vhost && *head == parts.head.id.0 && !name.is_empty()
            });
            names.extend(of_stream.map(|(.., name)| name.clone()));
        }
        let views = names
            .into_iter()
            .map(|name| self.view(vhost, parts, name, &ends));
        views.collect()
    }

    fn view(&self, vhost: &str, parts: &QueueParts, name: String, ends: &[u64]) -> GroupView {
        let open = self.find(vhost, parts.head.id.0, &name);
        let (members, units) = open.map_or_else(Default::default, |group| group.view());
        let progress = parts.units().into_iter().enumerate().map(|(index, place)| {
            let unit = units.get(index);
            Progress {
                next_offset: unit
                    .and_then(|unit| unit.next_offset)
                    .or_else(|| self.0.engine.group_offset(place.id, &name)),
                end_offset: ends.get(index).copied().unwrap_or_default(),
                is_held: unit.is_some_and(|unit| unit.is_held),
            }
        });
        GroupView {
            members,
            partitions: progress.collect(),
            name,
        }
    }

    /// Sets where a group goes on to read, and makes it if there is none; false while somebody reads by it.
    ///
    /// # Durability
    /// On return it is on disk.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn seek(
        &self,
        link: &Link,
        vhost: &str,
        parts: &QueueParts,
        group: &str,
        to: StreamOffset,
    ) -> Result<bool, Refusal> {
        super::check_group(group)?;
        let units = parts.units();
        let offsets = self.places(link, vhost, &units, to).await?;
        let moved = units.iter().zip(offsets);
        let moved: Vec<_> = moved
            .map(|(place, offset)| (place.id, group.into(), offset))
            .collect();
        let _writing = self.0.writing.lock().await;
        if !self.close(vhost, parts.head.id.0, group) {
            return Ok(false);
        }
        self.0.engine.set_group_offsets(&moved).await?;
        Ok(true)
    }

    /// Forgets a group; false while somebody reads by it.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn delete(
        &self,
        vhost: &str,
        parts: &QueueParts,
        group: &str,
    ) -> Result<bool, Refusal> {
        let _writing = self.0.writing.lock().await;
        if !self.close(vhost, parts.head.id.0, group) {
            return Ok(false);
        }
        self.0.engine.delete_group(&parts.units(), group).await?;
        Ok(true)
    }

    /// The offset that a place in each of some streams has now.
    pub(super) async fn places(
        &self,
        link: &Link,
        vhost: &str,
        streams: &[QueueRef],
        at: StreamOffset,
    ) -> Result<Vec<u64>, Refusal> {
        let ends = self.0.engine.stream_ends(streams).await;
        let mut offsets = Vec::with_capacity(ends.len());
        for (place, end) in streams.iter().zip(ends) {
            let name = self.0.engine.queue_name(vhost, *place);
            offsets.push(match (at, name) {
                (StreamOffset::First, _) => 0,
                (StreamOffset::Offset(offset), _) => offset.min(end),
                (StreamOffset::Last | StreamOffset::Timestamp(_), Some(name)) => {
                    first_from(link, &name, at).await?.unwrap_or(end)
                }
                (StreamOffset::Next | StreamOffset::Last | StreamOffset::Timestamp(_), _) => end,
            });
        }
        Ok(offsets)
    }

    /// Takes a group that nobody reads by out of memory; false if somebody does.
    fn close(&self, vhost: &str, head: u64, name: &str) -> bool {
        let key = (vhost.into(), head, name.to_owned());
        let mut open = self.lock();
        let is_wanted = |group: &Arc<Group>| group.is_used() || Arc::strong_count(group) > 1;
        if open.get(&key).is_some_and(is_wanted) {
            return false;
        }
        open.remove(&key);
        true
    }
}

/// The offset of the first message at or behind a place in a stream.
async fn first_from(link: &Link, stream: &str, from: StreamOffset) -> Result<Option<u64>, Refusal> {
    let pull = Pull {
        queue: stream.to_owned(),
        max: 1,
        wait_ms: 0,
        lease_ms: 1,
        from: PullFrom::Stream(from),
        no_ack: true,
        hold: None,
    };
    let found = link.pull(pull).await?;
    Ok(found.first().map(|one| one.sequence.saturating_sub(1)))
}
