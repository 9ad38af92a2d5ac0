//! One clock for everything that is timed.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 that never jump: the wall clock's time at start, and from there the monotonic clock.
///
/// A wall clock that is set while the server runs moves no deadline; after a restart, times count by the wall clock again.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started_at_ms: u64,
    started: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started_at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(0),
            started: Instant::now(),
        }
    }
}

impl Clock {
    /// The time now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.started_at_ms
            + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    /// When the clock started, in milliseconds since 1970.
    #[must_use]
    pub const fn started_at_ms(&self) -> u64 {
        self.started_at_ms
    }

    /// The instant at which [`Self::now_ms`] will be `at_ms`.
    #[must_use]
    pub fn instant_of(&self, at_ms: u64) -> Instant {
        self.started + std::time::Duration::from_millis(at_ms.saturating_sub(self.started_at_ms))
    }
}
