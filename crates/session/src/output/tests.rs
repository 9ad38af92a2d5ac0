use bytes::Bytes;
use proptest::prelude::*;

use super::Output;
use crate::limits;

fn all(output: &Output) -> Vec<u8> {
    output.chunks().flatten().copied().collect()
}

#[test]
fn a_shared_body_is_not_copied() {
    let body = Bytes::from(vec![7; 10_000]);
    let mut output = Output::default();
    output.push_body(1, &body, Some(&body), 131_072);
    let chunks: Vec<&[u8]> = output.chunks().collect();
    assert_eq!(
        chunks.iter().map(|chunk| chunk.len()).collect::<Vec<_>>(),
        [7, 10_000, 1]
    );
    assert_eq!(
        chunks.get(1).map(|chunk| chunk.as_ptr()),
        Some(body.as_ptr())
    );
}

#[test]
fn a_body_over_the_frame_limit_is_cut() {
    let body = Bytes::from(vec![7; 10_000]);
    let (mut shared, mut copied) = (Output::default(), Output::default());
    shared.push_body(3, &body, Some(&body), 4_096);
    copied.push_body(3, &body, None, 4_096);
    assert_eq!(all(&shared), all(&copied));
    assert_eq!(
        crate::harness::describe(&all(&shared)),
        ["3 body 4088", "3 body 4088", "3 body 1824"]
    );
}

#[test]
fn an_emptied_buffer_gives_memory_back() {
    let mut output = Output::default();
    output.buffer().resize(4 * limits::OUTPUT_KEEP_BYTES, 0);
    output.advance(usize::MAX);
    assert!(output.is_empty());
    assert!(output.buffer().capacity() <= limits::OUTPUT_KEEP_BYTES);
    output.release();
    assert_eq!(output.buffer().capacity(), 0);
}

#[test]
fn a_buffer_that_is_never_quite_empty_does_not_grow() {
    let mut output = Output::default();
    output.buffer().resize(1_000, 0);
    for _ in 0..10_000 {
        output.buffer().extend_from_slice(&[0; 1_000]);
        output.advance(1_000);
    }
    assert_eq!(output.len(), 1_000);
    assert!(output.buffer().len() <= 2 * limits::OUTPUT_COMPACT_BYTES);
}

#[derive(Debug, Clone)]
enum Step {
    Plain(usize),
    Body(usize),
    Advance(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..90_000_usize).prop_map(Step::Plain),
        (0..12_000_usize).prop_map(Step::Body),
        (0..120_000_usize).prop_map(Step::Advance),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_what_was_put_in(steps in prop::collection::vec(step(), 1..40)) {
        let mut output = Output::default();
        let (mut expected, mut written) = (Vec::new(), Vec::new());
        for (round, step) in steps.into_iter().enumerate() {
            let fill = (round % 251) as u8;
            match step {
                Step::Plain(length) => {
                    let end = output.bytes.len() + length;
                    output.buffer().resize(end, fill);
                    expected.resize(expected.len() + length, fill);
                }
                Step::Body(length) => {
                    let body = Bytes::from(vec![fill; length]);
                    output.push_body(1, &body, Some(&body), 4_096);
                    codec::amqp::content::encode_body_frames(1, &body, 4_096, &mut expected);
                }
                Step::Advance(length) => {
                    let before = all(&output);
                    let length = length.min(before.len());
                    written.extend_from_slice(before.get(..length).unwrap_or_default());
                    output.advance(length);
                }
            }
            prop_assert!(output.chunks().all(|chunk| !chunk.is_empty()));
            prop_assert_eq!(output.len(), output.chunks().map(<[u8]>::len).sum::<usize>());
        }
        prop_assert_eq!(output.total(), expected.len() as u64);
        written.extend(all(&output));
        prop_assert_eq!(written, expected);
    }
}

#[test]
fn what_is_detached_lets_go_of_the_buffer_it_came_in_and_reads_the_same() {
    let read = Bytes::from(vec![7; 200_000]);
    let mut output = Output::default();
    for start in [0, 50_000, 100_000] {
        let body = read.slice(start..start + 8_000);
        output.push_body(1, &body, Some(&body), 4_096);
    }
    output.advance(5_000);
    let before = all(&output);
    assert!(!read.is_unique(), "the bodies hold the whole buffer");
    output.detach();
    assert!(read.is_unique(), "nobody holds it any more");
    assert_eq!(all(&output), before);
}

#[test]
fn a_body_larger_than_all_else_that_may_wait_is_not_copied() {
    let body = Bytes::from(vec![7; limits::OUTPUT_DETACH_BYTES_MAX + 1]);
    let mut output = Output::default();
    output.push_body(1, &body, Some(&body), 0);
    output.detach();
    assert!(!body.is_unique());
}
