//! Putting the stored topology together.

use broker::shard::QueueSpecification;
use broker::topology::{
    Actor, BindingView, ExchangeDeclaration, QueueDeclaration, QueueDeclared, Topology,
};
use broker::{ConnectionId, ExchangeKind, Name, QueueId};
use codec::amqp::field::{Table, TableRef};
use directory::Snapshot;

use super::EngineError;

/// Queue numbers left out at each start: commits that raced with the end may have used some that nobody noted.
const SKIPPED_AT_START: u64 = 1_024;

/// Puts the stored topology together. What makes no sense any more is named and left out.
pub(super) fn build_topology(
    snapshot: &Snapshot,
    shards: usize,
    queues_max: usize,
) -> Result<(Topology, Vec<QueueSpecification>), EngineError> {
    let server = Actor {
        connection: ConnectionId(u64::MAX),
        access: None,
    };
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
    let mut topology = Topology::new(shards, next_queue);
    topology.set_queues_max(queues_max);
    for vhost in &snapshot.vhosts {
        topology.add_vhost(&vhost.name);
        topology.set_policies(
            &vhost.name,
            crate::administration::compile_policies(&snapshot.policies, &vhost.name),
        );
    }
    for exchange in &snapshot.exchanges {
        let restored = ExchangeKind::parse(&exchange.kind).and_then(|kind| {
            let wish = ExchangeDeclaration {
                name: exchange.name.clone(),
                kind,
                durable: exchange.durable,
                auto_delete: exchange.auto_delete,
                internal: exchange.internal,
                arguments: table(&exchange.arguments),
            };
            topology.declare_exchange(&exchange.vhost, wish, &server)
        });
        if let Err(refusal) = restored {
            tracing::error!(exchange = exchange.name, vhost = exchange.vhost, %refusal, "a stored exchange is left out");
        }
    }
    let mut specifications = Vec::with_capacity(snapshot.queues.len());
    for queue in &snapshot.queues {
        let wish = QueueDeclaration {
            name: queue.name.clone(),
            durable: true,
            exclusive: false,
            auto_delete: queue.auto_delete,
            arguments: table(&queue.arguments),
            generated: String::new(),
        };
        let owner = queue.owner.as_deref().map(Name::from);
        match topology.restore_queue(&queue.vhost, QueueId(queue.id), wish, owner) {
            Ok(QueueDeclared::Created(name, place, kind, options)) => {
                specifications.push(QueueSpecification {
                    name,
                    vhost: queue.vhost.as_str().into(),
                    place,
                    kind,
                    auto_delete: queue.auto_delete,
                    options: *options,
                })
            }
            Ok(QueueDeclared::Existing(..)) => {}
            // Its messages would have no place: better not to start than to drop them.
            Err(refusal) => {
                let (queue, vhost) = (queue.name.clone(), queue.vhost.clone());
                return Err(EngineError::Queue {
                    queue,
                    vhost,
                    refusal,
                });
            }
        }
    }
    for binding in &snapshot.bindings {
        let view = BindingView {
            vhost: binding.vhost.as_str().into(),
            source: binding.source.as_str().into(),
            destination: binding.destination.as_str().into(),
            to_exchange: binding.destination_kind == directory::DestinationKind::Exchange,
            routing_key: String::from_utf8_lossy(&binding.routing_key).into(),
            arguments: table(&binding.arguments),
        };
        if let Err(refusal) = topology.bind(view, &server) {
            tracing::error!(source = binding.source, destination = binding.destination, %refusal, "a stored binding is left out");
        }
    }
    // All of this is on disk already.
    drop(topology.take_changes());
    Ok((topology, specifications))
}

fn table(bytes: &[u8]) -> Table {
    TableRef::new(bytes).to_owned().unwrap_or_default()
}
