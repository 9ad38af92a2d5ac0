//! What is due when.

use std::collections::{BTreeMap, BTreeSet};

use directory::chat::{ChatChange, RoomNumber};

use super::Chat;
use super::after::After;

/// After the start, how soon old messages are looked for.
pub(super) const RETENTION_FIRST_MS: u64 = 30_000;
/// How often old messages are looked for.
const RETENTION_MS: u64 = 10_000;
/// How often bans and mutes that are over are looked for.
const SANCTIONS_MS: u64 = 10 * 60 * 1_000;
/// How often it is looked who has become idle.
pub(super) const IDLE_LOOK_MS: u64 = 15_000;
/// How often it is written down what was read by those who cannot say.
pub(super) const SWEEP_MS: u64 = 2_000;
/// How long somebody without a session is remembered.
pub(super) const UNLOAD_MS: u64 = 60_000;

/// Something that is due at some time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Who came to a room and went is told.
    Presence(RoomNumber),
    /// A room's creator did not come back.
    Doom(RoomNumber),
    /// Somebody without a session is forgotten.
    Unload(String),
    /// Who has become idle.
    Idle,
    /// What was read.
    Sweep,
    /// Messages that are too old.
    Retention,
}

/// What is due when; each timer at one time.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(u64, Timer)>,
    by_timer: BTreeMap<Timer, u64>,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, timer: Timer, at_ms: u64) {
        self.stop(&timer);
        self.by_time.insert((at_ms, timer.clone()));
        self.by_timer.insert(timer, at_ms);
    }

    /// Sets a timer unless it is set already.
    pub(super) fn start(&mut self, timer: Timer, at_ms: u64) {
        if !self.by_timer.contains_key(&timer) {
            self.set(timer, at_ms);
        }
    }

    pub(super) fn stop(&mut self, timer: &Timer) {
        if let Some(at_ms) = self.by_timer.remove(timer) {
            self.by_time.remove(&(at_ms, timer.clone()));
        }
    }

    fn next_ms(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    fn pop(&mut self, now_ms: u64) -> Option<Timer> {
        let (at_ms, timer) = self.by_time.first()?.clone();
        (at_ms <= now_ms).then(|| {
            self.stop(&timer);
            timer
        })
    }
}

impl Chat {
    /// When [`Self::handle_timeout`] wants to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next_ms()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while let Some(timer) = self.timers.pop(now_ms) {
            match timer {
                Timer::Presence(room) => self.tell_presence(room, now_ms),
                Timer::Doom(room) => self.end_room(room),
                Timer::Unload(login) => self.unload(&login),
                Timer::Idle => self.look_for_idle(now_ms),
                Timer::Sweep => self.sweep(now_ms),
                Timer::Retention => self.expire(now_ms),
            }
        }
    }

    fn expire(&mut self, now_ms: u64) {
        self.end_old_sanctions(now_ms);
        let before_ms = match self.settings.retention_ms {
            0 => 0,
            kept => now_ms.saturating_sub(kept),
        };
        let per_room_max = self.settings.messages_per_room_max;
        let is_kept = self.settings.retention_ms == 0 && per_room_max == 0;
        let pause_ms = if is_kept { SANCTIONS_MS } else { RETENTION_MS };
        self.timers.set(Timer::Retention, now_ms + pause_ms);
        if before_ms > 0 || per_room_max > 0 {
            let expired = ChatChange::Expired {
                before_ms,
                per_room_max,
            };
            self.store(expired, After::Nothing);
        }
    }
}
