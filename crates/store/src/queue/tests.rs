use std::collections::BTreeMap;

use super::segment::{self, Segment};
use super::state;
use crate::ids::{QueueId, Sequence};

const QUEUE: QueueId = QueueId(5);

/// A segment with these sequences; those at or above 100 do not survive a restart.
fn segment(sequences: &[u64]) -> Segment {
    let mut segment = Segment::new(QUEUE, 1, 77);
    for sequence in sequences {
        segment.add(Sequence(*sequence), *sequence < 100, 30);
    }
    segment
}

#[test]
fn acks_count_only_what_is_there_and_live() {
    /// The sequences, the acks with how many of them count, and the first live sequence afterwards.
    type Row = (&'static [u64], &'static [(u64, u64, u32)], Option<u64>);
    let table: &[Row] = &[
        (
            &[1, 2, 3],
            &[(0, 0, 0), (4, 9, 0), (2, 2, 1), (2, 2, 0), (1, 3, 2)],
            None,
        ),
        (&[1, 2, 3], &[(1, 1, 1), (2, 2, 1)], Some(3)),
        (
            &[10, 11, 20, 30, 31],
            &[(11, 20, 2), (0, 10, 1), (12, 19, 0), (31, 99, 1)],
            Some(30),
        ),
        (&[10, 11, 20, 30, 31], &[(0, u64::MAX - 1, 5)], None),
        (&[7], &[(6, 6, 0), (8, 8, 0)], Some(7)),
    ];
    for (sequences, acks, first_live) in table {
        let mut segment = segment(sequences);
        for (first, last, count) in *acks {
            let new = segment.finish(Sequence(*first), Sequence(*last));
            assert_eq!(new, *count, "{sequences:?} acked {first} to {last}");
        }
        assert_eq!(
            segment.first_live(),
            first_live.map(Sequence),
            "{sequences:?}"
        );
        assert_eq!(segment.is_over(), first_live.is_none(), "{sequences:?}");
    }
}

#[test]
fn an_ordinal_is_found_only_for_what_is_there() {
    let sequences = [3, 4, 5, 9, 20, 21];
    let segment = segment(&sequences);
    for sequence in 0..30 {
        let expected = sequences.iter().position(|known| *known == sequence);
        let found = segment
            .ordinal(Sequence(sequence))
            .map(|ordinal| ordinal as usize);
        assert_eq!(found, expected, "{sequence}");
    }
}

#[test]
fn a_mark_takes_back_what_was_added() {
    let mut segment = segment(&[1, 2, 3]);
    let before = format!("{segment:?}");
    let mark = segment.mark();
    segment.add(Sequence(4), true, 100_000);
    segment.add(Sequence(9), true, 100_000);
    segment.roll_back(mark);
    assert_eq!(format!("{segment:?}"), before);
}

fn encoded(segments: &[Segment]) -> Vec<u8> {
    let mut buffer = Vec::new();
    let notes = BTreeMap::from([(Sequence(3), 4)]);
    let numbers = (QUEUE, Sequence(500), Sequence(400), 9);
    state::put(&mut buffer, numbers, segments.iter(), &notes);
    buffer
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let mut acked = segment(&[3, 4, 5, 9, 20, 21]);
    acked.finish(Sequence(4), Sequence(9));
    let mixed = segment(&[50, 51, 100, 101]);
    let gone = segment(&[200, 201]);
    let image = state::decode(&encoded(&[acked, mixed, gone])).expect("it was just written");
    assert_eq!(image.queue, QUEUE);
    assert_eq!(
        (image.next, image.settled_end),
        (Sequence(500), Sequence(400))
    );
    assert_eq!(image.next_segment, 9);
    assert_eq!(image.notes.len(), 1);
    let live: Vec<_> = (image.segments.iter())
        .map(|segment| (segment.live(), segment.first_live(), segment.count))
        .collect();
    // The third held nothing that survives a restart.
    assert_eq!(
        live,
        [(3, Some(Sequence(3)), 6), (2, Some(Sequence(50)), 4)]
    );
}

#[test]
fn a_state_that_was_changed_never_panics() {
    let whole = encoded(&[segment(&[3, 4, 5, 9, 20, 21]), segment(&[50, 51])]);
    let mut refused = 0;
    for at in 0..whole.len() {
        assert!(state::decode(&whole[..at]).is_none(), "cut to {at}");
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            refused += u32::from(state::decode(&changed).is_none());
        }
    }
    assert!(refused > 100, "only {refused} changes were refused");
}

#[test]
fn names_of_segments_are_read_back() {
    let name = segment::file_name(QUEUE, 12);
    assert_eq!(name, "0000000005-000012.segment");
    assert_eq!(segment::parse_name(&name), Some((QUEUE, 12)));
    for other in [
        "5-12.segment",
        "0000000005-000012",
        "+000000005-000012.segment",
        "a-b.segment",
        "",
    ] {
        assert_eq!(segment::parse_name(other), None, "{other}");
    }
}
