//! The fuzz target's entry point, with bytes that are chosen at random.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::ids::{QueueId, Sequence};
use crate::queue::segment::{self, Segment};
use crate::queue::state;
use crate::record;
use crate::recover_bytes_for_fuzzing;

fn records() -> Vec<u8> {
    let mut bytes = vec![1];
    for number in 0..9_u64 {
        let queue = QueueId(number % 2);
        record::put_message(&mut bytes, &[(queue, Sequence(number))], &[&[b'x'; 20]]);
        if number % 3 == 0 {
            record::put_ack(&mut bytes, queue, Sequence(0), Sequence(number));
            record::put_note(&mut bytes, queue, Sequence(number), 3);
        }
        bytes.push(b'\n');
    }
    record::put_purge(&mut bytes, QueueId(0), Sequence(5));
    record::put_drop(&mut bytes, QueueId(1));
    bytes
}

fn described_segment() -> Vec<u8> {
    // The bytes of the state must hold no line feed, which ends it.
    let queue = QueueId(1);
    let mut segment = Segment::new(queue, 1, 7);
    let mut content = Vec::new();
    for sequence in [11, 12, 13, 20, 21] {
        let before = content.len();
        let record = (Sequence(sequence), true, 0);
        segment::put_record(&mut content, segment.seed, record, &[b"payload"]);
        segment.add(Sequence(sequence), true, content.len() - before);
    }
    segment.finish(Sequence(12), Sequence(12));
    let mut bytes = vec![2];
    let numbers = (queue, Sequence(30), Sequence(25), 2);
    state::put(
        &mut bytes,
        numbers,
        std::iter::once(&segment),
        &std::collections::BTreeMap::new(),
    );
    assert!(!bytes.contains(&b'\n'));
    bytes.push(b'\n');
    bytes.append(&mut content);
    bytes
}

#[test]
fn any_changed_byte_is_survived() {
    for whole in [records(), described_segment()] {
        recover_bytes_for_fuzzing(&whole);
        for at in 1..whole.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                recover_bytes_for_fuzzing(&changed);
            }
            recover_bytes_for_fuzzing(&whole[..at]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_survived(data in vec(any::<u8>(), 0..3000)) {
        recover_bytes_for_fuzzing(&data);
    }
}
