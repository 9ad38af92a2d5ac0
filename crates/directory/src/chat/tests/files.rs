//! The file: synchronised, closed to others, damaged, of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;

use super::*;

/// A copy of the files as they are is what a killed process leaves behind.
#[test]
fn what_was_committed_is_in_the_files_though_the_store_was_not_closed() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "one");
    // Not synchronised itself, but by what comes after it.
    assert!(!fixture.store.index(10).unwrap());
    fixture.tell("ana", "ben", "two");
    let copies = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), copies.path().join(entry.file_name())).unwrap();
        }
    }
    let path = copies.path().join("chat.sqlite");
    let mut recovered = ChatStore::open(&path).unwrap();
    assert_eq!(recovered.load().unwrap(), fixture.store.load().unwrap());
    let reader = ChatReader::open(&path).unwrap();
    let newest = reader.history(room, Cursor::Before(u64::MAX), 9).unwrap();
    assert_eq!(newest.messages, fixture.newest(room));
    let next = recovered.commit(&[posted(room, draft("ana", "three"))]);
    let next = posting(next.unwrap().remove(0)).0;
    assert_eq!((next.id, next.seq), (3, 2));
}

#[test]
fn every_commit_is_synchronised_also_after_indexing() {
    let mut fixture = Fixture::new();
    fixture.store.index(10).unwrap();
    let pragma = |name: &str| -> rusqlite::types::Value { fixture.store.pragma(name) };
    use rusqlite::types::Value::{Integer, Text};
    assert_eq!(pragma("journal_mode"), Text("wal".into()));
    assert_eq!(pragma("synchronous"), Integer(2));
    assert_eq!(pragma("foreign_keys"), Integer(1));
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

fn refused(path: &std::path::Path) -> [String; 2] {
    let said = |failure: crate::Failure| format!("{failure}: {}", failure.source);
    [
        said(ChatStore::open(path).unwrap_err()),
        said(ChatReader::open(path).unwrap_err()),
    ]
}

#[test]
fn what_is_not_ours_or_newer_or_damaged_is_refused_in_one_line() {
    let fixture = Fixture::new();
    let path = fixture.store.path().to_owned();
    let set = |sql: &str| {
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    };
    drop(fixture.store);
    set("PRAGMA user_version = 9");
    let newer = "its schema version is 9, but this program knows versions up to 1; \
                 use the version of chaski that wrote it, or a later one";
    let place = path.display();
    assert_eq!(
        refused(&path),
        [
            format!("cannot open {place}: {newer}"),
            format!("cannot read {place}: {newer}")
        ]
    );
    // The directory's own database is no chat's.
    let directory = fixture.folder.path().join("directory.sqlite");
    drop(crate::Directory::open(&directory).unwrap());
    let foreign = "it is an SQLite database of another program";
    let place = directory.display();
    assert_eq!(
        refused(&directory)[0],
        format!("cannot open {place}: {foreign}")
    );
    fs::write(&path, b"just some text that a person wrote down").unwrap();
    for line in refused(&path) {
        assert!(line.contains("not a database"), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
    fs::remove_file(&path).unwrap();
    assert!(ChatReader::open(&path).is_err());
    assert!(!path.exists());
}

#[test]
fn what_fails_is_not_made_and_no_number_is_lost() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    fixture.say(room, "ana", "one");
    // No two rooms have one name.
    let batch = [posted(room, draft("ana", "lost")), room_added("lobby")];
    let failure = fixture.store.commit(&batch).unwrap_err();
    assert_eq!(failure.operation, "write to");
    assert_eq!(failure.path, fixture.store.path());
    assert!(!fixture.store.is_poisoned());
    let next = fixture.say(room, "ana", "two");
    assert_eq!((next.id, next.seq), (2, 2));
    assert_eq!(texts(&fixture.newest(room)), ["one", "two"]);
}

#[test]
fn a_failed_write_poisons_and_what_is_poisoned_writes_nothing() {
    let mut fixture = Fixture::new();
    let room = fixture.room("lobby");
    let first = fixture.store.fail();
    assert!(fixture.store.is_poisoned(), "{first:?}");
    let change = [posted(room, draft("ana", "x"))];
    for failure in [
        fixture.store.commit(&change).unwrap_err(),
        fixture.store.index(1).unwrap_err(),
    ] {
        assert_eq!(failure.to_string(), first.to_string());
        assert_eq!(failure.source.to_string(), first.source.to_string());
    }
}
