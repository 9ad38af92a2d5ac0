//! What callers are answered: statuses as in HTTP.

use rpc::pserver::Response;

use crate::api::ApiError;
use crate::peer::SinkError;
use crate::peer::download::DownloadError;
use crate::peer::finder::FindError;
use crate::peer::put::{Outcome, ReceiversError};

/// A status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) i32);

impl Code {
    pub(super) const DONE: Self = Self(200);
    /// Nobody is logged in, or the password is wrong.
    pub(super) const DENIED: Self = Self(401);
    /// Nobody has it, or nobody is there to take it.
    pub(super) const ABSENT: Self = Self(404);
    /// It is there already.
    pub(super) const PRESENT: Self = Self(409);
    /// Too much is under way.
    pub(super) const BUSY: Self = Self(429);
    /// A peer of the older system said what is none of its answers.
    pub(super) const ODD: Self = Self(502);
    /// The server does not answer, or not now.
    pub(super) const AWAY: Self = Self(503);
    /// It took too long.
    pub(super) const LATE: Self = Self(504);
    /// The disk is full, or cannot be written.
    pub(super) const NO_ROOM: Self = Self(507);
}

impl From<Code> for Response {
    fn from(code: Code) -> Self {
        Self {
            status_code: code.0,
        }
    }
}

/// What it means that a file was not found.
pub(super) fn of_find(error: &FindError) -> Code {
    match error {
        FindError::Api(error) => of_api(error),
        FindError::Nobody(_) | FindError::NotShared(_) => Code::ABSENT,
        // No other is found by its name alone.
        FindError::Several { .. } | FindError::Link(_) | FindError::Answer(_) => Code::AWAY,
    }
}

/// What it means that the server says no.
fn of_api(error: &ApiError) -> Code {
    match error {
        ApiError::Refused { status: 404, .. } => Code::ABSENT,
        ApiError::Refused { status: 429, .. } => Code::BUSY,
        ApiError::Refused { .. }
        | ApiError::Unreachable { .. }
        | ApiError::Answer { .. }
        | ApiError::Certificates(_) => Code::AWAY,
    }
}

/// What it means that a file was not fetched.
pub(super) fn of_download(error: &DownloadError) -> Code {
    match error {
        DownloadError::Sink(SinkError::Exists(_)) => Code::PRESENT,
        DownloadError::Sink(SinkError::Busy(_)) => Code::BUSY,
        DownloadError::Sink(SinkError::Disk { .. }) => Code::NO_ROOM,
        DownloadError::Size(_) | DownloadError::NoSource(_) => Code::ABSENT,
    }
}

/// What it means what a peer of the older system said: what such peers say is passed on.
pub(super) fn of_older(status: i32) -> Code {
    let known = [Code::DONE, Code::DENIED, Code::ABSENT, Code::PRESENT];
    if known.contains(&Code(status)) {
        Code(status)
    } else {
        Code::ODD
    }
}

/// What it means that a password was not checked. The wrong ones are told by 4xx; that the server wants no more of them now, is no judgement.
pub(super) const fn of_check(error: &ApiError) -> Code {
    match error {
        ApiError::Refused { status: 429, .. } => Code::BUSY,
        ApiError::Refused { status, .. } if *status < 500 => Code::DENIED,
        ApiError::Refused { .. }
        | ApiError::Unreachable { .. }
        | ApiError::Answer { .. }
        | ApiError::Certificates(_) => Code::AWAY,
    }
}

/// What it means that nobody was named who could take a file.
pub(super) fn of_receivers(error: &ReceiversError) -> Code {
    match error {
        ReceiversError::Api(error) => of_api(error),
        ReceiversError::Answer | ReceiversError::Ended => Code::AWAY,
    }
}

/// What it means how an offer ended; `None` if another peer may take it.
pub(super) const fn of_outcome(outcome: &Outcome) -> Option<Code> {
    match outcome {
        Outcome::Took => Some(Code::DONE),
        Outcome::Already => Some(Code::PRESENT),
        Outcome::Closed | Outcome::Refused(_) | Outcome::Lost(_) => None,
    }
}
