use broker::{Event, QueueId, QueueRef, Sink};

use super::Outboxes;
use crate::mailbox::Letter;

const QUEUE: QueueRef = QueueRef {
    id: QueueId(3),
    slot: 0,
    shard: 0,
    epoch: 0,
};

const fn placed(number: u64) -> Event {
    Event::Placed {
        channel: 1,
        number,
        queue: QUEUE,
        sequence: number + 10,
        is_duplicate: false,
    }
}

const fn confirmed(number: u64) -> Event {
    Event::Confirmed {
        channel: 1,
        first: number,
        last: number,
        rejected: false,
    }
}

/// The numbers of places, negative, and the runs of confirms.
fn read(events: impl IntoIterator<Item = Event>) -> Vec<(i64, i64)> {
    let of = |event| match event {
        Event::Placed { number, .. } => (-i64::try_from(number).expect("it is small"), 0),
        Event::Confirmed { first, last, .. } => (
            i64::try_from(first).expect("it is small"),
            i64::try_from(last).expect("it is small"),
        ),
        other @ (Event::Deliver { .. }
        | Event::Posted { .. }
        | Event::Replied { .. }
        | Event::ConsumerCancelled { .. }
        | Event::Blocked(_)
        | Event::Unblocked
        | Event::Close(_)) => panic!("unexpected {other:?}"),
    };
    events.into_iter().map(of).collect()
}

const TOLD: [Event; 5] = [
    placed(1),
    confirmed(1),
    confirmed(2),
    placed(3),
    confirmed(3),
];
const READ: [(i64, i64); 4] = [(-1, 0), (1, 2), (-3, 0), (3, 3)];

#[test]
fn a_place_stays_before_the_confirm_of_its_publish() {
    let mut outboxes = Outboxes::new(0, 2);
    let here = outboxes.open();
    for event in TOLD {
        outboxes.event(here, event);
    }
    let mut events = Vec::new();
    outboxes.take(here, &mut events, None);
    assert_eq!(read(events), READ);
}

#[test]
fn places_and_confirms_for_another_shard_go_by_letter_in_order() {
    let (mut outboxes, mut there) = (Outboxes::new(0, 2), Outboxes::new(1, 2));
    let publisher = there.open();
    for event in TOLD {
        outboxes.event(publisher, event);
    }
    for letter in outboxes.letters.remove(1) {
        let Letter::Event(connection, event) = letter else {
            panic!("it is no event")
        };
        assert_eq!(connection.shard(), 1);
        there.event(connection, event);
    }
    let mut events = Vec::new();
    there.take(publisher, &mut events, None);
    assert_eq!(read(events), READ);
}
