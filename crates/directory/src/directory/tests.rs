#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod deletions;
mod files;
mod refusals;

use super::*;
use crate::error::Subject;
use crate::model::{
    Account, ApplyTo, Binding, DestinationKind, Exchange, Permission, Policy, Profile, Queue,
    QueueKind, Role, TopicPermission, VirtualHost,
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
        role: Role::Administrator,
        profile: profile(),
        created_ms: 1_790_000_000_000,
    }
}

fn profile() -> Profile {
    Profile {
        first_names: "Ana María".into(),
        last_names: "Condori Huamán".into(),
        age: Some(150),
        gender: "f".into(),
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
        owner: Some("ana".into()),
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
            ..Snapshot::default()
        }
    );
    // Durable after a drop, too.
    assert_eq!(fixture.reopen().snapshot(), snapshot);
}

#[test]
fn no_debug_output_carries_a_hash() {
    let text = format!("{:?}", Change::AccountAdded(account("ana")));
    assert!(text.contains("ana") && !text.contains("hash of"), "{text}");
}
