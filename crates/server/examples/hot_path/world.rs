//! One engine with one shard, and the tasks of its thread run by hand: first the shard's, then each connection's that was woken.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use codec::amqp::field::TableRef;
use codec::amqp::method::{BasicConsume, BasicQos, Method, QueueDeclare};
use engine::accounts::{GUEST as ACCOUNT, Login};
use engine::sessions::{Credentials, Origin};
use engine::{Engine, Options, Shard};
use session::Settings;

use crate::counting::{Bell, Counter};
use crate::frames::{self, CHANNEL};
use crate::peer::Peer;

/// How long something may take that the committer or the directory has to do; callgrind runs it fifty times as slowly.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a look is taken for what rings no bell.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Bytes of a journal file that no workload fills.
pub(crate) const JOURNAL_BYTES: u64 = 16 << 20;

/// The number of a connection of a [`World`].
pub(crate) type PeerIndex = usize;

/// Everything that one shard's thread runs.
pub(crate) struct World {
    pub(crate) peers: Vec<Peer>,
    pub(crate) counter: Counter,
    shard: Rc<Shard>,
    settings: Arc<Settings>,
    login: Login,
    task: Pin<Box<dyn Future<Output = ()>>>,
    bell: Arc<Bell>,
    waker: Waker,
    engine: Engine,
    /// Whose timers the shard's task uses.
    runtime: tokio::runtime::Runtime,
}

/// Opens the engine of a data directory and its one shard.
pub(crate) fn open_engine(data: &Path, journal_bytes: u64) -> (Engine, Rc<Shard>) {
    let options = Options {
        data: data.to_owned(),
        shards: 1,
        journal_bytes,
        segment_bytes: 16 << 20,
        guest: true,
        administrator: "admin".to_owned(),
        administrator_password: Some("bench".to_owned()),
        quotas: broker::topology::Quotas::default(),
        account_limits: engine::AccountLimits::default(),
        memory_high_bytes: u64::MAX,
        memory_resume_bytes: u64::MAX,
        disk_free_low_bytes: 0,
        disk_free_resume_bytes: 0,
        release_memory: || {},
    };
    let (engine, mut seeds) = Engine::open(&options).expect("the data directory can be opened");
    let seed = seeds.pop().expect("there is one shard");
    (engine, seed.grow())
}

impl World {
    /// Opens a data directory; only the small first journal file gets full, and that in the warm-up.
    pub(crate) fn open(data: &Path) -> Self {
        Self::with_journal(data, JOURNAL_BYTES)
    }

    /// Opens a data directory with journal files of this size.
    pub(crate) fn with_journal(data: &Path, journal_bytes: u64) -> Self {
        let (engine, shard) = open_engine(data, journal_bytes);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime can be built");
        let credentials = Credentials::Password {
            login: ACCOUNT,
            password: ACCOUNT,
        };
        let origin = Origin {
            door: "amqp",
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            client: None,
        };
        // Once for all connections: it takes its time.
        let login = runtime
            .block_on(shard.handle().log_in(credentials, &origin))
            .expect("every data directory has this account");
        let (bell, waker) = Bell::new();
        let mut world = Self {
            peers: Vec::new(),
            counter: Counter::default(),
            task: Box::pin(shard.clone().run()),
            shard,
            settings: Arc::new(Settings::default()),
            login,
            bell,
            waker,
            engine,
            runtime,
        };
        world.poll_shard();
        world.settle();
        world
    }

    /// Ends everything; connections are dropped as if the process was killed, but all threads finish what they do.
    pub(crate) fn close(self) {
        let Self {
            peers,
            shard,
            task,
            engine,
            ..
        } = self;
        drop((peers, task, shard));
        engine.close().expect("the disk did not fail");
    }

    /// Opens a connection with one channel.
    pub(crate) fn connect(&mut self) -> PeerIndex {
        let (shard, settings) = (self.shard.clone(), self.settings.clone());
        let mut peer = Peer::new(shard, settings, self.login.clone());
        peer.open(self.counter);
        self.peers.push(peer);
        self.peers.len() - 1
    }

    /// Sends a method that is answered, and waits for the answer.
    pub(crate) fn request<'m>(&mut self, peer: PeerIndex, method: impl Into<Method<'m>>) {
        let before = self.peers[peer].inbox.answers;
        self.send(peer, &frames::method(CHANNEL, method).into());
        self.wait(|world| world.peers[peer].inbox.answers > before);
    }

    /// Declares a queue.
    pub(crate) fn declare(
        &mut self,
        peer: PeerIndex,
        queue: &str,
        durable: bool,
        arguments: &[u8],
    ) {
        let declare = QueueDeclare {
            queue,
            durable,
            arguments: TableRef::new(arguments),
            ..QueueDeclare::default()
        };
        self.request(peer, declare);
    }

    /// Starts a consumer; with a prefetch it has to acknowledge.
    pub(crate) fn consume(
        &mut self,
        peer: PeerIndex,
        queue: &str,
        prefetch: Option<u16>,
        arguments: &[u8],
    ) {
        if let Some(prefetch_count) = prefetch {
            let qos = BasicQos {
                prefetch_count,
                ..BasicQos::default()
            };
            self.request(peer, qos);
        }
        let consume = BasicConsume {
            queue,
            consumer_tag: queue,
            no_ack: prefetch.is_none(),
            arguments: TableRef::new(arguments),
            ..BasicConsume::default()
        };
        self.request(peer, consume);
    }

    /// Sends bytes on a connection, and runs until nothing moves and everything is durable.
    pub(crate) fn send(&mut self, peer: PeerIndex, input: &Bytes) {
        self.peers[peer].send(input, self.counter);
        self.settle();
    }

    /// Runs until nothing moves and everything that was handed to the committer is durable.
    ///
    /// Each commit is waited for, so that commits hold the same records in every run.
    pub(crate) fn settle(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked first: whoever makes something durable rings after it.
            let was_durable = self.shard.is_durable();
            if self.turn() {
                continue;
            }
            if was_durable {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "what was submitted becomes durable"
            );
            std::thread::park_timeout(LOOK_INTERVAL);
        }
    }

    /// Runs until something is the case.
    pub(crate) fn wait(&mut self, is_done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_done(self) {
            self.settle();
            assert!(Instant::now() < deadline, "what the bench waits for comes");
            if !is_done(self) {
                std::thread::park_timeout(LOOK_INTERVAL);
            }
        }
    }

    /// Runs each task that was woken, once; false when none was.
    fn turn(&mut self) -> bool {
        let mut has_moved = false;
        if self.bell.take() {
            self.poll_shard();
            has_moved = true;
        }
        for peer in &mut self.peers {
            has_moved |= peer.serve(self.counter);
        }
        has_moved
    }

    fn poll_shard(&mut self) {
        let _timers = self.runtime.enter();
        let (task, waker) = (&mut self.task, &self.waker);
        let polled = self
            .counter
            .run(|| task.as_mut().poll(&mut Context::from_waker(waker)));
        assert_eq!(polled, Poll::Pending, "a shard runs until it is dropped");
    }
}
