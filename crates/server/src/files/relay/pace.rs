//! How fast the relay passes bytes on, all calls together, and in which order.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::sleep_until;

/// What may pass at once after a rest, as time at the bound. It also makes up for timers that are late.
const BURST: Duration = Duration::from_millis(50);

/// A bound for all calls.
pub(super) struct Pace {
    schedule: Mutex<Schedule>,
    /// Those who wait are let in as they came; whoever has passed is behind them the next time.
    turn: Semaphore,
}

impl Pace {
    /// Prepares to pass so many bytes in a second; 0 is no bound.
    pub(super) fn new(bytes_per_s: u64) -> Option<Self> {
        let schedule = Schedule {
            bytes_per_s,
            free_at: Instant::now(),
        };
        (bytes_per_s > 0).then(|| Self {
            schedule: Mutex::new(schedule),
            turn: Semaphore::new(1),
        })
    }

    /// Waits for the turn of an account's bytes. An account has one read in the line, however many calls, so each gets the same share.
    ///
    /// # Concurrency
    /// Cancel safe: who gives up leaves the line.
    pub(super) async fn pass(&self, own: &Semaphore, bytes: usize) {
        // They are never closed.
        let _own = own.acquire().await;
        let _all = self.turn.acquire().await;
        let due = {
            let schedule = self.schedule.lock();
            let mut schedule = schedule.unwrap_or_else(PoisonError::into_inner);
            schedule.book(Instant::now(), bytes)
        };
        if let Some(due) = due {
            sleep_until(due.into()).await;
        }
    }
}

/// When the next bytes may pass. Time is a parameter.
pub(super) struct Schedule {
    pub(super) bytes_per_s: u64,
    /// When everything that was booked has passed, at the bound.
    pub(super) free_at: Instant,
}

impl Schedule {
    /// Books bytes; tells when they may pass, if not now.
    pub(super) fn book(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let rested = now.checked_sub(BURST).unwrap_or(now);
        let due = self.free_at.max(rested);
        let nanos = bytes as u128 * 1_000_000_000 / u128::from(self.bytes_per_s.max(1));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.free_at = due + Duration::from_nanos(nanos);
        (due > now).then_some(due)
    }
}
