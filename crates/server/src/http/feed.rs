//! Deliveries on their way to one reader: those that it may not have read are kept until it has shown that it has.
//!
//! A server learns what a socket took, never what a reader has read: a reader that stalls or goes without a word loses what lies in the
//! buffers between. So nothing of a queue is acknowledged for having been sent. The one proof is a reader that comes back with the number of
//! the last event that it saw: what it saw is acknowledged, what follows is sent again, once. With as much unproven as is allowed, the
//! answer ends, which asks the reader back. A feed waits a while for its reader; then everything unproven goes back to its queue.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use broker::{Name, QueueRef, StreamOffset};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant};

use super::caller::DEFAULT_VHOST;
use crate::gateway::{ConsumeWish, Delivered, Groups, Link, Settle, SettleKind};

/// How long a feed waits for its reader to come back.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How often feeds that nobody came back to are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Unproven bytes of bodies after which a reader is asked back, as with a full prefetch: they are held in memory.
const UNPROVEN_BYTES_MAX: usize = 8 << 20;
/// Deliveries that are taken from the link at once.
const RECEIVED_AT_ONCE: usize = 64;

/// A delivery that was sent.
struct Sent {
    number: u64,
    delivered: Delivered,
}

/// What a feed has for its reader.
pub(super) enum Next {
    /// A message, with its number in the feed.
    Message(u64, Delivered),
    /// As much was sent as may be unproven: the reader is to come back.
    Full,
    /// The reader came back by another connection, which has the feed now.
    Elsewhere,
    /// There will be no more: the queue is gone, or the login does not hold any more.
    End,
}

/// One reader's deliveries.
pub(super) struct Feed {
    link: Link,
    receiver: mpsc::Receiver<Delivered>,
    /// Sent, not yet acknowledged, oldest first.
    sent: VecDeque<Sent>,
    sent_bytes: usize,
    /// Sent before the reader came back, to be sent again.
    again: VecDeque<Sent>,
    /// Received, not yet sent.
    ready: VecDeque<Delivered>,
    count: u64,
    prefetch: usize,
    /// How many of one partition may be unacknowledged, and how many are: one that has used that up is not to wait for the others.
    prefetch_each: usize,
    sent_each: HashMap<QueueRef, usize>,
    is_kept: bool,
    written: usize,
    acks: Vec<Settle>,
}

/// How to feed a reader.
pub(super) struct FeedWish {
    pub(super) queue: String,
    pub(super) prefetch: u16,
    pub(super) group: Option<String>,
    pub(super) offset: Option<StreamOffset>,
    /// Whether what is sent is kept until the reader has shown that it saw it.
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
        let consumed = groups.consume(&link, consume).await?;
        Ok(Self {
            link,
            receiver: consumed.receiver,
            prefetch_each: consumed.prefetch,
            sent_each: HashMap::new(),
            sent: VecDeque::new(),
            sent_bytes: 0,
            again: VecDeque::new(),
            ready: VecDeque::new(),
            count: 0,
            prefetch: usize::from(wish.prefetch),
            is_kept: wish.is_kept,
            written: 0,
            acks: Vec::new(),
        })
    }

    /// Waits for what is next; the link is told of everything before.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if self.is_kept && self.is_full() {
            return Poll::Ready(Next::Full);
        }
        if let Some(Sent { number, delivered }) = self.again.pop_front() {
            return Poll::Ready(self.send(number, delivered));
        }
        if self.ready.is_empty() {
            self.tell_link();
            let mut received = Vec::new();
            let receiving = self
                .receiver
                .poll_recv_many(context, &mut received, RECEIVED_AT_ONCE);
            if ready!(receiving) == 0 {
                return Poll::Ready(Next::End);
            }
            self.ready.extend(received);
        }
        let Some(delivered) = self.ready.pop_front() else {
            return Poll::Pending;
        };
        self.count += 1;
        self.written += delivered.outbox_bytes;
        Poll::Ready(self.send(self.count, delivered))
    }

    fn is_full(&self) -> bool {
        let last = self.sent.back().map(|sent| sent.delivered.queue);
        let of_last = last.and_then(|queue| self.sent_each.get(&queue));
        self.sent.len() >= self.prefetch
            || self.sent_bytes >= UNPROVEN_BYTES_MAX
            || of_last.is_some_and(|count| *count >= self.prefetch_each)
    }

    fn send(&mut self, number: u64, delivered: Delivered) -> Next {
        self.sent_bytes += delivered.message.body().len();
        *self.sent_each.entry(delivered.queue).or_default() += 1;
        self.sent.push_back(Sent {
            number,
            delivered: delivered.clone(),
        });
        if !self.is_kept {
            self.acknowledge_oldest();
        }
        Next::Message(number, delivered)
    }

    /// The reader is back and has seen everything up to an event.
    fn resume(&mut self, seen: u64) {
        // What it had not been sent again yet comes behind what it had.
        let mut unproven = std::mem::take(&mut self.sent);
        unproven.append(&mut self.again);
        self.sent = unproven;
        while self.sent.front().is_some_and(|sent| sent.number <= seen) {
            self.acknowledge_oldest();
        }
        self.again = std::mem::take(&mut self.sent);
        self.sent_bytes = 0;
        self.sent_each.clear();
    }

    fn acknowledge_oldest(&mut self) {
        let Some(Sent { delivered, .. }) = self.sent.pop_front() else {
            return;
        };
        let bytes = delivered.message.body().len();
        self.sent_bytes = self.sent_bytes.saturating_sub(bytes);
        if let Some(count) = self.sent_each.get_mut(&delivered.queue) {
            *count = count.saturating_sub(1);
        }
        self.acks.extend(delivered.lease.map(|lease| Settle {
            lease,
            kind: SettleKind::Ack,
        }));
    }

    /// Tells the link what left and what was seen. Nobody waits for that: the link may be as slow as it likes.
    fn tell_link(&mut self) {
        let (acks, written) = (std::mem::take(&mut self.acks), self.written);
        self.written = 0;
        if acks.is_empty() && written == 0 {
            return;
        }
        let link = self.link.clone();
        tokio::spawn(async move {
            if !acks.is_empty() {
                link.settle_silently(acks).await;
            }
            if written > 0 {
                link.written(written).await;
            }
        });
    }
}

/// Feeds that are read, or whose readers went away and may come back.
#[derive(Clone, Default)]
pub(super) struct Feeds(Arc<Mutex<HashMap<String, Slot>>>);

type Slot = Arc<Mutex<Held>>;

/// A feed with whoever reads it.
struct Held {
    /// `None` once it has ended.
    feed: Option<Feed>,
    /// The reader that has it: each one that comes back has a higher number.
    reader: u64,
    waker: Option<Waker>,
    /// How long it is kept, while nobody reads it.
    until: Option<Instant>,
    login: Name,
    queue: String,
}

/// One connection's way to a feed; when it goes the feed is kept for a while.
pub(super) struct Reading {
    token: String,
    link: Link,
    slot: Slot,
    reader: u64,
    feeds: Feeds,
}

impl Feeds {
    /// Begins to read a feed.
    pub(super) fn read(&self, feed: Feed, login: Name, queue: String) -> Reading {
        let token = engine::accounts::random_name();
        let (link, is_kept) = (feed.link.clone(), feed.is_kept);
        let slot = Arc::new(Mutex::new(Held {
            feed: Some(feed),
            reader: 0,
            waker: None,
            until: None,
            login,
            queue,
        }));
        if is_kept {
            self.lock().insert(token.clone(), slot.clone());
        }
        Reading {
            token,
            link,
            slot,
            reader: 0,
            feeds: self.clone(),
        }
    }

    /// Goes on with a feed whose reader comes back, also when nobody has noticed yet that its connection broke.
    pub(super) fn resume(
        &self,
        token: &str,
        seen: u64,
        login: &Name,
        queue: &str,
    ) -> Option<Reading> {
        let slot = self.lock().get(token)?.clone();
        let mut held = lock(&slot);
        if held.login != *login || held.queue != queue {
            return None;
        }
        let feed = held.feed.as_mut()?;
        feed.resume(seen);
        // At once: the connection may go before the answer is read to its end.
        feed.tell_link();
        let link = feed.link.clone();
        held.reader += 1;
        held.until = None;
        let reader = held.reader;
        if let Some(waker) = held.waker.take() {
            waker.wake();
        }
        drop(held);
        Some(Reading {
            token: token.to_owned(),
            link,
            slot,
            reader,
            feeds: self.clone(),
        })
    }

    /// Drops feeds that nobody came back to, until the task is dropped.
    pub(crate) async fn sweep(self) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            interval.tick().await;
            let now = Instant::now();
            let is_kept = |held: &Held| held.until.is_none_or(|until| until > now);
            self.lock().retain(|_, slot| is_kept(&lock(slot)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Held> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reading {
    /// The name by which the feed is found again.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    /// Waits for what is next; nothing is lost when the wait is given up.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        let mut held = lock(&self.slot);
        if held.reader != self.reader {
            return Poll::Ready(Next::Elsewhere);
        }
        let next = match held.feed.as_mut() {
            Some(feed) => feed.poll_next(context),
            None => Poll::Ready(Next::End),
        };
        if next.is_pending() {
            held.waker = Some(context.waker().clone());
        }
        if let Poll::Ready(Next::End) = next {
            held.feed = None;
        }
        next
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut held = lock(&self.slot);
        if held.reader != self.reader {
            return;
        }
        held.waker = None;
        held.until = Some(Instant::now() + KEPT_FOR);
        let is_over = held.feed.is_none();
        drop(held);
        if is_over {
            self.feeds.lock().remove(&self.token);
        }
    }
}
