//! Memory and disk: when they run short, publishers wait.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::audit::Author;
use crate::housekeeping::House;
use crate::mailbox::Letter;
use crate::{Shared, SharedRef};

/// How often memory and disk are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How often once the disk may soon be full: fast disks take hundreds of megabytes in the time of a usual look, and what is left
/// below the limit is for acknowledgements, which free space.
const LOOK_INTERVAL_NEAR: Duration = Duration::from_millis(20);
/// The disk may soon be full when fewer than this many times the limit are free.
const NEAR_FACTOR: u64 = 4;

/// A reason for publishers to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The process holds too much memory.
    Memory,
    /// The disk is nearly full.
    Disk,
    /// The operator set it, for memory.
    OperatorMemory,
    /// The operator set it, for the disk.
    OperatorDisk,
}

impl Alarm {
    const fn bit(self) -> u8 {
        match self {
            Self::Memory => 1,
            Self::Disk => 2,
            Self::OperatorMemory => 4,
            Self::OperatorDisk => 8,
        }
    }
}

/// Where the limits lie; each alarm ends at another value than it begins, so that it does not flicker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AlarmLimits {
    pub(crate) memory_high_bytes: u64,
    pub(crate) memory_resume_bytes: u64,
    pub(crate) disk_free_low_bytes: u64,
    pub(crate) disk_free_resume_bytes: u64,
}

/// The alarms in force.
#[derive(Debug)]
pub struct Alarms {
    state: AtomicU8,
    resident_bytes: AtomicU64,
    free_bytes: AtomicU64,
    limits: AlarmLimits,
}

impl Alarms {
    pub(crate) const fn new(limits: AlarmLimits) -> Self {
        Self {
            state: AtomicU8::new(0),
            resident_bytes: AtomicU64::new(0),
            free_bytes: AtomicU64::new(0),
            limits,
        }
    }

    /// Says whether publishers are to wait.
    #[inline]
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.state.load(Ordering::Relaxed) != 0
    }

    /// Says whether publishers are to wait for this one.
    #[must_use]
    pub fn is_in_force(&self, alarm: Alarm) -> bool {
        self.state.load(Ordering::Relaxed) & alarm.bit() != 0
    }

    /// The memory of the process at the last look, in bytes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.resident_bytes.load(Ordering::Relaxed)
    }

    /// The free space on disk at the last look, in bytes.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.free_bytes.load(Ordering::Relaxed)
    }

    /// What connections are told; `None` when there is no alarm.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        match self.state.load(Ordering::Relaxed) {
            0 => None,
            state if state & (Alarm::Disk.bit() | Alarm::OperatorDisk.bit()) == 0 => {
                Some("low on memory")
            }
            state if state & (Alarm::Memory.bit() | Alarm::OperatorMemory.bit()) == 0 => {
                Some("low on disk")
            }
            _ => Some("low on memory & disk"),
        }
    }

    fn set(&self, alarm: Alarm, is_raised: bool) -> bool {
        let bit = alarm.bit();
        let before = if is_raised {
            self.state.fetch_or(bit, Ordering::AcqRel)
        } else {
            self.state.fetch_and(!bit, Ordering::AcqRel)
        };
        (before & bit != 0) != is_raised
    }
}

impl Shared {
    /// Raises or ends an alarm and tells every connection.
    pub(crate) fn set_alarm(&self, alarm: Alarm, is_raised: bool) {
        let _order = self
            .alarm_order
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !self.alarms.set(alarm, is_raised) {
            return;
        }
        self.audit(Author::alarmed(alarm, is_raised));
        let reason = self.alarms.reason();
        tracing::warn!(
            ?alarm,
            is_raised,
            blocked = reason.is_some(),
            "publishers {}",
            if is_raised { "wait" } else { "may go on" }
        );
        for mailbox in &self.mailboxes {
            mailbox.post(Letter::Alarm(reason));
        }
    }
}

/// Looks at memory and disk, and keeps house, until the shared state is gone.
pub(crate) fn watch(
    shared: &SharedRef,
    free_bytes: impl Fn() -> Option<u64> + Send + 'static,
) -> std::io::Result<()> {
    let weak = std::sync::Arc::downgrade(shared);
    let watcher = std::thread::Builder::new().name("alarms".into());
    let mut house = House::new(shared.clock.now_ms());
    watcher.spawn(move || {
        while let Some(shared) = weak.upgrade() {
            let limits = shared.alarms.limits;
            let mut interval = LOOK_INTERVAL;
            if let Some(resident) = resident_bytes() {
                shared
                    .alarms
                    .resident_bytes
                    .store(resident, Ordering::Relaxed);
                follow(
                    &shared,
                    Alarm::Memory,
                    resident > limits.memory_high_bytes,
                    resident < limits.memory_resume_bytes,
                );
            }
            if let Some(free) = free_bytes() {
                shared.alarms.free_bytes.store(free, Ordering::Relaxed);
                follow(
                    &shared,
                    Alarm::Disk,
                    free < limits.disk_free_low_bytes,
                    free > limits.disk_free_resume_bytes,
                );
                if free / NEAR_FACTOR < limits.disk_free_low_bytes {
                    interval = LOOK_INTERVAL_NEAR;
                }
            }
            house.turn(&shared);
            drop(shared);
            std::thread::sleep(interval);
        }
    })?;
    Ok(())
}

fn follow(shared: &Shared, alarm: Alarm, is_over: bool, is_under: bool) {
    if is_over {
        shared.set_alarm(alarm, true);
    } else if is_under {
        shared.set_alarm(alarm, false);
    }
}

/// The memory that the process holds, from the kernel's own count.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
