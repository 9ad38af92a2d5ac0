//! Events on their way to the connections of one shard.

use std::task::Waker;

use broker::{ConnectionId, Event, Reply, Sink};

use crate::mailbox::Letter;
use crate::totals::MessageCounts;

/// Bits of a connection's number that say which slot holds its outbox.
const SLOT_BITS: u32 = 20;

/// One connection's events.
#[derive(Default)]
pub(crate) struct Outbox {
    connection: Option<ConnectionId>,
    events: Vec<Event>,
    waker: Option<Waker>,
}

/// The outboxes of one shard, and the letters for other shards.
///
/// # Shape
/// A connection's number is a running count above the slot of its outbox, so that finding it is one index and a comparison.
pub(crate) struct Outboxes {
    shard: u16,
    slots: Vec<Outbox>,
    free: Vec<u32>,
    opened: u64,
    /// What this shard's connections were given, and what they sent.
    pub(crate) counted: MessageCounts,
    pub(crate) letters: Vec<Vec<Letter>>,
}

impl Outboxes {
    pub(crate) fn new(shard: u16, shards: usize) -> Self {
        Self {
            shard,
            slots: Vec::new(),
            free: Vec::new(),
            opened: 0,
            counted: MessageCounts::default(),
            letters: (0..shards).map(|_| Vec::new()).collect(),
        }
    }

    pub(crate) fn open(&mut self) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Outbox::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.opened += 1;
        let connection =
            ConnectionId::new(self.shard, (self.opened << SLOT_BITS) | u64::from(slot));
        if let Some(outbox) = self.slots.get_mut(slot as usize) {
            outbox.connection = Some(connection);
        }
        connection
    }

    /// Closes an outbox and returns what was still in it.
    pub(crate) fn close(&mut self, connection: ConnectionId) -> Vec<Event> {
        let Some(outbox) = self.find(connection) else {
            return Vec::new();
        };
        let left = std::mem::take(outbox).events;
        self.free.push(slot_of(connection));
        left
    }

    /// Swaps a connection's events with an empty vector; leaves the waker to be called when more come.
    pub(crate) fn take(
        &mut self,
        connection: ConnectionId,
        events: &mut Vec<Event>,
        waker: Option<&Waker>,
    ) {
        let Some(outbox) = self.find(connection) else {
            return;
        };
        std::mem::swap(&mut outbox.events, events);
        match (waker, &mut outbox.waker) {
            (Some(waker), Some(known)) => known.clone_from(waker),
            (Some(waker), empty) => *empty = Some(waker.clone()),
            (None, _) => {}
        }
    }

    pub(crate) fn connections(&self) -> Vec<ConnectionId> {
        self.slots
            .iter()
            .filter_map(|outbox| outbox.connection)
            .collect()
    }

    pub(crate) fn is_open(&mut self, connection: ConnectionId) -> bool {
        self.find(connection).is_some()
    }

    fn find(&mut self, connection: ConnectionId) -> Option<&mut Outbox> {
        self.slots
            .get_mut(slot_of(connection) as usize)
            .filter(|outbox| outbox.connection == Some(connection))
    }
}

const fn slot_of(connection: ConnectionId) -> u32 {
    (connection.0 & ((1 << SLOT_BITS) - 1)) as u32
}

impl Sink for Outboxes {
    #[inline]
    fn event(&mut self, connection: ConnectionId, event: Event) {
        if connection.shard() != self.shard {
            if let Some(letters) = self.letters.get_mut(usize::from(connection.shard())) {
                letters.push(Letter::Event(connection, event));
            }
            return;
        }
        // As `find` does it, which would borrow the counts as well.
        let outbox = self.slots.get_mut(slot_of(connection) as usize);
        let Some(outbox) = outbox.filter(|outbox| outbox.connection == Some(connection)) else {
            return;
        };
        if outbox.events.is_empty()
            && let Some(waker) = outbox.waker.take()
        {
            waker.wake();
        }
        // Confirms that follow each other become one.
        if let (
            Some(Event::Confirmed {
                channel: on,
                last: to,
                rejected: no,
                ..
            }),
            Event::Confirmed {
                channel,
                first,
                last,
                rejected,
            },
        ) = (outbox.events.last_mut(), &event)
            && *on == *channel
            && *no == *rejected
            && *to + 1 == *first
        {
            *to = *last;
            return;
        }
        let delivery = match &event {
            Event::Deliver { delivery, .. } => {
                self.counted.delivered += 1;
                Some(delivery)
            }
            Event::Replied {
                result: Ok(Reply::Got(delivery, _)),
                ..
            } => {
                self.counted.got += 1;
                Some(&**delivery)
            }
            Event::Replied { .. }
            | Event::Confirmed { .. }
            | Event::Placed { .. }
            | Event::Posted { .. }
            | Event::ConsumerCancelled { .. }
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Close(_) => None,
        };
        self.counted.redelivered += delivery.map_or(0, |delivery| u64::from(delivery.redelivered));
        outbox.events.push(event);
    }
}

#[cfg(test)]
mod tests;
