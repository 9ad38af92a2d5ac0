//! Keys of queues that users choose themselves, which may be short: they are kept as the other keys of queues are, but derived slowly.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use directory::{QueueKey, token};
use engine::{Handle, QueueKeyView};
use ring::pbkdf2;
use tokio::sync::Semaphore;

use crate::http::DEFAULT_VHOST;

/// What a note says of keys that were made here.
const NOTE: &str = "classroom";
/// Rounds of the derivation: guessing is to be slow, calling is not.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");
/// Derivations at one time.
const DERIVATIONS_MAX: usize = 2;
/// Keys that were right and need not be derived again.
const KNOWN_MAX: usize = 10_000;

/// Makes and checks keys; cheap to clone.
#[derive(Clone)]
pub(super) struct Keys {
    engine: Handle,
    /// Keys that were right, by their ids, hashed with what this process alone knows.
    known: Arc<Mutex<HashMap<String, [u8; 32]>>>,
    own: Arc<str>,
    derivations: Arc<Semaphore>,
}

impl Keys {
    pub(super) fn new(engine: Handle) -> Self {
        Self {
            engine,
            known: Arc::default(),
            own: engine::accounts::random_name().into(),
            derivations: Arc::new(Semaphore::new(DERIVATIONS_MAX)),
        }
    }

    /// Makes a key of a queue, not stored yet.
    pub(super) async fn make(&self, queue: &str, owner: &str, secret: &str) -> QueueKey {
        let id = engine::accounts::random_name();
        QueueKey {
            secret_hash: self.derive(&id, secret).await,
            id,
            vhost: DEFAULT_VHOST.to_owned(),
            queue: queue.to_owned(),
            write: true,
            read: true,
            note: NOTE.to_owned(),
            created_by: Some(owner.to_owned()),
            created_ms: self.engine.now_ms(),
            expires_ms: None,
        }
    }

    /// The keys of a queue that were made here.
    pub(super) fn of(&self, queue: &str) -> Vec<QueueKeyView> {
        let mut keys = self.engine.queue_keys(DEFAULT_VHOST, queue);
        keys.retain(|key| key.note == NOTE);
        keys
    }

    /// Says whether a secret is a key of a queue: one that was made here, or any other that lets do everything with it.
    pub(super) async fn check(&self, queue: &str, secret: &str) -> bool {
        let now_ms = self.engine.now_ms();
        for key in self.engine.queue_keys(DEFAULT_VHOST, queue) {
            let is_over = key.expires_ms.is_some_and(|at_ms| at_ms <= now_ms);
            if is_over || !key.read || !key.write {
                continue;
            }
            let is_right = if key.note == NOTE {
                self.check_own(&key.id, secret).await
            } else {
                self.engine.is_key(&key.id, &token::hash(secret))
            };
            if is_right {
                return true;
            }
        }
        false
    }

    async fn check_own(&self, id: &str, secret: &str) -> bool {
        let mark = token::hash(&format!("{}\n{secret}", self.own));
        if self
            .known()
            .get(id)
            .is_some_and(|known| token::equal(known, &mark))
        {
            return true;
        }
        let is_right = self.engine.is_key(id, &self.derive(id, secret).await);
        if is_right {
            let mut known = self.known();
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(id.to_owned(), mark);
        }
        is_right
    }

    /// Derives what is stored of a key. Its id is the salt; nothing that is shown at another door has the same hash.
    async fn derive(&self, id: &str, secret: &str) -> [u8; 32] {
        let (salt, secret) = (format!("classroom\n{id}"), secret.to_owned());
        let derive = move || {
            let mut hash = [0; 32];
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::derive(
                algorithm,
                ROUNDS,
                salt.as_bytes(),
                secret.as_bytes(),
                &mut hash,
            );
            hash
        };
        in_turn(&self.derivations, derive).await
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, [u8; 32]>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work that takes long beside the others, when there is a place for it. The place is held until the work is done, also when
/// nobody waits for it any more.
async fn in_turn<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let place = places.clone().acquire_owned().await;
    engine::aside(move || {
        // It is never closed, so there is one.
        let _place = place;
        work()
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        let places = Arc::new(Semaphore::new(1));
        let (begun, begins) = oneshot::channel();
        let (end, ends) = mpsc::channel::<()>();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move {
                in_turn(&places, move || {
                    let _ = begun.send(());
                    let _ = ends.recv();
                })
                .await;
            }
        });
        begins.await.expect("it begins");
        waiting.abort();
        assert!(waiting.await.expect_err("nobody waits").is_cancelled());
        assert_eq!(places.available_permits(), 0, "it goes on");
        drop(end);
        let place = places.acquire().await;
        assert!(place.is_ok(), "it is done");
    }
}
