//! Links into the engine for threads that are no shard's: HTTP and gRPC run on threads of their own, connections live on shards.
//!
//! A [`Link`] is one engine connection. Its agent is a task on the thread of the shard that hosts it; commands go there by a
//! bounded channel, answers come back by one-shot channels, deliveries by the channel that a subscription names. The agent holds
//! what was delivered under leases, and gives all of it back when the link closes.
//!
//! It knows neither HTTP nor gRPC, and decides nothing about rights: the engine does, as for every other door.
//!
//! Start reading at [`Gateway::link`].

mod agent;
mod calls;
mod command;
mod desk;
mod draft;
mod groups;
mod leases;
mod publishing;
mod pulls;
mod queues;
mod traced;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use broker::{ConsumerNumber, Message, Name, OutboxGauge, Refusal, RefusalKind};
use engine::accounts::Login;
use engine::{ConnectionInfo, Handle, Shard};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};

use agent::Agent;
use command::Command;
pub(crate) use command::{
    Deliver, Delivered, Outgoing, PublishOutcome, Pull, PullFrom, Request, Settle, SettleKind,
    Subscription,
};
pub(crate) use draft::{DEDUPLICATION_HEADER, Draft};
pub(crate) use groups::{ConsumeWish, GroupView, Groups};
pub(crate) use leases::{LEASE_MS_MAX, LeaseId};
use publishing::Sender;
use traced::{PublishUnderWay, Tracing};

use crate::traces::{Place, Traces, Watch};

/// Commands that may wait for one agent.
const COMMANDS_WAITING_MAX: usize = 256;
/// A shared link that nobody used for this long, and that holds no lease, is closed.
const IDLE: Duration = Duration::from_secs(60);
/// How often idle links are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// Opens links; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway(Arc<Inner>);

struct Inner {
    engine: Handle,
    groups: Groups,
    desks: Vec<mpsc::UnboundedSender<Opening>>,
    traces: Option<Traces>,
    next: AtomicUsize,
    shared: Mutex<HashMap<SharedKey, Shared>>,
}

/// Whose link it is: the account, its session if it has one, and the virtual host.
type SharedKey = (Name, Option<String>, String);

struct Shared {
    link: Link,
    used: Instant,
}

/// What a shard needs to make an agent.
pub(crate) struct Opening {
    login: Login,
    info: ConnectionInfo,
    commands: mpsc::Receiver<Command>,
    leases_held: Arc<AtomicUsize>,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

/// One engine connection, spoken to from any thread. It closes when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Link {
    commands: mpsc::Sender<Command>,
    /// Tells this link's leases from those of another that was closed.
    nonce: Arc<str>,
    leases_held: Arc<AtomicUsize>,
    tracing: Tracing,
    tickets: Arc<AtomicU64>,
}

/// Something that was asked of a link.
pub(crate) struct UnderWay<T>(oneshot::Receiver<T>);

impl<T> UnderWay<T> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The link closed.
    pub(crate) async fn wait(self) -> Result<T, Refusal> {
        self.0.await.map_err(|_| closed())
    }
}

/// Who opens a link, for listings.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    /// Where from.
    pub(crate) peer: String,
    /// Through which door.
    pub(crate) door: &'static str,
    /// What the client calls itself.
    pub(crate) client: Option<String>,
}

impl Gateway {
    /// Makes a gateway over as many shards as there are desks.
    pub(crate) fn new(
        engine: Handle,
        desks: Vec<mpsc::UnboundedSender<Opening>>,
        traces: Option<Traces>,
    ) -> Self {
        Self(Arc::new(Inner {
            groups: Groups::new(engine.clone()),
            engine,
            desks,
            traces,
            next: AtomicUsize::new(0),
            shared: Mutex::default(),
        }))
    }

    /// The engine behind it.
    pub(crate) fn engine(&self) -> &Handle {
        &self.0.engine
    }

    /// The groups that share queues and streams.
    pub(crate) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    /// Finds or opens the link that all short requests of a session to a virtual host share, or of an account that shows its
    /// password each time; its leases are theirs.
    ///
    /// # Errors
    /// `NotAllowed` when the account has no rights in the virtual host, `Unavailable` while the server stops.
    pub(crate) async fn link(
        &self,
        login: &Login,
        vhost: &str,
        origin: &Origin,
    ) -> Result<Link, Refusal> {
        let session = login.session().map(str::to_owned);
        let key = (login.name.clone(), session, vhost.to_owned());
        if let Some(link) = self.find_shared(&key) {
            return Ok(link.for_request(origin));
        }
        let link = self.open(login, vhost, origin).await?;
        let mut shared = self.shared();
        // Another request may have been faster.
        if let Some(known) = shared.get(&key)
            && known.link.is_open()
        {
            return Ok(known.link.clone().for_request(origin));
        }
        let entry = Shared {
            link: link.clone(),
            used: Instant::now(),
        };
        shared.insert(key, entry);
        Ok(link)
    }

    /// Opens a link of one's own, as for a stream of deliveries.
    ///
    /// # Errors
    /// As [`Self::link`].
    pub(crate) async fn open(
        &self,
        login: &Login,
        vhost: &str,
        origin: &Origin,
    ) -> Result<Link, Refusal> {
        let (commands, inbox) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (answer, answered) = oneshot::channel();
        let leases_held = Arc::new(AtomicUsize::new(0));
        let info = ConnectionInfo {
            login: login.name.clone(),
            vhost: vhost.into(),
            peer: origin.peer.clone(),
            protocol: origin.door,
            name: None,
            client: origin.client.clone(),
            connected_at_ms: self.0.engine.now_ms(),
            channels: Arc::default(),
        };
        let opening = Opening {
            login: login.clone(),
            info,
            commands: inbox,
            leases_held: leases_held.clone(),
            answer,
        };
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed) % self.0.desks.len().max(1);
        let desk = self.0.desks.get(turn).ok_or_else(stopping)?;
        if desk.send(opening).is_err() {
            return Err(stopping());
        }
        answered.await.unwrap_or_else(|_| Err(stopping()))?;
        let nonce: String = engine::accounts::random_name().chars().take(8).collect();
        Ok(Link {
            commands,
            nonce: nonce.into(),
            leases_held,
            tracing: Tracing::new(self.0.traces.as_ref(), vhost, origin),
            tickets: Arc::default(),
        })
    }

    fn find_shared(&self, key: &SharedKey) -> Option<Link> {
        let mut shared = self.shared();
        let entry = shared.get_mut(key)?;
        if !entry.link.is_open() {
            shared.remove(key);
            return None;
        }
        entry.used = Instant::now();
        Some(entry.link.clone())
    }

    /// Closes shared links that nobody uses, until the task is dropped.
    pub(crate) async fn sweep(self) {
        let mut interval = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            interval.tick().await;
            self.shared().retain(|_, entry| {
                let is_used = entry.used.elapsed() < IDLE || entry.link.is_used();
                is_used && entry.link.is_open()
            });
        }
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, HashMap<SharedKey, Shared>> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn for_request(mut self, origin: &Origin) -> Self {
        self.tracing.renew(origin);
        self
    }

    /// Says whether the engine's end is there.
    pub(crate) fn is_open(&self) -> bool {
        !self.commands.is_closed()
    }

    fn is_used(&self) -> bool {
        // One clone is the gateway's own.
        Arc::strong_count(&self.nonce) > 1 || self.leases_held.load(Ordering::Relaxed) > 0
    }

    /// Waits until the engine's end closes: the account lost its rights, the session was revoked, the server stops.
    pub(crate) async fn closed(&self) {
        self.commands.closed().await;
    }

    /// Publishes messages in order; answers once every one is safe or refused.
    ///
    /// # Durability
    /// A persistent message that a durable queue took is on disk.
    ///
    /// # Errors
    /// The link closed before the end was known. Each message has an outcome of its own.
    pub(crate) async fn publish(
        &self,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<Result<PublishOutcome, Refusal>>, Refusal> {
        self.begin_publish(messages).await?.wait().await
    }

    /// Publishes messages behind those of earlier calls, and leaves the waiting to the caller.
    ///
    /// # Errors
    /// The link closed; nothing was published.
    pub(crate) async fn begin_publish(
        &self,
        mut messages: Vec<Outgoing>,
    ) -> Result<PublishUnderWay, Refusal> {
        let (answer, answered) = oneshot::channel();
        let traced = self.tracing.begin_publishes(&mut messages);
        let command = Command::Publish { messages, answer };
        self.commands.send(command).await.map_err(|_| closed())?;
        Ok(PublishUnderWay {
            answer: UnderWay(answered),
            traced,
        })
    }

    /// Carries out a request of the broker's, such as a declaration.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn request(&self, request: broker::Request) -> Result<broker::Reply, Refusal> {
        self.ask(|answer| Command::Broker { request, answer })
            .await?
    }

    /// Takes messages from a queue that is not split under leases, or reads a stream by itself; [`Groups::pull`] does either and the rest.
    /// Whoever drops the future stops waiting, and takes nothing.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn pull(&self, pull: Pull) -> Result<Vec<Delivered>, Refusal> {
        self.begin_pull(pull).await?.wait().await
    }

    /// Begins a pull and leaves the waiting to the caller.
    async fn begin_pull(&self, pull: Pull) -> Result<PullUnderWay, Refusal> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let command = Command::Pull {
            pull,
            ticket,
            answer,
        };
        self.commands.send(command).await.map_err(|_| closed())?;
        Ok(PullUnderWay {
            answered,
            interest: Interest {
                commands: self.commands.clone(),
                ticket: Some(ticket),
            },
        })
    }

    /// Ends a pull whose answer is waited for: it comes with what there is by then.
    async fn end_pull(&self, ticket: u64) {
        // A link that closed has no pulls.
        let _ = self.commands.send(Command::GiveUp { ticket }).await;
    }

    /// Settles or extends leases; one answer each, in order: false for a lease that is not held.
    ///
    /// # Errors
    /// The link closed.
    pub(crate) async fn settle(&self, settles: Vec<Settle>) -> Result<Vec<bool>, Refusal> {
        self.ask(|answer| Command::Settle {
            settles,
            answer: Some(answer),
        })
        .await
    }

    /// Settles without waiting for an answer.
    pub(crate) async fn settle_silently(&self, settles: Vec<Settle>) {
        let command = Command::Settle {
            settles,
            answer: None,
        };
        // A link that closed gives back what it held by itself.
        let _ = self.commands.send(command).await;
    }

    /// Starts a consumer of one queue whose deliveries go to the subscription's channel; [`Groups::consume`] starts those of all kinds.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn subscribe(
        &self,
        subscription: Subscription,
    ) -> Result<ConsumerNumber, Refusal> {
        self.ask(|answer| Command::Subscribe {
            subscription,
            answer,
        })
        .await?
    }

    /// Stops a consumer. What it has not settled it may keep for so many milliseconds.
    async fn unsubscribe(&self, consumer: ConsumerNumber, keep_ms: u64) {
        let command = Command::Unsubscribe { consumer, keep_ms };
        // A link that closed has no consumers.
        let _ = self.commands.send(command).await;
    }

    /// Checks that messages may be taken from a queue.
    ///
    /// # Errors
    /// The refusal.
    async fn check_readable(&self, queue: &str) -> Result<(), Refusal> {
        let queue = queue.to_owned();
        self.request(broker::Request::MayRead { queue }).await?;
        Ok(())
    }

    /// Notes that deliveries of so many bytes left for the peer, so that more may come.
    pub(crate) async fn written(&self, bytes: usize) {
        let _ = self.commands.send(Command::Written { bytes }).await;
    }

    /// Settles without waiting for an answer, and notes that deliveries of so many bytes left; both are empty afterwards.
    pub(crate) async fn move_on(&self, settles: &mut Vec<Settle>, written: &mut usize) {
        if !settles.is_empty() {
            self.settle_silently(std::mem::take(settles)).await;
        }
        if *written > 0 {
            self.written(std::mem::take(written)).await;
        }
    }

    /// Sends a request to a queue and waits for the reply of a worker.
    ///
    /// # Errors
    /// The refusal; `NotFound` when no queue took the request.
    pub(crate) async fn call(&self, mut request: Request) -> Result<Delivered, Refusal> {
        let traced = self.tracing.begin_asking(&mut request);
        let command = |answer| Command::Call {
            request: Box::new(request),
            answer,
        };
        let reply = self.ask(command).await?;
        if let Some(traced) = traced {
            traced.finish(reply.is_ok());
        }
        reply
    }

    /// Finds the message of a lease; `None` when it is not held.
    ///
    /// # Errors
    /// The link closed.
    pub(crate) async fn look(&self, lease: LeaseId) -> Result<Option<Arc<Message>>, Refusal> {
        self.ask(|answer| Command::Look { lease, answer }).await
    }

    /// Names a lease towards clients.
    pub(crate) fn lease_name(&self, lease: LeaseId) -> String {
        format!("{}-{}", self.nonce, lease.0)
    }

    /// Reads a lease's name; `None` when it is none of this link's.
    pub(crate) fn lease_of(&self, name: &str) -> Option<LeaseId> {
        let (nonce, number) = name.rsplit_once('-')?;
        (*nonce == *self.nonce).then(|| number.parse().ok().map(LeaseId))?
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.commands
            .send(command(answer))
            .await
            .map_err(|_| closed())?;
        UnderWay(answered).wait().await
    }
}

/// A pull that was begun. Whoever drops it stops waiting, and takes nothing.
struct PullUnderWay {
    answered: oneshot::Receiver<Result<Vec<Delivered>, Refusal>>,
    interest: Interest,
}

impl PullUnderWay {
    /// What [`Link::end_pull`] knows it by.
    fn ticket(&self) -> Option<u64> {
        self.interest.ticket
    }

    async fn wait(mut self) -> Result<Vec<Delivered>, Refusal> {
        let pulled = (&mut self.answered).await.map_err(|_| closed());
        self.interest.ticket = None;
        pulled?
    }
}

/// Somebody waits for a pull.
struct Interest {
    commands: mpsc::Sender<Command>,
    /// `None` once it was answered.
    ticket: Option<u64>,
}

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            // With no room for the command its consumer stays until its time is up.
            let _ = self.commands.try_send(Command::GiveUp { ticket });
        }
    }
}

/// Makes agents for links on a shard, until the gateway is gone; runs on the shard's thread.
pub(crate) async fn serve_desk(
    shard: Rc<Shard>,
    mut openings: mpsc::UnboundedReceiver<Opening>,
    traces: Option<Traces>,
) {
    while let Some(opening) = openings.recv().await {
        let Opening {
            login,
            info,
            commands,
            leases_held,
            answer,
        } = opening;
        let gauge = Arc::new(OutboxGauge::default());
        let vhost = info.vhost.clone();
        let watch = traces.clone().map(|traces| {
            let place = Place {
                door: info.protocol,
                vhost: vhost.clone(),
            };
            Box::new(Watch::of_link(traces, place))
        });
        let sender = Sender::new(&login);
        match shard.connect(login, &vhost, info, gauge.clone()) {
            Ok(connection) => {
                let agent = Agent::new(connection, gauge, sender, commands, leases_held, watch);
                tokio::task::spawn_local(agent.run());
                // Nobody listens when the request was given up; the agent then ends with its channel.
                let _ = answer.send(Ok(()));
            }
            Err(refusal) => drop(answer.send(Err(refusal))),
        }
    }
}

fn closed() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "the connection to the broker was closed: the session was ended, its rights were changed, or the server stops; try again",
    )
}

fn stopping() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the server is shutting down")
}
