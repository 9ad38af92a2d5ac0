//! A page while it is put together, and what a row of it shows.

use std::collections::{HashMap, HashSet};

use rusqlite::Result;

use super::super::model::{FileContent, FileHolder, FilePage, FilePlace};
use super::{Entry, Group, Look};
use crate::limits::HOLDERS_MAX;

/// A page while it is gathered in its order.
#[derive(Default)]
pub(super) struct Gathered {
    contents: Vec<FileContent>,
    seen: HashSet<Group>,
    last: Option<FilePlace>,
}

impl Gathered {
    /// The page, when there is more than fits on it.
    pub(super) fn full(self) -> FilePage {
        FilePage {
            contents: self.contents,
            next: self.last,
        }
    }

    /// The page, when one goes on from another place, or there is no more.
    pub(super) fn end(self, next: Option<FilePlace>) -> FilePage {
        FilePage {
            contents: self.contents,
            next,
        }
    }
}

impl Look<'_> {
    /// Adds an entry, which comes behind all that were, to a page, if its content is not there yet; tells whether there was no room.
    pub(super) fn show(
        &self,
        gathered: &mut Gathered,
        place: FilePlace,
        entry: Entry,
    ) -> Result<bool> {
        if !gathered.seen.insert((entry.root, entry.size)) {
            return Ok(false);
        }
        let entries = self.entries_of(entry.root, Some(entry.size))?;
        let mut others = entries.iter().filter(|other| other.fits);
        // It was on an earlier page.
        if others.any(|other| self.compare(&self.place(other), &place).is_lt()) {
            return Ok(false);
        }
        if gathered.contents.len() == self.search.limit {
            return Ok(true);
        }
        gathered.contents.push(content_of(&entry, entries.iter()));
        gathered.last = Some(place);
        Ok(false)
    }
}

/// A content by the entry that comes first and all that there are.
pub(super) fn content_of<'e>(
    first: &Entry,
    entries: impl Iterator<Item = &'e Entry>,
) -> FileContent {
    let mut names = vec![first.name.clone()];
    let mut best: HashMap<u64, &Entry> = HashMap::new();
    let mut order = Vec::new();
    for entry in entries {
        if names.len() < HOLDERS_MAX && !names.contains(&entry.name) {
            names.push(entry.name.clone());
        }
        match best.get_mut(&entry.peer.number) {
            None => {
                best.insert(entry.peer.number, entry);
                order.push(entry.peer.number);
            }
            Some(known) if known.part < entry.part => *known = entry,
            Some(_) => {}
        }
    }
    let mut entries: Vec<&Entry> = order.iter().filter_map(|peer| best.remove(peer)).collect();
    entries.sort_by(|one, other| other.part.total_cmp(&one.part));
    entries.truncate(HOLDERS_MAX);
    let holders = entries.into_iter().map(|entry| FileHolder {
        peer: entry.peer.clone(),
        path: entry.path.clone(),
        have: entry.have.clone(),
        part: entry.part,
        since_ms: entry.since_ms,
    });
    FileContent {
        root: first.root,
        size: first.size,
        name: first.name.clone(),
        names,
        media_type: first.media_type.clone(),
        kind: first.kind,
        since_ms: first.since_ms,
        holders: holders.collect(),
    }
}
