//! Publishing to the queues of a shard.

use std::sync::Arc;

use super::Shard;
use super::cell::{Cell, find};
use super::pending::Pending;
use crate::log::{Append, Log, Position};
use crate::queue::{Offered, Work};
use crate::{Event, Message, PublishTicket, QueueId, QueueRef, Sink, limits};

impl<L: Log> Shard<L> {
    /// Publishes a message to queues of this shard; the ticket's publisher hears once it is safe.
    ///
    /// # Durability
    /// The confirm of a persistent message that a durable queue keeps waits until the log holds it; that of a repeated one until the log
    /// holds the original.
    #[inline]
    pub fn publish<S: Sink>(
        &mut self,
        targets: &[QueueRef],
        message: &Arc<Message>,
        ticket: Option<PublishTicket>,
        now_ms: u64,
        sink: &mut S,
    ) {
        let placed = ticket.filter(|ticket| ticket.wants_place);
        let (position, is_rejected) = self.offer(targets, message, placed, now_ms, sink);
        if let Some(ticket) = ticket {
            let PublishTicket {
                connection,
                channel,
                number,
                wants_place: _,
            } = ticket;
            match position {
                Some(position) if !is_rejected => {
                    self.confirm_at(position, connection, channel, number)
                }
                _ => sink.event(
                    connection,
                    Event::Confirmed {
                        channel,
                        first: number,
                        last: number,
                        rejected: is_rejected,
                    },
                ),
            }
        }
        self.after_offer(targets, now_ms, sink);
    }

    #[inline]
    fn offer<S: Sink>(
        &mut self,
        targets: &[QueueRef],
        message: &Arc<Message>,
        placed: Option<PublishTicket>,
        now_ms: u64,
        sink: &mut S,
    ) -> (Option<Position>, bool) {
        let mut logged: smallvec::SmallVec<[(QueueId, u64); 4]> = smallvec::SmallVec::new();
        let mut is_rejected = false;
        let mut is_repeated = false;
        for target in targets {
            let Some(cell) = find(&mut self.cells, *target) else {
                continue;
            };
            if let Some(id) = message.dedup_id.as_deref()
                && let Some(original) = cell.original(*id, now_ms)
            {
                is_repeated |= target.id.is_durable();
                if let Some(ticket) = &placed {
                    tell_place(ticket, *target, original, true, sink);
                }
                continue;
            }
            let sequence = match cell {
                Cell::Queue(queue) => {
                    let before = queue.resident_bytes();
                    let mut work = Work {
                        log: &mut self.log,
                        sink,
                        effects: &mut self.effects,
                        now_ms,
                    };
                    let offered = queue.offer(message, &mut work);
                    self.resident_bytes =
                        (self.resident_bytes + queue.resident_bytes()).saturating_sub(before);
                    match offered {
                        Offered::Logged(sequence) => {
                            logged.push((target.id, sequence));
                            sequence
                        }
                        Offered::Delayed(sequence) => {
                            logged.push((target.id.delayed(), sequence));
                            sequence
                        }
                        Offered::Taken(sequence) => sequence,
                        Offered::Rejected => {
                            is_rejected = true;
                            continue;
                        }
                    }
                }
                Cell::Stream(stream) => {
                    let before = stream.resident_bytes();
                    let position = self.log.position();
                    let (sequence, is_first) = stream.append(message, position, now_ms);
                    if is_first {
                        self.pending.push_back(Pending::Readable {
                            position,
                            place: *target,
                        });
                    }
                    logged.push((target.id, sequence));
                    self.resident_bytes =
                        (self.resident_bytes + stream.resident_bytes()).saturating_sub(before);
                    sequence
                }
            };
            if let Some(id) = message.dedup_id.as_deref()
                && cell.remember((*id, sequence), message.persistent, now_ms, &mut self.log)
            {
                logged.push((target.id.dedup(), sequence));
            }
            if let Some(ticket) = &placed {
                tell_place(ticket, *target, sequence, false, sink);
            }
        }
        if logged.is_empty() {
            // The original may not be durable yet.
            let appended = is_repeated.then(|| self.log.appended());
            let durable = self.log.durable();
            return (appended.filter(|at| *at > durable), is_rejected);
        }
        let from_ms = message.deliver_at_ms.unwrap_or(now_ms).max(now_ms);
        let expires_at_ms = message
            .expiration_ms
            .map_or(u64::MAX, |ttl| from_ms.saturating_add(ttl));
        let append = Append {
            targets: &logged,
            message,
            expires_at_ms,
            received_ms: now_ms,
        };
        (Some(self.log.append_message(&append)), is_rejected)
    }

    #[inline]
    fn after_offer<S: Sink>(&mut self, targets: &[QueueRef], now_ms: u64, sink: &mut S) {
        let resident_max = if self.resident_bytes > limits::SHARD_RESIDENT_BYTES_MAX {
            limits::QUEUE_RESIDENT_BYTES_MIN
        } else {
            limits::QUEUE_RESIDENT_BYTES_MAX
        };
        for target in targets {
            let crowd = self.with(*target, now_ms, sink, |cell, work| match cell {
                Cell::Queue(queue) => {
                    queue.after_publish(resident_max, work);
                    queue.crowd(now_ms)
                }
                Cell::Stream(stream) => {
                    stream.after_publish(resident_max, work);
                    None
                }
            });
            if let Some(crowd) = crowd.flatten() {
                self.crowd = Some(crowd);
            }
        }
    }
}

/// Tells a publisher that asked where its message went.
#[cold]
fn tell_place<S: Sink>(
    ticket: &PublishTicket,
    queue: QueueRef,
    sequence: u64,
    is_duplicate: bool,
    sink: &mut S,
) {
    let event = Event::Placed {
        channel: ticket.channel,
        number: ticket.number,
        queue,
        sequence,
        is_duplicate,
    };
    sink.event(ticket.connection, event);
}
