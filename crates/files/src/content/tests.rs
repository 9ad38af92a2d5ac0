use proptest::prelude::*;

use super::*;
use crate::limits::{CONTENT_BYTES_MAX, GROUP_BYTES, GROUPS_MAX, SEGMENT_BYTES, SEGMENTS_MAX};

/// The smallest group that BLAKE3 allows, and segments of four of them.
const GROUP: u64 = 1_024;
const SEGMENT: u64 = 4 * GROUP;

fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at * at / 7 % 251) as u8).collect()
}

fn outline(shape: Shape, bytes: &[u8]) -> Outline {
    let mut values = vec![Chaining::default(); shape.groups() as usize];
    shape.hash_groups(0, bytes, &mut values).expect("good");
    Outline::new(shape, values).expect("good")
}

/// Sends a content part by part, as between peers, and returns what was verified.
fn transfer(outline: &Outline, bytes: &[u8]) -> Result<Vec<u8>, Invalid> {
    let shape = outline.shape();
    let top = Top::decode(shape, Root::of(bytes), &outline.top().encode())?;
    let mut arrived = Vec::new();
    for index in 0..shape.segments() {
        let list = outline.segment(index).expect("a segment").encode();
        let segment = Segment::decode(&top, index, &list)?;
        for group in shape.groups_of(index) {
            let place = shape.bytes_of(group..group + 1);
            let group_bytes = &bytes[place.start as usize..place.end as usize];
            segment.verify_group(group, group_bytes)?;
            arrived.extend_from_slice(group_bytes);
        }
    }
    Ok(arrived)
}

/// Sizes at and around every border of a small tree.
fn size() -> impl Strategy<Value = u64> {
    (
        0..20_u64,
        prop_oneof![Just(GROUP), Just(SEGMENT)],
        -2..3_i64,
    )
        .prop_map(|(count, part, off)| (count * part).saturating_add_signed(off))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_root_is_the_ordinary_hash(size in size()) {
        let bytes = content(size);
        let shape = Shape::cut(size, GROUP, 4);
        let outline = outline(shape, &bytes);
        prop_assert_eq!(outline.root(), Root::of(&bytes));
        prop_assert_eq!(transfer(&outline, &bytes), Ok(bytes));
    }

    #[test]
    fn groups_and_segments_may_be_of_any_power_of_two(size in size(), chunks in 0..4_u32, groups in 0..4_u32) {
        let bytes = content(size);
        let shape = Shape::cut(size, GROUP << chunks, 1 << groups);
        prop_assert_eq!(outline(shape, &bytes).root(), Root::of(&bytes));
    }

    #[test]
    fn a_changed_byte_is_found_in_its_group_and_nowhere_else(size in 1..5 * SEGMENT, at: u64) {
        let bytes = content(size);
        let shape = Shape::cut(size, GROUP, 4);
        let outline = outline(shape, &bytes);
        let at = at % size;
        let mut lie = bytes;
        lie[at as usize] ^= 1;
        for group in 0..shape.groups() {
            let place = shape.bytes_of(group..group + 1);
            let segment = outline.segment(shape.segment_of(group)).expect("good");
            let verified = segment.verify_group(group, &lie[place.start as usize..place.end as usize]);
            let due = if place.contains(&at) { Err(Invalid::Mismatch) } else { Ok(()) };
            prop_assert_eq!(verified, due);
        }
    }

    #[test]
    fn a_changed_list_is_refused(size in 1..5 * SEGMENT, at: usize, bit in 0..8_u8) {
        let bytes = content(size);
        let outline = outline(Shape::cut(size, GROUP, 4), &bytes);
        let shape = outline.shape();
        let mut list = outline.top().encode();
        let place = at % list.len();
        list[place] ^= 1_u8 << bit;
        prop_assert_eq!(Top::decode(shape, outline.root(), &list), Err(Invalid::Mismatch));

        let index = at as u32 % shape.segments();
        let mut list = outline.segment(index).expect("good").encode();
        let place = at % list.len();
        list[place] ^= 1_u8 << bit;
        prop_assert_eq!(Segment::decode(outline.top(), index, &list), Err(Invalid::Mismatch));
        list.pop();
        let refused = Segment::decode(outline.top(), index, &list);
        let is_length = matches!(refused, Err(Invalid::Length { .. }));
        prop_assert!(is_length);
    }

    #[test]
    fn a_wrong_size_does_not_get_past_the_last_group(size in 1..5 * SEGMENT, claimed in 1..5 * SEGMENT) {
        prop_assume!(size != claimed);
        let bytes = content(size);
        let honest = outline(Shape::cut(size, GROUP, 4), &bytes);
        // The liar makes what it can: lists of the true values, as many as the claimed size needs.
        let shape = Shape::cut(claimed, GROUP, 4);
        let mut values = honest.values().to_vec();
        values.resize(shape.groups() as usize, Chaining::default());
        let lie = Outline::new(shape, values).expect("good");
        if let Ok(top) = Top::decode(shape, honest.root(), &lie.top().encode()) {
            let last = shape.groups() - 1;
            let segment = lie.segment(shape.segment_of(last)).expect("good");
            let segment = Segment::decode(&top, segment.index(), &segment.encode()).expect("good");
            let place = shape.bytes_of(last..last + 1);
            let mut sent = bytes;
            sent.resize(claimed as usize, 0);
            prop_assert_eq!(segment.verify_group(last, &sent[place.start as usize..]), Err(Invalid::Mismatch));
        }
    }

    #[test]
    fn an_outline_is_read_as_it_was_written(size in 0..3 * GROUP_BYTES) {
        let bytes = content(size);
        let outline = Outline::of(&bytes).expect("good");
        let written = outline.encode();
        prop_assert_eq!(Outline::decode(&written), Ok(outline.clone()));
        let (shape, root) = Outline::decode_header(&written).expect("good");
        let top = Top::decode(shape, root, &written[Outline::top_place(shape)]).expect("good");
        prop_assert_eq!(&top, outline.top());
        for index in 0..shape.segments() {
            let segment = Segment::decode(&top, index, &written[Outline::segment_place(shape, index)]);
            prop_assert_eq!(segment.ok(), outline.segment(index));
        }
    }

    #[test]
    fn a_damaged_outline_is_refused(size in 0..3 * GROUP_BYTES, at: usize, bit in 0..8_u8, cut: usize) {
        let written = Outline::of(&content(size)).expect("good").encode();
        prop_assert!(Outline::decode(&written[..cut % written.len()]).is_err());
        let mut longer = written.clone();
        longer.push(0);
        prop_assert!(Outline::decode(&longer).is_err());
        let mut damaged = written.clone();
        damaged[at % written.len()] ^= 1_u8 << bit;
        // A size that makes the same tree is a claim that only the last group disproves.
        let is_size = (8..16).contains(&(at % written.len()));
        prop_assert!(Outline::decode(&damaged).is_err() || is_size);
    }

    #[test]
    fn groups_may_come_in_any_order(size in 1..5 * SEGMENT, seed: u32) {
        let bytes = content(size);
        let shape = Shape::cut(size, GROUP, 4);
        let mut groups: Vec<u32> = (0..shape.groups()).collect();
        groups.sort_by_key(|group| group.wrapping_add(1).wrapping_mul(seed | 1).reverse_bits());
        let mut builder = Builder::new(shape);
        for &group in &groups {
            let missing = builder.clone().finish().expect_err("not yet whole");
            let due = Invalid::NoSuchPart(builder.present().missing().next().expect("good").start);
            prop_assert_eq!(missing, due);
            let place = shape.bytes_of(group..group + 1);
            builder.update(group, &bytes[place.start as usize..place.end as usize]).expect("good");
        }
        prop_assert_eq!(builder.finish().expect("good").root(), Root::of(&bytes));
    }
}

#[test]
fn the_borders_of_the_tree_are_all_tried() {
    for count in 0..=17 {
        for off in -1..=1_i64 {
            let size = (count * GROUP).saturating_add_signed(off);
            let bytes = content(size);
            let outline = outline(Shape::cut(size, GROUP, 4), &bytes);
            assert_eq!(outline.root(), Root::of(&bytes), "{size} bytes");
            assert_eq!(transfer(&outline, &bytes), Ok(bytes), "{size} bytes");
        }
    }
}

#[test]
fn shapes_follow_from_the_size() {
    let counts = |size| Shape::new(size).map(|shape| (shape.groups(), shape.segments()));
    assert_eq!(counts(0), Ok((0, 0)));
    assert_eq!(counts(1), Ok((1, 1)));
    assert_eq!(counts(GROUP_BYTES), Ok((1, 1)));
    assert_eq!(counts(GROUP_BYTES + 1), Ok((2, 1)));
    assert_eq!(counts(SEGMENT_BYTES), Ok((4_096, 1)));
    assert_eq!(counts(SEGMENT_BYTES + 1), Ok((4_097, 2)));
    assert_eq!(counts(CONTENT_BYTES_MAX), Ok((GROUPS_MAX, SEGMENTS_MAX)));
    assert_eq!(
        counts(CONTENT_BYTES_MAX + 1),
        Err(TooLarge(CONTENT_BYTES_MAX + 1))
    );

    let shape = Shape::new(SEGMENT_BYTES + GROUP_BYTES + 1).expect("good");
    assert_eq!(shape.groups_of(1), 4_096..4_098);
    assert!(shape.groups_of(2).is_empty());
    assert!(shape.groups_of(u32::MAX).is_empty());
    assert_eq!(shape.group_bytes(4_097), 1);
    assert_eq!(shape.group_bytes(4_098), 0);
    assert_eq!(shape.group_bytes(u32::MAX), 0);
    assert_eq!(
        shape.hash_group(4_098, b""),
        Err(Invalid::NoSuchPart(4_098))
    );
    assert_eq!(
        shape.hash_group(4_097, b"ab"),
        Err(Invalid::Length { is: 2, due: 1 })
    );
}

#[test]
fn a_root_is_written_and_read_as_64_digits() {
    // The hash of nothing, by the specification's test vectors.
    let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(Root::of(b"").to_string(), empty);
    assert_eq!(empty.parse(), Ok(Root::of(b"")));
    assert_eq!(empty.to_uppercase().parse(), Ok(Root::of(b"")));
    for bad in [
        "",
        &empty[1..],
        &format!("{empty}0"),
        &empty.replace('a', "g"),
    ] {
        assert_eq!(bad.parse::<Root>(), Err(RootError), "{bad}");
    }
    let root = Root::of(b"x");
    assert_eq!(Root::try_from(root.as_bytes().as_slice()), Ok(root));
    assert_eq!(Root::try_from([0; 31].as_slice()), Err(RootError));
}

/// What `web/src/files/peer/content.test.ts` holds the page's own hashing against: size, root, and the values of all groups.
fn vectors() -> String {
    let sizes = [
        0, 1, 63, 64, 65, 127, 1_023, 1_024, 1_025, 2_048, 2_049, 3_072, 5_121, 16_384, 31_744,
        102_400, 262_143, 262_144, 262_145, 524_288, 524_289, 786_432, 1_000_003, 1_310_721,
    ];
    let mut lines = String::new();
    for size in sizes {
        let bytes: Vec<u8> = (0..size).map(|at: u32| (at % 251) as u8).collect();
        let outline = Outline::of(&bytes).expect("a content");
        lines += &format!("{size} {}", outline.root());
        for value in outline.values() {
            lines += &format!(" {}", Root::from_bytes(*value.as_bytes()));
        }
        lines.push('\n');
    }
    lines
}

#[test]
fn the_vectors_for_other_programs_are_ours() {
    assert_eq!(vectors(), include_str!("vectors.txt"));
}
