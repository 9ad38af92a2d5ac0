//! How a webhook is doing: counted since the server started, as its owner is shown it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::Fault;

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LastError {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// What, in words of our own.
    pub(crate) reason: String,
    /// The status that the receiver answered, if it did.
    pub(crate) status: Option<u16>,
}

/// Numbers of one webhook since the server started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Messages that the receiver took.
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failed_attempts: u64,
    /// Messages that were given up and became dead letters.
    pub(crate) dead_lettered: u64,
    /// Messages being delivered, those that wait for their next attempt included.
    pub(crate) in_flight: usize,
    /// The last end of an attempt was a failure.
    pub(crate) is_failing: bool,
    /// What went wrong last.
    pub(crate) last_error: Option<LastError>,
    /// When the next attempt is due after a failure, in milliseconds since 1970.
    pub(crate) next_attempt_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    progress: Progress,
    /// When each message that failed is tried again, by its position.
    waiting: BTreeMap<u64, u64>,
    /// When the queue is tried again, if it cannot be read.
    reading_again_ms: Option<u64>,
}

/// How one webhook is doing. A leaf lock, held for a few assignments.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<Inner>);

impl Status {
    /// Goes on counting where that of a webhook's former task stopped.
    pub(super) fn continuing(&self) -> Self {
        let progress = Progress {
            in_flight: 0,
            is_failing: false,
            ..self.lock().progress.clone()
        };
        Self(Mutex::new(Inner {
            progress,
            ..Inner::default()
        }))
    }

    pub(super) fn progress(&self) -> Progress {
        let inner = self.lock();
        let waiting = inner.waiting.values().copied();
        Progress {
            next_attempt_ms: waiting.chain(inner.reading_again_ms).min(),
            ..inner.progress.clone()
        }
    }

    /// The queue is being read.
    pub(super) fn reads(&self) {
        let mut inner = self.lock();
        if inner.reading_again_ms.take().is_some() {
            inner.progress.is_failing = false;
        }
    }

    /// Nothing is under way any more, because the queue cannot be read until then.
    pub(super) fn lost(&self, now_ms: u64, reason: &str, again_ms: u64) {
        let mut inner = self.lock();
        inner.waiting.clear();
        inner.progress.in_flight = 0;
        inner.progress.is_failing = true;
        inner.reading_again_ms = Some(again_ms);
        inner.progress.last_error = Some(LastError {
            at_ms: now_ms,
            reason: reason.to_owned(),
            status: None,
        });
    }

    /// So many messages are being delivered.
    pub(super) fn under_way(&self, count: usize) {
        self.lock().progress.in_flight = count;
    }

    pub(super) fn delivered(&self) {
        let mut inner = self.lock();
        inner.progress.delivered += 1;
        inner.progress.is_failing = false;
    }

    pub(super) fn dead_lettered(&self) {
        self.lock().progress.dead_lettered += 1;
    }

    /// An attempt failed.
    pub(super) fn failed(&self, now_ms: u64, fault: Fault) {
        let mut inner = self.lock();
        inner.progress.failed_attempts += 1;
        inner.progress.is_failing = true;
        inner.progress.last_error = Some(LastError {
            at_ms: now_ms,
            reason: fault.to_string(),
            status: fault.status().map(|status| status.as_u16()),
        });
    }

    /// A message waits for its next attempt.
    pub(super) fn waits(&self, position: u64, until_ms: u64) {
        self.lock().waiting.insert(position, until_ms);
    }

    /// Its next attempt begins.
    pub(super) fn resumes(&self, position: u64) {
        self.lock().waiting.remove(&position);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
