//! What waits until the log is durable: confirms, commits, readers of streams, and dead letters that came from other shards.

use super::Shard;
use super::cell::{Cell, find};
use crate::log::{Log, Position};
use crate::{ConnectionId, Event, QueueRef, Reply, Sink};

/// Something that waits for the log.
#[derive(Debug)]
pub(super) enum Pending {
    Confirm {
        position: Position,
        connection: ConnectionId,
        channel: u16,
        first: u64,
        last: u64,
    },
    Sync {
        position: Position,
        connection: ConnectionId,
        channel: u16,
    },
    Transferred {
        position: Position,
        place: QueueRef,
        sequence: u64,
    },
    /// The readers of a stream.
    Readable { position: Position, place: QueueRef },
}

impl<L: Log> Shard<L> {
    pub(super) fn confirm_at(
        &mut self,
        position: Position,
        connection: ConnectionId,
        channel: u16,
        number: u64,
    ) {
        if let Some(Pending::Confirm {
            position: at,
            connection: to,
            channel: on,
            last,
            ..
        }) = self.pending.back_mut()
            && *at == position
            && *to == connection
            && *on == channel
            && *last + 1 == number
        {
            *last = number;
            return;
        }
        self.pending.push_back(Pending::Confirm {
            position,
            connection,
            channel,
            first: number,
            last: number,
        });
    }

    /// Answers once everything appended so far is durable (tx.commit).
    pub fn sync<S: Sink>(&mut self, connection: ConnectionId, channel: u16, sink: &mut S) {
        let position = self.log.appended();
        if position <= self.log.durable() {
            sink.event(
                connection,
                Event::Replied {
                    channel,
                    result: Ok(Reply::Done),
                },
            );
        } else {
            self.pending.push_back(Pending::Sync {
                position,
                connection,
                channel,
            });
        }
    }

    /// Releases what waited for the log to be durable up to where it is now.
    pub fn release<S: Sink>(&mut self, now_ms: u64, sink: &mut S) {
        let durable = self.log.durable();
        while let Some(front) = self.pending.front() {
            if front.position() > durable {
                return;
            }
            match self.pending.pop_front() {
                Some(Pending::Confirm {
                    connection,
                    channel,
                    first,
                    last,
                    ..
                }) => {
                    sink.event(
                        connection,
                        Event::Confirmed {
                            channel,
                            first,
                            last,
                            rejected: false,
                        },
                    );
                }
                Some(Pending::Sync {
                    connection,
                    channel,
                    ..
                }) => {
                    sink.event(
                        connection,
                        Event::Replied {
                            channel,
                            result: Ok(Reply::Done),
                        },
                    );
                }
                Some(Pending::Transferred {
                    place, sequence, ..
                }) => self.effects.transferred.push((place, sequence)),
                Some(Pending::Readable { place, .. }) => {
                    self.with(place, now_ms, sink, |cell, work| match cell {
                        Cell::Stream(stream) => stream.dispatch(work),
                        Cell::Queue(_) => {}
                    });
                }
                None => return,
            }
        }
    }

    /// Says whether something waits for the log.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Ends a dead message in its queue; its dead letters are safe.
    pub fn transferred(&mut self, place: QueueRef, sequence: u64) {
        if let Some(Cell::Queue(queue)) = find(&mut self.cells, place) {
            let before = queue.resident_bytes();
            queue.transferred(sequence, &mut self.log);
            self.resident_bytes =
                (self.resident_bytes + queue.resident_bytes()).saturating_sub(before);
        }
    }

    /// Takes the dead messages of other shards whose letters are durable here; their shards are to be told.
    #[must_use]
    pub fn take_transferred(&mut self) -> Vec<(QueueRef, u64)> {
        std::mem::take(&mut self.effects.transferred)
    }

    /// Notes a dead message of another shard whose letter this shard took, until everything appended so far is durable.
    pub fn transferred_when_durable(&mut self, place: QueueRef, sequence: u64) {
        let position = self.log.appended();
        self.pending.push_back(Pending::Transferred {
            position,
            place,
            sequence,
        });
    }
}

impl Pending {
    const fn position(&self) -> Position {
        match self {
            Self::Confirm { position, .. }
            | Self::Sync { position, .. }
            | Self::Transferred { position, .. }
            | Self::Readable { position, .. } => *position,
        }
    }
}
