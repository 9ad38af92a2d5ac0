//! The model of one queue: what is ready, what is out, and what each message has been through.

use std::collections::{BTreeMap, BTreeSet};

use crate::Delivery;

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) body: String,
    pub(super) persistent: bool,
    pub(super) priority: u8,
    pub(super) level: u8,
    /// When it is to be delivered, if not at once.
    pub(super) due_ms: Option<u64>,
    pub(super) expires_ms: u64,
    pub(super) deliveries: u32,
    pub(super) is_logged: bool,
    pub(super) appended: u64,
    pub(super) ended: Option<u64>,
    pub(super) noted: Vec<(u64, u32)>,
}

/// A message that was taken under an id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Original {
    pub(super) number: u64,
    pub(super) until_ms: u64,
    /// The batch that holds it, if it is to survive.
    pub(super) appended: Option<u64>,
}

/// When a message is handed out: by falling priority, then by age, or by the age that it would have had if it had come when it was due.
pub(super) type Turn = (u8, usize, usize, usize);

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) prefetch: usize,
    pub(super) no_ack: bool,
    pub(super) unacked: usize,
}

#[derive(Debug, Default)]
pub(super) struct ModelQueue {
    pub(super) all: Vec<Kept>,
    pub(super) ready: BTreeSet<Turn>,
    /// By time, then by age.
    pub(super) waiting: BTreeSet<(u64, usize)>,
    /// How many waited for their time and are no longer waiting.
    pub(super) matured: usize,
    /// By sequence number: which message, and who has it.
    pub(super) unacked: BTreeMap<u64, (usize, Option<u32>)>,
    pub(super) consumers: BTreeMap<u32, Consumer>,
    /// Published just now, while nothing else was ready: time to live does not count before the first offer.
    pub(super) fresh: Option<usize>,
    /// The highest number delivered first, by publisher.
    pub(super) seen: BTreeMap<char, u64>,
    pub(super) was_restarted: bool,
    /// What was taken by id.
    pub(super) taken: BTreeMap<u8, Original>,
}

impl ModelQueue {
    pub(super) fn push(&mut self, kept: Kept) {
        let index = self.all.len();
        let due_ms = kept.due_ms;
        if self.ready.is_empty() && due_ms.is_none() {
            self.fresh = Some(index);
        }
        self.all.push(kept);
        match due_ms {
            Some(due_ms) => drop(self.waiting.insert((due_ms, index))),
            None => self.make_ready(index),
        }
    }

    /// Makes a message ready at its old place.
    pub(super) fn make_ready(&mut self, index: usize) {
        let level = u8::MAX - self.all[index].level;
        self.ready.insert((level, index, usize::MAX, index));
    }

    /// Makes ready what is due; says whether there was any.
    pub(super) fn mature(&mut self, now_ms: u64) -> bool {
        let later = self.waiting.split_off(&(now_ms + 1, 0));
        let due = std::mem::replace(&mut self.waiting, later);
        let has_any = !due.is_empty();
        for (_, index) in due {
            let level = u8::MAX - self.all[index].level;
            self.matured += 1;
            self.ready
                .insert((level, self.all.len(), self.matured, index));
        }
        has_any
    }

    pub(super) fn end(&mut self, index: usize, batch: u64) {
        self.all[index].ended = Some(batch);
    }

    pub(super) fn head(&self) -> Option<usize> {
        self.ready.first().map(|(.., index)| *index)
    }

    pub(super) fn is_anyone_free(&self) -> bool {
        self.consumers.values().any(Consumer::is_free)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.ready
            .iter()
            .map(|(.., index)| self.all[*index].body.len() as u64)
            .sum()
    }
}

impl Consumer {
    pub(super) const fn is_free(&self) -> bool {
        self.no_ack || self.prefetch == 0 || self.unacked < self.prefetch
    }
}

/// First deliveries keep the order in which a publisher published; priorities, delayed messages and dead letters have none.
pub(super) fn fifo_per_publisher(queue: &mut ModelQueue, index: usize, delivery: &Delivery) {
    let kept = &queue.all[index];
    let is_dead_letter = delivery.message.properties().len() > 2;
    let is_out_of_turn = delivery.message.priority > 0 || delivery.message.deliver_at_ms.is_some();
    if is_dead_letter || delivery.redelivered || is_out_of_turn {
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
