//! The consumers of one queue: who is next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::{
    ConnectionId, ConsumeRequest, ConsumerNumber, Credit, Delivery, OutboxGauge, Refusal, limits,
};

/// One consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) connection: ConnectionId,
    pub(crate) channel: u16,
    pub(crate) number: ConsumerNumber,
    pub(crate) tag: Arc<str>,
    pub(crate) no_ack: bool,
    pub(crate) exclusive: bool,
    pub(crate) prefetch: u32,
    pub(crate) priority: i64,
    pub(crate) unacked: u32,
    credit: Arc<Credit>,
    gauge: Arc<OutboxGauge>,
    /// Order of arrival.
    arrival: u64,
    /// In the ring of those that may be able to take a message.
    in_ring: bool,
    /// When it left the ring: who has waited longest comes back first.
    left: u64,
    /// It let another consumer of its channel go first since its last message.
    has_yielded: bool,
    /// Shared credit is taken for the message that it gets next.
    is_reserved: bool,
}

impl Consumer {
    /// A consumer without acknowledgements ignores its prefetch, but not a channel's shared credit that is used up.
    #[inline]
    fn can_take(&mut self) -> bool {
        (self.no_ack || (self.has_credit() && !self.gauge.is_laden()))
            && self.gauge.has_room()
            && self
                .credit
                .reserve(self.number, &mut self.has_yielded, &mut self.is_reserved)
    }

    const fn has_credit(&self) -> bool {
        self.prefetch == 0 || self.unacked < self.prefetch
    }

    /// What its tag adds to each delivery on the wire.
    pub(crate) fn tag_bytes(&self) -> u8 {
        Delivery::tag_bytes_of(&self.tag)
    }

    pub(crate) fn credit(&self) -> Arc<Credit> {
        self.credit.clone()
    }

    pub(crate) fn took(&mut self, bytes: usize) {
        self.gauge.add(bytes);
        if self.no_ack {
            self.release();
            return;
        }
        self.unacked += 1;
        self.has_yielded = false;
        if std::mem::take(&mut self.is_reserved) {
            self.credit.note_served(self.number);
        } else {
            self.credit.take(self.number);
        }
    }

    /// Gives back credit that was reserved for a message that did not come.
    pub(crate) fn release(&mut self) {
        if std::mem::take(&mut self.is_reserved) {
            self.credit.give_back();
        }
    }
}

/// All consumers of one queue, by slot.
///
/// # Shape
/// `ring` holds, by falling priority, the consumers that may be able to take a message. One that is found unable leaves it until an
/// acknowledgement, a raised limit or a drained socket puts it back, so that finding the next costs the same for one and for ten
/// thousand.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    slots: Vec<Option<Consumer>>,
    free: Vec<u32>,
    ring: BTreeMap<Reverse<i64>, VecDeque<u32>>,
    /// Counts arrivals and departures, to put consumers in order.
    ticks: u64,
    count: u32,
    single_active: bool,
    /// The one that is served, when only one at a time is.
    active: Option<u32>,
}

impl Consumers {
    pub(crate) fn new(single_active: bool) -> Self {
        Self {
            single_active,
            ..Self::default()
        }
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.slots.iter().flatten()
    }

    /// Says whether there are consumers that only their sockets hold up, and not for long.
    pub(crate) fn are_draining(&self, now_ms: u64) -> bool {
        self.iter()
            .take(limits::PACED_CONSUMERS_SEEN)
            .any(|consumer| consumer.gauge.is_draining(now_ms))
    }

    /// Says whether a consumer is served: all are, but where only one at a time is.
    pub(crate) fn is_served(&self, consumer: &Consumer) -> bool {
        let active = self
            .active
            .and_then(|slot| self.slots.get(slot as usize)?.as_ref());
        !self.single_active || active.is_some_and(|active| active.arrival == consumer.arrival)
    }

    /// Adds a consumer.
    pub(crate) fn add(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        wish: &ConsumeRequest,
        what: &str,
    ) -> Result<(), Refusal> {
        // An exclusive consumer is alone.
        if self.single_active && wish.exclusive {
            return Err(Refusal::access(format!(
                "{what} has a single active consumer; an exclusive one cannot join"
            )));
        }
        let is_taken = (self.count == 1 && self.iter().any(|other| other.exclusive))
            || (wish.exclusive && self.count > 0);
        if is_taken {
            return Err(Refusal::access(format!("{what} in exclusive use")));
        }
        self.ticks += 1;
        let consumer = Consumer {
            connection,
            channel,
            number: wish.consumer,
            tag: wish.tag.clone(),
            no_ack: wish.no_ack,
            exclusive: wish.exclusive,
            prefetch: wish.prefetch,
            priority: wish.priority,
            unacked: 0,
            credit: wish.credit.clone(),
            gauge: wish.gauge.clone(),
            arrival: self.ticks,
            in_ring: false,
            left: 0,
            has_yielded: false,
            is_reserved: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).expect("consumers are bounded far below 2^32")
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(consumer);
        }
        self.count += 1;
        self.admit(slot);
        Ok(())
    }

    /// Removes a consumer; false when it was not here.
    pub(crate) fn remove(&mut self, connection: ConnectionId, number: ConsumerNumber) -> bool {
        let Some(slot) = self.find(connection, number) else {
            return false;
        };
        if let Some(gone) = self.slots.get_mut(slot as usize).and_then(Option::take)
            && let Some(level) = self.ring.get_mut(&Reverse(gone.priority))
        {
            level.retain(|other| *other != slot);
            if level.is_empty() {
                self.ring.remove(&Reverse(gone.priority));
            }
        }
        self.free.push(slot);
        self.count -= 1;
        if self.active == Some(slot) {
            self.active = None;
            let next = self
                .slots
                .iter()
                .enumerate()
                .filter_map(|(slot, consumer)| {
                    consumer
                        .as_ref()
                        .map(|consumer| (Reverse(consumer.priority), consumer.arrival, slot))
                });
            if let Some((_, _, slot)) = next.min() {
                self.admit(u32::try_from(slot).unwrap_or(u32::MAX));
            }
        }
        true
    }

    /// The next consumer that can take a message, in turn within its priority.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        while let Some(mut entry) = self.ring.first_entry() {
            let level = entry.get_mut();
            while let Some(slot) = level.pop_front() {
                let Some(consumer) = self.slots.get_mut(slot as usize).and_then(Option::as_mut)
                else {
                    continue;
                };
                if consumer.can_take() {
                    level.push_back(slot);
                    return Some(slot);
                }
                consumer.in_ring = false;
                self.ticks += 1;
                consumer.left = self.ticks;
            }
            entry.remove();
        }
        None
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Consumer> {
        self.slots.get_mut(slot as usize).and_then(Option::as_mut)
    }

    /// Gives back the credit of one settled message; the consumer may be gone.
    pub(crate) fn give_back(
        &mut self,
        slot: u32,
        connection: ConnectionId,
        number: ConsumerNumber,
    ) {
        let Some(consumer) = self.get_mut(slot) else {
            return;
        };
        if consumer.connection == connection && consumer.number == number {
            consumer.unacked = consumer.unacked.saturating_sub(1);
            // Where others wait for the same credit, its session resumes all of them in turn.
            if !consumer.in_ring && !consumer.credit.is_contended() {
                self.admit(slot);
            }
        }
    }

    /// Puts the consumers of a connection back into the ring after its socket drained or its credit grew.
    pub(crate) fn resume(&mut self, connection: ConnectionId) {
        let is_out = |consumer: &Consumer| consumer.connection == connection && !consumer.in_ring;
        let slots = (0..).zip(&self.slots);
        let out = slots.filter_map(|(slot, consumer)| {
            consumer
                .as_ref()
                .filter(|one| is_out(one))
                .map(|one| (one.left, slot))
        });
        let mut out: smallvec::SmallVec<[(u64, u32); 4]> = out.collect();
        out.sort_unstable();
        for (_, slot) in out {
            self.admit(slot);
        }
        if let Some(one) = self.iter().find(|one| one.connection == connection) {
            one.gauge.resumed();
        }
    }

    fn admit(&mut self, slot: u32) {
        if self.single_active && *self.active.get_or_insert(slot) != slot {
            return;
        }
        let Some(consumer) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        if !consumer.in_ring {
            consumer.in_ring = true;
            self.ring
                .entry(Reverse(consumer.priority))
                .or_default()
                .push_back(slot);
        }
    }

    fn find(&self, connection: ConnectionId, number: ConsumerNumber) -> Option<u32> {
        let is_it =
            |consumer: &Consumer| consumer.connection == connection && consumer.number == number;
        let place = self
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(is_it))?;
        u32::try_from(place).ok()
    }
}
