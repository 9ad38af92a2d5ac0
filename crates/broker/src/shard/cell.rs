//! What lives in a shard's slot: a queue or a stream.

use super::{Kept, QueueSpecification};
use crate::arguments::QueueKind;
use crate::dedup::Memory;
use crate::log::{Backlog, BacklogError, Log, Position, Stored};
use crate::queue::{Queue, QueueStatistics};
use crate::stream::Stream;
use crate::{DedupId, QueueRef};

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a cell is boxed, and nearly all are queues"
)]
pub(super) enum Cell<B> {
    Queue(Queue<B>),
    Stream(Stream<B>),
}

impl<B: Backlog> Cell<B> {
    pub(super) fn new(specification: QueueSpecification, backlog: B, now_ms: u64) -> Self {
        match specification.kind {
            QueueKind::Stream => Self::Stream(Stream::new(specification, backlog, now_ms)),
            QueueKind::Classic | QueueKind::Quorum => {
                Self::Queue(Queue::new(specification, backlog, now_ms))
            }
        }
    }

    pub(super) fn restore(
        &mut self,
        next: u64,
        messages: Vec<Stored>,
        (delayed, dedup): (Option<Kept<B>>, Option<Kept<B>>),
        now_ms: u64,
    ) -> Result<(), BacklogError> {
        let next = next.max(dedup.as_ref().map_or(0, |dedup| dedup.next));
        if let Some(kept) = dedup {
            self.memory().1.restore(kept)?;
        }
        match self {
            Self::Queue(queue) => queue.restore(next, messages, delayed, now_ms),
            Self::Stream(stream) => {
                stream.restore(next, messages);
                Ok(())
            }
        }
    }

    /// The window and the ids of messages that were taken within it.
    const fn memory(&mut self) -> (u64, &mut Memory<B>) {
        match self {
            Self::Queue(queue) => queue.memory(),
            Self::Stream(stream) => stream.memory(),
        }
    }

    /// The number of the message that was taken under this id, if one was.
    #[cold]
    pub(super) fn original(&mut self, id: DedupId, now_ms: u64) -> Option<u64> {
        let (window_ms, memory) = self.memory();
        memory.original(id, window_ms, now_ms)
    }

    /// Remembers the id of a message that was taken; says whether the log is to know it.
    #[cold]
    pub(super) fn remember<L: Log<Backlog = B>>(
        &mut self,
        taken: (DedupId, u64),
        is_persistent: bool,
        now_ms: u64,
        log: &mut L,
    ) -> bool {
        let place = self.place();
        let is_stream = matches!(self, Self::Stream(_));
        let is_logged = place.id.is_durable() && (is_persistent || is_stream);
        let (window_ms, memory) = self.memory();
        if window_ms == 0 {
            return false;
        }
        memory.remember(place.id, taken, is_logged, now_ms, log);
        is_logged
    }

    pub(super) fn settle_until<L: Log<Backlog = B>>(
        &mut self,
        position: Position,
        log: &mut L,
    ) -> Result<(), BacklogError> {
        match self {
            Self::Queue(queue) => queue.settle_until(position, log),
            Self::Stream(stream) => stream.settle_until(position, log),
        }
    }

    pub(super) const fn place(&self) -> QueueRef {
        match self {
            Self::Queue(queue) => queue.place,
            Self::Stream(stream) => stream.place,
        }
    }

    pub(super) const fn resident_bytes(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.resident_bytes(),
            Self::Stream(stream) => stream.resident_bytes(),
        }
    }

    pub(super) const fn next_sequence(&self) -> u64 {
        match self {
            Self::Queue(queue) => queue.next_sequence(),
            Self::Stream(stream) => stream.next_sequence(),
        }
    }

    /// What keeps its messages beyond memory, in all its parts.
    pub(super) fn backlogs_mut(&mut self) -> impl Iterator<Item = &mut B> {
        let (queue, stream) = match self {
            Self::Queue(queue) => (Some(queue), None),
            Self::Stream(stream) => (None, Some(stream)),
        };
        let queue = queue.into_iter().flat_map(Queue::backlogs_mut);
        queue.chain(stream.into_iter().flat_map(Stream::backlogs_mut))
    }

    pub(super) const fn timer(&mut self) -> &mut Option<u64> {
        match self {
            Self::Queue(queue) => &mut queue.timer_ms,
            Self::Stream(stream) => &mut stream.timer_ms,
        }
    }

    pub(super) fn has_deadlines(&self) -> bool {
        match self {
            Self::Queue(queue) => queue.has_deadlines(),
            Self::Stream(_) => true,
        }
    }

    pub(super) fn next_deadline(&mut self) -> Option<u64> {
        match self {
            Self::Queue(queue) => queue.next_deadline(),
            Self::Stream(stream) => stream.next_deadline(),
        }
    }

    pub(super) fn touch(&mut self, now_ms: u64) {
        match self {
            Self::Queue(queue) => queue.touch(now_ms),
            Self::Stream(stream) => stream.touch(now_ms),
        }
    }

    pub(super) fn statistics(&self) -> QueueStatistics {
        match self {
            Self::Queue(queue) => queue.statistics(),
            Self::Stream(stream) => stream.statistics(),
        }
    }
}

/// Finds a queue; one that is gone, or whose place another took, is not found.
#[inline]
pub(super) fn find<B: Backlog>(
    cells: &mut [Option<Box<Cell<B>>>],
    place: QueueRef,
) -> Option<&mut Cell<B>> {
    let cell = cells.get_mut(place.slot as usize)?.as_deref_mut()?;
    (cell.place().id == place.id).then_some(cell)
}
