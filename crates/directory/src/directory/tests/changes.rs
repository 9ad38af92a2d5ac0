//! What becomes of changes: declared again, replaced, committed together.

use super::*;

#[test]
fn repeating_declarations_and_removals_has_no_effect() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let once = fixture.snapshot();
    fixture.commit(&declarations());
    assert_eq!(fixture.snapshot(), once);

    let removals = [
        Change::Unbound(binding("logs", DestinationKind::Queue, "work")),
        Change::QueueDeleted { id: 7 },
        Change::QueueDeleted { id: u64::MAX },
        Change::ExchangeDeleted {
            vhost: "/".into(),
            name: "logs".into(),
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
        Change::GrantCleared {
            vhost: "other".into(),
            resource: ResourceKind::Queue,
            name: "work".into(),
            login: "ana".into(),
        },
        Change::QueueKeyDeleted { id: "k2".into() },
        Change::WebhookDeleted { id: "w2".into() },
        Change::QuotaCleared {
            login: "ana".into(),
        },
        Change::StreamGroupDeleted {
            queue: u64::MAX >> 1,
            name: "readers".into(),
        },
        Change::SessionEnded { id: "s1".into() },
        Change::InvitationDeleted {
            code_hash: invitation("code").code_hash,
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
    assert_eq!(removed.permissions, [permission("other", "ana")]);
    assert_eq!(removed.topic_permissions, []);
    // Those of the queue and the exchange went with them.
    assert_eq!(removed.grants, []);
    assert_eq!(removed.queue_keys, []);
    assert_eq!(removed.webhooks, []);
    assert_eq!(removed.quotas, []);
    // One of them with its stream.
    assert_eq!(removed.stream_groups, []);
    assert_eq!(removed.sessions.len(), 1);
    assert_eq!(removed.invitations, []);
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
    let other_grant = Grant {
        configure: true,
        write: true,
        read: false,
        ..grant("/", ResourceKind::Queue, "work", "ben")
    };
    let other_quota = Quota {
        queues: None,
        bytes: Some(1),
        connections: Some(2),
        publish_rate: Some(0),
        ..quota("ana")
    };
    let other_webhook = Webhook {
        owner: "ben".into(),
        url: "https://example.org/other".into(),
        secret: String::new(),
        settings: "{}".into(),
        is_paused: false,
        created_ms: 9,
        ..webhook("w1", "other", "work")
    };
    let other_group = StreamGroup {
        next_offset: 8,
        ..group(7, "readers")
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
        Change::GrantSet(other_grant.clone()),
        Change::QuotaSet(other_quota.clone()),
        Change::WebhookSet(other_webhook.clone()),
        Change::StreamGroupSet(other_group.clone()),
        // What is gone is not read by anybody.
        Change::StreamGroupSet(group(99, "late")),
    ]);
    let snapshot = fixture.snapshot();
    assert_eq!(snapshot.permissions[0], other_permission);
    assert_eq!(snapshot.topic_permissions, [other_topic]);
    assert_eq!(snapshot.policies[0], other_policy);
    assert_eq!(snapshot.parameters["next_queue_id"], "9");
    assert_eq!(snapshot.grants[1], other_grant);
    assert_eq!(snapshot.quotas, [other_quota]);
    assert_eq!(snapshot.webhooks[0], other_webhook);
    assert_eq!(snapshot.stream_groups.len(), 2);
    assert_eq!(snapshot.stream_groups[0], other_group);
    assert_eq!(
        snapshot.accounts[1],
        Account {
            login: "ben".into(),
            password_hash: "new".into(),
            tags: Vec::new(),
            role: Role::Service,
            ..account("ben")
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
