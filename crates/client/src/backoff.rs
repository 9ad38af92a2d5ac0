//! How long to wait before one connects again: longer each time, and not at the same moment as all others.

use std::time::Duration;

/// The first wait before one connects again.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The waits after losses in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    losses: u32,
}

impl Backoff {
    /// The next wait; `random` chooses one between the half of what is due and the whole of it.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let doubled = BACKOFF_FIRST.saturating_mul(1 << self.losses.min(16));
        self.losses += 1;
        let due = doubled.min(BACKOFF_MAX);
        let part = f64::from(random) / f64::from(u32::MAX);
        due.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_bound_and_are_spread() {
        let (mut longest, mut shortest) = (Backoff::default(), Backoff::default());
        let both: Vec<(u128, u128)> = (0..9)
            .map(|_| {
                (
                    shortest.next(0).as_millis(),
                    longest.next(u32::MAX).as_millis(),
                )
            })
            .collect();
        let expected = [
            (250, 500),
            (500, 1_000),
            (1_000, 2_000),
            (2_000, 4_000),
            (4_000, 8_000),
            (8_000, 16_000),
            (15_000, 30_000),
            (15_000, 30_000),
            (15_000, 30_000),
        ];
        assert_eq!(both, expected);
    }
}
