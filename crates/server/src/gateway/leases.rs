//! Deliveries under lease: whoever took a message has it until the lease ends, then it goes back to its queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use broker::{ConsumerNumber, Message, QueueRef};

use super::command::SettleKind;

/// The longest lease: half a day.
pub(crate) const LEASE_MS_MAX: u64 = 12 * 3_600 * 1_000;

/// A lease within its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LeaseId(pub(crate) u64);

/// What a lease is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leased {
    pub(super) queue: QueueRef,
    pub(super) consumer: Option<ConsumerNumber>,
    pub(super) sequence: u64,
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

/// What is to be done with a message whose lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is done with.
    Acked(Leased),
    /// It goes back to its queue.
    Requeued(Leased),
    /// It is not wanted.
    Rejected(Leased),
    /// It goes back as if nobody had had it.
    Returned(Leased),
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
        let leased = lease.leased;
        let ends_ms = match kind {
            SettleKind::Ack => return (true, Some(Ended::Acked(leased))),
            SettleKind::Reject => return (true, Some(Ended::Rejected(leased))),
            SettleKind::Return => return (true, Some(Ended::Returned(leased))),
            SettleKind::Nack { delay_ms: 0 } => return (true, Some(Ended::Requeued(leased))),
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

    /// Ends a lease whose message somebody else settles.
    pub(super) fn forget(&mut self, id: LeaseId) {
        self.take(id);
    }

    /// Takes one lease whose end has come.
    pub(super) fn expire(&mut self, now_ms: u64) -> Option<Leased> {
        let (ends_ms, id) = *self.by_end.first()?;
        if ends_ms > now_ms {
            return None;
        }
        self.take(id).map(|lease| lease.leased)
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
