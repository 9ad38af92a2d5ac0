//! A log in memory whose process can be killed at any durable position.

use std::collections::BTreeMap;

use super::{Append, Backlog, BacklogError, Log, Position, Stored};
use crate::QueueId;
use crate::message::tests::copy_of;

/// What a segment adds to a body, so that bytes on disk are no measure of bodies.
const RECORD_BYTES: u64 = 40;

#[derive(Debug, Clone)]
enum Record {
    Message(QueueId, Stored),
    Ack(QueueId, u64, u64),
    Count(QueueId, u64, u32),
    Settled(QueueId, Vec<(Stored, bool)>),
    /// The messages at or before this position were forgotten: they are settled, or have ended.
    Forgotten(u64),
    Removed(QueueId),
}

/// A shard's log.
#[derive(Debug, Default)]
pub(crate) struct MemoryLog {
    records: Vec<(u64, Record)>,
    submitted: u64,
    durable: u64,
    /// After so many messages settling fails.
    pub(crate) settles_left: Option<usize>,
    /// How often it has failed.
    pub(crate) refused_settles: u64,
}

/// What is left of a queue after a crash.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) backlog: MemoryBacklog,
    pub(crate) next: u64,
    pub(crate) messages: Vec<Stored>,
}

impl MemoryLog {
    /// Closes the batch.
    pub(crate) fn submit(&mut self) {
        if self.appended().0 > self.submitted {
            self.submitted += 1;
        }
    }

    /// Makes some of the submitted batches durable: `share` of 255 of them.
    pub(crate) fn sync(&mut self, share: u8) {
        let waiting = self.submitted - self.durable;
        self.durable += (waiting * u64::from(share)).div_ceil(255).min(waiting);
    }

    /// Lets go of the messages at or before a position, which were settled.
    pub(crate) fn forget(&mut self, position: Position) {
        self.push(Record::Forgotten(position.0));
    }

    /// Kills the process: what is not durable is gone.
    pub(crate) fn crash(&mut self) -> BTreeMap<QueueId, Recovered> {
        self.records.retain(|(at, _)| *at <= self.durable);
        self.submitted = self.durable;
        let forgotten = |record: &Record| {
            if let Record::Forgotten(position) = record {
                *position
            } else {
                0
            }
        };
        let forgotten = self
            .records
            .iter()
            .map(|(_, record)| forgotten(record))
            .max()
            .unwrap_or(0);
        let mut queues: BTreeMap<QueueId, Recovered> = BTreeMap::new();
        for (at, record) in &self.records {
            match record {
                Record::Message(id, stored) => {
                    let queue = queues.entry(*id).or_default();
                    queue.next = queue.next.max(stored.sequence + 1);
                    if *at > forgotten {
                        queue.messages.push(stored.clone());
                    }
                }
                Record::Ack(id, first, last) => {
                    let queue = queues.entry(*id).or_default();
                    queue
                        .messages
                        .retain(|stored| !(*first..=*last).contains(&stored.sequence));
                    queue.backlog.drop_range(*first, *last);
                }
                Record::Count(id, sequence, count) => {
                    let queue = queues.entry(*id).or_default();
                    let journaled = queue
                        .messages
                        .iter_mut()
                        .filter(|stored| stored.sequence == *sequence);
                    let settled = queue.backlog.messages.get_mut(sequence);
                    journaled
                        .chain(settled)
                        .for_each(|stored| stored.delivery_count = *count);
                }
                Record::Settled(id, moved) => {
                    let queue = queues.entry(*id).or_default();
                    for (stored, is_durable) in moved {
                        queue.backlog.end = stored.sequence + 1;
                        if *is_durable {
                            queue
                                .backlog
                                .messages
                                .insert(stored.sequence, stored.clone());
                        }
                    }
                    let end = queue.backlog.end;
                    queue.next = queue.next.max(end);
                    queue.messages.retain(|stored| stored.sequence >= end);
                }
                Record::Forgotten(_) => {}
                Record::Removed(id) => drop(queues.remove(id)),
            }
        }
        for (id, queue) in &mut queues {
            queue.backlog.queue = Some(*id);
        }
        queues
    }

    fn push(&mut self, record: Record) -> Position {
        self.records.push((self.submitted + 1, record));
        Position(self.submitted + 1)
    }
}

impl Log for MemoryLog {
    type Backlog = MemoryBacklog;

    fn position(&self) -> Position {
        Position(self.submitted + 1)
    }

    fn appended(&self) -> Position {
        Position(
            self.records
                .last()
                .map_or(0, |(at, _)| *at)
                .max(self.submitted),
        )
    }

    fn append_message(&mut self, append: &Append<'_>) -> Position {
        for (queue, sequence) in append.targets {
            let stored = Stored {
                sequence: *sequence,
                message: copy_of(append.message),
                expires_at_ms: append.expires_at_ms,
                received_ms: append.received_ms,
                delivery_count: 0,
            };
            self.push(Record::Message(*queue, stored));
        }
        self.position()
    }

    fn ack(&mut self, backlog: &mut MemoryBacklog, first: u64, last: u64) {
        backlog.drop_range(first, last);
        self.push(Record::Ack(backlog.id(), first, last));
    }

    fn note_delivery_count(&mut self, backlog: &mut MemoryBacklog, sequence: u64, count: u32) {
        if let Some(stored) = backlog.messages.get_mut(&sequence) {
            stored.delivery_count = count;
        }
        self.push(Record::Count(backlog.id(), sequence, count));
    }

    fn settle(
        &mut self,
        backlog: &mut MemoryBacklog,
        messages: &mut dyn Iterator<Item = (Stored, bool)>,
    ) -> Result<(), BacklogError> {
        for (stored, is_durable) in messages {
            if self.settles_left == Some(0) {
                self.refused_settles += 1;
                return Err(BacklogError::Full);
            }
            self.settles_left = self.settles_left.map(|left| left - 1);
            assert!(stored.sequence >= backlog.end, "settled out of order");
            backlog.end = stored.sequence + 1;
            self.push(Record::Settled(
                backlog.id(),
                vec![(stored.clone(), is_durable)],
            ));
            backlog.messages.insert(stored.sequence, stored);
        }
        Ok(())
    }

    fn remove(&mut self, backlog: &mut MemoryBacklog) {
        self.push(Record::Removed(backlog.id()));
    }

    fn durable(&self) -> Position {
        Position(self.durable)
    }

    fn backlog(&mut self, queue: QueueId) -> MemoryBacklog {
        MemoryBacklog {
            queue: Some(queue),
            ..MemoryBacklog::default()
        }
    }
}

/// One queue's settled messages.
#[derive(Debug, Default)]
pub(crate) struct MemoryBacklog {
    queue: Option<QueueId>,
    messages: BTreeMap<u64, Stored>,
    end: u64,
    /// Nothing can be read at present; counts how often it was tried.
    failed_reads: Option<u64>,
}

impl MemoryBacklog {
    /// Makes every read fail, or none any more; returns how many have failed.
    pub(crate) fn fail_reads(&mut self, fail: bool) -> u64 {
        std::mem::replace(&mut self.failed_reads, fail.then_some(0)).unwrap_or(0)
    }

    fn try_disk(&mut self) -> Result<(), BacklogError> {
        match &mut self.failed_reads {
            Some(count) => {
                *count += 1;
                Err(BacklogError::Failed)
            }
            None => Ok(()),
        }
    }

    /// Loses a message, as a broken disk does.
    pub(crate) fn damage(&mut self, sequence: u64) {
        self.messages.remove(&sequence);
    }

    fn id(&self) -> QueueId {
        self.queue.expect("every backlog belongs to a queue")
    }

    fn drop_range(&mut self, first: u64, last: u64) {
        self.messages
            .retain(|sequence, _| !(first..=last).contains(sequence));
    }
}

impl Backlog for MemoryBacklog {
    fn settled_end(&self) -> u64 {
        self.end
    }

    fn read(
        &mut self,
        from: u64,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<(), BacklogError> {
        self.try_disk()?;
        let mut bytes = 0;
        for stored in self.messages.range(from..).map(|(_, stored)| stored) {
            out.push(stored.clone());
            bytes += stored.message.body_length();
            // A small piece at a time, so that reading on is tried often.
            if bytes >= bytes_max.min(12) {
                break;
            }
        }
        Ok(())
    }

    fn fetch(&mut self, sequence: u64) -> Result<Option<Stored>, BacklogError> {
        self.try_disk()?;
        Ok(self.messages.get(&sequence).cloned())
    }

    fn live(&self) -> u64 {
        self.messages.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.messages
            .values()
            .map(|stored| stored.message.body_length() as u64 + RECORD_BYTES)
            .sum()
    }

    fn first(&self) -> u64 {
        self.messages.keys().next().copied().unwrap_or(self.end)
    }
}
