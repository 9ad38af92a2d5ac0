//! What there is in the chat and what has happened in it, for metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use chat::{Reason, Refusal, Reply};

/// Bounds of the times that changes take to be on disk, in seconds.
pub(crate) const COMMIT_BOUNDS_S: [f64; 10] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

/// The chat's numbers at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    /// Rooms that there are.
    pub(crate) rooms: usize,
    /// Sessions that listen, by the door that they came through.
    pub(crate) sessions: BTreeMap<&'static str, u64>,
    /// Messages that were said.
    pub(crate) said: u64,
    /// Messages that sessions were told.
    pub(crate) delivered: u64,
    /// What was refused by the bound of an account.
    pub(crate) refused_flood: u64,
    /// What was refused by the bound of a room.
    pub(crate) refused_slow: u64,
    /// Batches of changes, by the bound that the time was at most that they took; the last are those that took longer.
    pub(crate) commits: [u64; COMMIT_BOUNDS_S.len() + 1],
    /// What all of them took.
    pub(crate) commit_seconds: f64,
}

impl Numbers {
    /// Counts what came of something that was asked for.
    pub(super) const fn answered(&mut self, result: &Result<Reply, Refusal>) {
        match result {
            Ok(Reply::Posted(posted)) if !posted.is_duplicate => self.said += 1,
            Err(refusal) if matches!(refusal.reason, Reason::Flood) => self.refused_flood += 1,
            Err(refusal) if matches!(refusal.reason, Reason::Slow(_)) => self.refused_slow += 1,
            Ok(_) | Err(_) => {}
        }
    }

    /// Counts a batch of changes that is on disk.
    pub(super) fn committed(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let bucket = COMMIT_BOUNDS_S.iter().position(|bound| seconds <= *bound);
        let bucket = bucket.unwrap_or(COMMIT_BOUNDS_S.len());
        if let Some(count) = self.commits.get_mut(bucket) {
            *count += 1;
        }
        self.commit_seconds += seconds;
    }
}
