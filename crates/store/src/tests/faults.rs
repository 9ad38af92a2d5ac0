//! What a caller sees on a disk that fails and fills.

use std::sync::atomic::Ordering;

use super::rig::{Rig, World, small};
use crate::Position;
use crate::disk::faulty::FaultyDisk;

/// A fixed run that rotates, settles, acks and removes.
fn scenario(rig: &mut Rig, removed: u64) {
    for number in 0..60_u64 {
        let payload = number.to_le_bytes().repeat(150);
        let short_lived = if number < 30 {
            vec![1, removed]
        } else {
            vec![1]
        };
        rig.publish(&short_lived, &payload, true);
        rig.publish(&[2], &payload, number % 4 != 0);
        if number % 3 == 0 {
            let live = rig.live(1);
            if let Some(first) = live.first().copied() {
                rig.ack(1, first, first);
            }
        }
        if number == 30 {
            rig.remove(removed);
        }
        rig.submit();
        if number % 5 == 0 {
            // Not at every step, so that shards lag behind a rotation.
            let _ = rig.service();
        }
        wait_or_fail(rig);
    }
}

/// Waits until all is durable, unless the store has failed.
fn wait_or_fail(rig: &mut Rig) {
    rig.wait("durable or failed", |rig| {
        let durable = rig
            .shards
            .iter()
            .all(|shard| shard.durable() >= shard.submitted());
        durable || rig.store.as_ref().is_some_and(crate::Store::is_poisoned)
    });
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_confirmed() {
    let disk = FaultyDisk::new(3);
    let mut rig = Rig::new(disk.clone(), small());
    scenario(&mut rig, 3);
    drop(rig);
    let operations = disk.operations();
    assert!(operations > 150, "{operations}");
    for after in 0..operations {
        let disk = FaultyDisk::new(3);
        disk.power_off_after(after);
        let Ok(mut rig) = Rig::open(disk.clone(), small()) else {
            // The power went off while the store was being opened: nothing was promised yet.
            let rig = Rig::new(disk.crash(after), small());
            assert!(rig.queues.is_empty());
            continue;
        };
        scenario(&mut rig, 3);
        let rig = rig.crash(after * 7 + 1, small());
        // And once more, in the middle of what follows a recovery.
        rig.disk.power_off_after(after % 23);
        let mut rig = rig;
        scenario(&mut rig, 5);
        rig.crash(after * 13 + 5, small());
    }
}

#[test]
fn a_power_cut_while_opening_changes_nothing() {
    let mut rig = Rig::new(FaultyDisk::new(5), small());
    scenario(&mut rig, 3);
    rig.flush();
    let mut expected = rig.world();
    expected.retain(|_, messages| !messages.is_empty());
    let durable_only = |world: &mut World| world.retain(|_, messages| !messages.is_empty());
    let disk = rig.disk.crash(1);
    for after in 0..40 {
        let again = disk.crash(after);
        again.power_off_after(after);
        drop(Rig::open(again.clone(), small()));
        let mut rig = Rig::new(again.crash(after), small());
        let mut found = rig.world();
        durable_only(&mut found);
        assert_eq!(found, expected, "after {after} operations");
    }
}

#[test]
fn what_a_start_found_survives_a_power_cut_after_it() {
    let disk = FaultyDisk::new(1);
    let mut rig = Rig::new(disk.clone(), small());
    rig.publish(&[1], b"synced", true);
    rig.flush();
    // The next frame is written, but not synced, when the process ends.
    disk.fail_sync(0);
    rig.publish(&[1], &[7; 2000], true);
    rig.submit();
    wait_or_fail(&mut rig);
    assert!(rig.store.as_ref().unwrap().is_poisoned());
    drop(rig);
    let mut rig = Rig::new(disk.clone(), small());
    let found = rig.world();
    assert_eq!(found[&1].len(), 2, "what was written is there");
    for seed in 0..20 {
        assert_eq!(Rig::new(disk.crash(seed), small()).world(), found);
    }
}

#[test]
fn a_failed_sync_stops_the_store() {
    for nth in 0..6 {
        let mut rig = Rig::new(FaultyDisk::new(1), small());
        rig.publish(&[1], b"before", true);
        rig.flush();
        rig.disk.fail_sync(nth);
        let mut last = Position(0);
        for number in 0..10_u8 {
            last = rig.publish(&[1], &[number], true);
            rig.submit();
            wait_or_fail(&mut rig);
        }
        assert!(rig.store.as_ref().unwrap().is_poisoned());
        let durable = rig.shards[1].durable();
        assert_eq!(
            durable,
            Position(1 + nth),
            "nothing becomes durable after the failure"
        );
        assert!(durable < last);
        let failures = std::sync::Arc::clone(&rig.failures);
        let (disk, closed) = rig.close();
        assert!(closed.is_err());
        assert_eq!(
            failures.load(Ordering::SeqCst),
            1,
            "the hook is called once"
        );
        let rig = Rig::new(disk.crash(nth), small());
        assert!(rig.queues[&1].held.len() as u64 > nth);
    }
}

#[test]
fn a_failed_write_stops_the_store() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    rig.publish(&[1], b"before", true);
    rig.flush();
    rig.disk.fail_write(0);
    rig.publish(&[1], b"after", true);
    rig.submit();
    wait_or_fail(&mut rig);
    assert!(rig.store.as_ref().unwrap().is_poisoned());
    assert_eq!(rig.shards[1].durable(), Position(1));
    let rig = rig.crash(1, small());
    assert!(!rig.queues[&1].held.is_empty());
}

#[test]
fn a_full_disk_refuses_to_settle_and_recovers() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for _ in 0..20 {
        rig.publish(&[1], &[7; 1000], true);
    }
    rig.flush();
    let used: u64 = rig.disk.files().iter().map(|(_, bytes)| bytes).sum();
    rig.disk.set_capacity(Some(used + 3000));
    let before = rig.world();
    let failure = rig.settle(1, 20).unwrap_err();
    assert!(failure.is_disk_full(), "{failure}");
    assert_eq!(rig.queues[&1].log.live_count(), 0);
    // Acks go on: their frames lie in space that was reserved.
    rig.ack(1, 0, 4);
    rig.flush();
    rig.disk.set_capacity(None);
    rig.settle(1, 20).unwrap();
    assert_eq!(rig.queues[&1].log.live_count(), 15);
    let mut rig = rig.crash(1, small());
    assert_eq!(rig.world()[&1].len(), before[&1].len() - 5);
}

#[test]
fn a_full_disk_holds_commits_up_until_there_is_room() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    let used: u64 = rig.disk.files().iter().map(|(_, bytes)| bytes).sum();
    rig.disk.set_capacity(Some(used));
    for _ in 0..14 {
        rig.publish(&[1], &[7; 1000], true);
        rig.flush();
    }
    rig.publish(&[1], &[7; 3000], true);
    // The file has no room for this frame and the closing one, and the disk has none for another file.
    rig.submit();
    let held_up = rig.shards[1].submitted();
    for _ in 0..20 {
        std::thread::yield_now();
        assert!(rig.shards[1].durable() < held_up);
    }
    assert!(!rig.store.as_ref().unwrap().is_poisoned());
    rig.disk.set_capacity(None);
    rig.flush();
    let rig = rig.crash(1, small());
    assert_eq!(rig.queues[&1].held.len(), 15);
}
