//! Whether a commit waits for company.
//!
//! Nobody waits for acks alone. Committed at once, they are in the way of the message that the confirm before them brings: a
//! publisher with one message in flight, whose consumer acks each, then waits for one and a half commits.
//!
//! Producers that each wait for a confirm fall into two halves: while the messages of one are written, the other half sends, and
//! each commit carries one half. On a disk where a commit takes milliseconds, a pause of a small part of that lets those that were just
//! confirmed join the next one, which then carries nearly all.

use std::time::Duration;

/// On a disk that commits faster than this, the processor sets the pace and waiting gains nothing.
const TOOK_MIN: Duration = Duration::from_millis(1);
/// A commit of fewer records than this says little about how many come together.
const RECORDS_MIN: u32 = 8;
/// The part of a commit's time that the next may wait.
const PART: u32 = 8;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(1);

/// How long acks are held back, twice where a shard commits by itself meanwhile. A client near by answers a confirm in less.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// What the last commit was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastCommit {
    /// How many records it held.
    pub(super) records: u32,
    /// How long the disk took.
    pub(super) took: Duration,
}

/// Returns how long the next commit is to wait for records, of which `waiting` says how many are there.
pub(super) fn pause(last: &LastCommit, waiting: impl FnOnce() -> u32) -> Option<Duration> {
    if last.took < TOOK_MIN || last.records < RECORDS_MIN {
        return None;
    }
    // With as many as last time there is no second half to wait for; with none, there is no commit.
    let expected = last.records + last.records / 2;
    (1..expected)
        .contains(&waiting())
        .then(|| (last.took / PART).min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(records: u32, took_us: u64) -> LastCommit {
        LastCommit {
            records,
            took: Duration::from_micros(took_us),
        }
    }

    #[test]
    fn a_half_waits_for_the_other_on_a_slow_disk() {
        let pause = pause(&last(50, 4_000), || 50);
        assert_eq!(pause, Some(Duration::from_micros(500)));
    }

    #[test]
    fn no_pause_is_long() {
        assert_eq!(pause(&last(50, 80_000), || 50), Some(PAUSE_MAX));
    }

    #[test]
    fn nothing_waits_where_it_gains_nothing() {
        for (what, last, waiting) in [
            ("a fast disk", last(50, 900), 50),
            ("a message at a time", last(1, 4_000), 1),
            ("more than a half is there", last(50, 4_000), 75),
            ("nothing is there", last(50, 4_000), 0),
        ] {
            assert_eq!(pause(&last, || waiting), None, "{what}");
        }
    }
}
