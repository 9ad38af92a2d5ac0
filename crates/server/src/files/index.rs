//! The store, and who is live: what the thread of the file index owns. Time is a parameter.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use directory::Failure;
use directory::files::{
    AudienceMember, FileChange, FileEntry, FileOutcome, FilePeer, FileRefused, FileStore, PeerDraft,
};

use super::reading::ToReader;
use super::word_indexer::ToIndexer;
use super::{CLEAN_MS, FORGET_MS, FileCounts, FilesError, open_store};
use crate::config;

/// The most receivers of one offer.
const RECEIVERS_MAX: usize = 100;

/// The store and who is live.
pub(crate) struct Index {
    store: FileStore,
    live: BTreeMap<String, LivePeer>,
    settings: Arc<config::Files>,
    counts: Arc<FileCounts>,
    readings: Sender<ToReader>,
    changes: Sender<ToIndexer>,
    /// How many times there was another file.
    generation: u64,
    /// How many times a peer was picked for somebody.
    picks: u64,
    /// When it is looked next for peers that nobody has heard of for long.
    clean_due_ms: u64,
    is_over: bool,
}

struct LivePeer {
    peer: Arc<FilePeer>,
    heard_ms: u64,
    /// How often it was named to somebody who has something to send.
    offers: u64,
    /// Whether it takes files, if it said so.
    takes: Option<bool>,
    /// Which pick it was when it was picked last, counted from 1; 0 is never.
    picked: u64,
}

/// A peer as listings show it.
#[derive(Debug, Clone)]
pub(crate) struct PeerView {
    pub(crate) peer: Arc<FilePeer>,
    pub(crate) is_live: bool,
    pub(crate) is_own: bool,
}

/// To whom something is offered.
#[derive(Debug, Clone)]
pub(crate) enum OfferTo {
    /// One peer.
    Peer(String),
    /// All peers of these accounts, by their logins.
    Accounts(Vec<String>),
    /// One peer of somebody else, whichever takes files, but none of these.
    Any(HashSet<String>),
}

impl Index {
    /// Opens the store; nobody is live yet.
    pub(super) fn open(
        path: &Path,
        settings: &Arc<config::Files>,
        counts: Arc<FileCounts>,
        readings: Sender<ToReader>,
        changes: Sender<ToIndexer>,
    ) -> Result<Self, Failure> {
        let store = open_store(path)?;
        let files = store.count_files()?;
        let index = Self {
            store,
            live: BTreeMap::new(),
            settings: settings.clone(),
            counts,
            readings,
            changes,
            generation: 0,
            picks: 0,
            clean_due_ms: 0,
            is_over: false,
        };
        index.note_changes(files);
        Ok(index)
    }

    /// A peer says who it is, and perhaps whether it takes files, and is live.
    pub(crate) fn announce(
        &mut self,
        draft: PeerDraft,
        takes: Option<bool>,
        now_ms: u64,
    ) -> Result<(Arc<FilePeer>, bool), FilesError> {
        let owner = owner_of(&draft);
        let id = draft.id.clone();
        let change = FileChange::PeerSet {
            draft,
            now_ms,
            peers_max: self.settings.max_peers_per_account.into(),
        };
        let mut outcome = self.commit(change.clone())?;
        if outcome == FileOutcome::Refused(FileRefused::TooMany) {
            self.make_room(&owner)?;
            outcome = self.commit(change)?;
        }
        let (peer, is_new) = peer_of(outcome, FilesError::TooManyPeers)?;
        let live = LivePeer {
            peer: peer.clone(),
            heard_ms: now_ms,
            offers: 0,
            takes,
            // Announcing oneself again brings nobody to the front.
            picked: self.live.get(&id).map_or(0, |before| before.picked),
        };
        if let Some(before) = self.live.insert(id, live)
            && before.peer.number != peer.number
        {
            self.tell(ToReader::Gone(before.peer.number));
        }
        self.tell(ToReader::Live(peer.clone()));
        self.count();
        Ok((peer, is_new))
    }

    /// Forgets the peer of an account that was silent for longest.
    fn make_room(&mut self, owner: &AudienceMember) -> Result<(), FilesError> {
        let peers = self.store.peers_of(owner);
        let peers = peers.map_err(|failure| unavailable(&failure))?.into_iter();
        let silent = peers.filter(|peer| !self.live.contains_key(&peer.draft.id));
        let oldest = silent.min_by_key(|peer| peer.seen_ms);
        let oldest = oldest.ok_or(FilesError::TooManyPeers)?;
        self.commit(FileChange::PeerForgotten {
            id: oldest.draft.id,
        })?;
        Ok(())
    }

    /// A peer is still there; returns the revision of its files, and how often it was named.
    pub(crate) fn hear(
        &mut self,
        id: &str,
        owner: &AudienceMember,
        now_ms: u64,
    ) -> Result<(u64, u64), FilesError> {
        let live = self.own(id, owner)?;
        live.heard_ms = now_ms;
        Ok((live.peer.revision, live.offers))
    }

    /// Makes sure that a peer is an account's and live.
    pub(crate) fn check_own(&mut self, id: &str, owner: &AudienceMember) -> Result<(), FilesError> {
        self.own(id, owner).map(|_| ())
    }

    /// A peer says what it has; returns the revision that is there then.
    pub(crate) fn publish(
        &mut self,
        id: &str,
        owner: &AudienceMember,
        (from, to): (u64, u64),
        put: Vec<FileEntry>,
        remove: Vec<String>,
        now_ms: u64,
    ) -> Result<u64, FilesError> {
        let live = self.own(id, owner)?;
        live.heard_ms = now_ms;
        let before = live.peer.number;
        let changes = put.len() + remove.len();
        let outcome = self.commit(FileChange::Published {
            id: id.to_owned(),
            from,
            to,
            put,
            remove,
            files_max: self.settings.max_files_per_peer,
        })?;
        let (peer, _) = peer_of(outcome, FilesError::TooManyFiles)?;
        if let Some(live) = self.live.get_mut(id) {
            live.peer = peer.clone();
        }
        if before != peer.number {
            self.tell(ToReader::Gone(before));
        }
        let revision = peer.revision;
        self.tell(ToReader::Live(peer));
        self.note_changes(changes as u64);
        self.count();
        Ok(revision)
    }

    /// A peer goes; if it is to be forgotten, with all its files.
    pub(crate) fn log_out(
        &mut self,
        id: &str,
        owner: &AudienceMember,
        is_forgotten: bool,
        now_ms: u64,
    ) -> Result<(), FilesError> {
        let known = self
            .store
            .peer(id)
            .map_err(|failure| unavailable(&failure))?;
        let is_own = known.is_some_and(|peer| peer.is_of(&owner.name, owner.created_ms));
        if !is_own {
            return Err(FilesError::NotFound);
        }
        self.drop_live(id, now_ms)?;
        if is_forgotten {
            self.commit(FileChange::PeerForgotten { id: id.to_owned() })?;
        }
        self.count();
        Ok(())
    }

    /// Peers behind an id, by id: those that are live, and perhaps those of one's own that are not.
    pub(crate) fn peers(
        &self,
        owner: &AudienceMember,
        with_silent: bool,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<PeerView>, FilesError> {
        let is_own = |peer: &FilePeer| peer.is_of(&owner.name, owner.created_ms);
        let live = self.live.values().map(|live| PeerView {
            peer: live.peer.clone(),
            is_live: true,
            is_own: is_own(&live.peer),
        });
        let mut views: Vec<_> = live.filter(|view| is_wanted(&view.peer.draft.id)).collect();
        if with_silent {
            let own = self.store.peers_of(owner);
            let own = own.map_err(|failure| unavailable(&failure))?.into_iter();
            let silent = own.filter(|peer| !self.live.contains_key(&peer.draft.id));
            let silent = silent.filter(|peer| is_wanted(&peer.draft.id));
            views.extend(silent.map(|peer| PeerView {
                peer: Arc::new(peer),
                is_live: false,
                is_own: true,
            }));
            views.sort_by(|one, other| one.peer.draft.id.cmp(&other.peer.draft.id));
        }
        Ok(views)
    }

    /// Names those to whom a live peer may send something, and notes that it did.
    pub(crate) fn offer(
        &mut self,
        from: &str,
        owner: &AudienceMember,
        to: &OfferTo,
    ) -> Result<Vec<Arc<FilePeer>>, FilesError> {
        self.own(from, owner)?;
        let others = self.live.iter().filter(|(id, _)| *id != from);
        let wanted: Vec<String> = match to {
            OfferTo::Peer(id) => others
                .filter(|(other, _)| *other == id)
                .map(|(id, _)| id.clone())
                .collect(),
            OfferTo::Accounts(logins) => {
                let logins: HashSet<_> = logins
                    .iter()
                    .map(|login| login.to_ascii_lowercase())
                    .collect();
                others
                    .filter(|(_, live)| {
                        logins.contains(&live.peer.draft.login.to_ascii_lowercase())
                    })
                    .map(|(id, _)| id.clone())
                    .take(RECEIVERS_MAX)
                    .collect()
            }
            OfferTo::Any(tried) => {
                let picked = others
                    .filter(|(_, live)| !live.peer.is_of(&owner.name, owner.created_ms))
                    .filter(|(id, live)| live.takes != Some(false) && !tried.contains(*id))
                    // Whoever did not say is asked when nobody is left who takes files.
                    .min_by_key(|(_, live)| (live.takes.is_none(), live.picked))
                    .map(|(id, _)| id.clone());
                self.picks += 1;
                if let Some(live) = picked.as_ref().and_then(|id| self.live.get_mut(id)) {
                    live.picked = self.picks;
                }
                picked.into_iter().collect()
            }
        };
        if wanted.is_empty() {
            return Err(FilesError::NotFound);
        }
        self.counts.offers.fetch_add(1, Ordering::Relaxed);
        let receivers = wanted.iter().filter_map(|id| {
            let live = self.live.get_mut(id)?;
            live.offers += 1;
            Some(live.peer.clone())
        });
        Ok(receivers.collect())
    }

    /// Makes a change that is no peer's.
    pub(crate) fn change(&mut self, change: FileChange) -> Result<(), FilesError> {
        match self.commit(change)? {
            FileOutcome::Done | FileOutcome::Peer { .. } => Ok(()),
            FileOutcome::Refused(reason) => Err(error_of(reason, FilesError::TooManyLinks)),
        }
    }

    /// Drops those who fell silent, and now and then forgets those who were silent for very long. Tells whether there is something to be
    /// swept.
    pub(super) fn expire(&mut self, now_ms: u64) -> bool {
        let silence_ms = u64::from(self.settings.silence_s) * 1_000;
        let silent = self.live.iter();
        let silent = silent.filter(|(_, live)| live.heard_ms + silence_ms <= now_ms);
        let silent: Vec<String> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            let heard_ms = self.live.get(id).map_or(now_ms, |live| live.heard_ms);
            // That it was there is noted at the next time; it is out of the answers all the same.
            let _ = self.drop_live(id, heard_ms);
        }
        let must_clean = self.clean_due_ms <= now_ms;
        if must_clean {
            self.clean_due_ms = now_ms + CLEAN_MS;
            self.clean(now_ms);
        }
        if must_clean || !silent.is_empty() {
            self.count();
        }
        must_clean
    }

    fn clean(&mut self, now_ms: u64) {
        let before_ms = now_ms.saturating_sub(FORGET_MS);
        let unseen = self.store.peers_unseen_since(before_ms);
        let unseen = unseen.inspect_err(|failure| {
            unavailable(failure);
        });
        for peer in unseen.unwrap_or_default() {
            let id = peer.draft.id;
            if !self.live.contains_key(&id) {
                // Another time, then.
                let _ = self.commit(FileChange::PeerForgotten { id });
            }
        }
    }

    /// Deletes some of what belonged to peers that are gone; tells whether there is more.
    pub(super) fn sweep(&mut self) -> bool {
        match self.store.sweep() {
            Ok(swept) => {
                self.note_changes(swept.unwrap_or(0) as u64);
                swept.is_some()
            }
            Err(failure) => {
                self.fail(&failure);
                false
            }
        }
    }

    pub(super) const fn end(&mut self) {
        self.is_over = true;
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    fn drop_live(&mut self, id: &str, at_ms: u64) -> Result<(), FilesError> {
        let Some(live) = self.live.remove(id) else {
            return Ok(());
        };
        self.tell(ToReader::Gone(live.peer.number));
        let id = id.to_owned();
        self.commit(FileChange::PeerSeen { id, at_ms })?;
        Ok(())
    }

    /// A live peer of an account.
    fn own(&mut self, id: &str, owner: &AudienceMember) -> Result<&mut LivePeer, FilesError> {
        self.live
            .get_mut(id)
            .filter(|live| live.peer.is_of(&owner.name, owner.created_ms))
            .ok_or(FilesError::NotFound)
    }

    fn commit(&mut self, change: FileChange) -> Result<FileOutcome, FilesError> {
        match self.store.commit(&[change]) {
            Ok(mut outcomes) => outcomes.pop().ok_or(FilesError::Unavailable),
            Err(failure) => Err(self.fail(&failure)),
        }
    }

    /// Says what went wrong. What cannot be trusted any more is opened again; a damaged file begins anew.
    fn fail(&mut self, failure: &Failure) -> FilesError {
        let error = unavailable(failure);
        if self.store.is_poisoned() {
            match open_store(self.store.path()) {
                Ok(store) => {
                    self.store = store;
                    self.live.clear();
                    self.generation += 1;
                    self.tell(ToReader::Renewed(self.generation));
                    // The indexer, too, is gone only when the server stops.
                    let _ = self.changes.send(ToIndexer::Renewed(self.generation));
                    self.count();
                }
                Err(failure) => {
                    unavailable(&failure);
                }
            }
        }
        error
    }

    fn tell(&self, told: ToReader) {
        // The reader is gone only when the server stops.
        let _ = self.readings.send(told);
    }

    /// So many entries came or went.
    fn note_changes(&self, count: u64) {
        if count > 0 {
            let _ = self.changes.send(ToIndexer::Changed(count));
        }
    }

    fn count(&self) {
        let files = self.live.values().map(|live| live.peer.files).sum();
        let live = self.live.len() as u64;
        self.counts.live.store(live, Ordering::Relaxed);
        self.counts.files.store(files, Ordering::Relaxed);
    }
}

fn owner_of(draft: &PeerDraft) -> AudienceMember {
    AudienceMember {
        name: draft.login.clone(),
        created_ms: draft.account_ms,
    }
}

fn peer_of(
    outcome: FileOutcome,
    too_many: FilesError,
) -> Result<(Arc<FilePeer>, bool), FilesError> {
    match outcome {
        FileOutcome::Peer { peer, is_new } => Ok((Arc::new(*peer), is_new)),
        FileOutcome::Done => Err(FilesError::Unavailable),
        FileOutcome::Refused(reason) => Err(error_of(reason, too_many)),
    }
}

const fn error_of(reason: FileRefused, too_many: FilesError) -> FilesError {
    match reason {
        FileRefused::OtherAccount => FilesError::OtherAccount,
        FileRefused::NoPeer | FileRefused::NoLink | FileRefused::Known => FilesError::NotFound,
        FileRefused::WrongRevision(revision) => FilesError::WrongRevision(revision),
        FileRefused::TooMany => too_many,
    }
}

fn unavailable(failure: &Failure) -> FilesError {
    tracing::error!(error = %crate::admin::with_causes(failure), "the file index fails");
    FilesError::Unavailable
}

#[cfg(test)]
mod tests;
