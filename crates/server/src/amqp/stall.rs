//! Whether a socket takes what waits for it.

/// How long a socket may take nothing until it counts as stalled, in milliseconds.
pub(super) const STALL_MS: u64 = 1_000;

/// How a socket takes what waits for it.
///
/// ```text
/// Flowing --blocked--> Waiting --a second without a byte--> Stalled --more to write--> Waiting
///    ^------------------- all written --------------------------'
/// ```
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stall {
    /// Nothing waits.
    #[default]
    Flowing,
    /// It is full, and stalled if it takes nothing up to this moment.
    Waiting(u64),
    /// It took nothing for long, while so many bytes waited.
    Stalled(usize),
}

impl Stall {
    /// Notes that the socket is full; `has_taken` says whether it took some bytes just before.
    pub(super) fn block(&mut self, has_taken: bool, waiting: usize, now_ms: u64) {
        let is_new = match *self {
            Self::Flowing => true,
            Self::Waiting(_) => has_taken,
            Self::Stalled(before) => has_taken || waiting > before,
        };
        if is_new {
            *self = Self::Waiting(now_ms.saturating_add(STALL_MS));
        }
    }

    /// When [`is_due`](Self::is_due) is to be asked.
    pub(super) const fn deadline(self) -> Option<u64> {
        match self {
            Self::Waiting(until_ms) => Some(until_ms),
            Self::Flowing | Self::Stalled(_) => None,
        }
    }

    /// Says whether the socket is found stalled now, while so many bytes wait.
    pub(super) fn is_due(&mut self, waiting: usize, now_ms: u64) -> bool {
        let is_due = self.deadline().is_some_and(|until_ms| until_ms <= now_ms);
        if is_due {
            *self = Self::Stalled(waiting);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::{STALL_MS, Stall};

    #[test]
    fn a_socket_that_takes_nothing_for_a_second_is_stalled_once() {
        let mut stall = Stall::default();
        stall.block(true, 100, 0);
        stall.block(true, 90, 500);
        stall.block(false, 95, 800);
        assert_eq!(stall.deadline(), Some(500 + STALL_MS));
        assert!(!stall.is_due(95, 1_499));
        assert!(stall.is_due(95, 1_500));
        stall.block(false, 95, 1_600);
        assert_eq!(stall.deadline(), None);
        assert!(!stall.is_due(95, 9_000));
    }

    #[test]
    fn a_stall_is_looked_at_again_when_more_waits_or_some_was_taken() {
        for (has_taken, waiting) in [(false, 101), (true, 50)] {
            let mut stall = Stall::Stalled(100);
            stall.block(has_taken, waiting, 10);
            assert_eq!(stall, Stall::Waiting(10 + STALL_MS));
        }
    }
}
