//! Reads what strangers say of a content: which groups they have, the lists of hashes, and the outline that lies on disk.
//!
//! Nothing may panic, what is accepted must come out as it went in, and of lists that are right nothing may be changed unnoticed.
#![no_main]

use files::content::{Chaining, Outline, Root, Segment, Shape, Top};
use files::have::Have;
use files::limits::{CONTENT_BYTES_MAX, GROUP_BYTES, SEGMENT_GROUPS};
use libfuzzer_sys::fuzz_target;

/// Groups of contents whose lists are made: a few segments.
const GROUPS_MAX: u64 = 3 * SEGMENT_GROUPS as u64;

fuzz_target!(|input: &[u8]| {
    let Some((head, rest)) = input.split_first_chunk::<12>() else {
        return;
    };
    let [kind, place @ .., shift, a, b, c] = *head;
    let place = u64::from_le_bytes(place_of(place));
    let number = u32::from_le_bytes([a, b, c, 0]);
    match kind % 4 {
        0 => have(number, rest),
        1 => raw(place, number, rest),
        _ => made(place >> (shift % 64), number, rest),
    }
});

/// Seven bytes as eight.
fn place_of(bytes: [u8; 7]) -> [u8; 8] {
    let mut place = [0; 8];
    place[..7].copy_from_slice(&bytes);
    place
}

/// Reads a set of groups.
fn have(number: u32, bytes: &[u8]) {
    // Small ones, too: those are told from each other by the last bits of the bitmap.
    let total = number >> (number % 24);
    let Ok(have) = Have::decode(total, bytes) else {
        return;
    };
    let length = |runs: &mut dyn Iterator<Item = std::ops::Range<u32>>| -> u64 {
        runs.map(|run| u64::from(run.end - run.start)).sum()
    };
    let count = length(&mut have.runs());
    assert_eq!(count, u64::from(have.count()));
    assert_eq!(count + length(&mut have.missing()), u64::from(total));
    assert!(
        have.runs()
            .all(|run| run.start < run.end && run.end <= total)
    );
    let written = have.encode();
    assert!(written.len() <= total.div_ceil(8) as usize + 1);
    assert_eq!(Have::decode(total, &written), Ok(have));
}

/// Reads lists and outlines as they come.
fn raw(size: u64, part: u32, bytes: &[u8]) {
    if let Ok(outline) = Outline::decode(bytes) {
        assert_eq!(outline.encode(), bytes);
    }
    if let Ok((shape, _)) = Outline::decode_header(bytes) {
        let segment = Outline::segment_place(shape, part);
        assert!(Outline::top_place(shape).end <= segment.start && segment.start <= segment.end);
    }
    let shape = Shape::new(size % (CONTENT_BYTES_MAX + 1)).expect("it is not too large");
    let root = Root::of(bytes);
    assert!(shape.segments() == 0 || Top::decode(shape, root, bytes).is_err());
    if let Ok(segment) = Segment::new(shape, part, vec![Chaining::default(); bytes.len() % 8_192]) {
        assert!(segment.verify_group(part, bytes).is_err());
    }
    assert!(
        shape.hash_group(part, bytes).is_ok()
            == (bytes.len() as u64 == shape.group_bytes(part) && !bytes.is_empty())
    );
}

/// Makes the lists of a content, changes a byte of each or cuts it, and reads it.
fn made(size: u64, number: u32, bytes: &[u8]) {
    let shape = Shape::new(size % (GROUPS_MAX * GROUP_BYTES)).expect("it is not too large");
    let value = |group: u32| {
        let mut value = [bytes.get(group as usize).copied().unwrap_or(0); 32];
        value[..4].copy_from_slice(&group.to_le_bytes());
        Chaining::from_bytes(value)
    };
    let values = (0..shape.groups()).map(value).collect();
    let outline = Outline::new(shape, values).expect("as many as there are groups");
    let (top, index) = (outline.top(), number % shape.segments().max(1));
    assert_eq!(
        Top::decode(shape, outline.root(), &top.encode()).as_ref(),
        Ok(top)
    );
    if let Some(changed) = change(&top.encode(), number, bytes) {
        assert!(Top::decode(shape, outline.root(), &changed).is_err());
    }
    if let Some(segment) = outline.segment(index) {
        assert_eq!(
            Segment::decode(top, index, &segment.encode()).as_ref(),
            Ok(&segment)
        );
        assert!(Segment::decode(top, index + 1, &segment.encode()).is_err());
        if let Some(changed) = change(&segment.encode(), number, bytes) {
            assert!(Segment::decode(top, index, &changed).is_err());
        }
    }
    let written = outline.encode();
    assert_eq!(Outline::decode(&written).as_ref(), Ok(&outline));
    if let Some(changed) = change(&written, number, bytes)
        && let Ok(other) = Outline::decode(&changed)
    {
        // The size is a claim until the last group is there; everything else is checked.
        assert!(other.shape() != shape && other.values() == outline.values());
        assert_eq!(other.encode(), changed);
    }
}

/// The same bytes with one of them changed, or the last ones gone.
fn change(bytes: &[u8], number: u32, by: &[u8]) -> Option<Vec<u8>> {
    let mut changed = bytes.to_vec();
    let at = number as usize % bytes.len().max(1);
    match by.first()? {
        0 => changed.truncate(at),
        mask => *changed.get_mut(at)? ^= mask,
    }
    (changed != bytes).then_some(changed)
}
