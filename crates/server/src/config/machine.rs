//! What the machine offers, for the automatic values.

use std::fs;
use std::thread;

/// The memory assumed where the machine does not tell.
const MEMORY_UNKNOWN_BYTES: u64 = 1 << 30;

/// Counts the cores that this process may use.
pub(super) fn cores() -> u16 {
    thread::available_parallelism()
        .ok()
        .and_then(|cores| u16::try_from(cores.get()).ok())
        .unwrap_or(1)
}

/// Finds the memory that this process may use: the control group's limit or the machine's.
pub(super) fn memory_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total_of(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => u64::min(machine, group),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => MEMORY_UNKNOWN_BYTES,
    }
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
