//! What the tasks of one thread share: its books, what the controlling thread said, and when to go on.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::Notify;

use super::super::consumer::{AckDue, Consumer};
use super::super::context::{Books, Context};
use super::super::mark::{MARK_BYTES, Mark};
use super::super::options::{Routing, WebTarget};
use super::super::roles::local_queue;
use super::super::scan::Delivery;
use super::super::shared::Command;
use super::super::worker::StageSetup;

/// The longest wait for consumers on other threads.
const ELSEWHERE: Duration = Duration::from_millis(1);

/// One thread's tasks.
pub(super) struct Crew {
    pub(super) setup: Arc<StageSetup>,
    pub(super) target: WebTarget,
    context: RefCell<Context>,
    command: Cell<Command>,
    /// Something arrived, or something was said.
    moved: Notify,
    /// The thread's number of each queue that it consumes.
    followed: RefCell<HashMap<usize, usize>>,
}

/// What became of the messages of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fates {
    /// Messages that the server answered for.
    pub(super) answered: usize,
    /// Of these, those that it did not take.
    pub(super) refused: u64,
    /// Of these, those that no queue took.
    pub(super) returned: u64,
}

impl Crew {
    pub(super) fn new(setup: Arc<StageSetup>, context: Context, target: WebTarget) -> Self {
        Self {
            setup,
            target,
            context: RefCell::new(context),
            command: Cell::new(Command::Connect),
            moved: Notify::new(),
            followed: RefCell::default(),
        }
    }

    /// Begins to follow a queue and gives the thread's number for it.
    pub(super) fn follow(&self, queue: usize) -> usize {
        let queues = &mut self.context.borrow_mut().queues;
        let mut followed = self.followed.borrow_mut();
        *followed.entry(queue).or_insert_with(|| {
            // Bodies too short for a mark say nothing about their order.
            if self.is_marked() {
                queues.push(local_queue(queue, &self.setup.plan));
            }
            queues.len().saturating_sub(1)
        })
    }

    fn is_marked(&self) -> bool {
        self.setup.options.size.min >= MARK_BYTES
    }

    /// Looks what was said, and says how far this thread is.
    pub(super) fn look(&self) -> Command {
        let shared = &self.setup.shared;
        let command = shared.command();
        let mut context = self.context.borrow_mut();
        context.measured = shared.measured();
        context.report();
        if self.command.replace(command) != command {
            self.moved.notify_waiters();
        }
        command
    }

    /// Counts a connection that is set up.
    pub(super) fn ready(&self) {
        self.context.borrow_mut().counters.ready += 1;
    }

    /// Waits until so many messages may be published; false when no more are to be.
    pub(super) async fn has_room(&self, messages: usize) -> bool {
        loop {
            match self.command.get() {
                Command::Connect => self.moved.notified().await,
                Command::Run if self.is_room(messages) => return true,
                Command::Run => {
                    // Whether that was too long is seen by the next turn.
                    let _ = tokio::time::timeout(ELSEWHERE, self.moved.notified()).await;
                }
                Command::Drain | Command::Stop => return false,
            }
        }
    }

    fn is_room(&self, messages: usize) -> bool {
        let Some(limit) = self.setup.options.backlog_max else {
            return true;
        };
        self.context.borrow().report();
        let total = self.setup.shared.total();
        let copies = self.setup.plan.copies();
        let undelivered = (total.published * copies).saturating_sub(total.delivered);
        let wanted = messages as u64 * copies;
        // One batch always fits.
        undelivered == 0 || undelivered + wanted <= limit
    }

    /// Notes that messages are about to leave; gives their stamp.
    pub(super) fn published(&self, messages: usize) -> u64 {
        let mut context = self.context.borrow_mut();
        context.tick();
        context.counters.published += messages as u64;
        context.counters.published_bytes += (messages * self.setup.options.size.max) as u64;
        context.counters.last_event = context.now;
        context.now
    }

    /// Notes what became of messages that were published together.
    pub(super) fn confirmed(&self, stamp: u64, fates: Fates) {
        let mut context = self.context.borrow_mut();
        context.tick();
        for _ in 0..fates.answered {
            context.confirmed(stamp);
        }
        context.books.refused += fates.refused;
        context.books.returned += fates.returned;
    }

    /// Begins to book what arrived.
    pub(super) fn tick(&self) {
        self.context.borrow_mut().tick();
    }

    /// Books a message; says whether it calls for an ack.
    pub(super) fn arrived(&self, consumer: &mut Consumer, delivery: &Delivery) -> Option<AckDue> {
        consumer.deliver(delivery, &mut self.context.borrow_mut())
    }

    /// Lets producers look whether there is room.
    pub(super) fn wake_producers(&self) {
        self.moved.notify_waiters();
    }

    /// Makes a consumer of the queue that this thread knows by this number.
    pub(super) fn consumer(&self, local: usize) -> Consumer {
        Consumer::new(self.setup.options.acks, vec![local])
    }

    /// The messages that a producer has under way.
    pub(super) fn window(&self) -> usize {
        self.setup.options.confirms.unwrap_or(1).max(1)
    }

    /// Length of every body.
    pub(super) fn size(&self) -> usize {
        self.setup.options.size.max
    }

    /// The topic that messages go to; none if they go to a queue or a stream.
    pub(super) fn topic(&self) -> Option<String> {
        let is_fanout = self.setup.options.routing == Routing::Fanout;
        (is_fanout && !self.target.is_one_stream()).then(|| self.setup.plan.exchange_name())
    }

    /// The first bytes of the body of a producer's message.
    pub(super) fn mark(producer: usize, stamp: u64, sequence: u64) -> Mark {
        Mark {
            stamp,
            producer: u32::try_from(producer).unwrap_or(u32::MAX),
            sequence,
        }
    }

    /// Hands over the books.
    pub(super) fn into_books(self) -> Books {
        self.context.into_inner().into_books()
    }
}
