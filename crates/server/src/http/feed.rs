//! Deliveries on their way to one reader: those that were sent and may have been lost are kept until it is known that they arrived.
//!
//! A reader that goes without a word may have lost what was sent last. So the newest deliveries stay unacknowledged while they are
//! under way, and the whole feed is kept for a while after its connection broke: who comes back with the number of the last event
//! that it saw gets what follows that event, once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use broker::{Name, StreamOffset};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::caller::DEFAULT_VHOST;
use crate::gateway::{ConsumeWish, Delivered, Groups, Link, Settle, SettleKind};

/// How long a feed waits for its reader to come back.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// After so long a delivery has arrived if the connection still stands: the kernel gives up a peer that confirms nothing before that.
const ARRIVED_AFTER: Duration = Duration::from_secs(30);
/// How often feeds that nobody came back to are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A delivery that was sent.
struct Sent {
    number: u64,
    at: Instant,
    delivered: Delivered,
}

/// What a feed has for its reader.
pub(super) enum Next {
    /// A message, with its number in the feed.
    Message(u64, Delivered),
    /// Nothing for a while.
    Nothing,
    /// There will be no more: the queue is gone, or the login does not hold any more.
    End,
}

/// One reader's deliveries.
pub(super) struct Feed {
    link: Link,
    receiver: mpsc::Receiver<Delivered>,
    /// Sent, not yet acknowledged, oldest first.
    sent: VecDeque<Sent>,
    /// Sent before the reader came back, to be sent again.
    again: VecDeque<Sent>,
    /// Received, not yet sent.
    ready: VecDeque<Delivered>,
    count: u64,
    /// So many stay unacknowledged at most; 0 acknowledges what was handed to the connection.
    window: usize,
    written: usize,
    acks: Vec<Settle>,
}

/// How to feed a reader.
pub(super) struct FeedWish {
    pub(super) queue: String,
    pub(super) prefetch: u16,
    pub(super) group: Option<String>,
    pub(super) offset: Option<StreamOffset>,
    /// Whether what is sent is kept until it has surely arrived.
    pub(super) is_kept: bool,
}

impl Feed {
    /// Starts a consumer on a link of its own.
    ///
    /// # Errors
    /// The refusal.
    pub(super) async fn start(
        groups: &Groups,
        link: Link,
        wish: FeedWish,
    ) -> Result<Self, broker::Refusal> {
        let consume = ConsumeWish {
            vhost: DEFAULT_VHOST.to_owned(),
            queue: wish.queue,
            group: wish.group,
            prefetch: wish.prefetch,
            offset: wish.offset,
            exclusive: false,
            priority: 0,
            tag: None,
        };
        let receiver = groups.consume(&link, consume).await?;
        Ok(Self {
            link,
            receiver,
            sent: VecDeque::new(),
            again: VecDeque::new(),
            ready: VecDeque::new(),
            count: 0,
            window: if wish.is_kept {
                usize::from(wish.prefetch / 2)
            } else {
                0
            },
            written: 0,
            acks: Vec::new(),
        })
    }

    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// Waits for the next message, at most for `patience`.
    ///
    /// # Concurrency
    /// Not cancel safe: whoever drops the future drops the feed with it.
    pub(super) async fn next(&mut self, patience: Duration) -> Next {
        if let Some(sent) = self.again.pop_front() {
            let next = Next::Message(sent.number, sent.delivered.clone());
            self.sent.push_back(Sent {
                at: Instant::now(),
                ..sent
            });
            return next;
        }
        if self.ready.is_empty() {
            self.link.move_on(&mut self.acks, &mut self.written).await;
            let mut received = Vec::new();
            let receiving = self.receiver.recv_many(&mut received, 64);
            match tokio::time::timeout(patience, receiving).await {
                Ok(0) => return Next::End,
                Ok(_) => self.ready.extend(received),
                Err(_) => {
                    self.acknowledge_arrived();
                    return Next::Nothing;
                }
            }
        }
        let Some(delivered) = self.ready.pop_front() else {
            return Next::Nothing;
        };
        self.count += 1;
        self.written += delivered.outbox_bytes;
        self.sent.push_back(Sent {
            number: self.count,
            at: Instant::now(),
            delivered: delivered.clone(),
        });
        while self.sent.len() > self.window {
            self.acknowledge_oldest();
        }
        Next::Message(self.count, delivered)
    }

    /// The reader is back and has seen everything up to an event.
    pub(super) fn resume(&mut self, seen: u64) {
        while self.sent.front().is_some_and(|sent| sent.number <= seen) {
            self.acknowledge_oldest();
        }
        self.again = std::mem::take(&mut self.sent);
    }

    /// Acknowledges what was sent long ago over a connection that still stands.
    fn acknowledge_arrived(&mut self) {
        while self
            .sent
            .front()
            .is_some_and(|sent| sent.at.elapsed() >= ARRIVED_AFTER)
        {
            self.acknowledge_oldest();
        }
    }

    fn acknowledge_oldest(&mut self) {
        let lease = self.sent.pop_front().and_then(|sent| sent.delivered.lease);
        self.acks.extend(lease.map(|lease| Settle {
            lease,
            kind: SettleKind::Ack,
        }));
    }
}

/// Feeds whose readers went away and may come back.
#[derive(Clone, Default)]
pub(super) struct Feeds(Arc<Mutex<HashMap<String, Kept>>>);

struct Kept {
    feed: Feed,
    login: Name,
    queue: String,
    until: Instant,
}

/// A feed while it is read; when its reader goes it is kept for a while.
pub(super) struct Reading {
    pub(super) token: String,
    feed: Option<Feed>,
    login: Name,
    queue: String,
    feeds: Feeds,
}

impl Feeds {
    /// Begins to read a feed.
    pub(super) fn read(&self, feed: Feed, login: Name, queue: String) -> Reading {
        Reading {
            token: engine::accounts::random_name(),
            feed: Some(feed),
            login,
            queue,
            feeds: self.clone(),
        }
    }

    /// Goes on with a feed whose reader comes back.
    pub(super) fn resume(
        &self,
        token: &str,
        seen: u64,
        login: &Name,
        queue: &str,
    ) -> Option<Reading> {
        let mut kept = self.lock();
        let is_theirs = |kept: &Kept| kept.login == *login && kept.queue == queue;
        if !kept.get(token).is_some_and(is_theirs) {
            return None;
        }
        let Kept { mut feed, .. } = kept.remove(token)?;
        feed.resume(seen);
        Some(Reading {
            token: token.to_owned(),
            feed: Some(feed),
            login: login.clone(),
            queue: queue.to_owned(),
            feeds: self.clone(),
        })
    }

    /// Drops feeds that nobody came back to, until the task is dropped.
    pub(crate) async fn sweep(self) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            interval.tick().await;
            let now = Instant::now();
            self.lock().retain(|_, kept| kept.until > now);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// The feed, until it has ended.
    pub(super) const fn feed(&mut self) -> Option<&mut Feed> {
        self.feed.as_mut()
    }

    /// Nobody is to come back: the feed has ended.
    pub(super) fn end(&mut self) {
        self.feed = None;
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let Some(feed) = self.feed.take().filter(|feed| feed.window > 0) else {
            return;
        };
        let kept = Kept {
            feed,
            login: self.login.clone(),
            queue: std::mem::take(&mut self.queue),
            until: Instant::now() + KEPT_FOR,
        };
        self.feeds.lock().insert(self.token.clone(), kept);
    }
}
