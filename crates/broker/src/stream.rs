//! Streams: an append-only log that many consumers read, each from its own offset.
//!
//! Reading removes nothing; retention by size and age does. An offset is the sequence number less one, so that the first message has
//! offset 0. Acknowledgements only give a reader credit for more.

mod retention;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::arguments::QueueOptions;
use crate::dedup::Memory;
use crate::log::{Backlog, BacklogError, Log, Position, Stored};
use crate::queue::{QueueStatistics, Work};
use crate::shard::QueueSpecification;
use crate::{
    Annotation, ConnectionId, ConsumeRequest, ConsumerNumber, Credit, Delivery, Event, Message,
    Name, OutboxGauge, QueueRef, Refusal, RefusalKind, Sink, StreamOffset, limits,
};

/// One consumer of a stream.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) connection: ConnectionId,
    pub(crate) channel: u16,
    pub(crate) number: ConsumerNumber,
    pub(crate) tag: Arc<str>,
    pub(crate) prefetch: u32,
    pub(crate) unacked: u32,
    credit: Arc<Credit>,
    gauge: Arc<OutboxGauge>,
    /// The next sequence number to deliver.
    cursor: u64,
    /// Messages before this time are skipped.
    not_before_ms: u64,
    /// Read ahead from the backlog.
    window: VecDeque<Stored>,
    /// It let another consumer of its channel go first since its last message.
    has_yielded: bool,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Stream<B> {
    pub(crate) name: Name,
    pub(crate) vhost: Name,
    pub(crate) place: QueueRef,
    options: QueueOptions,
    next: u64,
    /// The newest messages, not settled yet.
    tail: VecDeque<(Stored, Position)>,
    tail_bytes: usize,
    /// The batches of the log that are not durable yet, and the first message of each. Readers get nothing from there on: they come back
    /// with the offset of what they saw last, and after a crash another message would have it.
    unsynced: VecDeque<(Position, u64)>,
    /// Bytes of the messages that are kept, in memory and on disk.
    live_bytes: u64,
    backlog: B,
    memory: Memory<B>,
    readers: Vec<Reader>,
    /// Deliveries since the server started.
    delivered: u64,
    last_used_ms: u64,
    trimmed_ms: u64,
    /// The backlog could not be read, or could not take more: when each is tried again.
    reading_until_ms: Option<u64>,
    settling_until_ms: Option<u64>,
    pub(crate) timer_ms: Option<u64>,
}

impl<B: Backlog> Stream<B> {
    pub(crate) fn new(specification: QueueSpecification, backlog: B, now_ms: u64) -> Self {
        let QueueSpecification {
            name,
            vhost,
            place,
            kind: _,
            auto_delete: _,
            options,
        } = specification;
        Self {
            name,
            vhost,
            place,
            options,
            next: 1,
            tail: VecDeque::new(),
            tail_bytes: 0,
            unsynced: VecDeque::new(),
            live_bytes: 0,
            backlog,
            memory: Memory::NONE,
            readers: Vec::new(),
            delivered: 0,
            last_used_ms: now_ms,
            trimmed_ms: now_ms,
            reading_until_ms: None,
            settling_until_ms: None,
            timer_ms: None,
        }
    }

    pub(crate) fn restore(&mut self, next: u64, messages: Vec<Stored>) {
        self.next = self.next.max(next);
        self.live_bytes = self.settled_bytes();
        for stored in messages {
            self.tail_bytes += stored.message.footprint();
            self.live_bytes += weight(&stored.message);
            self.tail.push_back((stored, Position::default()));
        }
    }

    pub(crate) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    pub(crate) fn statistics(&self) -> QueueStatistics {
        QueueStatistics {
            published: self
                .unsynced
                .front()
                .map_or(self.next, |(_, first)| *first)
                .saturating_sub(1),
            delivered: self.delivered,
            ready: self.backlog.live() + self.tail.len() as u64,
            delayed: 0,
            unacked: self
                .readers
                .iter()
                .map(|reader| u64::from(reader.unacked))
                .sum(),
            consumers: u32::try_from(self.readers.len()).unwrap_or(u32::MAX),
            ready_bytes: self.live_bytes,
            resident_bytes: self.tail_bytes as u64,
            disk_bytes: self.backlog.bytes(),
        }
    }

    pub(crate) const fn resident_bytes(&self) -> usize {
        self.tail_bytes
    }

    pub(crate) const fn touch(&mut self, now_ms: u64) {
        self.last_used_ms = now_ms;
    }

    /// Appends a message and returns its sequence number, which the log must know, and whether it is the stream's first in its batch:
    /// readers are to be served again once that is durable.
    pub(crate) fn append(
        &mut self,
        message: &Arc<Message>,
        position: Position,
        now_ms: u64,
    ) -> (u64, bool) {
        let sequence = self.next;
        let is_first = self.unsynced.back().is_none_or(|(at, _)| *at != position);
        if is_first {
            self.unsynced.push_back((position, sequence));
        }
        self.next += 1;
        self.tail_bytes += message.footprint();
        self.live_bytes += weight(message);
        let stored = Stored {
            sequence,
            message: message.clone(),
            expires_at_ms: u64::MAX,
            received_ms: now_ms,
            delivery_count: 0,
        };
        self.tail.push_back((stored, position));
        (sequence, is_first)
    }

    /// The first sequence number that is not durable.
    fn durable_end(&mut self, durable: Position) -> u64 {
        while self.unsynced.front().is_some_and(|(at, _)| *at <= durable) {
            self.unsynced.pop_front();
        }
        self.unsynced.front().map_or(self.next, |(_, first)| *first)
    }

    pub(crate) fn after_publish<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        resident_max: usize,
        work: &mut Work<'_, L, S>,
    ) {
        self.dispatch(work);
        let may_settle = self
            .settling_until_ms
            .is_none_or(|until| work.now_ms >= until);
        if self.tail_bytes > resident_max && may_settle {
            // A full disk leaves the tail in memory; the engine blocks publishers.
            let settled = self.settle_below(self.next, work.log);
            self.settling_until_ms = settled
                .is_err()
                .then(|| work.now_ms.saturating_add(limits::SETTLE_RETRY_MS));
        }
        if self.is_over_size() {
            self.trim(work);
        }
    }

    pub(crate) fn consume<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        wish: &ConsumeRequest,
        work: &mut Work<'_, L, S>,
    ) -> Result<(), Refusal> {
        let what = format!("stream '{}' in vhost '{}'", self.name, self.vhost);
        if wish.no_ack {
            let detail = format!("consuming {what} needs acknowledgements; leave no_ack off");
            return Err(Refusal::new(RefusalKind::NotImplemented, detail));
        }
        if self.readers.len() >= limits::CONSUMERS_PER_QUEUE_MAX {
            return Err(Refusal::new(
                RefusalKind::LimitExceeded,
                format!("{what} has its limit of consumers"),
            ));
        }
        if wish.prefetch == 0 {
            return Err(Refusal::precondition(format!(
                "consumer prefetch count is not set for {what}; call basic.qos first"
            )));
        }
        let first = self.first();
        let (cursor, not_before_ms) = match wish.offset {
            StreamOffset::First => (first, 0),
            StreamOffset::Next => (self.next, 0),
            StreamOffset::Last => (self.next.saturating_sub(1).max(first), 0),
            StreamOffset::Offset(offset) => (offset.saturating_add(1).max(first), 0),
            StreamOffset::Timestamp(at_ms) => (self.seek(at_ms), at_ms),
        };
        self.readers.push(Reader {
            connection,
            channel,
            number: wish.consumer,
            tag: wish.tag.clone(),
            prefetch: wish.prefetch,
            unacked: 0,
            credit: wish.credit.clone(),
            gauge: wish.gauge.clone(),
            cursor,
            not_before_ms,
            window: VecDeque::new(),
            has_yielded: false,
        });
        self.last_used_ms = work.now_ms;
        Ok(())
    }

    pub(crate) fn cancel(
        &mut self,
        connection: ConnectionId,
        number: ConsumerNumber,
        now_ms: u64,
    ) -> bool {
        let is_it = |reader: &Reader| reader.connection == connection && reader.number == number;
        let Some(index) = self.readers.iter().position(is_it) else {
            return false;
        };
        self.readers.remove(index).give_back_all();
        self.last_used_ms = now_ms;
        true
    }

    /// Gives a reader credit for one more message; its outcome changes nothing in the stream.
    pub(crate) fn settle(&mut self, connection: ConnectionId, number: ConsumerNumber) {
        let reader = self
            .readers
            .iter_mut()
            .find(|reader| reader.connection == connection && reader.number == number);
        if let Some(reader) = reader {
            reader.unacked = reader.unacked.saturating_sub(1);
            reader.credit.give_back();
        }
    }

    /// Serves the readers again after the socket of a connection drained.
    pub(crate) fn resume<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        work: &mut Work<'_, L, S>,
    ) {
        let mut readers = self.readers.iter();
        if let Some(reader) = readers.find(|reader| reader.connection == connection) {
            reader.gauge.resumed();
        }
        self.dispatch(work);
    }

    /// Delivers to every reader what it has credit for.
    pub(crate) fn dispatch<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self
            .reading_until_ms
            .is_some_and(|until| work.now_ms < until)
        {
            return;
        }
        self.reading_until_ms = None;
        let place = self.place;
        let tail_start = self.tail_start();
        let end = self.durable_end(work.log.durable());
        for reader in &mut self.readers {
            while reader.cursor < end && reader.can_take() {
                if reader.window.is_empty() && reader.cursor < tail_start {
                    let mut ahead = Vec::new();
                    let read =
                        self.backlog
                            .read(reader.cursor, limits::BACKLOG_READ_BYTES, &mut ahead);
                    if read.is_err() {
                        // The next in order is there and cannot be read: others may be in memory.
                        let until = work.now_ms.saturating_add(limits::BACKLOG_RETRY_MS);
                        self.reading_until_ms = Some(until);
                        break;
                    }
                    reader.window.extend(ahead);
                    if reader.window.is_empty() {
                        reader.cursor = tail_start;
                    }
                }
                let stored = reader
                    .window
                    .pop_front()
                    .or_else(|| find(&self.tail, reader.cursor).cloned());
                let Some(stored) = stored else { break };
                if stored.sequence >= end {
                    reader.cursor = stored.sequence;
                    reader.window.push_front(stored);
                    break;
                }
                reader.cursor = stored.sequence + 1;
                if stored.received_ms < reader.not_before_ms {
                    continue;
                }
                self.delivered += 1;
                reader.take(place, stored, work.sink);
            }
        }
    }

    pub(crate) fn check_delete(&self, if_unused: bool, if_empty: bool) -> Result<(), Refusal> {
        if if_unused && !self.readers.is_empty() {
            return Err(Refusal::kept("in use", &self.name, &self.vhost));
        }
        if if_empty && self.statistics().ready > 0 {
            return Err(Refusal::kept("not empty", &self.name, &self.vhost));
        }
        Ok(())
    }

    pub(crate) fn delete<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        log: &mut L,
        sink: &mut S,
    ) -> u64 {
        for reader in &self.readers {
            sink.event(
                reader.connection,
                Event::ConsumerCancelled {
                    channel: reader.channel,
                    consumer: reader.number,
                },
            );
        }
        self.readers.iter().for_each(Reader::give_back_all);
        let held = self.statistics().ready;
        self.backlogs_mut().for_each(|backlog| log.remove(backlog));
        held
    }

    pub(crate) fn configure(&mut self, options: QueueOptions) {
        self.options = options;
    }

    pub(crate) fn settle_until<L: Log<Backlog = B>>(
        &mut self,
        position: Position,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        let newest = self
            .tail
            .iter()
            .rev()
            .find(|(_, held)| *held <= position)
            .map(|(stored, _)| stored.sequence);
        newest.map_or(Ok(()), |newest| self.settle_below(newest + 1, log))?;
        self.memory.settle_until(position, log)
    }

    fn settle_below<L: Log<Backlog = B>>(
        &mut self,
        limit: u64,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        let below = |entry: &&(Stored, Position)| entry.0.sequence < limit;
        let mut stored = self
            .tail
            .iter()
            .take_while(below)
            .map(|(stored, _)| (stored.clone(), true));
        let result = log.settle(&mut self.backlog, &mut stored);
        // What was settled before a failure is settled.
        let limit = if result.is_ok() {
            limit
        } else {
            limit.min(self.backlog.settled_end())
        };
        while self
            .tail
            .front()
            .is_some_and(|(stored, _)| stored.sequence < limit)
        {
            self.pop_tail();
        }
        result
    }

    fn pop_tail(&mut self) -> Option<Stored> {
        let (gone, _) = self.tail.pop_front()?;
        self.tail_bytes = self.tail_bytes.saturating_sub(gone.message.footprint());
        Some(gone)
    }

    fn tail_start(&self) -> u64 {
        self.tail
            .front()
            .map_or(self.next, |(stored, _)| stored.sequence)
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let unused = match self.options.expires_ms {
            Some(expires) if self.readers.is_empty() => {
                Some(self.last_used_ms.saturating_add(expires))
            }
            _ => None,
        };
        let aged = self.options.age_max_ms.map(|_| {
            self.trimmed_ms
                .saturating_add(limits::RETENTION_INTERVAL_MS)
        });
        let forgetting = self.memory.next_deadline(self.options.dedup_window());
        [unused, aged, self.reading_until_ms, forgetting]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn tick<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        self.trim(work);
        let window_ms = self.options.dedup_window();
        self.memory.sweep(window_ms, work.now_ms, work.log);
        if self.reading_until_ms.is_some() {
            self.dispatch(work);
        }
        let is_unused = self.readers.is_empty()
            && self
                .options
                .expires_ms
                .is_some_and(|expires| work.now_ms >= self.last_used_ms.saturating_add(expires));
        if is_unused {
            work.effects.spent.push(self.place);
        }
    }

    fn first(&self) -> u64 {
        if self.backlog.live() > 0 {
            return self.backlog.first();
        }
        self.tail_start()
    }

    /// The first sequence number whose message came at or after `at_ms`: times rise, so halving finds it. Where the disk fails,
    /// the first of all: readers pass over what is too old.
    fn seek(&mut self, at_ms: u64) -> u64 {
        let (mut low, mut high) = (self.first(), self.next);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.received_at(middle) {
                Err(_) => return self.first(),
                Ok(Some(received)) if received >= at_ms => high = middle,
                Ok(_) => low = middle + 1,
            }
        }
        low
    }

    fn received_at(&mut self, sequence: u64) -> Result<Option<u64>, BacklogError> {
        let found = if sequence < self.tail_start() {
            self.backlog.fetch(sequence)?
        } else {
            find(&self.tail, sequence).cloned()
        };
        Ok(found.map(|stored| stored.received_ms))
    }

    pub(crate) fn backlogs_mut(&mut self) -> impl Iterator<Item = &mut B> {
        std::iter::once(&mut self.backlog).chain(self.memory.backlog_mut())
    }

    /// How long ids of messages are remembered, and what is remembered.
    pub(crate) const fn memory(&mut self) -> (u64, &mut Memory<B>) {
        (self.options.dedup_window(), &mut self.memory)
    }

    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next
    }
}

/// Finds the message with a sequence number, or the next one where damage left a gap.
fn find(tail: &VecDeque<(Stored, Position)>, sequence: u64) -> Option<&Stored> {
    let start = tail.front()?.0.sequence;
    let index = usize::try_from(sequence.saturating_sub(start)).ok()?;
    let (found, _) = match tail.get(index) {
        Some(found) if found.0.sequence == sequence => found,
        _ => tail.get(tail.partition_point(|(stored, _)| stored.sequence < sequence))?,
    };
    Some(found)
}

/// What a message counts against a limit of bytes.
fn weight(message: &Message) -> u64 {
    (message.body_length() + message.properties().len()) as u64
}

impl Reader {
    fn can_take(&mut self) -> bool {
        self.unacked < self.prefetch
            && !self.gauge.is_laden()
            && self.gauge.has_room()
            && self.credit.admits(self.number, &mut self.has_yielded)
    }

    /// Gives back the credit of everything that it has not settled: nobody will.
    fn give_back_all(&self) {
        (0..self.unacked).for_each(|_| self.credit.give_back());
    }

    fn take<S: Sink>(&mut self, queue: QueueRef, stored: Stored, sink: &mut S) {
        self.unacked += 1;
        self.has_yielded = false;
        self.credit.take(self.number);
        let delivery = Delivery {
            queue,
            sequence: stored.sequence,
            outbox_bytes: Delivery::outbox_bytes_of(
                &stored.message,
                Delivery::tag_bytes_of(&self.tag),
            ),
            message: stored.message,
            redelivered: false,
            annotation: Annotation::StreamOffset(stored.sequence - 1),
        };
        self.gauge.add(delivery.outbox_bytes());
        sink.event(
            self.connection,
            Event::Deliver {
                channel: self.channel,
                consumer: self.number,
                delivery,
            },
        );
    }
}

#[cfg(test)]
mod tests;
