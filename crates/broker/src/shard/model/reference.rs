//! The model of one queue: what is ready, what is out, and what each message has been through.

use std::collections::{BTreeMap, BTreeSet};

use crate::Delivery;

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) body: String,
    pub(super) persistent: bool,
    pub(super) priority: u8,
    pub(super) level: u8,
    pub(super) expires_ms: u64,
    pub(super) deliveries: u32,
    pub(super) is_logged: bool,
    pub(super) appended: u64,
    pub(super) ended: Option<u64>,
    pub(super) noted: Vec<(u64, u32)>,
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) prefetch: usize,
    pub(super) no_ack: bool,
    pub(super) unacked: usize,
}

#[derive(Debug, Default)]
pub(super) struct ModelQueue {
    pub(super) all: Vec<Kept>,
    /// By falling priority, then by age.
    pub(super) ready: BTreeSet<(u8, usize)>,
    /// By sequence number: which message, and who has it.
    pub(super) unacked: BTreeMap<u64, (usize, Option<u32>)>,
    pub(super) consumers: BTreeMap<u32, Consumer>,
    /// Published just now, while nothing else was ready: time to live does not count before the first offer.
    pub(super) fresh: Option<usize>,
    /// The highest number delivered first, by publisher.
    pub(super) seen: BTreeMap<char, u64>,
    pub(super) was_restarted: bool,
}

impl ModelQueue {
    pub(super) fn push(&mut self, kept: Kept) {
        let key = (u8::MAX - kept.level, self.all.len());
        if self.ready.is_empty() {
            self.fresh = Some(self.all.len());
        }
        self.all.push(kept);
        self.ready.insert(key);
    }

    pub(super) fn end(&mut self, index: usize, batch: u64) {
        self.all[index].ended = Some(batch);
    }

    pub(super) fn head(&self) -> Option<usize> {
        self.ready.first().map(|(_, index)| *index)
    }

    pub(super) fn is_anyone_free(&self) -> bool {
        self.consumers.values().any(Consumer::is_free)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.ready
            .iter()
            .map(|(_, index)| self.all[*index].body.len() as u64)
            .sum()
    }
}

impl Consumer {
    pub(super) const fn is_free(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.unacked < self.prefetch
    }
}

/// First deliveries keep the order in which a publisher published; priorities and dead letters have none.
pub(super) fn fifo_per_publisher(queue: &mut ModelQueue, index: usize, delivery: &Delivery) {
    let kept = &queue.all[index];
    let is_dead_letter = delivery.message.properties().len() > 2;
    if is_dead_letter || delivery.redelivered || delivery.message.priority > 0 {
        return;
    }
    let publisher = kept.body.chars().next().unwrap_or_default();
    let number: u64 = kept
        .body
        .get(1..)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default();
    let newest = queue.seen.entry(publisher).or_insert(0);
    let was_delivered_before_crash = queue.was_restarted && number <= *newest;
    assert!(
        number > *newest || was_delivered_before_crash,
        "fifo_per_publisher: {publisher}{number} came after {newest}"
    );
    *newest = number.max(*newest);
}
