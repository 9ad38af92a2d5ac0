//! Older peers that are there, and the names of their files: what they said themselves, kept for as long as they go on saying that they
//! are there. There is nothing by which such a file could be known but its name, so it is in no other index.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest address.
pub(super) const URL_BYTES_MAX: usize = 512;
/// The longest name of a file, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 1_024;
/// Files of one peer, and of all.
const FILES_MAX: usize = 10_000;
const ALL_FILES_MAX: usize = 200_000;
/// How much longer than its silence may last a peer is remembered, in case it says something again.
const REMEMBERED: u32 = 60;

/// The peers; cheap to clone.
#[derive(Clone)]
pub(super) struct Peers(Arc<Inner>);

struct Inner {
    silence: Duration,
    max: usize,
    table: Mutex<HashMap<String, Peer>>,
}

struct Peer {
    user: String,
    files: BTreeSet<String>,
    heard: Instant,
}

/// Why something is not taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Nobody logged in with this address.
    Stranger,
    /// There are as many as there may be.
    Full,
}

impl Peers {
    pub(super) fn new(silence: Duration, max: usize) -> Self {
        Self(Arc::new(Inner {
            silence,
            max,
            table: Mutex::default(),
        }))
    }

    /// A peer is there, and has no files yet.
    ///
    /// # Errors
    /// There are as many as there may be.
    pub(super) fn log_in(&self, url: &str, user: &str) -> Result<(), NoPlace> {
        let forgotten = self.0.silence * REMEMBERED;
        let mut table = self.table();
        table.retain(|_, peer| peer.heard.elapsed() < forgotten);
        if table.len() >= self.0.max && !table.contains_key(url) {
            return Err(NoPlace::Full);
        }
        let peer = Peer {
            user: user.to_owned(),
            files: BTreeSet::new(),
            heard: Instant::now(),
        };
        table.insert(url.to_owned(), peer);
        Ok(())
    }

    /// A user's peers go; false when none was there.
    pub(super) fn log_out(&self, user: &str) -> bool {
        let mut table = self.table();
        let was_there = table
            .values()
            .any(|peer| peer.user == user && self.is_live(peer));
        table.retain(|_, peer| peer.user != user);
        was_there
    }

    /// A peer is still there; false when nobody logged in with this address.
    pub(super) fn ping(&self, url: &str) -> bool {
        let mut table = self.table();
        let Some(peer) = table.get_mut(url) else {
            return false;
        };
        peer.heard = Instant::now();
        true
    }

    /// A peer has these files, too.
    ///
    /// # Errors
    /// Nobody logged in with this address, or there are too many.
    pub(super) fn index(&self, url: &str, files: Vec<String>) -> Result<(), NoPlace> {
        let mut table = self.table();
        let all: usize = table.values().map(|peer| peer.files.len()).sum();
        let peer = table.get_mut(url).ok_or(NoPlace::Stranger)?;
        peer.heard = Instant::now();
        let is_new = |name: &&String| !peer.files.contains(*name);
        let more = files.iter().filter(is_new).count();
        if peer.files.len() + more > FILES_MAX || all + more > ALL_FILES_MAX {
            return Err(NoPlace::Full);
        }
        peer.files.extend(files);
        Ok(())
    }

    /// The addresses of those who have a file, in order.
    pub(super) fn holders(&self, name: &str) -> Vec<String> {
        let table = self.table();
        let live = table.iter().filter(|(_, peer)| self.is_live(peer));
        let having = live.filter(|(_, peer)| peer.files.contains(name));
        let mut urls: Vec<_> = having.map(|(url, _)| url.clone()).collect();
        urls.sort();
        urls
    }

    /// The address of another peer to give a file to: one that does not have it if there is one, and of those the one with the fewest.
    pub(super) fn taker(&self, name: &str, own: &str) -> Option<String> {
        let table = self.table();
        let live = table.iter().filter(|(_, peer)| self.is_live(peer));
        let others = live.filter(|(url, _)| *url != own);
        let best = others.min_by_key(|(url, peer)| {
            (peer.files.contains(name), peer.files.len(), (*url).clone())
        });
        best.map(|(url, _)| url.clone())
    }

    fn is_live(&self, peer: &Peer) -> bool {
        peer.heard.elapsed() < self.0.silence
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Peer>> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn peers_are_there_while_they_say_so() {
        let peers = Peers::new(Duration::from_millis(40), 2);
        assert_eq!(peers.index("a", names(&["x"])), Err(NoPlace::Stranger));
        assert!(!peers.ping("a"));
        peers.log_in("a", "ana").expect("there is room");
        peers.index("a", names(&["x", "y"])).expect("there is room");
        assert_eq!(peers.holders("x"), ["a"]);
        while !peers.holders("x").is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!peers.log_out("ana") && !peers.ping("a"), "she fell silent");
    }

    #[test]
    fn a_file_goes_to_another_peer_that_has_it_not() {
        let peers = Peers::new(Duration::from_secs(60), 3);
        for (url, user) in [("a", "ana"), ("b", "bob"), ("c", "eva")] {
            peers.log_in(url, user).expect("there is room");
        }
        assert_eq!(peers.log_in("d", "dan"), Err(NoPlace::Full));
        peers.index("b", names(&["x"])).expect("there is room");
        assert_eq!(peers.taker("x", "a").as_deref(), Some("c"));
        assert!(peers.log_out("eva"));
        assert_eq!(peers.taker("x", "a").as_deref(), Some("b"));
        assert!(peers.log_out("bob"));
        assert_eq!(peers.taker("x", "a"), None);
    }

    #[test]
    fn lists_of_files_have_an_end() {
        let peers = Peers::new(Duration::from_secs(60), 3);
        peers.log_in("a", "ana").expect("there is room");
        let many = (0..FILES_MAX).map(|number| number.to_string()).collect();
        peers
            .index("a", many)
            .expect("it is as many as there may be");
        assert_eq!(peers.index("a", names(&["one more"])), Err(NoPlace::Full));
        peers
            .index("a", names(&["7"]))
            .expect("it is there already");
    }
}
