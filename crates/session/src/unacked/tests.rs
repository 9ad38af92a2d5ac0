use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Unacked, UnackedList};
use crate::harness::queue;
use crate::limits;

fn unacked(tag: u64) -> Unacked {
    Unacked {
        tag,
        queue: queue(1),
        sequence: tag * 10,
        consumer: None,
    }
}

#[test]
fn a_straggler_does_not_keep_what_was_settled_after_it() {
    let mut list = UnackedList::default();
    list.push(unacked(1));
    for tag in 2..100_000 {
        list.push(unacked(tag));
        if tag > 2 {
            assert_eq!(list.take(tag - 1), Some(unacked(tag - 1)));
        }
    }
    assert_eq!(list.len(), 2);
    assert!(list.entries.len() <= limits::UNACKED_SETTLED_MAX + 4);
    assert_eq!(list.take(1), Some(unacked(1)));
    assert_eq!(list.entries.len(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Push,
    Take(u64),
    TakeUntil(u64),
    Contains(u64),
    Restore(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        2 => (0..60_u64).prop_map(Step::Take),
        1 => (0..60_u64).prop_map(Step::TakeUntil),
        1 => (0..60_u64).prop_map(Step::Contains),
        1 => (0..60_u64).prop_map(Step::Restore),
    ]
}

proptest! {
    #[test]
    fn it_behaves_as_a_sorted_map(steps in prop::collection::vec(step(), 1..200)) {
        let mut list = UnackedList::default();
        let mut model: BTreeMap<u64, Unacked> = BTreeMap::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Push => {
                    // Deliveries without acknowledgement leave gaps.
                    next += 1 + next % 2;
                    list.push(unacked(next));
                    model.insert(next, unacked(next));
                }
                Step::Take(tag) => prop_assert_eq!(list.take(tag), model.remove(&tag)),
                Step::TakeUntil(tag) => {
                    let expected = model.first_entry().filter(|first| *first.key() <= tag).map(|first| first.remove());
                    prop_assert_eq!(list.take_until(tag), expected);
                }
                Step::Contains(tag) => prop_assert_eq!(list.contains(tag), model.contains_key(&tag)),
                Step::Restore(tag) => {
                    let taken = list.take(tag);
                    list.restore(taken.into_iter());
                }
            }
            prop_assert_eq!(list.len(), model.len());
        }
        let rest: Vec<Unacked> = list.drain().collect();
        prop_assert_eq!(rest, model.into_values().collect::<Vec<_>>());
    }
}
