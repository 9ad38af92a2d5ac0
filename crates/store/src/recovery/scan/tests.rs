#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use super::{Scan, scan};
use crate::damage::DamageKind;
use crate::disk::Disk;
use crate::disk::faulty::FaultyDisk;
use crate::frame::{FRAME_HEADER_BYTES, FileHeader, FrameHeader};
use crate::ids::{QueueId, Sequence};
use crate::newest::{self, Mark, Newest};
use crate::record;
use crate::shared::Places;

const BLOCK: usize = 4096;

/// A journal file whose frames, one block each, have these sequences.
fn file(number: u64, first_frame: u64, sequences: &[u64]) -> Vec<u8> {
    let mut content = FileHeader {
        file: number,
        salt: number * 1000,
        first_frame,
        bytes: 16 * BLOCK as u64,
    }
    .encode();
    for sequence in sequences {
        let mut frame = vec![0; FRAME_HEADER_BYTES];
        record::put_message(
            &mut frame,
            &[(QueueId(1), Sequence(*sequence))],
            &[&[7; 100]],
        );
        FrameHeader::seal(&mut frame, (number, number * 1000), *sequence, 1, 0);
        content.append(&mut frame);
    }
    content.resize(16 * BLOCK, 0);
    content
}

fn scanned(files: &[(u64, Vec<u8>)]) -> Scan {
    let disk = FaultyDisk::new(1);
    let places = Places::new(Path::new("/data"));
    disk.create_dir(&places.journal).unwrap();
    for (number, content) in files {
        disk.put(&places.journal_file(*number), content);
    }
    scan(&disk, &places).unwrap()
}

fn check(files: &[(u64, Vec<u8>)], sequences: &[u64], damage: &[DamageKind]) -> Scan {
    let scan = scanned(files);
    let found: Vec<_> = scan
        .frames
        .iter()
        .map(|frame| frame.header.sequence)
        .collect();
    assert_eq!(found, sequences);
    let kinds: Vec<_> = scan.damage.iter().map(|damage| damage.kind).collect();
    assert_eq!(kinds, damage, "{:?}", scan.damage);
    scan
}

#[test]
fn files_are_read_in_order() {
    let scan = check(
        &[(2, file(2, 3, &[3, 4])), (1, file(1, 1, &[1, 2]))],
        &[1, 2, 3, 4],
        &[],
    );
    assert_eq!((scan.next_frame(), scan.last_number), (5, 2));
}

#[test]
fn an_empty_journal_starts_at_one() {
    assert_eq!(check(&[], &[], &[]).next_frame(), 1);
    assert_eq!(check(&[(1, Vec::new())], &[], &[]).next_frame(), 1);
    assert_eq!(check(&[(1, vec![0; 3 * BLOCK])], &[], &[]).next_frame(), 1);
}

#[test]
fn a_frame_that_a_later_file_declares_void_stays_void() {
    // Frame 3 of the first file was torn when the second was begun, and reads well today.
    let scan = check(
        &[(1, file(1, 1, &[1, 2, 3])), (2, file(2, 3, &[3]))],
        &[1, 2, 3],
        &[],
    );
    assert_eq!(scan.frames.last().unwrap().file, 1);
}

#[test]
fn a_torn_tail_is_cut_and_no_loss() {
    let mut torn = file(1, 1, &[1, 2]);
    torn[2 * BLOCK + 80] ^= 1;
    check(&[(1, torn.clone())], &[1], &[DamageKind::TornTail]);
    // Whoever goes on after it starts with its number.
    check(&[(1, torn), (2, file(2, 2, &[2, 3]))], &[1, 2, 3], &[]);
    // One bit anywhere in the last frame shows.
    for byte in 0..155 {
        let mut flipped = file(1, 1, &[1, 2]);
        flipped[2 * BLOCK + byte] ^= 0x10;
        check(&[(1, flipped)], &[1], &[DamageKind::TornTail]);
        let mut flipped = file(2, 2, &[2]);
        flipped[BLOCK + byte] ^= 0x10;
        check(
            &[(1, file(1, 1, &[1])), (2, flipped)],
            &[1],
            &[DamageKind::TornTail],
        );
    }
}

#[test]
fn damage_before_the_last_frame_is_named() {
    let mut first = file(1, 1, &[1, 2, 3]);
    first[2 * BLOCK + 80] ^= 1;
    let scan = check(&[(1, first)], &[1, 3], &[DamageKind::Frame]);
    let damage = &scan.damage[0];
    assert_eq!(
        (damage.offset, damage.bytes),
        (2 * BLOCK as u64, BLOCK as u64)
    );
    assert_eq!(damage.lost.len(), 1);
    assert_eq!(
        (damage.lost[0].first, damage.lost[0].last),
        (Sequence(2), Sequence(2))
    );

    // At the end of a file that was followed by another one, it is no torn tail.
    let mut last = file(1, 1, &[1, 2]);
    last[2 * BLOCK + 80] ^= 1;
    check(
        &[(1, last), (2, file(2, 3, &[3]))],
        &[1, 3],
        &[DamageKind::Frame],
    );

    let mut zeroed = file(1, 1, &[1, 2, 3]);
    zeroed[BLOCK..2 * BLOCK].fill(0);
    check(&[(1, zeroed)], &[2, 3], &[DamageKind::Frame]);
}

#[test]
fn a_missing_file_is_named() {
    let files = [(1, file(1, 1, &[1])), (3, file(3, 4, &[4]))];
    let scan = scanned(&files);
    assert_eq!(scan.frames.len(), 2);
    assert!(scan.damage.iter().any(|damage| damage.kind.is_harmful()));
}

#[test]
fn frames_survive_the_loss_of_the_file_header() {
    let mut first = file(1, 1, &[1, 2]);
    first[20] ^= 1;
    check(&[(1, first)], &[1, 2], &[DamageKind::JournalHeader]);
}

#[test]
fn padding_that_decayed_costs_nothing() {
    let mut first = file(1, 1, &[1, 2]);
    first[2 * BLOCK - 1] ^= 1;
    check(&[(1, first)], &[1, 2], &[DamageKind::Padding]);
}

#[test]
fn frames_of_another_file_or_an_earlier_use_are_ignored() {
    let mut recycled = file(2, 3, &[3]);
    let old = file(1, 1, &[1, 2, 3, 4]);
    recycled[2 * BLOCK..5 * BLOCK].copy_from_slice(&old[2 * BLOCK..5 * BLOCK]);
    check(&[(2, recycled)], &[3], &[]);
    // A file under another name than it was written for: it was renamed to be written again, and was not.
    check(&[(2, old)], &[], &[]);
}

/// Files with a mark of the newest commit: its file and its frame.
fn check_marked(files: &[(u64, Vec<u8>)], newest: (u64, u64), damage: &[(DamageKind, u64)]) {
    let disk = FaultyDisk::new(1);
    let places = Places::new(Path::new("/data"));
    disk.create_dir(&places.journal).unwrap();
    for (number, content) in files {
        disk.put(&places.journal_file(*number), content);
    }
    let (file, frame) = newest;
    Mark::open(&disk, &places)
        .unwrap()
        .set(Newest { file, frame });
    let scan = scan(&disk, &places).unwrap();
    let found = scan.damage.iter().map(|damage| {
        let name = damage.file.file_stem().unwrap().to_str().unwrap();
        (damage.kind, name.parse().unwrap())
    });
    assert_eq!(found.collect::<Vec<_>>(), damage);
    assert!(
        scan.last_number >= file && scan.next_frame() > frame,
        "no number is used again"
    );
}

#[test]
fn the_loss_of_the_newest_commits_is_named() {
    let first = || (1, file(1, 1, &[1, 2]));
    check_marked(&[first()], (1, 2), &[]);
    check_marked(&[first(), (2, file(2, 3, &[3]))], (2, 3), &[]);
    // The mark lags behind as after a power cut, or a start was cut short behind it.
    check_marked(&[first(), (2, file(2, 3, &[3]))], (1, 1), &[]);
    check_marked(&[first(), (2, file(2, 3, &[]))], (1, 2), &[]);
    check_marked(&[], (0, 0), &[]);

    check_marked(&[], (1, 2), &[(DamageKind::MissingFrames, 1)]);
    check_marked(&[first()], (2, 3), &[(DamageKind::MissingFrames, 2)]);
    check_marked(
        &[first(), (2, Vec::new())],
        (2, 3),
        &[(DamageKind::Frame, 2)],
    );
    for byte in 0..155 {
        let mut flipped = file(2, 3, &[3, 4]);
        flipped[2 * BLOCK + byte] ^= 0x10;
        let files = [first(), (2, flipped)];
        // The same bytes are a write that was cut short, or a commit that decayed.
        check_marked(&files, (2, 3), &[(DamageKind::TornTail, 2)]);
        check_marked(&files, (2, 4), &[(DamageKind::Frame, 2)]);
    }
    let mut cut = file(1, 1, &[1, 2, 3]);
    cut.truncate(2 * BLOCK + 100);
    check_marked(&[(1, cut)], (1, 3), &[(DamageKind::Frame, 1)]);
}

#[test]
fn a_commit_is_missed_where_it_was_though_the_next_file_was_begun() {
    let mut cut = file(1, 1, &[1, 2]);
    cut.truncate(2 * BLOCK);
    let begun = file(2, 3, &[]);
    check_marked(&[(1, cut), (2, begun)], (2, 2), &[(DamageKind::Frame, 1)]);
}

#[test]
fn a_file_that_was_never_begun_is_not_read() {
    let disk = FaultyDisk::new(1);
    let places = Places::new(Path::new("/data"));
    disk.create_dir(&places.journal).unwrap();
    disk.put(&places.journal_file(1), &file(1, 1, &[1]));
    let unused = vec![0; 16 * BLOCK];
    disk.put(&places.journal_file(2), &unused);
    let read = |mark: Option<Newest>| {
        if let Some(newest) = mark {
            Mark::open(&disk, &places).unwrap().set(newest);
        }
        let scan = scan(&disk, &places).unwrap();
        assert_eq!(scan.damage, []);
        scan.files[1].content.len()
    };
    assert_eq!(read(None), unused.len(), "nothing says that it is unused");
    assert_eq!(read(Some(Newest { file: 2, frame: 1 })), unused.len());
    assert_eq!(read(Some(Newest { file: 1, frame: 1 })), 0);
    disk.put(&places.journal_file(2), &file(7, 2, &[2]));
    assert_eq!(read(None), 0, "it was renamed to be written again");
    // What does not look unused is read, whatever the mark says.
    disk.put(&places.journal_file(2), &file(2, 2, &[2]));
    assert!(read(None) > 0);
}

#[test]
fn a_mark_that_decayed_says_nothing() {
    let disk = FaultyDisk::new(1);
    let places = Places::new(Path::new("/data"));
    disk.create_dir(&places.journal).unwrap();
    let nothing = Newest::default();
    assert_eq!(newest::read(&disk, &places).unwrap(), nothing);
    let newest = Newest { file: 7, frame: 77 };
    Mark::open(&disk, &places).unwrap().set(newest);
    assert_eq!(newest::read(&disk, &places).unwrap(), newest);
    let path = places.journal.join(newest::NEWEST_NAME);
    let whole = disk.content(&path).unwrap();
    for byte in 0..whole.len() {
        let mut decayed = whole.clone();
        decayed[byte] ^= 4;
        disk.put(&path, &decayed);
        assert_eq!(
            newest::read(&disk, &places).unwrap(),
            nothing,
            "byte {byte}"
        );
        disk.put(&path, &whole[..byte]);
        // Zeros at its end may be missing.
        let expected = if byte < 17 { nothing } else { newest };
        assert_eq!(
            newest::read(&disk, &places).unwrap(),
            expected,
            "{byte} bytes"
        );
    }
}

#[test]
fn a_file_that_was_only_begun_voids_nothing() {
    // Its start found frame 2 torn, and was cut short before it wrote one of its own.
    check(
        &[(1, file(1, 1, &[1, 2])), (2, file(2, 2, &[]))],
        &[1, 2],
        &[],
    );
}

#[test]
fn a_gap_is_named_in_its_own_file_and_with_its_own_messages() {
    let mut second = file(2, 2, &[2, 3, 4, 5, 6]);
    second[2 * BLOCK + 80] ^= 1;
    second[4 * BLOCK + 80] ^= 1;
    let files = [(1, file(1, 1, &[1])), (2, second), (3, file(3, 7, &[7]))];
    let scan = check(
        &files,
        &[1, 2, 4, 6, 7],
        &[DamageKind::Frame, DamageKind::Frame],
    );
    let places = scan.damage.iter().map(|damage| {
        assert_eq!(damage.file.file_stem().unwrap(), "0000000002");
        let [lost] = damage.lost[..] else {
            panic!("one message, not {:?}", damage.lost)
        };
        assert_eq!(lost.first, lost.last);
        (damage.offset / BLOCK as u64, lost.first.0)
    });
    assert_eq!(places.collect::<Vec<_>>(), [(2, 3), (4, 5)]);
}

#[test]
fn frames_that_left_no_bytes_behind_are_missed() {
    let mut first = file(1, 1, &[1, 2]);
    first.truncate(2 * BLOCK);
    let scan = check(
        &[(1, first), (2, file(2, 3, &[3]))],
        &[1, 3],
        &[DamageKind::MissingFrames],
    );
    assert_eq!(scan.damage[0].file.file_stem().unwrap(), "0000000002");
}
