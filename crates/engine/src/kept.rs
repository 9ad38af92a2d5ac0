//! What is sure to be kept: asked before somebody lets go of a message for good.

use std::sync::Arc;

use broker::shard::{DeadLetter, dead_letter_cycles, dead_message};
use broker::topology::Routes;
use broker::{Message, QueueRef, Reason};

use crate::Handle;

impl Handle {
    /// The place of a queue, which stays when its name changes; `None` when there is none of this name.
    #[must_use]
    pub fn queue_place(&self, vhost: &str, queue: &str) -> Option<QueueRef> {
        let topology = self.shared.topology();
        topology.vhost(vhost)?.queue(queue).map(|found| found.place)
    }

    /// Says whether a message of a queue, rejected now, would come into another queue as a dead letter instead of being dropped.
    #[must_use]
    pub fn keeps_rejected(&self, vhost: &str, queue: &str, message: &Arc<Message>) -> bool {
        let topology = self.shared.topology();
        let Some(host) = topology.vhost(vhost) else {
            return false;
        };
        let Some(found) = host.queue(queue) else {
            return false;
        };
        let options = host.options_of(found);
        let Some(exchange) = options.dead_letter_exchange else {
            return false;
        };
        let letter = DeadLetter {
            vhost: vhost.into(),
            queue: found.name.clone(),
            place: found.place,
            sequence: None,
            reason: Reason::Rejected,
            message: message.clone(),
            exchange,
            routing_key: options.dead_letter_routing_key,
        };
        let dead = dead_message(&letter, self.now_ms());
        let mut targets = Routes::new();
        if host
            .route_dead_letter(&letter, &dead, &mut targets)
            .is_err()
        {
            return false;
        }
        let cycles = dead_letter_cycles(&dead, letter.reason);
        let barred: Routes = cycles
            .iter()
            .filter_map(|name| host.queue(name).map(|queue| queue.place))
            .collect();
        targets.iter().any(|target| !barred.contains(target))
    }
}
