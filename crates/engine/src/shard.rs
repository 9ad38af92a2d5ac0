//! One shard: its queues, its connections' events, and the turns that move both.

mod letters;
mod pacing;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use broker::log::Position;
use broker::shard::{DeadLetter, dead_letter_cycles, dead_message};
use broker::topology::Routes;
use broker::{ConnectionId, Event, Message, QueueRef, Reply, Sink};

use crate::SharedRef;
use crate::declared::Concerned;
use crate::embedded::EmbeddedLog;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Outboxes;

/// How often a settling that failed, as on a full disk, is tried again.
const SETTLE_RETRY_MS: u64 = 500;
/// A shard that did no more than this since its last commit may write one by itself: a message, its acknowledgement, little else.
const LIGHT_WORK: u64 = 4;
/// Rounds of dead-lettering in one turn; what is left has its turn after others had theirs.
const DEAD_LETTER_ROUNDS_MAX: usize = 64;

/// What a shard's thread owns.
pub(crate) struct State {
    pub(crate) core: broker::shard::Shard<EmbeddedLog>,
    pub(crate) outboxes: Outboxes,
    /// Connections that wait until the log takes publishes again.
    throttled: Vec<Waker>,
    /// Connections that wait for consumers to catch up.
    paced: Vec<Waker>,
    settle_retry_ms: Option<u64>,
    /// The deadline that the shard's task sleeps until.
    armed_ms: Option<u64>,
    pub(crate) transfers: Transfers,
    /// Publishes, settlements and letters since a commit was last deferred.
    pub(crate) work: u64,
    /// What was deferred has waited for one turn.
    has_waited: bool,
}

impl State {
    /// Commits what was deferred in the turn after the next, when connections have sent what was ready; the thread may wait for the
    /// disk meanwhile if it had little else to do since the last time. Says whether there is to be such a turn.
    fn commit_deferred(&mut self) -> bool {
        let log = self.core.log().shard();
        if !log.has_deferred() {
            return false;
        }
        self.has_waited = !self.has_waited;
        if !self.has_waited {
            log.commit_deferred(std::mem::take(&mut self.work) <= LIGHT_WORK);
        }
        self.has_waited
    }
}

/// Dead messages whose letters went to several shards: how many of these have yet to say that theirs is safe.
#[derive(Debug, Default)]
pub(crate) struct Transfers(HashMap<(QueueRef, u64), u32>);

impl Transfers {
    fn expect(&mut self, place: QueueRef, sequence: u64, shards: u32) {
        if shards > 1 {
            self.0.insert((place, sequence), shards);
        }
    }

    /// Notes one answer; true when it was the last.
    fn arrived(&mut self, place: QueueRef, sequence: u64) -> bool {
        let Some(left) = self.0.get_mut(&(place, sequence)) else {
            return true;
        };
        *left -= 1;
        let is_last = *left == 0;
        if is_last {
            self.0.remove(&(place, sequence));
        }
        is_last
    }
}

/// One shard, on its own thread.
///
/// # Concurrency
/// Not shared between threads. Every borrow of its state ends before anything is awaited.
pub struct Shard {
    pub(crate) index: u16,
    pub(crate) shared: SharedRef,
    pub(crate) state: RefCell<State>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shard")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Shard {
    pub(crate) fn new(
        index: u16,
        shared: SharedRef,
        core: broker::shard::Shard<EmbeddedLog>,
    ) -> Rc<Self> {
        let outboxes = Outboxes::new(index, shared.mailboxes.len());
        let state = State {
            core,
            outboxes,
            throttled: Vec::new(),
            paced: Vec::new(),
            settle_retry_ms: None,
            armed_ms: None,
            transfers: Transfers::default(),
            work: 0,
            has_waited: false,
        };
        Rc::new(Self {
            index,
            shared,
            state: RefCell::new(state),
        })
    }

    /// The shard's number.
    #[must_use]
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Says whether the disk holds everything that was handed to the log.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let log = state.core.log().shard();
        log.durable() == log.submitted()
    }

    /// Says whether publishers are to wait: for memory, for the disk, or for the log to catch up.
    #[must_use]
    pub fn must_publishers_wait(&self) -> bool {
        self.shared.alarms.is_raised()
            || self.shared.mailboxes.iter().any(Mailbox::is_full)
            || self.state.borrow_mut().core.log().shard().backpressure()
    }

    /// Asks to be woken when publishers may go on.
    pub fn wake_when_unblocked(&self, waker: &Waker) {
        let throttled = &mut self.state.borrow_mut().throttled;
        if !throttled.iter().any(|known| known.will_wake(waker)) {
            throttled.push(waker.clone());
        }
    }

    /// Runs the shard until it is dropped: letters, timers, what became durable.
    pub async fn run(self: Rc<Self>) {
        let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) else {
            return;
        };
        loop {
            self.turn();
            // Letters may come without end: connections have their turn after each of the shard's.
            tokio::task::yield_now().await;
            let deadline = self.next_deadline();
            self.state.borrow_mut().armed_ms = deadline;
            let letters = mailbox.notify.notified();
            match deadline {
                None => letters.await,
                Some(at_ms) => {
                    let at = tokio::time::Instant::from_std(self.shared.clock.instant_of(at_ms));
                    tokio::select! {
                        () = letters => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        let state = self.state.borrow();
        match (state.core.next_deadline(), state.settle_retry_ms) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Does everything that is due; the last thing to be done with a shard whose connections are closed.
    pub fn turn(&self) {
        let now_ms = self.shared.clock.now_ms();
        let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) else {
            return;
        };
        {
            let mut state = self.state.borrow_mut();
            if state.commit_deferred() {
                mailbox.notify.notify_one();
            }
            self.admit(&mut state, now_ms);
        }
        self.read_mailbox(now_ms);
        {
            let mut state = self.state.borrow_mut();
            let State { core, outboxes, .. } = &mut *state;
            core.release(now_ms, outboxes);
            core.tick(now_ms, outboxes);
            // Dead letters have no publisher who could wait.
            let _ = core.take_crowd();
        }
        self.settle_for_log(now_ms);
        self.finish(now_ms);
        self.wake_throttled();
        self.wake_paced();
    }

    /// Makes the queues that were declared elsewhere for this shard.
    #[inline]
    pub(crate) fn admit(&self, state: &mut State, now_ms: u64) {
        let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) else {
            return;
        };
        for specification in mailbox.take_creations() {
            state.core.create(specification, now_ms);
        }
    }

    fn wake_throttled(&self) {
        if !self.state.borrow().throttled.is_empty() && !self.must_publishers_wait() {
            let waiting = std::mem::take(&mut self.state.borrow_mut().throttled);
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Settles what keeps the journal from letting go of its oldest file.
    fn settle_for_log(&self, now_ms: u64) {
        let mut state = self.state.borrow_mut();
        let Some(request) = state.core.log().shard().settle_request() else {
            return;
        };
        if state.settle_retry_ms.is_some_and(|at| at > now_ms) {
            return;
        }
        state.settle_retry_ms = None;
        if state
            .core
            .settle_until(Position(request.position.0))
            .is_err()
        {
            state.settle_retry_ms = Some(now_ms + SETTLE_RETRY_MS);
            return;
        }
        let (log, backlogs) = state.core.durable_backlogs();
        let mut states = backlogs.filter_map(|(backlog, next)| backlog.state(next));
        log.shard().settle_done(request, &mut states);
    }

    /// Ends a turn or a batch: dead letters, queues whose time has come, letters to other shards, the log's batch.
    pub(crate) fn finish(&self, now_ms: u64) {
        for round in 0..=DEAD_LETTER_ROUNDS_MAX {
            if round == DEAD_LETTER_ROUNDS_MAX {
                // The rest has its turn after others had theirs.
                if let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) {
                    mailbox.notify.notify_one();
                }
                break;
            }
            let (dead, spent, transferred) = {
                let mut state = self.state.borrow_mut();
                (
                    state.core.take_dead_letters(),
                    state.core.take_spent(),
                    state.core.take_transferred(),
                )
            };
            if dead.is_empty() && spent.is_empty() && transferred.is_empty() {
                break;
            }
            for (place, sequence) in transferred {
                self.post(place.shard, Letter::Transferred { place, sequence }, now_ms);
            }
            self.route_dead_letters(&dead, now_ms);
            for place in spent {
                // A consumer may have come since.
                self.delete(place, true, false, None);
            }
        }
        let mut state = self.state.borrow_mut();
        if state.core.log().submit()
            && let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index))
        {
            // The shard's turn comes behind the connections that are ready now.
            mailbox.notify.notify_one();
        }
        let next = state.core.next_deadline();
        if next.is_some_and(|next| state.armed_ms.is_none_or(|armed| next < armed)) {
            // A connection's batch made something due before the shard's task would wake.
            state.armed_ms = next;
            if let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) {
                mailbox.notify.notify_one();
            }
        }
        for (shard, letters) in state.outboxes.letters.iter_mut().enumerate() {
            if !letters.is_empty()
                && let Some(mailbox) = self.shared.mailboxes.get(shard)
            {
                mailbox.post_all(letters);
            }
        }
    }

    /// Acts on the letters that have come.
    fn read_mailbox(&self, now_ms: u64) {
        let Some(mailbox) = self.shared.mailboxes.get(usize::from(self.index)) else {
            return;
        };
        let letters = mailbox.take(Vec::new());
        let bytes = letters.iter().map(Letter::bytes).sum();
        for letter in letters {
            self.read(letter, now_ms);
        }
        if mailbox.note_read(bytes) {
            // Publishers of every shard may have waited for this room.
            self.shared
                .mailboxes
                .iter()
                .for_each(|mailbox| mailbox.notify.notify_one());
        }
    }

    /// Gives a letter to a shard: at once to this one, at the end of the batch to another.
    pub(crate) fn post(&self, shard: u16, letter: Letter, now_ms: u64) {
        if shard == self.index {
            if matches!(letter, Letter::Consume { .. }) {
                // What others gave back comes before what a new consumer gets.
                self.read_mailbox(now_ms);
            }
            self.read(letter, now_ms);
        } else if let Some(letters) = self
            .state
            .borrow_mut()
            .outboxes
            .letters
            .get_mut(usize::from(shard))
        {
            letters.push(letter);
        }
    }

    fn route_dead_letters(&self, letters: &[DeadLetter], now_ms: u64) {
        self.state.borrow_mut().outboxes.counted.dead_lettered += letters.len() as u64;
        for letter in letters {
            self.route_dead_letter(letter, now_ms);
        }
    }

    fn route_dead_letter(&self, letter: &DeadLetter, now_ms: u64) {
        let message = Arc::new(dead_message(letter, now_ms));
        let targets = self.dead_letter_targets(letter, &message);
        let mut state = self.state.borrow_mut();
        self.admit(&mut state, now_ms);
        let State {
            core,
            outboxes,
            transfers,
            ..
        } = &mut *state;
        let (local, remote): (Routes, Routes) = targets
            .iter()
            .copied()
            .partition(|target| target.shard == self.index);
        core.publish(&local, &message, None, now_ms, outboxes);
        let origin = letter.sequence.map(|sequence| (letter.place, sequence));
        let mut shards = 0;
        for (shard, letters) in outboxes.letters.iter_mut().enumerate() {
            let there: Routes = remote
                .iter()
                .copied()
                .filter(|target| usize::from(target.shard) == shard)
                .collect();
            if !there.is_empty() {
                shards += 1;
                letters.push(Letter::PublishDead {
                    targets: there,
                    message: message.clone(),
                    from: origin,
                });
            }
        }
        match origin {
            // On one shard both ends are in one batch of the log: the letter is not lost and not doubled.
            Some((place, sequence)) if shards == 0 => core.transferred(place, sequence),
            Some((place, sequence)) => transfers.expect(place, sequence, shards),
            None => {}
        }
    }

    fn dead_letter_targets(&self, letter: &DeadLetter, message: &Message) -> Routes {
        let mut targets = Routes::new();
        let topology = self.shared.topology();
        let Some(vhost) = topology.vhost(&letter.vhost) else {
            return targets;
        };
        let routed = vhost.route_dead_letter(letter, message, &mut targets);
        if routed.is_err() {
            return targets;
        }
        for name in dead_letter_cycles(message, letter.reason) {
            if let Some(queue) = vhost.queue(&name) {
                targets.retain(|target| *target != queue.place);
            }
        }
        targets
    }

    /// Deletes a queue that this shard owns, answering when a channel is given.
    pub(crate) fn delete(
        &self,
        place: QueueRef,
        if_unused: bool,
        if_empty: bool,
        answer: Option<(ConnectionId, u16)>,
    ) {
        let now_ms = self.shared.clock.now_ms();
        // What has died in it goes as long as it is known whose it is.
        let dead = self.state.borrow_mut().core.take_dead_letters();
        self.route_dead_letters(&dead, now_ms);
        let deleted = {
            let mut state = self.state.borrow_mut();
            self.admit(&mut state, now_ms);
            let State { core, outboxes, .. } = &mut *state;
            core.delete(place, if_unused, if_empty, outboxes)
        };
        match deleted {
            Err(refusal) => self.answer(answer, Err(refusal)),
            Ok(None) => self.answer(answer, Ok(Reply::Deleted(0))),
            Ok(Some((vhost, name, messages))) => {
                let mut topology = self.shared.topology_mut();
                if !topology.remove_queue(&vhost, &name, place) {
                    // It went with its virtual host; from now on another may live in its place.
                    topology.release(place);
                }
                let changes = topology.take_changes();
                let gone = Concerned::Gone { vhost, queue: name };
                self.commit_then_answer(changes, answer, Reply::Deleted(messages), gone);
                drop(topology);
            }
        }
    }

    fn answer(&self, to: Option<(ConnectionId, u16)>, result: Result<Reply, broker::Refusal>) {
        if let Some((connection, channel)) = to {
            self.state
                .borrow_mut()
                .outboxes
                .event(connection, Event::Replied { channel, result });
        }
    }
}
