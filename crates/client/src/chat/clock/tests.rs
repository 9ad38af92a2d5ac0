use std::cell::Cell;
use std::time::Duration;

use super::{Clock, ServerClock};

/// A machine's clocks, set by hand.
struct Hands {
    steady_us: Cell<i64>,
    wall_us: Cell<i64>,
}

impl Clock for Hands {
    fn steady(&self) -> Duration {
        Duration::from_micros(self.steady_us.get().unsigned_abs())
    }

    fn wall_us(&self) -> i64 {
        self.wall_us.get()
    }
}

const THREE_HOURS_US: i64 = 3 * 3600 * 1_000_000;
const EPOCH_US: i64 = 1_760_000_000_000_000;

impl Hands {
    /// Three hours behind the server.
    fn wrong() -> Self {
        Self {
            steady_us: Cell::new(5_000_000),
            wall_us: Cell::new(EPOCH_US - THREE_HOURS_US),
        }
    }

    fn pass(&self, us: i64) {
        self.steady_us.set(self.steady_us.get() + us);
        self.wall_us.set(self.wall_us.get() + us);
    }

    /// The server's time: EPOCH when the steady clock showed five seconds.
    fn server_us(&self) -> i64 {
        EPOCH_US + self.steady_us.get() - 5_000_000
    }

    /// One exchange.
    fn exchange(&self, server: &mut ServerClock, there_us: i64, back_us: i64) -> bool {
        let t1 = ServerClock::ask(self);
        self.pass(there_us);
        let t2 = self.server_us();
        self.pass(100);
        let t3 = self.server_us();
        self.pass(back_us);
        server.take(t1, t2, t3, self)
    }
}

#[test]
fn a_clock_that_is_three_hours_off_shows_the_servers_time() {
    let (hands, mut server) = (Hands::wrong(), ServerClock::default());
    assert_eq!(server.now_ms(&hands), None);
    assert!(hands.exchange(&mut server, 500, 500));
    assert_eq!(server.now_ms(&hands), Some(hands.server_us() / 1000));
    let (offset, error) = server.offset_us(&hands).expect("known");
    assert_eq!((offset, error), (THREE_HOURS_US, 500));
    assert_eq!(server.lag_us(), Some(1000));
}

#[test]
fn a_wall_clock_that_jumps_changes_nothing_but_the_offset() {
    let (hands, mut server) = (Hands::wrong(), ServerClock::default());
    assert!(hands.exchange(&mut server, 500, 500));
    hands.wall_us.set(hands.wall_us.get() + 2 * THREE_HOURS_US);
    hands.pass(1_000_000);
    assert_eq!(server.now_ms(&hands), Some(hands.server_us() / 1000));
    let (offset, _) = server.offset_us(&hands).expect("known");
    assert_eq!(offset, -THREE_HOURS_US);
}

#[test]
fn the_reading_with_the_smallest_error_is_kept_and_lies_within_its_bound() {
    let (hands, mut server) = (Hands::wrong(), ServerClock::default());
    for (there, back) in [(9_000, 1_000), (400, 600), (20_000, 100)] {
        assert!(hands.exchange(&mut server, there, back));
        let (offset, error) = server.offset_us(&hands).expect("known");
        assert!(
            (offset - THREE_HOURS_US).abs() <= error,
            "{offset} ± {error}"
        );
    }
    let (offset, error) = server.offset_us(&hands).expect("known");
    assert!((offset - THREE_HOURS_US).abs() <= 100);
    assert!((500..=502).contains(&error), "{error}");
}

#[test]
fn an_old_reading_gives_way_to_a_worse_one_that_contradicts_it() {
    let (hands, mut server) = (Hands::wrong(), ServerClock::default());
    assert!(hands.exchange(&mut server, 100, 100));
    // The machine sleeps: its steady clock stands while the server's goes on.
    let asleep = hands.steady_us.get();
    hands.pass(3_600_000_000);
    let t2 = hands.server_us();
    hands.steady_us.set(asleep);
    assert!(server.take(asleep - 5_000, t2, t2, &hands));
    assert_eq!(
        server.now_ms(&hands).map(|now| now / 10),
        Some((t2 + 2_500) / 10_000)
    );
}

#[test]
fn timestamps_that_cannot_belong_together_are_left_out() {
    let (hands, mut server) = (Hands::wrong(), ServerClock::default());
    assert!(!server.take(6_000_000, EPOCH_US, EPOCH_US, &hands));
    assert!(!server.take(4_999_000, EPOCH_US, EPOCH_US + 2_000, &hands));
    assert!(!server.take(i64::MIN, i64::MAX, i64::MIN, &hands));
    assert_eq!(server.now_ms(&hands), None);
}
