//! Requests that read or modify the topology, and those that go to one queue.

use broker::access::Right;
use broker::shard::QueueSpecification;
use broker::topology::{
    Actor, BindingView, ExchangeDeclaration, PARTITIONS, QueueDeclaration, QueueDeclared, Topology,
};
use broker::{
    ConnectionId, ConsumeRequest, Event, ExchangeKind, Name, QueueRef, Refusal, RefusalKind, Reply,
    Request, Sink,
};
use codec::amqp::field::Value;

use crate::accounts::random_name;
use crate::connection::{Connection, Consumer};
use crate::declared::Concerned;
use crate::mailbox::Letter;
use crate::reply_address::PREFIX;
use crate::shard::Shard;

/// Who makes what follows from a declaration that was allowed.
const SERVER: Actor<'static> = Actor {
    connection: ConnectionId(u64::MAX),
    access: None,
};

impl Connection {
    /// Carries out one request.
    pub(crate) fn run_request(&mut self, channel: u16, request: Request, now_ms: u64) {
        let outcome = match request {
            Request::ExchangeDeclare {
                name,
                kind,
                passive,
                durable,
                auto_delete,
                internal,
                arguments,
            } => {
                if passive {
                    self.shard()
                        .shared
                        .topology()
                        .find_exchange(&self.access().vhost, &name, &self.actor())
                        .map(|_| Some(Reply::Done))
                } else {
                    ExchangeKind::parse(&kind).and_then(|kind| {
                        let wish = ExchangeDeclaration {
                            name,
                            kind,
                            durable,
                            auto_delete,
                            internal,
                            arguments,
                        };
                        self.modify(channel, |topology, actor, vhost| {
                            topology.declare_exchange(vhost, wish, actor)
                        })
                    })
                }
            }
            Request::ExchangeDelete { name, if_unused } => self
                .modify(channel, |topology, actor, vhost| {
                    topology.delete_exchange(vhost, &name, if_unused, actor)
                }),
            Request::Bind {
                unbind,
                source,
                destination,
                to_exchange,
                routing_key,
                arguments,
            } => {
                let binding = BindingView {
                    vhost: self.access().vhost.clone(),
                    source: source.into(),
                    destination: destination.into(),
                    to_exchange,
                    routing_key: routing_key.into(),
                    arguments,
                };
                if self.shard().shared.topology().is_of_chat(&binding) {
                    self.bind_room(channel, unbind, binding)
                } else {
                    self.modify(channel, |topology, actor, _| {
                        if unbind {
                            topology.unbind(binding, actor)
                        } else {
                            topology.bind(binding, actor)
                        }
                    })
                }
            }
            Request::QueueDeclare {
                name,
                passive: true,
                ..
            } => self.find_queue(channel, &name, now_ms),
            Request::QueueDeclare {
                name,
                passive: false,
                durable,
                exclusive,
                auto_delete,
                arguments,
            } => {
                let generated = format!("amq.gen-{}", random_name());
                let wish = QueueDeclaration {
                    name,
                    durable,
                    exclusive,
                    auto_delete,
                    arguments,
                    generated,
                };
                self.declare_queue(channel, wish, now_ms)
            }
            Request::QueueDelete {
                name,
                if_unused,
                if_empty,
            } => self.delete_queue(channel, &name, if_unused, if_empty, now_ms),
            Request::QueuePurge { name } => self.readable(&name).map(|place| {
                self.audit_purge(&name);
                self.shard().post(
                    place.shard,
                    Letter::Purge {
                        place,
                        connection: self.id(),
                        channel,
                    },
                    now_ms,
                );
                None
            }),
            Request::MayRead { queue } => {
                self.usable(&queue, Right::Read).map(|_| Some(Reply::Done))
            }
            Request::Consume { queue, consume } => self.consume(channel, &queue, consume, now_ms),
            Request::Cancel { consumer } => Ok(self.cancel(channel, consumer, now_ms)),
            Request::Get { queue, no_ack } => self.readable(&queue).map(|place| {
                self.shard().post(
                    place.shard,
                    Letter::Get {
                        place,
                        connection: self.id(),
                        channel,
                        no_ack,
                    },
                    now_ms,
                );
                None
            }),
            Request::Sync => Ok(self.sync(channel, now_ms)),
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(reply)) => self.reply(channel, Ok(reply)),
            Err(refusal) => self.reply(channel, Err(refusal)),
        }
    }

    fn audit_purge(&self, queue: &str) {
        let shared = &self.shard().shared;
        if let Some(author) = shared.connections.author(self.id()) {
            let vhost = &self.access().vhost;
            shared.audit(author.purged(vhost, queue));
        }
    }

    fn reply(&self, channel: u16, result: Result<Reply, Refusal>) {
        self.shard()
            .state
            .borrow_mut()
            .outboxes
            .event(self.id(), Event::Replied { channel, result });
    }

    /// Modifies the topology; answers once what is durable of it is on disk.
    pub(crate) fn modify(
        &self,
        channel: u16,
        operation: impl FnOnce(&mut Topology, &Actor<'_>, &str) -> Result<(), Refusal>,
    ) -> Result<Option<Reply>, Refusal> {
        let mut topology = self.shard().shared.topology_mut();
        operation(&mut topology, &self.actor(), &self.access().vhost)?;
        let changes = topology.take_changes();
        let answer = Some((self.id(), channel));
        self.shard()
            .commit_then_answer(changes, answer, Reply::Done, Concerned::Nothing);
        drop(topology);
        Ok(None)
    }

    /// Finds a queue that this connection may use in the way of `right`.
    fn usable(&self, name: &str, right: Right) -> Result<QueueRef, Refusal> {
        let access = self.access();
        let topology = self.shard().shared.topology();
        let vhost = topology
            .vhost(&access.vhost)
            .ok_or_else(|| Refusal::no_queue(name, &access.vhost))?;
        vhost
            .usable_queue(name, right, &self.actor())
            .map(|queue| queue.place)
    }

    /// Finds a queue that this connection may take messages from.
    fn readable(&self, name: &str) -> Result<QueueRef, Refusal> {
        let access = self.access();
        let topology = self.shard().shared.topology();
        let vhost = topology
            .vhost(&access.vhost)
            .ok_or_else(|| Refusal::no_queue(name, &access.vhost))?;
        let queue = vhost.usable_queue(name, Right::Read, &self.actor())?;
        vhost.check_keeps_messages(queue)?;
        Ok(queue.place)
    }

    fn find_queue(&self, channel: u16, name: &str, now_ms: u64) -> Result<Option<Reply>, Refusal> {
        if name.starts_with(PREFIX) {
            let is_alive =
                name.len() == PREFIX.len() || self.shard().shared.replies.find(name).is_some();
            let reply = Reply::QueueDeclared {
                name: name.into(),
                messages: 0,
                consumers: 1,
            };
            return if is_alive {
                Ok(Some(reply))
            } else {
                Err(Refusal::no_queue(name, &self.access().vhost))
            };
        }
        let (name, place) = {
            let topology = self.shard().shared.topology();
            let access = self.access();
            let vhost = topology
                .vhost(&access.vhost)
                .ok_or_else(|| Refusal::no_queue(name, &access.vhost))?;
            let queue = vhost.visible_queue(name, &self.actor())?;
            (queue.name.clone(), queue.place)
        };
        let letter = Letter::Declared {
            name,
            place,
            connection: self.id(),
            channel,
        };
        self.shard().post(place.shard, letter, now_ms);
        Ok(None)
    }

    fn declare_queue(
        &mut self,
        channel: u16,
        wish: QueueDeclaration,
        now_ms: u64,
    ) -> Result<Option<Reply>, Refusal> {
        let is_exclusive = wish.exclusive;
        let auto_delete = wish.auto_delete;
        let vhost = self.access().vhost.clone();
        let mut exclusive = None;
        {
            let shard = self.shard();
            let mut topology = shard.shared.topology_mut();
            let host = topology.vhost(&vhost);
            let wanted = wish.arguments.get(PARTITIONS).and_then(Value::as_i64);
            if host.is_none_or(|host| host.queue(&wish.name).is_none()) {
                let partitions = wanted
                    .and_then(|count| u64::try_from(count).ok())
                    .unwrap_or_default();
                let more = partitions.saturating_add(1);
                shard
                    .shared
                    .check_queues(&topology, &self.access().login, more)?;
            }
            let declared = topology.declare_queue(&vhost, wish, &self.actor())?;
            let partitions = match (&declared, wanted) {
                (QueueDeclared::Created(name, ..), Some(count)) => {
                    let count = u32::try_from(count).unwrap_or_default();
                    let made = topology.raise_partitions(&vhost, name, count, &SERVER)?;
                    specifications(made, &vhost)
                }
                (QueueDeclared::Created(..) | QueueDeclared::Existing(..), _) => Vec::new(),
            };
            let changes = topology.take_changes();
            match declared {
                QueueDeclared::Existing(name, place) => {
                    self.answer_declared(channel, name, place, now_ms)
                }
                QueueDeclared::Created(name, place, kind, options) => {
                    shard.shared.quotas.owns_another(&self.access().login);
                    let queue = name.clone();
                    // Under the topology's lock: whoever finds the queue from now on finds it on its shard.
                    let options = *options;
                    let specification = QueueSpecification {
                        name,
                        vhost,
                        place,
                        kind,
                        auto_delete,
                        options,
                    };
                    shard.create(specification, now_ms);
                    let mut made = vec![place];
                    for partition in partitions {
                        made.push(partition.place);
                        shard.shared.quotas.owns_another(&self.access().login);
                        shard.create(partition, now_ms);
                    }
                    let reply = Reply::QueueDeclared {
                        name: queue,
                        messages: 0,
                        consumers: 0,
                    };
                    shard.commit_then_answer(
                        changes,
                        Some((self.id(), channel)),
                        reply,
                        Concerned::Made(made),
                    );
                    exclusive = Some(place).filter(|_| is_exclusive);
                }
            }
        }
        if let Some(place) = exclusive {
            self.add_exclusive(place);
        }
        Ok(None)
    }

    /// Answers the declaration of a queue that exists: a durable one once its own declaration is on disk, which may just be under way.
    fn answer_declared(&self, channel: u16, name: Name, place: QueueRef, now_ms: u64) {
        let letter = Letter::Declared {
            name,
            place,
            connection: self.id(),
            channel,
        };
        if !place.id.is_durable() {
            self.shard().post(place.shard, letter, now_ms);
            return;
        }
        let shared = std::sync::Arc::downgrade(&self.shard().shared);
        self.shard().shared.metadata.commit(Vec::new(), move |_| {
            if let Some(shared) = shared.upgrade() {
                shared.post(place.shard, letter);
            }
        });
    }

    fn delete_queue(
        &mut self,
        channel: u16,
        name: &str,
        if_unused: bool,
        if_empty: bool,
        now_ms: u64,
    ) -> Result<Option<Reply>, Refusal> {
        let place = match self.usable(name, Right::Configure) {
            Ok(place) => place,
            Err(refusal) if refusal.kind == RefusalKind::NotFound => {
                return Ok(Some(Reply::Deleted(0)));
            }
            Err(refusal) => return Err(refusal),
        };
        let answer = Some((self.id(), channel));
        for partition in self.partitions_to_delete(name, if_unused || if_empty)? {
            let letter = Letter::Delete {
                place: partition,
                if_unused: false,
                if_empty: false,
                answer: None,
            };
            self.shard().post(partition.shard, letter, now_ms);
        }
        self.shard().post(
            place.shard,
            Letter::Delete {
                place,
                if_unused,
                if_empty,
                answer,
            },
            now_ms,
        );
        Ok(None)
    }

    /// The partitions that go with a queue.
    fn partitions_to_delete(
        &self,
        name: &str,
        is_conditional: bool,
    ) -> Result<Vec<QueueRef>, Refusal> {
        let access = self.access();
        let topology = self.shard().shared.topology();
        let vhost = topology
            .vhost(&access.vhost)
            .ok_or_else(|| Refusal::no_queue(name, &access.vhost))?;
        let queue = vhost.usable_queue(name, Right::Configure, &self.actor())?;
        vhost.deleted_with(queue, is_conditional)
    }

    fn consume(
        &mut self,
        channel: u16,
        queue: &str,
        wish: ConsumeRequest,
        now_ms: u64,
    ) -> Result<Option<Reply>, Refusal> {
        let place = self.readable(queue)?;
        self.add_consumer(wish.consumer, place);
        let letter = Letter::Consume {
            place,
            connection: self.id(),
            channel,
            wish: Box::new(wish),
        };
        self.shard().post(place.shard, letter, now_ms);
        Ok(None)
    }

    fn cancel(
        &mut self,
        channel: u16,
        consumer: broker::ConsumerNumber,
        now_ms: u64,
    ) -> Option<Reply> {
        match self.take_consumer(consumer) {
            Some(kind @ Consumer::Queue(_)) => {
                self.end_consumer(consumer, kind, Some(channel), now_ms);
                None
            }
            Some(kind @ Consumer::Replies(_)) => {
                self.end_consumer(consumer, kind, None, now_ms);
                Some(Reply::Done)
            }
            None => Some(Reply::Done),
        }
    }

    fn sync(&mut self, channel: u16, now_ms: u64) -> Option<Reply> {
        let shards = u16::try_from(self.shard().shared.mailboxes.len()).unwrap_or(u16::MAX);
        self.syncing = u32::from(shards);
        for shard in 0..shards {
            self.shard().post(
                shard,
                Letter::Sync {
                    connection: self.id(),
                    channel,
                },
                now_ms,
            );
        }
        None
    }
}

impl Shard {
    /// Makes a queue on its shard; called under the topology's lock, so that it is posted before anyone can find the queue.
    fn create(&self, specification: QueueSpecification, now_ms: u64) {
        if specification.place.shard == self.index {
            self.state.borrow_mut().core.create(specification, now_ms);
        } else if let Some(mailbox) = self
            .shared
            .mailboxes
            .get(usize::from(specification.place.shard))
        {
            mailbox.post_creation(specification);
        }
    }
}

/// What shards are to make of new queues.
pub(crate) fn specifications(made: Vec<QueueDeclared>, vhost: &Name) -> Vec<QueueSpecification> {
    let new = made.into_iter().filter_map(|declared| match declared {
        QueueDeclared::Created(name, place, kind, options) => Some(QueueSpecification {
            name,
            vhost: vhost.clone(),
            place,
            kind,
            auto_delete: false,
            options: *options,
        }),
        QueueDeclared::Existing(..) => None,
    });
    new.collect()
}
