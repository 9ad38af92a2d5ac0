//! Who may have what: whoever shows a ticket that the server signed, or a secret that this peer gave away itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use files::content::Root;
use files::ticket::{KeyId, PeerKey, Refused, Right, Ticket, Wanted};
use rpc::v1::Open;

use crate::peer::identity::Fingerprint;
use crate::peer::limits::{
    CONNECTION_IDLE, FIRST_ASK, SERVED_IDLE, STREAM_IDLE, STREAMS_MAX, STREAMS_PER_ACCOUNT,
};
use crate::peer::now_ms;
use crate::peer::throttle::Throttle;

/// Bytes of a secret that goes with an offer.
pub const SECRET_BYTES: usize = 32;

/// Why somebody may not have a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The ticket does not hold.
    #[error(transparent)]
    Ticket(#[from] Refused),
    /// It is in no such collection.
    #[error("the collection that the ticket is for does not name this content")]
    NoMember,
    /// The secret is not for this.
    #[error("this was not offered, or not any more")]
    NotOffered,
}

/// How much is given, to all and to each.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The rate of all that is sent, together.
    pub throttle: Arc<Throttle>,
    /// Streams that are served at the same time; others are told to come again.
    pub streams: usize,
    /// Those of one account.
    pub streams_per_account: usize,
    /// How long those who come may ask for nothing.
    pub patience: Patience,
}

/// How long streams and connections may ask for nothing before they are ended.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Before the first content that they may have.
    pub first: Duration,
    /// Later, with nothing open.
    pub idle: Duration,
    /// A connection, before the first call of somebody who may make it.
    pub connection: Duration,
    /// The same after one.
    pub served: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: FIRST_ASK,
            idle: STREAM_IDLE,
            connection: CONNECTION_IDLE,
            served: SERVED_IDLE,
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            throttle: Arc::default(),
            streams: STREAMS_MAX,
            streams_per_account: STREAMS_PER_ACCOUNT,
            patience: Patience::default(),
        }
    }
}

/// A place among those who are served, until it is dropped.
pub(super) struct Seat<'a> {
    gate: &'a Gate,
    account: String,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut seated = self.gate.seated();
        if let Some(count) = seated.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                seated.remove(&self.account);
            }
        }
    }
}

/// Holds what callers show against what the server said.
///
/// # Concurrency
/// The locks are leaves, held for a look-up.
#[derive(Debug)]
pub struct Gate {
    peer: PeerKey,
    keys: RwLock<Vec<(KeyId, [u8; 32])>>,
    offered: RwLock<HashMap<[u8; SECRET_BYTES], Root>>,
    terms: Terms,
    /// Streams of each account.
    seated: Mutex<HashMap<String, usize>>,
}

impl Gate {
    /// Makes one that knows no keys yet, and lets nobody in before [`Self::set_keys`].
    #[must_use]
    pub fn new(peer: Fingerprint) -> Self {
        Self::with_terms(peer, Terms::default())
    }

    /// The same, on other terms than the usual.
    #[must_use]
    pub fn with_terms(peer: Fingerprint, terms: Terms) -> Self {
        Self {
            peer: PeerKey(*peer.as_bytes()),
            keys: RwLock::default(),
            offered: RwLock::default(),
            terms,
            seated: Mutex::default(),
        }
    }

    /// How much is given.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Takes a place for one more stream of an account; none if it has as many as it may.
    pub(super) fn seat(&self, account: &str) -> Option<Seat<'_>> {
        let mut seated = self.seated();
        let count = seated.entry(account.to_owned()).or_default();
        if *count >= self.terms.streams_per_account {
            return None;
        }
        *count += 1;
        let account = account.to_owned();
        Some(Seat {
            gate: self,
            account,
        })
    }

    fn seated(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the keys with which the server signs from now on.
    pub fn set_keys(&self, keys: Vec<(KeyId, [u8; 32])>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Lets whoever shows the secret have a content, until [`Self::withdraw`].
    pub fn offer(&self, secret: [u8; SECRET_BYTES], root: Root) {
        let mut offered = self.offered.write().unwrap_or_else(PoisonError::into_inner);
        offered.insert(secret, root);
    }

    /// Makes a secret worthless.
    pub fn withdraw(&self, secret: &[u8; SECRET_BYTES]) {
        let mut offered = self.offered.write().unwrap_or_else(PoisonError::into_inner);
        offered.remove(secret);
    }

    /// Checks a permission to bring something to this peer.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn receive(&self, ticket: &[u8], root: Root) -> Result<Ticket, Refused> {
        self.verify(ticket, root, Right::Put)
    }

    /// Decides whether a caller may have a content; `is_member` looks into a collection. Tells whose ticket it was.
    pub(super) fn admit<E>(
        &self,
        root: &Root,
        open: &Open,
        is_member: impl FnOnce(&Root) -> Result<bool, E>,
    ) -> Result<Option<String>, Denied> {
        let mut account = None;
        let allowed = match <[u8; 32]>::try_from(&*open.collection) {
            Ok(collection) => Root::from_bytes(collection),
            Err(_) => *root,
        };
        if open.ticket.is_empty() {
            let offered = self.offered.read().unwrap_or_else(PoisonError::into_inner);
            let secret = <[u8; SECRET_BYTES]>::try_from(&*open.secret).ok();
            // Looked up by its hash in the map: the time tells nothing of which secrets there are.
            if secret.and_then(|secret| offered.get(&secret)) != Some(&allowed) {
                return Err(Denied::NotOffered);
            }
        } else {
            account = Some(self.verify(&open.ticket, allowed, Right::Fetch)?.account);
        }
        if allowed == *root || is_member(&allowed).unwrap_or(false) {
            Ok(account)
        } else {
            Err(Denied::NoMember)
        }
    }

    fn verify(&self, ticket: &[u8], content: Root, right: Right) -> Result<Ticket, Refused> {
        let wanted = Wanted {
            peer: self.peer,
            content,
            // The server signs for contents only; tickets for all of an account's are not honoured here.
            owner: "",
            right,
        };
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Ticket::verify(ticket, &keys, &wanted, now_ms())
    }
}
