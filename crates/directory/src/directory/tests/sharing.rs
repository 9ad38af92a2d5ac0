//! Grants, keys, quotas, webhooks and groups that cannot be.

use super::*;
use crate::token;

#[test]
fn a_grant_needs_both_ends_and_clearing_it_only_the_account() {
    use ResourceKind::{Exchange, Queue};
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let cleared = |vhost: &str, name: &str, login: &str| Change::GrantCleared {
        vhost: vhost.into(),
        resource: Queue,
        name: name.into(),
        login: login.into(),
    };
    let set = |vhost: &str, resource, name: &str, login: &str| {
        Change::GrantSet(grant(vhost, resource, name, login))
    };
    for (change, expected) in [
        (
            set("gone", Queue, "work", "ben"),
            not_found(Subject::VirtualHost, "gone"),
        ),
        (
            set("/", Queue, "work", "gone"),
            not_found(Subject::Account, "gone"),
        ),
        (
            set("/", Queue, "logs", "ben"),
            not_found(Subject::Queue, "logs"),
        ),
        (
            set("/", Exchange, "work", "ben"),
            not_found(Subject::Exchange, "work"),
        ),
        (
            cleared("gone", "work", "ben"),
            not_found(Subject::VirtualHost, "gone"),
        ),
        (
            cleared("/", "work", "gone"),
            not_found(Subject::Account, "gone"),
        ),
    ] {
        assert_eq!(fixture.refusal(change.clone()), expected, "{change:?}");
    }
    // A predeclared exchange has no row and yet can be shared.
    fixture.commit(&[
        set("/", Exchange, "amq.topic", "ben"),
        cleared("/", "work", "ben"),
        cleared("/", "never was", "ben"),
    ]);
    assert_eq!(
        fixture.snapshot().grants,
        [
            grant("/", Exchange, "amq.topic", "ben"),
            grant("/", Exchange, "logs", "ben"),
            grant("other", Queue, "work", "ana"),
        ]
    );
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let before = fixture.snapshot();
    let key = || queue_key("x", "/", "work");
    for (refused, message) in [
        (
            queue_key("x", "gone", "work"),
            "virtual host 'gone' does not exist",
        ),
        (queue_key("x", "/", "gone"), "queue 'gone' does not exist"),
        (
            QueueKey {
                created_by: Some("gone".into()),
                ..key()
            },
            "account 'gone' does not exist",
        ),
        (
            QueueKey {
                secret_hash: token::hash("other"),
                ..queue_key("k1", "/", "work")
            },
            "queue key 'k1' already exists",
        ),
        (
            QueueKey {
                id: "x".into(),
                ..queue_key("k2", "/", "work")
            },
            "queue key 'x' already exists",
        ),
        (
            queue_key("", "/", "work"),
            "queue key: an id has 1 to 64 visible ASCII characters",
        ),
        (
            QueueKey {
                note: "x".repeat(257),
                ..key()
            },
            "queue key: the note can have at most 256 characters, not 257",
        ),
        (
            QueueKey {
                expires_ms: Some(1 << 63),
                ..key()
            },
            "queue key: the number 9223372036854775808 is above 9223372036854775807",
        ),
    ] {
        let refused = fixture.refusal(Change::QueueKeyAdded(refused));
        assert_eq!(refused.to_string(), message);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_webhook_that_cannot_be_is_refused() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    let before = fixture.snapshot();
    let base = || webhook("x", "/", "work");
    for (refused, message) in [
        (
            webhook("x", "gone", "work"),
            "virtual host 'gone' does not exist",
        ),
        (webhook("x", "/", "gone"), "queue 'gone' does not exist"),
        (
            Webhook {
                owner: "gone".into(),
                ..base()
            },
            "account 'gone' does not exist",
        ),
        (
            webhook("not\nan id", "/", "work"),
            "webhook: an id has 1 to 64 visible ASCII characters",
        ),
        (
            Webhook {
                url: String::new(),
                ..base()
            },
            "webhook: it has to have an address",
        ),
        (
            Webhook {
                url: "x".repeat(2049),
                ..base()
            },
            "webhook: the address can have at most 2048 bytes, not 2049",
        ),
        (
            Webhook {
                secret: "x".repeat(257),
                ..base()
            },
            "webhook: the secret can have at most 256 bytes, not 257",
        ),
        (
            Webhook {
                settings: "x".repeat(16 * 1024 + 1),
                ..base()
            },
            "webhook: the settings can have at most 16384 bytes, not 16385",
        ),
    ] {
        let refused = fixture.refusal(Change::WebhookSet(refused));
        assert_eq!(refused.to_string(), message);
    }
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_quota_or_a_group_that_cannot_be_is_refused() {
    let mut fixture = Fixture::furnished();
    let before = fixture.snapshot();
    for (change, message) in [
        (
            Change::QuotaSet(quota("gone")),
            "account 'gone' does not exist",
        ),
        (
            Change::QuotaCleared {
                login: "gone".into(),
            },
            "account 'gone' does not exist",
        ),
        (
            Change::QuotaSet(Quota {
                bytes: Some(u64::MAX),
                ..quota("ana")
            }),
            "quota: the number 18446744073709551615 is above 9223372036854775807",
        ),
        (
            Change::StreamGroupSet(group(7, "")),
            "group: a name has 1 to 255 bytes, this one has 0",
        ),
        (
            Change::StreamGroupSet(StreamGroup {
                next_offset: u64::MAX,
                ..group(7, "readers")
            }),
            "group: the number 18446744073709551615 is above 9223372036854775807",
        ),
        (
            Change::ExchangeDeclared(Exchange {
                owner: Some("gone".into()),
                ..exchange("/", "x")
            }),
            "account 'gone' does not exist",
        ),
    ] {
        assert_eq!(fixture.refusal(change.clone()).to_string(), message);
    }
    assert_eq!(fixture.snapshot(), before);
}
