//! The server's clock as the client knows it: four timestamps per exchange, the best of them kept (RFC 5905, section 8).
//!
//! Everything hangs on a clock that does not jump: a wall clock that is hours off, or is set meanwhile, changes nothing of what is shown
//! as the server's time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Exchanges at the beginning of a connection.
pub(crate) const FIRST_EXCHANGES: u32 = 8;
/// Between the exchanges after that.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
/// How much two clocks drift apart, in millionths: an old reading is worth less by that.
const DRIFT_PPM: i64 = 50;

/// What tells the client its own time.
pub trait Clock: Send {
    /// Since some moment; it never jumps.
    fn steady(&self) -> Duration;
    /// Microseconds since 1970 as the machine believes; it may jump.
    fn wall_us(&self) -> i64;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Begins now.
    #[must_use]
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn steady(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall_us(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        micros(since.unwrap_or_default())
    }
}

/// What an exchange of timestamps says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// The server's clock less the steady one, in microseconds.
    offset_us: i64,
    /// Right to within so much.
    error_us: i64,
    /// When it was made, by the steady clock.
    at_us: i64,
}

impl Reading {
    /// What it is worth now.
    const fn error_at(self, now_us: i64) -> i64 {
        self.error_us + (now_us - self.at_us) * DRIFT_PPM / 1_000_000
    }
}

/// The server's clock.
#[derive(Debug, Clone, Default)]
pub struct ServerClock {
    best: Option<Reading>,
    lag_us: Option<i64>,
}

impl ServerClock {
    /// What to ask the server with: the steady clock, in microseconds. The server only gives it back.
    pub(crate) fn ask(clock: &dyn Clock) -> i64 {
        micros(clock.steady())
    }

    /// Takes an answer; tells whether the four timestamps can belong together.
    pub(crate) fn take(&mut self, t1_us: i64, t2_us: i64, t3_us: i64, clock: &dyn Clock) -> bool {
        let t4_us = micros(clock.steady());
        let Some(new) = reading(t1_us, t2_us, t3_us, t4_us) else {
            return false;
        };
        self.lag_us = Some((t4_us - t1_us) - (t3_us - t2_us));
        let is_better = self.best.is_none_or(|best| {
            let held = best.error_at(t4_us);
            // Two that exclude each other: this machine slept, or the server's clock was set.
            let is_contradicted =
                (new.offset_us - best.offset_us).abs() > new.error_us.saturating_add(held);
            new.error_us <= held || is_contradicted
        });
        if is_better {
            self.best = Some(new);
        }
        true
    }

    /// The server's time in milliseconds since 1970, as soon as it is known.
    #[must_use]
    pub fn now_ms(&self, clock: &dyn Clock) -> Option<i64> {
        let now_us = micros(clock.steady()).checked_add(self.best?.offset_us)?;
        Some(now_us.div_euclid(1000))
    }

    /// What has to be added to this machine's clock to have the server's, and how far that may be wrong: microseconds.
    #[must_use]
    pub fn offset_us(&self, clock: &dyn Clock) -> Option<(i64, i64)> {
        let best = self.best?;
        let steady = micros(clock.steady());
        let server = steady.checked_add(best.offset_us)?;
        Some((
            server.checked_sub(clock.wall_us())?,
            best.error_at(steady).max(1),
        ))
    }

    /// How long the last exchange was under way, there and back.
    #[must_use]
    pub const fn lag_us(&self) -> Option<i64> {
        self.lag_us
    }
}

fn reading(t1_us: i64, t2_us: i64, t3_us: i64, t4_us: i64) -> Option<Reading> {
    let whole = t4_us.checked_sub(t1_us)?;
    let held = t3_us.checked_sub(t2_us)?;
    let under_way = whole.checked_sub(held)?;
    if whole < 0 || held < 0 || under_way < 0 {
        return None;
    }
    let there = t2_us.checked_sub(t1_us)?;
    let back = t3_us.checked_sub(t4_us)?;
    // The halves first: the sum of two distances from 1970 may not fit.
    Some(Reading {
        offset_us: there / 2 + back / 2 + (there % 2 + back % 2) / 2,
        error_us: under_way / 2 + under_way % 2,
        at_us: t4_us,
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
