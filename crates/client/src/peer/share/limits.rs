//! The bounds of sharing, in one place.

use std::time::Duration;

/// Messages that wait for the owner: what is touched, and what was hashed. When it is full, the watch waits and the system tells of the overflow.
pub(super) const MESSAGES_MAX: usize = 4_096;
/// Slices that are read or wait for it.
pub(super) const SLICES_MAX: usize = 64;
/// Bytes of a slice: a small file is one, and of a large one every core reads some.
pub(super) const SLICE_BYTES: u64 = 16 << 20;
/// Bytes that are read at once.
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// Files that are noted in one transaction.
pub(super) const BATCH_MAX: usize = 1_000;
/// How long a file that was hashed may wait to be noted.
pub(super) const BATCH_WAIT: Duration = Duration::from_millis(300);
/// Files that are looked at before messages are.
pub(super) const LOOKS_MAX: usize = 500;
/// How long a file has to be left alone before it is looked at.
pub(super) const QUIET: Duration = Duration::from_millis(300);
/// The longest that one is left alone that changed again and again while it was read: `QUIET` so many times doubled.
pub(super) const ATTEMPTS_MAX: u32 = 8;
/// After so many of these it is told that a file does not come to rest.
pub(super) const ATTEMPTS_TOLD: u32 = 3;
/// A file whose last modification is not older may be modified again without that being seen: clocks of file systems are coarse.
pub(super) const FRESH: Duration = Duration::from_millis(50);
/// The least time between two looks for files that have come to rest.
pub(super) const SWEEP: Duration = Duration::from_millis(50);
/// How long nothing may have happened in a folder before its manifest is written.
pub(super) const COLLECT_QUIET: Duration = Duration::from_millis(500);
/// The longest that a manifest may be behind a folder in which something happens all the time.
pub(super) const COLLECT_WAIT: Duration = Duration::from_secs(20);
/// How often progress is told.
pub(super) const PROGRESS: Duration = Duration::from_millis(200);
/// How often everything is looked at where nothing tells of modifications.
pub(super) const SCAN_UNWATCHED: Duration = Duration::from_secs(30);
/// The same where something does, which may miss what other machines write.
pub(super) const SCAN_WATCHED: Duration = Duration::from_secs(3_600);
/// When everything is looked at again after the catalog failed.
pub(super) const SCAN_FAILED: Duration = Duration::from_secs(30);
/// What was left out and told of, so that it is told once.
pub(super) const TOLD_MAX: usize = 10_000;

const _: () = assert!(
    SLICE_BYTES.is_multiple_of(BUFFER_BYTES as u64)
        && (BUFFER_BYTES as u64).is_multiple_of(files::limits::GROUP_BYTES),
    "slices are whole buffers, and those whole groups"
);
