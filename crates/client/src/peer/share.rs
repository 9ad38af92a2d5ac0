//! Keeps the catalog as the shared folders are: walks them, hashes what is new or changed with all cores, and watches what happens.
//!
//! ```text
//!   watch ──touched──▶ owner ◀──outcomes── workers ──▶ bytes
//!                       │  └─────slices───────▲
//!                       ▼
//!                    catalog, manifests, events
//! ```
//! One thread owns what is known; workers read and hash slices of files. Symbolic links are not followed; hidden files are left out, and what is
//! no file or has a name that could do harm elsewhere is, and is told of once. A file that changes while it is read is read again when it has been
//! quiet for a while, the longer the more often that happened.
//!
//! It must never note hashes for bytes that it did not read: a file's stamp is the same before and after, and older than clocks are coarse.
//!
//! Start reading at [`Sharing::start`], then `owner`.

pub(super) mod collect;
mod event;
mod hash;
mod limits;
mod owner;
pub(super) mod walk;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::catalog::{Audience, Catalog, CatalogError};
pub use event::{LeftOut, Progress, ShareEvent};

/// What to share.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folders, absolute and without symbolic links, with who may have what is in them.
    pub folders: Vec<(PathBuf, Audience)>,
    /// Where manifests of folders are kept.
    pub state: PathBuf,
}

/// Why nothing can be shared.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// A folder is in another one that is shared as well.
    #[error("{inner} is in {outer}, which is shared as a whole", inner = .inner.display(), outer = .outer.display())]
    Nested {
        /// That one.
        inner: PathBuf,
        /// The other one.
        outer: PathBuf,
    },
    /// The peer's own key and catalog would be shared.
    #[error("{state} is in {folder}: what the peer keeps for itself cannot be shared", state = .state.display(), folder = .folder.display())]
    State {
        /// Where they are.
        state: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The catalog fails.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// No thread can be started.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
}

/// How much was hashed since the start.
#[derive(Debug, Default)]
pub struct Hashed {
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Hashed {
    /// Files that were read to their end.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Folders that are being shared, until this is dropped.
#[derive(Debug)]
pub struct Sharing {
    hashed: Arc<Hashed>,
    stop: Arc<AtomicBool>,
    inbox: SyncSender<owner::Message>,
    owner: Option<JoinHandle<()>>,
}

impl Sharing {
    /// Begins to share. `tell` is called on a thread of its own and must not wait.
    ///
    /// # Errors
    /// Folders are in each other, the state directory is in one, or the catalog fails.
    pub fn start(
        catalog: Arc<Catalog>,
        plan: &Plan,
        tell: impl FnMut(ShareEvent) + Send + 'static,
    ) -> Result<Self, ShareError> {
        check(plan)?;
        let folders: Vec<_> = plan
            .folders
            .iter()
            .map(|(folder, audience)| (&**folder, audience))
            .collect();
        let shares = catalog.share(&folders)?;
        let (inbox, messages) = sync_channel(limits::MESSAGES_MAX);
        let hashed = Arc::new(Hashed::default());
        let stop = Arc::new(AtomicBool::new(false));
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let pool = hash::Pool::start(workers, &inbox, &hashed, &stop)?;
        let owner = owner::Owner::new(owner::Parts {
            catalog,
            shares,
            state: plan.state.clone(),
            pool,
            sender: inbox.clone(),
            inbox: messages,
            hashed: Arc::clone(&hashed),
            stop: Arc::clone(&stop),
            tell: Box::new(tell),
        });
        let owner = thread::Builder::new()
            .name("share".to_owned())
            .spawn(move || owner.run())?;
        Ok(Self {
            hashed,
            stop,
            inbox,
            owner: Some(owner),
        })
    }

    /// How much was hashed since the start.
    #[must_use]
    pub fn hashed(&self) -> &Hashed {
        &self.hashed
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Full or gone: then it looks at the flag anyway.
        let _ = self.inbox.try_send(owner::Message::Stop);
        if let Some(owner) = self.owner.take() {
            // A panic of the thread was printed where it happened.
            let _ = owner.join();
        }
    }
}

fn check(plan: &Plan) -> Result<(), ShareError> {
    let folders = || plan.folders.iter().map(|(folder, _)| folder);
    for (index, outer) in folders().enumerate() {
        let is_in = |inner: &Path| inner.starts_with(outer);
        let inner = folders()
            .enumerate()
            .find(|(other, inner)| *other != index && is_in(inner));
        if let Some((_, inner)) = inner {
            let (inner, outer) = (inner.clone(), outer.clone());
            return Err(ShareError::Nested { inner, outer });
        }
        if is_in(&plan.state) {
            return Err(ShareError::State {
                state: plan.state.clone(),
                folder: outer.clone(),
            });
        }
    }
    Ok(())
}
