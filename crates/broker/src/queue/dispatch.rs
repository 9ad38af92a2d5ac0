//! Messages on their way out: to consumers and gets.

use std::sync::Arc;

use super::ready::Entry;
use super::{Queue, Unacked, Work};
use crate::arguments::QueueKind;
use crate::log::{Backlog, Log};
use crate::{
    Annotation, ConnectionId, ConsumeRequest, ConsumerNumber, Credit, Delivery, Event, QueueRef,
    Reason, Refusal, RefusalKind, Sink, limits,
};

impl<B: Backlog> Queue<B> {
    /// Gives a message to a consumer; false when that was the end of it.
    #[inline]
    pub(super) fn hand_out<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        entry: Entry,
        slot: u32,
        work: &mut Work<'_, L, S>,
    ) -> bool {
        let consumer = self
            .consumers
            .get_mut(slot)
            .expect("the slot was chosen just now");
        let Some(delivery) = entry.delivery(self.place, self.kind, consumer.tag_bytes()) else {
            return false;
        };
        self.delivered += 1;
        consumer.took(delivery.outbox_bytes());
        let (connection, no_ack, number) = (consumer.connection, consumer.no_ack, consumer.number);
        work.sink.event(
            connection,
            Event::Deliver {
                channel: consumer.channel,
                consumer: number,
                delivery,
            },
        );
        if no_ack {
            return false;
        }
        let credit = Some(consumer.credit());
        self.hold(entry, connection, Some((slot, number)), credit);
        true
    }

    /// Keeps a message while somebody works on it.
    #[inline]
    fn hold(
        &mut self,
        mut entry: Entry,
        connection: ConnectionId,
        consumer: Option<(u32, ConsumerNumber)>,
        credit: Option<Arc<Credit>>,
    ) {
        if entry.sequence < self.settled_end(entry.is_delayed) {
            entry.message = None;
        } else {
            self.held_bytes += entry.footprint();
        }
        self.unacked.insert(
            entry.sequence,
            Unacked {
                entry,
                connection,
                consumer,
                credit,
            },
        );
    }

    /// Hands out ready messages while consumers can take them.
    pub(crate) fn dispatch<L: Log<Backlog = B>, S: Sink>(&mut self, work: &mut Work<'_, L, S>) {
        while self.ready_count > 0 && !self.cannot_read() {
            let Some(slot) = self.consumers.next() else {
                return;
            };
            let Some(entry) = self.take_live(work) else {
                if let Some(consumer) = self.consumers.get_mut(slot) {
                    consumer.release();
                }
                return;
            };
            let ended = entry.end();
            if !self.hand_out(entry, slot, work) {
                self.forget(ended, work.log);
            }
        }
    }

    /// Takes the next ready message that has not expired, with its content.
    fn take_live<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        work: &mut Work<'_, L, S>,
    ) -> Option<Entry> {
        loop {
            let mut entry = self.pop_ready(work.now_ms)?;
            if entry.expires_at_ms <= work.now_ms {
                self.die(entry, Reason::Expired, work);
                if self.cannot_read() {
                    return None;
                }
                continue;
            }
            if entry.message.is_none() {
                let Ok(fetched) = self.home_mut(entry.is_delayed).fetch(entry.sequence) else {
                    self.put_back_unread(entry, work.now_ms);
                    return None;
                };
                entry.message = fetched.map(|stored| stored.message);
            }
            if entry.message.is_some() {
                return Some(entry);
            }
            // Damaged on disk: named by the store, and not to be served.
            self.forget(entry.end(), work.log);
        }
    }

    fn pop_ready(&mut self, now_ms: u64) -> Option<Entry> {
        let entry = self
            .ready
            .pop(&mut self.backlog, self.place.id.is_durable());
        self.note_popped(entry, now_ms)
    }

    /// Makes a message ready again whose content cannot be read for now.
    pub(super) fn put_back_unread(&mut self, entry: Entry, now_ms: u64) {
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        self.ready.put_back(entry);
        self.stall_reading(now_ms);
    }

    pub(super) fn note_popped(&mut self, entry: Option<Entry>, now_ms: u64) -> Option<Entry> {
        if let Some(entry) = &entry {
            self.ready_count = self.ready_count.saturating_sub(1);
            self.ready_bytes = self.ready_bytes.saturating_sub(u64::from(entry.body_bytes));
            self.resident_bytes = self
                .resident_bytes
                .saturating_sub(self.unsettled_bytes(entry));
        } else if self.ready.has_failed() {
            self.stall_reading(now_ms);
        } else {
            self.ready_count = 0;
        }
        if self.ready_count == 0 {
            self.ready_bytes = 0;
            self.is_estimated = false;
        }
        entry
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
            return Err(Refusal::new(
                RefusalKind::LimitExceeded,
                format!("{what} has its limit of consumers"),
            ));
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

    pub(crate) fn resume<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        connection: ConnectionId,
        work: &mut Work<'_, L, S>,
    ) {
        self.resumed += 1;
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
        if self.cannot_read() {
            return None;
        }
        let entry = self.take_live(work)?;
        let delivery = entry.delivery(self.place, self.kind, 0)?;
        self.delivered += 1;
        if no_ack {
            self.forget(entry.end(), work.log);
        } else {
            self.hold(entry, connection, None, None);
        }
        Some((delivery, self.ready_count))
    }
}

impl Entry {
    #[inline]
    fn delivery(&self, queue: QueueRef, kind: QueueKind, tag_bytes: u8) -> Option<Delivery> {
        let annotation = if kind == QueueKind::Quorum && self.delivery_count > 0 {
            Annotation::DeliveryCount(self.delivery_count)
        } else {
            Annotation::None
        };
        let message = self.message.clone()?;
        Some(Delivery {
            outbox_bytes: Delivery::outbox_bytes_of(&message, tag_bytes),
            queue,
            sequence: self.sequence,
            message,
            redelivered: self.redelivered,
            annotation,
        })
    }
}
