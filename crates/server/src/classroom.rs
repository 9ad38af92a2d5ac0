//! The interfaces for clients of systems that Chaski takes the place of: a chat by plain HTTP, queues by JSON with workers by gRPC, and a
//! list of who has which file. See `docs/classroom`.
//!
//! It only translates: its users are accounts, what they say is said in a room of the chat, their queues are the broker's. It must never
//! keep what another part keeps, nor let anybody act for an account that has a password.
//!
//! Start reading at [`Classroom`]; [`users`] says who somebody is here, [`chat`] is the first of the interfaces.

mod chat;
mod guests;
mod names;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use crate::config::{self, Config};
use crate::http::{Web, observed};

use guests::Guests;
use users::Users;

/// The door of the chat by plain HTTP.
pub(crate) const CHAT: &str = "classroom-chat";
/// The door of JSON over HTTP.
pub(crate) const REST: &str = "classroom-rest";
/// The door of gRPC.
pub(crate) const GRPC: &str = "classroom-grpc";

/// The interfaces; cheap to clone.
#[derive(Clone)]
pub(crate) struct Classroom(Arc<Shared>);

struct Shared {
    web: Web,
    users: Users,
    guests: Guests,
}

impl Classroom {
    pub(crate) fn new(web: Web, config: &config::Classroom) -> Self {
        let users = Users::new(web.gateway().engine().clone(), config.max_accounts);
        let guests = Guests::new(&web, users.clone(), config);
        Self(Arc::new(Shared { web, users, guests }))
    }

    /// What one of the doors serves; `None` for a door that is none of them.
    pub(crate) fn router(&self, door: &str) -> Option<Router> {
        let router = match door {
            CHAT => chat::routes(),
            _ => return None,
        };
        let observer = self.0.web.observer().clone();
        Some(observed(router.with_state(self.clone()), observer))
    }

    /// Lets go of whoever fell silent, until the task is dropped.
    pub(crate) async fn sweep(self) {
        self.guests().sweep().await;
    }

    fn guests(&self) -> &Guests {
        &self.0.guests
    }
}

/// How long a connection to one of the doors may be idle; `None` for a door that is none of them, or has nothing to say of it.
///
/// Clients of the chat keep one connection and send something when somebody presses a key.
pub(crate) fn patience(door: &str, config: &Config) -> Option<Duration> {
    (door == CHAT).then(|| Duration::from_secs(config.classroom.silence_s))
}
