//! Messages on their way in.

use std::sync::Arc;

use super::ready::Entry;
use super::{Offered, Queue, Work};
use crate::arguments::Overflow;
use crate::log::{Backlog, Log};
use crate::{Message, Reason, Sink};

impl<B: Backlog> Queue<B> {
    /// Offers a message: hands it to a consumer that waits, or keeps it.
    #[inline]
    pub(crate) fn offer<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        message: &Arc<Message>,
        work: &mut Work<'_, L, S>,
    ) -> Offered {
        let body_bytes = message.body_length();
        if self.options.overflow.is_some() && self.refuses(message, body_bytes, work) {
            return Offered::Rejected;
        }
        if let Some(at_ms) = message.deliver_at_ms
            && at_ms > work.now_ms
        {
            return self.delay(message, at_ms, work);
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
            priority: message.priority,
            redelivered: false,
            logged,
            is_delayed: false,
        };
        if self.ready_count == 0
            && let Some(slot) = self.consumers.next()
        {
            self.ready.pass_by(sequence);
            let is_kept = self.hand_out(entry, slot, work);
            return if is_kept && logged {
                Offered::Logged(sequence)
            } else {
                Offered::Taken(sequence)
            };
        }
        self.resident_bytes += entry.footprint();
        self.make_ready(entry);
        if logged {
            Offered::Logged(sequence)
        } else {
            Offered::Taken(sequence)
        }
    }

    /// When a message expires that may be delivered from `from_ms` on.
    #[inline]
    pub(super) fn expiry_of(&mut self, message: &Message, from_ms: u64) -> u64 {
        let ttl = match (self.options.message_ttl_ms, message.expiration_ms) {
            (None, None) => return u64::MAX,
            (Some(own), Some(message)) => own.min(message),
            (own, message) => own.or(message).unwrap_or(u64::MAX),
        };
        self.has_expiring = true;
        from_ms.saturating_add(ttl)
    }

    /// Applies `reject-publish`; counts ready messages only.
    fn refuses<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        message: &Arc<Message>,
        bytes: usize,
        work: &mut Work<'_, L, S>,
    ) -> bool {
        let overflow = match self.options.overflow {
            None | Some(Overflow::DropHead) => return false,
            Some(overflow) => overflow,
        };
        let is_full = self
            .options
            .length_max
            .is_some_and(|max| self.ready_count >= max)
            || self
                .options
                .length_bytes_max
                .is_some_and(|max| self.ready_bytes + bytes as u64 > max);
        if is_full
            && overflow == Overflow::RejectPublishDlx
            && let Some(exchange) = self.options.dead_letter_exchange.clone()
        {
            work.effects.dead.push(self.dead_letter(
                None,
                message.clone(),
                Reason::MaxLength,
                exchange,
            ));
        }
        is_full
    }

    /// Adds a fresh message to those that are ready.
    #[inline]
    pub(super) fn make_ready(&mut self, entry: Entry) {
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        self.ready.push(entry);
    }

    /// Does what a publish leaves to do: limits, deliveries, expiry, memory.
    #[inline]
    pub(crate) fn after_publish<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        resident_max: usize,
        work: &mut Work<'_, L, S>,
    ) {
        if self.ready_count > 0 {
            self.dispatch(work);
            self.enforce_length(work);
            if self.has_expiring {
                self.expire(work);
            }
        }
        // What consumers hold soon ends by itself, mostly: writing it out is worth it only for much more of it.
        if self.resident_bytes + self.held_bytes / 4 > resident_max {
            self.settle_all(work.now_ms, work.log);
        }
    }
}
