//! Who is believed.

use std::sync::Arc;

use directory::files::{AudienceMember, FileHolder, FileKind, FilePeer, PeerDraft};

use super::*;

fn content(size: u64, peers: &[(&str, &str)]) -> FileContent {
    let holder = |(id, login): &(&str, &str)| FileHolder {
        peer: Arc::new(FilePeer {
            draft: PeerDraft {
                id: (*id).to_owned(),
                login: (*login).to_owned(),
                account_ms: 1,
                name: String::new(),
                addresses: Vec::new(),
                key: [0; 32],
                relay: false,
                sealed: false,
            },
            number: 1,
            revision: 1,
            files: 1,
            seen_ms: 1,
        }),
        path: "a".to_owned(),
        have: None,
        part: 1.0,
        since_ms: 1,
    };
    FileContent {
        root: [5; 32],
        size,
        name: "a".to_owned(),
        names: vec!["a".to_owned()],
        media_type: "text/plain".to_owned(),
        kind: FileKind::File,
        since_ms: 1,
        holders: peers.iter().map(holder).collect(),
    }
}

fn viewer(login: &str) -> FileViewer {
    FileViewer {
        login: login.to_owned(),
        account_ms: 1,
        rooms: Vec::new(),
        guest_of: None,
    }
}

fn sizes(viewer: &FileViewer, standing: impl Fn(&str) -> Standing) -> Vec<u64> {
    let contents = vec![
        content(1, &[("e1", "eve"), ("e2", "Eve"), ("e3", "eve")]),
        content(2, &[("b1", "ben")]),
        content(3, &[("c1", "carl"), ("d1", "dora")]),
    ];
    Stated::new(contents, viewer, standing).sizes()
}

#[test]
fn accounts_count_and_not_their_peers() {
    assert_eq!(sizes(&viewer("ana"), |_| Standing::Usual), [3, 1, 2]);
}

#[test]
fn ones_own_peers_and_those_of_who_made_the_link_are_believed() {
    assert_eq!(sizes(&viewer("BEN"), |_| Standing::Usual), [2, 3, 1]);
    let guest = FileViewer {
        guest_of: Some(AudienceMember {
            name: "ben".to_owned(),
            created_ms: 1,
        }),
        ..viewer("ana")
    };
    assert_eq!(sizes(&guest, |_| Standing::Usual), [2, 3, 1]);
}

#[test]
fn whoever_lied_bears_nothing_out() {
    let hidden = |peer: &str| match peer {
        "c1" | "d1" => Standing::Hidden,
        _ => Standing::Usual,
    };
    assert_eq!(sizes(&viewer("ana"), hidden), [1, 2]);
    let last = |peer: &str| match peer {
        "c1" | "d1" | "e1" | "e2" | "e3" => Standing::Last,
        _ => Standing::Usual,
    };
    assert_eq!(sizes(&viewer("ana"), last), [2, 1, 3]);
}
