//! What becomes of deliveries: settled, given back, delivered again.

use std::sync::Arc;

use broker::{Annotation, ConsumerNumber, Message, Outcome, Port};

use super::{Desk, leased};
use crate::gateway::command::{Delivered, Settle};
use crate::gateway::groups::Hold;
use crate::gateway::leases::{Ended, Leased};

impl Desk {
    /// Frees partitions; called once the broker has been told of what was settled.
    pub(in crate::gateway) fn release(&mut self) {
        self.released.clear();
    }

    /// Tells the broker, or the group, what became of a message.
    pub(super) fn end<P: Port>(&mut self, ended: Ended, port: &mut P) {
        let Ended {
            leased,
            message,
            outcome,
        } = ended;
        let Some(hold) = leased.hold.clone().filter(|hold| hold.is_stream()) else {
            self.put(leased, outcome, port);
            return;
        };
        match outcome {
            Outcome::Acked | Outcome::Rejected => {
                hold.finish(leased.sequence);
                self.put(leased, outcome, port);
            }
            // Whoever holds the partition next gets it again; its present reader gets it now.
            Outcome::Requeued | Outcome::Recovered | Outcome::Unseen => {
                self.deliver_again(leased, message, port)
            }
        }
    }

    fn deliver_again<P: Port>(&mut self, leased: Leased, message: Arc<Message>, port: &mut P) {
        let reader = leased.consumer.and_then(|one| self.subscriptions.get(&one));
        let Some(sink) = reader.map(|reader| reader.sink.clone()) else {
            self.put(leased, Outcome::Acked, port);
            return;
        };
        let delivered = Delivered {
            queue: leased.queue,
            sequence: leased.sequence,
            partition: leased.hold.as_deref().and_then(Hold::partition),
            redelivered: true,
            annotation: Annotation::StreamOffset(leased.sequence.saturating_sub(1)),
            outbox_bytes: 0,
            message: message.clone(),
            lease: Some(self.leases.grant(leased, message, u64::MAX)),
        };
        // A reader that is gone is found out by the next delivery, or by its link.
        let _ = sink.try_send(delivered);
    }

    pub(super) fn put<P: Port>(&mut self, leased: Leased, outcome: Outcome, port: &mut P) {
        port.settle(leased.queue, leased.consumer, leased.sequence, outcome);
        self.released.extend(leased.hold);
    }

    pub(super) fn settle<P: Port>(
        &mut self,
        settles: &[Settle],
        port: &mut P,
        now_ms: u64,
    ) -> Vec<bool> {
        let each = settles.iter().map(|settle| {
            let queue = self.leases.queue(settle.lease);
            if queue.is_some_and(|queue| !port.has_queue(queue)) {
                // It went with its queue.
                if let Some(leased) = self.leases.forget(settle.lease) {
                    self.put(leased, Outcome::Unseen, port);
                }
                return false;
            }
            let (is_held, ended) = self.leases.settle(settle.lease, settle.kind, now_ms);
            if let Some(ended) = ended {
                self.end(ended, port);
            }
            is_held
        });
        each.collect()
    }

    pub(super) fn give_back<P: Port>(
        &mut self,
        message: &Delivered,
        consumer: ConsumerNumber,
        port: &mut P,
    ) {
        let leased = message.lease.and_then(|lease| self.leases.forget(lease));
        self.released.extend(leased.and_then(|leased| leased.hold));
        if !matches!(message.annotation, Annotation::StreamOffset(_)) {
            let leased = Leased {
                queue: message.queue,
                consumer: Some(consumer),
                sequence: message.sequence,
                hold: None,
            };
            self.put(leased, Outcome::Unseen, port);
        }
    }

    /// Gives everything back that was not settled.
    pub(in crate::gateway) fn close<P: Port>(&mut self, port: &mut P) {
        for pull in self.pulls.drain() {
            for delivery in &pull.taken {
                self.put(leased(delivery, None), Outcome::Unseen, port);
            }
            self.released.extend(pull.hold);
        }
        for leased in self.leases.drain() {
            self.put(leased, Outcome::Requeued, port);
        }
        let ended = self.subscriptions.drain();
        self.released
            .extend(ended.filter_map(|(_, subscribed)| subscribed.hold));
    }
}
