//! Starting, running and stopping the server.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use broker::topology::Quotas;
use chat::Language;
use engine::{AccountLimits, Engine, EngineError, Options, ShardSeed};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use session::Settings;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::announce::{Announcement, Links};
use crate::backend::Operator;
use crate::config::{Config, ListenAddress, LogFormat};
use crate::entries::{self, Obstacle};
use crate::files::{self, FilesFailure};
use crate::gateway::{Gateway, Opening, serve_desk};
use crate::http::{ChatDoor, PageFile};
use crate::listen::{ConnectionCount, Door, Reception, accept};
use crate::metrics::Observer;
use crate::tls::{self, TlsAcceptor, TlsError};
use crate::traces::{Exporter, Traces};
use crate::{admin, classroom, line, web};

/// Turns that every shard takes after its connections are closed: a letter may cause one more.
const LAST_TURNS: usize = 4;
/// How often the end of the last connection is looked for while stopping.
const DRAIN_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How `serve` is to behave beyond its configuration.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// The page for browsers, as it was built; empty if it was not.
    pub page: Vec<PageFile>,
    /// Print one line of JSON when everything is open, and nothing else.
    pub ready_json: bool,
    /// Called when much memory was used that is not needed again soon: a moment after the start, and after passwords were hashed.
    /// Whoever chose the allocator knows how freed memory goes back to the system.
    pub release_memory: fn(),
}

/// Why the server does not run. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {reason}. Choose one that this account may write with --data DIR", path.display())]
    Data {
        /// Which one.
        path: PathBuf,
        /// Why; said in the message, so not its source.
        reason: io::Error,
    },
    /// Another server runs on the data directory.
    #[error("another server runs on the data directory {}; stop it first, or choose another with --data DIR", .0.display())]
    InUse(PathBuf),
    /// Something stands in the data directory that keeps the server from using it.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
    /// A listener's address cannot be had.
    #[error(
        "cannot listen on {address} for {name}: {reason}. Another program may have it; choose another with --{name} ADDR:PORT, or close it with --{name} off"
    )]
    Listen {
        /// Which listener.
        name: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why; said in the message, so not its source.
        reason: io::Error,
    },
    /// The engine cannot start or stop.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Traces cannot be sent where the settings say.
    #[error("cannot send traces to a collector: {0}. See traces.endpoint and traces.headers")]
    Traces(String),
    /// The administration socket cannot be opened.
    #[error("cannot open the administration socket in {}", path.display())]
    Admin {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The chat cannot be opened.
    #[error(transparent)]
    Chat(#[from] line::ChatError),
    /// The file index cannot be opened.
    #[error(transparent)]
    Files(#[from] FilesFailure),
    /// The interfaces for older clients cannot be opened.
    #[error(transparent)]
    Classroom(#[from] classroom::Obstacle),
    /// The operating system refuses threads, signals or a terminal to print on.
    #[error("the operating system refuses what the server needs")]
    System(#[from] io::Error),
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Durability
/// When it returns `Ok`, everything that was confirmed is on disk and every client was told.
///
/// # Errors
/// [`ServeError`], each one line that says what to do.
pub fn serve(config: Config, options: ServeOptions) -> Result<(), ServeError> {
    start_log(&config);
    let data = |reason: io::Error| ServeError::Data {
        path: config.data.clone(),
        // That something exists already is told when it is no directory.
        reason: if reason.kind() == io::ErrorKind::AlreadyExists {
            io::ErrorKind::NotADirectory.into()
        } else {
            reason
        },
    };
    // For its owner's eyes only; a directory that is there keeps the rights that its owner gave it.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data)
        .map_err(data)?;
    let owner = rustix::process::geteuid().as_raw();
    if let Some(obstacle) = entries::obstacles(&config.data, owner).into_iter().next() {
        return Err(obstacle.into());
    }
    tls::check(&config)?;
    let shards = config.shard_count();
    let (engine, seeds) =
        Engine::open(&engine_options(&config, shards, options.release_memory)).map_err(not_open)?;
    for damage in &engine.damage {
        tracing::error!(%damage, "the message log is damaged; the rest is served. `chaski doctor` says more");
    }
    raise_descriptor_limit();
    let mut doors = open_doors(&config, shards)?;
    let tls = doors
        .iter()
        .any(|door| door.tls)
        .then(|| TlsAcceptor::new(&config))
        .transpose()?;
    let admin_socket = admin::bind(&config.data).map_err(|source| ServeError::Admin {
        path: config.data.clone(),
        source,
    })?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let exporter = Exporter::open(&config.traces, &runtime).map_err(ServeError::Traces)?;
    let traces = exporter.as_ref().map(Exporter::traces);
    let (stop, stopping) = watch::channel(Phase::Running);
    let settings = Arc::new(session_settings(&config));
    let count = ConnectionCount::new(config.limits.max_connections);
    let config = Arc::new(config);
    let addresses: Vec<_> = doors
        .iter()
        .map(|door| (door.name.to_owned(), door.address.to_string()))
        .collect();
    let mut admin_socket = Some(admin_socket);
    let web = web::Doors::take(&mut doors, tls.as_ref(), options.page);
    let lines = line::Doors::take(&mut doors, tls.as_ref());
    let mut desks = Vec::new();
    let mut threads = Vec::new();
    let last_turns = Arc::new(Barrier::new(usize::from(shards)));
    for seed in seeds {
        let (desk, openings) = mpsc::unbounded_channel();
        desks.push(desk);
        let work = ShardWork {
            seed,
            openings,
            sockets: doors
                .iter_mut()
                .filter_map(|door| Some((door.name, door.tls, door.take_socket()?)))
                .collect(),
            settings: settings.clone(),
            count: count.clone(),
            tls: tls.clone(),
            traces: traces.clone(),
            admin: admin_socket
                .take()
                .map(|socket| (socket, addresses.clone())),
            stopping: stopping.clone(),
            last_turns: last_turns.clone(),
        };
        let name = format!("shard-{}", threads.len());
        threads.push(
            std::thread::Builder::new()
                .name(name)
                .spawn(move || run_shard(work))?,
        );
    }
    let gateway = Gateway::new(engine.handle(), desks, traces.clone());
    let observer = Observer::new(config.metrics.open, traces);
    let chat = line::start(
        &config,
        lines,
        &engine.handle(),
        &count,
        runtime.handle().clone(),
    )?;
    let door = ChatDoor {
        chat: chat.chat(),
        default_room: config.chat.default_room.clone(),
        language: Language::of(&config.chat.language).unwrap_or_default(),
    };
    let files = files::start(&config.files, &config.data, &engine.handle())?;
    let web = web.open(
        &config,
        gateway,
        (door, files.files()),
        observer,
        &count,
        addresses,
    )?;
    // Whoever reads that the server is ready may stop it the next moment.
    let signals = {
        let _context = runtime.enter();
        Signals::listen()?
    };
    let links = runtime.block_on(Links::of(&engine, &config.accounts, &doors));
    let announcement = Announcement {
        doors: &doors,
        links: &links,
        first: engine.first.as_ref(),
        guest: config.accounts.guest,
        data: &config.data,
    };
    if options.ready_json {
        announcement.print_json()?;
    } else {
        announcement.print()?;
    }
    // This thread's own share: the engine calls it for the others.
    (options.release_memory)();
    runtime.block_on(wait_for_end(
        signals,
        &engine,
        tls.as_ref(),
        || {
            web.stop();
            // No receiver is left only when every shard has ended already.
            let _ = stop.send(Phase::Draining);
        },
        Duration::from_millis(config.limits.shutdown_timeout_ms),
    ));
    web.close();
    files.close();
    chat.close();
    // Nobody listens only when every shard has ended already.
    let _ = stop.send(Phase::Stopped);
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
    engine.close()?;
    if let Some(exporter) = exporter {
        exporter.close(&runtime);
    }
    tracing::info!("stopped; everything confirmed is on disk");
    Ok(())
}

/// Says why the engine is not open, with a way out.
fn not_open(error: EngineError) -> ServeError {
    if let EngineError::Store(engine::StoreFailure::Locked { path }) = error {
        ServeError::InUse(path)
    } else {
        error.into()
    }
}

/// Takes as many file descriptors as the process may have: each connection needs one, and what is usual is 1,024.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of file descriptors stays as it is");
    }
}

/// How far the server has come towards its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// Nobody new is let in; clients are told to go.
    Draining,
    Stopped,
}

/// What one shard's thread runs with.
struct ShardWork {
    seed: ShardSeed,
    openings: mpsc::UnboundedReceiver<Opening>,
    sockets: Vec<(&'static str, bool, std::net::TcpListener)>,
    settings: Arc<Settings>,
    count: ConnectionCount,
    tls: Option<TlsAcceptor>,
    traces: Option<Traces>,
    admin: Option<(std::os::unix::net::UnixListener, Vec<(String, String)>)>,
    stopping: watch::Receiver<Phase>,
    last_turns: Arc<Barrier>,
}

fn run_shard(work: ShardWork) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the main thread made one just the same");
    let local = LocalSet::new();
    let mut stopping = work.stopping.clone();
    local.block_on(&runtime, async move {
        let shard = work.seed.grow();
        let turns = tokio::task::spawn_local(shard.clone().run());
        let traces = work.traces.clone();
        let desk = tokio::task::spawn_local(serve_desk(shard.clone(), work.openings, traces));
        let mut doors = Vec::new();
        for (name, is_tls, socket) in work.sockets {
            let reception = Reception {
                shard: shard.clone(),
                settings: work.settings.clone(),
                count: work.count.clone(),
                tls: work.tls.clone().filter(|_| is_tls),
                traces: work.traces.clone(),
            };
            match TcpListener::from_std(socket) {
                Ok(listener) => {
                    doors.push(tokio::task::spawn_local(accept(listener, name, reception)))
                }
                Err(error) => tracing::error!(%error, name, "a listener cannot be served"),
            }
        }
        if let Some((socket, addresses)) = work.admin {
            match tokio::net::UnixListener::from_std(socket) {
                Ok(socket) => {
                    let operator =
                        Rc::new(Operator::new(shard.handle(), work.tls.clone(), addresses));
                    tokio::task::spawn_local(admin::serve(socket, operator));
                }
                Err(error) => tracing::error!(%error, "the administration socket cannot be served"),
            }
        }
        // An error means that the sender is gone, and with it the server.
        let _ = stopping.wait_for(|phase| *phase != Phase::Running).await;
        doors.iter().for_each(tokio::task::JoinHandle::abort);
        desk.abort();
        let _ = stopping.wait_for(|phase| *phase == Phase::Stopped).await;
        turns.abort();
        // What connections sent each other's shards last: read by all, acted on by all, handed to the log by all.
        for _ in 0..LAST_TURNS {
            work.last_turns.wait();
            shard.turn();
        }
    });
    // Tasks that still run are dropped with the set, and with them every handle on the shard.
    drop(local);
}

/// The signals that the server acts on.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Starts to catch them; inside a runtime.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for a signal to stop, then until clients have gone or the time is up.
async fn wait_for_end(
    mut signals: Signals,
    engine: &Engine,
    tls: Option<&TlsAcceptor>,
    stop: impl FnOnce(),
    patience: Duration,
) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => match tls.map(TlsAcceptor::reload) {
                Some(Err(error)) => tracing::error!(%error, "the certificates in use stay"),
                Some(Ok(())) => tracing::info!("certificates loaded again"),
                None => {}
            },
        }
    }
    tracing::info!("stopping: clients are told");
    stop();
    engine.close_connections("the server is shutting down");
    let deadline = Instant::now() + patience;
    while engine.connection_count() > 0 && Instant::now() < deadline {
        tokio::time::sleep(DRAIN_LOOK_INTERVAL).await;
    }
}

fn open_doors(config: &Config, shards: u16) -> Result<Vec<Door>, ServeError> {
    let classroom = |address: &ListenAddress| {
        let open = Some(address).filter(|_| config.classroom.enabled);
        open.and_then(|address| address.resolve(config.listeners.bind))
    };
    let wanted = [
        ("amqp", config.listeners.amqp_address(), false, shards),
        ("amqps", config.listeners.amqps_address(), true, shards),
        ("http", config.listeners.http_address(), false, 1),
        ("https", config.listeners.https_address(), true, 1),
        (
            "management",
            config.listeners.management_address(),
            false,
            1,
        ),
        ("line", config.listeners.line_address(), false, 1),
        ("line-tls", config.listeners.line_tls_address(), true, 1),
        (
            "classroom-chat",
            classroom(&config.classroom.chat),
            false,
            1,
        ),
        (
            "classroom-rest",
            classroom(&config.classroom.rest),
            false,
            1,
        ),
        (
            "classroom-grpc",
            classroom(&config.classroom.grpc),
            false,
            1,
        ),
    ];
    let open = wanted
        .into_iter()
        .filter_map(|(name, address, tls, sockets)| Some((name, address?, tls, sockets)));
    open.map(|(name, address, tls, sockets)| {
        Door::open(name, address, tls, sockets).map_err(|reason| ServeError::Listen {
            name,
            address,
            reason,
        })
    })
    .collect()
}

fn engine_options(config: &Config, shards: u16, release_memory: fn()) -> Options {
    Options {
        data: config.data.clone(),
        shards,
        journal_bytes: config.store.journal_bytes,
        segment_bytes: config.store.segment_bytes,
        guest: config.accounts.guest,
        administrator: config.accounts.administrator.clone(),
        administrator_password: config
            .accounts
            .administrator_password
            .as_ref()
            .map(|secret| secret.expose().to_owned()),
        quotas: Quotas {
            queues: usize::try_from(config.limits.max_queues).unwrap_or(usize::MAX),
            bindings: usize::try_from(config.limits.max_bindings).unwrap_or(usize::MAX),
        },
        account_limits: account_limits(config),
        memory_high_bytes: config.limits.memory_high(),
        memory_resume_bytes: config.limits.memory_resume(),
        disk_free_low_bytes: config.limits.disk_free_low_bytes,
        disk_free_resume_bytes: config.limits.disk_free_resume_bytes,
        release_memory,
    }
}

/// What accounts may use that have no quota of their own; 0 is no bound.
fn account_limits(config: &Config) -> AccountLimits {
    let bound = |number: u64| (number > 0).then_some(number);
    AccountLimits {
        queues: bound(config.accounts.max_queues),
        bytes: bound(config.accounts.max_bytes),
        connections: bound(config.accounts.max_connections),
        publish_rate: bound(config.accounts.publish_rate),
    }
}

fn session_settings(config: &Config) -> Settings {
    Settings {
        frame_max: config.limits.frame_max,
        channel_max: config.limits.channel_max,
        heartbeat_s: config.limits.heartbeat_s,
        handshake_timeout_ms: config.limits.handshake_timeout_ms,
        message_bytes_max: config.limits.max_message_bytes,
        consumers_per_channel_max: config.limits.max_consumers_per_channel,
        unacked_max: usize::try_from(config.limits.max_unacked_per_connection)
            .unwrap_or(usize::MAX),
        tag_seed: {
            let mut seed = [0; 8];
            getrandom::fill(&mut seed).expect("the operating system gives random bytes");
            u64::from_le_bytes(seed)
        },
        ..Settings::default()
    }
}

fn start_log(config: &Config) {
    let filter =
        tracing_subscriber::EnvFilter::try_new(&config.log.level).unwrap_or_else(|_| "info".into());
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_able = std::env::var_os("TERM").is_some_and(|name| name != "dumb");
    let is_coloured = io::stderr().is_terminal() && is_able && !no_color;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_coloured)
        .with_writer(io::stderr);
    let result = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A log that is there already stays, as in a test that starts two servers.
    drop(result);
}
