//! What follows a queue to its new name.

use super::*;

fn renamed(id: u64, name: &str) -> Change {
    Change::QueueRenamed {
        id,
        name: name.into(),
    }
}

#[test]
fn all_that_leads_to_a_queue_follows_its_new_name_and_nothing_else_does() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    // An exchange of the same name stays where it is, with all that is its own.
    let to_exchange = binding("logs", DestinationKind::Exchange, "work");
    fixture.commit(&[
        Change::ExchangeDeclared(exchange("/", "work")),
        Change::Bound(to_exchange.clone()),
        Change::GrantSet(grant("/", ResourceKind::Exchange, "work", "ben")),
    ]);
    let before = fixture.snapshot();
    fixture.commit(&[renamed(7, "jobs")]);
    let after = fixture.snapshot();

    let mut expected = before;
    expected.queues[0] = queue(7, "/", "jobs");
    expected.bindings = vec![
        binding("logs", DestinationKind::Queue, "jobs"),
        binding("logs", DestinationKind::Exchange, "audit"),
        to_exchange,
    ];
    expected.grants = vec![
        grant("/", ResourceKind::Exchange, "logs", "ben"),
        grant("/", ResourceKind::Exchange, "work", "ben"),
        grant("/", ResourceKind::Queue, "jobs", "ben"),
        grant("other", ResourceKind::Queue, "work", "ana"),
    ];
    expected.queue_keys[0] = queue_key("k1", "/", "jobs");
    expected.webhooks[0] = webhook("w1", "/", "jobs");
    assert_eq!(after, expected);

    // The old name is free, and the new one the queue's own.
    fixture.commit(&[renamed(7, "jobs"), renamed(7, "work"), renamed(7, "jobs")]);
    assert_eq!(fixture.snapshot(), expected);
    fixture.commit(&[
        Change::QueueDeclared(queue(8, "/", "work")),
        Change::QueueDeleted { id: 7 },
    ]);
    let left = fixture.snapshot();
    assert_eq!(left.queue_keys.len(), 1);
    assert_eq!(left.webhooks.len(), 1);
    assert_eq!(left.grants.len(), 3);
}

#[test]
fn a_name_that_is_taken_or_cannot_be_read_is_refused() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&one_of_everything());
    fixture.commit(&[Change::QueueDeclared(queue(8, "/", "taken"))]);
    let before = fixture.snapshot();
    assert_eq!(
        fixture.refusal(renamed(7, "taken")),
        already_exists(Subject::Queue, "taken")
    );
    for missing in [9, u64::MAX] {
        assert_eq!(
            fixture.refusal(renamed(missing, "free")),
            not_found(Subject::Queue, &missing.to_string())
        );
    }
    for name in ["", "line\nbreak", &"x".repeat(256)] {
        let refused = fixture.refusal(renamed(7, name));
        assert!(matches!(refused, Refused::Invalid { .. }), "{name:?}");
    }
    assert_eq!(fixture.snapshot(), before);
    // Taken in another virtual host is not taken.
    fixture.commit(&[
        Change::QueueDeclared(queue(10, "other", "free")),
        renamed(7, "free"),
    ]);
}
