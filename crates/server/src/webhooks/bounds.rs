//! How many requests are under way at once: in all, to one host, for one account; whoever waits is served in the order of asking.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant};

/// Requests under way of all webhooks.
const TOTAL_MAX: usize = 512;
/// Requests under way to one host and port.
const PER_HOST_MAX: usize = 64;
/// Requests under way for one account.
const PER_OWNER_MAX: usize = 64;
/// Requests without a message by which one webhook may be tried out within a time: what a caller triggers at will is no way to flood others.
const TRIALS_MAX: usize = 10;
const TRIALS_WITHIN: Duration = Duration::from_secs(60);

const _: () = assert!(
    TOTAL_MAX >= 4 * PER_HOST_MAX && TOTAL_MAX >= 4 * PER_OWNER_MAX,
    "one slow host or one account must not hold everything"
);

/// The bounds that all webhooks share.
#[derive(Debug)]
pub(super) struct Bounds {
    total: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
    owners: Mutex<HashMap<String, Weak<Semaphore>>>,
    /// When each webhook was tried out lately, the oldest first.
    trials: Mutex<HashMap<String, VecDeque<Instant>>>,
}

/// The bounds that hold for one webhook.
#[derive(Debug, Clone)]
pub(super) struct Gates {
    owner: Arc<Semaphore>,
    host: Arc<Semaphore>,
    total: Arc<Semaphore>,
}

/// A place among the requests under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permits: [OwnedSemaphorePermit; 3],
}

impl Bounds {
    pub(super) fn new() -> Self {
        Self {
            total: Arc::new(Semaphore::new(TOTAL_MAX)),
            hosts: Mutex::default(),
            owners: Mutex::default(),
            trials: Mutex::default(),
        }
    }

    /// Notes that a webhook is tried out at `now`.
    ///
    /// # Errors
    /// It was too often lately: how long to wait.
    pub(super) fn try_out(&self, id: &str, now: Instant) -> Result<(), Duration> {
        let mut trials = self.trials.lock().unwrap_or_else(PoisonError::into_inner);
        let is_late = |at: &Instant| now.saturating_duration_since(*at) < TRIALS_WITHIN;
        // There are few: each is forgotten after a minute.
        trials.retain(|_, times| times.back().is_some_and(is_late));
        let times = trials.entry(id.to_owned()).or_default();
        times.retain(is_late);
        match times.front() {
            Some(oldest) if times.len() >= TRIALS_MAX => {
                Err(TRIALS_WITHIN.saturating_sub(now.saturating_duration_since(*oldest)))
            }
            Some(_) | None => {
                times.push_back(now);
                Ok(())
            }
        }
    }

    /// The bounds for requests to a host on behalf of an account.
    pub(super) fn gates(&self, owner: &str, host: &str) -> Gates {
        Gates {
            owner: shared(&self.owners, owner, PER_OWNER_MAX),
            host: shared(&self.hosts, host, PER_HOST_MAX),
            total: self.total.clone(),
        }
    }
}

impl Gates {
    /// Waits for a place; `None` is never, as nobody closes the bounds.
    pub(super) async fn enter(&self) -> Option<Place> {
        // In this order everywhere, and the scarcest last: whoever waits holds nothing that others need who wait for something else.
        let owner = self.owner.clone().acquire_owned().await.ok()?;
        let host = self.host.clone().acquire_owned().await.ok()?;
        let total = self.total.clone().acquire_owned().await.ok()?;
        Some(Place {
            _permits: [owner, host, total],
        })
    }

    /// Takes a place if there is one at once.
    pub(super) fn try_enter(&self) -> Option<Place> {
        let take = |semaphore: &Arc<Semaphore>| semaphore.clone().try_acquire_owned().ok();
        Some(Place {
            _permits: [take(&self.owner)?, take(&self.host)?, take(&self.total)?],
        })
    }
}

fn shared(
    all: &Mutex<HashMap<String, Weak<Semaphore>>>,
    key: &str,
    places: usize,
) -> Arc<Semaphore> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(key).and_then(Weak::upgrade) {
        return known;
    }
    all.retain(|_, known| known.strong_count() > 0);
    let made = Arc::new(Semaphore::new(places));
    all.insert(key.to_owned(), Arc::downgrade(&made));
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(gates: &Gates) -> Vec<Place> {
        std::iter::from_fn(|| gates.try_enter()).collect()
    }

    #[test]
    fn one_host_and_one_account_leave_room_for_others() {
        let bounds = Bounds::new();
        let held = fill(&bounds.gates("ana", "slow:80"));
        assert_eq!(held.len(), PER_HOST_MAX.min(PER_OWNER_MAX));
        assert!(bounds.gates("ana", "other:80").try_enter().is_none());
        assert!(bounds.gates("eva", "slow:80").try_enter().is_none());
        assert!(bounds.gates("eva", "other:80").try_enter().is_some());
        drop(held);
        assert!(bounds.gates("ana", "slow:80").try_enter().is_some());
    }

    #[test]
    fn a_webhook_is_tried_out_so_often_in_a_minute_and_no_more() {
        let (bounds, begun) = (Bounds::new(), Instant::now());
        for _ in 0..TRIALS_MAX {
            assert_eq!(bounds.try_out("one", begun), Ok(()));
        }
        let later = begun + Duration::from_secs(20);
        let wait = bounds.try_out("one", later);
        assert_eq!(wait, Err(Duration::from_secs(40)));
        assert_eq!(bounds.try_out("other", later), Ok(()));
        assert_eq!(bounds.try_out("one", begun + TRIALS_WITHIN), Ok(()));
    }

    #[test]
    fn all_together_are_bounded_and_what_nobody_uses_is_forgotten() {
        let bounds = Bounds::new();
        let held: Vec<_> = (0..20)
            .map(|number| fill(&bounds.gates(&format!("a{number}"), &format!("h{number}"))))
            .collect();
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), TOTAL_MAX);
        drop(held);
        drop(bounds.gates("last", "last"));
        drop(bounds.gates("very last", "very last"));
        let known = bounds.hosts.lock().expect("nobody panicked").len();
        assert_eq!(known, 1);
    }

    #[tokio::test]
    async fn whoever_waits_comes_in_when_a_place_is_free() {
        let bounds = Bounds::new();
        let gates = bounds.gates("ana", "host");
        let mut held = fill(&gates);
        let waiting = gates.clone();
        let waiter = tokio::spawn(async move { waiting.enter().await.is_some() });
        held.pop();
        assert!(waiter.await.expect("it does not panic"));
    }
}
