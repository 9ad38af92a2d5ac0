//! The broker's log over the store's journal and segments.

use std::sync::Arc;

use broker::log::{Append, Backlog, BacklogError, Log, Position, Stored};
use broker::{Name, QueueId};
use store::{QueueLog, QueueState, Sequence, SettledRecord, ShardLog, Store};

use crate::record::{self, Header};

/// Settled records are written in pieces of about this size.
const SETTLE_BYTES: usize = 1 << 20;

/// One shard's log.
pub(crate) struct EmbeddedLog {
    shard: ShardLog,
    store: Arc<Store>,
}

/// One queue's segments.
pub(crate) struct EmbeddedBacklog {
    /// `None` once the queue is deleted.
    log: Option<QueueLog>,
    exchange: Name,
    read: Vec<SettledRecord>,
}

impl EmbeddedLog {
    pub(crate) const fn new(shard: ShardLog, store: Arc<Store>) -> Self {
        Self { shard, store }
    }

    /// Hands what was appended to the committer, or leaves it for [`ShardLog::commit_deferred`]: true when that is to be called soon.
    pub(crate) fn submit(&mut self) -> bool {
        self.shard.submit_or_defer()
    }

    pub(crate) const fn shard(&mut self) -> &mut ShardLog {
        &mut self.shard
    }
}

impl EmbeddedBacklog {
    pub(crate) fn new(log: QueueLog) -> Self {
        Self {
            log: Some(log),
            exchange: "".into(),
            read: Vec::new(),
        }
    }

    /// What a snapshot says of the queue.
    pub(crate) fn state(&mut self, next: u64) -> Option<QueueState<'_>> {
        self.log.as_mut().map(|log| QueueState {
            log,
            next: Sequence(next),
        })
    }

    fn decode(&mut self, record: SettledRecord) -> Option<Stored> {
        record::stored(
            record.sequence.0,
            &record.payload,
            record.note,
            &mut self.exchange,
        )
    }

    /// Says that the disk failed a queue. Its messages are not lost: unlike damaged ones they may be read later.
    fn unreadable(&self, failure: &store::Failure) -> BacklogError {
        let queue = self.log.as_ref().map_or(0, |log| log.queue().0);
        tracing::error!(
            error = failure as &dyn std::error::Error,
            queue,
            "messages on disk cannot be read; the queue waits and tries again"
        );
        BacklogError::Failed
    }

    fn report_damage(&mut self) {
        for damage in self.log.iter_mut().flat_map(QueueLog::take_damage) {
            tracing::error!(%damage, "messages on disk are damaged; the rest is served");
        }
    }
}

impl Log for EmbeddedLog {
    type Backlog = EmbeddedBacklog;

    fn position(&self) -> Position {
        Position(self.shard.submitted().0 + 1)
    }

    fn appended(&self) -> Position {
        let submitted = self.shard.submitted().0;
        Position(if self.shard.has_pending() {
            submitted + 1
        } else {
            submitted
        })
    }

    fn append_message(&mut self, append: &Append<'_>) -> Position {
        let mut targets: smallvec::SmallVec<[(store::QueueId, Sequence); 4]> =
            smallvec::SmallVec::new();
        targets.extend(
            append
                .targets
                .iter()
                .map(|(queue, sequence)| (store::QueueId(queue.0), Sequence(*sequence))),
        );
        let header = Header::new(append.message, append.expires_at_ms, append.received_ms);
        Position(
            self.shard
                .append_message(&targets, &header.parts(append.message))
                .0,
        )
    }

    fn ack(&mut self, backlog: &mut EmbeddedBacklog, first: u64, last: u64) {
        if let Some(log) = &mut backlog.log {
            log.ack(&mut self.shard, Sequence(first), Sequence(last));
        }
    }

    fn note_delivery_count(&mut self, backlog: &mut EmbeddedBacklog, sequence: u64, count: u32) {
        if let Some(log) = &mut backlog.log {
            log.note(&mut self.shard, Sequence(sequence), count);
        }
    }

    fn settle(
        &mut self,
        backlog: &mut EmbeddedBacklog,
        messages: &mut dyn Iterator<Item = (Stored, bool)>,
    ) -> Result<(), BacklogError> {
        let Some(log) = &mut backlog.log else {
            return Ok(());
        };
        let mut messages = messages.peekable();
        while messages.peek().is_some() {
            let mut settling = log.settle(&mut self.shard);
            while settling.bytes() < SETTLE_BYTES {
                let Some((stored, is_durable)) = messages.next() else {
                    break;
                };
                let header = Header::new(&stored.message, stored.expires_at_ms, stored.received_ms);
                let sequence = Sequence(stored.sequence);
                settling.push(
                    sequence,
                    is_durable,
                    stored.delivery_count,
                    &header.parts(&stored.message),
                );
            }
            settling.finish().map_err(|failure| {
                tracing::warn!(%failure, "messages stay in memory: they could not be settled");
                if failure.is_disk_full() {
                    BacklogError::Full
                } else {
                    BacklogError::Failed
                }
            })?;
        }
        Ok(())
    }

    fn remove(&mut self, backlog: &mut EmbeddedBacklog) {
        if let Some(log) = backlog.log.take() {
            log.remove(&mut self.shard);
        }
    }

    fn durable(&self) -> Position {
        Position(self.shard.durable().0)
    }

    fn backlog(&mut self, queue: QueueId) -> EmbeddedBacklog {
        EmbeddedBacklog::new(self.store.queue_log(store::QueueId(queue.0)))
    }
}

impl Backlog for EmbeddedBacklog {
    fn settled_end(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.settled_end().0)
    }

    fn read(
        &mut self,
        from: u64,
        bytes_max: usize,
        out: &mut Vec<Stored>,
    ) -> Result<(), BacklogError> {
        let mut records = std::mem::take(&mut self.read);
        records.clear();
        let read = self.log.as_mut().map_or(Ok(()), |log| {
            log.read(Sequence(from), bytes_max, &mut records)
        });
        // What was read before the disk failed is good; the failure comes again behind it.
        let read = if records.is_empty() {
            read.map_err(|failure| self.unreadable(&failure))
        } else {
            Ok(())
        };
        for record in records.drain(..) {
            out.extend(self.decode(record));
        }
        self.read = records;
        self.report_damage();
        read
    }

    fn fetch(&mut self, sequence: u64) -> Result<Option<Stored>, BacklogError> {
        let Some(log) = &mut self.log else {
            return Ok(None);
        };
        let fetched = log.fetch(Sequence(sequence));
        self.report_damage();
        let fetched = fetched.map_err(|failure| self.unreadable(&failure))?;
        Ok(fetched.and_then(|record| self.decode(record)))
    }

    fn live(&self) -> u64 {
        self.log.as_ref().map_or(0, QueueLog::live_count)
    }

    fn bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, QueueLog::bytes)
    }

    fn first(&self) -> u64 {
        self.log
            .as_ref()
            .and_then(QueueLog::first_live)
            .map_or_else(|| self.settled_end(), |first| first.0)
    }
}

#[cfg(test)]
mod tests;
