//! What the controlling thread and the generator's threads say to each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use super::clock::Clock;
use super::error::LoadError;

/// What the threads of a stage do at the moment; it only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Command {
    /// Open connections.
    Connect,
    /// Publish and consume.
    Run,
    /// Consume only.
    Drain,
    /// Close everything.
    Stop,
}

/// One stage's shared state.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    command: AtomicU8,
    /// When `Run` was said; due times count from here.
    start: AtomicU64,
    /// Latencies of messages that were due in this span count.
    measure_from: AtomicU64,
    measure_until: AtomicU64,
    threads: Vec<ThreadCounters>,
    failed: AtomicBool,
    failure: Mutex<Option<LoadError>>,
}

/// What one thread has done; only that thread writes.
///
/// Aligned to two cache lines so that threads do not disturb each other.
#[derive(Default)]
#[repr(align(128))]
struct ThreadCounters {
    published: AtomicU64,
    confirmed: AtomicU64,
    delivered: AtomicU64,
    published_bytes: AtomicU64,
    delivered_bytes: AtomicU64,
    ready: AtomicU64,
    dropped: AtomicU64,
    last_event: AtomicU64,
}

/// Numbers of a moment, of one thread or all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Publishes handed to the system.
    pub(crate) published: u64,
    /// Publishes confirmed or refused.
    pub(crate) confirmed: u64,
    pub(crate) delivered: u64,
    pub(crate) published_bytes: u64,
    pub(crate) delivered_bytes: u64,
    /// Connections that are ready.
    pub(crate) ready: u64,
    /// Idle connections that the server closed.
    pub(crate) dropped: u64,
    /// When the last of all this happened.
    pub(crate) last_event: u64,
}

impl Shared {
    /// Begins with `Connect`.
    pub(crate) fn new(clock: Clock, threads: usize) -> Self {
        Self {
            clock,
            command: AtomicU8::new(Command::Connect as u8),
            start: AtomicU64::new(0),
            measure_from: AtomicU64::new(0),
            measure_until: AtomicU64::new(u64::MAX),
            threads: (0..threads).map(|_| ThreadCounters::default()).collect(),
            failed: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    pub(crate) fn command(&self) -> Command {
        match self.command.load(Ordering::Acquire) {
            0 => Command::Connect,
            1 => Command::Run,
            2 => Command::Drain,
            _ => Command::Stop,
        }
    }

    pub(crate) fn say(&self, command: Command) {
        if command == Command::Run {
            self.start.store(self.clock.now(), Ordering::Relaxed);
        }
        self.command.store(command as u8, Ordering::Release);
    }

    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Relaxed)
    }

    /// Limits the latencies that count to messages due in this span.
    pub(crate) fn measure(&self, from: u64, until: u64) {
        self.measure_from.store(from, Ordering::Relaxed);
        self.measure_until.store(until, Ordering::Relaxed);
    }

    pub(crate) fn measured(&self) -> std::ops::Range<u64> {
        self.measure_from.load(Ordering::Relaxed)..self.measure_until.load(Ordering::Relaxed)
    }

    /// Publishes one thread's numbers.
    pub(crate) fn report(&self, thread: usize, counters: &Counters) {
        let Some(to) = self.threads.get(thread) else {
            return;
        };
        to.published.store(counters.published, Ordering::Relaxed);
        to.confirmed.store(counters.confirmed, Ordering::Relaxed);
        to.delivered.store(counters.delivered, Ordering::Relaxed);
        to.published_bytes
            .store(counters.published_bytes, Ordering::Relaxed);
        to.delivered_bytes
            .store(counters.delivered_bytes, Ordering::Relaxed);
        to.ready.store(counters.ready, Ordering::Relaxed);
        to.dropped.store(counters.dropped, Ordering::Relaxed);
        to.last_event.store(counters.last_event, Ordering::Relaxed);
    }

    /// Sums up all threads.
    pub(crate) fn total(&self) -> Counters {
        let mut total = Counters::default();
        for thread in &self.threads {
            total.published += thread.published.load(Ordering::Relaxed);
            total.confirmed += thread.confirmed.load(Ordering::Relaxed);
            total.delivered += thread.delivered.load(Ordering::Relaxed);
            total.published_bytes += thread.published_bytes.load(Ordering::Relaxed);
            total.delivered_bytes += thread.delivered_bytes.load(Ordering::Relaxed);
            total.ready += thread.ready.load(Ordering::Relaxed);
            total.dropped += thread.dropped.load(Ordering::Relaxed);
            let last = thread.last_event.load(Ordering::Relaxed);
            total.last_event = total.last_event.max(last);
        }
        total
    }

    /// Ends the stage for all; the first failure is kept.
    pub(crate) fn fail(&self, error: LoadError) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error);
        }
        self.failed.store(true, Ordering::Release);
        self.say(Command::Stop);
    }

    /// The failure that ended the stage, if one did.
    pub(crate) fn take_failure(&self) -> Option<LoadError> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.failure
            .lock()
            .map_or(None, |mut failure| failure.take())
    }
}
