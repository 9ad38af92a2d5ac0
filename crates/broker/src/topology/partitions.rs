//! Partitioned queues: one name, many queues, and each message in one of them by its key.
//!
//! The *head* has the name, the bindings, the owner and whatever rights are given, and keeps no message itself. Its *partitions* are
//! queues of their own, on shards of their own. To the rules they are one queue: rights and policies are asked for by the head's name.

use std::sync::atomic::{AtomicUsize, Ordering};

use codec::amqp::field::{Table, Value, ValueRef};
use codec::amqp::properties::PropertiesRef;

use super::{Actor, QueueDeclaration, QueueDeclared, QueueEntry, Routes, Topology, Vhost};
use crate::access::Right;
use crate::arguments::check_same;
use crate::routing::key_hash;
use crate::{Name, QueueId, QueueRef, Refusal, RefusalKind, limits};

/// The argument of a head: into how many partitions it is split.
pub const PARTITIONS: &str = "x-partitions";
/// The argument of a partition: the number of its head.
const PARTITION_OF: &str = "x-partition-of";
/// The argument of a partition: which one it is, from 0.
pub(super) const PARTITION: &str = "x-partition";
/// The header of a message whose equals keep its order.
pub const PARTITION_KEY: &str = "x-partition-key";

/// The header by which a repeated message is known.
const DEDUPLICATION_ID: &str = "x-deduplication-header";

/// What a queue is a partition of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionOf {
    /// The head's number.
    head: QueueId,
    /// The head's name.
    pub name: Name,
    /// Which partition it is, from 0.
    pub index: u32,
}

/// The partitions of one head.
#[derive(Debug, Default)]
pub(super) struct Ring {
    places: Vec<Option<QueueRef>>,
    /// Where the next message without a key goes.
    turn: AtomicUsize,
}

/// The name of a partition.
#[must_use]
pub fn partition_name(head: &str, index: u32) -> String {
    format!("{head}-{index}")
}

impl PartitionOf {
    /// Takes the head's new name from the partition's own.
    pub(super) fn follow(&mut self, partition: &str) {
        if let Some(head) = partition.strip_suffix(&*partition_name("", self.index)) {
            self.name = head.into();
        }
    }
}

impl Ring {
    fn count(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    fn put(&mut self, index: u32, place: Option<QueueRef>) {
        let index = index as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        if let Some(slot) = self.places.get_mut(index) {
            *slot = place;
        }
    }

    /// The partition of a message: by its key if it has one, by its deduplication id, so that a repeated one meets the first, else in turn.
    fn choose(&self, properties: &PropertiesRef<'_>) -> Option<QueueRef> {
        let header = |name| properties.headers.and_then(|headers| headers.get(name));
        let hash = header(PARTITION_KEY)
            .and_then(hash_of)
            .or_else(|| header(DEDUPLICATION_ID).and_then(hash_of));
        let index = match hash {
            Some(hash) => jump(hash, self.count()) as usize,
            None => self.turn.fetch_add(1, Ordering::Relaxed) % self.places.len().max(1),
        };
        self.places.get(index).copied().flatten()
    }
}

/// The hash of a key: a text, or a number.
fn hash_of(key: ValueRef<'_>) -> Option<u64> {
    if let ValueRef::LongString(text) = key {
        return Some(key_hash(text));
    }
    key.as_i64().map(|number| key_hash(&number.to_be_bytes()))
}

/// Jump consistent hashing (Lamping and Veach, 2014): when buckets are added, keys move to the new ones only.
pub(super) fn jump(mut key: u64, buckets: u32) -> u32 {
    let (mut bucket, mut next) = (0, 0);
    while next < i64::from(buckets) {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let stride = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((bucket + 1) as f64 * stride) as i64;
    }
    u32::try_from(bucket).unwrap_or_default()
}

impl QueueEntry {
    /// The name by which rights and policies know the queue: its own, or its head's.
    #[must_use]
    pub fn known_as(&self) -> &Name {
        self.partition_of
            .as_ref()
            .map_or(&self.name, |part| &part.name)
    }
}

impl Vhost {
    /// Into how many partitions a queue is split; 0 if it is not.
    #[must_use]
    pub fn partitions_of(&self, queue: &QueueEntry) -> u32 {
        self.rings
            .get(&queue.place.id.0)
            .map_or(0, |ring| ring.count())
    }

    /// Where the partitions of a queue live, in order; none if it is not split.
    #[must_use]
    pub fn partition_places(&self, queue: &QueueEntry) -> Vec<QueueRef> {
        let ring = self.rings.get(&queue.place.id.0);
        ring.map_or_else(Vec::new, |ring| {
            ring.places.iter().flatten().copied().collect()
        })
    }

    /// Refuses what only a queue that keeps messages itself can do.
    ///
    /// # Errors
    /// `PreconditionFailed` for the head of a partitioned queue.
    pub fn check_keeps_messages(&self, queue: &QueueEntry) -> Result<(), Refusal> {
        match self.partitions_of(queue) {
            0 => Ok(()),
            count => Err(Refusal::precondition(format!(
                "queue '{0}' in vhost '{1}' is partitioned: use its partitions '{0}-0' to '{0}-{2}', or consume by HTTP or gRPC, \
                 which share them out",
                queue.name,
                self.name,
                count - 1
            ))),
        }
    }

    /// Refuses to take away or rename a partition by itself: its keys would have no place.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub(super) fn check_is_whole(&self, queue: &QueueEntry) -> Result<(), Refusal> {
        let Some(part) = &queue.partition_of else {
            return Ok(());
        };
        if !self.queue_names.contains_key(&part.head.0) {
            // What a deletion that was broken off left over.
            return Ok(());
        }
        Err(Refusal::precondition(format!(
            "queue '{}' in vhost '{}' is a partition of '{}': delete or rename that",
            queue.name, self.name, part.name
        )))
    }

    /// The partitions that are deleted with a queue.
    ///
    /// # Errors
    /// `PreconditionFailed` for a partition by itself, and for conditions on a partitioned queue.
    pub fn deleted_with(
        &self,
        queue: &QueueEntry,
        is_conditional: bool,
    ) -> Result<Vec<QueueRef>, Refusal> {
        self.check_is_whole(queue)?;
        let places = self.partition_places(queue);
        if is_conditional && !places.is_empty() {
            // Each shard knows of its own partitions alone.
            return Err(Refusal::precondition(format!(
                "queue '{}' in vhost '{}' is partitioned: delete it without if-unused and if-empty",
                queue.name, self.name
            )));
        }
        Ok(places)
    }

    /// Leads what goes to a head on to one of its partitions; true if anything did.
    pub(super) fn spread(&self, routes: &mut Routes, properties: &PropertiesRef<'_>) -> bool {
        let mut is_spread = false;
        routes.retain(|place| {
            let Some(ring) = self.rings.get(&place.id.0) else {
                return true;
            };
            is_spread = true;
            ring.choose(properties)
                .map(|partition| *place = partition)
                .is_some()
        });
        is_spread
    }

    /// Takes a new queue into its ring, or makes one for it.
    pub(super) fn add_to_ring(&mut self, entry: &QueueEntry) {
        if let Some(part) = &entry.partition_of {
            let ring = self.rings.entry(part.head.0).or_default();
            ring.put(part.index, Some(entry.place));
        } else if entry.arguments.get(PARTITIONS).is_some() {
            self.rings.entry(entry.place.id.0).or_default();
        }
    }

    pub(super) fn remove_from_ring(&mut self, entry: &QueueEntry) {
        match &entry.partition_of {
            Some(part) => {
                if let Some(ring) = self.rings.get_mut(&part.head.0) {
                    ring.put(part.index, None);
                    // No key is to lead behind the last one.
                    while ring.places.last().is_some_and(Option::is_none) {
                        ring.places.pop();
                    }
                }
            }
            None => drop(self.rings.remove(&entry.place.id.0)),
        }
    }

    /// The name that rights on a queue are asked for by.
    pub(super) fn queue_known_as<'a>(&'a self, name: &'a str) -> &'a str {
        self.queue(name).map_or(name, |queue| queue.known_as())
    }
}

impl Topology {
    /// Splits a partitioned queue into `count` partitions and returns the new ones, which their shards are to make.
    ///
    /// Keys move to new partitions only; what was published before stays where it is.
    ///
    /// # Errors
    /// `AccessRefused` without the right to configure it, `NotFound`; `PreconditionFailed` for a queue that is not partitioned, for fewer
    /// partitions than there are, and where the name of one is taken; `LimitExceeded`.
    pub fn raise_partitions(
        &mut self,
        vhost: &str,
        name: &str,
        count: u32,
        actor: &Actor<'_>,
    ) -> Result<Vec<QueueDeclared>, Refusal> {
        let host = self.vhost_mut(vhost)?;
        let head = host.usable_queue(name, Right::Configure, actor)?;
        let what = format!("queue '{name}' in vhost '{vhost}'");
        let Some(ring) = host.rings.get(&head.place.id.0) else {
            return Err(Refusal::precondition(format!(
                "{what} is not partitioned; declare another one with partitions"
            )));
        };
        let present = ring.count();
        if count < present || count > limits::PARTITIONS_MAX {
            return Err(Refusal::precondition(format!(
                "{what} has {present} partitions; there can be more, up to {}, but not {count}",
                limits::PARTITIONS_MAX
            )));
        }
        host.check_partition_names(name, present..count)?;
        let (id, owner) = (head.place.id, head.owner.clone());
        let arguments = partition_arguments(&head.arguments, id);
        self.check_room(name, (count - present) as usize)?;
        let mut made = Vec::new();
        for index in present..count {
            let mut arguments = arguments.clone();
            arguments.insert(PARTITION, i64::from(index));
            let wish = QueueDeclaration {
                name: partition_name(name, index),
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments,
                generated: String::new(),
            };
            made.push(self.insert_partition(vhost, wish, owner.clone())?);
        }
        Ok(made)
    }

    pub(super) fn check_room(&self, name: &str, more: usize) -> Result<(), Refusal> {
        if self.queue_count + more <= self.quotas.queues {
            return Ok(());
        }
        let detail = format!(
            "cannot declare queue '{name}': queue limit in cluster ({}) is reached",
            self.quotas.queues
        );
        Err(Refusal::new(RefusalKind::LimitExceeded, detail))
    }
}

impl Vhost {
    fn check_partition_names(
        &self,
        head: &str,
        indexes: std::ops::Range<u32>,
    ) -> Result<(), Refusal> {
        for name in indexes.map(|index| partition_name(head, index)) {
            if self.queue(&name).is_some() {
                return Err(Refusal::precondition(format!(
                    "queue '{head}' in vhost '{}' cannot have a partition '{name}': a queue has that name",
                    self.name
                )));
            }
        }
        Ok(())
    }

    /// Checks that all partitions of a queue could have the names that go with another one.
    pub(super) fn check_partitions_renamed(
        &self,
        old: &QueueEntry,
        new: &str,
    ) -> Result<(), Refusal> {
        let count = self.partitions_of(old);
        if count > 0 {
            super::check_length(&partition_name(new, count - 1), "a partition's name")?;
        }
        self.check_partition_names(new, 0..count)
    }

    /// Compares a repeated declaration: with what was declared first, or with what there is by now.
    pub(super) fn check_same_split(
        &self,
        existing: &QueueEntry,
        wish: &QueueDeclaration,
        what: &str,
    ) -> Result<(), Refusal> {
        let (declared, wished) = (
            existing.arguments.get(PARTITIONS),
            wish.arguments.get(PARTITIONS),
        );
        let present = i64::from(self.partitions_of(existing));
        if present > 0 && wished.and_then(Value::as_i64) == Some(present) {
            return Ok(());
        }
        check_same(PARTITIONS, declared, wished, what)
    }

    /// Checks a declaration of a queue that does not exist; returns how many partitions it is to have, 0 for an ordinary queue.
    pub(super) fn check_split(
        &self,
        wish: &QueueDeclaration,
        name: &str,
        what: &str,
    ) -> Result<u32, Refusal> {
        for own in [PARTITION_OF, PARTITION] {
            if wish.arguments.get(own).is_some() {
                return Err(Refusal::precondition(format!(
                    "invalid arg '{own}' for {what}: the broker alone declares partitions"
                )));
            }
        }
        let Some(value) = wish.arguments.get(PARTITIONS) else {
            return Ok(0);
        };
        let refuse = |reason: &str| {
            Err(Refusal::precondition(format!(
                "invalid arg '{PARTITIONS}' for {what}: {reason}"
            )))
        };
        let count = value
            .as_i64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|count| (1..=limits::PARTITIONS_MAX).contains(count));
        let Some(count) = count else {
            let max = limits::PARTITIONS_MAX;
            return refuse(&format!("it must be from 1 to {max}"));
        };
        if !wish.durable || wish.exclusive || wish.auto_delete {
            return refuse(
                "a partitioned queue is durable, not exclusive, and not deleted by itself",
            );
        }
        if wish.arguments.get("x-expires").is_some() {
            return refuse("a partitioned queue does not expire; leave out x-expires");
        }
        super::check_length(&partition_name(name, count - 1), what)?;
        self.check_partition_names(name, 0..count)?;
        Ok(count)
    }
}

/// What the partitions of a head are declared with, but for which one each is.
fn partition_arguments(head: &Table, id: QueueId) -> Table {
    let mut arguments = Table::new();
    for (name, value) in head.iter().filter(|(name, _)| *name != PARTITIONS) {
        arguments.insert(name, value.clone());
    }
    // A stream's readers are many; those of a queue would lose the order among them.
    let is_stream = head.get("x-queue-type").and_then(Value::as_str) == Some("stream");
    if !is_stream {
        arguments.insert("x-single-active-consumer", true);
    }
    arguments.insert(PARTITION_OF, i64::try_from(id.0).unwrap_or(i64::MAX));
    arguments
}

/// Reads from its arguments what a queue is a partition of.
pub(super) fn partition_of(wish: &QueueDeclaration) -> Option<PartitionOf> {
    let number = |name| wish.arguments.get(name).and_then(Value::as_i64);
    let head = QueueId(u64::try_from(number(PARTITION_OF)?).ok()?);
    let index = u32::try_from(number(PARTITION)?).ok()?;
    // It is renamed with its head alone, so that its name tells the head's.
    let name = wish.name.strip_suffix(&*partition_name("", index))?.into();
    Some(PartitionOf { head, name, index })
}
