//! Letters to the chat's thread.

use std::sync::{Mutex, PoisonError};

use chat::{Actor, Command, Ended, Language, Newcomer, Refusal, Reply, SessionId, Told};
use directory::chat::ChatOutcome;
use mio::Waker;
use tokio::sync::{mpsc, oneshot};

use super::host::Caller;
use super::numbers::Numbers;
use super::{Farewell, Heard, Overheard};
use crate::line::Outcome;

/// What other threads want of the chat.
pub(crate) enum Letter {
    /// See [`super::Chat::ask`].
    Ask {
        actor: Actor,
        command: Command,
        answer: oneshot::Sender<Result<Reply, Refusal>>,
    },
    /// See [`super::Chat::listen`].
    Listen {
        newcomer: Newcomer,
        hear: mpsc::Sender<Heard>,
        answer: oneshot::Sender<Result<SessionId, Refusal>>,
    },
    /// See [`super::Listener::language`].
    Language {
        session: SessionId,
        answer: oneshot::Sender<Option<Language>>,
    },
    /// See [`super::Chat::numbers`].
    Count { answer: oneshot::Sender<Numbers> },
    /// A listener is to be told that it hears nothing any more.
    End {
        session: SessionId,
        farewell: Farewell,
    },
    /// A listener is gone.
    Part { session: SessionId, ended: Ended },
    /// See [`super::Chat::overhear`].
    Overhear { hear: mpsc::Sender<Overheard> },
    /// See [`super::Chat::check_logins`].
    CheckLogins,
    /// What came of the changes that were handed over last; `None` if they could not be stored.
    Committed(Option<Vec<ChatOutcome>>),
    /// What the history said.
    Told(u64, Told),
    /// For the line protocol.
    Line(LineLetter),
}

/// What other threads want of the line protocol.
pub(crate) enum LineLetter {
    /// What became of a login.
    LoggedIn(Caller, Box<Outcome>),
    /// A connection is to end.
    Close { caller: Caller, farewell: Farewell },
    /// The server stops.
    Stop,
}

/// Where letters wait. Whoever asks waits for the answer, so their number is bounded by that of those who ask.
///
/// *Concurrency*: a leaf lock, held to put or take letters.
pub(crate) struct Inbox {
    letters: Mutex<Vec<Letter>>,
    waker: Waker,
}

impl Inbox {
    pub(crate) const fn new(waker: Waker) -> Self {
        Self {
            letters: Mutex::new(Vec::new()),
            waker,
        }
    }

    /// Puts a letter; the thread is woken if none was waiting.
    pub(crate) fn post(&self, letter: Letter) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = letters.is_empty();
        letters.push(letter);
        drop(letters);
        if is_first && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "the chat's thread cannot be woken");
        }
    }

    /// Takes all letters.
    pub(crate) fn take(&self) -> Vec<Letter> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut letters)
    }
}
