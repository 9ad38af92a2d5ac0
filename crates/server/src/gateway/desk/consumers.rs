//! Consumers begun and ended: subscriptions that stay, pulls that are consumers for a moment.

use broker::{ConsumerNumber, Outcome, Port, Refusal};
use tokio::sync::oneshot;

use super::{Desk, Subscribed, Waiting, delivered, is_of_stream, leased, too_many};
use crate::gateway::command::Subscription;
use crate::gateway::leases::Leased;

impl Desk {
    pub(super) fn subscribe<P: Port>(
        &mut self,
        subscription: Subscription,
        answer: oneshot::Sender<Result<ConsumerNumber, Refusal>>,
        port: &mut P,
    ) {
        let consumer = self.next_consumer();
        let mut request = self.consume(
            consumer,
            &subscription.queue,
            u32::from(subscription.prefetch),
            subscription.offset,
        );
        if let broker::Request::Consume { consume, .. } = &mut request {
            consume.exclusive = subscription.exclusive;
            consume.priority = subscription.priority;
            if let Some(tag) = subscription.tag {
                consume.tag = tag.into();
            }
        }
        let waiting = Waiting::Subscriber(consumer, answer);
        match self.channels.ask(request, waiting, port) {
            Ok(()) => {
                let subscribed = Subscribed {
                    sink: subscription.sink,
                    hold: subscription.hold,
                };
                self.subscriptions.insert(consumer, subscribed);
            }
            Err(Waiting::Subscriber(_, answer)) => {
                let _ = answer.send(Err(too_many("requests at once")));
            }
            Err(
                Waiting::Sender(_)
                | Waiting::PullOpens(_)
                | Waiting::PullCloses(_)
                | Waiting::Unsubscribed(..),
            ) => {}
        }
    }

    /// A consumer has stopped: what it has not settled by then goes back.
    pub(super) fn unsubscribed(&mut self, consumer: ConsumerNumber, ends_ms: u64) {
        self.leases.bound(consumer, ends_ms);
        self.end_subscription(consumer);
    }

    pub(super) fn end_subscription(&mut self, consumer: ConsumerNumber) {
        let ended = self.subscriptions.remove(&consumer);
        self.released.extend(ended.and_then(|ended| ended.hold));
    }

    /// Stops a pull's consumer; what comes before the answer is taken too.
    pub(super) fn close_pull<P: Port>(
        &mut self,
        consumer: ConsumerNumber,
        port: &mut P,
        now_ms: u64,
    ) {
        let request = broker::Request::Cancel { consumer };
        let waiting = Waiting::PullCloses(consumer);
        if self.channels.ask(request, waiting, port).is_err() {
            port.drop_consumer(consumer);
            self.finish_pull(consumer, port, now_ms);
        }
    }

    /// Hands a pull's messages over under leases.
    pub(super) fn finish_pull<P: Port>(
        &mut self,
        consumer: ConsumerNumber,
        port: &mut P,
        now_ms: u64,
    ) {
        let Some(pull) = self.pulls.remove(consumer) else {
            return;
        };
        let ends_ms = now_ms.saturating_add(pull.lease_ms);
        let mut messages = Vec::with_capacity(pull.taken.len());
        for delivery in pull.taken {
            let is_by_group = pull.hold.as_ref().is_some_and(|hold| hold.is_stream());
            let is_settled = pull.no_ack || (is_of_stream(&delivery) && !is_by_group);
            if let Some(hold) = &pull.hold
                && !hold.deliver(delivery.sequence)
            {
                // The group is done with it.
                continue;
            }
            let lease = (!is_settled).then(|| {
                let leased = Leased {
                    hold: pull.hold.clone(),
                    ..leased(&delivery, Some(consumer))
                };
                self.leases.grant(leased, delivery.message.clone(), ends_ms)
            });
            messages.push(delivered(delivery, lease, pull.hold.as_deref()));
        }
        self.released.extend(pull.hold);
        match pull.answer.send(Ok(messages)) {
            Ok(()) if pull.no_ack => {
                for leased in pull.settled_at_once {
                    self.put(leased, Outcome::Acked, port);
                }
            }
            Ok(()) => {}
            // Whoever asked is gone: nobody has them.
            Err(Ok(messages)) => {
                for message in messages {
                    self.give_back(&message, consumer, port);
                }
            }
            Err(Err(_)) => {}
        }
    }
}
