//! Groups on their way past the page cache. One thread writes at a time, and those that stand side by side go with one call: the disk is as
//! quickly told of a MiB as of a quarter of it, and writes to one file wait for each other in any case.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::direct::Direct;

/// Groups that one call writes.
const RUN_MAX: usize = 8;

/// Told when a group is on disk, or why it is not.
type Written = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A group that waits.
struct Group {
    bytes: Bytes,
    /// More than one if more than one source sent it.
    written: Vec<Written>,
}

/// Groups side by side, from this place on.
struct Run {
    at: u64,
    groups: Vec<Group>,
}

/// What waits to be written, by its place.
#[derive(Default)]
struct Waiting {
    groups: BTreeMap<u64, Group>,
    /// Whether somebody writes.
    is_written: bool,
}

/// Groups that wait for whoever writes.
#[derive(Default)]
pub(super) struct Gather(Mutex<Waiting>);

impl Gather {
    /// Writes a group and whatever is brought meanwhile; or leaves it to the thread that does so already. `written` is called on either.
    pub(super) fn write(
        &self,
        direct: &Direct,
        at: u64,
        bytes: Bytes,
        written: impl FnOnce(io::Result<()>) + Send + 'static,
    ) {
        let mut waiting = self.lock();
        let written = Box::new(written);
        let group = waiting.groups.entry(at).or_insert_with(|| Group {
            bytes,
            written: Vec::new(),
        });
        group.written.push(written);
        if std::mem::replace(&mut waiting.is_written, true) {
            return;
        }
        drop(waiting);
        while let Some(run) = self.next() {
            run.write(direct);
        }
    }

    /// Takes the next run; without one, nobody writes any more.
    fn next(&self) -> Option<Run> {
        let mut waiting = self.lock();
        let Some(at) = waiting.groups.keys().next().copied() else {
            waiting.is_written = false;
            return None;
        };
        let mut groups = Vec::new();
        let mut end = at;
        while groups.len() < RUN_MAX
            && let Some(group) = waiting.groups.remove(&end)
        {
            end += group.bytes.len() as u64;
            groups.push(group);
        }
        Some(Run { at, groups })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Gather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gather")
            .field("waiting", &self.lock().groups.len())
            .finish()
    }
}

impl Run {
    fn write(self, direct: &Direct) {
        let mut slices: Vec<_> = self
            .groups
            .iter()
            .map(|group| IoSlice::new(&group.bytes))
            .collect();
        let failed = direct.write(&mut slices, self.at).err();
        for written in self.groups.into_iter().flat_map(|group| group.written) {
            written(failed.as_ref().map_or(Ok(()), |error| Err(same(error))));
        }
    }
}

/// The same error for another group.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}
