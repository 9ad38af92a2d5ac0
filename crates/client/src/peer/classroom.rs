//! The gRPC service `PServer` of an older system, by which people have their own peer fetch and send files that they know by name alone. It is
//! spoken without TLS, on the port where other peers are answered; see `docs/classroom/file-index.md`.
//!
//! Between peers of ours the bytes move, as `chaski get` and `chaski put` move them. Peers of the older system have no bytes to give: they
//! are called as their own kind calls them, and their status is passed on.
//!
//! It must never do anything for a caller who has not logged in but tell whether a name is there, and never write but where a download may.
//!
//! Start reading at [`Classroom`], then `service`.

mod code;
mod door;
mod logins;
mod moving;
mod older;
mod place;
mod service;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::mpsc;

use super::catalog::{Audience, Catalog, Named};
use super::identity::Fingerprint;
use super::limits::{PLAIN_ASK_TIMEOUT, PLAIN_CALLS_MAX, PLAIN_NAMES_MAX, PLAIN_TRANSFERS_MAX};
use super::put::{Depot, Offers};
use super::safe_name;
use super::serving::Gate;
use super::throttle::Throttle;
use crate::api::Api;

use door::Present;
pub(super) use door::{Visit, is_plain};
use logins::Logins;
use older::Index;
use place::Places;

/// Whose calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callers {
    /// Those from this machine.
    Local,
    /// Those from anywhere.
    Anyone,
}

/// What whoever runs the peer says of it.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whose calls are taken.
    pub callers: Callers,
    /// Where it goes what is fetched; absolute and without symbolic links. Without it nothing is: in a folder that is shared, what this account alone may
    /// have would be given on.
    pub folder: Option<PathBuf>,
    /// The rate that is kept while files are fetched, with whoever else shares it.
    pub throttle: Arc<Throttle>,
    /// The id of this peer.
    pub peer: String,
    /// The hash of its key.
    pub key: Fingerprint,
    /// Where the list of older peers is asked, `host:port`.
    pub index: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassroomEvent {
    /// Somebody logged in from there.
    LoggedIn(IpAddr),
    /// The password was right; the session by which it was checked is still open.
    SessionLeft {
        /// Why.
        reason: String,
    },
    /// Somebody logged out there.
    LoggedOut(IpAddr),
    /// A file is being fetched.
    Fetching {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: u64,
    },
    /// It is there.
    Fetched {
        /// Its name.
        name: String,
        /// Where.
        path: PathBuf,
    },
    /// Another peer has it now, as a whole.
    Sent {
        /// Its name.
        name: String,
        /// Who.
        to: String,
    },
    /// A peer of the older system was asked; no bytes moved.
    Asked {
        /// The name of the file.
        name: String,
        /// Where that peer is.
        at: String,
        /// What it said, as in HTTP.
        status: i32,
        /// Whether it was to have the file, and not to give it.
        is_upload: bool,
    },
    /// A peer of the older system said that it gives a file; no bytes came.
    Announced {
        /// The name of the file.
        name: String,
        /// From where.
        from: IpAddr,
    },
    /// Something could not be done.
    Failed {
        /// The name of the file.
        name: String,
        /// Why.
        reason: String,
    },
}

/// What answers older clients.
///
/// # Concurrency
/// The locks are leaves, held for a look-up.
#[derive(Debug)]
pub struct Classroom {
    terms: Terms,
    api: Arc<Api>,
    index: Index,
    catalog: Arc<Catalog>,
    gate: Arc<Gate>,
    /// Where others are told that this peer is.
    addresses: RwLock<Vec<String>>,
    logins: Logins,
    /// Names that older peers said they give, the latest last.
    announced: Mutex<VecDeque<String>>,
    /// Callers that are being answered.
    present: Mutex<Present>,
    calls: Places,
    transfers: Places,
    tell: mpsc::Sender<ClassroomEvent>,
}

impl Classroom {
    /// Makes one for a peer that serves what its catalog has by its gate; `tell` is told what happens.
    #[must_use]
    pub fn new(
        terms: Terms,
        api: Api,
        catalog: Arc<Catalog>,
        gate: Arc<Gate>,
        tell: mpsc::Sender<ClassroomEvent>,
    ) -> Self {
        Self {
            index: Index::new(terms.index.clone()),
            terms,
            api: Arc::new(api.with_patience(PLAIN_ASK_TIMEOUT)),
            catalog,
            gate,
            addresses: RwLock::default(),
            logins: Logins::default(),
            announced: Mutex::default(),
            present: Mutex::default(),
            calls: Places::new(PLAIN_CALLS_MAX),
            transfers: Places::new(PLAIN_TRANSFERS_MAX),
            tell,
        }
    }

    /// Takes where others are told that this peer is.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        *self
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    fn addresses(&self) -> Vec<String> {
        let addresses = self
            .addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        addresses.clone()
    }

    /// What this peer, which is live, offers things with.
    fn offers(&self) -> Offers {
        Offers {
            api: Arc::clone(&self.api),
            peer: self.terms.peer.clone(),
            depot: Depot {
                addresses: self.addresses(),
                key: self.terms.key,
            },
            gate: Arc::clone(&self.gate),
        }
    }

    /// Whether a file of this name is here: in the folder, or in any that is shared. Waits for the disk.
    fn has(&self, name: &str) -> bool {
        // What cannot be looked at is there, so that nothing is written.
        let is_free = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
        let is_there =
            |folder: &PathBuf| !std::fs::symlink_metadata(folder.join(name)).is_err_and(is_free);
        if self.terms.folder.as_ref().is_some_and(is_there) {
            return true;
        }
        let named = self.catalog.named(name);
        named.map_or(true, |named| named.iter().any(|named| self.is_whole(named)))
    }

    /// Whether everybody may fetch a file of this name from here. Waits for the disk.
    fn gives(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// A file of this name that everybody may fetch from here: of several, the first by its path. Waits for the disk.
    fn given(&self, name: &str) -> Option<Named> {
        let named = self.catalog.named(name).unwrap_or_default();
        let mut open = named
            .into_iter()
            .filter(|named| named.audience == Audience::Everyone);
        open.find(|named| self.is_whole(named))
    }

    /// Whether a file is here as it was when it was hashed. Waits for the disk.
    fn is_whole(&self, named: &Named) -> bool {
        let holding = self.catalog.find(&named.root).ok().flatten();
        holding.is_some_and(|holding| holding.have.is_none())
    }

    /// Takes down that an older peer gives a file; false if that was said before.
    fn announce(&self, name: &str) -> bool {
        let mut announced = self
            .announced
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if announced.iter().any(|known| known == name) {
            return false;
        }
        if announced.len() == PLAIN_NAMES_MAX {
            announced.pop_front();
        }
        announced.push_back(name.to_owned());
        true
    }

    async fn tell(&self, event: ClassroomEvent) {
        // Nobody looks any more at the end.
        let _ = self.tell.send(event).await;
    }
}

/// A name that a file may have here; what is hidden is not shared, and what leads elsewhere is none.
fn file_name(name: &str) -> Option<String> {
    let name = safe_name(name).ok()?;
    (!name.starts_with('.')).then_some(name)
}
