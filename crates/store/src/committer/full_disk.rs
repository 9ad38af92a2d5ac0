//! Waiting for room on a disk that is full.

use std::io;

use crate::failure::{Failure, is_full};
use crate::limits::FULL_DISK_PAUSE;
use crate::shared::Shared;

/// Repeats an operation until the disk has room for it. Gives up when the store is to stop.
pub(super) fn retry_while_full<T>(
    shared: &Shared,
    mut operation: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut warned = false;
    loop {
        match operation() {
            Err(error) if is_full(&error) && !shared.is_stopping() => warn_and_wait(&mut warned),
            other => return other,
        }
    }
}

pub(super) fn retry_failure_while_full<T>(
    shared: &Shared,
    mut operation: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut warned = false;
    loop {
        match operation() {
            Err(failure) if failure.is_disk_full() && !shared.is_stopping() => {
                warn_and_wait(&mut warned)
            }
            other => return other,
        }
    }
}

fn warn_and_wait(warned: &mut bool) {
    if !*warned {
        tracing::warn!("the disk is full: nothing becomes durable until there is room again");
        *warned = true;
    }
    std::thread::sleep(FULL_DISK_PAUSE);
}
