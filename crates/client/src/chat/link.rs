//! The connection to a server's chat: made, kept, made again.
//!
//! A task of its own owns the socket. It comes back after every loss by itself, enters the rooms that it was in from where it was, says
//! again what was not acknowledged, and hands on every message once and in order. It keeps the server's clock.
//!
//! Start reading at [`Link::start`], then [`LinkEvent`].

mod session;
pub(crate) mod socket;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use socket::Fault;

use super::clock::{Clock, ServerClock, SystemClock};
use super::ledger::Ledger;
use super::limits::{COMMANDS_MAX, EVENTS_MAX, GOOD};
use super::wire::{Ask, Hello, Said, Say};
use crate::api::Credentials;
use crate::backoff::Backoff;

/// Where to connect, and as whom.
#[derive(Debug, Clone)]
pub struct Door {
    /// The server, as `http://host:port` or with https.
    pub url: String,
    /// Who asks.
    pub credentials: Credentials,
    /// A file of certificates to trust instead of the usual ones.
    pub ca: Option<PathBuf>,
}

/// What the connection tells.
#[derive(Debug)]
pub enum LinkEvent {
    /// It tries to connect.
    Connecting,
    /// It is there; the rooms come next.
    Up(Hello),
    /// It is lost, and tries again at that moment.
    Down {
        /// Why.
        fault: Fault,
        /// When.
        retry_at: Instant,
    },
    /// It cannot be, and is not tried again unless that is asked for.
    Ended(Fault),
    /// The server said something by itself; messages come once and in order.
    Said(Said),
    /// The server answered the question of that number.
    Answer(u64, Said),
    /// The question of that number had no connection, or lost it before its answer.
    Unasked(u64),
    /// What was said under that id was refused.
    Refused {
        /// The sender's own id.
        sent_id: String,
        /// The server's answer.
        refused: super::wire::Refused,
    },
}

/// What the connection is told.
#[derive(Debug)]
enum LinkCommand {
    Ask(Ask, u64),
    Say(Say),
    Forget(String),
    Retry,
    Close,
}

/// The server's clock, read together with this machine's.
#[derive(Clone)]
pub struct Time {
    clock: Arc<Mutex<(Box<dyn Clock>, ServerClock)>>,
}

impl std::fmt::Debug for Time {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Time")
    }
}

impl Time {
    /// Goes by a clock.
    #[must_use]
    pub fn new(clock: Box<dyn Clock>) -> Self {
        let both = (clock, ServerClock::default());
        Self {
            clock: Arc::new(Mutex::new(both)),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&dyn Clock, &mut ServerClock) -> T) -> T {
        let mut both = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (clock, server) = &mut *both;
        act(&**clock, server)
    }

    /// The server's time in milliseconds since 1970, this machine's until the server's is known.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.with(|clock, server| {
            let now = server.now_ms(clock);
            now.unwrap_or_else(|| clock.wall_us().div_euclid(1000))
        })
    }

    /// What has to be added to this machine's clock to have the server's, and the bound of its error, in microseconds.
    #[must_use]
    pub fn offset_us(&self) -> Option<(i64, i64)> {
        self.with(|clock, server| server.offset_us(clock))
    }

    /// How long the last exchange was under way.
    #[must_use]
    pub fn lag_us(&self) -> Option<i64> {
        self.with(|_, server| server.lag_us())
    }
}

/// A connection that is kept. Dropped, it ends.
#[derive(Debug)]
pub struct Link {
    commands: mpsc::Sender<LinkCommand>,
    events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
    next_number: u64,
    /// The server's clock.
    pub time: Time,
}

/// How a connection is used.
#[derive(Debug, Clone, Default)]
pub struct Use {
    /// Every message that was missed is wanted, not only the newest.
    pub keeps_all: bool,
    /// Places to follow from the beginning on, with the newest message that one has of each.
    pub follow: Vec<(String, Option<u64>)>,
}

impl Link {
    /// Begins to connect; must be called within a runtime.
    #[must_use]
    pub fn start(door: Door, wanted: Use) -> Self {
        Self::start_with(door, wanted, Time::new(Box::new(SystemClock::new())))
    }

    /// The same by a clock that is given.
    #[must_use]
    pub fn start_with(door: Door, wanted: Use, time: Time) -> Self {
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        let mut ledger = Ledger::new(wanted.keeps_all);
        for (name, after) in &wanted.follow {
            ledger.follow(name, *after);
        }
        let keeper = Keeper {
            door,
            ledger,
            commands: command_receiver,
            events: event_sender,
            time: time.clone(),
        };
        Self {
            commands,
            events,
            task: tokio::spawn(keeper.run()),
            next_number: 0,
            time,
        }
    }

    /// Waits for the next event; `None` once it is closed.
    ///
    /// *Concurrency*: cancel safe.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        self.events.recv().await
    }

    /// The next event, if there is one already.
    pub fn ready(&mut self) -> Option<LinkEvent> {
        self.events.try_recv().ok()
    }

    /// Asks something; the answer carries the number. `None` if too much is under way.
    pub fn ask(&mut self, ask: Ask) -> Option<u64> {
        self.next_number += 1;
        let number = self.next_number;
        let sent = self.commands.try_send(LinkCommand::Ask(ask, number));
        sent.ok().map(|()| number)
    }

    /// Says something, now or as soon as there is a connection; false if too much is under way.
    pub fn say(&self, say: Say) -> bool {
        self.commands.try_send(LinkCommand::Say(say)).is_ok()
    }

    /// A room is not to be entered again.
    pub fn forget(&self, room: &str) {
        // A queue that is full is one of a connection that cannot be had: the server will refuse the room itself.
        let _ = self.commands.try_send(LinkCommand::Forget(room.to_owned()));
    }

    /// Connects now, not at the time that was told.
    pub fn retry(&self) {
        let _ = self.commands.try_send(LinkCommand::Retry);
    }

    /// Ends the connection and waits for that.
    pub async fn close(self) {
        let Self {
            commands,
            mut events,
            task,
            ..
        } = self;
        let ended = async {
            let _ = commands.send(LinkCommand::Close).await;
            while events.recv().await.is_some() {}
            let _ = task.await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), ended).await;
    }
}

/// The ids that a program gives what it says: none is anybody else's.
#[derive(Debug)]
pub struct SentIds {
    prefix: String,
    given: u64,
}

impl SentIds {
    /// Begins.
    #[must_use]
    pub fn new() -> Self {
        Self {
            prefix: prefix(),
            given: 0,
        }
    }

    /// A new id.
    pub fn next_id(&mut self) -> String {
        self.given += 1;
        format!("{}-{}", self.prefix, self.given)
    }
}

impl Default for SentIds {
    fn default() -> Self {
        Self::new()
    }
}

fn prefix() -> String {
    let random = getrandom::u64().unwrap_or_else(|_| {
        // Without randomness: when and where it runs is all that there is.
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.unwrap_or_default().as_nanos();
        u64::try_from(nanos % u128::from(u64::MAX)).unwrap_or(0) ^ u64::from(std::process::id())
    });
    format!("{random:016x}")
}

/// Owns the socket, from one connection to the next.
struct Keeper {
    door: Door,
    ledger: Ledger,
    commands: mpsc::Receiver<LinkCommand>,
    events: mpsc::Sender<LinkEvent>,
    time: Time,
}

/// What ended a connection or a wait.
enum End {
    /// The user.
    Closed,
    /// Something else.
    Fault(Fault),
}

impl Keeper {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            if self.tell(LinkEvent::Connecting).await.is_err() {
                return;
            }
            let began = Instant::now();
            let fault = match self.connect_and_serve().await {
                End::Closed => return,
                End::Fault(fault) => fault,
            };
            if began.elapsed() >= GOOD {
                backoff = Backoff::default();
            }
            let is_told = if fault.is_final() {
                self.tell(LinkEvent::Ended(fault)).await.is_ok() && self.wait(None).await
            } else {
                let retry_at = Instant::now() + backoff.next(getrandom::u32().unwrap_or(0));
                let down = LinkEvent::Down { fault, retry_at };
                self.tell(down).await.is_ok() && self.wait(Some(retry_at)).await
            };
            if !is_told {
                return;
            }
        }
    }

    /// Waits until one may connect again; false if nobody wants it.
    async fn wait(&mut self, until: Option<Instant>) -> bool {
        loop {
            let pause = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let command = tokio::select! {
                () = pause => return true,
                command = self.commands.recv() => command,
            };
            match command {
                None | Some(LinkCommand::Close) => return false,
                Some(LinkCommand::Retry) => return true,
                Some(other) => {
                    if self.offline(other).await.is_err() {
                        return false;
                    }
                }
            }
        }
    }

    /// Takes a command without a connection: what is said waits, what is asked is not.
    async fn offline(&mut self, command: LinkCommand) -> Result<(), Gone> {
        match command {
            LinkCommand::Say(say) => self.keep(&say).await.map(|_| ()),
            LinkCommand::Ask(_, number) => self.tell(LinkEvent::Unasked(number)).await,
            LinkCommand::Forget(room) => {
                self.ledger.forget(&room);
                Ok(())
            }
            LinkCommand::Retry | LinkCommand::Close => Ok(()),
        }
    }

    /// Keeps what is said until it is acknowledged; false if it is refused.
    async fn keep(&mut self, say: &Say) -> Result<bool, Gone> {
        if self.ledger.say(say) {
            return Ok(true);
        }
        let refused = super::wire::Refused {
            code: "too_many".into(),
            text: "too much waits to be sent".into(),
            retry_after_ms: None,
        };
        let sent_id = say.sent_id.clone();
        let event = LinkEvent::Refused { sent_id, refused };
        self.tell(event).await.map(|()| false)
    }

    async fn tell(&self, event: LinkEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

/// Nobody listens any more.
#[derive(Debug)]
struct Gone;

#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one event of many"
)]
pub(in crate::chat) mod tests;
