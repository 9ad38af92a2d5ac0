//! Commits that a shard writes by itself, on sound and on failing disks.

use std::time::{Duration, Instant};

use super::rig::{Rig, small};
use crate::disk::faulty::FaultyDisk;
use crate::{Options, Position};

/// Two shards whose journal file is not full soon.
fn roomy() -> Options {
    Options {
        shards: 2,
        ..Options::default()
    }
}

/// Publishes a message until its batch is left for the shard to commit: the committer has seen that commits are small and quick.
fn publish_deferred(rig: &mut Rig) -> Position {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        rig.publish(&[1], &[7; 1000], true);
        if rig.shards[1].submit_or_defer() {
            return rig.shards[1].submitted();
        }
        rig.flush();
        assert!(Instant::now() < deadline, "no commit was small and quick");
    }
}

#[test]
fn a_lone_shard_commits_by_itself() {
    let mut rig = Rig::new(FaultyDisk::new(1), roomy());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let position = publish_deferred(&mut rig);
        assert!(rig.shards[1].has_deferred());
        rig.shards[1].commit_deferred(true);
        assert!(!rig.shards[1].has_deferred());
        // The committer may just have looked for work; as a rule it has not.
        if rig.shards[1].durable() >= position {
            break;
        }
        rig.flush();
        assert!(Instant::now() < deadline, "the shard never wrote by itself");
    }
    let published = rig.queues[&1].held.len();
    let rig = rig.crash(1, roomy());
    assert_eq!(rig.queues[&1].held.len(), published);
}

#[test]
fn a_lone_shard_leaves_its_commit_where_it_may_not_wait() {
    let mut rig = Rig::new(FaultyDisk::new(1), roomy());
    let position = publish_deferred(&mut rig);
    rig.shards[1].commit_deferred(false);
    rig.flush();
    assert!(rig.shards[1].durable() >= position);
}

#[test]
fn a_lone_shard_is_not_held_up_by_a_file_that_is_full() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    // More than a file holds: each end of a file is left to the committer.
    for _ in 0..100 {
        rig.publish(&[1], &[7; 1000], true);
        if rig.shards[1].submit_or_defer() {
            rig.shards[1].commit_deferred(true);
        }
    }
    rig.flush();
    let rig = rig.crash(1, small());
    assert_eq!(rig.queues[&1].held.len(), 100);
}

#[test]
fn large_batches_of_a_lone_shard_are_all_committed() {
    let mut rig = Rig::new(FaultyDisk::new(1), roomy());
    publish_deferred(&mut rig);
    // Each as large as a frame gets: the second does not go with the first.
    for _ in 0..2 {
        rig.publish(&[1], &vec![7; 9 << 20], true);
        rig.shards[1].submit_or_defer();
    }
    let position = rig.shards[1].submitted();
    rig.shards[1].commit_deferred(true);
    let deadline = Instant::now() + Duration::from_secs(30);
    while rig.shards[1].durable() < position {
        assert!(Instant::now() < deadline, "a batch was left behind");
        std::thread::yield_now();
    }
}

#[test]
fn nothing_is_written_after_a_lone_shard_failed() {
    let mut rig = Rig::new(FaultyDisk::new(1), roomy());
    publish_deferred(&mut rig);
    rig.disk.fail_sync(0);
    rig.shards[1].commit_deferred(true);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !rig.store.as_ref().unwrap().is_poisoned() {
        assert!(Instant::now() < deadline, "the store noticed nothing");
        std::thread::yield_now();
    }
    let durable = rig.shards[1].durable();
    rig.publish(&[1], &[7; 1000], true);
    assert!(!rig.shards[1].submit_or_defer());
    rig.shards[1].commit_deferred(true);
    assert_eq!(rig.shards[1].durable(), durable);
}
