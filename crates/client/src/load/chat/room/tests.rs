#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::speech::Speech;
use super::*;

/// Members of the room, of which all talk; the first has this number.
const FIRST: u32 = 10;

/// Lets members hear messages, `(member, sender, number)`, and gives what was found and how many deliveries counted.
fn check(echoes: bool, deliveries: &[(u32, u32, u32)]) -> (Findings, usize) {
    let speech = Speech::new(7, 0);
    let mut room = Room::new(FIRST, 3, 3, echoes);
    let mut text = Vec::new();
    let mut counted = 0;
    for &(member, sender, number) in deliveries {
        speech.write(&mut text, FIRST + sender, number, 5);
        let spoken = speech.read(&text).unwrap();
        counted += usize::from(room.hear(FIRST + member, &spoken).is_some());
    }
    (room.findings(), counted)
}

fn found(doubled: u64, out_of_order: u64, foreign: u64) -> Findings {
    Findings {
        doubled,
        out_of_order,
        foreign,
    }
}

#[test]
fn one_order_for_all_passes() {
    let orders = [(0, 0), (2, 0), (0, 1)];
    let all: Vec<_> = (0..3)
        .flat_map(|member| orders.map(|(sender, number)| (member, sender, number)))
        .collect();
    assert_eq!(check(true, &all), (found(0, 0, 0), 9));
}

#[test]
fn another_order_is_found() {
    let deliveries = [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0)];
    assert_eq!(check(true, &deliveries), (found(0, 1, 0), 4));
    // Without an echo nobody sees all senders: only each sender's own order holds.
    let deliveries = [(2, 0, 0), (2, 1, 0), (1, 0, 0), (0, 1, 0)];
    assert_eq!(check(false, &deliveries), (found(0, 0, 0), 4));
}

#[test]
fn a_senders_own_order_holds_in_the_rooms() {
    let deliveries = [(0, 0, 1), (0, 0, 0), (1, 0, 1), (1, 0, 0)];
    assert_eq!(check(true, &deliveries), (found(0, 1, 0), 4));
    assert_eq!(check(false, &deliveries).0, found(0, 1, 0));
}

#[test]
fn what_comes_again_is_counted_once() {
    let deliveries = [(0, 0, 0), (0, 0, 0), (1, 0, 0), (0, 0, 0)];
    assert_eq!(check(true, &deliveries), (found(2, 0, 0), 2));
}

#[test]
fn what_one_member_missed_is_not_counted() {
    let deliveries = [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 0, 0), (1, 2, 0)];
    assert_eq!(check(true, &deliveries), (found(0, 0, 0), 5));
}

#[test]
fn what_nobody_said_is_foreign() {
    let far = u32::try_from(AHEAD_MAX).unwrap() + 1;
    assert_eq!(check(true, &[(0, 3, 0), (0, 0, far)]), (found(0, 0, 2), 0));
}

#[test]
fn the_last_listener_is_told() {
    let speech = Speech::new(7, 0);
    let mut text = Vec::new();
    speech.write(&mut text, 0, 0, 5);
    let spoken = speech.read(&text).unwrap();
    for (echoes, listeners) in [(true, vec![0, 1, 2]), (false, vec![1, 2])] {
        let mut room = Room::new(0, 3, 1, echoes);
        assert_eq!(room.listeners() as usize, listeners.len());
        let last: Vec<bool> = listeners
            .iter()
            .map(|&member| room.hear(member, &spoken).unwrap().is_last)
            .collect();
        assert_eq!(last.iter().filter(|&&last| last).count(), 1);
        assert_eq!(last.last(), Some(&true));
    }
}
