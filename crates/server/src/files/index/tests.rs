//! Who is live, by a clock that the tests turn.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::config::Config;

struct Fixture {
    index: Index,
    told: Receiver<ToReader>,
    _folder: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let settings = config::Files {
        max_peers_per_account: 2,
        ..Config::default().files
    };
    let (readings, told) = channel();
    let path = folder.path().join("files.sqlite");
    let counts = Arc::new(FileCounts::default());
    let (changes, _) = channel();
    let index = Index::open(&path, &Arc::new(settings), counts, readings, changes).unwrap();
    Fixture {
        index,
        told,
        _folder: folder,
    }
}

fn account(login: &str) -> AudienceMember {
    AudienceMember {
        name: login.to_owned(),
        created_ms: 1,
    }
}

impl Fixture {
    fn announce(&mut self, id: &str, login: &str, now_ms: u64) -> Result<u64, FilesError> {
        self.announce_taking(id, login, None, now_ms)
    }

    fn announce_taking(
        &mut self,
        id: &str,
        login: &str,
        takes: Option<bool>,
        now_ms: u64,
    ) -> Result<u64, FilesError> {
        let draft = PeerDraft {
            id: id.to_owned(),
            login: login.to_owned(),
            account_ms: 1,
            name: id.to_owned(),
            addresses: Vec::new(),
            key: [0; 32],
            relay: false,
            sealed: false,
        };
        let announced = self.index.announce(draft, takes, now_ms);
        announced.map(|(peer, _)| peer.number)
    }

    fn live(&self) -> Vec<String> {
        let nobody = account("nobody");
        let views = self.index.peers(&nobody, false, |_| true).unwrap();
        views
            .iter()
            .map(|view| view.peer.draft.id.clone())
            .collect()
    }

    /// What the reader was told: numbers that are live, and below zero those that are no more.
    fn told(&self) -> Vec<i64> {
        let told = self.told.try_iter().map(|told| match told {
            ToReader::Live(peer) => i64::try_from(peer.number).unwrap(),
            ToReader::Gone(number) => -i64::try_from(number).unwrap(),
            ToReader::Look(_) | ToReader::Renewed(_) | ToReader::Indexed { .. } | ToReader::End => {
                panic!("nothing else happened")
            }
        });
        told.collect()
    }
}

#[test]
fn silence_drops_a_peer_and_heartbeats_and_publishing_keep_it() {
    let mut fixture = fixture();
    for id in ["a", "b", "c"] {
        assert!(fixture.announce(id, &format!("of {id}"), 1_000).is_ok());
    }
    assert_eq!(fixture.told(), [1, 2, 3]);
    assert_eq!(
        fixture.index.hear("b", &account("of b"), 10_000),
        Ok((0, 0))
    );
    let owner = account("of c");
    let published = fixture
        .index
        .publish("c", &owner, (0, 4), Vec::new(), Vec::new(), 12_000);
    assert_eq!(published, Ok(4));
    fixture.index.expire(15_999);
    assert_eq!(fixture.live(), ["a", "b", "c"]);
    fixture.index.expire(16_000);
    assert_eq!(fixture.live(), ["b", "c"]);
    assert_eq!(fixture.told(), [3, -1]);
    let silent = fixture.index.hear("a", &account("of a"), 16_001);
    assert_eq!(silent, Err(FilesError::NotFound));
    fixture.index.expire(25_000);
    assert_eq!(fixture.live(), ["c"]);
    // It goes on from its revision.
    fixture.index.expire(40_000);
    assert_eq!(fixture.live(), Vec::<String>::new());
    assert_eq!(fixture.announce("c", "of c", 50_000), Ok(3));
    assert_eq!(fixture.index.hear("c", &owner, 50_001), Ok((4, 0)));
    assert_eq!(fixture.index.counts.live.load(Ordering::Relaxed), 1);
}

#[test]
fn files_that_begin_anew_have_another_number() {
    let mut fixture = fixture();
    fixture.announce("a", "ana", 0).unwrap();
    let owner = account("ana");
    for to in [1, 2] {
        let published = fixture
            .index
            .publish("a", &owner, (0, to), Vec::new(), Vec::new(), 0);
        assert_eq!(published, Ok(to));
    }
    assert_eq!(fixture.told(), [1, 1, -1, 2]);
}

#[test]
fn the_peer_that_was_silent_for_longest_makes_room() {
    let mut fixture = fixture();
    let owner = account("ana");
    fixture.announce("a", "ana", 0).unwrap();
    fixture.announce("b", "ana", 1).unwrap();
    assert_eq!(
        fixture.announce("c", "ana", 2),
        Err(FilesError::TooManyPeers)
    );
    for (id, at_ms) in [("b", 10), ("a", 20)] {
        fixture.index.log_out(id, &owner, false, at_ms).unwrap();
    }
    // The last word of a peer is when it was announced or heard, not when it went.
    fixture.announce("c", "ana", 30).unwrap();
    let views = fixture.index.peers(&owner, true, |_| true).unwrap();
    let ids: Vec<_> = views
        .iter()
        .map(|view| (&*view.peer.draft.id, view.is_live))
        .collect();
    assert_eq!(ids, [("a", false), ("c", true)]);
}

#[test]
fn what_nobody_heard_of_for_long_is_forgotten() {
    let mut fixture = fixture();
    let owner = account("ana");
    fixture.announce("a", "ana", 0).unwrap();
    fixture.index.expire(15_000);
    fixture.index.expire(FORGET_MS);
    assert_eq!(
        fixture.index.peers(&owner, true, |_| true).unwrap().len(),
        1
    );
    fixture.index.expire(FORGET_MS + CLEAN_MS);
    assert_eq!(
        fixture.index.peers(&owner, true, |_| true).unwrap().len(),
        0
    );
}

#[test]
fn the_one_that_was_picked_longest_ago_is_picked_of_those_who_take_files() {
    let mut fixture = fixture();
    fixture.announce("from", "ana", 0).unwrap();
    let owner = account("ana");
    let pick = |fixture: &mut Fixture, tried: &[&str]| {
        let tried = tried.iter().map(|id| (*id).to_owned()).collect();
        let picked = fixture.index.offer("from", &owner, &OfferTo::Any(tried))?;
        Ok(picked[0].draft.id.clone())
    };
    fixture
        .announce_taking("share", "ben", Some(false), 0)
        .unwrap();
    assert_eq!(pick(&mut fixture, &[]), Err(FilesError::NotFound));
    fixture.announce("old", "carl", 0).unwrap();
    assert_eq!(pick(&mut fixture, &[]).as_deref(), Ok("old"));
    for (id, login) in [("x", "dora"), ("y", "eve")] {
        fixture.announce_taking(id, login, Some(true), 0).unwrap();
    }
    // What it was named for otherwise does not count.
    for _ in 0..5 {
        let named = fixture
            .index
            .offer("from", &owner, &OfferTo::Peer("x".into()));
        assert!(named.is_ok());
    }
    assert_eq!(pick(&mut fixture, &[]).as_deref(), Ok("x"));
    fixture.announce_taking("x", "dora", Some(true), 1).unwrap();
    for expected in ["y", "x", "y"] {
        assert_eq!(pick(&mut fixture, &[]).as_deref(), Ok(expected));
    }
    assert_eq!(pick(&mut fixture, &["x"]).as_deref(), Ok("y"));
    assert_eq!(pick(&mut fixture, &["x", "y"]).as_deref(), Ok("old"));
    let nobody = pick(&mut fixture, &["x", "y", "old"]);
    assert_eq!(nobody, Err(FilesError::NotFound));
}

#[test]
fn offers_name_those_whom_they_are_for() {
    let mut fixture = fixture();
    for (id, login) in [("a", "ana"), ("b", "ben"), ("c", "carl"), ("d", "ana")] {
        fixture.announce(id, login, 0).unwrap();
    }
    let owner = account("ana");
    let mut offer = |to: &OfferTo| {
        let peers = fixture.index.offer("a", &owner, to)?;
        Ok(peers
            .iter()
            .map(|peer| peer.draft.id.clone())
            .collect::<Vec<_>>())
    };
    let mut any = || offer(&OfferTo::Any(HashSet::new())).unwrap();
    let mut named: Vec<_> = (0..4).flat_map(|_| any()).collect();
    named.sort();
    assert_eq!(named, ["b", "b", "c", "c"]);
    let accounts = |logins: &[&str]| {
        OfferTo::Accounts(logins.iter().map(|login| (*login).to_owned()).collect())
    };
    assert_eq!(
        offer(&accounts(&["BEN", "ana"])),
        Ok(vec!["b".to_owned(), "d".to_owned()])
    );
    assert_eq!(offer(&accounts(&["eve"])), Err(FilesError::NotFound));
    assert_eq!(
        offer(&OfferTo::Peer("a".to_owned())),
        Err(FilesError::NotFound)
    );
    let heard = fixture.index.hear("b", &account("ben"), 1);
    assert_eq!(heard, Ok((0, 3)));
}
