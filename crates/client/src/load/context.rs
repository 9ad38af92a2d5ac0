//! What one thread of the generator counts and measures, for all its connections.

use std::ops::Range;
use std::sync::Arc;

use super::latency::Latencies;
use super::mark::{MARK_BYTES, Mark, STAMP_BYTES};
use super::scan::Delivery;
use super::shared::{Counters, Shared};
use super::track::{Findings, QueueTrack};

/// One thread's books.
pub(crate) struct Context {
    pub(crate) shared: Arc<Shared>,
    thread: usize,
    /// When the bytes at hand arrived.
    pub(crate) now: u64,
    /// Latencies of messages due in this span count.
    pub(crate) measured: Range<u64>,
    pub(crate) counters: Counters,
    pub(crate) books: Books,
    /// Queues whose consumers this thread has.
    pub(crate) queues: Vec<LocalQueue>,
}

/// A queue as its consumers' thread knows it.
pub(crate) struct LocalQueue {
    pub(crate) track: QueueTrack,
    /// With several consumers, arrivals interleave and order says nothing.
    pub(crate) ordered: bool,
}

/// What a thread hands over at the end of a stage.
pub(crate) struct Books {
    pub(crate) confirm: Latencies,
    pub(crate) end_to_end: Latencies,
    pub(crate) connect: Latencies,
    pub(crate) findings: Findings,
    pub(crate) refused: u64,
    pub(crate) returned: u64,
    pub(crate) blocked: u64,
    pub(crate) server: crate::amqp::ServerInfo,
}

impl Books {
    /// Begins empty.
    pub(crate) fn new() -> Self {
        Self {
            confirm: Latencies::new(),
            end_to_end: Latencies::new(),
            connect: Latencies::new(),
            findings: Findings::default(),
            refused: 0,
            returned: 0,
            blocked: 0,
            server: crate::amqp::ServerInfo::default(),
        }
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: Self) {
        self.confirm.add(other.confirm);
        self.end_to_end.add(other.end_to_end);
        self.connect.add(other.connect);
        self.findings.add(other.findings);
        self.refused += other.refused;
        self.returned += other.returned;
        self.blocked += other.blocked;
        if self.server.product.is_empty() {
            self.server = other.server;
        }
    }
}

impl Context {
    /// Begins with nothing counted.
    pub(crate) fn new(shared: Arc<Shared>, thread: usize) -> Self {
        Self {
            thread,
            now: shared.clock.now(),
            measured: 0..u64::MAX,
            shared,
            counters: Counters::default(),
            books: Books::new(),
            queues: Vec::new(),
        }
    }

    /// Lets the controlling thread and other threads see the numbers.
    #[inline]
    pub(crate) fn report(&self) {
        self.shared.report(self.thread, &self.counters);
    }

    /// Reads the clock for what follows.
    #[inline]
    pub(crate) fn tick(&mut self) {
        self.now = self.shared.clock.now();
    }

    /// Books a message that arrived from one of the thread's queues.
    #[inline]
    pub(crate) fn arrived(&mut self, queue: usize, delivery: &Delivery) {
        self.counters.delivered += 1;
        self.counters.delivered_bytes += delivery.size;
        self.counters.last_event = self.now;
        if delivery.size < STAMP_BYTES as u64 {
            return;
        }
        let mark = Mark::read(&delivery.head);
        if delivery.size >= MARK_BYTES as u64
            && let Some(queue) = self.queues.get_mut(queue)
            && !queue.track.arrived(mark)
        {
            return;
        }
        if self.measured.contains(&mark.stamp) {
            self.books
                .end_to_end
                .record(self.now.saturating_sub(mark.stamp));
        }
    }

    /// Books a publish that was confirmed.
    #[inline]
    pub(crate) fn confirmed(&mut self, stamp: u64) {
        self.counters.confirmed += 1;
        self.counters.last_event = self.now;
        if self.measured.contains(&stamp) {
            self.books.confirm.record(self.now.saturating_sub(stamp));
        }
    }

    /// Closes the books.
    pub(crate) fn into_books(self) -> Books {
        let mut books = self.books;
        for queue in &self.queues {
            let mut findings = queue.track.findings();
            if !queue.ordered {
                findings.out_of_order = 0;
            }
            books.findings.add(findings);
        }
        books
    }
}
