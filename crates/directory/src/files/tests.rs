#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod holders;
mod searching;
mod word_index;

use super::*;
use fixture::*;

#[test]
fn a_peer_is_of_one_account_and_begins_with_nothing() {
    let mut fixture = Fixture::new();
    let (peer, is_new) = fixture.set_peer("p1", "ana");
    assert!(is_new && peer.revision == 0 && peer.files == 0);
    assert!(!fixture.set_peer("p1", "ana").1);
    let other = fixture.commit(peer_set("p1", "ben"));
    assert_eq!(other, FileOutcome::Refused(FileRefused::OtherAccount));
    for id in ["p2", "p3"] {
        fixture.set_peer(id, "ana");
    }
    let fourth = fixture.commit(peer_set("p4", "ana"));
    assert_eq!(fourth, FileOutcome::Refused(FileRefused::TooMany));
}

#[test]
fn differences_are_taken_on_top_of_the_revision_that_is_there_alone() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    assert_eq!(
        fixture.publish("p1", (0, 5), &[entry("a", 1), entry("b", 2)], &[]),
        Ok(5)
    );
    let wrong = fixture.publish("p1", (4, 6), &[entry("c", 3)], &[]);
    assert_eq!(wrong, Err(FileRefused::WrongRevision(5)));
    assert_eq!(fixture.names("ana"), ["a", "b"]);
    assert_eq!(
        fixture.publish("p1", (5, 6), &[entry("c", 3)], &["a", "zzz"]),
        Ok(6)
    );
    assert_eq!(fixture.names("ana"), ["b", "c"]);
    assert_eq!(fixture.store.peer("p1").unwrap().unwrap().files, 2);
    assert_eq!(fixture.publish("p1", (0, 9), &[entry("d", 4)], &[]), Ok(9));
    assert_eq!(fixture.names("ana"), ["d"]);
    while fixture.store.sweep().unwrap().is_some() {}
    let counts = inspect(fixture.store.path()).unwrap();
    assert_eq!(counts.problems, Vec::<String>::new());
    assert_eq!(counts.counts.unwrap().files, 1);
}

#[test]
fn too_many_files_change_nothing() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture
        .publish("p1", (0, 1), &[entry("a", 1)], &[])
        .unwrap();
    let many: Vec<_> = (0..FILES_MAX)
        .map(|at| entry(&format!("f{at}"), 9))
        .collect();
    let refused = fixture.publish("p1", (1, 2), &many, &[]);
    assert_eq!(refused, Err(FileRefused::TooMany));
    assert_eq!(fixture.names("ana"), ["a"]);
    assert_eq!(fixture.store.peer("p1").unwrap().unwrap().revision, 1);
    assert_eq!(fixture.publish("p1", (1, 2), &many, &["a"]), Ok(2));
}

#[test]
fn what_was_published_is_there_after_a_restart() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture
        .publish("p1", (0, 1), &[entry("a", 1)], &[])
        .unwrap();
    let mut fixture = fixture.reopen();
    assert_eq!(fixture.store.peer("p1").unwrap().unwrap().revision, 1);
    fixture.set_peer("p1", "ana");
    assert_eq!(fixture.names("ana"), ["a"]);
}

#[test]
fn a_damaged_file_is_put_aside_and_its_links_are_taken_along() {
    let mut fixture = Fixture::new();
    fixture.set_peer("p1", "ana");
    fixture
        .publish("p1", (0, 1), &[entry("a", 1)], &[])
        .unwrap();
    let made = link("l1", "ana", 1);
    assert_eq!(
        fixture.commit(FileChange::LinkAdded(made.clone())),
        FileOutcome::Done
    );
    let path = fixture.store.path().to_owned();
    let folder = fixture.close();
    // The header says that it is a database; what says where things are is broken.
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "writable_schema", true)
        .unwrap();
    let spoil = "UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 'counters'";
    connection.execute(spoil, []).unwrap();
    drop(connection);
    let (store, renewed) = FileStore::open(&path).unwrap();
    let renewed = renewed.expect("it was damaged");
    assert!(renewed.aside.exists(), "{renewed:?}");
    assert_eq!(store.peer("p1").unwrap(), None);
    let reader = FileReader::open(&path).unwrap();
    let links = reader.link(&made.hash).unwrap();
    // As far as they can be read.
    assert_eq!(links.is_some(), renewed.links == Some(1));
    drop((reader, store, folder));

    let fixture = Fixture::new();
    let path = fixture.store.path().to_owned();
    let _folder = fixture.close();
    std::fs::write(&path, vec![7; 8192]).unwrap();
    let (store, renewed) = FileStore::open(&path).unwrap();
    assert_eq!(renewed.expect("it was no database").links, None);
    assert_eq!(store.peer("p1").unwrap(), None);
}

#[test]
fn links_are_synchronised_and_end_for_their_maker_alone() {
    let mut fixture = Fixture::new();
    let made = link("l1", "ana", 1);
    assert_eq!(
        fixture.commit(FileChange::LinkAdded(made.clone())),
        FileOutcome::Done
    );
    let normal = rusqlite::types::Value::Integer(1);
    assert_eq!(fixture.store.pragma("synchronous"), normal);
    assert_eq!(fixture.reader.link(&made.hash).unwrap(), Some(made.clone()));
    assert_eq!(fixture.reader.links(&account("Ana")).unwrap(), [made]);
    let delete = |login| FileChange::LinkDeleted {
        id: "l1".to_owned(),
        owner: account(login),
    };
    let refused = FileOutcome::Refused(FileRefused::NoLink);
    assert_eq!(fixture.commit(delete("ben")), refused);
    assert_eq!(fixture.commit(delete("ana")), FileOutcome::Done);
    assert_eq!(fixture.commit(delete("ana")), refused);
}

#[test]
fn a_room_is_told_of_a_content_once() {
    let mut fixture = Fixture::new();
    let card = |created_ms, root| FileChange::CardNoted {
        room: AudienceMember {
            name: "lobby".to_owned(),
            created_ms,
        },
        root: [root; 32],
    };
    assert_eq!(fixture.commit(card(1, 1)), FileOutcome::Done);
    let known = FileOutcome::Refused(FileRefused::Known);
    assert_eq!(fixture.commit(card(1, 1)), known);
    assert_eq!(fixture.commit(card(2, 1)), FileOutcome::Done);
    let room = |name: &str| AudienceMember {
        name: name.to_owned(),
        created_ms: 1,
    };
    let untold = |name| {
        fixture
            .reader
            .untold(&room(name), &[[1; 32], [3; 32]])
            .unwrap()
    };
    assert_eq!(untold("Lobby"), [[3; 32]]);
    assert_eq!(untold("other"), [[1; 32], [3; 32]]);
    assert_eq!(fixture.reopen().commit(card(1, 1)), known);
}
