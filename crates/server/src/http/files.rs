//! The file index over HTTP: peers announce themselves and what they have, everybody finds what they may see.
//!
//! Handlers check the form of a request, find out who asks and which rooms they are in, and ask [`crate::files::Files`]. `docs/files.md`
//! is what clients are told.
//!
//! Start reading at [`Sharer`].

mod cards;
pub(crate) mod forms;
pub(crate) mod links;
pub(crate) mod peers;
pub(crate) mod publish;
pub(crate) mod relay;
pub(crate) mod reports;
pub(crate) mod search;
mod stated;
pub(crate) mod tickets;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use chat::{Actor, Command, Reply};
use directory::files::{AudienceMember, FileViewer};

use super::chat::{Chatter, Outsider};
use super::problem::Problem;
use super::{Caller, Web};
use crate::files::FilesError;

/// How long to wait before there may be room again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// Somebody who is logged in with an account of their own, and so may share and fetch.
pub(crate) struct Sharer {
    caller: Caller,
    actor: Actor,
}

impl FromRequestParts<Web> for Sharer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, web).await?;
        Self::of(web, caller).map_err(|outsider| match outsider {
            Outsider::Key => Problem::forbidden(
                "the key of a queue is no account: log in with one to share and fetch files",
            ),
            Outsider::Gone => Problem::unauthorized(outsider.detail()),
        })
    }
}

impl Sharer {
    /// Lets in whoever is logged in with an account.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn of(web: &Web, caller: Caller) -> Result<Self, Outsider> {
        let chatter = Chatter::of(web, caller.clone())?;
        let actor = chatter.actor();
        Ok(Self { caller, actor })
    }

    /// The account.
    pub(crate) fn account(&self) -> AudienceMember {
        AudienceMember {
            name: self.actor.login.clone(),
            created_ms: self.actor.created_ms,
        }
    }

    /// Who looks, with the rooms that they are in.
    ///
    /// # Errors
    /// The chat has stopped.
    pub(crate) async fn viewer(&self, web: &Web) -> Result<FileViewer, FilesError> {
        let answered = web.chat().ask(self.actor.clone(), Command::OwnRooms);
        let Ok(Reply::Rooms(rooms)) = answered.await else {
            return Err(FilesError::Unavailable);
        };
        let rooms = rooms.into_iter().map(|room| AudienceMember {
            name: room.name,
            created_ms: room.created_ms,
        });
        Ok(FileViewer {
            login: self.actor.login.clone(),
            account_ms: self.actor.created_ms,
            rooms: rooms.collect(),
            guest_of: None,
        })
    }
}

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::NotFound => Self::not_found("there is no such thing that you may see"),
            FilesError::OtherAccount => {
                Self::conflict("a peer of another account has this id; make another one")
            }
            FilesError::WrongRevision(revision) => Self::wrong_revision(revision),
            FilesError::TooManyPeers => Self::too_many(
                "the account has as many live peers as it may have; log one out",
                RETRY_AFTER_S,
            ),
            FilesError::TooManyFiles => Self::too_many(
                "the peer would have more files than it may have",
                RETRY_AFTER_S,
            ),
            FilesError::TooManyLinks => Self::too_many(
                "the account has as many links as it may have; delete one",
                RETRY_AFTER_S,
            ),
            FilesError::NoLine => Self::not_found(
                "the peer cannot be called through this server at the moment: it keeps no line",
            ),
            FilesError::TooManyCalls => Self::too_many(
                "the account calls as many peers through this server as it may",
                RETRY_AFTER_S,
            ),
            FilesError::RelayFull => {
                Self::unavailable("as many peers are called through this server as may be")
            }
            FilesError::NotTaken => Self::timeout("the peer did not take the call"),
            FilesError::RelayOff => Self::unavailable(
                "peers are not called through this server: files.relay_enabled is false",
            ),
            FilesError::Unavailable => {
                Self::unavailable("the file index is not there at the moment")
            }
            FilesError::Off => {
                Self::unavailable("this server has no file index: files.enabled is false")
            }
        }
    }
}
