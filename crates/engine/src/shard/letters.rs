//! Reading a shard's mail.

use broker::topology::Routes;
use broker::{ConnectionId, Event, Refusal, RefusalKind, Reply, Sink};

use super::{Shard, State};
use crate::embedded::EmbeddedLog;
use crate::mailbox::{Letter, Settlement};
use crate::outbox::Outboxes;
use crate::totals::ShardTotals;

impl Shard {
    /// Does what a letter asks.
    pub(super) fn read(&self, letter: Letter, now_ms: u64) {
        let mut state = self.state.borrow_mut();
        self.admit(&mut state, now_ms);
        state.work += 1;
        let State {
            core,
            outboxes,
            transfers,
            ..
        } = &mut *state;
        match letter {
            Letter::Event(connection, event) => self.forward(connection, event, state, now_ms),
            Letter::Publish {
                targets,
                message,
                ticket,
            } => {
                core.publish(&targets, &message, ticket, now_ms, outboxes);
                self.note_crowd(core.take_crowd());
            }
            Letter::PublishDead {
                targets,
                message,
                from,
            } => {
                core.publish(&targets, &message, None, now_ms, outboxes);
                if let Some((place, sequence)) = from {
                    core.transferred_when_durable(place, sequence);
                }
            }
            Letter::Transferred { place, sequence } => {
                if transfers.arrived(place, sequence) {
                    core.transferred(place, sequence);
                }
            }
            Letter::Settle {
                connection,
                settlements,
            } => settle(core, outboxes, connection, &settlements, now_ms),
            Letter::Consume {
                place,
                connection,
                channel,
                wish,
            } => {
                core.consume(place, connection, channel, &wish, now_ms, outboxes);
            }
            Letter::Cancel {
                place,
                connection,
                consumer,
                answer,
            } => {
                core.cancel(place, connection, consumer, now_ms, outboxes);
                if let Some(channel) = answer {
                    outboxes.event(
                        connection,
                        Event::Replied {
                            channel,
                            result: Ok(Reply::Done),
                        },
                    );
                }
            }
            Letter::Resume { place, connection } => {
                core.resume(place, connection, now_ms, outboxes)
            }
            Letter::Get {
                place,
                connection,
                channel,
                no_ack,
            } => {
                let got = core.get(place, connection, no_ack, now_ms, outboxes);
                let result = got.map(|found| {
                    found.map_or(Reply::Empty, |(delivery, left)| {
                        Reply::Got(Box::new(delivery), left)
                    })
                });
                outboxes.event(connection, Event::Replied { channel, result });
            }
            Letter::Purge {
                place,
                connection,
                channel,
            } => {
                let purged = core.purge(place, now_ms, outboxes);
                outboxes.event(
                    connection,
                    Event::Replied {
                        channel,
                        result: purged.map(Reply::Purged),
                    },
                );
            }
            Letter::Delete {
                place,
                if_unused,
                if_empty,
                answer,
            } => {
                drop(state);
                self.delete(place, if_unused, if_empty, answer);
            }
            Letter::Declared {
                name,
                place,
                connection,
                channel,
            } => {
                let gone = || {
                    Refusal::new(
                        RefusalKind::NotFound,
                        format!("queue '{name}' was deleted meanwhile"),
                    )
                };
                let statistics = core.statistics(place, true, now_ms).ok_or_else(gone);
                let result = statistics.map(|statistics| Reply::QueueDeclared {
                    name,
                    messages: statistics.ready,
                    consumers: statistics.consumers,
                });
                outboxes.event(connection, Event::Replied { channel, result });
            }
            Letter::Sync {
                connection,
                channel,
            } => core.sync(connection, channel, outboxes),
            Letter::Configure { place, options } => {
                core.configure(place, *options, now_ms, outboxes)
            }
            Letter::Rename {
                place,
                name,
                options,
            } => core.rename(place, name, *options, now_ms, outboxes),
            Letter::Statistics { places, answer } => {
                let all = places
                    .into_iter()
                    .map(|place| core.statistics(place, false, now_ms))
                    .collect();
                // Whoever asked may have gone.
                let _ = answer.send(all);
            }
            Letter::Consumers { places, answer } => {
                let _ = answer.send(
                    places
                        .into_iter()
                        .flat_map(|place| core.consumers(place))
                        .collect(),
                );
            }
            Letter::Totals(answer) => {
                let totals = ShardTotals {
                    queues: core.statistics_of_all(),
                    deaths: core.deaths(),
                    messages: outboxes.counted,
                };
                let _ = answer.send(totals);
            }
            Letter::Alarm(reason) => {
                for connection in outboxes.connections() {
                    outboxes.event(connection, reason.map_or(Event::Unblocked, Event::Blocked));
                }
            }
            Letter::Close { connection, reason } => {
                let all = connection.map_or_else(|| outboxes.connections(), |one| vec![one]);
                for connection in all {
                    outboxes.event(connection, Event::Close(reason.clone()));
                }
            }
        }
    }

    /// Passes on an event from another shard; a delivery to a connection that has gone goes back to its queue.
    fn forward(
        &self,
        connection: ConnectionId,
        event: Event,
        mut state: std::cell::RefMut<'_, State>,
        now_ms: u64,
    ) {
        if state.outboxes.is_open(connection) {
            state.outboxes.event(connection, event);
            return;
        }
        drop(state);
        self.return_undelivered(connection, event, now_ms);
    }

    /// Puts back a delivery that nobody will handle any more.
    pub(crate) fn return_undelivered(&self, connection: ConnectionId, event: Event, now_ms: u64) {
        let (delivery, consumer) = match event {
            Event::Deliver {
                consumer, delivery, ..
            } => (delivery, Some(consumer)),
            Event::Replied {
                result: Ok(Reply::Got(delivery, _)),
                ..
            } => (*delivery, None),
            Event::Replied { .. }
            | Event::Confirmed { .. }
            | Event::Placed { .. }
            | Event::Posted { .. }
            | Event::ConsumerCancelled { .. }
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Close(_) => return,
        };
        let settlement = Settlement {
            place: delivery.queue,
            consumer,
            sequence: delivery.sequence,
            outcome: broker::Outcome::Recovered,
        };
        self.post(
            delivery.queue.shard,
            Letter::Settle {
                connection,
                settlements: vec![settlement],
            },
            now_ms,
        );
    }
}

/// Settles in order, then lets each queue that was concerned go on.
fn settle(
    core: &mut broker::shard::Shard<EmbeddedLog>,
    outboxes: &mut Outboxes,
    connection: ConnectionId,
    settlements: &[Settlement],
    now_ms: u64,
) {
    let mut touched = Routes::new();
    for settlement in settlements {
        let Settlement {
            place,
            consumer,
            sequence,
            outcome,
        } = *settlement;
        core.settle(
            place, connection, consumer, sequence, outcome, now_ms, outboxes,
        );
        if !touched.contains(&place) {
            touched.push(place);
        }
    }
    for place in touched {
        core.after_settle(place, now_ms, outboxes);
    }
}
