//! What a deletion takes with it.

use super::*;

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
