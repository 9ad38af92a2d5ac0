//! What a start finds in files that have decayed, are missing or are not ours.

use std::path::{Path, PathBuf};

use super::rig::{DIR, Rig, World, small};
use crate::disk::faulty::FaultyDisk;
use crate::{DamageKind, Sequence};

/// A disk with settled and unsettled messages, closed properly.
fn sample() -> (FaultyDisk, World) {
    let mut rig = Rig::new(FaultyDisk::new(9), small());
    for number in 0..30_u64 {
        rig.publish(&[1], &number.to_le_bytes().repeat(60), true);
        rig.flush();
    }
    rig.settle(1, 20).unwrap();
    let mut world = rig.world();
    rig = rig.restart(small());
    rig.quiesce();
    for number in 0..5_u64 {
        rig.publish(&[1], &number.to_le_bytes().repeat(60), true);
        rig.flush();
    }
    world.append(&mut rig.world());
    let (disk, closed) = rig.close();
    closed.unwrap();
    (disk, world)
}

fn is_payload_sound(world: &World, expected: &World) -> bool {
    let mut all = world
        .iter()
        .flat_map(|(queue, messages)| messages.iter().map(move |found| (queue, found)));
    all.all(|(queue, (sequence, kept))| {
        expected[queue]
            .get(sequence)
            .is_none_or(|known| known.payload == kept.payload)
    })
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let (disk, expected) = sample();
    let (mut found, mut silent) = (0, Vec::new());
    for (path, bytes) in disk.files() {
        let content = disk.content(&path).unwrap();
        let used = content
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        for byte in (0..used.min(usize::try_from(bytes).unwrap())).step_by(37) {
            let bit = byte as u64 * 8 + (byte % 8) as u64;
            let damaged = disk.crash(1);
            assert!(damaged.flip_bit(&path, bit));
            let mut rig = Rig::open(damaged, small()).unwrap();
            let world = rig.world();
            assert!(
                is_payload_sound(&world, &expected),
                "bad bytes served after a flip in {path:?} at {byte}"
            );
            let mut damage = std::mem::take(&mut rig.damage);
            damage.extend(
                rig.queues
                    .values_mut()
                    .flat_map(|queue| queue.log.take_damage()),
            );
            let whole = world == expected;
            if damage.is_empty() && !whole {
                silent.push((path.clone(), byte));
            }
            found += u32::from(!damage.is_empty());
            // Nothing but what is named is lost.
            let harmless = damage.iter().all(|damage| !damage.kind.is_harmful());
            assert!(
                whole || !harmless,
                "loss without damage after a flip in {path:?} at {byte}: {damage:?}"
            );
        }
    }
    assert!(found > 100, "{found}");
    assert_eq!(silent, Vec::<(PathBuf, usize)>::new());
}

#[test]
fn a_damaged_record_costs_one_message() {
    let (disk, mut expected) = sample();
    let path = Path::new(DIR).join("queues/0000000001-000001.segment");
    assert!(disk.flip_bit(&path, (32 + 24 + 100) * 8));
    let mut rig = Rig::new(disk, small());
    let world = rig.world();
    let damage = rig.queues.get_mut(&1).unwrap().log.take_damage();
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].kind, DamageKind::SegmentRecord);
    assert_eq!(
        (damage[0].lost[0].first, damage[0].lost[0].last),
        (Sequence(0), Sequence(0))
    );
    assert!(
        damage[0]
            .quarantine
            .as_ref()
            .is_some_and(|copy| rig.disk.content(copy).is_some())
    );
    expected.get_mut(&1).unwrap().remove(&0);
    assert_eq!(world, expected);
}

#[test]
fn a_missing_or_swapped_segment_is_named_and_not_served() {
    let (disk, expected) = sample();
    let [first, second] =
        [1, 2].map(|id| Path::new(DIR).join(format!("queues/0000000001-{id:06}.segment")));
    let missing = disk.crash(1);
    crate::disk::Disk::remove(&missing, &first).unwrap();
    let mut rig = Rig::new(missing, small());
    assert_eq!(rig.damage[0].kind, DamageKind::SegmentMissing);
    assert!(rig.world()[&1].len() < expected[&1].len());

    let swapped = disk.crash(1);
    let contents = [&first, &second].map(|path| swapped.content(path).unwrap());
    swapped.put(&first, &contents[1]);
    swapped.put(&second, &contents[0]);
    let mut rig = Rig::new(swapped, small());
    assert!(
        rig.damage
            .iter()
            .any(|damage| damage.kind == DamageKind::SegmentHeader)
    );
    assert!(is_payload_sound(&rig.world(), &expected));
    assert!(rig.world()[&1].len() < expected[&1].len());
}

#[test]
fn a_truncated_segment_serves_what_is_whole() {
    let (disk, expected) = sample();
    let path = Path::new(DIR).join("queues/0000000001-000001.segment");
    let content = disk.content(&path).unwrap();
    for length in (0..content.len()).step_by(256) {
        let cut = disk.crash(1);
        cut.put(&path, &content[..length]);
        let mut rig = Rig::new(cut, small());
        assert_eq!(rig.damage[0].kind, DamageKind::SegmentMissing);
        let world = rig.world();
        assert!(is_payload_sound(&world, &expected));
        let lost: u64 = (rig.queues.get_mut(&1).unwrap().log.take_damage().iter())
            .flat_map(|damage| &damage.lost)
            .map(|lost| lost.last.0 - lost.first.0 + 1)
            .sum();
        assert_eq!(
            world[&1].len() as u64 + lost,
            expected[&1].len() as u64,
            "cut to {length}"
        );
    }
}

#[test]
fn segments_are_read_when_their_description_is_lost() {
    let (disk, expected) = sample();
    let mut rebuilt = 0;
    for (path, bytes) in disk.files() {
        if path.extension().is_none_or(|end| end != "journal") {
            continue;
        }
        // One bit of the first records of each frame: the states are in one of them.
        for block in 1..bytes / 4096 {
            let damaged = disk.crash(1);
            assert!(damaged.flip_bit(&path, (block * 4096 + 50) * 8));
            let mut rig = Rig::open(damaged, small()).unwrap();
            if !rig
                .damage
                .iter()
                .any(|damage| damage.kind == DamageKind::Rebuilt)
            {
                continue;
            }
            rebuilt += 1;
            assert!(
                rig.damage
                    .iter()
                    .any(|damage| damage.kind == DamageKind::Frame)
            );
            assert_eq!(rig.world(), expected);
            rig.quiesce();
            let mut rig = rig.restart(small());
            assert_eq!(rig.world(), expected);
        }
    }
    assert!(rebuilt > 0);
}

#[test]
fn pages_of_an_earlier_use_are_not_taken_for_frames() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    for round in 0..12_u64 {
        for _ in 0..10 {
            rig.publish(&[1], &round.to_le_bytes().repeat(400), true);
            rig.flush();
        }
        let last = rig.queues[&1].next - 1;
        rig.ack(1, 0, last);
        rig.quiesce();
        // The active file now holds old frames behind its own, as files are written again.
        rig = rig.crash(round, small());
        assert!(rig.world()[&1].is_empty(), "round {round}");
    }
}

#[test]
fn bytes_that_a_publisher_chose_are_not_taken_for_frames() {
    let mut rig = Rig::new(FaultyDisk::new(1), small());
    rig.publish(&[1], b"real", true);
    rig.flush();
    // Copies a real frame, as an attacker would who could read one, into a body at every block of a file.
    let journal = Path::new(DIR).join("journal/0000000001.journal");
    let frame = rig.disk.content(&journal).unwrap()[4096..8192].to_vec();
    rig.publish(&[1], &frame.repeat(8), true);
    rig.flush();
    let last = rig.disk.content(&journal).unwrap();
    // The frame that holds the forgeries loses its header: recovery searches its blocks.
    assert!(rig.disk.flip_bit(&journal, (8192 + 20) * 8));
    rig.publish(&[1], b"later", true);
    rig.flush();
    assert!(!last.is_empty());
    let (disk, closed) = rig.close();
    closed.unwrap();
    let rig = Rig::new(disk, small());
    assert_eq!(rig.damage.len(), 1, "{:?}", rig.damage);
    assert_eq!(
        rig.queues[&1].held.keys().copied().collect::<Vec<_>>(),
        [0, 2]
    );
}

#[test]
fn strangers_in_the_directory_are_refused_and_kept() {
    let (disk, _) = sample();
    let stranger = Path::new(DIR).join("queues/notes.txt");
    disk.put(&stranger, b"mine");
    let rig = Rig::new(disk, small());
    assert_eq!(rig.disk.content(&stranger).unwrap(), b"mine");
}

/// A disk whose journal has rotated while shards lagged behind, so that states of two turns are in it. It was closed properly.
fn rotated(messages: u64, pause: u64) -> (FaultyDisk, World) {
    let mut rig = Rig::new(FaultyDisk::new(11), small());
    for number in 0..messages {
        rig.publish(&[1], &number.to_le_bytes().repeat(150), true);
        if number % 7 == 3 {
            let first = rig.live(1)[0];
            rig.ack(1, first, first);
        }
        rig.flush();
        if number % pause == 0 {
            // Late, and in one batch with what does not fit any more: then this turn's states lie in the next file, and outlive
            // the file that the next turn releases.
            rig.publish(&[1], &number.to_le_bytes().repeat(1500), true);
            rig.service().unwrap();
            rig.flush();
        }
    }
    // One more turn releases all files but the last.
    rig.quiesce();
    for number in 0..3_u64 {
        rig.publish(&[1], &number.to_le_bytes().repeat(150), true);
        rig.flush();
    }
    let world = rig.world();
    let (disk, closed) = rig.close();
    closed.unwrap();
    (disk, world)
}

/// Where the whole frames are: the file, the place in it, and the bytes of their payload.
fn frames(disk: &FaultyDisk) -> Vec<(PathBuf, u64, usize)> {
    let places = crate::shared::Places::new(Path::new(DIR));
    let scan = crate::recovery::scan::scan(disk, &places).unwrap();
    let place = |frame: &crate::recovery::scan::ScannedFrame| {
        let file = &scan.files[frame.file];
        (
            file.path.clone(),
            frame.offset as u64,
            frame.header.payload_bytes,
        )
    };
    scan.frames.iter().map(place).collect()
}

#[test]
fn a_damaged_frame_costs_what_was_in_it_alone() {
    let mut rebuilt = 0;
    let mut tried = 0;
    for (messages, pause) in (70..130)
        .step_by(10)
        .flat_map(|count| [(count, 11), (count, 12), (count, 13)])
    {
        let (disk, expected) = rotated(messages, pause);
        for (path, offset, payload) in frames(&disk) {
            if payload == 0 {
                continue;
            }
            tried += 1;
            let damaged = disk.crash(1);
            let at = offset + 48 + payload as u64 / 2;
            assert!(damaged.flip_bit(&path, at * 8 + 3));
            let seen = crate::inspect(&damaged, Path::new(DIR)).unwrap();
            assert!(
                seen.damage.iter().any(|found| found.kind.is_harmful()),
                "an inspection misses the flip in {path:?} at {at}: {:?}",
                seen.damage
            );
            let mut rig = Rig::open(damaged, small()).unwrap();
            let again = rig
                .damage
                .iter()
                .any(|found| found.kind == DamageKind::Rebuilt);
            rebuilt += u32::from(again);
            let world = rig.world();
            assert!(is_payload_sound(&world, &expected));
            // Each frame holds one message.
            let lost: Vec<_> = (expected[&1].keys())
                .filter(|sequence| !world[&1].contains_key(*sequence))
                .collect();
            assert!(
                lost.len() <= 1,
                "{messages}/{pause}: a flip in {path:?} at {at} loses {lost:?}: {:?}",
                rig.damage
            );
            // The ack that the frame held may be lost with it.
            let back = (world[&1].keys())
                .filter(|sequence| !expected[&1].contains_key(*sequence))
                .count();
            assert!(
                again || back <= 1,
                "{messages}/{pause}: a flip in {path:?} at {at} brings back {back}"
            );
            // It is stable: what was found is settled, described and found again.
            rig.quiesce();
            let mut rig = rig.restart(small());
            assert_eq!(rig.world(), world);
        }
    }
    assert!(rebuilt > 0 && tried > 100, "{rebuilt} of {tried}");
}
