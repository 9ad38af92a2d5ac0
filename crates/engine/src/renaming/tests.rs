use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use broker::{Body, Event, OutboxGauge, Port, Publish, Reply, Request};
use codec::amqp::field::Table;
use codec::amqp::properties::PropertiesRef;

use super::*;
use crate::accounts::GUEST;
use crate::sessions::{Credentials, Origin};
use crate::{Connection, ConnectionInfo, Engine, Options, Shard};

/// How long the directory may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One engine with one shard, whose turns the test takes.
struct World {
    engine: Engine,
    shard: Rc<Shard>,
    connection: Connection,
    access: Arc<Access>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn open(data: &Path) -> Self {
        let options = Options {
            data: data.to_owned(),
            shards: 1,
            journal_bytes: 1 << 20,
            segment_bytes: 1 << 20,
            guest: true,
            administrator: "admin".to_owned(),
            administrator_password: Some("secret".to_owned()),
            quotas: broker::topology::Quotas::default(),
            account_limits: crate::AccountLimits::default(),
            memory_high_bytes: u64::MAX,
            memory_resume_bytes: u64::MAX,
            disk_free_low_bytes: 0,
            disk_free_resume_bytes: 0,
            release_memory: || {},
        };
        let (engine, mut seeds) = Engine::open(&options).expect("it is a fresh directory");
        let shard = seeds.pop().expect("there is one shard").grow();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("it can be built");
        let login = runtime
            .block_on(engine.handle().log_in(
                Credentials::Password {
                    login: GUEST,
                    password: GUEST,
                },
                &Origin {
                    door: "test",
                    address: Ipv4Addr::LOCALHOST.into(),
                    client: None,
                },
            ))
            .expect("guest has its own name as a password");
        let access = engine.shared.accounts.access(&login, "/");
        let info = ConnectionInfo {
            login: GUEST.into(),
            vhost: "/".into(),
            peer: String::new(),
            protocol: "test",
            name: None,
            client: None,
            connected_at_ms: 0,
            channels: Arc::default(),
        };
        let connection = shard
            .connect(login, "/", info, Arc::new(OutboxGauge::default()))
            .expect("guest may use it");
        Self {
            engine,
            shard,
            connection,
            access: access.expect("guest has rights"),
            runtime,
        }
    }

    fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        let mut batch = self.connection.batch();
        batch.request(1, request);
        let _ = batch.finish();
        self.connection.run_requests();
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.shard.turn();
            for event in self.connection.take_events(None) {
                if let Event::Replied { result, .. } = event {
                    return result;
                }
            }
            assert!(Instant::now() < deadline, "there is no answer");
            std::thread::yield_now();
        }
    }

    fn declare(&mut self, name: &str) {
        let declared = self.ask(Request::QueueDeclare {
            name: name.to_owned(),
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Table::new(),
        });
        assert!(matches!(declared, Ok(Reply::QueueDeclared { .. })));
    }

    /// Publishes by the default exchange and says whether a queue took it.
    fn publish(&mut self, key: &str) -> bool {
        let properties = PropertiesRef::default();
        let mut batch = self.connection.batch();
        let taken = batch.publish(&Publish {
            channel: 1,
            exchange: "",
            routing_key: key,
            properties: &properties,
            forwarded: &[0, 0],
            body: Body::Copy(b"body"),
            persistent: true,
            priority: 0,
            expiration_ms: None,
            number: None,
            wants_place: false,
            deliver_at_ms: None,
            dedup_id: None,
        });
        let _ = batch.finish();
        taken.expect("guest may publish") > 0
    }

    fn rename(&self, old: &str, new: &str) -> Result<(), Refusal> {
        let (handle, author) = (self.engine.handle(), Author::operator());
        let renamed = handle.rename_queue(&self.access, old, new, &author);
        let result = self.runtime.block_on(renamed);
        self.shard.turn();
        result
    }

    fn delete(&mut self, name: &str, if_empty: bool) -> Result<Reply, Refusal> {
        self.ask(Request::QueueDelete {
            name: name.to_owned(),
            if_unused: false,
            if_empty,
        })
    }

    /// What the queue is called where it lives.
    fn name_on_shard(&mut self, name: &str) -> String {
        let kept = self.delete(name, true).expect_err("it is not empty");
        kept.detail
    }

    fn names(&self) -> Vec<String> {
        let topology = self.engine.shared.topology();
        let host = topology.vhost("/").expect("every server has it");
        host.queues()
            .iter()
            .map(|queue| queue.name.to_string())
            .collect()
    }

    fn close(self) {
        self.connection.close();
        drop(self.shard);
        self.engine.close().expect("the disk did not fail");
    }
}

#[test]
fn a_renamed_queue_keeps_its_messages_and_has_its_name_after_a_restart() {
    let data = tempfile::tempdir().expect("there is room");
    let mut world = World::open(data.path());
    world.declare("old");
    assert!(world.publish("old"));
    world.rename("old", "new").expect("guest may");
    assert!(
        !world.publish("old"),
        "what was learnt of the old name is void"
    );
    assert!(world.publish("new"));
    assert_eq!(
        world.name_on_shard("new"),
        "queue 'new' in vhost '/' not empty"
    );
    // Another may have the name that is free now.
    world.declare("old");
    world.close();

    let mut world = World::open(data.path());
    assert_eq!(world.names(), ["new", "old"]);
    assert_eq!(
        world.name_on_shard("new"),
        "queue 'new' in vhost '/' not empty"
    );
    assert!(matches!(world.delete("new", false), Ok(Reply::Deleted(2))));
    assert_eq!(world.names(), ["old"]);
    world.close();
}

#[test]
fn a_name_that_cannot_be_stored_is_taken_back() {
    let data = tempfile::tempdir().expect("there is room");
    let mut world = World::open(data.path());
    world.declare("q");
    assert!(world.publish("q"));
    let refusal = world
        .rename("q", "q\u{200b}")
        .expect_err("it looks like another");
    assert_eq!(refusal.kind, RefusalKind::PreconditionFailed);
    assert_eq!(world.names(), ["q"]);
    assert!(world.publish("q"));
    assert_eq!(world.name_on_shard("q"), "queue 'q' in vhost '/' not empty");
    world.close();
}

#[test]
fn who_may_not_configure_a_queue_does_not_rename_it() {
    let data = tempfile::tempdir().expect("there is room");
    let mut world = World::open(data.path());
    world.declare("q");
    world.access = Arc::new(world.access.without_rights());
    let of_existing = world
        .rename("q", "new")
        .expect_err("there is no right left");
    let of_missing = world
        .rename("p", "new")
        .expect_err("there is no right left");
    assert_eq!(of_existing.kind, RefusalKind::AccessRefused);
    assert_eq!(
        of_existing.detail.replace("'q'", "'?'"),
        of_missing.detail.replace("'p'", "'?'")
    );
    assert_eq!(world.names(), ["q"]);
    world.close();
}
