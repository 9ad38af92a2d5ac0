//! What must hold after every operation, and in the end.

use super::*;

impl World {
    /// A confirm comes once, and not before every durable queue that took the message has it on disk.
    pub(super) fn no_confirmed_loss(&mut self) {
        let durable = self.rig.shard.log().durable().0;
        let events = std::mem::take(&mut self.rig.events);
        for (connection, event) in events {
            assert_eq!(connection, PUBLISHER);
            if let Event::Placed {
                number,
                queue,
                sequence,
                is_duplicate: false,
                ..
            } = event
            {
                assert!(
                    self.unconfirmed.contains_key(&number),
                    "{number} is placed after its confirm"
                );
                self.places.insert((queue, sequence), number);
                continue;
            }
            let Event::Confirmed { first, last, .. } = event else {
                panic!("unexpected {event:?}")
            };
            for number in first..=last {
                let batch = self.unconfirmed.remove(&number);
                let batch = batch.expect("no_confirmed_loss: confirmed twice");
                assert!(
                    batch <= durable,
                    "no_confirmed_loss: {number} is confirmed and not durable"
                );
            }
        }
        let overdue = self
            .unconfirmed
            .values()
            .filter(|batch| **batch == 0)
            .count();
        assert!(overdue == 0, "what waits for no disk is confirmed at once");
    }

    /// Compares the dead letters, and what the target of the last ones made of them.
    pub(super) fn absorb(&mut self) {
        self.dispatched("dead");
        self.enforce_length("dead");
        assert!(
            self.rig.dead.is_empty(),
            "no_phantom: unexplained dead letters {:?}",
            self.rig.dead
        );
        assert!(
            self.buried.is_empty(),
            "no_confirmed_loss: dead letters that never came: {:?}",
            self.buried
        );
    }

    pub(super) fn counts_agree(&mut self) {
        let mut resident_bytes = 0;
        for name in NAMES {
            let statistics = self.rig.statistics(name);
            let queue = &self.queues[name];
            assert_eq!(
                statistics.ready,
                queue.ready.len() as u64,
                "counts_agree: ready in {name}"
            );
            assert_eq!(
                statistics.delayed,
                queue.waiting.len() as u64,
                "counts_agree: delayed in {name}"
            );
            assert_eq!(
                statistics.unacked,
                queue.unacked.len() as u64,
                "counts_agree: unacked in {name}"
            );
            assert_eq!(
                statistics.consumers as usize,
                queue.consumers.len(),
                "counts_agree: consumers of {name}"
            );
            if !queue.was_restarted || self.setups[name].options.length_bytes_max.is_some() {
                assert_eq!(
                    statistics.ready_bytes,
                    queue.bytes(),
                    "counts_agree: bytes in {name}"
                );
            }
            resident_bytes += statistics.resident_bytes;
        }
        assert_eq!(
            self.rig.shard.resident_bytes() as u64,
            resident_bytes,
            "counts_agree: resident bytes"
        );
    }

    /// Empties everything: in the end nothing is left in memory, on disk, or unconfirmed.
    pub(super) fn wind_up(&mut self) {
        loop {
            let full = (0..)
                .zip(NAMES)
                .find(|(_, name)| !self.queues[name].ready.is_empty());
            match full {
                Some((queue, _)) => self.run(&Op::Get {
                    queue,
                    no_ack: true,
                }),
                None if !self.out.is_empty() => self.run(&Op::Settle {
                    index: 0,
                    outcome: 0,
                }),
                None if self.queues.values().any(|queue| !queue.waiting.is_empty()) => {
                    self.run(&Op::Advance { milliseconds: 49 });
                }
                None => break,
            }
        }
        self.run(&Op::Sync { share: 255 });
        assert!(
            self.unconfirmed.is_empty(),
            "every publish is confirmed in the end: {:?}",
            self.unconfirmed
        );
        assert_eq!(
            self.rig.shard.resident_bytes(),
            0,
            "nothing is left in memory"
        );
        self.run(&Op::Restart);
        NAMES.iter().for_each(|name| {
            assert_eq!(self.rig.ready(name), 0, "what was acknowledged stays away")
        });
    }
}
