//! What a shard tells about its queues.

use std::sync::Arc;

use super::Shard;
use super::cell::{Cell, find};
use crate::death::Deaths;
use crate::log::Log;
use crate::{ConnectionId, Name, QueueRef, QueueStatistics};

/// One consumer, as listings show it.
#[derive(Debug, Clone)]
pub struct ConsumerView {
    /// Its virtual host.
    pub vhost: Name,
    /// Its queue.
    pub queue: Name,
    /// Its connection.
    pub connection: ConnectionId,
    /// Its channel.
    pub channel: u16,
    /// Its tag.
    pub tag: Arc<str>,
    /// Its prefetch limit; 0 is none.
    pub prefetch: u32,
    /// Messages that it has not settled.
    pub unacked: u32,
    /// Its messages need no acknowledgement.
    pub no_ack: bool,
    /// It has the queue to itself.
    pub exclusive: bool,
    /// It is served: all are, but where a queue has a single active consumer.
    pub active: bool,
}

impl<L: Log> Shard<L> {
    /// How all queues together are doing.
    #[must_use]
    pub fn statistics_of_all(&self) -> QueueStatistics {
        let mut sum = QueueStatistics::default();
        for cell in self.cells.iter().flatten() {
            sum.add(&cell.statistics());
        }
        sum
    }

    /// How many messages left their queues without being consumed, since the start.
    #[must_use]
    pub const fn deaths(&self) -> Deaths {
        self.effects.deaths
    }

    /// How a queue is doing; `None` when it is gone. Renews its lease when `is_use` is set, as a declaration does.
    pub fn statistics(
        &mut self,
        place: QueueRef,
        is_use: bool,
        now_ms: u64,
    ) -> Option<QueueStatistics> {
        let cell = find(&mut self.cells, place)?;
        if is_use {
            cell.touch(now_ms);
        }
        let statistics = cell.statistics();
        if is_use && cell.has_deadlines() {
            self.refresh(place.slot);
        }
        Some(statistics)
    }

    /// Every consumer of a queue.
    #[must_use]
    pub fn consumers(&mut self, place: QueueRef) -> Vec<ConsumerView> {
        match find(&mut self.cells, place) {
            Some(Cell::Queue(queue)) => queue
                .consumers()
                .map(|consumer| ConsumerView {
                    vhost: queue.vhost.clone(),
                    no_ack: consumer.no_ack,
                    exclusive: consumer.exclusive,
                    active: queue.is_served(consumer),
                    queue: queue.name.clone(),
                    connection: consumer.connection,
                    channel: consumer.channel,
                    tag: consumer.tag.clone(),
                    prefetch: consumer.prefetch,
                    unacked: consumer.unacked,
                })
                .collect(),
            Some(Cell::Stream(stream)) => stream
                .readers()
                .iter()
                .map(|reader| ConsumerView {
                    vhost: stream.vhost.clone(),
                    no_ack: false,
                    exclusive: false,
                    active: true,
                    queue: stream.name.clone(),
                    connection: reader.connection,
                    channel: reader.channel,
                    tag: reader.tag.clone(),
                    prefetch: reader.prefetch,
                    unacked: reader.unacked,
                })
                .collect(),
            None => Vec::new(),
        }
    }
}
