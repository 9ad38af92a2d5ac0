#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::{Account, Binding, Change, DestinationKind, Directory, Exchange};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.sqlite");
    (folder, path)
}

fn fill(path: &Path) -> Directory {
    let mut directory = Directory::open(path).unwrap();
    let exchange = |name: &str| {
        Change::ExchangeDeclared(Exchange {
            vhost: "/".into(),
            name: name.into(),
            kind: "fanout".into(),
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Vec::new(),
            owner: None,
        })
    };
    directory
        .commit(&[
            Change::VhostAdded { name: "/".into() },
            Change::AccountAdded(Account::with_tags(
                "guest".into(),
                String::new(),
                Vec::new(),
                0,
            )),
            exchange("logs"),
            exchange("audit"),
            Change::Bound(Binding {
                vhost: "/".into(),
                source: "amq.topic".into(),
                destination_kind: DestinationKind::Exchange,
                destination: "logs".into(),
                routing_key: b"#".to_vec(),
                arguments: Vec::new(),
            }),
        ])
        .unwrap();
    directory
}

#[test]
fn a_database_in_use_is_found_sound_and_counted() {
    let (_folder, path) = folder();
    let _in_use = fill(&path);
    let inspection = inspect(&path).unwrap();
    assert_eq!(inspection.problems, Vec::<String>::new());
    assert!(inspection.is_sound());
    assert_eq!(inspection.schema_version, schema::DIRECTORY.version());
    assert_eq!(
        inspection.counts,
        Some(Counts {
            vhosts: 1,
            accounts: 1,
            exchanges: 2,
            bindings: 1,
            ..Counts::default()
        })
    );
}

#[test]
fn an_inspection_modifies_nothing() {
    let (_folder, path) = folder();
    drop(fill(&path));
    let before = fs::read(&path).unwrap();
    inspect(&path).unwrap();
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_missing_database_is_an_error_and_is_not_created() {
    let (_folder, path) = folder();
    let failure = inspect(&path).unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("cannot inspect {}", path.display())
    );
    assert!(!path.exists());
}

#[test]
fn damage_is_a_finding() {
    let (_folder, path) = folder();
    drop(fill(&path));
    let intact = fs::read(&path).unwrap();
    let page_bytes = 4096;
    assert!(intact.len() > 3 * page_bytes);

    // All pages but the first two.
    let mut damaged = intact.clone();
    damaged[2 * page_bytes..].fill(0xA5);
    fs::write(&path, &damaged).unwrap();
    let inspection = inspect(&path).unwrap();
    assert!(!inspection.is_sound());
    assert_eq!(inspection.counts, None);

    fs::write(
        &path,
        b"this is not a database at all, however long it may be",
    )
    .unwrap();
    assert!(!inspect(&path).unwrap().is_sound());

    fs::write(&path, intact).unwrap();
    assert!(inspect(&path).unwrap().is_sound());
}

#[test]
fn what_refers_to_nothing_or_contradicts_itself_is_found() {
    let (_folder, path) = folder();
    drop(fill(&path));
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO permissions VALUES ('/', 'nobody', '', '', '');
             INSERT INTO grants VALUES ('/', 'exchange', 'logs', 'guest', 0, 1, 0);
             INSERT INTO grants VALUES ('/', 'exchange', 'amq.topic', 'guest', 0, 1, 0);
             INSERT INTO grants VALUES ('/', 'queue', 'audit', 'guest', 0, 1, 0);
             UPDATE accounts SET tags = 'administrator';
             INSERT INTO webhooks VALUES ('w', 'guest', '/', 'gone', '', '', '', 0, 0);
             DELETE FROM exchanges WHERE name = 'logs';",
        )
        .unwrap();
    drop(connection);
    assert_eq!(
        inspect(&path).unwrap().problems,
        [
            "1 rows of permissions refer to accounts that do not exist",
            "1 rows of webhooks refer to queues that do not exist",
            "1 bindings lead from or to something that does not exist",
            "2 grants are on something that does not exist",
            "1 accounts have a role that contradicts their tags",
        ]
    );
}

#[test]
fn a_database_of_an_earlier_version_is_sound_and_not_read() {
    let (_folder, path) = folder();
    let mut connection = Connection::open(&path).unwrap();
    let first = Schema {
        steps: &schema::STEPS[..1],
        ..schema::DIRECTORY
    };
    first.migrate(&mut connection).unwrap();
    let inspection = inspect(&path).unwrap();
    assert_eq!((inspection.schema_version, inspection.counts), (1, None));
    assert_eq!(inspection.problems, Vec::<String>::new());

    let failure = read(&path).unwrap_err();
    assert_eq!(
        failure.source.to_string(),
        format!(
            "its schema version is 1, not {}; starting the server brings it up to date",
            schema::DIRECTORY.version()
        )
    );
    drop(Directory::open(&path).unwrap());
    assert_eq!(read(&path).unwrap(), Snapshot::default());
}

#[test]
fn a_database_of_a_later_version_is_a_finding() {
    let (_folder, path) = folder();
    drop(fill(&path));
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", schema::DIRECTORY.version() + 1)
        .unwrap();
    drop(connection);
    let inspection = inspect(&path).unwrap();
    assert_eq!(inspection.schema_version, schema::DIRECTORY.version() + 1);
    assert_eq!(inspection.counts, None);
    assert!(inspection.problems[0].contains("knows versions up to"));
}
