//! Declaring and removing queues.

use codec::amqp::field::{Table, Value};

use super::partitions::partition_of;
use super::rights::Claim;
use super::{Actor, Change, QueueEntry, Topology, Vhost, check_length, check_reserved, clean_name};
use crate::access::Resource;
use crate::arguments::{QueueKind, QueueOptions, check_equivalent, check_flag, queue_kind};
use crate::{Name, QueueId, QueueRef, Refusal, limits};

/// A wish to declare a queue.
#[derive(Debug, Clone)]
pub struct QueueDeclaration {
    /// Its name; empty takes `generated`.
    pub name: String,
    /// It outlives the process.
    pub durable: bool,
    /// Only the declaring connection may use it.
    pub exclusive: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The name for a queue without one.
    pub generated: String,
}

/// What came of a declaration.
#[derive(Debug, Clone)]
pub enum QueueDeclared {
    /// It was there, equivalent.
    Existing(Name, QueueRef),
    /// It is new: its shard is to make it with these options.
    Created(Name, QueueRef, QueueKind, Box<QueueOptions>),
}

impl Topology {
    /// Declares a queue; one that exists must be equivalent.
    ///
    /// # Errors
    /// `AccessRefused` without the right or for a reserved name, `PreconditionFailed` for wrong or differing arguments,
    /// `ResourceLocked` for an exclusive queue of another connection, `LimitExceeded` when there are too many.
    ///
    /// # Spec
    /// AMQP 0-9-1 queue.declare.
    pub fn declare_queue(
        &mut self,
        vhost: &str,
        wish: QueueDeclaration,
        actor: &Actor<'_>,
    ) -> Result<QueueDeclared, Refusal> {
        let is_generated = wish.name.is_empty();
        let name = if is_generated {
            wish.generated.clone()
        } else {
            clean_name(&wish.name)
        };
        let what = format!("queue '{name}' in vhost '{vhost}'");
        let host = self.vhost_mut(vhost)?;
        check_rights(host, &name, is_generated, &wish, actor)?;
        if let Some(existing) = host.queues.get(&*name) {
            host.check_same_split(existing, &wish, &what)?;
            return existing.check_declaration(&wish, actor, vhost, &what);
        }
        if !is_generated {
            check_reserved(&name, "queue")?;
        }
        check_length(&name, &what)?;
        let (kind, own_options) = kind_and_options(&wish, &what)?;
        let partitions = host.check_split(&wish, &name, &what)?;
        self.check_room(&name, 1 + partitions as usize)?;
        let is_stored = wish.durable && !wish.exclusive;
        let place = self.allocate(is_stored);
        let entry = QueueEntry {
            name: name.as_str().into(),
            place,
            kind,
            durable: wish.durable,
            auto_delete: wish.auto_delete,
            exclusive: wish.exclusive.then_some(actor.connection),
            arguments: wish.arguments,
            owner: actor.owner(),
            partition_of: None,
            own_options,
            sources: std::collections::BTreeSet::new(),
        };
        Ok(self.insert_queue(vhost, entry, is_stored))
    }

    /// Puts back a durable queue at start.
    ///
    /// # Errors
    /// As [`Self::declare_queue`], when what is stored makes no sense any more.
    pub fn restore_queue(
        &mut self,
        vhost: &str,
        id: QueueId,
        wish: QueueDeclaration,
        owner: Option<Name>,
    ) -> Result<QueueDeclared, Refusal> {
        let what = format!("queue '{}' in vhost '{vhost}'", wish.name);
        let (kind, own_options) = kind_and_options(&wish, &what)?;
        self.vhost_mut(vhost)?;
        self.next_durable = self.next_durable.max(id.0 + 1);
        let place = self.place(id);
        let entry = QueueEntry::stored(wish, place, kind, own_options, owner);
        Ok(self.insert_queue(vhost, entry, false))
    }

    /// Adds a partition of a partitioned queue.
    pub(super) fn insert_partition(
        &mut self,
        vhost: &str,
        wish: QueueDeclaration,
        owner: Option<Name>,
    ) -> Result<QueueDeclared, Refusal> {
        let what = format!("queue '{}' in vhost '{vhost}'", wish.name);
        let (kind, own_options) = kind_and_options(&wish, &what)?;
        let place = self.allocate(true);
        let entry = QueueEntry::stored(wish, place, kind, own_options, owner);
        Ok(self.insert_queue(vhost, entry, true))
    }

    fn insert_queue(&mut self, vhost: &str, entry: QueueEntry, is_noted: bool) -> QueueDeclared {
        let (name, place, kind) = (entry.name.clone(), entry.place, entry.kind);
        let mut options = QueueOptions::default();
        if let Some(host) = self.vhosts.get_mut(vhost) {
            options = host.options_of(&entry);
            if is_noted {
                self.changes.push(Change::QueueDeclared {
                    id: place.id,
                    vhost: host.name.clone(),
                    name: name.clone(),
                    kind,
                    auto_delete: entry.auto_delete,
                    arguments: entry.arguments.clone(),
                    owner: entry.owner.clone(),
                });
            }
            host.add_to_ring(&entry);
            if host.put_queue(entry) {
                self.queue_count += 1;
            }
        }
        self.version += 1;
        QueueDeclared::Created(name, place, kind, Box::new(options))
    }

    /// Removes a queue, its bindings and the auto-delete exchanges that lose their last one; false when it was gone already.
    pub fn remove_queue(&mut self, vhost: &str, name: &str, place: QueueRef) -> bool {
        let Some(host) = self.vhosts.get_mut(vhost) else {
            return false;
        };
        let is_there = host.queue(name).is_some_and(|queue| queue.place == place);
        let entry = if is_there {
            host.take_queue(name)
        } else {
            // Its shard may not have heard yet of another name.
            host.name_of(place).and_then(|name| host.take_queue(&name))
        };
        let Some(entry) = entry else {
            return false;
        };
        host.remove_from_ring(&entry);
        let (doomed, dropped) =
            host.drop_bindings_to_queue(&entry.name, place, entry.sources.into_iter());
        self.queue_count -= 1;
        self.binding_count -= dropped;
        if place.id.is_durable() {
            self.changes.push(Change::QueueDeleted { id: place.id });
        }
        self.free_slot(place);
        for exchange in doomed {
            self.remove_exchange(vhost, &exchange);
        }
        self.version += 1;
        true
    }

    /// Finds the name of the queue that lives at a place.
    #[must_use]
    pub fn queue_name(&self, vhost: &str, place: QueueRef) -> Option<Name> {
        self.vhost(vhost)?.name_of(place)
    }
}

impl QueueEntry {
    /// A queue that outlives the process and is nobody's alone.
    fn stored(
        wish: QueueDeclaration,
        place: QueueRef,
        kind: QueueKind,
        own_options: QueueOptions,
        owner: Option<Name>,
    ) -> Self {
        Self {
            partition_of: partition_of(&wish),
            name: wish.name.as_str().into(),
            place,
            kind,
            durable: true,
            auto_delete: wish.auto_delete,
            exclusive: None,
            arguments: wish.arguments,
            owner,
            own_options,
            sources: std::collections::BTreeSet::new(),
        }
    }

    /// Says whether anybody may publish to the queue who knows its name: it is where a reply is waited for, and has a name that
    /// cannot be guessed.
    #[must_use]
    pub fn takes_replies(&self) -> bool {
        let argument = self.arguments.get(limits::REPLY_ADDRESS_ARGUMENT);
        argument.and_then(Value::as_bool) == Some(true)
    }

    fn check_declaration(
        &self,
        wish: &QueueDeclaration,
        actor: &Actor<'_>,
        vhost: &str,
        what: &str,
    ) -> Result<QueueDeclared, Refusal> {
        // The first difference is named in the order in which RabbitMQ looks.
        let wished_owner = wish.exclusive.then_some(actor.connection);
        if self
            .exclusive
            .is_some_and(|owner| owner != actor.connection)
        {
            return Err(Refusal::locked(&self.name, vhost));
        }
        check_flag("durable", self.durable, wish.durable, what)?;
        check_flag("auto_delete", self.auto_delete, wish.auto_delete, what)?;
        if self.exclusive != wished_owner {
            return Err(Refusal::locked(&self.name, vhost));
        }
        check_equivalent(&self.arguments, &wish.arguments, what)?;
        Ok(QueueDeclared::Existing(self.name.clone(), self.place))
    }
}

fn check_rights(
    host: &Vhost,
    name: &str,
    is_generated: bool,
    wish: &QueueDeclaration,
    actor: &Actor<'_>,
) -> Result<(), Refusal> {
    let argument = |name| wish.arguments.get(name).and_then(|value| value.as_str());
    let claim = Claim::check(host, Resource::Queue, name, is_generated, actor)?;
    match (claim, argument("x-dead-letter-exchange")) {
        (Some(claim), Some(exchange)) => {
            claim.check_outlet(exchange, argument("x-dead-letter-routing-key"))
        }
        (Some(_), None) | (None, _) => Ok(()),
    }
}

/// Reads and checks what a declaration asks for.
fn kind_and_options(
    wish: &QueueDeclaration,
    what: &str,
) -> Result<(QueueKind, QueueOptions), Refusal> {
    let kind = queue_kind(&wish.arguments, what)?;
    let options = QueueOptions::declared(&wish.arguments, what)?;
    Ok((kind, check_kind(kind, wish, options, what)?))
}

/// Refuses what a kind of queue cannot be, and fills in what it always is.
fn check_kind(
    kind: QueueKind,
    wish: &QueueDeclaration,
    mut options: QueueOptions,
    what: &str,
) -> Result<QueueOptions, Refusal> {
    if kind == QueueKind::Classic {
        return Ok(options);
    }
    let refuse = |property: &str| {
        Err(Refusal::precondition(format!(
            "invalid property '{property}' for {what}: a {} queue cannot have it",
            kind.name()
        )))
    };
    if !wish.durable {
        return refuse("non-durable");
    }
    if wish.exclusive {
        return refuse("exclusive");
    }
    if wish.auto_delete {
        return refuse("auto-delete");
    }
    if options.priority_max.is_some() {
        return refuse("x-max-priority");
    }
    if kind == QueueKind::Quorum && options.delivery_limit.is_none() {
        options.delivery_limit = Some(limits::DELIVERY_LIMIT_DEFAULT);
    }
    Ok(options)
}
