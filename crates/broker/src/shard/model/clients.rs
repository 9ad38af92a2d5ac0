//! What clients do, and whether what they get is what the model has.

use super::*;

impl World {
    pub(super) fn publish(&mut self, publisher: u8, targets: u8, content: Content) {
        let Content {
            persistent,
            priority,
            ttl,
            delay,
            id,
        } = content;
        let counter = self.published.entry(publisher).or_insert(0);
        *counter += 1;
        let text = format!("{}{counter}", char::from(b'x' + publisher));
        let targets: Vec<&'static str> = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| targets & (1 << bit) != 0)
            .map(|(_, name)| *name)
            .collect();
        let mut message = crate::message::tests::message("dead", &text);
        (message.persistent, message.priority, message.expiration_ms) = (persistent, priority, ttl);
        if let Some(delay) = delay {
            message.delay_until(self.rig.now_ms + delay, self.rig.now_ms);
        }
        message.dedup_id = id.and_then(|id| DedupId::of(&id.to_string())).map(Box::new);
        let due_ms = message.deliver_at_ms;
        let batch = self.batch();
        let number = self.next_number;
        self.next_number += 1;
        let (repeated, targets): (Vec<_>, Vec<_>) = targets
            .into_iter()
            .partition(|name| self.original(name, id).is_some());
        let appended = self.rig.shard.log().appended();
        let entered: Vec<bool> = targets
            .iter()
            .map(|name| self.enter(name, &text, persistent, priority, ttl, due_ms))
            .collect();
        self.bodies.insert(number, text.clone());
        self.rig
            .publish_message(&[&*repeated, &*targets].concat(), message, Some(number));
        self.told_of_originals(number, id, &repeated);
        let is_place = |event: &Event| matches!(event, Event::Placed { number: of, is_duplicate: false, .. } if *of == number);
        let events = self.rig.events.iter();
        assert_eq!(
            events.filter(|(_, event)| is_place(event)).count(),
            entered.iter().filter(|entered| **entered).count(),
            "every queue that takes a message tells its place"
        );
        let is_rejected = entered.contains(&false);
        let mut is_logged = targets.iter().any(|name| self.is_logged(name, &text));
        for (name, _) in targets
            .iter()
            .zip(&entered)
            .filter(|(_, entered)| **entered)
        {
            is_logged |= self.remember(name, id, number, persistent && id.is_some(), batch);
        }
        let waits_for_original = repeated.iter().any(|name| self.setups[name].is_durable)
            && appended > self.rig.shard.log().durable();
        let position = match (is_rejected, is_logged, waits_for_original) {
            (false, true, _) => batch,
            (false, false, true) => appended.0,
            _ => 0,
        };
        self.unconfirmed.insert(number, position);
        self.no_confirmed_loss();
        let mut all = [repeated, targets].concat();
        // Where dead letters go comes last.
        all.sort_unstable();
        all.into_iter().for_each(|name| self.after_publish(name));
    }

    /// The message that a queue has taken under an id already.
    fn original(&self, name: &str, id: Option<u8>) -> Option<Original> {
        let original = self.queues[name].taken.get(&id?).copied();
        original.filter(|original| original.until_ms > self.rig.now_ms)
    }

    /// Notes what was taken under an id; says whether the log holds that.
    fn remember(
        &mut self,
        name: &'static str,
        id: Option<u8>,
        number: u64,
        persistent: bool,
        batch: u64,
    ) -> bool {
        let setup = &self.setups[name];
        let window_ms = setup.options.dedup_window_ms.unwrap_or(300_000);
        let Some(id) = id.filter(|_| window_ms > 0) else {
            return false;
        };
        let is_logged = persistent && setup.is_durable;
        let original = Original {
            number,
            until_ms: self.rig.now_ms + window_ms,
            appended: is_logged.then_some(batch),
        };
        let queue = self.queues.get_mut(name).expect("it is declared");
        queue.taken.insert(id, original);
        is_logged
    }

    /// A publisher hears where the first message with its id went.
    fn told_of_originals(&mut self, number: u64, id: Option<u8>, repeated: &[&'static str]) {
        for name in repeated {
            let (place, original) = (self.rig.place(name), self.original(name, id));
            let is_told = |event: &(ConnectionId, Event)| {
                let Event::Placed {
                    number: of,
                    queue,
                    sequence,
                    is_duplicate: true,
                    ..
                } = event.1
                else {
                    return false;
                };
                let first = self.places.get(&(queue, sequence)).copied();
                of == number && queue == place && first == original.map(|original| original.number)
            };
            let told = self.rig.events.iter().position(is_told);
            let told = told.unwrap_or_else(|| panic!("{name} has taken {number} before"));
            self.rig.events.remove(told);
        }
    }

    pub(super) fn after_publish(&mut self, name: &'static str) {
        self.dispatched(name);
        self.enforce_length(name);
        self.expire(name);
    }

    /// Checks what was delivered from a queue, and that nobody was forgotten.
    pub(super) fn dispatched(&mut self, name: &'static str) {
        let has_letters = name == "dead" && self.rebury();
        let place = self.rig.place(name);
        let (here, elsewhere): (Vec<Got>, Vec<Got>) = self
            .rig
            .take()
            .into_iter()
            .partition(|got| got.delivery.queue == place);
        self.rig.deliveries = elsewhere;
        for got in here {
            self.drop_expired_head(name);
            self.no_phantom(name, &got.delivery, Some(got.consumer));
            if !self.queues[name].consumers[&got.consumer].no_ack {
                self.out.push(got);
            }
        }
        if self.queues[name].is_anyone_free() {
            self.queues.get_mut(name).expect("it is declared").fresh = None;
            self.drop_expired_head(name);
            assert!(
                self.queues[name].ready.is_empty(),
                "no_lost_wake_up: {name} has a message and a consumer with room"
            );
        }
        if has_letters {
            self.expire(name);
        }
    }

    pub(super) fn no_phantom(
        &mut self,
        name: &'static str,
        delivery: &Delivery,
        consumer: Option<u32>,
    ) {
        let batch = self.batch();
        let is_dead_letter = delivery.message.properties().len() > 2;
        if !is_dead_letter {
            let number = self.places.get(&(delivery.queue, delivery.sequence));
            assert_eq!(
                number.and_then(|number| self.bodies.get(number)),
                Some(&body(&delivery.message)),
                "{name} delivers from another place than it told"
            );
        }
        let queue = self.queues.get_mut(name).expect("it is declared");
        let head = queue
            .head()
            .unwrap_or_else(|| panic!("no_phantom: {name} delivered from nothing"));
        queue.ready.pop_first();
        queue.fresh = None;
        let kept = &queue.all[head];
        assert_eq!(
            body(&delivery.message),
            kept.body,
            "no_phantom: {name} delivered what was not its head"
        );
        let is_acked = match consumer.map(|number| {
            queue
                .consumers
                .get_mut(&number)
                .expect("no_phantom: unknown consumer")
        }) {
            None => false,
            Some(consumer) => {
                assert!(
                    consumer.is_free(),
                    "{name} delivered beyond the prefetch limit"
                );
                consumer.unacked += usize::from(!consumer.no_ack);
                consumer.no_ack
            }
        };
        fifo_per_publisher(queue, head, delivery);
        if is_acked {
            queue.end(head, batch);
        } else {
            queue.unacked.insert(delivery.sequence, (head, consumer));
        }
    }

    pub(super) fn consume(&mut self, name: &'static str, prefetch: u8, no_ack: bool) {
        let number = self.next_consumer;
        self.next_consumer += 1;
        let prefetch = prefetch % 4;
        self.queues
            .get_mut(name)
            .expect("it is declared")
            .consumers
            .insert(
                number,
                Consumer {
                    prefetch: usize::from(prefetch),
                    no_ack,
                    unacked: 0,
                },
            );
        let mut wish = self.rig.wish(number, u32::from(prefetch));
        wish.no_ack = no_ack;
        self.rig
            .consume_as(name, &wish)
            .expect("nothing is exclusive");
        self.dispatched(name);
        self.enforce_length(name);
    }

    pub(super) fn cancel(&mut self, index: u8) {
        let all: Vec<(&'static str, u32)> = self
            .queues
            .iter()
            .flat_map(|(name, queue)| queue.consumers.keys().map(|number| (*name, *number)))
            .collect();
        let Some((name, number)) = all.get(usize::from(index) % all.len().max(1)).copied() else {
            return;
        };
        self.rig.cancel(name, number);
        self.queues
            .get_mut(name)
            .expect("it is declared")
            .consumers
            .remove(&number);
        self.dispatched(name);
    }

    pub(super) fn get(&mut self, name: &'static str, no_ack: bool) {
        let got = self.rig.get(name, no_ack);
        self.queues.get_mut(name).expect("it is declared").fresh = None;
        self.drop_expired_head(name);
        let Some((delivery, left)) = got else {
            assert!(
                self.queues[name].ready.is_empty(),
                "{name} gave nothing though a message is ready"
            );
            return;
        };
        self.no_phantom(name, &delivery, None);
        assert_eq!(
            left,
            self.queues[name].ready.len() as u64,
            "counts_agree: left in {name}"
        );
        if no_ack {
            let batch = self.batch();
            let queue = self.queues.get_mut(name).expect("it is declared");
            let (index, _) = queue
                .unacked
                .remove(&delivery.sequence)
                .expect("it was put there just now");
            queue.end(index, batch);
        } else {
            self.out.push(Got {
                consumer: 0,
                delivery,
            });
        }
    }

    pub(super) fn settle(&mut self, index: u8, outcome: u8) {
        if self.out.is_empty() {
            return;
        }
        let got = self.out.remove(usize::from(index) % self.out.len());
        let outcome = match outcome % 4 {
            0 => Outcome::Acked,
            1 => Outcome::Requeued,
            2 => Outcome::Recovered,
            _ => Outcome::Rejected,
        };
        let consumer = (got.consumer != 0).then_some(got.consumer);
        self.rig.settle_delivery(&got.delivery, consumer, outcome);
        let (batch, now_ms) = (self.batch(), self.rig.now_ms);
        let name = *NAMES
            .iter()
            .find(|name| self.rig.place(name) == got.delivery.queue)
            .expect("it is declared");
        let (limit, is_quorum) = (
            self.setups[name].options.delivery_limit,
            self.setups[name].kind == QueueKind::Quorum,
        );
        let queue = self.queues.get_mut(name).expect("it is declared");
        let (index, consumer) = queue
            .unacked
            .remove(&got.delivery.sequence)
            .expect("it is out");
        if let Some(consumer) = consumer.and_then(|number| queue.consumers.get_mut(&number)) {
            consumer.unacked -= 1;
        }
        let kept = &mut queue.all[index];
        kept.deliveries += u32::from(outcome == Outcome::Requeued);
        let comes_back = matches!(outcome, Outcome::Requeued | Outcome::Recovered);
        let is_poison = comes_back && limit.is_some_and(|limit| kept.deliveries > limit);
        if comes_back && !is_poison && is_quorum && kept.deliveries > 0 {
            kept.noted.push((batch, kept.deliveries));
        }
        if outcome == Outcome::Acked {
            queue.end(index, batch);
        } else if outcome == Outcome::Rejected {
            self.die(name, index, "rejected");
        } else if is_poison {
            self.die(name, index, "delivery_limit");
        } else if kept.expires_ms <= now_ms {
            self.die(name, index, "expired");
        } else {
            queue.make_ready(index);
        }
        self.dispatched(name);
        self.enforce_length(name);
    }
}
