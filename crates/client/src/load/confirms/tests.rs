#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn settle(confirms: &mut Confirms, tag: u64, multiple: bool) -> Vec<u64> {
    let mut stamps = Vec::new();
    confirms
        .settle(tag, multiple, |stamp| stamps.push(stamp))
        .unwrap();
    stamps
}

#[test]
fn confirms_in_any_order_settle_each_publish_once() {
    let mut confirms = Confirms::new(2);
    for stamp in 10..20 {
        confirms.sent(stamp);
    }
    assert_eq!(settle(&mut confirms, 3, false), [12]);
    assert_eq!(settle(&mut confirms, 5, true), [10, 11, 13, 14]);
    assert_eq!(confirms.in_flight(), 5);
    assert_eq!(settle(&mut confirms, 0, true), [15, 16, 17, 18, 19]);
    assert_eq!(confirms.in_flight(), 0);
}

#[test]
fn a_confirm_of_nothing_is_the_servers_fault() {
    let mut confirms = Confirms::new(4);
    confirms.sent(1);
    assert!(confirms.settle(2, false, |_| ()).is_err(), "never sent");
    assert_eq!(settle(&mut confirms, 1, false), [1]);
    assert!(
        confirms.settle(1, false, |_| ()).is_err(),
        "confirmed twice"
    );
}

#[test]
fn the_ring_grows_past_a_hole() {
    let mut confirms = Confirms::new(1);
    for round in 0..100 {
        confirms.sent(round + 1);
        if round > 0 {
            assert_eq!(settle(&mut confirms, round + 1, false), [round + 1]);
        }
    }
    assert_eq!(settle(&mut confirms, 100, true), [1]);
}

#[test]
fn the_low_bits_of_a_tag_are_enough() {
    let mut confirms = Confirms::new(4);
    confirms.first = (1 << 32) - 2;
    confirms.next = confirms.first;
    for stamp in 1..=4 {
        confirms.sent(stamp);
    }
    for (low, tag) in [
        (u32::MAX - 1, (1 << 32) - 2),
        (0, 1 << 32),
        (1, (1 << 32) + 1),
    ] {
        assert_eq!(confirms.whole_tag(low), tag);
    }
    let unsent = confirms.whole_tag(2);
    assert!(confirms.settle(unsent, false, |_| ()).is_err());
}
