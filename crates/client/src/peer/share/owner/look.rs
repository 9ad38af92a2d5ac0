//! Decides what is to be done about a file that is there, or not any more.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use files::content::{Root, Shape};
use files::path::{RelativePath, escape};

use super::super::event::LeftOut;
use super::super::hash::{Task, Work};
use super::super::limits::{FRESH, QUIET};
use super::super::walk::{Met, look};
use super::Owner;
use super::note::Noted;
use super::rest::Touched;
use crate::peer::catalog::{Content, Found, Known, Stamp};

impl Owner {
    /// Looks at something that was touched.
    pub(super) fn look_at(&mut self, share: usize, relative: &str, touched: Touched) {
        let place = &self.parts.shares[share];
        let path = place.folder.join(relative);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) && !touched.is_missing => {
                let due = Instant::now() + QUIET;
                let id = (share, relative.to_owned());
                return self.resting.postpone(id, due, touched.attempts, true);
            }
            Err(error) if is_gone(&error) => return self.gone_below(share, relative),
            Err(error) => {
                let shown = escape(relative);
                return self.leave_out(share, shown, LeftOut::Unreadable(error));
            }
        };
        match look(relative.as_bytes(), metadata) {
            Met::File(found, metadata) => match self.parts.catalog.known_at(place.id, &path) {
                Ok(known) => {
                    self.consider(share, &found, &metadata, known, touched.attempts);
                }
                Err(error) => self.failed(error),
            },
            Met::Folder(..) => {
                // Folders are in the manifest, too.
                self.notes.touch(share, Instant::now());
                self.scan(share, relative);
            }
            Met::LeftOut(shown, reason) => {
                self.leave_out(share, shown, reason);
                self.gone_below(share, relative);
            }
        }
    }

    /// Decides what is to be done about a file that is there.
    pub(super) fn consider(
        &mut self,
        share: usize,
        path: &RelativePath,
        metadata: &Metadata,
        known: Option<Known>,
        attempts: u32,
    ) {
        let id = (share, path.as_str().to_owned());
        let (stamp, size) = (Stamp::of(metadata), metadata.len());
        let mode = metadata.mode() & 0o777;
        let is_same = |known: &Known| known.stamp == stamp && known.size == size;
        if self.in_flight.contains(&id)
            || (known.is_none_or(|it| !is_same(&it)) && is_fresh(metadata))
        {
            let due = Instant::now() + QUIET;
            return self.resting.postpone(id, due, attempts, false);
        }
        let shape = match Shape::new(size) {
            Ok(shape) => shape,
            Err(error) => {
                let shown = escape(path.as_str());
                return self.leave_out(share, shown, LeftOut::TooLarge(error));
            }
        };
        let root = match known.filter(is_same) {
            Some(known) if known.is_there && known.mode == mode => return,
            Some(known) => Some(known.root),
            None => self.renamed(&stamp, size),
        };
        if let Some(root) = root {
            let is_told = known.is_none_or(|known| !is_same(&known) || !known.is_there);
            let content = Content::Known(root);
            let relative = id.1;
            return self.note(Noted {
                share,
                size,
                root,
                is_told,
                found: Found {
                    relative,
                    stamp,
                    mode,
                    content,
                },
            });
        }
        self.meter.add(size);
        self.slicing = Some((
            Work::new(Task {
                share,
                path: path.below(&self.parts.shares[share].folder),
                relative: id.1.clone(),
                stamp,
                mode,
                shape,
                attempts,
            }),
            0,
        ));
        self.in_flight.insert(id);
    }

    /// Finds the content of a file that was known under another name.
    fn renamed(&mut self, stamp: &Stamp, size: u64) -> Option<Root> {
        let former = match self.parts.catalog.by_inode(stamp, size) {
            Ok(former) => former,
            Err(error) => {
                self.failed(error);
                return None;
            }
        };
        let was_it = |path: &Path| match fs::symlink_metadata(path) {
            // A second name of the same file.
            Ok(metadata) => Stamp::of(&metadata) == *stamp && metadata.len() == size,
            Err(error) => is_gone(&error),
        };
        let found = former.into_iter().find(|(path, _)| was_it(path));
        found.map(|(_, root)| root)
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether a file may have been modified within the same tick of its file system's clock, so that its stamp says nothing.
fn is_fresh(metadata: &Metadata) -> bool {
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    // One from the future, after the clock was set back, is not waited for.
    changed.elapsed().is_ok_and(|age| age < FRESH)
}
