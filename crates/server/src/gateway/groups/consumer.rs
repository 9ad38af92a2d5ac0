//! A member that stays: it consumes from the partitions that are its own, whichever these are at the time.

use std::collections::HashMap;
use std::sync::Arc;

use broker::{ConsumerNumber, QueueRef, Refusal, RefusalKind, StreamOffset};
use engine::Handle;
use tokio::sync::mpsc;

use super::group::{Hold, Member};
use super::{Groups, Sharing};
use crate::gateway::{Delivered, Link, Subscription};

/// How long a consumer may keep what it has of a partition that is another's by now, in milliseconds.
const HAND_OVER_MS: u64 = 30_000;

/// A wish for deliveries, shared with others or not.
pub(crate) struct ConsumeWish {
    /// The virtual host.
    pub(crate) vhost: String,
    /// The queue.
    pub(crate) queue: String,
    /// The group, if it is a stream that is read by one.
    pub(crate) group: Option<String>,
    /// How many may be under way, at least 1; of a partitioned queue at least one from each partition.
    pub(crate) prefetch: u16,
    /// Where to begin in a stream; for a group, where it begins that has not read before.
    pub(crate) offset: Option<StreamOffset>,
    /// Nobody else may consume from the queue.
    pub(crate) exclusive: bool,
    /// Consumers with a higher one get messages first.
    pub(crate) priority: i64,
    /// The consumer's name in lists, if it is to have one of its own.
    pub(crate) tag: Option<String>,
}

/// What a consumer gets.
pub(crate) struct Deliveries {
    /// The deliveries.
    pub(crate) receiver: mpsc::Receiver<Delivered>,
    /// How many of one queue or partition come before some of them are settled.
    pub(crate) prefetch: usize,
}

impl Groups {
    /// Starts to consume by a link of one's own. The channel closes when there is nothing more to come.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn consume(
        &self,
        link: &Link,
        wish: ConsumeWish,
    ) -> Result<Deliveries, Refusal> {
        let group = wish.group.as_deref();
        let sharing = self
            .open(link, &wish.vhost, &wish.queue, group, wish.offset)
            .await?;
        let Sharing::Group(group) = sharing else {
            let prefetch = usize::from(wish.prefetch);
            let (sink, receiver) = mpsc::channel(prefetch);
            let queue = wish.queue.clone();
            link.subscribe(wish.subscription(queue, sink, None)).await?;
            return Ok(Deliveries { receiver, prefetch });
        };
        let units = group.units().max(1);
        let prefetch = (usize::from(wish.prefetch) / units).max(1);
        // A channel takes memory for what is in it alone.
        let (sink, receiver) = mpsc::channel(prefetch * broker::limits::PARTITIONS_MAX as usize);
        let mut consumer = Consumer {
            engine: self.0.engine.clone(),
            link: link.clone(),
            head: group.head(),
            member: group.join(),
            wish: ConsumeWish {
                prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX),
                ..wish
            },
            sink,
            subscribed: HashMap::new(),
        };
        consumer.begin().await?;
        tokio::spawn(consumer.run());
        Ok(Deliveries { receiver, prefetch })
    }
}

impl ConsumeWish {
    fn subscription(
        &self,
        queue: String,
        sink: mpsc::Sender<Delivered>,
        hold: Option<Arc<Hold>>,
    ) -> Subscription {
        let offset = match &hold {
            Some(hold) => hold.start(),
            None => self.offset.unwrap_or(StreamOffset::Next),
        };
        Subscription {
            queue,
            prefetch: self.prefetch,
            offset,
            exclusive: self.exclusive,
            priority: self.priority,
            tag: self.tag.clone(),
            sink,
            hold,
        }
    }
}

/// A member with what it consumes.
struct Consumer {
    engine: Handle,
    link: Link,
    head: QueueRef,
    member: Member,
    wish: ConsumeWish,
    sink: mpsc::Sender<Delivered>,
    /// The consumer of each partition.
    subscribed: HashMap<usize, ConsumerNumber>,
}

impl Consumer {
    /// Begins to consume from partitions that are this member's and that nobody holds.
    async fn begin(&mut self) -> Result<(), Refusal> {
        for hold in self.member.hold() {
            let Some(queue) = self.engine.queue_name(&self.wish.vhost, hold.place()) else {
                hold.bury();
                continue;
            };
            let unit = hold.unit();
            let subscription =
                self.wish
                    .subscription(queue.to_string(), self.sink.clone(), Some(hold));
            let consumer = self.link.subscribe(subscription).await?;
            self.subscribed.insert(unit, consumer);
        }
        Ok(())
    }

    /// Stops to consume from partitions that are another's by now.
    async fn give_up(&mut self) {
        let lost: Vec<_> = self
            .subscribed
            .keys()
            .copied()
            .filter(|unit| !self.member.has(*unit))
            .collect();
        for unit in lost {
            if let Some(consumer) = self.subscribed.remove(&unit) {
                self.link.unsubscribe(consumer, HAND_OVER_MS).await;
            }
        }
    }

    /// Follows what happens in the group until whoever reads is gone, the link is closed, or the queue is.
    async fn run(mut self) {
        loop {
            let link = self.link.clone();
            tokio::select! {
                () = self.member.wait() => {}
                () = self.sink.closed() => return,
                () = link.closed() => return,
            }
            let vhost = &self.wish.vhost;
            if self.engine.queue_name(vhost, self.head).is_none() {
                return;
            }
            self.give_up().await;
            let mut begun = self.begin().await;
            if begun
                .as_ref()
                .is_err_and(|refusal| refusal.kind == RefusalKind::NotFound)
            {
                // It may just have got another name.
                begun = self.begin().await;
            }
            if let Err(refusal) = begun {
                tracing::debug!(%refusal, queue = self.wish.queue, "a member of a group ends");
                // Its reader is told, and what it held is for others.
                for (_, consumer) in self.subscribed.drain() {
                    self.link.unsubscribe(consumer, HAND_OVER_MS).await;
                }
                return;
            }
        }
    }
}
