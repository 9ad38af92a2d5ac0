//! Keeps the server's index as the catalog is: who this peer is, that it is there, and what it has.
//!
//! ```text
//!             PUT /peers/{peer}                    POST heartbeat, PATCH files
//!   away ───────────────────────▶ live ──────────────────────────────────────▶ live
//!    ▲                             │
//!    └── lost, refused ────────────┘ 404: PUT again at once    end: DELETE
//! ```
//! One thread asks, one request after the other. What the server has, its revision says: differences follow from there, or everything anew where they
//! are not known. Nothing here keeps a peer from sharing: while the server is away, it is tried again, later each time.
//!
//! It must never tell of a file that the catalog does not name.
//!
//! Start reading at [`Announcing::start`].

mod media;
mod passing;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use files::ticket::KeyId;
use serde_json::json;
use tokio::sync::watch;

pub use self::passing::{Passing, PassingError};
use self::wire::{Announced, Step};
use super::catalog::{Catalog, CatalogError};
use crate::api::{Api, ApiError};
use crate::backoff::Backoff;

/// Differences that are told in one request, as the server takes them.
const STEP_MAX: usize = 1_000;
/// Bytes of one request: somewhat less than the server takes.
const STEP_BYTES_MAX: usize = 1_000_000;
/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(500);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same at the end, when somebody waits.
const PATIENCE_AT_END: Duration = Duration::from_secs(3);
/// What a server may ask for between two heartbeats, in seconds.
const HEARTBEAT_S: std::ops::RangeInclusive<u64> = 1..=3_600;
/// Names that were ignored, and files that were refused, which are kept to be shown.
const SHOWN_MAX: usize = 100;

/// Who this peer is.
#[derive(Debug, Clone)]
pub struct Me {
    /// Its id: 32 hexadecimal digits.
    pub peer: String,
    /// What people call it.
    pub name: String,
    /// Where others reach it, as `host:port`, 8 at most.
    pub addresses: Vec<String>,
    /// Where it listens, if it does: with no address the server notes the one that it sees, with this port.
    pub port: Option<u16>,
    /// Whether it can be called through the server, if the server lets it.
    pub relay: bool,
    /// Whether it takes what others bring.
    pub takes: bool,
    /// The hash of its key.
    pub key: [u8; 32],
}

/// What the server knows, and how it goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// How it goes.
    pub stage: Stage,
    /// The keys with which the server signs tickets.
    pub ticket_keys: Vec<(KeyId, [u8; 32])>,
    /// Where others are told that this peer is.
    pub addresses: Vec<String>,
    /// Whether peers can be called through the server.
    pub relay: bool,
    /// The revision of the catalog up to which the server was told.
    pub told: u64,
    /// Offers since this peer announced itself.
    pub offers: u64,
    /// Rooms and accounts of audiences that the server does not know, or does not let this account see.
    pub ignored: Vec<String>,
    /// Files that the server does not take, with its reasons.
    pub refused: Vec<String>,
}

/// How it goes with the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stage {
    /// It is asked for the first time.
    #[default]
    Connecting,
    /// It knows this peer, and is told what it has.
    Telling,
    /// It knows everything.
    Live,
    /// It cannot be reached, or says no; it is asked again.
    Away {
        /// Why.
        reason: String,
        /// When.
        retry_at: Instant,
    },
}

/// A peer that is announced, until this is dropped: then the server is told that it is gone.
#[derive(Debug)]
pub struct Announcing {
    state: watch::Receiver<State>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Announcing {
    /// Begins to announce.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(api: Api, catalog: Arc<Catalog>, me: Me) -> io::Result<Self> {
        let (sender, state) = watch::channel(State::default());
        let (stop, stopped) = sync_channel(0);
        let announcer = Announcer {
            api: api.with_patience(PATIENCE),
            catalog,
            me,
            state: sender,
            stopped,
            told: 0,
            is_listing: false,
            step: STEP_MAX,
        };
        let thread = thread::Builder::new()
            .name("announce".to_owned())
            .spawn(move || announcer.run())?;
        Ok(Self {
            state,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Follows what the server knows.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// Why being live ended.
enum End {
    /// Nobody wants it any more.
    Stopped,
    /// The server does not know this peer any more.
    Forgotten,
    /// The server cannot be reached or says no.
    Lost(String),
}

impl From<CatalogError> for End {
    fn from(error: CatalogError) -> Self {
        Self::Lost(error.to_string())
    }
}

struct Announcer {
    api: Api,
    catalog: Arc<Catalog>,
    me: Me,
    state: watch::Sender<State>,
    stopped: Receiver<()>,
    /// The revision that the server has.
    told: u64,
    /// The server is being told everything, from the beginning.
    is_listing: bool,
    /// Differences of the next request: fewer where the server did not take so many.
    step: usize,
}

impl Announcer {
    fn run(mut self) {
        let mut backoff = Backoff::default();
        let mut was_live = false;
        loop {
            let end = match self.announce() {
                Ok(heartbeat) => {
                    backoff = Backoff::default();
                    was_live = true;
                    self.live(heartbeat)
                }
                Err(end) => end,
            };
            let reason = match end {
                End::Stopped => break,
                End::Forgotten => "the server has forgotten this peer".to_owned(),
                End::Lost(reason) => reason,
            };
            let wait = backoff.next(getrandom::u32().unwrap_or(0));
            let retry_at = Instant::now() + wait;
            self.show(|state| state.stage = Stage::Away { reason, retry_at });
            if self.is_stopped_within(wait) {
                break;
            }
        }
        if was_live {
            let path = wire::peer_path(&self.me);
            let api = self.api.with_patience(PATIENCE_AT_END);
            // A server that is away drops this peer by itself.
            let _ = api.send("DELETE", &path, None);
        }
    }

    /// Says who this peer is, and how often it is to be heard.
    fn announce(&mut self) -> Result<Duration, End> {
        let path = wire::peer_path(&self.me);
        let answer = self.api.send("PUT", &path, Some(&wire::me(&self.me)));
        let answer = answer.map_err(|error| End::Lost(error.to_string()))?;
        let unreadable = || End::Lost("the server answers what this program does not know".into());
        let announced = Announced::read(&answer).ok_or_else(unreadable)?;
        self.told = announced.revision;
        self.is_listing = false;
        self.show(|state| {
            state.stage = Stage::Telling;
            state.told = announced.revision;
            state.ticket_keys = announced.ticket_keys;
            state.addresses = announced.addresses;
            state.relay = announced.relay;
        });
        let seconds = announced.heartbeat_s;
        Ok(Duration::from_secs(
            seconds.clamp(*HEARTBEAT_S.start(), *HEARTBEAT_S.end()),
        ))
    }

    /// Stays live as long as the server lets it.
    fn live(&mut self, heartbeat: Duration) -> End {
        let mut beat_at = Instant::now() + heartbeat;
        loop {
            if Instant::now() >= beat_at {
                if let Err(end) = self.beat() {
                    return end;
                }
                beat_at = Instant::now() + heartbeat;
            }
            let wait = match self.tell() {
                Err(end) => return end,
                Ok(true) => Duration::ZERO,
                Ok(false) => LOOK.min(beat_at.saturating_duration_since(Instant::now())),
            };
            if self.is_stopped_within(wait) {
                return End::Stopped;
            }
        }
    }

    /// Is heard, and hears what the server has.
    fn beat(&mut self) -> Result<(), End> {
        let path = format!("{}/heartbeat", wire::peer_path(&self.me));
        match self.api.send("POST", &path, Some(&json!({}))) {
            Ok(answer) => {
                let offers = answer["offers"].as_u64().unwrap_or(0);
                // It was damaged and made anew, for one.
                if let Some(revision) = answer["revision"].as_u64()
                    && revision != self.told
                {
                    self.told = revision;
                    self.is_listing = false;
                }
                self.show(|state| state.offers = offers);
                Ok(())
            }
            Err(error) => Err(end_of(&error)),
        }
    }

    /// Tells some of what the server does not know; tells whether there may be more.
    fn tell(&mut self) -> Result<bool, End> {
        if self.told == self.catalog.revision()? {
            self.is_listing = false;
            self.show(|state| state.stage = Stage::Live);
            return Ok(false);
        }
        if !self.is_listing && !self.catalog.remembers(self.told)? {
            self.told = 0;
            self.is_listing = true;
        }
        self.show(|state| state.stage = Stage::Telling);
        let changes = self.catalog.changes(self.told, self.step)?;
        let step = Step::new(self.told, &changes);
        if step.bytes() > STEP_BYTES_MAX {
            return self.shrink(changes.to, "it takes too many bytes to be told of");
        }
        let path = format!("{}/files", wire::peer_path(&self.me));
        match self.api.send("PATCH", &path, Some(step.body())) {
            Ok(answer) => {
                let ignored = wire::texts(&answer["ignored"]);
                self.show(|state| add(&mut state.ignored, ignored));
                self.advance(changes.to, changes.is_last)?;
                self.step = (self.step * 2).min(STEP_MAX);
                Ok(true)
            }
            // What the server has, it says with the heartbeat.
            Err(ApiError::Refused { status: 409, .. }) => {
                self.is_listing = false;
                self.beat()?;
                Ok(false)
            }
            Err(ApiError::Refused {
                status: 400 | 413 | 422,
                detail,
            }) => self.shrink(changes.to, &detail),
            Err(error) => Err(end_of(&error)),
        }
    }

    /// Tells less at once; one that is refused by itself is left out.
    fn shrink(&mut self, to: u64, reason: &str) -> Result<bool, End> {
        if self.step > 1 {
            self.step /= 2;
            return Ok(true);
        }
        let changes = self.catalog.changes(self.told, 1)?;
        let entry = changes.put.first().map(|entry| entry.path.clone());
        let refused = format!("{}: {reason}", entry.unwrap_or_default());
        self.show(|state| add(&mut state.refused, vec![refused]));
        let path = format!("{}/files", wire::peer_path(&self.me));
        let step = Step::nothing(self.told, to);
        let answer = self.api.send("PATCH", &path, Some(step.body()));
        answer.map_err(|error| end_of(&error))?;
        self.advance(to, changes.is_last)?;
        Ok(true)
    }

    fn advance(&mut self, to: u64, is_last: bool) -> Result<(), End> {
        self.told = to;
        self.show(|state| state.told = to);
        if is_last {
            self.is_listing = false;
            self.catalog.forget_removals(to)?;
        }
        Ok(())
    }

    fn is_stopped_within(&self, wait: Duration) -> bool {
        match self.stopped.recv_timeout(wait) {
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) | Ok(()) => true,
        }
    }

    /// Shows a state, to those who follow it if it is another than before.
    fn show(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            let before = state.clone();
            change(state);
            *state != before
        });
    }
}

fn end_of(error: &ApiError) -> End {
    match error {
        ApiError::Refused { status: 404, .. } => End::Forgotten,
        ApiError::Unreachable { .. }
        | ApiError::Refused { .. }
        | ApiError::Answer { .. }
        | ApiError::Certificates(_) => End::Lost(error.to_string()),
    }
}

/// Adds what is not there yet, as far as there is room.
fn add(list: &mut Vec<String>, texts: Vec<String>) {
    for text in texts {
        if list.len() < SHOWN_MAX && !list.contains(&text) {
            list.push(text);
        }
    }
}
