//! What is here of a content that is being fetched, noted in the catalog, from where a peer of ours gives it to others.
//!
//! Only where it grows in a folder that is shared: whoever fetches something to elsewhere gives nothing of it away.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::peer::catalog::{Catalog, CatalogError};
use crate::peer::sink::Sink;

/// Notes what is here.
pub(super) struct Growth {
    notes: Arc<Notes>,
}

struct Notes {
    catalog: Arc<Catalog>,
    sink: Arc<Sink>,
    /// Whether somebody writes now.
    is_busy: AtomicBool,
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    groups: u32,
    segments: BTreeSet<u32>,
}

impl Growth {
    /// Begins, if it is in a folder that is shared. What the catalog refuses is not given to others; the download goes on.
    pub(super) fn begin(catalog: Arc<Catalog>, sink: Arc<Sink>) -> Option<Self> {
        let shape = sink.shape();
        let begin = || {
            if !catalog.is_shared(sink.part())? {
                return Ok(false);
            }
            let top = match shape.groups() {
                0 | 1 => Vec::new(),
                _ => sink.top().encode(),
            };
            let root = sink.top().root();
            catalog.begin_partial(&root, shape.size(), sink.part(), &top)?;
            Ok::<_, CatalogError>(true)
        };
        if !tokio::task::block_in_place(begin).unwrap_or(false) {
            return None;
        }
        Some(Self {
            notes: Arc::new(Notes {
                catalog,
                sink,
                is_busy: AtomicBool::new(false),
                noted: Mutex::default(),
            }),
        })
    }

    /// Notes what has come meanwhile, beside what is going on.
    pub(super) fn note(&self) {
        if self.notes.is_busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let notes = self.notes.clone();
        tokio::task::spawn_blocking(move || {
            // What is not noted now is noted the next time.
            let _ = notes.write();
            notes.is_busy.store(false, Ordering::Release);
        });
    }

    /// Notes that all of it is under its name. What the catalog refuses is found, and hashed, as any other file.
    pub(super) fn complete(self) {
        let Notes { catalog, sink, .. } = &*self.notes;
        let _ = self
            .notes
            .write()
            .and_then(|()| catalog.complete(&sink.top().root(), sink.target()));
    }
}

impl Notes {
    fn write(&self) -> Result<(), CatalogError> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let root = self.sink.top().root();
        for (index, values) in self.sink.lists(&noted.segments) {
            self.catalog.add_segment(&root, index, &values)?;
            noted.segments.insert(index);
        }
        let have = self.sink.have();
        if have.count() != noted.groups {
            self.catalog.grow(&root, &have)?;
            noted.groups = have.count();
        }
        Ok(())
    }
}
