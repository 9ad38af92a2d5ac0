//! Recognising a login that has just been verified, without hashing again.
//!
//! Verifying a password takes tens of milliseconds on purpose. A program that
//! opens a connection per message would spend the machine on it; the cache
//! makes its second login cheap. A wrong password never gets cheaper.

use std::collections::HashMap;

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};
use subtle::ConstantTimeEq;

use crate::limits::PASSWORD_BYTES_MAX;
use crate::password::PasswordError;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// Logins verified before, each as a keyed hash of login, password and stored
/// hash.
///
/// The key is random and never leaves memory, so what is kept is worth nothing
/// without this process. A changed stored hash no longer matches, which is what
/// forgets an old password; [`CredentialCache::forget`] only frees the entry.
///
/// Concurrency: owned by one thread.
pub struct CredentialCache {
    key: [u8; KEY_BYTES],
    entries: HashMap<String, Entry>,
    capacity: usize,
    /// Counts uses; the entry with the lowest is the one to give up.
    clock: u64,
}

struct Entry {
    tag: [u8; TAG_BYTES],
    last_used: u64,
}

// Written by hand so that the key never reaches a log.
impl std::fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialCache")
            .field("entries", &self.entries.len())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl CredentialCache {
    /// Makes an empty cache with a key of its own.
    ///
    /// Units: `capacity` logins, about 200 bytes each; 0 remembers nothing.
    ///
    /// Errors: the operating system gives no random numbers.
    pub fn new(capacity: usize) -> Result<Self, PasswordError> {
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(PasswordError::Random)?;
        Ok(Self {
            key,
            entries: HashMap::new(),
            capacity,
            clock: 0,
        })
    }

    /// Tells whether exactly this was verified before; `false` means that
    /// [`crate::password::verify`] has to decide.
    pub fn recalls(&mut self, login: &str, password: &str, stored_hash: &str) -> bool {
        if password.is_empty() || password.len() > PASSWORD_BYTES_MAX {
            return false;
        }
        if !self.entries.contains_key(login) {
            return false;
        }
        let tag = self.tag(login, password, stored_hash);
        self.clock += 1;
        let clock = self.clock;
        self.entries.get_mut(login).is_some_and(|entry| {
            let same = bool::from(entry.tag.ct_eq(&tag));
            if same {
                entry.last_used = clock;
            }
            same
        })
    }

    /// Remembers what [`crate::password::verify`] has just said yes to.
    ///
    /// One entry per login; a full cache gives up the one unused for longest.
    pub fn remember(&mut self, login: &str, password: &str, stored_hash: &str) {
        if self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity && !self.entries.contains_key(login) {
            // A scan, but only ever after tens of milliseconds of hashing.
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.last_used)
                .map(|(login, _)| login.clone());
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        self.clock += 1;
        let entry = Entry {
            tag: self.tag(login, password, stored_hash),
            last_used: self.clock,
        };
        self.entries.insert(login.to_owned(), entry);
    }

    /// Forgets a login.
    pub fn forget(&mut self, login: &str) {
        self.entries.remove(login);
    }

    fn tag(&self, login: &str, password: &str, stored_hash: &str) -> [u8; TAG_BYTES] {
        let mut mac = Blake2bMac::<U32>::new_from_slice(&self.key)
            .expect("the key is no longer than the hash function takes");
        for part in [login, password, stored_hash] {
            // The length keeps `ab`+`c` and `a`+`bc` apart.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests;
