//! Groups: consumers that share the partitions of a queue, or the reading of a stream, among them.
//!
//! Whoever wants messages of a partitioned queue is in a group with all others that do, through whatever door. A partition is *held* by
//! one of them at a time, from its first delivery until the last one is settled, so that messages with the same key keep their order.
//! Members that stay, as a WebSocket or a gRPC call does, have the partitions divided evenly among them; a pull takes what nobody holds.
//! A stream, split or not, is read by groups that have names, and that remember how far they came.
//!
//! Start reading at [`Groups::open`].

mod consumer;
mod cursor;
mod group;
mod listing;
mod pull;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use broker::arguments::QueueKind;
use broker::{Name, Refusal, RefusalKind, StreamOffset};
use engine::{Handle, QueueParts};
use futures_util::future::join_all;
use tokio::time::Duration;

use super::Link;

pub(crate) use consumer::ConsumeWish;
pub(crate) use group::{Group, Hold};
pub(crate) use listing::GroupView;

/// How often it is written down how far groups came.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);
/// Groups of one stream.
const GROUPS_PER_STREAM_MAX: usize = 1_000;

/// The virtual host and the number of the queue, and the group's name; that of a queue's consumers is empty.
type Key = (Name, u64, String);

/// All groups of the server.
#[derive(Clone)]
pub(crate) struct Groups(Arc<Inner>);

struct Inner {
    engine: Handle,
    open: Mutex<HashMap<Key, Arc<Group>>>,
    /// Held by whoever writes down how far groups came, so that the last word is the last on disk.
    writing: tokio::sync::Mutex<()>,
}

/// What kind of sharing a consumer of a queue takes part in.
pub(crate) enum Sharing {
    /// None: the queue's messages go to its consumers as they can take them, or the stream is read from an offset.
    Alone,
    /// It shares partitions with others.
    Group(Arc<Group>),
}

impl Groups {
    pub(super) fn new(engine: Handle) -> Self {
        Self(Arc::new(Inner {
            engine,
            open: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }))
    }

    /// Finds how a queue is consumed, and the group if it is by one; `start` is where a group begins that has not read yet.
    ///
    /// # Errors
    /// The refusal of whoever may not read where there is something to share;
    /// `PreconditionFailed` for a group of what is no stream, for a partitioned stream without one, and for a name that is too long;
    /// `LimitExceeded` for too many groups.
    pub(crate) async fn open(
        &self,
        link: &Link,
        vhost: &str,
        queue: &str,
        group: Option<&str>,
        start: Option<StreamOffset>,
    ) -> Result<Sharing, Refusal> {
        let parts = self.0.engine.queue_parts(vhost, queue);
        if group.is_none()
            && parts
                .as_ref()
                .is_none_or(|parts| parts.partitions.is_empty())
        {
            return Ok(Sharing::Alone);
        }
        // Before anything is told of it.
        link.check_readable(queue).await?;
        let Some(parts) = parts else {
            return Ok(Sharing::Alone);
        };
        let is_stream = parts.kind == QueueKind::Stream;
        match group {
            Some(_) if !is_stream => Err(precondition(format!(
                "'{queue}' is no stream: its consumers share its messages without a group"
            ))),
            None if is_stream && !parts.partitions.is_empty() => Err(precondition(format!(
                "'{queue}' is a partitioned stream: name a group, or read one of its partitions '{queue}-0' to '{queue}-{}'",
                parts.partitions.len() - 1
            ))),
            Some(_) if parts.is_partition => Err(precondition(format!(
                "'{queue}' is a partition: a group reads the whole stream, name that"
            ))),
            Some(name) => {
                check_group(name)?;
                let group = self.stream_group(link, vhost, &parts, name, start).await?;
                Ok(Sharing::Group(group))
            }
            None => Ok(Sharing::Group(self.queue_group(vhost, &parts))),
        }
    }

    fn queue_group(&self, vhost: &str, parts: &QueueParts) -> Arc<Group> {
        let key = (vhost.into(), parts.head.id.0, String::new());
        let mut open = self.lock();
        let group = open
            .entry(key)
            .or_insert_with(|| Arc::new(Group::new("", parts.head)));
        group.resize(parts, |_| None);
        group.clone()
    }

    async fn stream_group(
        &self,
        link: &Link,
        vhost: &str,
        parts: &QueueParts,
        name: &str,
        start: Option<StreamOffset>,
    ) -> Result<Arc<Group>, Refusal> {
        let key = (vhost.into(), parts.head.id.0, name.to_owned());
        let places = parts.units();
        let engine = &self.0.engine;
        let begun = places
            .iter()
            .any(|place| engine.group_offset(place.id, name).is_some());
        let first = places.first().map_or(parts.head.id, |place| place.id);
        if !begun && engine.groups_of(first).len() >= GROUPS_PER_STREAM_MAX {
            return Err(Refusal::new(
                RefusalKind::LimitExceeded,
                format!("a stream has at most {GROUPS_PER_STREAM_MAX} groups; delete some"),
            ));
        }
        // Where "next" is now: what comes later is read although nobody reads at that moment.
        let start = start.unwrap_or(StreamOffset::Next);
        let fresh = if begun {
            Vec::new()
        } else {
            self.places(link, vhost, &places, start).await?
        };
        let begin = |index: usize| {
            let place = places.get(index)?;
            let known = engine.group_offset(place.id, name);
            let offset = known.or_else(|| fresh.get(index).copied());
            // A partition that came later than the group is read from its beginning.
            Some(offset.map_or(StreamOffset::First, StreamOffset::Offset))
        };
        let group = {
            let mut open = self.lock();
            let group = open
                .entry(key)
                .or_insert_with(|| Arc::new(Group::new(name, parts.head)));
            group.resize(parts, begin);
            group.clone()
        };
        if !begun {
            // From now on it is known, whether or not it reads.
            self.flush().await?;
        }
        Ok(group)
    }

    /// A queue has further partitions: those who consume share them out.
    pub(super) fn raised(&self, vhost: &str, queue: &str) {
        let Some(parts) = self.0.engine.queue_parts(vhost, queue) else {
            return;
        };
        let open = self.lock();
        let of_queue = open
            .iter()
            .filter(|((host, head, _), _)| **host == *vhost && *head == parts.head.id.0);
        for ((.., name), group) in of_queue {
            let is_stream = !name.is_empty();
            group.resize(&parts, |_| is_stream.then_some(StreamOffset::First));
        }
    }

    /// The group of a name, if anybody used it since the start.
    fn find(&self, vhost: &str, head: u64, name: &str) -> Option<Arc<Group>> {
        let key = (vhost.into(), head, name.to_owned());
        self.lock().get(&key).cloned()
    }

    /// Writes down how far groups came, time and again, until the task is dropped.
    pub(crate) async fn keep(self) {
        let mut interval = tokio::time::interval(FLUSH_INTERVAL);
        loop {
            interval.tick().await;
            if let Err(refusal) = self.flush().await {
                tracing::warn!(%refusal, "how far groups read is not written down for now");
            }
            // What nobody uses is on disk.
            self.lock().retain(|_, group| {
                let is_known = group.is_used() || group.has_moved() || group.has_open();
                // Whoever has just found it is about to use it.
                is_known || Arc::strong_count(group) > 1
            });
        }
    }

    /// Writes down how far groups came.
    ///
    /// # Durability
    /// On return it is on disk.
    ///
    /// # Errors
    /// `Unavailable` while the disk takes nothing; it is tried again at the next call.
    pub(crate) async fn flush(&self) -> Result<(), Refusal> {
        let _writing = self.0.writing.lock().await;
        let groups: Vec<_> = self.lock().values().cloned().collect();
        let each = groups.iter().map(|group| async move {
            let moved = group.moved();
            if moved.is_empty() {
                return Ok(());
            }
            let written = self.0.engine.set_group_offsets(&moved).await;
            if written.is_err() {
                group.not_written();
            }
            written
        });
        // One that cannot be written holds up no other.
        join_all(each).await.into_iter().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Group>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_group(name: &str) -> Result<(), Refusal> {
    engine::check_group_name(name).map_err(|reason| precondition(format!("the group: {reason}")))
}

fn precondition(detail: String) -> Refusal {
    Refusal::new(RefusalKind::PreconditionFailed, detail)
}
