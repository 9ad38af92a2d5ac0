//! A rate that several streams keep together.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much may go at once after a pause, in time.
const BURST: Duration = Duration::from_millis(250);

/// Bytes per second that whoever shares it may move together; each gets its turn in the order in which it asks.
#[derive(Debug)]
pub struct Throttle {
    per_s: Option<NonZeroU64>,
    /// When all that was taken so far may have gone.
    free_at: Mutex<Instant>,
}

impl Throttle {
    /// Makes one; `None` lets everything go at once.
    #[must_use]
    pub fn new(bytes_per_s: Option<NonZeroU64>) -> Self {
        Self {
            per_s: bytes_per_s,
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Whether there is a rate to keep.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.per_s.is_some()
    }

    /// How long so many bytes take at least, if nobody else moves any.
    #[must_use]
    pub fn time_of(&self, bytes: u64) -> Duration {
        let Some(per_s) = self.per_s else {
            return Duration::ZERO;
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(per_s.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Takes so many bytes of the rate, and says how long to wait before they may go.
    #[must_use]
    pub fn take(&self, bytes: u64) -> Duration {
        self.take_at(bytes, Instant::now())
    }

    fn take_at(&self, bytes: u64, now: Instant) -> Duration {
        if !self.is_limited() {
            return Duration::ZERO;
        }
        let took = self.time_of(bytes);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*free_at).max(now.checked_sub(BURST).unwrap_or(now));
        *free_at = begin.checked_add(took).unwrap_or(begin);
        begin.saturating_duration_since(now)
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_share_a_rate_keep_it_together() {
        let throttle = Throttle::new(NonZeroU64::new(1_000_000));
        let began = Instant::now() + Duration::from_secs(1);
        let mut now = began;
        for _ in 0..100 {
            now += throttle.take_at(100_000, now);
        }
        // The first goes at once, and a burst on credit.
        let took = now - began;
        assert_eq!(took, Duration::from_millis(9_900) - BURST);
    }

    #[test]
    fn a_pause_is_no_credit_beyond_a_burst() {
        let throttle = Throttle::new(NonZeroU64::new(1_000));
        let later = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(throttle.take_at(1_000, later), Duration::ZERO);
        assert_eq!(throttle.take_at(1, later), Duration::from_millis(750));
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let throttle = Throttle::default();
        assert_eq!(throttle.take(u64::MAX), Duration::ZERO);
        assert_eq!(throttle.take(u64::MAX), Duration::ZERO);
        assert_eq!(throttle.time_of(u64::MAX), Duration::ZERO);
    }
}
