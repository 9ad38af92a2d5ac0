//! Publishers that wait for consumers, on this shard and on others (ADR 0009).

use std::task::Waker;

use broker::QueueRef;
use broker::shard::Crowd;

use super::{Shard, State};

impl Shard {
    /// Says whether a queue is still crowded, and has the publisher woken when that may have changed. It must not wait where the
    /// consumers do not move.
    #[must_use]
    pub fn crowd(&self, queue: QueueRef, waker: &Waker) -> Option<Crowd> {
        let now_ms = self.shared.clock.now_ms();
        let State { core, paced, .. } = &mut *self.state.borrow_mut();
        let crowd = if queue.shard == self.index {
            core.crowd(queue, now_ms)
        } else {
            self.shared.crowd_elsewhere(queue)
        };
        if crowd.is_some() && !paced.iter().any(|known| known.will_wake(waker)) {
            paced.push(waker.clone());
        }
        crowd
    }

    /// Has publishers look again that waited for consumers.
    pub(crate) fn wake_paced(&self) {
        let mut state = self.state.borrow_mut();
        state.paced.drain(..).for_each(Waker::wake);
        self.refresh_crowds(&mut state);
    }

    /// Tells publishers on other shards of a queue that their letters crowded.
    pub(super) fn note_crowd(&self, crowd: Option<Crowd>) {
        if let (Some(crowd), Some(crowds)) =
            (crowd, self.shared.crowds.get(usize::from(self.index)))
        {
            crowds.note(crowd);
        }
    }

    /// Tells publishers on other shards what has become of the queues that they crowded.
    fn refresh_crowds(&self, state: &mut State) {
        let Some(crowds) = self.shared.crowds.get(usize::from(self.index)) else {
            return;
        };
        if crowds.refresh(|queue| state.core.crowd(queue, self.shared.clock.now_ms())) {
            for (shard, mailbox) in self.shared.mailboxes.iter().enumerate() {
                if shard != usize::from(self.index) {
                    mailbox.notify.notify_one();
                }
            }
        }
    }
}
