//! Deliveries under lease: whoever took a message has it until the lease ends, then it goes back to its queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use broker::{ConsumerNumber, Message, Outcome, QueueRef};

use super::command::SettleKind;
use super::groups::Hold;

/// The longest lease: half a day.
pub(crate) const LEASE_MS_MAX: u64 = 12 * 3_600 * 1_000;

/// A lease within its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseId(pub(crate) u64);

/// What a lease is for.
#[derive(Debug, Clone)]
pub(super) struct Leased {
    pub(super) queue: QueueRef,
    pub(super) consumer: Option<ConsumerNumber>,
    pub(super) sequence: u64,
    /// The partition that is held until it is settled.
    pub(super) hold: Option<Arc<Hold>>,
}

#[derive(Debug)]
struct Lease {
    leased: Leased,
    message: Arc<Message>,
    ends_ms: u64,
    /// The holder gave it back already; it waits out its delay.
    is_given_back: bool,
}

/// The leases of one link.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: HashMap<LeaseId, Lease>,
    by_end: BTreeSet<(u64, LeaseId)>,
    last: u64,
}

/// A message whose lease ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) leased: Leased,
    pub(super) message: Arc<Message>,
    /// What is to become of it.
    pub(super) outcome: Outcome,
}

impl Lease {
    fn ended(self, outcome: Outcome) -> Ended {
        Ended {
            leased: self.leased,
            message: self.message,
            outcome,
        }
    }
}

impl Leases {
    /// Grants a lease until `ends_ms`; `u64::MAX` is one without an end.
    pub(super) fn grant(&mut self, leased: Leased, message: Arc<Message>, ends_ms: u64) -> LeaseId {
        self.last += 1;
        let id = LeaseId(self.last);
        self.put(
            id,
            Lease {
                leased,
                message,
                ends_ms,
                is_given_back: false,
            },
        );
        id
    }

    /// Settles or extends a lease: false when it is not held, and what is to be done with the message at once, if anything.
    pub(super) fn settle(
        &mut self,
        id: LeaseId,
        kind: SettleKind,
        now_ms: u64,
    ) -> (bool, Option<Ended>) {
        let Some(mut lease) = self.take(id) else {
            return (false, None);
        };
        if lease.is_given_back {
            self.put(id, lease);
            return (false, None);
        }
        let ends_ms = match kind {
            SettleKind::Ack => return (true, Some(lease.ended(Outcome::Acked))),
            SettleKind::Reject => return (true, Some(lease.ended(Outcome::Rejected))),
            SettleKind::Return => return (true, Some(lease.ended(Outcome::Unseen))),
            SettleKind::Nack { delay_ms: 0 } => {
                return (true, Some(lease.ended(Outcome::Requeued)));
            }
            SettleKind::Nack { delay_ms } => {
                lease.is_given_back = true;
                delay_ms
            }
            SettleKind::Extend { lease_ms } => lease_ms,
        };
        lease.ends_ms = now_ms.saturating_add(ends_ms.min(LEASE_MS_MAX));
        self.put(id, lease);
        (true, None)
    }

    /// The queue whose message is leased.
    pub(super) fn queue(&self, id: LeaseId) -> Option<QueueRef> {
        self.held.get(&id).map(|lease| lease.leased.queue)
    }

    /// Finds the message of a lease that its holder has not settled.
    pub(super) fn look(&self, id: LeaseId) -> Option<Arc<Message>> {
        let lease = self.held.get(&id).filter(|lease| !lease.is_given_back);
        lease.map(|lease| lease.message.clone())
    }

    /// Ends a lease whose message somebody else settles; says what it was for.
    pub(super) fn forget(&mut self, id: LeaseId) -> Option<Leased> {
        self.take(id).map(|lease| lease.leased)
    }

    /// Takes one lease whose end has come.
    pub(super) fn expire(&mut self, now_ms: u64) -> Option<Ended> {
        let (ends_ms, id) = *self.by_end.first()?;
        if ends_ms > now_ms {
            return None;
        }
        self.take(id).map(|lease| lease.ended(Outcome::Requeued))
    }

    /// Bounds the leases of a consumer that was stopped.
    pub(super) fn bound(&mut self, consumer: ConsumerNumber, ends_ms: u64) {
        let is_theirs =
            |lease: &Lease| lease.leased.consumer == Some(consumer) && lease.ends_ms > ends_ms;
        let theirs: Vec<_> = self
            .held
            .iter()
            .filter_map(|(id, lease)| is_theirs(lease).then_some(*id))
            .collect();
        for id in theirs {
            if let Some(lease) = self.take(id) {
                self.put(id, Lease { ends_ms, ..lease });
            }
        }
    }

    /// When the next lease ends.
    pub(super) fn next_end_ms(&self) -> Option<u64> {
        self.by_end.first().map(|(ends_ms, _)| *ends_ms)
    }

    /// Takes all leases, the oldest first.
    pub(super) fn drain(&mut self) -> Vec<Leased> {
        self.by_end.clear();
        let mut all: Vec<_> = self.held.drain().collect();
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, lease)| lease.leased).collect()
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    fn put(&mut self, id: LeaseId, lease: Lease) {
        if lease.ends_ms != u64::MAX {
            self.by_end.insert((lease.ends_ms, id));
        }
        self.held.insert(id, lease);
    }

    fn take(&mut self, id: LeaseId) -> Option<Lease> {
        let lease = self.held.remove(&id)?;
        self.by_end.remove(&(lease.ends_ms, id));
        Some(lease)
    }
}

#[cfg(test)]
mod tests;
