use super::*;

fn mark(producer: u32, sequence: u64) -> Mark {
    Mark {
        stamp: 0,
        producer,
        sequence,
    }
}

/// Lets two producers' messages (numbers 3 and 5) arrive and gives the findings.
fn check(arrivals: &[(u32, u64)]) -> Findings {
    let mut track = QueueTrack::new(3, 2, 2);
    for &(producer, sequence) in arrivals {
        track.arrived(mark(producer, sequence));
    }
    track.findings()
}

#[test]
fn whole_rows_are_clean_however_producers_interleave() {
    assert_eq!(
        check(&[(3, 0), (5, 0), (5, 1), (3, 1), (5, 2)]),
        Findings::default()
    );
}

#[test]
fn a_skipped_message_is_missing_until_it_comes_late() {
    let missing = Findings {
        missing: 2,
        ..Findings::default()
    };
    assert_eq!(check(&[(3, 0), (3, 3)]), missing);
    let late = Findings {
        missing: 1,
        out_of_order: 1,
        ..Findings::default()
    };
    assert_eq!(check(&[(3, 0), (3, 3), (3, 1)]), late);
}

#[test]
fn a_second_arrival_is_a_duplicate() {
    let twice = Findings {
        duplicates: 1,
        ..Findings::default()
    };
    assert_eq!(check(&[(3, 0), (3, 1), (3, 0)]), twice);
    let twice_late = Findings {
        duplicates: 1,
        out_of_order: 1,
        ..Findings::default()
    };
    assert_eq!(check(&[(3, 1), (3, 0), (3, 0)]), twice_late);
}

#[test]
fn a_mark_of_nobody_is_foreign() {
    let foreign = Findings {
        foreign: 2,
        ..Findings::default()
    };
    assert_eq!(check(&[(7, 0), (1, 0)]), foreign);
}
