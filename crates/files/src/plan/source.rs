//! What is known of one source: what it has, how fast it is, what it was asked for.

use std::collections::BTreeMap;

use crate::have::Have;
use crate::limits::{
    DEADLINE_MS_MAX, DEADLINE_MS_MIN, DEADLINE_MS_UNKNOWN, GROUP_BYTES, PATIENCE_MAX,
    RATE_SAMPLE_MS, RUN_GROUPS_MAX, WINDOW_GROUPS_MAX, WINDOW_GROUPS_MIN, WINDOW_MS,
};

/// Measures bytes per second while something is under way.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Since when something is under way.
    since_ms: Option<u64>,
    /// How long something was under way before, since the last sample.
    before_ms: u64,
    bytes: u64,
    rate: Option<u64>,
}

impl Meter {
    /// Something is under way from now on.
    pub(super) fn start(&mut self, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
    }

    /// Nothing is under way any more.
    pub(super) fn stop(&mut self, now_ms: u64) {
        self.before_ms = self.busy_ms(now_ms);
        self.since_ms = None;
    }

    pub(super) fn add(&mut self, bytes: u64, now_ms: u64) {
        self.bytes += bytes;
        let busy_ms = self.busy_ms(now_ms);
        if busy_ms >= RATE_SAMPLE_MS {
            let sample = self.bytes.saturating_mul(1_000) / busy_ms;
            // A quarter of what is new: a single burst or pause moves no window far.
            let smooth = |rate: u64| rate - rate / 4 + sample / 4;
            self.rate = Some(self.rate.map_or(sample, smooth).max(1));
            self.bytes = 0;
            self.before_ms = 0;
            self.since_ms = self.since_ms.map(|_| now_ms);
        }
    }

    fn busy_ms(&self, now_ms: u64) -> u64 {
        let since = self
            .since_ms
            .map_or(0, |since| now_ms.saturating_sub(since));
        self.before_ms + since
    }

    pub(super) const fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// The rate as it is to be shown: it goes down while nothing comes.
    pub(super) fn shown(&self, now_ms: u64) -> u64 {
        let rate = self.rate.unwrap_or(0);
        let busy_ms = self.busy_ms(now_ms);
        if busy_ms > 5 * RATE_SAMPLE_MS {
            rate.min(self.bytes.saturating_mul(1_000) / busy_ms)
        } else {
            rate
        }
    }
}

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    /// Nothing where it has all.
    pub(super) have: Option<Have>,
    /// What it was asked for, and when.
    pub(super) asked: BTreeMap<u32, u64>,
    /// Where its next run begins to be looked for.
    pub(super) cursor: u32,
    /// It is not asked before.
    pub(super) rests_until_ms: u64,
    pub(super) meter: Meter,
    window_groups: u64,
    /// Groups that came since the window was last set.
    round_groups: u64,
    /// The shortest time from asking for a group to its coming: the way there and back, without what waits before it.
    latency_ms: Option<u64>,
    progress_ms: u64,
    patience: u64,
}

impl Source {
    pub(super) fn new(have: Option<Have>, cursor: u32) -> Self {
        Self {
            have,
            asked: BTreeMap::new(),
            cursor,
            rests_until_ms: 0,
            meter: Meter::default(),
            window_groups: WINDOW_GROUPS_MIN,
            round_groups: 0,
            latency_ms: None,
            progress_ms: 0,
            patience: 1,
        }
    }

    pub(super) fn has(&self, group: u32) -> bool {
        self.have.as_ref().is_none_or(|have| have.contains(group))
    }

    pub(super) fn word(&self, index: u32) -> u64 {
        self.have.as_ref().map_or(u64::MAX, |have| have.word(index))
    }

    /// How many groups it may be asked for now: none until there is room for a run that is worth a request.
    pub(super) fn room(&self) -> u32 {
        let worth = (self.window_groups / 4).clamp(1, u64::from(RUN_GROUPS_MAX));
        let room = self.window_groups.saturating_sub(self.asked.len() as u64);
        if room < worth {
            return 0;
        }
        u32::try_from(room).map_or(RUN_GROUPS_MAX, |room| room.min(RUN_GROUPS_MAX))
    }

    pub(super) fn ask(&mut self, group: u32, now_ms: u64) {
        if self.asked.is_empty() {
            self.progress_ms = now_ms;
            self.meter.start(now_ms);
        }
        self.asked.insert(group, now_ms);
    }

    /// It sends: its deadline begins anew.
    pub(super) fn progress(&mut self, now_ms: u64) {
        self.progress_ms = self.progress_ms.max(now_ms);
    }

    /// Takes a group off what it was asked for, and tells whether it was.
    pub(super) fn forget(&mut self, group: u32, now_ms: u64) -> bool {
        let was_asked = self.asked.remove(&group).is_some();
        if was_asked && self.asked.is_empty() {
            self.meter.stop(now_ms);
        }
        was_asked
    }

    /// A group came.
    pub(super) fn arrived(&mut self, group: u32, bytes: u64, now_ms: u64) {
        self.progress(now_ms);
        self.patience = 1;
        self.meter.add(bytes, now_ms);
        if let Some(&asked_ms) = self.asked.get(&group) {
            let latency = now_ms.saturating_sub(asked_ms);
            self.latency_ms = Some(self.latency_ms.map_or(latency, |least| least.min(latency)));
        }
        self.forget(group, now_ms);
        self.round_groups += 1;
        if self.round_groups >= self.window_groups {
            self.round_groups = 0;
            self.set_window();
        }
    }

    /// Sets the window to what it sends in a quarter of a second beyond the way there and back, at most twice what it was.
    ///
    /// While the window is what holds the source up, its rate is a window per latency, so that the new window is larger and the rate grows. Where the
    /// rate grows no more, the window is what is on the way and a quarter of a second that waits.
    fn set_window(&mut self) {
        let doubled = self.window_groups * 2;
        let due = self.meter.rate().map_or(doubled, |rate| {
            let ms = WINDOW_MS + self.latency_ms.unwrap_or(0);
            rate.saturating_mul(ms) / 1_000 / GROUP_BYTES
        });
        let due = due.min(doubled);
        self.window_groups = due.clamp(WINDOW_GROUPS_MIN, WINDOW_GROUPS_MAX);
    }

    /// When it is given up for now, if it was asked for anything.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let wait = self.meter.rate().map_or(DEADLINE_MS_UNKNOWN, |rate| {
            let group_ms = GROUP_BYTES * 1_000 / rate;
            let ms = 4 * (group_ms + self.latency_ms.unwrap_or(0));
            ms.clamp(DEADLINE_MS_MIN, DEADLINE_MS_MAX)
        });
        let deadline = self.progress_ms.saturating_add(wait * self.patience);
        (!self.asked.is_empty()).then_some(deadline)
    }

    /// It was given up for now: it rests, begins anew with the smallest window and is waited for longer.
    pub(super) fn rest_after_stall(&mut self, now_ms: u64) {
        self.rests_until_ms = now_ms.saturating_add(DEADLINE_MS_MIN / 2 * self.patience);
        self.patience = (self.patience * 2).min(PATIENCE_MAX);
        self.window_groups = WINDOW_GROUPS_MIN;
        self.round_groups = 0;
    }

    pub(super) const fn window_bytes(&self) -> u64 {
        self.window_groups * GROUP_BYTES
    }
}
