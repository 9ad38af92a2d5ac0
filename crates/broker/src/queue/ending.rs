//! How messages end: settled by a consumer, expired, pushed out, purged, or deleted with their queue.

use std::sync::Arc;

use super::ready::{Entry, Ready};
use super::{DeadLetter, Queue, Work};
use crate::arguments::{Overflow, QueueKind};
use crate::log::{Backlog, Log};
use crate::{Event, Message, Name, Outcome, Reason, Refusal, Sink, limits};

/// What the log is to know of a message that ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    sequence: u64,
    logged: bool,
    is_delayed: bool,
}

impl Entry {
    #[inline]
    pub(super) const fn end(&self) -> Ended {
        Ended {
            sequence: self.sequence,
            logged: self.logged,
            is_delayed: self.is_delayed,
        }
    }
}

impl<B: Backlog> Queue<B> {
    /// Settles a delivered message; a number that is not out is ignored.
    #[inline]
    pub(crate) fn settle<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        sequence: u64,
        outcome: Outcome,
        work: &mut Work<'_, L, S>,
    ) {
        let Some(unacked) = self.unacked.remove(&sequence) else {
            return;
        };
        let mut entry = unacked.entry;
        self.held_bytes = self.held_bytes.saturating_sub(self.unsettled_bytes(&entry));
        if let Some(credit) = &unacked.credit {
            credit.give_back();
        }
        if let Some((slot, number)) = unacked.consumer {
            self.consumers.give_back(slot, unacked.connection, number);
        }
        match outcome {
            Outcome::Acked => self.forget(entry.end(), work.log),
            Outcome::Rejected => self.die(entry, Reason::Rejected, work),
            Outcome::Requeued => {
                entry.redelivered = true;
                entry.delivery_count = entry.delivery_count.saturating_add(1);
                self.requeue(entry, work);
            }
            Outcome::Recovered => {
                entry.redelivered = true;
                self.requeue(entry, work);
            }
            Outcome::Unseen => {
                self.delivered = self.delivered.saturating_sub(1);
                self.requeue(entry, work);
            }
        }
    }

    fn requeue<L: Log<Backlog = B>, S: Sink>(&mut self, entry: Entry, work: &mut Work<'_, L, S>) {
        if self
            .options
            .delivery_limit
            .is_some_and(|limit| entry.delivery_count > limit)
        {
            self.die(entry, Reason::DeliveryLimit, work);
            return;
        }
        if entry.logged && self.kind == QueueKind::Quorum && entry.delivery_count > 0 {
            work.log.note_delivery_count(
                self.home_mut(entry.is_delayed),
                entry.sequence,
                entry.delivery_count,
            );
        }
        if entry.expires_at_ms <= work.now_ms {
            self.die(entry, Reason::Expired, work);
            return;
        }
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        self.resident_bytes += self.unsettled_bytes(&entry);
        self.ready.put_back(entry);
    }

    /// Does what settlements leave to do.
    pub(crate) fn after_settle<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        if self.ready_count > 0 {
            self.dispatch(work);
            self.enforce_length(work);
        }
    }

    /// Drops from the head what is beyond the limits.
    pub(super) fn enforce_length<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        work: &mut Work<'_, L, S>,
    ) {
        if self.options.length_max.is_none() && self.options.length_bytes_max.is_none() {
            return;
        }
        if matches!(
            self.options.overflow,
            Some(Overflow::RejectPublish | Overflow::RejectPublishDlx)
        ) {
            return;
        }
        let is_over = |queue: &Self| {
            queue
                .options
                .length_max
                .is_some_and(|max| queue.ready_count > max)
                || queue
                    .options
                    .length_bytes_max
                    .is_some_and(|max| queue.ready_bytes > max)
        };
        while is_over(self) && self.ready_count > 0 && !self.cannot_read() {
            let entry = self
                .ready
                .pop_oldest(&mut self.backlog, self.place.id.is_durable());
            let Some(entry) = self.note_popped(entry, work.now_ms) else {
                return;
            };
            self.die(entry, Reason::MaxLength, work);
        }
    }

    /// Ends the messages at the head whose time has passed, a bounded number at once.
    pub(super) fn expire<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        for _ in 0..limits::DISPATCH_BATCH_MAX {
            if self.cannot_read() {
                return;
            }
            let entry =
                self.ready
                    .pop_due(work.now_ms, &mut self.backlog, self.place.id.is_durable());
            if entry.is_none() && !self.ready.has_failed() {
                return;
            }
            if let Some(entry) = self.note_popped(entry, work.now_ms) {
                self.die(entry, Reason::Expired, work);
            }
        }
    }

    /// Sends a message to the dead-letter exchange, or ends it where there is none. One that cannot be read for now is ready again.
    pub(super) fn die<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        mut entry: Entry,
        reason: Reason,
        work: &mut Work<'_, L, S>,
    ) {
        let Some(exchange) = self.options.dead_letter_exchange.clone() else {
            work.effects.deaths.count(reason);
            return self.forget(entry.end(), work.log);
        };
        let message = match entry.message.take() {
            Some(message) => Some(message),
            None => match self.home_mut(entry.is_delayed).fetch(entry.sequence) {
                Ok(fetched) => fetched.map(|stored| stored.message),
                Err(_) => return self.put_back_unread(entry, work.now_ms),
            },
        };
        work.effects.deaths.count(reason);
        let Some(message) = message else {
            return self.forget(entry.end(), work.log);
        };
        work.effects.dead.push(self.dead_letter(
            Some(entry.sequence),
            message.clone(),
            reason,
            exchange,
        ));
        if entry.sequence >= self.settled_end(entry.is_delayed) {
            entry.message = Some(message);
            self.held_bytes += entry.footprint();
        }
        self.transferring.insert(entry.sequence, entry);
    }

    pub(super) fn dead_letter(
        &self,
        sequence: Option<u64>,
        message: Arc<Message>,
        reason: Reason,
        exchange: Name,
    ) -> DeadLetter {
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
            self.held_bytes = self.held_bytes.saturating_sub(self.unsettled_bytes(&entry));
            self.forget(entry.end(), log);
        }
    }

    /// Logs the end of a message, if the log or the backlog holds it.
    #[inline]
    pub(super) fn forget<L: Log<Backlog = B>>(&mut self, ended: Ended, log: &mut L) {
        let Ended {
            sequence,
            logged,
            is_delayed,
        } = ended;
        if logged || sequence < self.settled_end(is_delayed) {
            log.ack(self.home_mut(is_delayed), sequence, sequence);
        }
    }

    /// Removes every message that is ready or delayed; unacked ones stay.
    pub(crate) fn purge<L: Log<Backlog = B>>(&mut self, log: &mut L) -> u64 {
        let purged = self.ready_count + self.delayed_count();
        self.purge_delayed(log);
        let end = self.backlog.settled_end();
        let mut gone: Vec<(u64, u64)> = Vec::new();
        let in_order =
            |entry: &Entry| (!entry.is_delayed).then_some((entry.sequence, entry.sequence));
        match &mut self.ready {
            Ready::Fifo(fifo) => {
                gone.extend(fifo.returned.values().filter_map(in_order));
                if let Some(fresh) = fifo.first_fresh(end) {
                    gone.push((fresh, self.next - 1));
                }
                fifo.returned.clear();
                fifo.due.clear();
                fifo.window.clear();
                fifo.tail.clear();
                fifo.read_from = self.next;
            }
            Ready::Priority(levels) => {
                gone.extend(levels.values().filter_map(in_order));
                levels.clear();
            }
        }
        for (first, last) in gone {
            if first < end || self.place.id.is_durable() {
                log.ack(&mut self.backlog, first, last);
            }
        }
        self.ready_count = 0;
        self.ready_bytes = 0;
        self.is_estimated = false;
        self.resident_bytes = 0;
        purged
    }

    /// Says whether the queue may be deleted.
    pub(crate) fn check_delete(&self, if_unused: bool, if_empty: bool) -> Result<(), Refusal> {
        if if_unused && self.consumers.count() > 0 {
            return Err(Refusal::kept("in use", &self.name, &self.vhost));
        }
        if if_empty && self.ready_count + self.delayed_count() + self.unacked.len() as u64 > 0 {
            return Err(Refusal::kept("not empty", &self.name, &self.vhost));
        }
        Ok(())
    }

    /// Ends the queue: tells its consumers and drops all it holds; returns how many messages were ready or delayed.
    pub(crate) fn delete<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        log: &mut L,
        sink: &mut S,
    ) -> u64 {
        for consumer in self.consumers.iter() {
            let event = Event::ConsumerCancelled {
                channel: consumer.channel,
                consumer: consumer.number,
            };
            sink.event(consumer.connection, event);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the credits come to the same in any order"
        )]
        for unacked in self.unacked.values() {
            if let Some(credit) = &unacked.credit {
                credit.give_back();
            }
        }
        self.backlogs_mut().for_each(|backlog| log.remove(backlog));
        self.ready_count + self.delayed_count()
    }
}
