//! One queue: what is ready, what is out with consumers, and what its options do to both.
//!
//! Sequence numbers rise by one per message and are never reused. A message is *ready*, *unacked* (with a consumer, or with a channel
//! that got it), or *transferring* (dead, on its way to other queues). Whatever ends is logged if it was logged when it came.

mod consumers;
mod ready;
mod settle;

use std::sync::Arc;

use crate::arguments::{Overflow, QueueKind, QueueOptions};
use crate::log::{Backlog, Log, Stored};
use crate::{
    Annotation, ConnectionId, ConsumeRequest, ConsumerNumber, Delivery, Event, Message, Name, Outcome, QueueRef, Reason, Refusal,
    Sink, limits,
};
use consumers::Consumers;
pub(crate) use ready::Entry;
use ready::Ready;

type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::RandomState>;

/// Bytes that a delivery adds to its content on the wire, about.
pub(crate) const DELIVERY_OVERHEAD: usize = 96;

/// How a queue is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// Messages ready for delivery.
    pub ready: u64,
    /// Messages out with consumers.
    pub unacked: u64,
    /// Consumers attached.
    pub consumers: u32,
    /// Bytes of the bodies of ready messages.
    pub ready_bytes: u64,
    /// Bytes of messages in memory.
    pub resident_bytes: u64,
    /// Bytes in segments on disk.
    pub disk_bytes: u64,
}

/// A dead message on its way to its queue's dead-letter exchange.
#[derive(Debug)]
pub struct DeadLetter {
    /// The virtual host.
    pub vhost: Name,
    /// The queue where it died.
    pub queue: Name,
    /// That queue's place.
    pub place: QueueRef,
    /// Its number there; the queue keeps it until [`crate::shard::Shard::transferred`] is called. `None` if it never got in.
    pub sequence: Option<u64>,
    /// Why it died.
    pub reason: Reason,
    /// The message.
    pub message: Arc<Message>,
    /// The dead-letter exchange.
    pub exchange: Name,
    /// The key that it gets, where the queue says so.
    pub routing_key: Option<Name>,
}

/// What a queue asks of whoever runs it.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) dead: Vec<DeadLetter>,
    pub(crate) spent: Vec<QueueRef>,
    pub(crate) transferred: Vec<(QueueRef, u64)>,
}

/// What an operation on a queue works with.
pub(crate) struct Work<'a, L: Log, S: Sink> {
    pub(crate) log: &'a mut L,
    pub(crate) sink: &'a mut S,
    pub(crate) effects: &'a mut Effects,
    pub(crate) now_ms: u64,
}

/// Where an offered message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// Taken under this number; the log must know it.
    Logged(u64),
    /// Taken, or consumed at once; the log need not know.
    Taken,
    /// Refused: the queue is full.
    Rejected,
}

#[derive(Debug)]
struct Unacked {
    entry: Entry,
    connection: ConnectionId,
    /// The consumer and its slot; `None` when a get took it.
    consumer: Option<(u32, ConsumerNumber)>,
    credit: Option<Arc<crate::Credit>>,
}

/// One queue.
#[derive(Debug)]
pub(crate) struct Queue<B> {
    pub(crate) name: Name,
    pub(crate) vhost: Name,
    pub(crate) place: QueueRef,
    kind: QueueKind,
    auto_delete: bool,
    options: QueueOptions,
    next: u64,
    ready: Ready,
    ready_count: u64,
    ready_bytes: u64,
    unacked: Map<u64, Unacked>,
    transferring: Map<u64, Entry>,
    consumers: Consumers,
    backlog: B,
    resident_bytes: usize,
    /// Messages may expire: the head is to be watched.
    has_expiring: bool,
    last_used_ms: u64,
    pub(crate) timer_ms: Option<u64>,
}

impl<B: Backlog> Queue<B> {
    pub(crate) fn new(name: Name, vhost: Name, place: QueueRef, kind: QueueKind, auto_delete: bool, options: QueueOptions, backlog: B, now_ms: u64) -> Self {
        Self {
            name,
            vhost,
            place,
            kind,
            auto_delete,
            next: 1,
            ready: Ready::new(options.priority_max),
            ready_count: 0,
            ready_bytes: 0,
            unacked: Map::default(),
            transferring: Map::default(),
            consumers: Consumers::new(options.single_active_consumer),
            backlog,
            resident_bytes: 0,
            has_expiring: options.message_ttl_ms.is_some(),
            options,
            last_used_ms: now_ms,
            timer_ms: None,
        }
    }

    /// Fills a queue with what its log kept: the backlog's messages and those that only the journal has.
    pub(crate) fn restore(&mut self, next: u64, messages: Vec<Stored>) {
        self.next = self.next.max(next);
        let settled: Vec<Stored> = match &mut self.ready {
            Ready::Fifo(fifo) => {
                fifo.read_from = self.backlog.first();
                self.ready_count = self.backlog.live();
                self.ready_bytes = self.backlog.bytes();
                Vec::new()
            }
            // A priority queue's order needs every entry, so that its backlog is read once at start.
            Ready::Priority(_) => self.read_all(),
        };
        self.has_expiring |= self.ready_count > 0;
        for stored in settled {
            let mut entry = Entry::from_stored(stored, true);
            let priority = entry.message.as_ref().map_or(0, |message| message.priority);
            entry.message = None;
            self.make_ready(entry, priority);
        }
        for mut stored in messages {
            if let Some(ttl) = self.options.message_ttl_ms {
                stored.expires_at_ms = stored.expires_at_ms.min(stored.received_ms.saturating_add(ttl));
            }
            let priority = stored.message.priority;
            let entry = Entry::from_stored(stored, true);
            self.has_expiring |= entry.expires_at_ms != u64::MAX;
            self.resident_bytes += entry.footprint();
            self.make_ready(entry, priority);
        }
    }

    fn read_all(&mut self) -> Vec<Stored> {
        let mut all = Vec::new();
        let mut from = self.backlog.first();
        while from < self.backlog.settled_end() {
            let before = all.len();
            self.backlog.read(from, limits::BACKLOG_READ_BYTES, &mut all);
            match all.last() {
                Some(last) if all.len() > before => from = last.sequence + 1,
                _ => break,
            }
        }
        all
    }

    pub(crate) fn statistics(&self) -> QueueStatistics {
        QueueStatistics {
            ready: self.ready_count,
            unacked: self.unacked.len() as u64,
            consumers: self.consumers.count(),
            ready_bytes: self.ready_bytes,
            resident_bytes: self.resident_bytes as u64,
            disk_bytes: self.backlog.bytes(),
        }
    }

    pub(crate) fn consumers(&self) -> impl Iterator<Item = &consumers::Consumer> {
        self.consumers.iter()
    }

    pub(crate) const fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    pub(crate) fn touch(&mut self, now_ms: u64) {
        self.last_used_ms = now_ms;
    }

    /// Offers a message: hands it to a consumer that waits, or keeps it.
    #[inline]
    pub(crate) fn offer<L: Log<Backlog = B>, S: Sink>(&mut self, message: &Arc<Message>, work: &mut Work<'_, L, S>) -> Offered {
        let body_bytes = message.body_length();
        if self.options.overflow.is_some() && self.refuses(message, body_bytes, work) {
            return Offered::Rejected;
        }
        let sequence = self.next;
        self.next += 1;
        let logged = message.persistent && self.place.id.is_durable();
        let expires_at_ms = self.expiry_of(message, work.now_ms);
        let entry = Entry {
            sequence,
            message: Some(message.clone()),
            position: work.log.position(),
            expires_at_ms,
            delivery_count: 0,
            body_bytes: u32::try_from(body_bytes).unwrap_or(u32::MAX),
            redelivered: false,
            logged,
        };
        if self.ready_count == 0 {
            if let Some(slot) = self.consumers.next() {
                let is_kept = self.hand_out(entry, slot, work);
                return if is_kept && logged { Offered::Logged(sequence) } else { Offered::Taken };
            }
        }
        self.resident_bytes += entry.footprint();
        self.make_ready(entry, message.priority);
        if logged { Offered::Logged(sequence) } else { Offered::Taken }
    }

    #[inline]
    fn expiry_of(&mut self, message: &Message, now_ms: u64) -> u64 {
        let ttl = match (self.options.message_ttl_ms, message.expiration_ms) {
            (None, None) => return u64::MAX,
            (Some(own), Some(message)) => own.min(message),
            (own, message) => own.or(message).unwrap_or(u64::MAX),
        };
        self.has_expiring = true;
        now_ms.saturating_add(ttl)
    }

    /// Applies `reject-publish`; counts ready messages only.
    fn refuses<L: Log<Backlog = B>, S: Sink>(&mut self, message: &Arc<Message>, bytes: usize, work: &mut Work<'_, L, S>) -> bool {
        let overflow = match self.options.overflow {
            None | Some(Overflow::DropHead) => return false,
            Some(overflow) => overflow,
        };
        let is_full = self.options.length_max.is_some_and(|max| self.ready_count >= max)
            || self.options.length_bytes_max.is_some_and(|max| self.ready_bytes + bytes as u64 > max);
        if is_full && overflow == Overflow::RejectPublishDlx {
            if let Some(exchange) = self.options.dead_letter_exchange.clone() {
                work.effects.dead.push(self.dead_letter(None, message.clone(), Reason::MaxLength, exchange));
            }
        }
        is_full
    }

    fn make_ready(&mut self, entry: Entry, priority: u8) {
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        self.ready.push(entry, priority);
    }

    /// Gives a message to a consumer; false when that was the end of it.
    #[inline]
    fn hand_out<L: Log<Backlog = B>, S: Sink>(&mut self, entry: Entry, slot: u32, work: &mut Work<'_, L, S>) -> bool {
        let Some(consumer) = self.consumers.get_mut(slot) else {
            self.make_ready(entry, 0);
            return true;
        };
        let Some(message) = entry.message.clone() else { return false };
        consumer.took(message.body_length() + message.properties().len() + DELIVERY_OVERHEAD);
        let delivery = Delivery {
            queue: self.place,
            sequence: entry.sequence,
            message,
            redelivered: entry.redelivered,
            annotation: match self.kind {
                QueueKind::Quorum if entry.delivery_count > 0 => Annotation::DeliveryCount(entry.delivery_count),
                _ => Annotation::None,
            },
        };
        let (connection, no_ack, number) = (consumer.connection, consumer.no_ack, consumer.number);
        work.sink.event(connection, Event::Deliver { channel: consumer.channel, consumer: number, delivery });
        if no_ack {
            return false;
        }
        let credit = Some(consumer.credit());
        self.unacked.insert(entry.sequence, Unacked { entry, connection, consumer: Some((slot, number)), credit });
        true
    }

    /// Does what a publish leaves to do: limits, deliveries, expiry, memory.
    #[inline]
    pub(crate) fn after_publish<L: Log<Backlog = B>, S: Sink>(&mut self, resident_max: usize, work: &mut Work<'_, L, S>) {
        if self.ready_count == 0 {
            return;
        }
        self.dispatch(work);
        self.enforce_length(work);
        if self.has_expiring {
            self.expire(work);
        }
        if self.resident_bytes > resident_max {
            self.settle_all(work.log);
        }
    }

    /// Hands out ready messages while consumers can take them.
    pub(crate) fn dispatch<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        while self.ready_count > 0 {
            let Some(slot) = self.consumers.next() else { return };
            let Some(entry) = self.take_live(work) else { return };
            let (sequence, logged) = (entry.sequence, entry.logged);
            if !self.hand_out(entry, slot, work) {
                self.forget(sequence, logged, work.log);
            }
        }
    }

    /// Takes the next ready message that has not expired, with its content.
    fn take_live<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) -> Option<Entry> {
        loop {
            let mut entry = self.pop_ready()?;
            if entry.message.is_none() {
                entry.message = self.backlog.fetch(entry.sequence).map(|stored| stored.message);
            }
            if entry.message.is_none() {
                // Damaged on disk: named by the store, and not to be served.
                self.forget(entry.sequence, entry.logged, work.log);
            } else if entry.expires_at_ms <= work.now_ms {
                self.die(entry, Reason::Expired, work);
            } else {
                return Some(entry);
            }
        }
    }

    fn pop_ready(&mut self) -> Option<Entry> {
        let entry = self.ready.pop(&mut self.backlog, self.place.id.is_durable());
        self.note_popped(entry)
    }

    fn note_popped(&mut self, entry: Option<Entry>) -> Option<Entry> {
        match &entry {
            Some(entry) => {
                self.ready_count = self.ready_count.saturating_sub(1);
                self.ready_bytes = self.ready_bytes.saturating_sub(u64::from(entry.body_bytes));
                if entry.sequence >= self.backlog.settled_end() {
                    self.resident_bytes = self.resident_bytes.saturating_sub(entry.footprint());
                }
            }
            None => {
                self.ready_count = 0;
                self.ready_bytes = 0;
            }
        }
        entry
    }

    /// Drops from the head what is beyond the limits.
    fn enforce_length<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self.options.length_max.is_none() && self.options.length_bytes_max.is_none() {
            return;
        }
        if matches!(self.options.overflow, Some(Overflow::RejectPublish | Overflow::RejectPublishDlx)) {
            return;
        }
        let is_over = |queue: &Self| {
            queue.options.length_max.is_some_and(|max| queue.ready_count > max)
                || queue.options.length_bytes_max.is_some_and(|max| queue.ready_bytes > max)
        };
        while is_over(self) && self.ready_count > 0 {
            let entry = self.ready.pop_oldest(&mut self.backlog, self.place.id.is_durable());
            let Some(entry) = self.note_popped(entry) else { return };
            self.die(entry, Reason::MaxLength, work);
        }
    }

    /// Ends the messages at the head whose time has passed; false when there may be more.
    pub(crate) fn expire<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) -> bool {
        for _ in 0..limits::DISPATCH_BATCH_MAX {
            let is_due = self
                .ready
                .peek(&mut self.backlog, self.place.id.is_durable())
                .is_some_and(|entry| entry.expires_at_ms <= work.now_ms);
            if !is_due {
                return true;
            }
            if let Some(entry) = self.pop_ready() {
                self.die(entry, Reason::Expired, work);
            }
        }
        false
    }

    /// Sends a message to the dead-letter exchange, or ends it where there is none.
    fn die<L: Log<Backlog = B>, S: Sink>(&mut self, mut entry: Entry, reason: Reason, work: &mut Work<'_, L, S>) {
        let exchange = self.options.dead_letter_exchange.clone();
        if exchange.is_some() && entry.message.is_none() {
            entry.message = self.backlog.fetch(entry.sequence).map(|stored| stored.message);
        }
        match (exchange, entry.message.clone()) {
            (Some(exchange), Some(message)) => {
                work.effects.dead.push(self.dead_letter(Some(entry.sequence), message, reason, exchange));
                self.transferring.insert(entry.sequence, entry);
            }
            _ => self.forget(entry.sequence, entry.logged, work.log),
        }
    }

    fn dead_letter(&self, sequence: Option<u64>, message: Arc<Message>, reason: Reason, exchange: Name) -> DeadLetter {
        DeadLetter {
            vhost: self.vhost.clone(),
            queue: self.name.clone(),
            place: self.place,
            sequence,
            reason,
            message,
            exchange,
            routing_key: self.options.dead_letter_routing_key.clone(),
        }
    }

    /// Ends a message whose dead letter is safe elsewhere.
    pub(crate) fn transferred<L: Log<Backlog = B>>(&mut self, sequence: u64, log: &mut L) {
        if let Some(entry) = self.transferring.remove(&sequence) {
            self.forget(sequence, entry.logged, log);
        }
    }

    #[inline]
    fn forget<L: Log<Backlog = B>>(&mut self, sequence: u64, logged: bool, log: &mut L) {
        if logged || sequence < self.backlog.settled_end() {
            log.ack(&mut self.backlog, sequence, sequence);
        }
    }

    /// Settles a delivered message; a number that is not out is ignored.
    #[inline]
    pub(crate) fn settle<L: Log<Backlog = B>, S: Sink>(&mut self, sequence: u64, outcome: Outcome, work: &mut Work<'_, L, S>) {
        let Some(unacked) = self.unacked.remove(&sequence) else { return };
        if let Some(credit) = &unacked.credit {
            credit.give_back();
        }
        if let Some((slot, number)) = unacked.consumer {
            self.consumers.give_back(slot, unacked.connection, number);
        }
        let mut entry = unacked.entry;
        match outcome {
            Outcome::Acked => self.forget(sequence, entry.logged, work.log),
            Outcome::Rejected => self.die(entry, Reason::Rejected, work),
            Outcome::Requeued | Outcome::Recovered => {
                entry.redelivered = true;
                if outcome == Outcome::Requeued {
                    entry.delivery_count += 1;
                }
                self.requeue(entry, work);
            }
        }
    }

    fn requeue<L: Log<Backlog = B>, S: Sink>(&mut self, entry: Entry, work: &mut Work<'_, L, S>) {
        if self.options.delivery_limit.is_some_and(|limit| entry.delivery_count > limit) {
            self.die(entry, Reason::DeliveryLimit, work);
            return;
        }
        if entry.logged && self.kind == QueueKind::Quorum && entry.delivery_count > 0 {
            work.log.note_delivery_count(&mut self.backlog, entry.sequence, entry.delivery_count);
        }
        if entry.expires_at_ms <= work.now_ms {
            self.die(entry, Reason::Expired, work);
            return;
        }
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        if entry.sequence >= self.backlog.settled_end() {
            self.resident_bytes += entry.footprint();
        }
        let priority = match (&self.ready, &entry.message) {
            (Ready::Fifo(_), _) => 0,
            (Ready::Priority(_), Some(message)) => message.priority,
            (Ready::Priority(_), None) => self.backlog.fetch(entry.sequence).map_or(0, |stored| stored.message.priority),
        };
        self.ready.put_back(entry, priority);
    }

    /// Does what settlements leave to do.
    pub(crate) fn after_settle<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self.ready_count > 0 {
            self.dispatch(work);
            self.enforce_length(work);
        }
    }

    pub(crate) fn consume<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        wish: &ConsumeRequest,
        work: &mut Work<'_, L, S>,
    ) -> Result<(), Refusal> {
        let what = format!("queue '{}' in vhost '{}'", self.name, self.vhost);
        if self.consumers.count() as usize >= limits::CONSUMERS_PER_QUEUE_MAX {
            return Err(Refusal::new(crate::RefusalKind::LimitExceeded, format!("{what} has its limit of consumers")));
        }
        self.consumers.add(connection, channel, wish, &what)?;
        self.last_used_ms = work.now_ms;
        Ok(())
    }

    /// Takes a consumer away; its unacked messages stay out until they are settled.
    pub(crate) fn cancel<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        number: ConsumerNumber,
        work: &mut Work<'_, L, S>,
    ) -> bool {
        if !self.consumers.remove(connection, number) {
            return false;
        }
        self.last_used_ms = work.now_ms;
        if self.auto_delete && self.consumers.count() == 0 {
            work.effects.spent.push(self.place);
        }
        self.dispatch(work);
        true
    }

    pub(crate) fn resume<L: Log<Backlog = B>, S: Sink>(&mut self, connection: ConnectionId, work: &mut Work<'_, L, S>) {
        self.consumers.resume(connection);
        self.dispatch(work);
    }

    /// Takes one message for a get; the second value is how many stay ready.
    pub(crate) fn get<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        no_ack: bool,
        work: &mut Work<'_, L, S>,
    ) -> Option<(Delivery, u64)> {
        self.last_used_ms = work.now_ms;
        let entry = self.take_live(work)?;
        let message = entry.message.clone()?;
        let annotation = match self.kind {
            QueueKind::Quorum if entry.delivery_count > 0 => Annotation::DeliveryCount(entry.delivery_count),
            _ => Annotation::None,
        };
        let delivery =
            Delivery { queue: self.place, sequence: entry.sequence, message, redelivered: entry.redelivered, annotation };
        if no_ack {
            self.forget(entry.sequence, entry.logged, work.log);
        } else {
            self.unacked.insert(entry.sequence, Unacked { entry, connection, consumer: None, credit: None });
        }
        Some((delivery, self.ready_count))
    }

    /// Removes every ready message; unacked ones stay.
    pub(crate) fn purge<L: Log<Backlog = B>>(&mut self, log: &mut L) -> u64 {
        let purged = self.ready_count;
        let mut gone: Vec<(u64, u64)> = Vec::new();
        match &mut self.ready {
            Ready::Fifo(fifo) => {
                gone.extend(fifo.returned.keys().map(|sequence| (*sequence, *sequence)));
                // From the first fresh message on, everything is ready.
                let fresh = fifo.window.front().map(|entry| entry.sequence);
                let fresh = fresh.unwrap_or_else(|| {
                    if fifo.read_from < self.backlog.settled_end() { fifo.read_from } else { u64::MAX }
                });
                let fresh = fresh.min(fifo.tail.front().map_or(u64::MAX, |entry| entry.sequence));
                if fresh < self.next {
                    gone.push((fresh, self.next - 1));
                }
                fifo.returned.clear();
                fifo.window.clear();
                fifo.tail.clear();
                fifo.read_from = self.backlog.settled_end();
            }
            Ready::Priority(levels) => {
                gone.extend(levels.iter().flat_map(|level| level.keys().map(|sequence| (*sequence, *sequence))));
                levels.iter_mut().for_each(std::collections::BTreeMap::clear);
            }
        }
        for (first, last) in gone {
            if first < self.backlog.settled_end() || self.place.id.is_durable() {
                log.ack(&mut self.backlog, first, last);
            }
        }
        self.ready_count = 0;
        self.ready_bytes = 0;
        self.recount_resident();
        purged
    }

    /// Says whether the queue may be deleted.
    pub(crate) fn check_delete(&self, if_unused: bool, if_empty: bool) -> Result<(), Refusal> {
        let refuse = |state: &str| Err(Refusal::precondition(format!("queue '{}' in vhost '{}' {state}", self.name, self.vhost)));
        if if_unused && self.consumers.count() > 0 {
            return refuse("in use");
        }
        if if_empty && self.ready_count + self.unacked.len() as u64 > 0 {
            return refuse("not empty");
        }
        Ok(())
    }

    /// Ends the queue: tells its consumers and drops all it holds; returns how many messages were ready.
    pub(crate) fn delete<L: Log<Backlog = B>, S: Sink>(&mut self, log: &mut L, sink: &mut S) -> u64 {
        for consumer in self.consumers.iter() {
            let event = Event::ConsumerCancelled { channel: consumer.channel, consumer: consumer.number };
            sink.event(consumer.connection, event);
        }
        for unacked in self.unacked.values() {
            if let Some(credit) = &unacked.credit {
                credit.give_back();
            }
        }
        log.remove(&mut self.backlog);
        self.ready_count
    }

    /// Takes new options after a policy changed.
    pub(crate) fn configure<L: Log<Backlog = B>, S: Sink>(&mut self, options: QueueOptions, work: &mut Work<'_, L, S>) {
        self.has_expiring |= options.message_ttl_ms.is_some();
        self.options = options;
        self.last_used_ms = work.now_ms;
        self.enforce_length(work);
    }

    /// When the queue wants to be looked at next, in milliseconds since 1970.
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        let unused = match self.options.expires_ms {
            Some(expires) if self.consumers.count() == 0 => Some(self.last_used_ms.saturating_add(expires)),
            _ => None,
        };
        let head = if self.has_expiring && self.ready_count > 0 {
            let head = self.ready.peek(&mut self.backlog, self.place.id.is_durable());
            head.map(|entry| entry.expires_at_ms).filter(|at| *at != u64::MAX)
        } else {
            None
        };
        match (unused, head) {
            (Some(unused), Some(head)) => Some(unused.min(head)),
            (unused, head) => unused.or(head),
        }
    }

    pub(crate) const fn has_deadlines(&self) -> bool {
        self.has_expiring || self.options.expires_ms.is_some()
    }

    /// Does what is due.
    pub(crate) fn tick<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self.has_expiring {
            self.expire(work);
        }
        let is_unused = self.consumers.count() == 0
            && self.options.expires_ms.is_some_and(|expires| work.now_ms >= self.last_used_ms.saturating_add(expires));
        if is_unused {
            work.effects.spent.push(self.place);
        }
    }

    pub(crate) const fn backlog_mut(&mut self) -> &mut B {
        &mut self.backlog
    }

    pub(crate) const fn next_sequence(&self) -> u64 {
        self.next
    }
}
