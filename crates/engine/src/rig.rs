//! A whole engine over a temporary data directory, for tests.

use std::collections::VecDeque;
use std::future::Future;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use broker::{Body, Event, OutboxGauge, Publish, Refusal, Reply, Request};
use codec::amqp::properties::PropertiesRef;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use crate::accounts::{Denied, Login};
use crate::audit::Author;
use crate::sessions::{Credentials, Origin};
use crate::{Change, Connection, ConnectionInfo, Engine, Handle, Options, Shard};

/// The account that every rig has.
pub(crate) const ADMIN: &str = "admin";
pub(crate) const PASSWORD: &str = "a long secret";
pub(crate) const VHOST: &str = "/";
/// Nothing that a test waits for takes so long.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) handle: Handle,
    /// These are there until the engine is stopped.
    engine: Option<Engine>,
    shard: Option<Rc<Shard>>,
    local: Option<LocalSet>,
    data: Option<TempDir>,
    runtime: Runtime,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::open(tempfile::tempdir().expect("there is room for a directory"))
    }

    fn open(data: TempDir) -> Self {
        let options = Options {
            data: data.path().to_owned(),
            shards: 1,
            journal_bytes: 1 << 20,
            segment_bytes: 1 << 20,
            guest: true,
            administrator: ADMIN.to_owned(),
            administrator_password: Some(PASSWORD.to_owned()),
            quotas: broker::topology::Quotas::default(),
            account_limits: crate::AccountLimits::default(),
            memory_high_bytes: u64::MAX,
            memory_resume_bytes: u64::MAX,
            disk_free_low_bytes: 0,
            disk_free_resume_bytes: 0,
            release_memory: || {},
        };
        let (engine, mut seeds) = Engine::open(&options).expect("the directory can be opened");
        let shard = seeds.pop().expect("there is one shard").grow();
        let local = LocalSet::new();
        local.spawn_local(shard.clone().run());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        Self {
            handle: engine.handle(),
            engine: Some(engine),
            shard: Some(shard),
            local: Some(local),
            data: Some(data),
            runtime,
        }
    }

    /// Stops the engine in good order and opens it again.
    pub(crate) fn restart(mut self) -> Self {
        self.stop();
        Self::open(self.data.take().expect("it is there"))
    }

    fn stop(&mut self) {
        drop((self.local.take(), self.shard.take()));
        if let Some(engine) = self.engine.take() {
            engine.close().expect("the disk did not fail");
        }
    }

    /// Runs the shard until a future is done.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let bounded = async { tokio::time::timeout(DEADLINE, future).await };
        let local = self.local.as_ref().expect("the engine runs");
        local
            .block_on(&self.runtime, bounded)
            .expect("what was waited for came")
    }

    /// Runs the shard until a condition holds.
    pub(crate) fn wait_for(&self, mut is_so: impl FnMut() -> bool) {
        self.run(async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }

    pub(crate) fn commit(&self, changes: impl Into<Vec<Change>>) {
        let committed = self.handle.commit(changes.into());
        self.run(committed).expect("the rules allow it");
    }

    /// Adds an account with [`PASSWORD`].
    pub(crate) fn add(&self, login: &str, role: directory::Role) {
        let hashed = self.run(self.handle.hash_password(PASSWORD));
        let registration = crate::Registration {
            login: login.to_owned(),
            password_hash: hashed.expect("it can be hashed"),
            role,
            profile: directory::Profile::default(),
            invitation: None,
        };
        let author = Author::server();
        self.run(self.handle.register(registration, &author))
            .expect("the login is free");
    }

    pub(crate) fn log_in(&self, credentials: Credentials<'_>) -> Result<Login, Denied> {
        self.run(self.handle.log_in(credentials, &origin()))
    }

    pub(crate) fn by_password(&self, login: &str) -> Login {
        let password = PASSWORD;
        self.log_in(Credentials::Password { login, password })
            .expect("the password is right")
    }

    pub(crate) fn connect(&self, login: &Login) -> Result<Client<'_>, Refusal> {
        self.connect_to(login, VHOST)
    }

    pub(crate) fn connect_to(&self, login: &Login, vhost: &str) -> Result<Client<'_>, Refusal> {
        let info = ConnectionInfo {
            login: login.name.clone(),
            vhost: vhost.into(),
            peer: "127.0.0.1:7".to_owned(),
            protocol: "amqp",
            name: None,
            client: Some("test".to_owned()),
            connected_at_ms: self.handle.now_ms(),
            channels: Arc::default(),
        };
        let gauge = Arc::new(OutboxGauge::default());
        let shard = self.shard.as_ref().expect("the engine runs");
        let connection = shard.connect(login.clone(), vhost, info, gauge)?;
        Ok(Client {
            rig: self,
            connection: Some(connection),
            events: VecDeque::new(),
        })
    }
}

impl Drop for Rig {
    /// Nothing writes any more when the directory goes.
    fn drop(&mut self) {
        self.stop();
    }
}

/// A connection that is closed when it is dropped.
pub(crate) struct Client<'a> {
    rig: &'a Rig,
    connection: Option<Connection>,
    events: VecDeque<Event>,
}

impl Client<'_> {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is open")
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        if let Some(event) = self.events.pop_front() {
            return event;
        }
        let connection = self.connection.as_mut().expect("it is open");
        let events = self.rig.run(std::future::poll_fn(|context| {
            let events = connection.take_events(Some(context.waker()));
            if events.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(events)
            }
        }));
        self.events.extend(events);
        self.events.pop_front().expect("there was one")
    }

    /// Waits until the connection is told to close, and says why.
    pub(crate) fn closed(&mut self) -> String {
        loop {
            if let Event::Close(reason) = self.event() {
                return reason.to_string();
            }
        }
    }

    /// Carries out a request.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        use broker::Port;
        let connection = self.connection();
        let mut batch = connection.batch();
        batch.request(1, request);
        let _ = batch.finish();
        connection.run_requests();
        loop {
            if let Event::Replied { result, .. } = self.event() {
                return result;
            }
        }
    }

    /// Publishes to a queue.
    pub(crate) fn publish(&mut self, queue: &str, body: &[u8]) {
        use broker::Port;
        let mut batch = self.connection().batch();
        // No properties at all.
        let raw = [0, 0];
        let properties = PropertiesRef::parse(&raw).expect("they are well-formed");
        let shards = batch.publish(&Publish {
            channel: 1,
            exchange: "",
            routing_key: queue,
            properties: &properties,
            forwarded: &raw,
            body: Body::Copy(body),
            persistent: false,
            priority: 0,
            expiration_ms: None,
            number: None,
            wants_place: false,
            deliver_at_ms: None,
            dedup_id: None,
        });
        assert_eq!(shards, Ok(1));
        let _ = batch.finish();
    }

    /// Declares a queue.
    pub(crate) fn declare(&mut self, name: &str, durable: bool) -> Result<Reply, Refusal> {
        self.ask(Request::QueueDeclare {
            name: name.to_owned(),
            passive: false,
            durable,
            exclusive: false,
            auto_delete: false,
            arguments: codec::amqp::field::Table::new(),
        })
    }

    /// Deletes a queue.
    pub(crate) fn delete(&mut self, name: &str) -> Result<Reply, Refusal> {
        self.ask(Request::QueueDelete {
            name: name.to_owned(),
            if_unused: false,
            if_empty: false,
        })
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

/// This machine, by AMQP.
pub(crate) fn origin() -> Origin {
    Origin {
        door: "amqp",
        address: Ipv4Addr::LOCALHOST.into(),
        client: Some("test".to_owned()),
    }
}
