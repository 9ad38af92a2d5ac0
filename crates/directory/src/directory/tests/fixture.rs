//! A directory to try things on, and one of each thing.

use super::*;
use crate::token;

pub(super) struct Fixture {
    pub(super) folder: tempfile::TempDir,
    pub(super) directory: Directory,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::open(&folder.path().join("directory.sqlite")).unwrap();
        Self { folder, directory }
    }

    /// With virtual hosts `/` and `other`, and accounts `ana` and `ben`.
    pub(super) fn furnished() -> Self {
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

    pub(super) fn commit(&mut self, changes: &[Change]) {
        self.directory.commit(changes).unwrap();
    }

    pub(super) fn refusal(&mut self, change: Change) -> Refused {
        refused(self.directory.commit(&[change]))
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.directory.load().unwrap()
    }

    pub(super) fn reopen(self) -> Self {
        let path = self.directory.path().to_owned();
        drop(self.directory);
        Self {
            folder: self.folder,
            directory: Directory::open(&path).unwrap(),
        }
    }
}

pub(super) fn refused(result: Result<(), CommitError>) -> Refused {
    match result {
        Err(CommitError::Refused(refused)) => refused,
        Err(CommitError::Failure(failure)) => panic!("a failure: {failure:?}"),
        Ok(()) => panic!("it was committed"),
    }
}

pub(super) fn failed(result: Result<(), CommitError>) -> Failure {
    match result {
        Err(CommitError::Failure(failure)) => failure,
        Err(CommitError::Refused(refused)) => panic!("a refusal: {refused:?}"),
        Ok(()) => panic!("it was committed"),
    }
}

pub(super) fn not_found(subject: Subject, name: &str) -> Refused {
    Refused::NotFound {
        subject,
        name: name.into(),
    }
}

pub(super) fn already_exists(subject: Subject, name: &str) -> Refused {
    Refused::AlreadyExists {
        subject,
        name: name.into(),
    }
}

pub(super) fn account(login: &str) -> Account {
    Account {
        login: login.into(),
        password_hash: format!("hash of {login}"),
        tags: vec!["administrator".into(), "monitoring".into()],
        role: Role::Administrator,
        profile: profile(),
        created_ms: 1_790_000_000_000,
    }
}

pub(super) fn profile() -> Profile {
    Profile {
        first_names: "Ana María".into(),
        last_names: "Condori Huamán".into(),
        age: Some(150),
        gender: "f".into(),
    }
}

pub(super) fn permission(vhost: &str, login: &str) -> Permission {
    Permission {
        vhost: vhost.into(),
        login: login.into(),
        configure: "^c".into(),
        write: ".*".into(),
        read: String::new(),
    }
}

pub(super) fn topic_permission(vhost: &str, login: &str, exchange: &str) -> TopicPermission {
    TopicPermission {
        vhost: vhost.into(),
        login: login.into(),
        exchange: exchange.into(),
        write: "^w".into(),
        read: "^r".into(),
    }
}

pub(super) fn exchange(vhost: &str, name: &str) -> Exchange {
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

pub(super) fn queue(id: u64, vhost: &str, name: &str) -> Queue {
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

pub(super) fn binding(
    source: &str,
    destination_kind: DestinationKind,
    destination: &str,
) -> Binding {
    Binding {
        vhost: "/".into(),
        source: source.into(),
        destination_kind,
        destination: destination.into(),
        routing_key: b"a.*.#".to_vec(),
        arguments: Vec::new(),
    }
}

pub(super) fn policy(vhost: &str, name: &str) -> Policy {
    Policy {
        vhost: vhost.into(),
        name: name.into(),
        pattern: "^log".into(),
        apply_to: ApplyTo::ClassicQueues,
        priority: -3,
        definition: r#"{"max-length":10}"#.into(),
    }
}

pub(super) fn session(id: &str, login: &str) -> Session {
    Session {
        id: id.into(),
        login: login.into(),
        token_hash: token::hash(&format!("token of {id}")),
        door: "http".into(),
        address: "[2001:db8::1]:4711".into(),
        client: "Firefox 199 · Android".into(),
        created_ms: 1_000,
        last_seen_ms: 2_000,
        expires_ms: 3_000,
        csrf_hash: Some(token::hash("csrf")),
    }
}

pub(super) fn invitation(code: &str) -> Invitation {
    Invitation {
        code_hash: token::hash(code),
        created_by: "ana".into(),
        created_ms: 1_000,
        expires_ms: 3_000,
        uses_left: 2,
        role: Role::Member,
    }
}

pub(super) fn grant(vhost: &str, resource: ResourceKind, name: &str, login: &str) -> Grant {
    Grant {
        vhost: vhost.into(),
        resource,
        name: name.into(),
        login: login.into(),
        configure: false,
        write: false,
        read: true,
    }
}

pub(super) fn queue_key(id: &str, vhost: &str, queue: &str) -> QueueKey {
    QueueKey {
        id: id.into(),
        vhost: vhost.into(),
        queue: queue.into(),
        secret_hash: token::hash(&format!("secret of {id}")),
        write: true,
        read: false,
        note: "the gate's sensor".into(),
        created_by: Some("ana".into()),
        created_ms: 1_000,
        expires_ms: Some(i64::MAX.unsigned_abs()),
    }
}

pub(super) fn quota(login: &str) -> Quota {
    Quota {
        login: login.into(),
        queues: Some(0),
        bytes: Some(i64::MAX.unsigned_abs()),
        connections: None,
        publish_rate: Some(100),
    }
}

pub(super) fn webhook(id: &str, vhost: &str, queue: &str) -> Webhook {
    Webhook {
        id: id.into(),
        owner: "ana".into(),
        vhost: vhost.into(),
        queue: queue.into(),
        url: "https://user:hidden@example.org/in".into(),
        secret: "hidden, too".into(),
        settings: r#"{"batch":10}"#.into(),
        is_paused: true,
        created_ms: 1_000,
    }
}

pub(super) fn group(queue: u64, name: &str) -> StreamGroup {
    StreamGroup {
        queue,
        name: name.into(),
        next_offset: 7,
    }
}

/// One of everything in `/`, and something in `other`.
pub(super) fn one_of_everything() -> Vec<Change> {
    let mut changes = declarations();
    changes.extend([
        Change::SessionAdded(session("s1", "ana")),
        Change::SessionAdded(Session {
            csrf_hash: None,
            ..session("s2", "ben")
        }),
        Change::InvitationAdded(invitation("code")),
        Change::QueueKeyAdded(queue_key("k1", "/", "work")),
        Change::QueueKeyAdded(QueueKey {
            expires_ms: None,
            ..queue_key("k2", "other", "work")
        }),
    ]);
    changes
}

/// Of all that may be declared or set again without effect.
pub(super) fn declarations() -> Vec<Change> {
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
        Change::GrantSet(grant("/", ResourceKind::Queue, "work", "ben")),
        Change::GrantSet(grant("/", ResourceKind::Exchange, "logs", "ben")),
        Change::GrantSet(grant("other", ResourceKind::Queue, "work", "ana")),
        Change::QuotaSet(quota("ana")),
        Change::WebhookSet(webhook("w1", "/", "work")),
        Change::WebhookSet(webhook("w2", "other", "work")),
        Change::StreamGroupSet(group(7, "readers")),
        Change::StreamGroupSet(group(u64::MAX >> 1, "readers")),
        Change::ParameterSet {
            key: "next_queue_id".into(),
            value: "8".into(),
        },
    ]
}
