//! Files in which something happens, until they have been left alone for a while.

use std::collections::HashMap;
use std::time::Instant;

use super::super::limits::{ATTEMPTS_TOLD, QUIET, SWEEP};
use super::FileId;

/// Something that is to be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touched {
    /// When.
    due: Instant,
    /// How often it was hashed in vain.
    pub(super) attempts: u32,
    /// It was not there: a file that is renamed is looked for under its new name before what is known of it is forgotten.
    pub(super) is_missing: bool,
}

#[derive(Debug, Default)]
pub(super) struct Resting {
    files: HashMap<FileId, Touched>,
    /// When the first of them may be due.
    sweep: Option<Instant>,
}

impl Resting {
    /// Notes that something happened.
    pub(super) fn touch(&mut self, id: FileId, now: Instant) {
        let due = now + QUIET;
        let touched = self.files.entry(id).or_insert(Touched {
            due,
            attempts: 0,
            is_missing: false,
        });
        // One that was often hashed in vain is waited for longer.
        touched.due = touched.due.max(due);
        touched.is_missing = false;
        self.wake(due);
    }

    /// Notes that something is to be looked at later.
    pub(super) fn postpone(&mut self, id: FileId, due: Instant, attempts: u32, is_missing: bool) {
        let touched = Touched {
            due,
            attempts,
            is_missing,
        };
        self.files.insert(id, touched);
        self.wake(due);
    }

    fn wake(&mut self, due: Instant) {
        self.sweep = Some(self.sweep.map_or(due, |sweep| sweep.min(due)));
    }

    /// When to call [`Self::take_due`].
    pub(super) const fn next(&self) -> Option<Instant> {
        self.sweep
    }

    /// Takes what has come to rest: what may be new before what may be gone.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(FileId, Touched)> {
        if self.sweep.is_none_or(|sweep| sweep > now) {
            return Vec::new();
        }
        let is_due = |_: &FileId, touched: &mut Touched| touched.due <= now;
        let mut due: Vec<_> = self.files.extract_if(is_due).collect();
        due.sort_unstable_by(|(id, touched), (other_id, other)| {
            (touched.is_missing, id).cmp(&(other.is_missing, other_id))
        });
        let next = self.files.values().map(|touched| touched.due).min();
        self.sweep = next.map(|next| next.max(now + SWEEP));
        due
    }

    /// Whether something is waited for that is expected to come to rest.
    pub(super) fn is_expecting(&self) -> bool {
        self.files
            .values()
            .any(|touched| touched.attempts < ATTEMPTS_TOLD)
    }
}
