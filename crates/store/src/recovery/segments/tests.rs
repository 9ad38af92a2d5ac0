use super::*;

const QUEUE: QueueId = QueueId(1);
const SALT: u64 = 7;

/// A segment file with these sequences.
fn file(sequences: &[u64]) -> Vec<u8> {
    let mut bytes = segment::encode_header(QUEUE, 1, SALT).to_vec();
    for sequence in sequences {
        let record = (Sequence(*sequence), true, 0);
        segment::put_record(
            &mut bytes,
            segment::seed(QUEUE, 1, SALT),
            record,
            &[b"payload"],
        );
    }
    bytes
}

fn journaled(sequence: u64, dead: bool) -> Journaled {
    Journaled {
        sequence: Sequence(sequence),
        note: 0,
        dead,
        file: 0,
        length: 0,
        start: 0,
    }
}

/// How many records are taken from a segment beside what the journal has.
fn check(sequences: &[u64], beside: &[Journaled], taken: u32) {
    let found = read_beside(&file(sequences), (QUEUE, 1, SALT), beside);
    assert_eq!(found.count, taken);
}

#[test]
fn a_segment_gives_what_the_journal_lost_between_what_it_has() {
    // The frames of 2, 3 and 5 are damaged; all of them had been settled.
    check(
        &[1, 2, 3, 4, 5],
        &[journaled(1, false), journaled(4, false)],
        5,
    );
    check(&[1, 2, 3], &[journaled(9, false)], 3);
    check(&[1, 2, 3], &[], 3);
}

#[test]
fn a_segment_gives_nothing_behind_what_only_the_journal_has() {
    check(&[1, 2, 4, 5], &[journaled(3, false)], 2);
    check(&[1, 2, 4, 5], &[journaled(3, true)], 4);
}
