#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod audit;
mod changes;
mod deletions;
mod files;
mod fixture;
mod refusals;
mod renames;
mod sessions;
mod sharing;

use super::*;
use crate::error::Subject;
use crate::model::{
    Account, ApplyTo, AuditRecord, Binding, DestinationKind, Exchange, Grant, Invitation,
    Permission, Policy, Profile, Queue, QueueKey, QueueKind, Quota, ResourceKind, Role, Session,
    StreamGroup, TopicPermission, VirtualHost, Webhook,
};
use fixture::*;

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
            sessions: vec![
                session("s1", "ana"),
                Session {
                    csrf_hash: None,
                    ..session("s2", "ben")
                }
            ],
            invitations: vec![invitation("code")],
            grants: vec![
                grant("/", ResourceKind::Exchange, "logs", "ben"),
                grant("/", ResourceKind::Queue, "work", "ben"),
                grant("other", ResourceKind::Queue, "work", "ana"),
            ],
            queue_keys: vec![
                queue_key("k1", "/", "work"),
                QueueKey {
                    expires_ms: None,
                    ..queue_key("k2", "other", "work")
                }
            ],
            quotas: vec![quota("ana")],
            webhooks: vec![webhook("w1", "/", "work"), webhook("w2", "other", "work")],
            stream_groups: vec![group(7, "readers"), group(u64::MAX >> 1, "readers")],
        }
    );
    // Durable after a drop, too.
    assert_eq!(fixture.reopen().snapshot(), snapshot);
}

#[test]
fn an_inspection_counts_everything() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    for _ in 0..4 {
        fixture.commit(&[Change::AuditAdded(AuditRecord::default())]);
    }
    let inspection = crate::inspect(fixture.directory.path()).unwrap();
    assert_eq!(inspection.problems, Vec::<String>::new());
    assert_eq!(
        inspection.counts,
        Some(crate::Counts {
            vhosts: 2,
            accounts: 2,
            permissions: 2,
            topic_permissions: 1,
            exchanges: 3,
            queues: 2,
            bindings: 2,
            policies: 2,
            parameters: 1,
            sessions: 2,
            invitations: 1,
            grants: 3,
            queue_keys: 2,
            quotas: 1,
            webhooks: 2,
            stream_groups: 2,
            audit: 4,
        })
    );
}

#[test]
fn no_debug_output_carries_a_hash_or_a_secret() {
    let hash = |bytes: [u8; 32]| format!("{bytes:?}");
    for (change, name, secrets) in [
        (
            Change::AccountAdded(account("ana")),
            "ana",
            vec!["hash of".to_owned()],
        ),
        (
            Change::SessionAdded(session("s1", "ana")),
            "s1",
            vec![
                hash(session("s1", "ana").token_hash),
                hash(crate::token::hash("csrf")),
            ],
        ),
        (
            Change::InvitationAdded(invitation("code")),
            "ana",
            vec![hash(invitation("code").code_hash)],
        ),
        (
            Change::QueueKeyAdded(queue_key("k1", "/", "work")),
            "k1",
            vec![hash(queue_key("k1", "/", "work").secret_hash)],
        ),
        (
            Change::WebhookSet(webhook("w1", "/", "work")),
            "w1",
            vec!["hidden".to_owned()],
        ),
    ] {
        let text = format!("{change:?}");
        assert!(text.contains(name), "{text}");
        for secret in secrets {
            assert!(!text.contains(&secret), "{text}");
        }
    }
}
