//! One connection's end of the engine: batches of input go down, events come back.

mod batch;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use broker::access::Access;
use broker::topology::{Actor, RouteCache, Routes};
use broker::{
    ConnectionId, ConsumerNumber, Event, Name, OutboxGauge, QueueRef, Refusal, Request, Sink,
};

pub use batch::Batch;

use crate::accounts::Login;
use crate::mailbox::{Letter, Settlement};
use crate::quotas::{Meter, PublishWait};
use crate::shard::Shard;

/// What listings show of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// The account.
    pub login: Name,
    /// The virtual host.
    pub vhost: Name,
    /// Where it comes from.
    pub peer: String,
    /// The protocol, such as `AMQP 0-9-1`.
    pub protocol: &'static str,
    /// The name that the client gave the connection.
    pub name: Option<String>,
    /// What the client says it is.
    pub client: Option<String>,
    /// When it was opened, in milliseconds since 1970.
    pub connected_at_ms: u64,
    /// How many channels it has open; its task keeps it true.
    pub channels: Arc<AtomicU32>,
}

/// One connection of an account to a virtual host, on the shard that hosts it.
///
/// Close it with [`Connection::close`]; a connection that is dropped open leaves its consumers behind.
#[derive(Debug)]
pub struct Connection {
    shard: Rc<Shard>,
    id: ConnectionId,
    login: Login,
    access: Arc<Access>,
    access_version: u64,
    /// Of an account whose publishes have a bound.
    meter: Option<Arc<Meter>>,
    routes: RouteCache,
    /// Messages that the chat was given.
    posts: u64,
    gauge: Arc<OutboxGauge>,
    consumers: HashMap<ConsumerNumber, Consumer>,
    exclusive: Vec<QueueRef>,
    requests: Vec<(u16, Request)>,
    touched: Routes,
    settlements: Vec<Vec<Settlement>>,
    /// How many shards still have to answer a sync.
    pub(crate) syncing: u32,
    spare: Vec<Event>,
}

#[derive(Debug)]
pub(crate) enum Consumer {
    Queue(QueueRef),
    Replies(String),
}

impl Shard {
    /// Opens a connection on this shard.
    ///
    /// # Errors
    /// `NotAllowed` when the virtual host does not exist or the account has no rights there.
    pub fn connect(
        self: &Rc<Self>,
        login: Login,
        vhost: &str,
        info: ConnectionInfo,
        gauge: Arc<OutboxGauge>,
    ) -> Result<Connection, Refusal> {
        let not_allowed = |detail| Refusal::new(broker::RefusalKind::NotAllowed, detail);
        let access_version = self.shared.accounts.version();
        let access = self.shared.accounts.access(&login, vhost);
        if self.shared.topology().vhost(vhost).is_none() {
            return Err(not_allowed(format!("vhost {vhost} not found")));
        }
        let refused = || {
            not_allowed(format!(
                "access to vhost '{vhost}' refused for user '{}'",
                login.name
            ))
        };
        let access = access.ok_or_else(refused)?;
        if self.shared.is_draining.load(Ordering::Relaxed) {
            return Err(Refusal::new(
                broker::RefusalKind::Unavailable,
                "the server is shutting down",
            ));
        }
        let id = {
            let outboxes = &mut self.state.borrow_mut().outboxes;
            let id = outboxes.open();
            if let Some(reason) = self.shared.alarms.reason() {
                outboxes.event(id, Event::Blocked(reason));
            }
            id
        };
        tracing::debug!(
            connection = id.0, protocol = info.protocol, peer = info.peer, login = %login.name, vhost,
            "connection opened"
        );
        self.shared.connections.insert(id, info, login.clone());
        // Whoever takes a right or a login away looks for connections afterwards: what was taken before this one could be found.
        let is_void = self.shared.accounts.version() != access_version
            && self.shared.accounts.access(&login, vhost).is_none();
        let checked = if is_void {
            Err(refused())
        } else {
            self.shared.check_connections(&login)
        };
        if let Err(refusal) = checked {
            self.shared.connections.remove(id);
            drop(self.state.borrow_mut().outboxes.close(id));
            return Err(refusal);
        }
        if let Some(author) = self.shared.connections.author(id) {
            self.shared.audit(author.connected(vhost));
        }
        let shards = self.shared.mailboxes.len();
        Ok(Connection {
            shard: self.clone(),
            id,
            meter: self.shared.meter_of(&login),
            login,
            access,
            access_version,
            routes: RouteCache::default(),
            posts: 0,
            gauge,
            consumers: HashMap::new(),
            exclusive: Vec::new(),
            requests: Vec::new(),
            touched: Routes::new(),
            settlements: (0..shards).map(|_| Vec::new()).collect(),
            syncing: 0,
            spare: Vec::new(),
        })
    }
}

impl Connection {
    /// The connection's identity.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        self.id
    }

    /// The shard that hosts it.
    #[must_use]
    pub const fn shard(&self) -> &Rc<Shard> {
        &self.shard
    }

    /// Begins a batch: the topology is read once for all that it does. Call [`Batch::finish`] at its end.
    pub fn batch(&mut self) -> Batch<'_> {
        if self.access_version != self.shard.shared.accounts.version() {
            self.reload_access();
        }
        let Self {
            shard,
            id,
            access,
            routes,
            posts,
            gauge,
            consumers,
            requests,
            touched,
            settlements,
            ..
        } = self;
        let now_ms = shard.shared.clock.now_ms();
        let topology = shard.shared.topology();
        let mut state = shard.state.borrow_mut();
        // Whatever the topology shows must be there.
        shard.admit(&mut state, now_ms);
        Batch {
            topology,
            state,
            shard,
            id: *id,
            access,
            routes,
            posts,
            gauge,
            consumers,
            requests,
            touched,
            settlements,
            now_ms,
            remote: None,
        }
    }

    /// Notes that messages were published, for the bounds of the account.
    pub fn note_published(&self, messages: u64) {
        if let Some(meter) = &self.meter {
            meter.note(messages, self.shard.shared.clock.now_ms());
        }
    }

    /// Says until when the account may publish nothing more, and why: it published too much, or its queues hold too much.
    #[must_use]
    pub fn publish_wait(&mut self) -> Option<PublishWait> {
        if self.access_version != self.shard.shared.accounts.version() {
            self.reload_access();
        }
        let now_ms = self.shard.shared.clock.now_ms();
        self.meter.as_ref()?.wait(&self.login.name, now_ms)
    }

    /// An account's rights may change while it is connected; without any left it can do nothing more.
    fn reload_access(&mut self) {
        self.access_version = self.shard.shared.accounts.version();
        self.meter = self.shard.shared.meter_of(&self.login);
        self.routes.clear();
        match self
            .shard
            .shared
            .accounts
            .access(&self.login, &self.access.vhost)
        {
            Some(access) => self.access = access,
            None => self.access = Arc::new(self.access.without_rights()),
        }
    }

    /// Carries out the requests that batches left; each is answered by an event.
    pub fn run_requests(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let now_ms = self.shard.shared.clock.now_ms();
        let mut requests = std::mem::take(&mut self.requests);
        for (channel, request) in requests.drain(..) {
            self.run_request(channel, request, now_ms);
        }
        self.requests = requests;
        self.shard.finish(now_ms);
    }

    /// Takes the events that have come; when there are none, `waker` is woken by the next.
    pub fn take_events(&mut self, waker: Option<&Waker>) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.spare);
        self.shard
            .state
            .borrow_mut()
            .outboxes
            .take(self.id, &mut events, waker);
        if self.syncing > 0 {
            self.count_syncs(&mut events);
        }
        events
    }

    /// Gives back the vector of [`Self::take_events`] for its memory.
    pub fn give_back(&mut self, mut events: Vec<Event>) {
        events.clear();
        if events.capacity() <= 4_096 {
            self.spare = events;
        }
    }

    /// Passes on one answer to a sync when all shards have given theirs.
    fn count_syncs(&mut self, events: &mut Vec<Event>) {
        let syncing = &mut self.syncing;
        events.retain(|event| {
            let is_answer = *syncing > 0
                && matches!(
                    event,
                    Event::Replied {
                        result: Ok(broker::Reply::Done),
                        ..
                    }
                );
            if is_answer {
                *syncing -= 1;
            }
            !is_answer || *syncing == 0
        });
    }

    /// Notes that bytes of deliveries were written; serves consumers again that were passed over.
    pub fn written(&mut self, bytes: usize) {
        if bytes == 0 || !self.gauge.written(bytes) {
            return;
        }
        let now_ms = self.shard.shared.clock.now_ms();
        let places = self
            .consumers
            .values()
            .filter_map(|consumer| match consumer {
                Consumer::Queue(place) => Some(*place),
                Consumer::Replies(_) => None,
            });
        let mut places: Routes = places.collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            self.gauge.resumed();
        }
        for place in places {
            self.shard.post(
                place.shard,
                Letter::Resume {
                    place,
                    connection: self.id,
                },
                now_ms,
            );
        }
        self.shard.finish(now_ms);
        self.shard.wake_paced();
    }

    /// Takes the connection out of the broker after its session has settled what it held: consumers, exclusive queues, the outbox.
    pub fn close(mut self) {
        let now_ms = self.shard.shared.clock.now_ms();
        for (consumer, kind) in std::mem::take(&mut self.consumers) {
            self.end_consumer(consumer, kind, None, now_ms);
        }
        let left = self.shard.state.borrow_mut().outboxes.close(self.id);
        for event in left {
            self.shard.return_undelivered(self.id, event, now_ms);
        }
        for place in std::mem::take(&mut self.exclusive) {
            let letter = Letter::Delete {
                place,
                if_unused: false,
                if_empty: false,
                answer: None,
            };
            self.shard.post(place.shard, letter, now_ms);
        }
        self.shard.finish(now_ms);
        // Only now: whoever waits for the last connection stops the shards.
        self.shard.shared.connections.remove(self.id);
        tracing::debug!(connection = self.id.0, "connection closed");
    }

    pub(crate) fn end_consumer(
        &self,
        consumer: ConsumerNumber,
        kind: Consumer,
        answer: Option<u16>,
        now_ms: u64,
    ) {
        match kind {
            Consumer::Queue(place) => {
                let letter = Letter::Cancel {
                    place,
                    connection: self.id,
                    consumer,
                    answer,
                };
                self.shard.post(place.shard, letter, now_ms);
            }
            Consumer::Replies(name) => self.shard.shared.replies.close(&name),
        }
    }

    pub(crate) fn actor(&self) -> Actor<'_> {
        Actor {
            connection: self.id,
            access: Some(&self.access),
        }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn shared_access(&self) -> Arc<Access> {
        self.access.clone()
    }

    pub(crate) fn add_consumer(&mut self, consumer: ConsumerNumber, place: QueueRef) {
        self.consumers.insert(consumer, Consumer::Queue(place));
    }

    pub(crate) fn take_consumer(&mut self, consumer: ConsumerNumber) -> Option<Consumer> {
        self.consumers.remove(&consumer)
    }

    pub(crate) fn add_exclusive(&mut self, place: QueueRef) {
        self.exclusive.push(place);
    }
}
