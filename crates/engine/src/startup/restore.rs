//! Putting the stored topology together.

use std::fmt;
use std::path::Path;

use broker::shard::QueueSpecification;
use broker::topology::{
    Actor, BindingView, ExchangeDeclaration, QueueDeclaration, QueueDeclared, Quotas, Topology,
};
use broker::{ConnectionId, ExchangeKind, Name, QueueId, Refusal, RefusalKind};
use codec::amqp::field::{Table, TableRef};
use directory::{Binding, DestinationKind, Exchange, Policy, Queue, Snapshot};

use super::EngineError;
use crate::policies;

/// Queue numbers left out at each start: commits that raced with the end may have used some that nobody noted.
const SKIPPED_AT_START: u64 = 1_024;

/// Something in the directory that this version cannot serve as it is stored.
///
/// Without it messages would be lost without a word: those of a queue have no place, those that a binding leads go nowhere, those that a
/// policy saves from expiry expire. So the server does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unservable {
    /// What it is, by its names.
    pub what: String,
    /// Why it cannot be served.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Unservable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            reason,
            remedy,
        } = self;
        write!(formatter, "{what} cannot be served: {reason}. {remedy}")
    }
}

/// Finds what the directory of a data directory holds that a server would refuse to start with; modifies nothing.
///
/// # Errors
/// The database cannot be read.
pub fn unservable(data: &Path) -> Result<Vec<Unservable>, directory::Failure> {
    let snapshot = directory::read(&data.join("directory.sqlite"))?;
    let mut restored = Restoration::new(&snapshot, 1);
    restored.put_back(&snapshot);
    Ok(restored.unservable)
}

/// Puts the stored topology together.
pub(super) fn build_topology(
    snapshot: &Snapshot,
    shards: usize,
    quotas: Quotas,
) -> Result<(Topology, Vec<QueueSpecification>), EngineError> {
    let mut restored = Restoration::new(snapshot, shards);
    restored.put_back(snapshot);
    if !restored.unservable.is_empty() {
        return Err(EngineError::Unservable(restored.unservable));
    }
    let mut topology = restored.topology;
    // Only now: what exists stays, also where the limit is lower today.
    topology.set_quotas(quotas);
    // All of this is on disk already.
    drop(topology.take_changes());
    Ok((topology, restored.specifications))
}

/// A topology that is being put together, and what does not fit into it.
struct Restoration {
    topology: Topology,
    specifications: Vec<QueueSpecification>,
    unservable: Vec<Unservable>,
}

impl Restoration {
    fn new(snapshot: &Snapshot, shards: usize) -> Self {
        // The log knows a queue by its number: one that was deleted must not be taken for a new one.
        let used = snapshot.queues.iter().map(|queue| queue.id);
        let high_water = snapshot
            .parameters
            .get(super::QUEUE_HIGH_WATER)
            .and_then(|number| number.parse().ok());
        let next_queue = used
            .chain(high_water)
            .max()
            .map_or(1, |highest: u64| highest + SKIPPED_AT_START);
        Self {
            topology: Topology::new(shards, next_queue),
            specifications: Vec::with_capacity(snapshot.queues.len()),
            unservable: Vec::new(),
        }
    }

    fn put_back(&mut self, snapshot: &Snapshot) {
        for vhost in &snapshot.vhosts {
            self.topology.add_vhost(&vhost.name);
            if vhost.name == super::DEFAULT_VHOST {
                self.topology.add_chat(&vhost.name);
            }
            let stored = snapshot.policies.iter();
            let mut compiled = Vec::new();
            for policy in stored.filter(|policy| policy.vhost == vhost.name) {
                match policies::compile(policy) {
                    Ok(policy) => compiled.push(policy),
                    Err(refusal) => self.unservable.push(unservable_policy(policy, refusal)),
                }
            }
            self.topology.set_policies(&vhost.name, compiled);
        }
        for exchange in &snapshot.exchanges {
            if let Err(refusal) = self.exchange(exchange) {
                let what = format!("exchange '{}' in vhost '{}'", exchange.name, exchange.vhost);
                self.refuse("exchange", what, refusal);
            }
        }
        for queue in &snapshot.queues {
            if let Err(refusal) = self.queue(queue) {
                let what = format!("queue '{}' in vhost '{}'", queue.name, queue.vhost);
                self.refuse("queue", what, refusal);
            }
        }
        for binding in &snapshot.bindings {
            if let Err(refusal) = self.binding(binding) {
                self.refuse("binding", named(binding), refusal);
            }
        }
    }

    fn refuse(&mut self, kind: &str, what: String, refusal: Refusal) {
        self.unservable.push(Unservable {
            what,
            reason: refusal.detail,
            remedy: format!(
                "Start the version that declared it, delete the {kind} there, then come back"
            ),
        });
    }

    fn exchange(&mut self, exchange: &Exchange) -> Result<(), Refusal> {
        let wish = ExchangeDeclaration {
            name: exchange.name.clone(),
            kind: ExchangeKind::parse(&exchange.kind)?,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: table(&exchange.arguments)?,
        };
        let owner = exchange.owner.as_deref().map(Name::from);
        self.topology.restore_exchange(&exchange.vhost, wish, owner)
    }

    fn queue(&mut self, queue: &Queue) -> Result<(), Refusal> {
        let wish = QueueDeclaration {
            name: queue.name.clone(),
            durable: true,
            exclusive: false,
            auto_delete: queue.auto_delete,
            arguments: table(&queue.arguments)?,
            generated: String::new(),
        };
        let owner = queue.owner.as_deref().map(Name::from);
        let restored = self
            .topology
            .restore_queue(&queue.vhost, QueueId(queue.id), wish, owner)?;
        if let QueueDeclared::Created(name, place, kind, options) = restored {
            self.specifications.push(QueueSpecification {
                name,
                vhost: queue.vhost.as_str().into(),
                place,
                kind,
                auto_delete: queue.auto_delete,
                options: *options,
            });
        }
        Ok(())
    }

    fn binding(&mut self, binding: &Binding) -> Result<(), Refusal> {
        let view = BindingView {
            vhost: binding.vhost.as_str().into(),
            source: binding.source.as_str().into(),
            destination: binding.destination.as_str().into(),
            to_exchange: binding.destination_kind == DestinationKind::Exchange,
            routing_key: String::from_utf8_lossy(&binding.routing_key).into(),
            arguments: table(&binding.arguments)?,
        };
        self.topology.bind(view, &SERVER)
    }
}

/// Who restores: nobody's rights are asked for.
const SERVER: Actor<'static> = Actor {
    connection: ConnectionId(u64::MAX),
    access: None,
};

fn unservable_policy(policy: &Policy, refusal: Refusal) -> Unservable {
    let Policy { name, vhost, .. } = policy;
    Unservable {
        what: format!("policy '{name}' in vhost '{vhost}'"),
        reason: refusal.detail,
        remedy: format!("`chaski policy clear {name} --vhost {vhost}` removes it"),
    }
}

fn named(binding: &Binding) -> String {
    let Binding {
        vhost,
        source,
        destination,
        ..
    } = binding;
    let kind = match binding.destination_kind {
        DestinationKind::Queue => "queue",
        DestinationKind::Exchange => "exchange",
    };
    let key = String::from_utf8_lossy(&binding.routing_key);
    format!(
        "the binding of {kind} '{destination}' to exchange '{source}' with key '{key}' in vhost '{vhost}'"
    )
}

/// Reads stored arguments. Damaged ones are not taken for none: a binding without its arguments leads elsewhere.
fn table(bytes: &[u8]) -> Result<Table, Refusal> {
    TableRef::new(bytes).to_owned().map_err(|error| {
        let detail = format!("its stored arguments cannot be read: {error}");
        Refusal::new(RefusalKind::PreconditionFailed, detail)
    })
}

#[cfg(test)]
mod tests;
