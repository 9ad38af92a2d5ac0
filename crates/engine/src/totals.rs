//! Numbers of the whole engine, for metrics.

use std::collections::BTreeMap;

use broker::topology::Census;
use broker::{Deaths, Outcome, QueueStatistics};
use tokio::sync::oneshot;

use crate::administration::Handle;
use crate::mailbox::Letter;

/// Messages that clients sent, got and settled, since the start.
///
/// # Concurrency
/// Every shard counts those of its connections in numbers of its own, which no other thread touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Published, also those that no queue took.
    pub published: u64,
    /// Those that no queue took.
    pub unroutable: u64,
    /// Handed to consumers.
    pub delivered: u64,
    /// Handed to the answer of a get.
    pub got: u64,
    /// Handed out, of these two, though they may have been before.
    pub redelivered: u64,
    /// Acked.
    pub acked: u64,
    /// Rejected.
    pub rejected: u64,
    /// Put back.
    pub requeued: u64,
    /// Sent to a dead-letter exchange.
    pub dead_lettered: u64,
}

/// What one shard counts.
#[derive(Debug, Default)]
pub(crate) struct ShardTotals {
    pub(crate) queues: QueueStatistics,
    pub(crate) deaths: Deaths,
    pub(crate) messages: MessageCounts,
}

/// How everything is doing.
#[derive(Debug, Default)]
pub struct Totals {
    /// What was declared.
    pub census: Census,
    /// All queues together.
    pub queues: QueueStatistics,
    /// What clients did.
    pub messages: MessageCounts,
    /// What left queues without being consumed.
    pub deaths: Deaths,
    /// Open connections by protocol.
    pub connections: BTreeMap<&'static str, u64>,
    /// Their channels.
    pub channels: u64,
}

impl MessageCounts {
    #[inline]
    pub(crate) const fn settle(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Acked => &mut self.acked,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Requeued | Outcome::Recovered | Outcome::Unseen => &mut self.requeued,
        };
        *count += 1;
    }

    fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.unroutable += other.unroutable;
        self.delivered += other.delivered;
        self.got += other.got;
        self.redelivered += other.redelivered;
        self.acked += other.acked;
        self.rejected += other.rejected;
        self.requeued += other.requeued;
        self.dead_lettered += other.dead_lettered;
    }
}

impl Totals {
    fn add(&mut self, shard: &ShardTotals) {
        let (sum, more) = (&mut self.queues, &shard.queues);
        sum.delayed += more.delayed;
        sum.ready += more.ready;
        sum.unacked += more.unacked;
        sum.consumers += more.consumers;
        sum.ready_bytes += more.ready_bytes;
        sum.resident_bytes += more.resident_bytes;
        sum.disk_bytes += more.disk_bytes;
        self.messages.add(&shard.messages);
        self.deaths.add(&shard.deaths);
    }
}

impl Handle {
    /// Asks every shard for its sums.
    pub async fn totals(&self) -> Totals {
        let census = self.shared.topology().census();
        let (connections, channels) = self.shared.connections.census();
        let mut totals = Totals {
            census,
            connections,
            channels,
            ..Totals::default()
        };
        let shards = u16::try_from(self.shared.mailboxes.len()).unwrap_or(u16::MAX);
        let answers: Vec<_> = (0..shards)
            .map(|shard| {
                let (answer, answered) = oneshot::channel();
                self.shared.post(shard, Letter::Totals(answer));
                answered
            })
            .collect();
        for answered in answers {
            // A shard that has ended counts nothing more.
            totals.add(&answered.await.unwrap_or_default());
        }
        totals
    }
}
