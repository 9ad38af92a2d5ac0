//! The consumers of one connection, found by number without hashing.

use std::sync::Arc;

use broker::ConsumerNumber;

use crate::limits;

/// One consumer as its session knows it.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) channel: u16,
    pub(crate) tag: Arc<str>,
    pub(crate) no_ack: bool,
}

/// A slab of consumers.
///
/// # Shape
/// A number is the slot in its lower and the slot's generation in its upper 16 bits, so that a delivery for a consumer that is gone
/// never reaches the slot's next tenant.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    slots: Vec<Slot>,
    free: Vec<u16>,
}

#[derive(Debug)]
struct Slot {
    generation: u16,
    consumer: Option<Consumer>,
}

impl Consumers {
    /// Adds a consumer; `None` when the connection has as many as it may.
    pub(crate) fn add(&mut self, consumer: Consumer) -> Option<ConsumerNumber> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                if self.slots.len() >= limits::CONSUMERS_MAX {
                    return None;
                }
                let index = u16::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot {
                    generation: 0,
                    consumer: None,
                });
                index
            }
        };
        let slot = self.slots.get_mut(usize::from(index))?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.consumer = Some(consumer);
        Some(ConsumerNumber(
            u32::from(slot.generation) << 16 | u32::from(index),
        ))
    }

    /// Finds a consumer.
    #[inline]
    pub(crate) fn find(&self, number: ConsumerNumber) -> Option<&Consumer> {
        let slot = self.slots.get((number.0 & 0xFFFF) as usize)?;
        if u32::from(slot.generation) == number.0 >> 16 {
            slot.consumer.as_ref()
        } else {
            None
        }
    }

    /// Removes a consumer.
    pub(crate) fn remove(&mut self, number: ConsumerNumber) -> Option<Consumer> {
        self.find(number)?;
        let index = (number.0 & 0xFFFF) as u16;
        let consumer = self.slots.get_mut(usize::from(index))?.consumer.take()?;
        self.free.push(index);
        Some(consumer)
    }

    /// How many there are.
    pub(crate) const fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
