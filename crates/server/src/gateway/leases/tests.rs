use std::sync::Arc;

use broker::{Body, Message, Outcome, QueueId, QueueRef};

use super::{Ended, LeaseId, Leased, Leases};
use crate::gateway::command::SettleKind;

fn message(sequence: u64) -> Leased {
    Leased {
        queue: QueueRef {
            id: QueueId(1),
            slot: 0,
            shard: 0,
            epoch: 0,
        },
        consumer: None,
        sequence,
        hold: None,
    }
}

/// What became of which message.
fn said(ended: Option<Ended>) -> Option<(u64, Outcome)> {
    ended.map(|ended| (ended.leased.sequence, ended.outcome))
}

/// Settles a lease and says what came of it.
fn settle(
    leases: &mut Leases,
    id: LeaseId,
    kind: SettleKind,
    now_ms: u64,
) -> (bool, Option<(u64, Outcome)>) {
    let (is_held, ended) = leases.settle(id, kind, now_ms);
    (is_held, said(ended))
}

fn requeued(sequence: u64) -> Option<(u64, Outcome)> {
    Some((sequence, Outcome::Requeued))
}

fn body() -> Arc<Message> {
    Arc::new(Message::new(
        "".into(),
        "queue",
        &[0, 0],
        Body::Copy(b"body"),
    ))
}

#[test]
fn a_lease_that_ends_gives_its_message_back_once() {
    let mut leases = Leases::default();
    leases.grant(message(1), body(), 1_000);
    leases.grant(message(2), body(), 500);
    assert_eq!(leases.next_end_ms(), Some(500));
    assert_eq!(said(leases.expire(499)), None);
    assert_eq!(said(leases.expire(500)), requeued(2));
    assert_eq!(said(leases.expire(500)), None);
    assert_eq!(said(leases.expire(1_000)), requeued(1));
    assert_eq!(leases.len(), 0);
}

#[test]
fn what_was_settled_is_not_held_any_more() {
    let mut leases = Leases::default();
    let id = leases.grant(message(1), body(), 1_000);
    assert_eq!(
        settle(&mut leases, id, SettleKind::Ack, 0),
        (true, Some((1, Outcome::Acked)))
    );
    assert_eq!(settle(&mut leases, id, SettleKind::Ack, 0), (false, None));
    assert_eq!(
        settle(&mut leases, LeaseId(99), SettleKind::Ack, 0),
        (false, None)
    );
    assert_eq!(leases.next_end_ms(), None);
}

#[test]
fn an_extended_lease_ends_later_and_not_at_its_old_end() {
    let mut leases = Leases::default();
    let id = leases.grant(message(1), body(), 1_000);
    let extend = SettleKind::Extend { lease_ms: 5_000 };
    assert_eq!(settle(&mut leases, id, extend, 900), (true, None));
    assert_eq!(said(leases.expire(1_000)), None);
    assert_eq!(said(leases.expire(5_900)), requeued(1));
}

#[test]
fn a_message_given_back_with_a_delay_waits_it_out_and_cannot_be_settled_again() {
    let mut leases = Leases::default();
    let id = leases.grant(message(1), body(), 1_000);
    let nack = SettleKind::Nack { delay_ms: 10_000 };
    assert_eq!(settle(&mut leases, id, nack, 0), (true, None));
    assert_eq!(settle(&mut leases, id, SettleKind::Ack, 1), (false, None));
    assert_eq!(said(leases.expire(9_999)), None);
    assert_eq!(said(leases.expire(10_000)), requeued(1));
}

#[test]
fn a_lease_without_an_end_stays_until_the_link_closes() {
    let mut leases = Leases::default();
    leases.grant(message(2), body(), u64::MAX);
    leases.grant(message(1), body(), u64::MAX);
    assert_eq!(leases.next_end_ms(), None);
    let order = leases.drain().into_iter().map(|leased| leased.sequence);
    assert_eq!(order.collect::<Vec<_>>(), [2, 1]);
    assert_eq!(leases.len(), 0);
}
