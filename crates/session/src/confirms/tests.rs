use std::collections::BTreeMap;

use codec::amqp::frame;
use codec::amqp::method::Method;
use proptest::prelude::*;

use super::Confirms;

/// What a flush tells, as (tag, multiple, is a nack).
fn flushed(confirms: &mut Confirms) -> Vec<(u64, bool, bool)> {
    let mut out = Vec::new();
    confirms.flush(1, &mut out);
    let mut rest = out.as_slice();
    let mut told = Vec::new();
    while let Ok(Some((frame, used))) = frame::parse(rest, 0) {
        told.push(
            if let Ok(Method::BasicAck(ack)) = Method::decode(frame.payload) {
                (ack.delivery_tag, ack.multiple, false)
            } else if let Ok(Method::BasicNack(nack)) = Method::decode(frame.payload) {
                (nack.delivery_tag, nack.multiple, true)
            } else {
                unreachable!("only ack and nack are told")
            },
        );
        rest = rest.get(used..).unwrap_or_default();
    }
    told
}

fn with(answers: &[u32]) -> Confirms {
    let mut confirms = Confirms::new(0);
    for count in answers {
        confirms.push(*count);
    }
    confirms
}

#[test]
fn a_run_is_told_at_once() {
    let mut confirms = with(&[1; 100]);
    assert!(confirms.settle(1, 60, false));
    assert_eq!(flushed(&mut confirms), [(60, true, false)]);
    assert!(confirms.settle(61, 61, false));
    assert_eq!(flushed(&mut confirms), [(61, false, false)]);
}

#[test]
fn ranges_that_meet_are_told_together() {
    let mut confirms = with(&[1; 10]);
    confirms.settle(6, 10, false);
    confirms.settle(1, 5, false);
    assert_eq!(flushed(&mut confirms), [(10, true, false)]);
}

#[test]
fn a_gap_does_not_hold_up_what_follows() {
    let mut confirms = with(&[1; 4]);
    confirms.settle(1, 1, false);
    confirms.settle(3, 4, false);
    assert_eq!(
        flushed(&mut confirms),
        [(1, false, false), (3, false, false), (4, false, false)]
    );
    confirms.settle(2, 2, false);
    assert_eq!(flushed(&mut confirms), [(2, false, false)]);
    assert_eq!(confirms.next(), 5);
}

#[test]
fn every_shard_must_answer() {
    let mut confirms = with(&[2, 1]);
    assert!(!confirms.settle(1, 1, false));
    assert_eq!(flushed(&mut confirms), []);
    assert!(confirms.settle(1, 1, false));
    assert_eq!(flushed(&mut confirms), [(1, false, false)]);
}

#[test]
fn one_rejection_is_enough_for_a_nack() {
    let mut confirms = with(&[1, 2, 1, 1]);
    confirms.settle(2, 2, true);
    confirms.settle(1, 4, false);
    assert_eq!(
        flushed(&mut confirms),
        [(1, false, false), (2, false, true), (4, true, false)]
    );
}

#[test]
fn what_nobody_took_is_told_at_the_next_flush() {
    let mut confirms = with(&[0]);
    assert_eq!(flushed(&mut confirms), [(1, false, false)]);
}

#[test]
fn answers_to_an_earlier_tenant_of_the_channel_are_ignored() {
    let mut confirms = Confirms::new(100);
    confirms.push(1);
    assert_eq!(confirms.next(), 102);
    assert!(!confirms.settle(1, 100, false));
    assert!(!confirms.settle(500, 600, false));
    assert_eq!(flushed(&mut confirms), []);
    assert!(confirms.settle(90, 101, false));
    assert_eq!(flushed(&mut confirms), [(1, false, false)]);
}

#[derive(Debug, Clone)]
enum Step {
    Publish(u32),
    Settle(u64, u64, bool),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..3_u32).prop_map(Step::Publish),
        3 => (0..40_u64, 0..6_u64, prop::bool::weighted(0.2)).prop_map(|(at, length, is_rejected)| Step::Settle(at, length, is_rejected)),
        1 => Just(Step::Flush),
    ]
}

/// Applies what was told to the tags that wait, as a client does; each may be told only once.
fn apply(
    told: Vec<(u64, bool, bool)>,
    waiting: &mut BTreeMap<u64, ()>,
    results: &mut BTreeMap<u64, bool>,
) {
    for (tag, multiple, is_nack) in told {
        let tags: Vec<u64> = if multiple {
            waiting.range(..=tag).map(|(tag, ())| *tag).collect()
        } else {
            vec![tag]
        };
        assert!(
            tags.contains(&tag),
            "tag {tag} was told twice or never published"
        );
        for tag in tags {
            assert!(waiting.remove(&tag).is_some(), "tag {tag} was told twice");
            results.insert(tag, is_nack);
        }
    }
}

proptest! {
    #[test]
    fn each_publish_is_told_once_and_rightly(steps in prop::collection::vec(step(), 1..120)) {
        let mut confirms = Confirms::new(0);
        let (mut waiting, mut results) = (BTreeMap::new(), BTreeMap::new());
        let mut remaining: BTreeMap<u64, (u32, bool)> = BTreeMap::new();
        for step in steps.into_iter().chain([Step::Flush]) {
            match step {
                Step::Publish(answers) => {
                    let tag = confirms.next();
                    confirms.push(answers);
                    waiting.insert(tag, ());
                    remaining.insert(tag, (answers, false));
                }
                Step::Settle(first, length, is_rejected) => {
                    confirms.settle(first, first + length, is_rejected);
                    for (_, (count, was_rejected)) in remaining.range_mut(first..=first + length) {
                        if *count > 0 {
                            *count -= 1;
                            *was_rejected |= is_rejected;
                        }
                    }
                }
                Step::Flush => apply(flushed(&mut confirms), &mut waiting, &mut results),
            }
        }
        let expected: BTreeMap<u64, bool> = remaining
            .into_iter()
            .filter(|(_, (count, _))| *count == 0)
            .map(|(tag, (_, was_rejected))| (tag, was_rejected))
            .collect();
        prop_assert_eq!(results, expected);
    }
}
