//! The run's time: nanoseconds since one moment, the same for all threads.

use std::time::{Duration, Instant};

/// Reads the monotonic clock as nanoseconds since the run began.
///
/// *Concurrency*: copies agree, so a stamp that one thread writes may be read by another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(self) -> u64 {
        nanos(self.epoch.elapsed())
    }
}

/// A duration in nanoseconds; 584 years and more are cut.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
