use broker::QueueStatistics;
use engine::{MessageCounts, Totals};

use super::{History, Key, LOOK_MS, POINTS_MAX, QUEUES_MAX, Rates};

fn key(name: &str) -> Key {
    ("/".into(), name.into())
}

/// A queue into which so many came, and in which so many are.
fn counted(published: u64, delivered: u64, ready: u64) -> QueueStatistics {
    QueueStatistics {
        published,
        delivered,
        ready,
        ..QueueStatistics::default()
    }
}

fn note(history: &History, at_ms: u64, queues: &[(&str, QueueStatistics)]) {
    let rows = queues.iter().map(|(name, it)| (key(name), it.clone()));
    history.lock().note_queues(at_ms, rows.collect());
}

#[test]
fn rates_are_what_changed_by_the_time_that_passed() {
    let history = History::default();
    note(&history, 1_000, &[("tasks", counted(1_000, 400, 600))]);
    note(&history, 6_000, &[("tasks", counted(1_500, 900, 850))]);
    let points = history.of_queue(&key("tasks"), POINTS_MAX, 6_000);
    // Nothing is known of what was before the first sample.
    assert_eq!(points[0].rates, Rates::default());
    let expected = Rates {
        published: 100.0,
        delivered: 100.0,
        settled: 50.0,
    };
    assert_eq!((points[1].at_ms, points[1].ready), (6_000, 850));
    assert_eq!(points[1].rates, expected);
}

#[test]
fn what_is_to_be_delivered_later_has_not_left() {
    let history = History::default();
    note(&history, 0, &[("later", counted(0, 0, 0))]);
    let delayed = QueueStatistics {
        delayed: 10,
        ..counted(10, 0, 0)
    };
    note(&history, 5_000, &[("later", delayed)]);
    let points = history.of_queue(&key("later"), 1, 5_000);
    assert_eq!(
        (points[0].rates.published, points[0].rates.settled),
        (2.0, 0.0)
    );
}

#[test]
fn a_queue_that_was_made_again_begins_anew() {
    let history = History::default();
    note(&history, 0, &[("tasks", counted(900, 900, 0))]);
    note(&history, 5_000, &[("tasks", counted(5, 0, 5))]);
    let points = history.of_queue(&key("tasks"), 1, 5_000);
    assert_eq!(points[0].rates, Rates::default());
}

#[test]
fn what_is_kept_has_bounds_and_ends_with_the_queue() {
    let history = History::default();
    for tick in 0..=POINTS_MAX as u64 {
        note(&history, tick * 5_000, &[("tasks", counted(tick, 0, tick))]);
    }
    let points = history.of_queue(&key("tasks"), usize::MAX, 0);
    assert_eq!((points.len(), points[0].ready), (POINTS_MAX, 1));
    assert_eq!(history.of_queue(&key("tasks"), 2, 0)[0].ready, 143);
    let names: Vec<String> = (0..=QUEUES_MAX).map(|number| number.to_string()).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| (&**name, counted(0, 0, 0)))
        .collect();
    note(&history, 0, &many);
    assert_eq!(history.lock().queues.len(), QUEUES_MAX);
    assert_eq!(history.of_queue(&key("tasks"), 1, 0), []);
}

#[test]
fn looks_are_bounded_and_forgotten() {
    let history = History::default();
    for number in 0..=QUEUES_MAX {
        let _ = history.of_queue(&key(&number.to_string()), 1, 0);
    }
    assert_eq!(history.lock().looked.len(), QUEUES_MAX);
    history.lock().forget_looks(LOOK_MS);
    assert!(history.lock().looked.is_empty());
}

#[test]
fn the_server_s_deliveries_are_those_to_consumers_and_to_gets() {
    let history = History::default();
    let mut totals = Totals::default();
    history.lock().note_server(0, &totals, 10, 20);
    totals.messages = MessageCounts {
        published: 50,
        delivered: 20,
        got: 5,
        acked: 10,
        rejected: 5,
        ..MessageCounts::default()
    };
    history.lock().note_server(5_000, &totals, 11, 21);
    let point = history.of_server(1, 0)[0];
    let expected = Rates {
        published: 10.0,
        delivered: 5.0,
        settled: 3.0,
    };
    assert_eq!(point.of_queues.rates, expected);
    assert_eq!((point.memory_bytes, point.disk_free_bytes), (11, 21));
}
