//! A store in a directory of its own, and short ways to fill it.

use std::sync::Arc;

use super::*;

pub(super) const FILES_MAX: u64 = 3_200;

pub(super) struct Fixture {
    pub(super) reader: FileReader,
    pub(super) store: FileStore,
    pub(super) live: LivePeers,
    pub(super) index: Option<WordIndex>,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap())
    }

    fn open(folder: tempfile::TempDir) -> Self {
        let path = folder.path().join("files.sqlite");
        let (store, renewed) = FileStore::open(&path).unwrap();
        assert!(renewed.is_none());
        Self {
            reader: FileReader::open(&path).unwrap(),
            store,
            live: LivePeers::new(),
            index: None,
            folder,
        }
    }

    pub(super) fn reopen(self) -> Self {
        Self::open(self.close())
    }

    pub(super) fn close(self) -> tempfile::TempDir {
        drop(self.reader);
        drop(self.store);
        self.folder
    }

    pub(super) fn commit(&mut self, change: FileChange) -> FileOutcome {
        self.store.commit(&[change]).unwrap().remove(0)
    }

    /// Announces a peer, which is live then.
    pub(super) fn set_peer(&mut self, id: &str, login: &str) -> (FilePeer, bool) {
        let FileOutcome::Peer { peer, is_new } = self.commit(peer_set(id, login)) else {
            panic!("the peer was refused");
        };
        self.live.insert(peer.number, Arc::new((*peer).clone()));
        (*peer, is_new)
    }

    pub(super) fn publish(
        &mut self,
        id: &str,
        (from, to): (u64, u64),
        put: &[FileEntry],
        remove: &[&str],
    ) -> Result<u64, FileRefused> {
        let change = FileChange::Published {
            id: id.to_owned(),
            from,
            to,
            put: put.to_vec(),
            remove: remove.iter().map(|file| (*file).to_owned()).collect(),
            files_max: FILES_MAX,
        };
        match self.commit(change) {
            FileOutcome::Peer { peer, .. } => {
                self.live.retain(|_, other| other.draft.id != id);
                let revision = peer.revision;
                self.live.insert(peer.number, Arc::new(*peer));
                Ok(revision)
            }
            FileOutcome::Refused(reason) => Err(reason),
            FileOutcome::Done => panic!("no answer to what was published"),
        }
    }

    pub(super) fn search(&self, search: &FileSearch, login: &str) -> FilePage {
        self.reader
            .search(search, &viewer(login), &self.live, self.index.as_ref())
            .unwrap()
    }

    /// The names of everything that somebody sees, in order.
    pub(super) fn names(&self, login: &str) -> Vec<String> {
        names(&self.search(&FileSearch::default(), login))
    }
}

pub(super) fn names(page: &FilePage) -> Vec<String> {
    let contents = page.contents.iter();
    contents.map(|content| content.name.clone()).collect()
}

pub(super) fn account(login: &str) -> AudienceMember {
    AudienceMember {
        name: login.to_owned(),
        created_ms: 1,
    }
}

pub(super) fn viewer(login: &str) -> FileViewer {
    FileViewer {
        login: login.to_owned(),
        account_ms: 1,
        rooms: Vec::new(),
        guest_of: None,
    }
}

pub(super) fn peer_set(id: &str, login: &str) -> FileChange {
    FileChange::PeerSet {
        draft: PeerDraft {
            id: id.to_owned(),
            login: login.to_owned(),
            account_ms: 1,
            name: format!("{login}'s"),
            addresses: vec!["192.0.2.1:7070".to_owned()],
            key: [7; 32],
            relay: false,
            sealed: false,
        },
        now_ms: 1_000,
        peers_max: 3,
    }
}

/// A file for everyone; its root is made of the number.
pub(super) fn entry(name: &str, root: u8) -> FileEntry {
    FileEntry {
        file: name.to_owned(),
        name: name.rsplit('/').next().unwrap_or(name).to_owned(),
        path: name.to_owned(),
        size: u64::from(root) * 100,
        root: [root; 32],
        media_type: "text/plain".to_owned(),
        kind: FileKind::File,
        have: None,
        part: 1.0,
        since_ms: u64::from(root) * 1_000,
        audience: Audience::Everyone,
    }
}

pub(super) fn link(id: &str, login: &str, root: u8) -> FileLink {
    FileLink {
        id: id.to_owned(),
        hash: [root + 100; 32],
        login: login.to_owned(),
        account_ms: 1,
        root: [root; 32],
        created_ms: 5,
        expires_ms: Some(9),
    }
}
