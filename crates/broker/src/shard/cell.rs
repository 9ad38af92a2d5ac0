//! What lives in a shard's slot: a queue or a stream.

use super::{Kept, QueueSpecification};
use crate::QueueRef;
use crate::arguments::QueueKind;
use crate::log::{Backlog, BacklogError, Log, Position, Stored};
use crate::queue::{Queue, QueueStatistics};
use crate::stream::Stream;

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
        delayed: Option<Kept<B>>,
        now_ms: u64,
    ) -> Result<(), BacklogError> {
        match self {
            Self::Queue(queue) => queue.restore(next, messages, delayed, now_ms),
            Self::Stream(stream) => {
                stream.restore(next, messages);
                Ok(())
            }
        }
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
        queue.chain(stream.map(Stream::backlog_mut))
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
