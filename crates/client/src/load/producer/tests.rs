use super::*;

#[test]
fn due_messages_are_those_whose_time_has_come() {
    for turns in [1, 3] {
        for turn in 0..turns {
            let pace = Pace {
                interval: 100.0,
                turn,
                turns,
            };
            for elapsed in 0..2_000 {
                let due = (0..)
                    .take_while(|&index| pace.due(index) <= elapsed)
                    .count() as u64;
                assert_eq!(
                    pace.due_until(elapsed),
                    due,
                    "producer {turn} of {turns} at {elapsed}"
                );
            }
        }
    }
}

#[test]
fn drawn_sizes_span_the_range_and_repeat() {
    let range = SizeRange { min: 10, max: 13 };
    let sizes = draw_sizes(range, 1);
    for size in 10..=13 {
        assert!(sizes.contains(&size), "{size} was never drawn");
    }
    assert!(sizes.iter().all(|size| (10..=13).contains(size)));
    assert_eq!(sizes, draw_sizes(range, 1));
}
