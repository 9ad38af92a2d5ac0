//! What was found, on its way into the catalog, and then into the manifests of the folders.

use std::fs;
use std::time::{Duration, Instant};

use files::content::Root;

use super::super::collect::collect;
use super::super::event::{LeftOut, ShareEvent};
use super::super::limits::{BATCH_MAX, BATCH_WAIT, COLLECT_QUIET, COLLECT_WAIT, QUIET};
use super::Owner;
use crate::peer::catalog::{CatalogError, Content, Found};
use crate::peer::now_ms;

/// How many times longer than its making the pause after a manifest is, where folders are large.
const COLLECT_PAUSE: u32 = 10;

/// A file that was found.
pub(super) struct Noted {
    pub(super) share: usize,
    pub(super) size: u64,
    pub(super) root: Root,
    /// Whether others learn something new.
    pub(super) is_told: bool,
    pub(super) found: Found,
}

/// When a folder's manifest is written.
#[derive(Debug, Clone, Copy)]
struct Manifest {
    /// Not before this: nothing has happened for a while then.
    due: Option<Instant>,
    /// At this, whatever happens.
    deadline: Instant,
    /// Not before this, so that large folders leave time for other things.
    pause: Instant,
}

/// What is to be written.
pub(super) struct Notes {
    batch: Vec<Noted>,
    batch_due: Option<Instant>,
    manifests: Vec<Manifest>,
}

impl Notes {
    pub(super) fn new(shares: usize, now: Instant) -> Self {
        let manifest = Manifest {
            due: Some(now),
            deadline: now + COLLECT_WAIT,
            pause: now,
        };
        Self {
            batch: Vec::new(),
            batch_due: None,
            manifests: vec![manifest; shares],
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.batch.len() >= BATCH_MAX || self.batch_due.is_some_and(|due| due <= now)
    }

    /// Notes that something happened in a share.
    pub(super) fn touch(&mut self, share: usize, now: Instant) {
        let manifest = &mut self.manifests[share];
        if manifest.due.is_none() {
            manifest.deadline = now + COLLECT_WAIT;
        }
        manifest.due = Some(now + COLLECT_QUIET);
    }

    /// Whether a manifest is to be written.
    pub(super) fn is_collecting(&self) -> bool {
        self.manifests.iter().any(|manifest| manifest.due.is_some())
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        let manifests = self.manifests.iter().filter_map(|manifest| {
            let due = manifest.due?;
            Some(due.min(manifest.deadline).max(manifest.pause))
        });
        manifests.chain(self.batch_due).min()
    }
}

impl Owner {
    /// Takes something that was found.
    pub(super) fn note(&mut self, noted: Noted) {
        let now = Instant::now();
        self.is_ready = false;
        self.notes.touch(noted.share, now);
        self.notes.batch.push(noted);
        self.notes.batch_due.get_or_insert(now + BATCH_WAIT);
        if self.notes.batch.len() >= BATCH_MAX {
            self.flush();
        }
    }

    /// Writes to the catalog what was found.
    pub(super) fn flush(&mut self) {
        self.notes.batch_due = None;
        let mut batch = std::mem::take(&mut self.notes.batch);
        for index in 0..self.parts.shares.len() {
            let mut of_share: Vec<Noted> =
                batch.extract_if(.., |noted| noted.share == index).collect();
            while !of_share.is_empty() {
                let found = of_share.iter().map(|noted| &noted.found);
                let share = &self.parts.shares[index];
                match self.parts.catalog.put(share, found, now_ms()) {
                    Ok(()) => break,
                    // It was forgotten in the meantime: those files are looked at again.
                    Err(CatalogError::NotHere(root)) => {
                        let due = Instant::now() + QUIET;
                        for noted in of_share.extract_if(.., |noted| is_known(noted, root)) {
                            let id = (index, noted.found.relative);
                            self.resting.postpone(id, due, 0, false);
                        }
                    }
                    Err(error) => {
                        of_share.clear();
                        self.failed(error);
                    }
                }
            }
            for noted in of_share.into_iter().filter(|noted| noted.is_told) {
                let path = self.shown(index, &noted.found.relative);
                let (size, root) = (noted.size, noted.root);
                (self.parts.tell)(ShareEvent::Shared { path, size, root });
            }
        }
    }

    /// Forgets a file, or all that was in a folder.
    pub(super) fn gone_below(&mut self, share: usize, relative: &str) {
        self.flush();
        let place = &self.parts.shares[share];
        let path = place.folder.join(relative);
        let catalog = &self.parts.catalog;
        let found = catalog.known_at(place.id, &path).and_then(|known| {
            let below = catalog.known(place.id, &path)?;
            let below = below.into_keys().map(|file| format!("{relative}/{file}"));
            let itself = known.map(|_| relative.to_owned());
            Ok(itself.into_iter().chain(below).collect())
        });
        // A folder without files may have been in the manifest.
        self.notes.touch(share, Instant::now());
        match found {
            Ok(gone) => self.gone(share, gone),
            Err(error) => self.failed(error),
        }
    }

    /// Forgets files.
    pub(super) fn gone(&mut self, share: usize, gone: Vec<String>) {
        if gone.is_empty() {
            return;
        }
        // What they are called now refers to what is known of them.
        self.flush();
        self.is_ready = false;
        self.notes.touch(share, Instant::now());
        let place = &self.parts.shares[share];
        if let Err(error) = self.parts.catalog.remove(place, &gone) {
            return self.failed(error);
        }
        for relative in gone {
            let path = self.shown(share, &relative);
            (self.parts.tell)(ShareEvent::Removed { path });
        }
    }

    /// Writes the manifests that are due.
    pub(super) fn collect(&mut self, now: Instant, is_settled: bool) {
        for index in 0..self.parts.shares.len() {
            let manifest = self.notes.manifests[index];
            let is_late = now >= manifest.deadline;
            let is_due = manifest
                .due
                .is_some_and(|due| is_late || (is_settled && now >= due));
            if !is_due || now < manifest.pause {
                // What has not settled now is asked again later.
                if let Some(due) = manifest.due
                    && due <= now
                {
                    self.notes.manifests[index].due = Some(now + COLLECT_QUIET);
                }
                continue;
            }
            self.notes.manifests[index].due = None;
            self.collect_share(index);
            let took = now.elapsed().min(Duration::from_secs(60));
            self.notes.manifests[index].pause = Instant::now() + took * COLLECT_PAUSE;
        }
    }

    fn collect_share(&mut self, index: usize) {
        let share = &self.parts.shares[index];
        let label = share.label.clone();
        match collect(&self.parts.catalog, share, &self.parts.state, now_ms()) {
            Ok(None) => {}
            Ok(Some(made)) => {
                for path in made.former {
                    // What stays takes room, no more.
                    let _ = fs::remove_file(path);
                }
                for clash in made.left_out {
                    self.leave_out(index, clash.0, LeftOut::Manifest(clash.1));
                }
                (self.parts.tell)(ShareEvent::Collection {
                    path: label,
                    root: made.root,
                    files: made.files,
                    bytes: made.bytes,
                });
            }
            Err(error) => {
                let reason = LeftOut::Manifest(error.to_string());
                self.leave_out(index, String::new(), reason);
            }
        }
    }
}

fn is_known(noted: &Noted, root: Root) -> bool {
    matches!(&noted.found.content, Content::Known(known) if *known == root)
}
