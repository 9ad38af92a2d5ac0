//! What the rules forbid.

use super::*;

fn policy_cleared(vhost: &str, name: &str) -> Change {
    Change::PolicyCleared {
        vhost: vhost.into(),
        name: name.into(),
    }
}

fn permission_cleared(vhost: &str, login: &str) -> Change {
    Change::PermissionCleared {
        vhost: vhost.into(),
        login: login.into(),
    }
}

fn topic_permission_cleared(vhost: &str, login: &str) -> Change {
    Change::TopicPermissionCleared {
        vhost: vhost.into(),
        login: login.into(),
        exchange: None,
    }
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
        (policy_cleared("gone", "short"), vhost("gone")),
        (
            policy_cleared("/", "gone"),
            not_found(Subject::Policy, "gone"),
        ),
        (permission_cleared("gone", "ana"), vhost("gone")),
        (
            permission_cleared("/", "gone"),
            not_found(Subject::Account, "gone"),
        ),
        (topic_permission_cleared("gone", "ana"), vhost("gone")),
        (
            topic_permission_cleared("/", "gone"),
            not_found(Subject::Account, "gone"),
        ),
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
        Change::VhostAdded {
            name: String::new(),
        },
        Change::VhostAdded {
            name: "line\nbreak".into(),
        },
        Change::VhostAdded {
            name: "v".repeat(256),
        },
        Change::PolicySet(policy("/", "")),
        Change::PolicySet(policy("/", "zero\u{200b}width")),
    ] {
        assert!(
            matches!(fixture.refusal(change.clone()), Refused::Invalid { .. }),
            "{change:?}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
}
