//! What exists: virtual hosts, exchanges, bindings, queues by name; and where a message goes.
//!
//! One topology serves all shards behind a read-write lock: read once per batch of input, written by declarations. It knows where a
//! queue lives, never what it holds. Every modification of something durable is noted as a [`Change`], which the engine makes durable
//! before it answers.

mod bindings;
mod chat;
mod exchanges;
mod outlets;
mod partitions;
mod queues;
mod renaming;
mod rights;
mod routes;

use std::collections::BTreeSet;
use std::sync::Arc;

use codec::amqp::field::Table;

use crate::access::Access;
use crate::arguments::{QueueKind, QueueOptions};
use crate::maps::{NameMap, NumberMap};
use crate::routing::{Binding, ExchangeKind, Matcher};
use crate::{ConnectionId, Name, Policy, QueueId, QueueRef, Refusal, RefusalKind, limits};

pub use bindings::BindingView;
pub use chat::{CHAT_EXCHANGE, Hearer, Listeners, RoomBinding, room_key, room_of};
pub use exchanges::ExchangeDeclaration;
pub use outlets::Owners;
pub use partitions::{PARTITION_KEY, PARTITIONS, PartitionOf, partition_name};
pub use queues::{QueueDeclaration, QueueDeclared};
pub use renaming::QueueRenamed;
pub use routes::{Addressed, RouteCache, Routes};

/// Who asks: a connection and its rights in its virtual host.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The connection, which owns its exclusive queues.
    pub connection: ConnectionId,
    /// The rights; `None` is the server itself, which may do everything.
    pub access: Option<&'a Access>,
}

impl Actor<'_> {
    /// The account that owns what the actor declares.
    fn owner(&self) -> Option<Name> {
        self.access.map(|access| access.login.clone())
    }
}

/// A modification of something durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An exchange was declared.
    ExchangeDeclared {
        /// Its virtual host.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Its type.
        kind: ExchangeKind,
        /// It goes with its last binding.
        auto_delete: bool,
        /// Clients may not publish to it.
        internal: bool,
        /// Its arguments.
        arguments: Table,
        /// The account that declared it.
        owner: Option<Name>,
    },
    /// An exchange was deleted with its bindings.
    ExchangeDeleted {
        /// Its virtual host.
        vhost: Name,
        /// Its name.
        name: Name,
    },
    /// A queue was declared.
    QueueDeclared {
        /// Its number.
        id: QueueId,
        /// Its virtual host.
        vhost: Name,
        /// Its name.
        name: Name,
        /// Its kind.
        kind: QueueKind,
        /// It goes with its last consumer.
        auto_delete: bool,
        /// Its arguments.
        arguments: Table,
        /// The account that declared it.
        owner: Option<Name>,
    },
    /// A queue got another name; its bindings follow.
    QueueRenamed {
        /// Its number.
        id: QueueId,
        /// Its virtual host.
        vhost: Name,
        /// The new name.
        name: Name,
    },
    /// A queue was deleted with its bindings.
    QueueDeleted {
        /// Its number.
        id: QueueId,
    },
    /// A binding between two durable ends was made.
    Bound(BindingView),
    /// Such a binding was removed.
    Unbound(BindingView),
}

/// One exchange.
#[derive(Debug)]
pub struct Exchange {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub kind: ExchangeKind,
    /// It outlives the process.
    pub durable: bool,
    /// It goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
    /// The account that declared it; `None` for the broker's own, and once that account is deleted.
    pub owner: Option<Name>,
    is_chat: bool,
    alternate: Option<Name>,
    alternate_by_policy: Option<Name>,
    bindings: BTreeSet<Binding>,
    matcher: Matcher,
}

/// One queue, as far as the topology knows it.
#[derive(Debug)]
pub struct QueueEntry {
    /// Its name.
    pub name: Name,
    /// Where it lives.
    pub place: QueueRef,
    /// Its kind.
    pub kind: QueueKind,
    /// It was declared durable.
    pub durable: bool,
    /// It goes with its last consumer.
    pub auto_delete: bool,
    /// The connection that alone may use it.
    pub exclusive: Option<ConnectionId>,
    /// Its arguments.
    pub arguments: Table,
    /// The account that declared it; `None` once that account is deleted.
    pub owner: Option<Name>,
    /// The queue that it is a partition of.
    pub partition_of: Option<PartitionOf>,
    own_options: QueueOptions,
    /// The exchanges that it is bound to.
    sources: BTreeSet<Name>,
}

/// One virtual host.
#[derive(Debug)]
pub struct Vhost {
    /// Its name.
    pub name: Name,
    exchanges: NameMap<Exchange>,
    queues: NameMap<QueueEntry>,
    /// The partitions of those that are split, by the number of the head.
    rings: NumberMap<partitions::Ring>,
    /// The names of the queues by their numbers: what a message lies in is told to publishers and consumers by its name.
    queue_names: NumberMap<Name>,
    policies: Vec<Policy>,
    owners: Option<Arc<dyn Owners>>,
}

/// How much there may be of what clients declare, over all virtual hosts.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Queues.
    pub queues: usize,
    /// Bindings, without those of the default exchange.
    pub bindings: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            queues: limits::QUEUES_MAX,
            bindings: limits::BINDINGS_MAX,
        }
    }
}

/// Everything that exists, by name.
#[derive(Debug)]
pub struct Topology {
    vhosts: NameMap<Vhost>,
    version: u64,
    slots: Vec<Slots>,
    next_shard: usize,
    next_durable: u64,
    next_transient: u64,
    quotas: Quotas,
    queue_count: usize,
    binding_count: usize,
    changes: Vec<Change>,
    owners: Option<Arc<dyn Owners>>,
}

/// The slots of one shard's queue table.
#[derive(Debug, Default)]
struct Slots {
    used: u32,
    free: Vec<u32>,
    /// Which queue lives in each.
    queues: Vec<Option<QueueId>>,
}

/// How much there is of everything, over all virtual hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Virtual hosts.
    pub vhosts: usize,
    /// Exchanges.
    pub exchanges: usize,
    /// Queues.
    pub queues: usize,
    /// Bindings, without those of the default exchange.
    pub bindings: usize,
}

impl Topology {
    /// Counts what there is; costs the same for a thousand queues as for one.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a sum does not depend on the order"
    )]
    pub fn census(&self) -> Census {
        let hosts = self.vhosts.values();
        Census {
            vhosts: self.vhosts.len(),
            exchanges: hosts.map(|host| host.exchanges.len()).sum(),
            queues: self.queue_count,
            bindings: self.binding_count,
        }
    }

    /// Makes an empty topology for so many shards; `next_queue` is the first durable queue number never used.
    #[must_use]
    pub fn new(shards: usize, next_queue: u64) -> Self {
        Self {
            vhosts: NameMap::default(),
            version: 1,
            slots: (0..shards.max(1)).map(|_| Slots::default()).collect(),
            next_shard: 0,
            next_durable: next_queue,
            next_transient: QueueId::TRANSIENT,
            quotas: Quotas::default(),
            queue_count: 0,
            binding_count: 0,
            changes: Vec::new(),
            owners: None,
        }
    }

    /// Bounds what clients may declare from now on; what is there stays.
    pub const fn set_quotas(&mut self, quotas: Quotas) {
        self.quotas = quotas;
    }

    /// Asks from now on whether the outlets of members may lead where they do; without it all lead on.
    pub fn set_owners(&mut self, owners: Arc<dyn Owners>) {
        #[expect(clippy::disallowed_methods, reason = "each is changed for itself")]
        for host in self.vhosts.values_mut() {
            host.owners = Some(owners.clone());
        }
        self.owners = Some(owners);
        self.version += 1;
    }

    /// A number that grows with every modification: what was learnt at another version may be wrong.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Takes the durable modifications since the last call, in order.
    #[must_use]
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Adds a virtual host with the exchanges that every one has; one that exists stays as it is.
    pub fn add_vhost(&mut self, name: &str) {
        let name = Name::from(name);
        if !self.vhosts.contains_key(&name) {
            let host = Vhost::new(name.clone(), self.owners.clone());
            self.vhosts.insert(name, host);
            self.version += 1;
        }
    }

    /// Removes a virtual host and returns its queues, which their shards are to delete.
    pub fn remove_vhost(&mut self, name: &str) -> Vec<QueueRef> {
        let Some(vhost) = self.vhosts.remove(name) else {
            return Vec::new();
        };
        self.version += 1;
        self.queue_count -= vhost.queues.len();
        self.binding_count -= vhost.binding_count();
        vhost
            .queues()
            .into_iter()
            .map(|queue| queue.place)
            .collect()
    }

    /// Finds a virtual host.
    #[must_use]
    pub fn vhost(&self, name: &str) -> Option<&Vhost> {
        self.vhosts.get(name)
    }

    /// All virtual hosts, by name.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "they are sorted")]
    pub fn vhosts(&self) -> Vec<&Vhost> {
        let mut all: Vec<_> = self.vhosts.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Replaces a virtual host's policies and returns the queues with the options that hold for them now.
    pub fn set_policies(
        &mut self,
        vhost: &str,
        policies: Vec<Policy>,
    ) -> Vec<(QueueRef, QueueOptions)> {
        self.version += 1;
        let Some(vhost) = self.vhosts.get_mut(vhost) else {
            return Vec::new();
        };
        vhost.policies = policies;
        #[expect(clippy::disallowed_methods, reason = "each is changed for itself")]
        for exchange in vhost.exchanges.values_mut() {
            exchange.alternate_by_policy = Policy::for_exchange(&vhost.policies, &exchange.name)
                .and_then(Policy::alternate_exchange)
                .cloned();
        }
        vhost
            .queues()
            .into_iter()
            .map(|queue| (queue.place, vhost.options_of(queue)))
            .collect()
    }

    fn vhost_mut(&mut self, name: &str) -> Result<&mut Vhost, Refusal> {
        self.vhosts
            .get_mut(name)
            .ok_or_else(|| Refusal::new(RefusalKind::NotAllowed, format!("vhost {name} not found")))
    }

    fn allocate(&mut self, is_durable: bool) -> QueueRef {
        let id = if is_durable {
            &mut self.next_durable
        } else {
            &mut self.next_transient
        };
        let number = *id;
        *id += 1;
        self.place(QueueId(number))
    }

    /// Gives a queue its shard in turn, which spreads the queues of one application.
    fn place(&mut self, id: QueueId) -> QueueRef {
        let shard = self.next_shard % self.slots.len();
        self.next_shard += 1;
        let slots = self
            .slots
            .get_mut(shard)
            .expect("the index is below the number of shards");
        let slot = slots.free.pop().unwrap_or_else(|| {
            slots.used += 1;
            slots.used - 1
        });
        let index = slot as usize;
        if slots.queues.len() <= index {
            slots.queues.resize(index + 1, None);
        }
        if let Some(place) = slots.queues.get_mut(index) {
            *place = Some(id);
        }
        QueueRef {
            id,
            slot,
            shard: u16::try_from(shard).unwrap_or(u16::MAX),
            epoch: 0,
        }
    }

    /// Gives a queue's slot to others, once its shard has deleted a queue that went with its virtual host.
    pub fn release(&mut self, place: QueueRef) {
        self.free_slot(place);
    }

    fn free_slot(&mut self, place: QueueRef) {
        if let Some(slots) = self.slots.get_mut(usize::from(place.shard)) {
            slots.free.push(place.slot);
            if let Some(queue) = slots.queues.get_mut(place.slot as usize) {
                *queue = None;
            }
        }
    }

    /// Says whether a queue still lives at its place.
    #[must_use]
    pub fn has_queue(&self, place: QueueRef) -> bool {
        let slots = self.slots.get(usize::from(place.shard));
        let queue = slots.and_then(|slots| slots.queues.get(place.slot as usize));
        queue == Some(&Some(place.id))
    }
}

impl Vhost {
    fn new(name: Name, owners: Option<Arc<dyn Owners>>) -> Self {
        let mut vhost = Self {
            name,
            exchanges: NameMap::default(),
            queues: NameMap::default(),
            rings: NumberMap::default(),
            queue_names: NumberMap::default(),
            policies: Vec::new(),
            owners,
        };
        for (name, kind, internal) in [
            ("", ExchangeKind::Direct, false),
            ("amq.direct", ExchangeKind::Direct, false),
            ("amq.fanout", ExchangeKind::Fanout, false),
            ("amq.topic", ExchangeKind::Topic, false),
            ("amq.match", ExchangeKind::Headers, false),
            ("amq.headers", ExchangeKind::Headers, false),
        ] {
            let declaration = ExchangeDeclaration {
                name: name.into(),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: Table::new(),
            };
            if let Ok(exchange) = Exchange::new(declaration, None, &[]) {
                vhost.exchanges.insert(name.into(), exchange);
            }
        }
        vhost
    }

    /// Finds an exchange.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    /// All exchanges, by name.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "they are sorted")]
    pub fn exchanges(&self) -> Vec<&Exchange> {
        let mut all: Vec<_> = self.exchanges.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Finds a queue.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&QueueEntry> {
        self.queues.get(name)
    }

    /// All queues, by name.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "they are sorted")]
    pub fn queues(&self) -> Vec<&QueueEntry> {
        let mut all: Vec<_> = self.queues.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a sum does not depend on the order"
    )]
    fn binding_count(&self) -> usize {
        self.exchanges
            .values()
            .map(|exchange| exchange.bindings.len())
            .sum()
    }

    /// The options that hold for a queue: its own under its policy.
    #[must_use]
    pub fn options_of(&self, queue: &QueueEntry) -> QueueOptions {
        let mut options = self.options_by_policy(queue);
        if queue.partition_of.is_some() || self.rings.contains_key(&queue.place.id.0) {
            // A head has no consumers of its own, and no partition goes by itself.
            options.expires_ms = None;
        }
        options
    }

    fn options_by_policy(&self, queue: &QueueEntry) -> QueueOptions {
        match Policy::for_queue(&self.policies, queue.known_as(), queue.kind) {
            Some(policy) => queue.own_options.under_policy(policy.options()),
            None => queue.own_options.clone(),
        }
    }

    /// The name of the policy that holds for a queue.
    #[must_use]
    pub fn queue_policy(&self, queue: &QueueEntry) -> Option<&str> {
        Policy::for_queue(&self.policies, queue.known_as(), queue.kind).map(|policy| &*policy.name)
    }

    /// The name of the policy that holds for an exchange.
    #[must_use]
    pub fn exchange_policy(&self, exchange: &Exchange) -> Option<&str> {
        Policy::for_exchange(&self.policies, &exchange.name).map(|policy| &*policy.name)
    }

    fn name_of(&self, place: QueueRef) -> Option<Name> {
        let name = self.queue_names.get(&place.id.0)?;
        let is_there = |queue: &&QueueEntry| queue.place == place;
        let queue = self.queues.get(name).filter(is_there)?;
        Some(queue.name.clone())
    }

    /// Adds a queue under its name; true when the name was free.
    fn put_queue(&mut self, entry: QueueEntry) -> bool {
        let name = entry.name.clone();
        self.queue_names.insert(entry.place.id.0, name.clone());
        let Some(former) = self.queues.insert(name, entry) else {
            return true;
        };
        if self.name_of(former.place).is_none() {
            self.queue_names.remove(&former.place.id.0);
        }
        false
    }

    fn take_queue(&mut self, name: &str) -> Option<QueueEntry> {
        let entry = self.queues.remove(name)?;
        self.queue_names.remove(&entry.place.id.0);
        Some(entry)
    }
}

/// Takes carriage returns and line feeds out of a name, as clients expect of a broker.
fn clean_name(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '\r' | '\n'))
        .collect()
}

/// Says whether a name is the broker's own.
fn is_reserved(name: &str) -> bool {
    name.starts_with("amq.")
}

/// Refuses names that are the broker's own.
fn check_reserved(name: &str, what: &str) -> Result<(), Refusal> {
    if is_reserved(name) {
        return Err(Refusal::access(format!(
            "{what} name '{name}' contains reserved prefix 'amq.*'"
        )));
    }
    Ok(())
}

/// Refuses a name that no protocol could say.
fn check_length(name: &str, what: &str) -> Result<(), Refusal> {
    if name.len() > limits::NAME_BYTES_MAX {
        return Err(Refusal::precondition(format!(
            "{what}: a name has at most {} bytes",
            limits::NAME_BYTES_MAX
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
