//! Places for work that is under way. Whoever hangs up ends the waiting, not what a thread is doing: so each of them holds the place until it is done.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

/// A number of places.
#[derive(Debug)]
pub(super) struct Places(Arc<Semaphore>);

/// One of them, free again when the last copy is dropped.
#[derive(Debug, Clone)]
pub(super) struct Place(
    #[expect(dead_code, reason = "it is held until it is dropped")] Arc<OwnedSemaphorePermit>,
);

impl Places {
    pub(super) fn new(number: usize) -> Self {
        Self(Arc::new(Semaphore::new(number)))
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some(Place(Arc::new(permit)))
    }

    /// Waits for a place; `None` at the end.
    pub(super) async fn wait(&self) -> Option<Place> {
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        Some(Place(Arc::new(permit)))
    }

    /// Waits until so many places are free at once.
    #[cfg(test)]
    pub(super) async fn wait_for(&self, number: usize) {
        let number = u32::try_from(number).expect("a small number");
        let all = self.0.acquire_many(number);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), all).await;
        drop(waited.expect("they get free").expect("it is open"));
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.0.available_permits()
    }
}

impl Place {
    /// Does what waits for the disk or the server, and holds the place until that is done, whoever still waits for it.
    ///
    /// # Errors
    /// The program ends.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let place = self.clone();
        let held = move || {
            let _place = place;
            work()
        };
        spawn_blocking(held).await
    }

    /// The same for what has threads of its own.
    ///
    /// # Errors
    /// The program ends.
    pub(super) async fn keep<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let place = self.clone();
        let held = async move {
            let _place = place;
            work.await
        };
        tokio::spawn(held).await
    }
}
