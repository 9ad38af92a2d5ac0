#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use super::*;
use crate::error::Subject;
use crate::model::{
    Account, ApplyTo, Binding, DestinationKind, Exchange, Permission, Policy, Queue, QueueKind,
    TopicPermission, VirtualHost,
};

struct Fixture {
    folder: tempfile::TempDir,
    directory: Directory,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.sqlite")).unwrap();
        Self { folder, directory }
    }

    /// With virtual hosts `/` and `other`, and accounts `ana` and `ben`.
    fn furnished() -> Self {
        let mut fixture = Self::new();
        fixture.commit(&[
            Change::VhostAdded { name: "/".into() },
            Change::VhostAdded {
                name: "other".into(),
            },
            Change::AccountAdded(account("ana")),
            Change::AccountAdded(account("ben")),
        ]);
        fixture
    }

    fn commit(&mut self, changes: &[Change]) {
        self.directory.commit(changes).unwrap();
    }

    fn refusal(&mut self, change: Change) -> Refused {
        refused(self.directory.commit(&[change]))
    }

    fn snapshot(&self) -> Snapshot {
        self.directory.load().unwrap()
    }

    fn reopen(self) -> Self {
        let path = self.directory.path().to_owned();
        drop(self.directory);
        Self {
            folder: self.folder,
            directory: Directory::open(&path).unwrap(),
        }
    }
}

fn refused(result: Result<(), CommitError>) -> Refused {
    match result {
        Err(CommitError::Refused(refused)) => refused,
        Err(CommitError::Failure(failure)) => panic!("a failure: {failure:?}"),
        Ok(()) => panic!("it was committed"),
    }
}

fn failed(result: Result<(), CommitError>) -> Failure {
    match result {
        Err(CommitError::Failure(failure)) => failure,
        Err(CommitError::Refused(refused)) => panic!("a refusal: {refused:?}"),
        Ok(()) => panic!("it was committed"),
    }
}

fn not_found(subject: Subject, name: &str) -> Refused {
    Refused::NotFound {
        subject,
        name: name.into(),
    }
}

fn already_exists(subject: Subject, name: &str) -> Refused {
    Refused::AlreadyExists {
        subject,
        name: name.into(),
    }
}

fn account(login: &str) -> Account {
    Account {
        login: login.into(),
        password_hash: format!("hash of {login}"),
        tags: vec!["administrator".into(), "monitoring".into()],
    }
}

fn permission(vhost: &str, login: &str) -> Permission {
    Permission {
        vhost: vhost.into(),
        login: login.into(),
        configure: "^c".into(),
        write: ".*".into(),
        read: String::new(),
    }
}

fn topic_permission(vhost: &str, login: &str, exchange: &str) -> TopicPermission {
    TopicPermission {
        vhost: vhost.into(),
        login: login.into(),
        exchange: exchange.into(),
        write: "^w".into(),
        read: "^r".into(),
    }
}

fn exchange(vhost: &str, name: &str) -> Exchange {
    Exchange {
        vhost: vhost.into(),
        name: name.into(),
        kind: "topic".into(),
        durable: true,
        auto_delete: false,
        internal: true,
        arguments: vec![0, 1, 255],
    }
}

fn queue(id: u64, vhost: &str, name: &str) -> Queue {
    Queue {
        id,
        vhost: vhost.into(),
        name: name.into(),
        kind: QueueKind::Quorum,
        durable: true,
        auto_delete: true,
        arguments: vec![0xDE, 0xAD],
        owner: Some("ana".into()),
    }
}

fn binding(source: &str, destination_kind: DestinationKind, destination: &str) -> Binding {
    Binding {
        vhost: "/".into(),
        source: source.into(),
        destination_kind,
        destination: destination.into(),
        routing_key: b"a.*.#".to_vec(),
        arguments: Vec::new(),
    }
}

fn policy(vhost: &str, name: &str) -> Policy {
    Policy {
        vhost: vhost.into(),
        name: name.into(),
        pattern: "^log".into(),
        apply_to: ApplyTo::ClassicQueues,
        priority: -3,
        definition: r#"{"max-length":10}"#.into(),
    }
}

/// One of everything in `/`, and something in `other`.
fn one_of_everything() -> Vec<Change> {
    vec![
        Change::PermissionSet(permission("/", "ana")),
        Change::PermissionSet(permission("other", "ana")),
        Change::TopicPermissionSet(topic_permission("/", "ana", "logs")),
        Change::ExchangeDeclared(exchange("/", "logs")),
        Change::ExchangeDeclared(exchange("/", "audit")),
        Change::ExchangeDeclared(exchange("other", "logs")),
        Change::QueueDeclared(queue(7, "/", "work")),
        Change::QueueDeclared(queue(u64::MAX >> 1, "other", "work")),
        Change::Bound(binding("logs", DestinationKind::Queue, "work")),
        Change::Bound(binding("logs", DestinationKind::Exchange, "audit")),
        Change::PolicySet(policy("/", "short")),
        Change::PolicySet(policy("other", "short")),
        Change::ParameterSet {
            key: "next_queue_id".into(),
            value: "8".into(),
        },
    ]
}

#[test]
fn everything_that_is_added_is_loaded_again_as_it_was() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let snapshot = fixture.snapshot();
    assert_eq!(
        snapshot,
        Snapshot {
            vhosts: vec![
                VirtualHost { name: "/".into() },
                VirtualHost {
                    name: "other".into()
                }
            ],
            accounts: vec![account("ana"), account("ben")],
            permissions: vec![permission("/", "ana"), permission("other", "ana")],
            topic_permissions: vec![topic_permission("/", "ana", "logs")],
            // In the order of declaration.
            exchanges: vec![
                exchange("/", "logs"),
                exchange("/", "audit"),
                exchange("other", "logs")
            ],
            queues: vec![queue(7, "/", "work"), queue(u64::MAX >> 1, "other", "work")],
            bindings: vec![
                binding("logs", DestinationKind::Queue, "work"),
                binding("logs", DestinationKind::Exchange, "audit")
            ],
            policies: vec![policy("/", "short"), policy("other", "short")],
            parameters: [("next_queue_id".to_owned(), "8".to_owned())].into(),
        }
    );
    // Durable after a drop, too.
    assert_eq!(fixture.reopen().snapshot(), snapshot);
}

#[test]
fn repeating_declarations_and_removals_has_no_effect() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let once = fixture.snapshot();
    fixture.commit(&one_of_everything());
    assert_eq!(fixture.snapshot(), once);

    let removals = [
        Change::Unbound(binding("logs", DestinationKind::Queue, "work")),
        Change::QueueDeleted { id: 7 },
        Change::QueueDeleted { id: u64::MAX },
        Change::ExchangeDeleted {
            vhost: "/".into(),
            name: "logs".into(),
        },
        Change::PolicyCleared {
            vhost: "/".into(),
            name: "short".into(),
        },
        Change::PermissionCleared {
            vhost: "/".into(),
            login: "ana".into(),
        },
        Change::TopicPermissionCleared {
            vhost: "/".into(),
            login: "ana".into(),
            exchange: None,
        },
    ];
    fixture.commit(&removals);
    let removed = fixture.snapshot();
    assert_eq!(removed.bindings, []);
    assert_eq!(removed.queues, [queue(u64::MAX >> 1, "other", "work")]);
    assert_eq!(
        removed.exchanges,
        [exchange("/", "audit"), exchange("other", "logs")]
    );
    assert_eq!(removed.policies, [policy("other", "short")]);
    assert_eq!(removed.permissions, [permission("other", "ana")]);
    assert_eq!(removed.topic_permissions, []);
    fixture.commit(&removals);
    assert_eq!(fixture.snapshot(), removed);
}

#[test]
fn settings_are_replaced() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let other_permission = Permission {
        read: "new".into(),
        ..permission("/", "ana")
    };
    let other_topic = TopicPermission {
        write: "new".into(),
        ..topic_permission("/", "ana", "logs")
    };
    let other_policy = Policy {
        priority: i64::MAX,
        apply_to: ApplyTo::Exchanges,
        ..policy("/", "short")
    };
    fixture.commit(&[
        Change::PermissionSet(other_permission.clone()),
        Change::TopicPermissionSet(other_topic.clone()),
        Change::PolicySet(other_policy.clone()),
        Change::ParameterSet {
            key: "next_queue_id".into(),
            value: "9".into(),
        },
        Change::AccountPassword {
            login: "ben".into(),
            password_hash: "new".into(),
        },
        Change::AccountTags {
            login: "ben".into(),
            tags: Vec::new(),
        },
    ]);
    let snapshot = fixture.snapshot();
    assert_eq!(snapshot.permissions[0], other_permission);
    assert_eq!(snapshot.topic_permissions, [other_topic]);
    assert_eq!(snapshot.policies[0], other_policy);
    assert_eq!(snapshot.parameters["next_queue_id"], "9");
    assert_eq!(
        snapshot.accounts[1],
        Account {
            login: "ben".into(),
            password_hash: "new".into(),
            tags: Vec::new()
        }
    );
}

#[test]
fn bindings_differ_by_every_part() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let base = binding("logs", DestinationKind::Queue, "work");
    let variants = [
        Binding {
            routing_key: Vec::new(),
            ..base.clone()
        },
        // Not UTF-8, and with a zero byte.
        Binding {
            routing_key: vec![0xFF, 0, b'a'],
            ..base.clone()
        },
        Binding {
            routing_key: b"a\0b".to_vec(),
            ..base.clone()
        },
        Binding {
            arguments: vec![1],
            ..base.clone()
        },
        Binding {
            source: "amq.headers".into(),
            ..base
        },
    ];
    let before = fixture.snapshot().bindings;
    let bound: Vec<Change> = variants.iter().cloned().map(Change::Bound).collect();
    fixture.commit(&bound);
    fixture.commit(&bound);
    let after = fixture.snapshot().bindings;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], variants);

    let unbound: Vec<Change> = variants.iter().cloned().map(Change::Unbound).collect();
    fixture.commit(&unbound);
    assert_eq!(fixture.snapshot().bindings, before);
}

#[test]
fn what_the_rules_forbid_is_refused_by_type() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let before = fixture.snapshot();
    let vhost = |name: &str| not_found(Subject::VirtualHost, name);
    for (change, expected) in [
        (
            Change::VhostAdded { name: "/".into() },
            already_exists(Subject::VirtualHost, "/"),
        ),
        (
            Change::VhostDeleted {
                name: "gone".into(),
            },
            vhost("gone"),
        ),
        (
            Change::AccountAdded(account("ana")),
            already_exists(Subject::Account, "ana"),
        ),
        (
            Change::AccountPassword {
                login: "gone".into(),
                password_hash: String::new(),
            },
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::AccountTags {
                login: "gone".into(),
                tags: Vec::new(),
            },
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::AccountDeleted {
                login: "gone".into(),
            },
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::PermissionSet(permission("gone", "ana")),
            vhost("gone"),
        ),
        (
            Change::PermissionSet(permission("/", "gone")),
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::TopicPermissionSet(topic_permission("/", "gone", "logs")),
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::ExchangeDeclared(exchange("gone", "x")),
            vhost("gone"),
        ),
        (
            Change::ExchangeDeclared(Exchange {
                internal: false,
                ..exchange("/", "logs")
            }),
            already_exists(Subject::Exchange, "logs"),
        ),
        (Change::QueueDeclared(queue(9, "gone", "x")), vhost("gone")),
        // The same name under another id, the same id under another name, and both.
        (
            Change::QueueDeclared(queue(9, "/", "work")),
            already_exists(Subject::Queue, "work"),
        ),
        (
            Change::QueueDeclared(queue(7, "/", "x")),
            already_exists(Subject::Queue, "x"),
        ),
        (
            Change::QueueDeclared(queue(7, "other", "work")),
            already_exists(Subject::Queue, "work"),
        ),
        (
            Change::QueueDeclared(Queue {
                owner: Some("gone".into()),
                ..queue(9, "/", "x")
            }),
            not_found(Subject::Account, "gone"),
        ),
        (
            Change::Bound(binding("gone", DestinationKind::Queue, "work")),
            not_found(Subject::Exchange, "gone"),
        ),
        (
            Change::Bound(binding("logs", DestinationKind::Queue, "audit")),
            not_found(Subject::Queue, "audit"),
        ),
        (
            Change::Bound(binding("logs", DestinationKind::Exchange, "work")),
            not_found(Subject::Exchange, "work"),
        ),
        (Change::PolicySet(policy("gone", "x")), vhost("gone")),
    ] {
        assert_eq!(fixture.refusal(change.clone()), expected, "{change:?}");
    }
    for change in [
        Change::AccountAdded(account("line\nbreak")),
        Change::AccountAdded(Account {
            tags: vec!["a,b".into()],
            ..account("cleo")
        }),
        Change::AccountTags {
            login: "ana".into(),
            tags: vec![String::new()],
        },
        Change::QueueDeclared(queue(u64::MAX, "/", "x")),
    ] {
        assert!(
            matches!(fixture.refusal(change.clone()), Refused::Invalid { .. }),
            "{change:?}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_refused_batch_leaves_nothing_of_itself_and_all_of_the_others() {
    let mut fixture = Fixture::furnished();
    let results = fixture.directory.commit_batches(&[
        vec![Change::ExchangeDeclared(exchange("/", "first"))],
        vec![
            Change::ExchangeDeclared(exchange("/", "undone")),
            Change::VhostDeleted {
                name: "other".into(),
            },
            Change::VhostAdded { name: "/".into() },
            Change::ExchangeDeclared(exchange("/", "never")),
        ],
        Vec::new(),
        // Sees the first batch, not the second.
        vec![
            Change::ExchangeDeclared(exchange("other", "third")),
            Change::Bound(binding("first", DestinationKind::Exchange, "first")),
        ],
        vec![Change::Bound(binding(
            "undone",
            DestinationKind::Exchange,
            "first",
        ))],
    ]);
    let results: Vec<Option<Refused>> = results
        .into_iter()
        .map(|result| result.err().map(|error| refused(Err(error))))
        .collect();
    assert_eq!(
        results,
        [
            None,
            Some(already_exists(Subject::VirtualHost, "/")),
            None,
            None,
            Some(not_found(Subject::Exchange, "undone")),
        ]
    );
    let snapshot = fixture.reopen().snapshot();
    assert_eq!(
        snapshot.exchanges,
        [exchange("/", "first"), exchange("other", "third")]
    );
    assert_eq!(
        snapshot.bindings,
        [binding("first", DestinationKind::Exchange, "first")]
    );
    assert_eq!(snapshot.vhosts.len(), 2);
}

#[test]
fn deleting_a_virtual_host_deletes_everything_in_it_and_nothing_else() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    fixture.commit(&[Change::VhostDeleted { name: "/".into() }]);
    let snapshot = fixture.snapshot();
    assert_eq!(
        snapshot,
        Snapshot {
            vhosts: vec![VirtualHost {
                name: "other".into()
            }],
            accounts: vec![account("ana"), account("ben")],
            permissions: vec![permission("other", "ana")],
            exchanges: vec![exchange("other", "logs")],
            queues: vec![queue(u64::MAX >> 1, "other", "work")],
            policies: vec![policy("other", "short")],
            parameters: [("next_queue_id".to_owned(), "8".to_owned())].into(),
            ..Snapshot::default()
        }
    );
    // One of the same name starts empty.
    fixture.commit(&[Change::VhostAdded { name: "/".into() }]);
    assert_eq!(fixture.snapshot().queues, snapshot.queues);
}

#[test]
fn deleting_an_account_takes_its_permissions_and_leaves_its_queues_to_nobody() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    fixture.commit(&[
        Change::AccountDeleted {
            login: "ana".into(),
        },
        Change::AccountAdded(account("ana")),
    ]);
    let snapshot = fixture.snapshot();
    assert_eq!(snapshot.permissions, []);
    assert_eq!(snapshot.topic_permissions, []);
    let owners: Vec<_> = snapshot.queues.iter().map(|queue| &queue.owner).collect();
    assert_eq!(owners, [&None, &None]);
}

#[test]
fn deleting_an_exchange_or_a_queue_deletes_bindings_at_either_end() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    // A queue of the exchange's name is another thing.
    fixture.commit(&[
        Change::QueueDeclared(queue(8, "/", "audit")),
        Change::Bound(binding("logs", DestinationKind::Queue, "audit")),
        Change::ExchangeDeleted {
            vhost: "/".into(),
            name: "audit".into(),
        },
    ]);
    assert_eq!(
        fixture.snapshot().bindings,
        [
            binding("logs", DestinationKind::Queue, "work"),
            binding("logs", DestinationKind::Queue, "audit")
        ]
    );
    fixture.commit(&[Change::QueueDeleted { id: 7 }]);
    assert_eq!(
        fixture.snapshot().bindings,
        [binding("logs", DestinationKind::Queue, "audit")]
    );
    fixture.commit(&[Change::ExchangeDeleted {
        vhost: "/".into(),
        name: "logs".into(),
    }]);
    assert_eq!(fixture.snapshot().bindings, []);
}

#[test]
fn topic_permissions_are_cleared_one_by_one_or_all_at_once() {
    let mut fixture = Fixture::furnished();
    let cleared = |exchange: Option<&str>| Change::TopicPermissionCleared {
        vhost: "/".into(),
        login: "ana".into(),
        exchange: exchange.map(str::to_owned),
    };
    let mut changes: Vec<Change> = ["a", "b", "c"]
        .map(|exchange| Change::TopicPermissionSet(topic_permission("/", "ana", exchange)))
        .into();
    changes.push(Change::TopicPermissionSet(topic_permission(
        "/", "ben", "a",
    )));
    changes.push(cleared(Some("a")));
    fixture.commit(&changes);
    assert_eq!(fixture.snapshot().topic_permissions.len(), 3);
    fixture.commit(&[cleared(None)]);
    assert_eq!(
        fixture.snapshot().topic_permissions,
        [topic_permission("/", "ben", "a")]
    );
}

/// A copy of the files as they are is what a killed process leaves behind.
#[test]
fn a_commit_is_in_the_files_before_it_returns() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let copies = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture.folder.path()).unwrap() {
        let entry = entry.unwrap();
        // The shared-memory index is rebuilt after a crash.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), copies.path().join(entry.file_name())).unwrap();
        }
    }
    let recovered = Directory::open(&copies.path().join("directory.sqlite")).unwrap();
    assert_eq!(recovered.load().unwrap(), fixture.snapshot());
}

#[test]
fn every_commit_is_synchronised() {
    let fixture = Fixture::new();
    let pragma = |name: &str| -> rusqlite::types::Value {
        fixture
            .directory
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap()
    };
    use rusqlite::types::Value::{Integer, Text};
    assert_eq!(pragma("journal_mode"), Text("wal".into()));
    assert_eq!(pragma("synchronous"), Integer(2));
    assert_eq!(pragma("foreign_keys"), Integer(1));
    assert_eq!(pragma("busy_timeout"), Integer(5000));
}

#[test]
fn nobody_else_may_read_the_files() {
    let fixture = Fixture::furnished();
    let modes = |folder: &Path| -> Vec<u32> {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().permissions().mode() & 0o777)
            .collect()
    };
    assert_eq!(modes(fixture.folder.path()), [0o600, 0o600, 0o600]);

    let path = fixture.directory.path().to_owned();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let fixture = fixture.reopen();
    assert_eq!(modes(fixture.folder.path()), [0o600, 0o600, 0o600]);
}

#[test]
fn what_is_not_ours_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.sqlite");
    let theirs = Connection::open(&path).unwrap();
    theirs.execute_batch("CREATE TABLE t (a INT)").unwrap();
    drop(theirs);
    let before = fs::read(&path).unwrap();
    let failure = Directory::open(&path).unwrap_err();
    assert_eq!(
        format!("{failure}: {}", failure.source),
        format!(
            "cannot open {}: it is an SQLite database of another program",
            path.display()
        )
    );
    assert!(fs::read(&path).unwrap() == before);

    fs::write(
        &path,
        b"no database, just some text that a person wrote down",
    )
    .unwrap();
    assert_eq!(Directory::open(&path).unwrap_err().operation, "open");
    assert_eq!(
        Directory::open(folder.path()).unwrap_err().operation,
        "open"
    );
    let nowhere = folder.path().join("missing/directory.sqlite");
    assert_eq!(Directory::open(&nowhere).unwrap_err().operation, "create");
}

#[test]
fn a_full_disk_fails_the_whole_group_and_passes() {
    let mut fixture = Fixture::furnished();
    let before = fixture.snapshot();
    let set_pages_max = |directory: &Directory, pages: i64| {
        directory
            .connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    // SQLite reads this as "no more than there are".
    set_pages_max(&fixture.directory, 1);
    let huge = Change::ExchangeDeclared(Exchange {
        arguments: vec![7; 1 << 20],
        ..exchange("/", "huge")
    });
    let small = Change::ExchangeDeclared(exchange("/", "small"));
    let results = fixture
        .directory
        .commit_batches(&[vec![small.clone()], vec![huge.clone()]]);
    for result in results {
        let failure = failed(result);
        assert_eq!(failure.operation, "write to");
        assert!(failure.source.to_string().contains("full"), "{failure:?}");
    }
    assert_eq!(fixture.snapshot(), before);

    set_pages_max(&fixture.directory, 1 << 20);
    fixture.commit(&[small, huge]);
    assert_eq!(fixture.snapshot().exchanges.len(), 2);
}

#[test]
fn a_database_locked_by_another_process_fails_and_passes() {
    let mut fixture = Fixture::furnished();
    let connection = &fixture.directory.connection;
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = Connection::open(fixture.directory.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let change = [Change::ExchangeDeclared(exchange("/", "x"))];
    let failure = failed(fixture.directory.commit(&change));
    assert!(failure.source.to_string().contains("locked"), "{failure:?}");
    other.execute_batch("ROLLBACK").unwrap();
    fixture.commit(&change);
}

#[test]
fn a_poisoned_directory_repeats_its_first_failure_and_writes_nothing() {
    use rusqlite::ffi;
    let error = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    for code in [
        ffi::SQLITE_IOERR_FSYNC,
        ffi::SQLITE_IOERR_WRITE,
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
    ] {
        assert!(is_poisonous(&error(code)), "{code}");
    }
    for code in [ffi::SQLITE_FULL, ffi::SQLITE_BUSY, ffi::SQLITE_CONSTRAINT] {
        assert!(!is_poisonous(&error(code)), "{code}");
    }

    let mut fixture = Fixture::furnished();
    let before = fixture.snapshot();
    let path = fixture.directory.path().to_owned();
    let first = Failure::new("write to", path, error(ffi::SQLITE_IOERR_FSYNC));
    fixture.directory.poison = Some(first.clone());
    let change = Change::ExchangeDeclared(exchange("/", "x"));
    let failure = failed(fixture.directory.commit(&[change]));
    assert_eq!(failure.to_string(), first.to_string());
    assert_eq!(failure.source.to_string(), first.source.to_string());
    // Reading what is known to be there goes on.
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_value_that_no_version_writes_is_a_failure_that_names_it() {
    let fixture = Fixture::furnished();
    fixture
        .directory
        .connection
        .execute_batch(
            "PRAGMA ignore_check_constraints = ON;
             INSERT INTO queues VALUES (1, '/', 'q', 'mystery', 1, 0, x'', NULL);",
        )
        .unwrap();
    let failure = fixture.directory.load().unwrap_err();
    assert_eq!(failure.operation, "read");
    assert!(
        format!("{:?}", failure.source).contains("mystery"),
        "{failure:?}"
    );
}

#[test]
fn no_debug_output_carries_a_hash() {
    let text = format!("{:?}", Change::AccountAdded(account("ana")));
    assert!(text.contains("ana") && !text.contains("hash of"), "{text}");
}
