//! The relay: who can be called through this server, who calls, and how much may pass.
//!
//! ```text
//!   peer ── standing line ──▶ server ◀── call ── caller
//!   peer ◀── {"call": id} ─── server
//!   peer ── takes the call ─▶ server             both ends are there: bytes pass both ways
//! ```
//! What passes are the peers' own TLS records: nothing of them can be read here, and none of them is kept. The sockets are the door's
//! business (`http::files::relay`); a call's end is whatever the door makes of it.
//!
//! Start reading at [`Relay`].

mod pace;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::FilesError;
use crate::config;
use pace::Pace;

/// How long a peer may take to take a call.
const TAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Calls that a peer may be told of before it has heard of the first.
const RINGS_MAX: usize = 32;

/// Numbers for who watches the server.
#[derive(Debug, Default)]
pub(crate) struct RelayCounts {
    /// Peers with a standing line.
    pub(crate) lines: AtomicU64,
    /// Calls that are open, or wait to be taken.
    pub(crate) calls: AtomicU64,
    /// Bytes that passed, both ways.
    pub(crate) bytes: AtomicU64,
    /// Calls that were refused for a bound.
    pub(crate) refused: AtomicU64,
}

/// The relay, from any thread; cheap to clone. `E` is the called peer's end of a call.
pub(crate) struct Relay<E>(Arc<Shared<E>>);

impl<E> Clone for Relay<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Shared<E> {
    board: Mutex<Board<E>>,
    calls_max: u32,
    calls_per_account_max: u32,
    pace: Option<Pace>,
    counts: RelayCounts,
}

/// Who can be called, and which calls there are.
struct Board<E> {
    lines: HashMap<String, Standing>,
    waiting: HashMap<String, Waiting<E>>,
    accounts: HashMap<String, Account>,
    calls: u32,
    next_line: u64,
}

/// A peer that can be called.
struct Standing {
    number: u64,
    rings: mpsc::Sender<String>,
}

/// A call that nobody has taken yet.
struct Waiting<E> {
    peer: String,
    end: oneshot::Sender<E>,
}

/// Somebody who calls.
struct Account {
    calls: u32,
    /// One read of all of its calls is under way at a time, as long as the rate is bounded.
    turn: Arc<Semaphore>,
}

impl<E> Relay<E> {
    pub(super) fn new(settings: &config::Files) -> Self {
        let board = Board {
            lines: HashMap::new(),
            waiting: HashMap::new(),
            accounts: HashMap::new(),
            calls: 0,
            next_line: 0,
        };
        Self(Arc::new(Shared {
            board: Mutex::new(board),
            calls_max: settings.relay_max_calls,
            calls_per_account_max: settings.relay_max_calls_per_account,
            pace: Pace::new(settings.relay_bytes_per_s),
            counts: RelayCounts::default(),
        }))
    }

    pub(crate) fn counts(&self) -> &RelayCounts {
        &self.0.counts
    }

    fn with<T>(&self, act: impl FnOnce(&mut Board<E>) -> T) -> T {
        let mut board = self.0.board.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut board);
        let lines = board.lines.len() as u64;
        self.0.counts.lines.store(lines, Ordering::Relaxed);
        let calls = u64::from(board.calls);
        self.0.counts.calls.store(calls, Ordering::Relaxed);
        done
    }

    /// Gives a peer a standing line; one that it had before ends.
    pub(crate) fn stand(&self, peer: &str) -> Line<E> {
        let (rings, told) = mpsc::channel(RINGS_MAX);
        let number = self.with(|board| {
            board.next_line += 1;
            let number = board.next_line;
            let standing = Standing { number, rings };
            board.lines.insert(peer.to_owned(), standing);
            number
        });
        Line {
            relay: self.clone(),
            peer: peer.to_owned(),
            number,
            told,
        }
    }

    /// Calls a peer, as an account.
    ///
    /// # Errors
    /// [`FilesError::NoLine`], [`FilesError::TooManyCalls`], [`FilesError::RelayFull`].
    pub(crate) fn call(&self, peer: &str, account: &str) -> Result<Calling<E>, FilesError> {
        let id = new_id()?;
        let (end, taken) = oneshot::channel();
        let begun = self.with(|board| {
            let standing = board.lines.get(peer).ok_or(FilesError::NoLine)?;
            let rings = standing.rings.clone();
            let own = board.accounts.get(account).map_or(0, |own| own.calls);
            if own >= self.0.calls_per_account_max {
                return Err(FilesError::TooManyCalls);
            }
            // One that hears nothing of so many calls is as one that is not there.
            if board.calls >= self.0.calls_max || rings.try_send(id.clone()).is_err() {
                return Err(FilesError::RelayFull);
            }
            let peer = peer.to_owned();
            board.waiting.insert(id.clone(), Waiting { peer, end });
            board.calls += 1;
            let own = board.accounts.entry(account.to_owned());
            let own = own.or_insert_with(Account::new);
            own.calls += 1;
            Ok(own.turn.clone())
        });
        let turn = begun.inspect_err(|error| {
            if *error != FilesError::NoLine {
                self.0.counts.refused.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        let call = Call {
            relay: self.clone(),
            account: account.to_owned(),
            turn,
        };
        let relay = self.clone();
        let waits = Waits { relay, id };
        Ok(Calling { waits, taken, call })
    }

    /// Takes a call for a peer; the end that is sent goes to the caller, who may have given up meanwhile.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] if there is no such call of this peer's, or not any more.
    pub(crate) fn take(&self, peer: &str, id: &str) -> Result<oneshot::Sender<E>, FilesError> {
        self.with(|board| {
            let waiting = board.waiting.get(id);
            if waiting.is_none_or(|waiting| waiting.peer != peer) {
                return Err(FilesError::NotFound);
            }
            let waiting = board.waiting.remove(id).ok_or(FilesError::NotFound)?;
            Ok(waiting.end)
        })
    }
}

impl Account {
    fn new() -> Self {
        Self {
            calls: 0,
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The standing line of a peer, given up when it is dropped.
pub(crate) struct Line<E> {
    relay: Relay<E>,
    peer: String,
    number: u64,
    told: mpsc::Receiver<String>,
}

impl<E> Line<E> {
    /// Waits for a call; `None` when the peer has another line.
    pub(crate) async fn ring(&mut self) -> Option<String> {
        self.told.recv().await
    }
}

impl<E> Drop for Line<E> {
    fn drop(&mut self) {
        self.relay.with(|board| {
            let own = board.lines.get(&self.peer);
            if own.is_some_and(|standing| standing.number == self.number) {
                board.lines.remove(&self.peer);
            }
        });
    }
}

/// A call that waits to be taken.
pub(crate) struct Calling<E> {
    waits: Waits<E>,
    taken: oneshot::Receiver<E>,
    call: Call<E>,
}

impl<E> Calling<E> {
    /// Waits until the peer has taken it.
    ///
    /// # Errors
    /// [`FilesError::NotTaken`] when it does not, for some seconds.
    pub(crate) async fn taken(self) -> Result<(E, Call<E>), FilesError> {
        let Self { waits, taken, call } = self;
        let end = timeout(TAKE_PATIENCE, taken).await;
        drop(waits);
        match end {
            Ok(Ok(end)) => Ok((end, call)),
            // It took it and was lost; or it does not hear.
            Ok(Err(_)) | Err(_) => Err(FilesError::NotTaken),
        }
    }
}

/// That somebody waits for a call to be taken; dropped, nobody does.
struct Waits<E> {
    relay: Relay<E>,
    id: String,
}

impl<E> Drop for Waits<E> {
    fn drop(&mut self) {
        // Taken already, for the most part.
        self.relay.with(|board| board.waiting.remove(&self.id));
    }
}

/// The place of a call, given up when it is dropped.
pub(crate) struct Call<E> {
    relay: Relay<E>,
    account: String,
    turn: Arc<Semaphore>,
}

impl<E> Call<E> {
    /// Lets so many bytes pass, when it is their turn: one read of every account after the other.
    pub(crate) async fn pass(&self, bytes: usize) {
        let shared = &self.relay.0;
        if let Some(pace) = &shared.pace {
            pace.pass(&self.turn, bytes).await;
        }
        let bytes = bytes as u64;
        shared.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl<E> Drop for Call<E> {
    fn drop(&mut self) {
        self.relay.with(|board| {
            board.calls = board.calls.saturating_sub(1);
            if let Some(own) = board.accounts.get_mut(&self.account) {
                own.calls = own.calls.saturating_sub(1);
                if own.calls == 0 {
                    board.accounts.remove(&self.account);
                }
            }
        });
    }
}

/// A name that nobody guesses.
fn new_id() -> Result<String, FilesError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| FilesError::Unavailable)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
