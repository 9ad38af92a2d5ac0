use broker::arguments::QueueKind;

use super::*;

fn place(number: u64) -> QueueRef {
    QueueRef {
        id: QueueId(number),
        slot: 0,
        shard: 0,
        epoch: 0,
    }
}

fn parts(count: u64) -> QueueParts {
    QueueParts {
        head: place(0),
        kind: QueueKind::Classic,
        partitions: (1..=count).map(place).collect(),
        is_partition: false,
    }
}

fn group(partitions: u64) -> Arc<Group> {
    let group = Arc::new(Group::new("", place(0)));
    group.resize(&parts(partitions), |_| None);
    group
}

/// Which partitions each member is to have.
fn shares(members: &[&Member]) -> Vec<Vec<usize>> {
    let of = |member: &&Member| (0..64).filter(|unit| member.has(*unit)).collect();
    members.iter().map(of).collect()
}

fn units(holds: &[Arc<Hold>]) -> Vec<usize> {
    holds.iter().map(|hold| hold.unit()).collect()
}

#[test]
fn partitions_are_divided_evenly_and_few_of_them_move() {
    let group = group(7);
    let one = group.join();
    assert_eq!(shares(&[&one]), [vec![0, 1, 2, 3, 4, 5, 6]]);
    let two = group.join();
    assert_eq!(shares(&[&one, &two]), [vec![0, 1, 2, 3], vec![4, 5, 6]]);
    let three = group.join();
    let divided = shares(&[&one, &two, &three]);
    assert_eq!(divided, [vec![0, 1, 2], vec![4, 5], vec![3, 6]]);
    drop(one);
    let divided = shares(&[&two, &three]);
    let mut all: Vec<_> = divided.iter().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..7).collect::<Vec<_>>());
    assert!(divided[0].starts_with(&[]) && divided[0].contains(&4) && divided[1].contains(&6));
    assert!(divided.iter().all(|share| (3..=4).contains(&share.len())));
}

#[test]
fn more_members_than_partitions_leave_some_to_stand_by() {
    let group = group(2);
    let members: Vec<_> = (0..5).map(|_| group.join()).collect();
    let waiting = members.iter().filter(|one| one.hold().is_empty()).count();
    assert_eq!(waiting, 3);
}

#[test]
fn a_partition_is_held_once_until_the_last_delivery_is_settled() {
    let group = group(2);
    let one = group.join();
    let held = one.hold();
    assert_eq!(units(&held), [0, 1]);
    assert!(one.hold().is_empty() && group.hold_free().is_empty());
    let two = group.join();
    assert!(two.hold().is_empty(), "they are still out");
    let delivery = held[1].clone();
    drop(held);
    assert!(two.hold().is_empty());
    drop(delivery);
    assert_eq!(units(&two.hold()), [1]);
}

#[test]
fn a_pull_takes_what_no_member_waits_for() {
    let group = group(3);
    let pulled = group.hold_free();
    assert_eq!(units(&pulled), [0, 1, 2]);
    let member = group.join();
    drop(pulled);
    assert!(group.hold_free().is_empty());
    drop(member);
    assert_eq!(units(&group.hold_free()), [0, 1, 2]);
}

#[tokio::test]
async fn members_hear_of_what_is_freed_and_of_further_partitions() {
    let group = group(1);
    let held = group.hold_free();
    let mut member = group.join();
    drop(held);
    member.wait().await;
    assert_eq!(units(&member.hold()), [0]);
    group.resize(&parts(3), |_| None);
    member.wait().await;
    assert_eq!(units(&member.hold()), [0, 1, 2]);
}
