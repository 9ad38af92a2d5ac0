//! Who waits for what is new in a room, without being in it.
//!
//! All of them share one follower of all rooms, which there is only while somebody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::chat::{Chat, Overheard};

/// What may wait to be looked at. Whoever misses news because this was full finds them when their time is up.
const UNREAD_MAX: usize = 4_096;
/// After so much that nobody waited for, those who do not wait any more are forgotten.
const SWEPT_AFTER: usize = 256;

/// Those who wait, by the room.
///
/// *Concurrency*: a leaf lock.
#[derive(Clone, Default)]
pub(in crate::http) struct News(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    rooms: HashMap<Arc<str>, watch::Sender<()>>,
    is_followed: bool,
}

impl News {
    /// What changes from now on whenever something happens in a room, which is named as the chat names it.
    pub(super) fn of(&self, chat: &Chat, room: &Arc<str>) -> watch::Receiver<()> {
        let mut waiting = self.lock();
        let sender = waiting
            .rooms
            .entry(room.clone())
            .or_insert_with(|| watch::channel(()).0);
        let receiver = sender.subscribe();
        let has_to_follow = !waiting.is_followed;
        waiting.is_followed = true;
        drop(waiting);
        if has_to_follow {
            // Asked for before anything that the caller asks next.
            tokio::spawn(self.clone().follow(chat.overhear(UNREAD_MAX)));
        }
        receiver
    }

    async fn follow(self, mut overheard: mpsc::Receiver<Overheard>) {
        let mut unwanted = 0;
        while let Some(Overheard { room, .. }) = overheard.recv().await {
            let mut waiting = self.lock();
            let is_wanted = waiting
                .rooms
                .get(&room)
                .is_some_and(|sender| sender.send(()).is_ok());
            if is_wanted {
                continue;
            }
            unwanted += 1;
            if unwanted >= SWEPT_AFTER {
                unwanted = 0;
                waiting.rooms.retain(|_, sender| !sender.is_closed());
                if waiting.rooms.is_empty() {
                    waiting.is_followed = false;
                    return;
                }
            }
        }
        self.lock().is_followed = false;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
