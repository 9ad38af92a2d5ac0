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
pub(super) struct Calls(Arc<watch::Sender<usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Call(Calls);

impl Calls {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(super) fn begin(&self) -> Call {
        self.0.send_modify(|calls| *calls += 1);
        Call(self.clone())
    }

    /// Waits until there was none for so long.
    pub(super) async fn rest(&self, patience: Duration) {
        let mut calls = self.0.subscribe();
        // Who sends is here: it does not fail.
        while calls.wait_for(|calls| *calls == 0).await.is_ok() {
            if timeout(patience, calls.wait_for(|calls| *calls > 0))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.0.send_modify(|calls| *calls -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
