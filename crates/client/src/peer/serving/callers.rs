//! Who is connected: how many there may be, and who of them has shown that it may have something.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::peer::limits::{CONNECTIONS_BESIDE_SLOTS, CONNECTIONS_BESIDE_SLOTS_PER_ADDRESS};

/// All who are connected, each with its address, if it came directly.
#[derive(Debug, Clone)]
pub(super) struct Callers {
    present: Arc<Mutex<Vec<Option<IpAddr>>>>,
    slots: usize,
}

/// A place among those who are connected, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    callers: Callers,
    from: Option<IpAddr>,
}

impl Callers {
    /// Makes room for those who have the slots, and for some more.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            present: Arc::default(),
            slots,
        }
    }

    /// Lets one more in, unless there are too many, or too many from there.
    pub(super) fn enter(&self, from: Option<IpAddr>) -> Option<Place> {
        let mut present = self.present();
        let own = present
            .iter()
            .filter(|each| from.is_some() && **each == from);
        if present.len() >= self.slots + CONNECTIONS_BESIDE_SLOTS
            || own.count() >= self.slots + CONNECTIONS_BESIDE_SLOTS_PER_ADDRESS
        {
            return None;
        }
        present.push(from);
        drop(present);
        let callers = self.clone();
        Some(Place { callers, from })
    }

    fn present(&self) -> MutexGuard<'_, Vec<Option<IpAddr>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.callers.present();
        if let Some(place) = present.iter().position(|from| *from == self.from) {
            present.swap_remove(place);
        }
    }
}

/// Calls of one connection that are answered, of somebody who may make them.
#[derive(Debug, Clone)]
pub(super) struct Calls(Arc<watch::Sender<Count>>);

/// How many there are, and were.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    open: usize,
    begun: u64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Calls {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn begin(&self) -> Call {
        self.0.send_modify(|calls| {
            calls.open += 1;
            calls.begun += 1;
        });
        Call(self.clone())
    }

    /// Waits until there was none for so long; after the first one, for `after`, as its last answers may still be on their way.
    pub(super) async fn rest(&self, before: Duration, after: Duration) {
        let mut calls = self.0.subscribe();
        let (mut patience, mut begun) = (before, 0);
        loop {
            let next = timeout(patience, calls.wait_for(|calls| calls.begun > begun)).await;
            // Who sends is here: it is the time alone that fails.
            let Ok(Ok(now)) = next.map(|next| next.map(|calls| *calls)) else {
                return;
            };
            (patience, begun) = (after, now.begun);
            let _ = calls.wait_for(|calls| calls.open == 0).await;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|calls| calls.open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_rests_longer_once_somebody_was_served() {
        const LONG: Duration = Duration::from_secs(3_600);
        let unserved = Calls::new();
        unserved.rest(Duration::ZERO, LONG).await;
        let served = Calls::new();
        drop(served.begin());
        let rest = served.rest(Duration::ZERO, LONG);
        assert!(timeout(Duration::from_millis(50), rest).await.is_err());
        let answered = Calls::new();
        let call = answered.begin();
        let rest = answered.rest(LONG, Duration::ZERO);
        tokio::pin!(rest);
        assert!(timeout(Duration::from_millis(50), &mut rest).await.is_err());
        drop(call);
        rest.await;
    }

    #[test]
    fn one_address_does_not_take_all_places() {
        let callers = Callers::new(2);
        let from = |last| Some(IpAddr::from([192, 0, 2, last]));
        let enter = |from| callers.enter(from);
        let mut own: Vec<_> = std::iter::from_fn(|| enter(from(1))).collect();
        assert_eq!(own.len(), 2 + CONNECTIONS_BESIDE_SLOTS_PER_ADDRESS);
        assert!(enter(from(2)).is_some());
        own.pop();
        assert!(enter(from(1)).is_some());
        let left = 2 + CONNECTIONS_BESIDE_SLOTS - own.len();
        // Those who come through the server have no address that could be told from others.
        let relayed: Vec<_> = std::iter::from_fn(|| enter(None)).collect();
        assert_eq!(relayed.len(), left);
        assert!(enter(from(2)).is_none());
    }
}
