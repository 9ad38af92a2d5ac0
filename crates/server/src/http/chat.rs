//! The chat over HTTP: rooms, members, messages, private conversations and people by REST, readers by server-sent events, and a
//! WebSocket for everything live.
//!
//! Handlers turn a request into one [`Command`] of whoever calls, and its reply into the JSON that `docs/chat.md` describes: rules are
//! the chat's own.
//!
//! Start reading at [`Chatter`].

pub(super) mod conversations;
pub(super) mod events;
pub(super) mod messages;
pub(super) mod moderation;
pub(super) mod news;
pub(super) mod people;
mod pipeline;
pub(super) mod rooms;
pub(super) mod socket;
mod talk;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chat::{Actor, Command, Language, Newcomer, Reason, Refusal, RefusalKind, Reply};
use engine::ConnectionInfo;
use serde::Serialize;

use super::Web;
use super::caller::{Caller, DEFAULT_VHOST};
use super::problem::Problem;
use crate::chat::Listener;
use crate::chat::json::Bye;

pub(crate) use pipeline::{Outcome, Pipeline};
pub(crate) use talk::nothing_said;

/// What a listener over HTTP may leave unread: what somebody missed who comes back, and as long a moment of a room where everybody talks.
/// Events are shared by all who hear them.
const UNREAD_EVENTS_MAX: usize = 4 * chat::limits::MISSED_MAX as usize;

/// How long a client may take to read what it was sent.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(20);

/// Waits until somebody has to stop listening, and says why.
pub(crate) type Over = Pin<Box<dyn Future<Output = Bye> + Send>>;

/// Somebody who is logged in with an account of their own, and so may chat.
pub(crate) struct Chatter {
    caller: Caller,
    created_ms: u64,
}

impl FromRequestParts<Web> for Chatter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, web).await?;
        Self::of(web, caller).map_err(|outsider| {
            let detail = outsider.detail();
            match outsider {
                Outsider::Key => Problem::forbidden(detail),
                Outsider::Gone => Problem::unauthorized(detail),
            }
        })
    }
}

/// Why somebody who is logged in may not chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outsider {
    /// With the key of a queue, which is no account.
    Key,
    /// The account was deleted meanwhile.
    Gone,
}

impl Outsider {
    /// The sentence about it.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::Key => "the key of a queue is no account: log in with one to chat",
            Self::Gone => "the account was deleted just now",
        }
    }
}

impl Chatter {
    /// Lets in whoever is logged in with an account.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn of(web: &Web, caller: Caller) -> Result<Self, Outsider> {
        if caller.login.key().is_some() {
            return Err(Outsider::Key);
        }
        let account = web.gateway().engine().account(&caller.login.name);
        let account = account.ok_or(Outsider::Gone)?;
        Ok(Self {
            caller,
            created_ms: account.created_ms,
        })
    }

    /// Asks for something.
    async fn ask(&self, web: &Web, command: Command) -> Result<Reply, Problem> {
        Ok(web.chat().ask(self.actor(), command).await?)
    }

    /// Who asks, without a session.
    pub(crate) fn actor(&self) -> Actor {
        Actor {
            login: self.caller.login.name.to_string(),
            created_ms: self.created_ms,
            is_administrator: self.caller.login.is_administrator(),
            session: None,
        }
    }

    /// Asks for something that is done or not.
    async fn order(&self, web: &Web, command: Command) -> Result<StatusCode, Problem> {
        let Reply::Done = self.ask(web, command).await? else {
            return Err(unexpected());
        };
        Ok(StatusCode::NO_CONTENT)
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// As [`crate::chat::Chat::listen`].
    pub(crate) async fn listen(
        &self,
        web: &Web,
        door: &'static str,
        language: Option<Language>,
        enters_default: bool,
    ) -> Result<Listener, Refusal> {
        let newcomer = Newcomer {
            login: self.caller.login.name.to_string(),
            created_ms: self.created_ms,
            is_administrator: self.caller.login.is_administrator(),
            door,
            language,
            reads_all: false,
            enters_default,
        };
        let mut listener = web.chat().listen(newcomer, UNREAD_EVENTS_MAX).await?;
        let place = self.caller.place();
        let engine = web.gateway().engine();
        let info = ConnectionInfo {
            login: self.caller.login.name.clone(),
            vhost: DEFAULT_VHOST.into(),
            peer: place.peer,
            protocol: place.door,
            name: None,
            client: place.client,
            connected_at_ms: engine.now_ms(),
            channels: Arc::default(),
        };
        let admitted = listener.admit(engine, &self.caller.login, info);
        admitted.map_err(|refusal| {
            Refusal::new(if refusal.kind == broker::RefusalKind::Unavailable {
                Reason::Unavailable
            } else if refusal.kind == broker::RefusalKind::NotAllowed {
                Reason::TooMany(chat::Plenty::Connections)
            } else {
                Reason::Void
            })
        })?;
        Ok(listener)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = chat::catalogue::refusal(&refusal.reason, Language::English);
        match refusal.kind {
            RefusalKind::NotFound => Self::not_found(detail),
            RefusalKind::Forbidden => Self::forbidden(detail),
            RefusalKind::Invalid => Self::invalid(detail),
            RefusalKind::Taken => Self::conflict(detail),
            RefusalKind::Limited { retry_after_ms } => {
                let seconds = retry_after_ms.div_ceil(1_000).max(1);
                Self::too_many(detail, u32::try_from(seconds).unwrap_or(u32::MAX))
            }
            RefusalKind::Unavailable => Self::unavailable(detail),
        }
    }
}

/// The problem of an answer that does not belong to what was asked.
fn unexpected() -> Problem {
    tracing::error!("the chat answered something else than was asked");
    Problem::internal()
}

/// See [`Over`].
pub(crate) fn over(web: &Web, chatter: &Chatter) -> Over {
    over_of(web, &chatter.caller)
}

/// The same for a caller who does not chat.
pub(crate) fn over_of(web: &Web, caller: &Caller) -> Over {
    let (web, login) = (web.clone(), caller.login.clone());
    Box::pin(async move {
        let mut stopping = web.stopping();
        tokio::select! {
            () = web.gateway().engine().until_void(&login) => Bye::Revoked,
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Bye::Shutdown,
        }
    })
}

/// The first language of a client that is spoken here.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Language> {
    let wanted = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    let words = wanted.split(',');
    words
        .map(|word| word.split(';').next().unwrap_or_default().trim())
        .find_map(Language::of)
}

/// An answer with a JSON form that borrows from the chat's reply.
fn shown(status: StatusCode, form: &impl Serialize) -> Response {
    (status, Json(form)).into_response()
}
