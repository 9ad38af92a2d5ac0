//! Pulls under way: each is a consumer for a moment, stopped as soon as it has something or its time is up.

use std::collections::HashMap;
use std::sync::Arc;

use broker::{ConsumerNumber, Delivery, Refusal, StreamOffset};
use tokio::sync::oneshot;

use super::command::{Delivered, Pull, PullFrom};
use super::desk::{is_of_stream, leased};
use super::groups::Hold;
use super::leases::Leased;

/// How far a pull has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Waiting,
    Closing,
}

/// One pull.
pub(super) struct Pulling {
    pub(super) answer: oneshot::Sender<Result<Vec<Delivered>, Refusal>>,
    pub(super) taken: Vec<Delivery>,
    pub(super) lease_ms: u64,
    pub(super) no_ack: bool,
    /// What is settled when the messages were handed over.
    pub(super) settled_at_once: Vec<Leased>,
    /// The partition that is held for it.
    pub(super) hold: Option<Arc<Hold>>,
    /// What whoever asked calls it.
    ticket: u64,
    deadline_ms: u64,
    phase: Phase,
}

/// All pulls of a link.
#[derive(Default)]
pub(super) struct Pulls(HashMap<ConsumerNumber, Pulling>);

impl Pull {
    pub(super) fn prefetch(&self) -> u32 {
        self.max.clamp(1, u32::from(u16::MAX))
    }

    pub(super) const fn offset(&self) -> StreamOffset {
        match self.from {
            PullFrom::Queue => StreamOffset::First,
            PullFrom::Stream(offset) => offset,
        }
    }
}

impl Pulling {
    pub(super) fn new(
        pull: Pull,
        ticket: u64,
        answer: oneshot::Sender<Result<Vec<Delivered>, Refusal>>,
        now_ms: u64,
    ) -> Self {
        Self {
            answer,
            taken: Vec::new(),
            lease_ms: pull.lease_ms,
            no_ack: pull.no_ack,
            settled_at_once: Vec::new(),
            hold: pull.hold,
            ticket,
            deadline_ms: now_ms.saturating_add(pull.wait_ms),
            phase: Phase::Opening,
        }
    }

    /// Takes a message; true when the consumer is to be stopped.
    pub(super) fn take(&mut self, delivery: Delivery, now_ms: u64) -> bool {
        if self.no_ack && !is_of_stream(&delivery) {
            self.settled_at_once.push(leased(&delivery, None));
        }
        self.taken.push(delivery);
        self.is_to_close(now_ms)
    }

    /// Notes that the consumer runs; true when it is to be stopped.
    pub(super) fn opened(&mut self, now_ms: u64) -> bool {
        self.phase = Phase::Waiting;
        self.is_to_close(now_ms)
    }

    fn is_to_close(&mut self, now_ms: u64) -> bool {
        let is_due =
            !self.taken.is_empty() || self.deadline_ms <= now_ms || self.answer.is_closed();
        let closes = self.phase == Phase::Waiting && is_due;
        if closes {
            self.phase = Phase::Closing;
        }
        closes
    }
}

impl Pulls {
    pub(super) fn add(&mut self, consumer: ConsumerNumber, pull: Pulling) {
        self.0.insert(consumer, pull);
    }

    pub(super) fn find(&mut self, consumer: ConsumerNumber) -> Option<&mut Pulling> {
        self.0.get_mut(&consumer)
    }

    pub(super) fn remove(&mut self, consumer: ConsumerNumber) -> Option<Pulling> {
        self.0.remove(&consumer)
    }

    pub(super) fn drain(&mut self) -> Vec<Pulling> {
        self.0.drain().map(|(_, pull)| pull).collect()
    }

    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        let waiting = self.0.values().filter(|pull| pull.phase == Phase::Waiting);
        waiting.map(|pull| pull.deadline_ms).min()
    }

    /// Finds a pull that nobody waits for any more and notes that its consumer is being stopped. One whose consumer does not run yet stops it
    /// when it does.
    pub(super) fn given_up(&mut self, ticket: u64) -> Option<ConsumerNumber> {
        let mut all = self.0.iter_mut();
        let (consumer, pull) = all.find(|(_, pull)| pull.ticket == ticket)?;
        if pull.phase != Phase::Waiting {
            return None;
        }
        pull.phase = Phase::Closing;
        Some(*consumer)
    }

    /// Finds a pull whose time is up and notes that its consumer is being stopped.
    pub(super) fn expired(&mut self, now_ms: u64) -> Option<ConsumerNumber> {
        let mut all = self.0.iter_mut();
        let is_due = |pull: &Pulling| pull.phase == Phase::Waiting && pull.deadline_ms <= now_ms;
        let (consumer, pull) = all.find(|(_, pull)| is_due(pull))?;
        pull.phase = Phase::Closing;
        Some(*consumer)
    }
}
