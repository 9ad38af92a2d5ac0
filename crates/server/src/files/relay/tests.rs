use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use crate::config::Config;

use super::pace::Schedule;
use super::*;

fn relay(calls: u32, per_account: u32) -> Relay<u32> {
    let mut settings = Config::default().files;
    settings.relay_max_calls = calls;
    settings.relay_max_calls_per_account = per_account;
    Relay::new(&settings)
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

/// What a call ends with, if it is refused.
fn refused<E, T>(called: Result<T, E>) -> Option<E> {
    called.err()
}

#[test]
fn calls_are_bounded_for_each_account_and_for_all_and_make_room_when_they_end() {
    let relay = relay(3, 2);
    let _line = relay.stand("a");
    let first = relay.call("a", "ana").ok();
    let second = relay.call("a", "ana").ok();
    assert!(first.is_some() && second.is_some());
    let third = refused(relay.call("a", "ana"));
    assert_eq!(third, Some(FilesError::TooManyCalls));
    let other = relay.call("a", "ben").ok();
    assert!(other.is_some());
    let full = refused(relay.call("a", "carl"));
    assert_eq!(full, Some(FilesError::RelayFull));
    assert_eq!(relay.counts().calls.load(Ordering::Relaxed), 3);
    assert_eq!(relay.counts().refused.load(Ordering::Relaxed), 2);
    drop(first);
    assert!(relay.call("a", "ana").is_ok());
    drop((second, other));
    assert_eq!(relay.counts().calls.load(Ordering::Relaxed), 0);
    assert!(relay.with(|board| board.accounts.is_empty() && board.waiting.is_empty()));
}

#[test]
fn a_peer_that_does_not_hear_is_not_rung_for_ever() {
    let relay = relay(1_000, 1_000);
    let _line = relay.stand("a");
    let calls: Vec<_> = (0..RINGS_MAX)
        .filter_map(|_| relay.call("a", "ana").ok())
        .collect();
    assert_eq!(calls.len(), RINGS_MAX);
    let more = refused(relay.call("a", "ana"));
    assert_eq!(more, Some(FilesError::RelayFull));
}

#[test]
fn a_call_is_taken_once_and_by_its_peer_alone() {
    runtime().block_on(async {
        let relay = relay(8, 8);
        assert_eq!(refused(relay.call("a", "ben")), Some(FilesError::NoLine));
        let (mut line, _other) = (relay.stand("a"), relay.stand("b"));
        let calling = relay.call("a", "ben").expect("it has a line");
        let id = line.ring().await.expect("it rings");
        assert_eq!(refused(relay.take("b", &id)), Some(FilesError::NotFound));
        assert_eq!(refused(relay.take("a", "0")), Some(FilesError::NotFound));
        let end = relay.take("a", &id).expect("it is its call");
        assert_eq!(refused(relay.take("a", &id)), Some(FilesError::NotFound));
        end.send(7).expect("somebody waits");
        let (end, call) = calling.taken().await.expect("it was taken");
        assert_eq!(end, 7);
        drop(call);

        let calling = relay.call("a", "ben").expect("it has a line");
        let id = line.ring().await.expect("it rings");
        drop(calling);
        // Whoever called has given up.
        assert_eq!(refused(relay.take("a", &id)), Some(FilesError::NotFound));
        // The peer takes it and is lost.
        let calling = relay.call("a", "ben").expect("it has a line");
        let id = line.ring().await.expect("it rings");
        drop(relay.take("a", &id));
        assert_eq!(refused(calling.taken().await), Some(FilesError::NotTaken));
    });
}

#[test]
fn a_line_ends_the_one_before_and_outlives_it() {
    runtime().block_on(async {
        let relay = relay(8, 8);
        let mut first = relay.stand("a");
        let mut second = relay.stand("a");
        assert_eq!(first.ring().await, None);
        drop(first);
        let _calling = relay.call("a", "ben").expect("the second is there");
        assert!(second.ring().await.is_some());
        drop(second);
        assert_eq!(refused(relay.call("a", "ben")), Some(FilesError::NoLine));
        assert_eq!(relay.counts().lines.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn bytes_pass_at_the_bound_and_a_rest_is_made_up_for_only_a_little() {
    let start = Instant::now() + Duration::from_secs(10);
    let mut schedule = Schedule {
        bytes_per_s: 1_000_000,
        free_at: start,
    };
    let at = |ms| start + Duration::from_millis(ms);
    assert_eq!(schedule.book(at(0), 100_000), None);
    assert_eq!(schedule.book(at(0), 100_000), Some(at(100)));
    assert_eq!(schedule.book(at(100), 50_000), Some(at(200)));
    // A timer that was late does not lower the rate.
    assert_eq!(schedule.book(at(260), 10_000), None);
    assert_eq!(schedule.book(at(260), 10_000), None);
    // Ten seconds of rest are worth 50 ms.
    assert_eq!(schedule.book(at(10_000), 50_000), None);
    assert_eq!(schedule.book(at(10_000), 1), None);
    assert_eq!(
        schedule.book(at(10_000), 1),
        Some(at(10_000) + Duration::from_micros(1))
    );
}

#[test]
fn an_account_with_many_calls_gets_no_more_than_one_with_one() {
    runtime().block_on(async {
        let mut settings = Config::default().files;
        settings.relay_bytes_per_s = 1 << 20;
        let relay: Relay<u32> = Relay::new(&settings);
        let _line = relay.stand("a");
        let call = |account| relay.call("a", account).expect("there is room").call;
        let passed = Arc::new(AtomicUsize::new(0));
        let greedy: Vec<_> = (0..8)
            .map(|_| {
                let (call, passed) = (call("ana"), passed.clone());
                tokio::spawn(async move {
                    loop {
                        call.pass(1 << 10).await;
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let modest = call("ben");
        // What passes at once at the beginning is nobody's share.
        while passed.load(Ordering::Relaxed) < 60 {
            tokio::task::yield_now().await;
        }
        let before = passed.load(Ordering::Relaxed);
        for _ in 0..30 {
            modest.pass(1 << 10).await;
        }
        let others = passed.load(Ordering::Relaxed) - before;
        greedy.iter().for_each(tokio::task::JoinHandle::abort);
        assert!((25..=35).contains(&others), "{others} beside 30");
    });
}
