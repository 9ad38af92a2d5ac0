//! Which queues of a shard are crowded, for publishers on other shards: they cannot look into the queue themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker::QueueRef;
use broker::shard::Crowd;

/// Crowded queues that are remembered; publishers to any more do not wait.
const CROWDS_MAX: usize = 64;

/// The queues that letters crowded, as their shard last saw them.
///
/// # Concurrency
/// Written by the shard that owns the queues, read by all others: an atomic for every batch, a short lock only while there is a crowd.
#[derive(Debug, Default)]
pub(crate) struct Crowds {
    count: AtomicUsize,
    known: Mutex<Vec<Crowd>>,
}

impl Crowds {
    /// Remembers a queue, or what has become of it.
    pub(crate) fn note(&self, crowd: Crowd) {
        let mut known = self.lock();
        if let Some(other) = known.iter_mut().find(|other| other.queue == crowd.queue) {
            *other = crowd;
        } else if known.len() < CROWDS_MAX {
            known.push(crowd);
        }
        self.count.store(known.len(), Ordering::Relaxed);
    }

    /// Says how a queue was when its shard last looked; nothing when it was not crowded.
    pub(crate) fn find(&self, queue: QueueRef) -> Option<Crowd> {
        if self.is_empty() {
            return None;
        }
        self.lock()
            .iter()
            .find(|known| known.queue == queue)
            .copied()
    }

    /// Has the shard look at each again; true when publishers elsewhere are to hear of it.
    pub(crate) fn refresh(&self, mut look: impl FnMut(QueueRef) -> Option<Crowd>) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut known = self.lock();
        let mut changed = false;
        known.retain_mut(|crowd| {
            let now = look(crowd.queue);
            changed |= now != Some(*crowd);
            now.is_some_and(|now| {
                *crowd = now;
                true
            })
        });
        self.count.store(known.len(), Ordering::Relaxed);
        changed
    }

    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Crowd>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use broker::QueueId;

    use super::*;

    fn crowd(id: u64, resumed: u64) -> Crowd {
        let queue = QueueRef {
            id: QueueId(id),
            slot: 0,
            shard: 0,
            epoch: 0,
        };
        Crowd { queue, resumed }
    }

    #[test]
    fn a_crowd_is_known_until_its_shard_sees_it_gone() {
        let crowds = Crowds::default();
        let first = crowd(1, 0);
        assert_eq!(crowds.find(first.queue), None);
        crowds.note(first);
        crowds.note(crowd(2, 5));
        assert_eq!(crowds.find(first.queue), Some(first));

        assert!(!crowds.refresh(|queue| crowds_now(queue, 0, 5)));
        assert!(crowds.refresh(|queue| crowds_now(queue, 1, 5)), "moved");
        assert_eq!(crowds.find(first.queue), Some(crowd(1, 1)));

        let second = crowd(2, 5);
        assert!(crowds.refresh(|queue| (queue == second.queue).then_some(second)));
        assert_eq!(crowds.find(first.queue), None);
        assert_eq!(crowds.find(second.queue), Some(second));
    }

    fn crowds_now(queue: QueueRef, first: u64, second: u64) -> Option<Crowd> {
        let resumed = if queue.id == QueueId(1) {
            first
        } else {
            second
        };
        Some(Crowd { queue, resumed })
    }

    #[test]
    fn there_is_a_bound() {
        let crowds = Crowds::default();
        for id in 0..1_000 {
            crowds.note(crowd(id, 0));
        }
        assert_eq!(crowds.lock().len(), CROWDS_MAX);
    }
}
