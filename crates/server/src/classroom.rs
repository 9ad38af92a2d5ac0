//! The interfaces for clients of systems that Chaski takes the place of: a chat by plain HTTP, queues by JSON with workers by gRPC, and a
//! list of who has which file. See `docs/classroom`.
//!
//! It only translates: its users are accounts, what they say is said in a room of the chat, their queues are the broker's. It must never
//! keep what another part keeps, nor let anybody act for an account that has a password.
//!
//! Start reading at [`Classroom`]; [`users`] says who somebody is here, [`chat`] is the first of the interfaces.

mod chat;
mod guests;
mod index;
mod json;
mod keys;
mod middleware;
mod names;
mod peers;
mod queues;
mod users;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use engine::Handle;

use crate::config::Config;
use crate::http::{Web, observed};

use guests::Guests;
use json::Answer;
use peers::Peers;
pub(crate) use queues::Obstacle;
use queues::Queues;
use users::Users;

/// The door of the chat by plain HTTP.
pub(crate) const CHAT: &str = "classroom-chat";
/// The door of JSON over HTTP.
pub(crate) const REST: &str = "classroom-rest";
/// The door of gRPC.
pub(crate) const GRPC: &str = "classroom-grpc";

/// How long a connection of the plain chat may be idle: its clients keep one, and send something when somebody presses a key.
const CHAT_PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// The interfaces; cheap to clone.
#[derive(Clone)]
pub(crate) struct Classroom(Arc<Shared>);

struct Shared {
    web: Web,
    users: Users,
    guests: Guests,
    queues: Queues,
    peers: Peers,
}

impl Classroom {
    pub(crate) fn new(web: Web, config: &Config) -> Self {
        let silence = Duration::from_secs(config.files.silence_s.into());
        let config = &config.classroom;
        let users = Users::new(web.gateway().engine().clone(), config.max_accounts);
        let guests = Guests::new(&web, users.clone(), config);
        let max = usize::try_from(config.max_users).unwrap_or(usize::MAX);
        Self(Arc::new(Shared {
            queues: Queues::new(web.clone(), users.clone()),
            peers: Peers::new(silence, max),
            web,
            users,
            guests,
        }))
    }

    /// What one of the doors serves; `None` for a door that is none of them.
    pub(crate) fn router(&self, door: &str) -> Option<Router> {
        let router = match door {
            CHAT => chat::routes(),
            REST => middleware::routes()
                .merge(index::routes())
                .fallback(no_such_path)
                .method_not_allowed_fallback(no_such_method),
            GRPC => workers::routes(self),
            _ => return None,
        };
        let observer = self.0.web.observer().clone();
        Some(observed(router.with_state(self.clone()), observer))
    }

    /// Makes what belongs to nobody who calls here, before anybody can take its name.
    ///
    /// # Errors
    /// Its name is taken.
    pub(crate) async fn prepare(&self) -> Result<(), Obstacle> {
        match self.queues().open_services().await {
            Err(Obstacle::Refused(why)) => {
                // It is tried again when somebody asks for a worker service.
                tracing::error!(%why, "worker services have no queues yet");
                Ok(())
            }
            done => done,
        }
    }

    /// Lets go of whoever fell silent, until the task is dropped.
    pub(crate) async fn sweep(self) {
        self.guests().sweep().await;
    }

    fn web(&self) -> &Web {
        &self.0.web
    }

    fn engine(&self) -> &Handle {
        self.0.web.gateway().engine()
    }

    fn users(&self) -> &Users {
        &self.0.users
    }

    fn queues(&self) -> &Queues {
        &self.0.queues
    }

    fn peers(&self) -> &Peers {
        &self.0.peers
    }

    fn guests(&self) -> &Guests {
        &self.0.guests
    }
}

/// A path that is read and nothing else. Reading takes what is read, so `HEAD` is no way to look first.
fn read<H, T>(handler: H) -> MethodRouter<Classroom>
where
    H: Handler<T, Classroom>,
    T: 'static,
{
    only("GET", get(handler), no_such_method)
}

/// A path with those methods alone: without this, `HEAD` would be answered as `GET` is.
fn only<A, R>(
    allowed: &'static str,
    router: MethodRouter<Classroom>,
    refused: fn() -> A,
) -> MethodRouter<Classroom>
where
    A: Future<Output = R> + Send + 'static,
    R: IntoResponse + Send + 'static,
{
    let refuse = move || async move { ([(header::ALLOW, allowed)], refused().await) };
    router.head(refuse).fallback(refuse)
}

async fn no_such_path() -> Answer {
    Answer::refused(StatusCode::NOT_FOUND, "There is no such call")
}

async fn no_such_method() -> Answer {
    Answer::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "This call has another method",
    )
}

/// How long a connection to one of the doors may be idle; `None` for a door that has nothing to say of it.
pub(crate) fn patience(door: &str) -> Option<Duration> {
    (door == CHAT).then_some(CHAT_PATIENCE)
}
