//! The chat as the doors use it: whoever asks and whoever listens, from any thread.
//!
//! One thread owns the chat's rules, its history's writer and the sockets of the line protocol; everything else reaches it by letters.
//!
//! Start reading at [`Chat`].

pub(crate) mod amqp;
mod host;
mod inbox;
pub(crate) mod json;
mod keeper;
mod numbers;

use std::sync::Arc;

use chat::{Actor, Command, Ended, Event, Language, Newcomer, Reason, Refusal, Reply, SessionId};
use engine::accounts::Login;
use engine::{Admission, ConnectionInfo, Handle};
use tokio::sync::{mpsc, oneshot};

pub(crate) use host::{Asker, Caller, EngineAccounts, Host, Lines};
pub(crate) use inbox::{Inbox, Letter, LineLetter};
pub(crate) use keeper::Opened;
pub(crate) use numbers::{COMMIT_BOUNDS_S, Numbers};

/// The chat, from any thread; cheap to clone.
#[derive(Clone)]
pub(crate) struct Chat {
    inbox: Arc<Inbox>,
}

/// Why a listener hears nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The server stops.
    Shutdown,
    /// The login does not hold any more.
    Revoked,
    /// It did not take what it was sent.
    Slow,
}

impl Farewell {
    /// Why the engine closes a connection, by the reason that it gives.
    pub(crate) fn of_closing(reason: &str) -> Self {
        if reason.contains("shutting down") {
            Self::Shutdown
        } else {
            Self::Revoked
        }
    }
}

/// What a listener hears.
#[derive(Debug, Clone)]
pub(crate) enum Heard {
    /// Something happened.
    Event(Arc<Event>),
    /// It hears nothing any more; the last word.
    End(Farewell),
}

/// Something that happened in a room, for whoever follows all rooms.
#[derive(Debug, Clone)]
pub(crate) struct Overheard {
    /// The room's name.
    pub(crate) room: Arc<str>,
    /// What: a message, a changed one, or a room that is another one. Never anything private.
    pub(crate) event: Arc<Event>,
}

/// A session that listens; it ends when this is dropped.
pub(crate) struct Listener {
    chat: Chat,
    session: SessionId,
    actor: Actor,
    heard: mpsc::Receiver<Heard>,
    is_over: bool,
    ended: Ended,
    /// It is listed among the connections of its account.
    admission: Option<Admission>,
}

impl Chat {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// The refusal; [`Reason::Unavailable`] when the chat has stopped.
    pub(crate) async fn ask(&self, actor: Actor, command: Command) -> Result<Reply, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.inbox.post(Letter::Ask {
            actor,
            command,
            answer,
        });
        answered.await.unwrap_or_else(|_| Err(unavailable()))
    }

    /// Begins to listen. What was heard waits in a buffer of so many events; a listener that lets it fill up is sent away.
    ///
    /// # Errors
    /// The refusal; [`Reason::Unavailable`] when the chat has stopped.
    pub(crate) async fn listen(
        &self,
        newcomer: Newcomer,
        buffer: usize,
    ) -> Result<Listener, Refusal> {
        let (hear, heard) = mpsc::channel(buffer);
        let (answer, answered) = oneshot::channel();
        let actor = Actor {
            login: newcomer.login.clone(),
            created_ms: newcomer.created_ms,
            is_administrator: newcomer.is_administrator,
            session: None,
        };
        self.inbox.post(Letter::Listen {
            newcomer,
            hear,
            answer,
        });
        let session = answered.await.unwrap_or_else(|_| Err(unavailable()))?;
        Ok(Listener {
            chat: self.clone(),
            session,
            actor: Actor {
                session: Some(session),
                ..actor
            },
            heard,
            is_over: false,
            ended: Ended::Lost,
            admission: None,
        })
    }

    /// What there is and what has happened; nothing when the chat has stopped.
    pub(crate) async fn numbers(&self) -> Numbers {
        let (answer, answered) = oneshot::channel();
        self.inbox.post(Letter::Count { answer });
        answered.await.unwrap_or_default()
    }

    /// Follows all rooms. Whoever does not keep up misses what does not fit.
    pub(crate) fn overhear(&self, buffer: usize) -> mpsc::Receiver<Overheard> {
        let (hear, heard) = mpsc::channel(buffer);
        self.inbox.post(Letter::Overhear { hear });
        heard
    }

    /// Ends the sessions of logins that do not hold any more; a login that holds is not touched.
    pub(crate) fn check_logins(&self) {
        self.inbox.post(Letter::CheckLogins);
    }
}

impl Listener {
    /// Has the listener listed as a connection of its account, which can be ended, counts for its quota, and is waited for when the
    /// server stops.
    ///
    /// # Errors
    /// The login is void, the account has as many connections as it may have, or the server stops.
    pub(crate) fn admit(
        &mut self,
        engine: &Handle,
        login: &Login,
        info: ConnectionInfo,
    ) -> Result<(), broker::Refusal> {
        let (inbox, session) = (self.chat.inbox.clone(), self.session);
        let closer = Arc::new(move |reason: &str| {
            let farewell = Farewell::of_closing(reason);
            inbox.post(Letter::End { session, farewell });
        });
        self.admission = Some(engine.admit(login, info, closer)?);
        Ok(())
    }

    /// Waits for what happens next; `None` after [`Heard::End`].
    pub(crate) async fn hear(&mut self) -> Option<Heard> {
        if self.is_over {
            return None;
        }
        // Whoever let the buffer fill up is sent away without a word: there was no room for one.
        let heard = self.heard.recv().await;
        let heard = heard.unwrap_or(Heard::End(Farewell::Slow));
        self.is_over = matches!(heard, Heard::End(_));
        Some(heard)
    }

    /// What the session is, to ask on its behalf.
    pub(crate) fn actor(&self) -> Actor {
        self.actor.clone()
    }

    /// Asks for something on the session's behalf.
    ///
    /// # Errors
    /// As [`Chat::ask`].
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        self.chat.ask(self.actor(), command).await
    }

    /// The language that the account has chosen, or else the one that the session began with.
    ///
    /// # Errors
    /// As [`Chat::ask`].
    pub(crate) async fn language(&self) -> Result<Option<Language>, Refusal> {
        // The account may still be looked up; nothing is answered before that.
        self.ask(Command::Blocked).await?;
        let (answer, answered) = oneshot::channel();
        self.chat.inbox.post(Letter::Language {
            session: self.session,
            answer,
        });
        answered.await.map_err(|_| unavailable())
    }

    /// The client said goodbye: it will not come back in a moment.
    pub(crate) fn part(mut self) {
        self.ended = Ended::Asked;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.chat.inbox.post(Letter::Part {
            session: self.session,
            ended: self.ended,
        });
    }
}

fn unavailable() -> Refusal {
    Refusal::new(Reason::Unavailable)
}
