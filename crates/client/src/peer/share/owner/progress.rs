//! Counts what is hashed and what is to be.

use std::time::Instant;

use super::super::Hashed;
use super::super::event::Progress;
use super::super::limits::PROGRESS;

#[derive(Debug)]
pub(super) struct Meter {
    now: Progress,
    /// What was hashed before this began.
    files_before: u64,
    bytes_before: u64,
    told_at: Instant,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now: Progress::default(),
            files_before: 0,
            bytes_before: 0,
            told_at: now,
        }
    }

    /// Something more is to be hashed.
    pub(super) const fn add(&mut self, bytes: u64) {
        self.now.files_due += 1;
        self.now.bytes_due += bytes;
    }

    /// When to call [`Self::tell`].
    pub(super) fn next(&self) -> Instant {
        self.told_at + PROGRESS
    }

    /// Tells how far it is, if there is anything and it is time.
    pub(super) fn tell(
        &mut self,
        now: Instant,
        hashed: &Hashed,
        is_walking: bool,
    ) -> Option<Progress> {
        if now < self.next() {
            return None;
        }
        let seconds = now.duration_since(self.told_at).as_secs_f64();
        let bytes = hashed.bytes() - self.bytes_before;
        let rate = (bytes - self.now.bytes) as f64 / seconds;
        // A second or so counts.
        let smooth = self.now.bytes_per_s as f64 * 0.8 + rate * 0.2;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bytes in a second, never below zero"
        )]
        let bytes_per_s = smooth as u64;
        self.told_at = now;
        self.now = Progress {
            files: hashed.files() - self.files_before,
            bytes,
            bytes_per_s,
            is_walking,
            ..self.now
        };
        Some(self.now)
    }

    /// Begins again: everything is done.
    pub(super) fn reset(&mut self, hashed: &Hashed) {
        self.files_before = hashed.files();
        self.bytes_before = hashed.bytes();
        self.now = Progress::default();
    }
}
