//! The chat's thread: its rules, and the sockets of the line protocol.
//!
//! One turn takes what has come – letters of other threads, bytes of sockets –, has the chat do what that leads to, and then writes to
//! each connection once what the turn has for it. Nothing waits for a timer, and nothing is held back: a message that comes alone goes
//! out alone, and those that come together go out together.
//!
//! A connection that is silent costs its state machine and its socket, no task and no buffer.
//!
//! Start reading at [`Thread::run`].

mod acting;
mod connection;
mod logins;
mod machine;
mod socket;
mod table;
mod telling;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use engine::Handle;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::chat::{Chat, Host, Inbox, Letter, LineLetter, Opened};
use crate::config::{self, Config, paths};
use crate::listen::{ConnectionCount, Door};
use crate::registration::Policy;
use crate::tls::TlsAcceptor;
use logins::Logins;
pub(crate) use logins::Outcome;
use table::Table;

/// The doors that speak the line protocol.
const NAMES: [&str; 2] = ["line", "line-tls"];
/// Events of the sockets that one turn takes.
const EVENTS_MAX: usize = 1_024;
/// Connections that are accepted in one turn of a listener: then those that are there have theirs.
const ACCEPTS_MAX: usize = 64;
/// How long to wait before accepting again when the process is out of file descriptors.
const EXHAUSTED_PAUSE_MS: u64 = 100;
/// How long the last words of connections may take to be read when the server stops.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// By which the thread is woken.
const WAKER: Token = Token(usize::MAX);
/// The first listener's; others are below it.
const LISTENERS: Token = Token(usize::MAX - 1);

/// Why the chat cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Its history cannot be used.
    #[error(transparent)]
    History(#[from] directory::Failure),
    /// The operating system refuses threads or sockets.
    #[error("the operating system refuses what the chat needs")]
    System(#[from] io::Error),
}

/// What the operator says of the line protocol.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) language: chat::Language,
    pub(crate) registration: Policy,
    pub(crate) default_room: String,
    pub(crate) login_ms: u32,
    pub(crate) first_byte_ms: u32,
}

/// The chat while it runs.
pub(crate) struct Running {
    chat: Chat,
    inbox: Arc<Inbox>,
    thread: JoinHandle<()>,
}

/// A socket that listens, with its name and how TLS is spoken there.
type Socket = (
    &'static str,
    std::net::TcpListener,
    Option<Arc<rustls::ServerConfig>>,
);

/// The sockets of the line protocol, before anything is served.
pub(crate) struct Doors(Vec<Socket>);

impl Doors {
    /// Takes the sockets of the doors that speak the line protocol.
    pub(crate) fn take(doors: &mut [Door], tls: Option<&TlsAcceptor>) -> Self {
        let ours = doors.iter_mut().filter(|door| NAMES.contains(&door.name));
        let taken = ours.filter_map(|door| {
            let tls = tls.filter(|_| door.tls).map(TlsAcceptor::settings);
            Some((door.name, door.take_socket()?, tls))
        });
        Self(taken.collect())
    }
}

/// One listener.
struct Listener {
    socket: TcpListener,
    name: &'static str,
    tls: Option<Arc<rustls::ServerConfig>>,
    /// There may be more to accept.
    is_ready: bool,
}

/// Everything that the thread owns.
struct Thread {
    poll: Poll,
    host: Host,
    table: Table,
    logins: Logins,
    listeners: Vec<Listener>,
    count: ConnectionCount,
    /// Until when nothing is accepted, as there are no descriptors.
    pause_until_ms: u64,
    is_stopping: bool,
}

/// Opens the chat and starts its thread.
///
/// # Errors
/// [`ChatError`].
pub(crate) fn start(
    config: &Config,
    doors: Doors,
    engine: &Handle,
    count: &ConnectionCount,
    runtime: tokio::runtime::Handle,
) -> Result<Running, ChatError> {
    let (mut history, snapshot) = Opened::open(&paths::chat(&config.data))?;
    let now_ms = engine.now_ms();
    let mut rules = chat::Chat::new(settings(config), snapshot, now_ms)
        .expect("the name of the default room was checked with the configuration");
    let first = rules.take_changes();
    if !first.is_empty() {
        let outcomes = history.commit(&first)?;
        let accounts = crate::chat::EngineAccounts(engine.clone());
        rules.handle_committed(outcomes, &accounts, now_ms);
    }
    let poll = Poll::new()?;
    let inbox = Arc::new(Inbox::new(Waker::new(poll.registry(), WAKER)?));
    let keeper = history.run(inbox.clone())?;
    let host = Host::new(rules, engine.clone(), keeper, inbox.clone());
    let line = Rules {
        language: chat::Language::of(&config.chat.language).unwrap_or_default(),
        registration: Policy::of(&config.accounts),
        default_room: config.chat.default_room.clone(),
        login_ms: u32::try_from(config.chat.login_timeout_ms).unwrap_or(u32::MAX),
        first_byte_ms: u32::try_from(config.limits.handshake_timeout_ms).unwrap_or(u32::MAX),
    };
    let listeners = listen(&poll, doors)?;
    runtime.spawn(watch_logins(engine.clone(), Chat::new(inbox.clone())));
    let logins = Logins::new(engine.clone(), &line, inbox.clone(), runtime);
    let thread = Thread {
        table: Table::new(line),
        poll,
        host,
        logins,
        listeners,
        count: count.clone(),
        pause_until_ms: 0,
        is_stopping: false,
    };
    let spawned = std::thread::Builder::new()
        .name("chat".to_owned())
        .spawn(move || thread.run())?;
    Ok(Running {
        chat: Chat::new(inbox.clone()),
        inbox,
        thread: spawned,
    })
}

impl Running {
    /// The way to the chat for other threads.
    pub(crate) fn chat(&self) -> Chat {
        self.chat.clone()
    }

    /// Ends the chat: everything that it was told is written.
    pub(crate) fn close(self) {
        self.inbox.post(Letter::Line(LineLetter::Stop));
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Has logins looked at whenever one may have become void.
async fn watch_logins(engine: Handle, chat: Chat) {
    let mut changes = engine.login_changes();
    while changes.changed().await.is_ok() {
        chat.check_logins();
    }
}

fn settings(config: &Config) -> chat::Settings {
    let chat = &config.chat;
    chat::Settings {
        default_room: chat.default_room.clone(),
        grace_ms: chat.grace_ms,
        keep_rooms: match chat.keep_rooms {
            config::KeepRooms::Anyone => chat::KeepRooms::Anyone,
            config::KeepRooms::Administrators => chat::KeepRooms::Administrators,
            config::KeepRooms::Nobody => chat::KeepRooms::Nobody,
        },
        rooms_max: usize::try_from(chat.max_rooms).unwrap_or(usize::MAX),
        messages_per_second: chat.messages_per_second,
        messages_burst: chat.messages_burst,
        edit_ms: chat.edit_minutes * 60_000,
        retention_ms: chat.history_days * 24 * 60 * 60 * 1_000,
        messages_per_room_max: chat.history_messages,
        idle_ms: chat.idle_s * 1_000,
    }
}

fn listen(poll: &Poll, doors: Doors) -> io::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (name, socket, tls) in doors.0 {
        let mut socket = TcpListener::from_std(socket);
        let token = Token(LISTENERS.0 - listeners.len());
        poll.registry()
            .register(&mut socket, token, Interest::READABLE)?;
        listeners.push(Listener {
            socket,
            name,
            tls,
            is_ready: false,
        });
    }
    Ok(listeners)
}

impl Thread {
    /// Turns until the server stops.
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        while !self.is_stopping {
            if let Err(error) = self.poll.poll(&mut events, self.patience()) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(%error, "the chat's thread cannot wait for its sockets");
                    std::thread::sleep(Duration::from_millis(EXHAUSTED_PAUSE_MS));
                }
                continue;
            }
            for event in &events {
                match event.token() {
                    WAKER => {}
                    token if token.0 > usize::MAX - 8 => self.listener_is_ready(token),
                    token => self.table.is_ready(token, event),
                }
            }
            self.turn();
        }
        self.stop();
    }

    fn turn(&mut self) {
        self.read_letters();
        self.accept();
        let now_ms = self.host.now_ms();
        self.table.check_deadlines(now_ms);
        self.table.pump(&mut self.host, &self.logins, now_ms);
        self.host.turn(&mut self.table);
        // What was answered may have let connections go on; the next turn reads them, without a wait.
        self.table.flush(now_ms);
        self.table.close_ended(&self.poll, &mut self.host);
    }

    /// How long to wait for something to happen.
    fn patience(&self) -> Option<Duration> {
        let now_ms = self.host.now_ms();
        if self.table.has_work() || self.listeners.iter().any(|one| one.is_ready) {
            let pause = self.pause_until_ms.saturating_sub(now_ms);
            return Some(Duration::from_millis(if self.table.has_work() {
                0
            } else {
                pause
            }));
        }
        let deadlines = [self.host.next_deadline(), self.table.next_deadline()];
        let next = deadlines.into_iter().flatten().min()?;
        // The clock counts milliseconds and the wait may end within one.
        Some(Duration::from_millis((next.saturating_sub(now_ms)).max(1)))
    }

    fn read_letters(&mut self) {
        let (for_lines, must_check) = self.host.read_letters();
        for letter in for_lines {
            match letter {
                LineLetter::LoggedIn(caller, outcome) => {
                    self.table.logged_in(caller, *outcome, &mut self.host);
                }
                LineLetter::Close { caller, farewell } => self.table.end(caller, farewell),
                LineLetter::Stop => self.is_stopping = true,
            }
        }
        if must_check {
            self.table.check_logins(self.logins.engine());
        }
    }

    fn listener_is_ready(&mut self, token: Token) {
        if let Some(listener) = self.listeners.get_mut(LISTENERS.0 - token.0) {
            listener.is_ready = true;
        }
    }

    fn accept(&mut self) {
        let now_ms = self.host.now_ms();
        if now_ms < self.pause_until_ms {
            return;
        }
        for at in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_MAX {
                let Some(listener) = self.listeners.get_mut(at).filter(|one| one.is_ready) else {
                    break;
                };
                match listener.socket.accept() {
                    Ok((socket, peer)) => {
                        let (name, tls) = (listener.name, listener.tls.clone());
                        self.welcome(socket, peer, name, tls, now_ms);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.is_ready = false;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        self.pause_until_ms = now_ms + EXHAUSTED_PAUSE_MS;
                        break;
                    }
                }
            }
        }
    }

    fn welcome(
        &mut self,
        socket: mio::net::TcpStream,
        peer: SocketAddr,
        name: &'static str,
        tls: Option<Arc<rustls::ServerConfig>>,
        now_ms: u64,
    ) {
        let Some(place) = self.count.take() else {
            tracing::warn!(%peer, "connection refused: the limit of connections is reached");
            return;
        };
        let opened = socket::Socket::new(socket, tls);
        let added = opened.and_then(|socket| {
            self.table
                .insert(&self.poll, socket, peer, name, place, now_ms)
        });
        if let Err(error) = added {
            tracing::debug!(%peer, %error, "a connection could not be served");
        }
    }

    /// Says goodbye to everybody and has everything written.
    fn stop(mut self) {
        self.listeners.clear();
        self.table.end_all();
        let deadline = std::time::Instant::now() + LAST_WORDS;
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            let now_ms = self.host.now_ms();
            self.table.flush(now_ms);
            self.table.close_ended(&self.poll, &mut self.host);
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if self.table.is_empty() || left.is_zero() {
                break;
            }
            // Interrupted or not: the deadline ends it.
            let _ = self
                .poll
                .poll(&mut events, Some(left.min(Duration::from_millis(20))));
            for event in &events {
                if event.token().0 <= usize::MAX - 8 {
                    self.table.is_ready(event.token(), event);
                }
            }
        }
        self.host.close(&mut self.table);
    }
}
