//! Messages that are not to be delivered before a time of their own.
//!
//! They are apart from the queue's others in memory and in the log, which knows them as another queue: what waits for years pins none of
//! the files through which ordinary messages pass, and a start reads through no more than what is delayed. A message keeps its sequence
//! number and its home for life: once its time has come it is ready among all others, but still logged and settled here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ready::Entry;
use super::{Offered, Queue, Work};
use crate::log::{Backlog, BacklogError, Log, Position, Stored};
use crate::shard::Kept;
use crate::{Message, Sink, limits};

/// The delayed messages of a queue.
///
/// # Shape
/// `waiting` has all whose time has not come; `fresh` has the entries of those among them that are in memory alone.
#[derive(Debug)]
pub(super) struct Delayed<B> {
    /// Every message that was ever delayed, once it is settled.
    pub(super) backlog: B,
    /// By time, then by sequence number.
    waiting: BTreeMap<(u64, u64), Waiting>,
    pub(super) fresh: BTreeMap<u64, Entry>,
}

/// What is known of a message without reading it.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    expires_at_ms: u64,
    body_bytes: u32,
    priority: u8,
    logged: bool,
}

// With what the map adds, some 64 bytes for each message that waits: there may be millions.
const _: () = assert!(size_of::<((u64, u64), Waiting)>() == 32);

impl<B: Backlog> Delayed<B> {
    const fn new(backlog: B) -> Self {
        Self {
            backlog,
            waiting: BTreeMap::new(),
            fresh: BTreeMap::new(),
        }
    }

    fn insert(&mut self, due_ms: u64, entry: Entry) {
        let waiting = Waiting {
            expires_at_ms: entry.expires_at_ms,
            body_bytes: entry.body_bytes,
            priority: entry.priority,
            logged: entry.logged,
        };
        self.waiting.insert((due_ms, entry.sequence), waiting);
        if entry.message.is_some() {
            self.fresh.insert(entry.sequence, entry);
        }
    }

    /// Takes the message whose time came first, if any has come.
    fn pop_due(&mut self, now_ms: u64) -> Option<Entry> {
        let first = self.waiting.first_entry()?;
        let (due_ms, sequence) = *first.key();
        if due_ms > now_ms {
            return None;
        }
        let waiting = first.remove();
        let entry = self.fresh.remove(&sequence);
        Some(entry.unwrap_or(Entry {
            sequence,
            message: None,
            position: Position::default(),
            expires_at_ms: waiting.expires_at_ms,
            delivery_count: 0,
            body_bytes: waiting.body_bytes,
            priority: waiting.priority,
            redelivered: false,
            logged: waiting.logged,
            is_delayed: true,
        }))
    }
}

impl<B: Backlog> Queue<B> {
    /// How many messages wait for their time.
    pub(super) fn delayed_count(&self) -> u64 {
        let waiting = self.delayed.as_ref().map(|delayed| delayed.waiting.len());
        waiting.unwrap_or(0) as u64
    }

    /// Takes a message that is to be delivered later. It counts against no limit of ready messages until then, and a time to live runs
    /// from then.
    #[cold]
    pub(super) fn delay<L: Log<Backlog = B>, S: Sink>(
        &mut self,
        message: &Arc<Message>,
        at_ms: u64,
        work: &mut Work<'_, L, S>,
    ) -> Offered {
        if self.delayed_count() >= limits::DELAYED_PER_QUEUE_MAX as u64 {
            return Offered::Rejected;
        }
        let sequence = self.next;
        self.next += 1;
        let logged = message.persistent && self.place.id.is_durable();
        let entry = Entry {
            sequence,
            message: Some(message.clone()),
            position: work.log.position(),
            expires_at_ms: self.expiry_of(message, at_ms),
            delivery_count: 0,
            body_bytes: u32::try_from(message.body_length()).unwrap_or(u32::MAX),
            priority: message.priority,
            redelivered: false,
            logged,
            is_delayed: true,
        };
        self.resident_bytes += entry.footprint();
        let id = self.place.id.delayed();
        self.delayed
            .get_or_insert_with(|| Box::new(Delayed::new(work.log.backlog(id))))
            .insert(at_ms, entry);
        if logged {
            Offered::Delayed(sequence)
        } else {
            Offered::Taken(sequence)
        }
    }

    /// When the next message's time comes.
    #[inline]
    pub(super) fn next_due(&self) -> Option<u64> {
        let delayed = self.delayed.as_ref()?;
        delayed.waiting.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// Makes messages ready whose time has come, in the order of their times and a bounded number at once; says whether there were any.
    pub(super) fn mature(&mut self, now_ms: u64) -> bool {
        let Some(delayed) = &mut self.delayed else {
            return false;
        };
        let due = std::iter::from_fn(|| delayed.pop_due(now_ms));
        let due: Vec<Entry> = due.take(limits::DISPATCH_BATCH_MAX).collect();
        let has_any = !due.is_empty();
        due.into_iter().for_each(|entry| self.make_due(entry));
        has_any
    }

    fn make_due(&mut self, entry: Entry) {
        self.ready_count += 1;
        self.ready_bytes += u64::from(entry.body_bytes);
        self.ready.push_due(entry, self.next);
    }

    /// Ends every delayed message but those that are out.
    pub(super) fn purge_delayed<L: Log<Backlog = B>>(&mut self, log: &mut L) {
        let held = self.held_entries().filter(|entry| entry.is_delayed);
        let mut held: Vec<u64> = held.map(|entry| entry.sequence).collect();
        held.sort_unstable();
        let Some(delayed) = &mut self.delayed else {
            return;
        };
        delayed.waiting.clear();
        delayed.fresh.clear();
        let end = delayed.backlog.settled_end();
        let mut first = delayed.backlog.first();
        for held in held.into_iter().chain([self.next]) {
            if first < held && (first < end || self.place.id.is_durable()) {
                log.ack(&mut delayed.backlog, first, held - 1);
            }
            first = first.max(held + 1);
        }
    }

    /// Puts back what the log kept of the delayed messages, which is read through: when they are due stands in the messages alone.
    /// What is due already is ready behind all that was in the queue before.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn restore_delayed(
        &mut self,
        kept: Kept<B>,
        now_ms: u64,
    ) -> Result<(), BacklogError> {
        let mut delayed = Delayed::new(kept.backlog);
        let mut due: Vec<(u64, Entry)> = Vec::new();
        let mut sort_in = |delayed: &mut Delayed<B>, at_ms: u64, entry: Entry| {
            // What was handed out before was due, whatever the clock says now.
            if at_ms > now_ms && entry.delivery_count == 0 {
                delayed.insert(at_ms, entry);
            } else {
                due.push((at_ms, entry));
            }
        };
        let mut chunk = Vec::new();
        let mut from = delayed.backlog.first();
        while from < delayed.backlog.settled_end() {
            let bytes_max = limits::BACKLOG_READ_BYTES;
            delayed.backlog.read(from, bytes_max, &mut chunk)?;
            let Some(last) = chunk.last() else { break };
            from = last.sequence + 1;
            for stored in chunk.drain(..) {
                let (at_ms, mut entry) = self.delayed_entry(stored);
                entry.message = None;
                sort_in(&mut delayed, at_ms, entry);
            }
        }
        for mut stored in kept.messages {
            let at_ms = stored.message.deliver_at_ms.unwrap_or(0);
            if let Some(ttl) = self.options.message_ttl_ms {
                stored.expires_at_ms = stored.expires_at_ms.min(at_ms.saturating_add(ttl));
            }
            let (at_ms, entry) = self.delayed_entry(stored);
            self.resident_bytes += entry.footprint();
            sort_in(&mut delayed, at_ms, entry);
        }
        self.delayed = Some(Box::new(delayed));
        due.sort_unstable_by_key(|(at_ms, entry)| (*at_ms, entry.sequence));
        due.into_iter().for_each(|(_, entry)| self.make_due(entry));
        Ok(())
    }

    /// The entry of a message that was read back, and when it is due.
    fn delayed_entry(&mut self, stored: Stored) -> (u64, Entry) {
        let at_ms = stored.message.deliver_at_ms.unwrap_or(0);
        let mut entry = Entry::from_stored(stored, self.place.id.is_durable());
        entry.is_delayed = true;
        self.has_expiring |= entry.expires_at_ms != u64::MAX;
        (at_ms, entry)
    }
}
