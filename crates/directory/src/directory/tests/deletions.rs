//! What a deletion takes with it.

use super::*;

#[test]
fn deleting_a_virtual_host_deletes_everything_in_it_and_nothing_else() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let before = fixture.snapshot();
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
            sessions: before.sessions,
            invitations: before.invitations,
            grants: vec![grant("other", ResourceKind::Queue, "work", "ana")],
            queue_keys: vec![QueueKey {
                expires_ms: None,
                ..queue_key("k2", "other", "work")
            }],
            quotas: vec![quota("ana")],
            webhooks: vec![webhook("w2", "other", "work")],
            stream_groups: vec![group(u64::MAX >> 1, "readers")],
            ..Snapshot::default()
        }
    );
    // One of the same name starts empty.
    fixture.commit(&[Change::VhostAdded { name: "/".into() }]);
    assert_eq!(fixture.snapshot().queues, snapshot.queues);
}

#[test]
fn deleting_an_account_takes_what_is_its_own_and_leaves_the_rest_to_nobody() {
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
    // A later account of the same name inherits nothing.
    let queues = snapshot.queues.iter().map(|queue| &queue.owner);
    let exchanges = snapshot.exchanges.iter().map(|exchange| &exchange.owner);
    let keys = snapshot.queue_keys.iter().map(|key| &key.created_by);
    let owners: Vec<_> = queues.chain(exchanges).chain(keys).collect();
    assert_eq!(owners, [&None; 7]);
    assert_eq!(
        snapshot.sessions,
        [Session {
            csrf_hash: None,
            ..session("s2", "ben")
        }]
    );
    assert_eq!(
        snapshot.grants,
        [
            grant("/", ResourceKind::Exchange, "logs", "ben"),
            grant("/", ResourceKind::Queue, "work", "ben"),
        ]
    );
    assert_eq!(snapshot.invitations, []);
    assert_eq!(snapshot.quotas, []);
    assert_eq!(snapshot.webhooks, []);
}

#[test]
fn deleting_a_queue_or_an_exchange_deletes_what_lets_others_at_it() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    // An exchange of the queue's name is another thing, and the other way round.
    fixture.commit(&[
        Change::ExchangeDeclared(exchange("/", "work")),
        Change::QueueDeclared(queue(8, "/", "logs")),
        Change::GrantSet(grant("/", ResourceKind::Exchange, "work", "ben")),
        Change::GrantSet(grant("/", ResourceKind::Queue, "logs", "ben")),
        Change::QueueDeleted { id: 7 },
        Change::ExchangeDeleted {
            vhost: "/".into(),
            name: "logs".into(),
        },
    ]);
    let snapshot = fixture.snapshot();
    assert_eq!(
        snapshot.grants,
        [
            grant("/", ResourceKind::Exchange, "work", "ben"),
            grant("/", ResourceKind::Queue, "logs", "ben"),
            grant("other", ResourceKind::Queue, "work", "ana"),
        ]
    );
    assert_eq!(snapshot.queue_keys.len(), 1);
    assert_eq!(snapshot.queue_keys[0].id, "k2");
    assert_eq!(snapshot.webhooks, [webhook("w2", "other", "work")]);
    // One of the same name starts closed.
    fixture.commit(&[Change::QueueDeclared(queue(9, "/", "work"))]);
    assert_eq!(fixture.snapshot().grants, snapshot.grants);
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
fn a_policy_is_cleared_once_and_alone() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let cleared = Change::PolicyCleared {
        vhost: "/".into(),
        name: "short".into(),
    };
    fixture.commit(std::slice::from_ref(&cleared));
    assert_eq!(fixture.snapshot().policies, [policy("other", "short")]);
    assert_eq!(
        fixture.refusal(cleared),
        not_found(Subject::Policy, "short")
    );
}
