//! What the rules make of a message: it enters, expires, overflows, dies.

use super::*;

impl World {
    /// Puts a message into the model of a queue, or refuses it.
    pub(super) fn enter(
        &mut self,
        name: &'static str,
        text: &str,
        persistent: bool,
        priority: u8,
        ttl: Option<u64>,
        due_ms: Option<u64>,
    ) -> bool {
        let setup = &self.setups[name];
        let batch = self.rig.shard.log().position().0;
        let queue = self.queues.get_mut(name).expect("it is declared");
        let options = &setup.options;
        let ttl = [ttl, options.message_ttl_ms].into_iter().flatten().min();
        let kept = Kept {
            body: text.to_owned(),
            persistent,
            priority,
            level: options.priority_max.map_or(0, |max| priority.min(max)),
            due_ms,
            expires_ms: ttl.map_or(u64::MAX, |ttl| due_ms.unwrap_or(self.rig.now_ms) + ttl),
            deliveries: 0,
            is_logged: persistent && setup.is_durable,
            appended: batch,
            ended: None,
            noted: Vec::new(),
        };
        let is_full = options
            .length_max
            .is_some_and(|max| queue.ready.len() as u64 >= max)
            || options
                .length_bytes_max
                .is_some_and(|max| queue.bytes() + text.len() as u64 > max);
        if options.overflow.is_some() && is_full {
            if options.overflow == Some(Overflow::RejectPublishDlx) {
                self.bury(name, kept, "maxlen");
            }
            return false;
        }
        queue.push(kept);
        true
    }

    pub(super) fn bury(&mut self, name: &'static str, kept: Kept, reason: &'static str) {
        if self.setups[name].options.dead_letter_exchange.is_some() {
            self.buried.push((
                Dead {
                    queue: name.to_owned(),
                    body: kept.body.clone(),
                    reason,
                },
                kept,
            ));
        }
    }

    pub(super) fn die(&mut self, name: &'static str, index: usize, reason: &'static str) {
        let batch = self.batch();
        let queue = self.queues.get_mut(name).expect("it is declared");
        queue.ready.retain(|(.., other)| *other != index);
        queue.end(index, batch);
        let kept = queue.all[index].clone();
        self.bury(name, kept, reason);
    }

    /// Passes the dead letters that were seen on to their queue, in the order in which they were seen.
    pub(super) fn rebury(&mut self) -> bool {
        let before = self.buried.len();
        let mut unexplained = Vec::new();
        for dead in std::mem::take(&mut self.rig.dead) {
            match self
                .buried
                .iter()
                .position(|(expected, _)| *expected == dead)
            {
                Some(index) => {
                    let (_, kept) = self.buried.remove(index);
                    self.enter(
                        "dead",
                        &kept.body,
                        kept.persistent,
                        kept.priority,
                        None,
                        None,
                    );
                }
                None => unexplained.push(dead),
            }
        }
        self.rig.dead = unexplained;
        self.buried.len() < before
    }

    pub(super) fn drop_expired_head(&mut self, name: &'static str) {
        let now_ms = self.rig.now_ms;
        while let Some(head) = self.queues[name].head() {
            let queue = &self.queues[name];
            if queue.all[head].expires_ms > now_ms || queue.fresh == Some(head) {
                return;
            }
            self.die(name, head, "expired");
        }
    }

    /// Ends what is due at the head of each level.
    pub(super) fn expire(&mut self, name: &'static str) {
        let now_ms = self.rig.now_ms;
        self.queues.get_mut(name).expect("it is declared").fresh = None;
        loop {
            let queue = &self.queues[name];
            let mut heads = BTreeMap::new();
            for (level, .., index) in &queue.ready {
                heads.entry(*level).or_insert(*index);
            }
            let Some(due) = heads
                .into_values()
                .find(|index| queue.all[*index].expires_ms <= now_ms)
            else {
                return;
            };
            self.die(name, due, "expired");
        }
    }

    pub(super) fn enforce_length(&mut self, name: &'static str) {
        let options = self.setups[name].options.clone();
        if options.overflow.is_some() {
            return;
        }
        loop {
            let queue = &self.queues[name];
            let is_over = options
                .length_max
                .is_some_and(|max| queue.ready.len() as u64 > max)
                || options
                    .length_bytes_max
                    .is_some_and(|max| queue.bytes() > max);
            let Some((lowest, ..)) = queue.ready.last().copied().filter(|_| is_over) else {
                return;
            };
            let oldest = queue
                .ready
                .range((lowest, 0, 0, 0)..)
                .next()
                .map(|(.., index)| *index);
            self.die(name, oldest.expect("the level has one"), "maxlen");
        }
    }

    /// The log need not know what a consumer without acknowledgements got before it was anywhere else.
    pub(super) fn is_logged(&self, name: &'static str, text: &str) -> bool {
        let queue = &self.queues[name];
        let Some(kept) = queue
            .all
            .last()
            .filter(|kept| kept.body == text && kept.is_logged)
        else {
            return false;
        };
        let place = self.rig.place(name);
        let first = self
            .rig
            .deliveries
            .iter()
            .find(|got| got.delivery.queue == place && got.body() == kept.body);
        let is_consumed = first.is_some_and(|got| queue.consumers[&got.consumer].no_ack);
        !(queue.fresh == Some(queue.all.len() - 1) && is_consumed)
    }
}
