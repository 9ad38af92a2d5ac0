use super::*;
use crate::load::mark::{MARK_BYTES, Mark};

const TEXT: &str = concat!(
    ": \n\n",
    "id: reader.x.0\ndata: {\"position\":1,\"offset\":0,\"body\":\"000102030405060708090a0b0c0d0e0fxxxx\",\"headers\":{}}\n\n",
    ":\n\n",
    "id: reader.x.1\ndata: {\"position\":2,\"offset\":1,\"body\":\"short\",\"headers\":{}}\n\n",
    "event: end\ndata: the feed has ended\n\n",
    "data: {\"body\":\"never ended\"}\n",
);

fn found(parts: &[&[u8]]) -> Vec<(u64, [u8; MARK_BYTES])> {
    let mut events = Events::new();
    let mut found = Vec::new();
    for part in parts {
        events.feed(part, |delivery| found.push((delivery.size, delivery.head)));
    }
    found
}

#[test]
fn messages_are_found_wherever_the_bytes_are_cut() {
    let head = std::array::from_fn(|at| at as u8);
    let expected = [(36, head), (5, [0; MARK_BYTES])];
    let bytes = TEXT.as_bytes();
    assert_eq!(found(&[bytes]), expected);
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(found(&parts), expected, "cut at {first} and {second}");
        }
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(found(&single), expected);
    assert_eq!(Mark::read(&head).stamp, 0x0706_0504_0302_0100);
}
