//! Memory that was needed once, given back to the system.

use std::fs;

use rustix::mm::{Advice, madvise};

/// Gives back what the allocator keeps of freed memory, and lets go of code that ran once.
///
/// For moments after a burst of work. Pages of code that are still needed are mapped again, from memory, as they are run.
pub(crate) fn release() {
    collect();
    forget_code();
}

#[expect(unsafe_code, reason = "the allocator is a C library")]
fn collect() {
    // SAFETY: it takes no pointers, and may be called from any thread at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Unmaps the pages of this program's code: what only the start ran through does not come back.
#[expect(unsafe_code, reason = "advice on memory is given by address")]
fn forget_code() {
    let here = forget_code as *const () as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let Some((start, end)) = maps
        .lines()
        .filter_map(code_range)
        .find(|(start, end)| (*start..*end).contains(&here))
    else {
        return;
    };
    // SAFETY: the range is one mapping of a file, private and never written, as `code_range` has seen; pages of such a mapping
    // that are touched again are read from the file again, with the same bytes.
    let _ = unsafe { madvise(start as *mut _, end - start, Advice::LinuxDontNeed) };
}

/// The addresses of a line of `/proc/self/maps`, if it is of executable, private memory that cannot be written.
fn code_range(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    if words.next()? != "r-xp" {
        return None;
    }
    Some((
        usize::from_str_radix(start, 16).ok()?,
        usize::from_str_radix(end, 16).ok()?,
    ))
}

#[cfg(test)]
mod tests;
