//! What was declared and deleted, made durable: the directory's form of changes, the answer once they are on disk, and what follows from
//! both.

use broker::topology::{BindingView, Change};
use broker::{ConnectionId, Event, Name, QueueRef, Refusal, RefusalKind, Reply, Sink};
use directory::ResourceKind;

use crate::audit::Author;
use crate::mailbox::Letter;
use crate::shard::Shard;
use crate::{Shared, SharedRef};

impl Shard {
    /// Answers a channel once changes are durable: at once when there are none. Called under the topology's lock, so that the directory
    /// sees changes in the order in which they were made.
    pub(crate) fn commit_then_answer(
        &self,
        changes: Vec<Change>,
        answer: Option<(ConnectionId, u16)>,
        reply: Reply,
        concerned: Concerned,
    ) {
        if changes.is_empty() {
            if let Some((connection, channel)) = answer {
                let event = Event::Replied {
                    channel,
                    result: Ok(reply),
                };
                self.state.borrow_mut().outboxes.event(connection, event);
            }
            return;
        }
        self.shared
            .commit_then_answer(changes, answer, reply, concerned);
    }
}

impl Shared {
    /// Answers a channel once changes are durable, from any thread. Called under the topology's lock, as [`Shard::commit_then_answer`].
    pub(crate) fn commit_then_answer(
        self: &SharedRef,
        changes: Vec<Change>,
        answer: Option<(ConnectionId, u16)>,
        reply: Reply,
        concerned: Concerned,
    ) {
        let gone = gone(&changes, &concerned);
        // At once: what takes the name from now on is another.
        forget_all(self, &gone);
        let stored = self.written_down(changes, answer, &concerned);
        let shared = std::sync::Arc::downgrade(self);
        self.metadata.commit(stored, move |result| {
            let result = match result {
                Ok(()) => Ok(reply),
                Err(error) => {
                    tracing::error!(%error, "a declaration could not be made durable");
                    Err(Refusal::new(
                        RefusalKind::Unavailable,
                        "the declaration could not be made durable; try again later",
                    ))
                }
            };
            let Some(shared) = shared.upgrade() else {
                return;
            };
            // And in the order of commits: until now somebody may have been given a right on it.
            forget_all(&shared, &gone);
            shared.audit.note();
            if let (Err(_), Concerned::Made(places)) = (&result, concerned) {
                shared.unmake(places);
            }
            if let Some((connection, channel)) = answer {
                shared.post(
                    connection.shard(),
                    Letter::Event(connection, Event::Replied { channel, result }),
                );
            }
        });
    }

    /// The directory's form of changes, with what is written down of whoever made them.
    fn written_down(
        &self,
        changes: Vec<Change>,
        answer: Option<(ConnectionId, u16)>,
        concerned: &Concerned,
    ) -> Vec<directory::Change> {
        let now_ms = self.clock.now_ms();
        let author = answer
            .and_then(|(connection, _)| self.connections.author(connection))
            .unwrap_or_else(Author::server);
        let mut stored = to_store(changes);
        stored.extend(author.changed(&stored, now_ms));
        if let Concerned::Gone { vhost, queue } = concerned {
            stored.push(author.deleted_queue(vhost, queue, now_ms));
        }
        stored
    }
}

/// The queue that changes are about.
#[derive(Debug)]
pub(crate) enum Concerned {
    /// None, or one that stays.
    Nothing,
    /// A new one with its partitions: they are deleted again if the directory refuses them.
    Made(Vec<QueueRef>),
    /// One that was deleted.
    Gone {
        /// Its virtual host.
        vhost: Name,
        /// Its name.
        queue: Name,
    },
}

impl Shared {
    /// Has queues deleted whose declarations could not be made durable.
    pub(crate) fn unmake(&self, places: Vec<QueueRef>) {
        for place in places {
            let undo = Letter::Delete {
                place,
                if_unused: false,
                if_empty: false,
                answer: None,
            };
            self.post(place.shard, undo);
        }
    }
}

type Resource = (ResourceKind, Name, Name);

/// What changes take away: kind, virtual host and name.
fn gone(changes: &[Change], concerned: &Concerned) -> Vec<Resource> {
    let mut gone = Vec::new();
    if let Concerned::Gone { vhost, queue } = concerned {
        gone.push((ResourceKind::Queue, vhost.clone(), queue.clone()));
    }
    for change in changes {
        if let Change::ExchangeDeleted { vhost, name } = change {
            gone.push((ResourceKind::Exchange, vhost.clone(), name.clone()));
        }
    }
    gone
}

fn forget_all(shared: &Shared, gone: &[Resource]) {
    for (resource, vhost, name) in gone {
        shared.forget(*resource, vhost, name);
    }
}

/// The directory's form of changes.
pub(crate) fn to_store(changes: Vec<Change>) -> Vec<directory::Change> {
    changes.into_iter().flat_map(with_high_water).collect()
}

/// The directory's form of a change; a new queue also raises the number below which none is used again.
fn with_high_water(change: Change) -> impl Iterator<Item = directory::Change> {
    let raised = match &change {
        Change::QueueDeclared { id, .. } => Some(directory::Change::ParameterSet {
            key: crate::startup::QUEUE_HIGH_WATER.to_owned(),
            value: id.0.to_string(),
        }),
        Change::ExchangeDeclared { .. }
        | Change::ExchangeDeleted { .. }
        | Change::QueueRenamed { .. }
        | Change::QueueDeleted { .. }
        | Change::Bound(_)
        | Change::Unbound(_) => None,
    };
    std::iter::once(stored(change)).chain(raised)
}

/// The directory's form of a change.
fn stored(change: Change) -> directory::Change {
    match change {
        Change::ExchangeDeclared {
            vhost,
            name,
            kind,
            auto_delete,
            internal,
            arguments,
            owner,
        } => directory::Change::ExchangeDeclared(directory::Exchange {
            vhost: vhost.to_string(),
            name: name.to_string(),
            kind: kind.name().to_owned(),
            durable: true,
            auto_delete,
            internal,
            arguments: arguments.to_bytes(),
            owner: owner.map(|owner| owner.to_string()),
        }),
        Change::ExchangeDeleted { vhost, name } => directory::Change::ExchangeDeleted {
            vhost: vhost.to_string(),
            name: name.to_string(),
        },
        Change::QueueDeclared {
            id,
            vhost,
            name,
            kind,
            auto_delete,
            arguments,
            owner,
        } => directory::Change::QueueDeclared(directory::Queue {
            id: id.0,
            vhost: vhost.to_string(),
            name: name.to_string(),
            kind: directory::QueueKind::parse(kind.name()).unwrap_or(directory::QueueKind::Classic),
            durable: true,
            auto_delete,
            arguments: arguments.to_bytes(),
            owner: owner.map(|owner| owner.to_string()),
        }),
        Change::QueueRenamed { id, vhost: _, name } => directory::Change::QueueRenamed {
            id: id.0,
            name: name.to_string(),
        },
        Change::QueueDeleted { id } => directory::Change::QueueDeleted { id: id.0 },
        Change::Bound(binding) => directory::Change::Bound(stored_binding(binding)),
        Change::Unbound(binding) => directory::Change::Unbound(stored_binding(binding)),
    }
}

fn stored_binding(binding: BindingView) -> directory::Binding {
    directory::Binding {
        vhost: binding.vhost.to_string(),
        source: binding.source.to_string(),
        destination_kind: if binding.to_exchange {
            directory::DestinationKind::Exchange
        } else {
            directory::DestinationKind::Queue
        },
        destination: binding.destination.to_string(),
        routing_key: binding.routing_key.as_bytes().to_vec(),
        arguments: binding.arguments.to_bytes(),
    }
}
