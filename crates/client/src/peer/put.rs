//! Bringing files to other peers: they are packed ([`Parcels`]), the server names who may be asked ([`receivers`]), and each of those is
//! asked and served until it has everything ([`Offers`]).
//!
//! Whoever puts is a peer as long as that lasts, with a key of its own ([`Passing`](super::announce::Passing)): receivers fetch from it with a
//! secret that was made for them.
//!
//! Start reading at [`Parcels::pack`], then [`Offers::offer`].

mod offers;
mod parcel;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::convert::Infallible;

use rpc::v1::offer_response::State;
use rpc::v1::{OfferRequest, OfferResponse};
use serde_json::{Value, json};
use tonic::{Code, Status, Streaming};

use super::download::SourcePeer;
use super::finder::reachable;
use super::identity::Fingerprint;
use super::serving::SECRET_BYTES;
use super::source::{Offered, reach};
use crate::api::{Api, ApiError};

pub use offers::{Offers, Picks};
pub(super) use parcel::root_of;
pub use parcel::{PackError, Packing, Parcel, Parcels};

/// How a peer says no before it judges an offer.
const REFUSALS: [Code; 3] = [
    Code::PermissionDenied,
    Code::ResourceExhausted,
    Code::InvalidArgument,
];

/// To whom something is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Whom the server picks.
    Any,
    /// One peer.
    Peer(String),
    /// All peers of an account.
    Account(String),
    /// All peers of those who are in a room.
    Room(String),
}

/// A peer that may be asked.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Its id.
    pub peer: String,
    /// Where it is, and what to show it.
    pub at: SourcePeer,
    /// Until when it can be shown, in milliseconds since 1970.
    pub expires_ms: u64,
}

/// Why nobody can be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReceiversError {
    /// The server says no, or cannot be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The answer is none of this interface's.
    #[error("the server's answer cannot be read: it has no receivers")]
    Answer,
    /// Nothing is asked any more.
    #[error("this program ends")]
    Ended,
}

/// Asks the server who may be asked to take a parcel that the live peer `from` has; whom it picks is none of `tried`.
///
/// # Errors
/// [`ReceiversError`]; 404 where nobody is live.
fn receivers(
    api: &Api,
    from: &str,
    parcel: &Parcel,
    to: &To,
    tried: &BTreeSet<String>,
) -> Result<Vec<Receiver>, ReceiversError> {
    let mut body = json!({
        "from": from,
        "root": parcel.root.to_string(),
        "name": parcel.name,
        "size": parcel.size,
        "kind": if parcel.is_folder { "collection" } else { "file" },
    });
    let to = match to {
        To::Any => None,
        To::Peer(peer) => Some(json!({ "peer": peer })),
        To::Account(account) => Some(json!({ "account": account })),
        To::Room(room) => Some(json!({ "room": room })),
    };
    if let Some(to) = to {
        body["to"] = to;
    }
    if !tried.is_empty() {
        body["except"] = json!(tried);
    }
    let answer = api.send("POST", "/v1/offers", Some(&body))?;
    let receivers = answer["receivers"].as_array();
    let receivers = receivers.ok_or(ReceiversError::Answer)?;
    Ok(receivers
        .iter()
        .filter_map(|each| receiver(api, each))
        .collect())
}

/// Reads one receiver; one that cannot be read is none.
fn receiver(api: &Api, value: &Value) -> Option<Receiver> {
    Some(Receiver {
        peer: value["peer"].as_str()?.to_owned(),
        at: reachable(api, value)?,
        expires_ms: value["expires_ms"].as_u64()?,
    })
}

/// Where a parcel can be fetched.
#[derive(Debug, Clone)]
pub struct Depot {
    /// Where whoever puts listens, `host:port`.
    pub addresses: Vec<String>,
    /// The hash of its key.
    pub key: Fingerprint,
}

/// What a receiver does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It asks somebody.
    Asking,
    /// It fetches; so many bytes are there.
    Fetched(u64),
}

/// How an offer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has everything, on disk.
    Took,
    /// It had it before.
    Already,
    /// It takes no files at all.
    Closed,
    /// It does not want it, or could not fetch it: why.
    Refused(String),
    /// It cannot be reached, or was lost: why.
    Lost(String),
}

/// Offers a parcel to a receiver, and waits until it has it. Whoever calls this serves the parcel for `secret` meanwhile.
///
/// *Concurrency*: when it is dropped, the offer is taken back.
async fn offer(
    parcel: &Parcel,
    receiver: &Receiver,
    depot: &Depot,
    secret: &[u8; SECRET_BYTES],
    tell: impl FnMut(Told),
) -> Outcome {
    match converse(parcel, receiver, depot, secret, tell).await {
        Ok(never) => match never {},
        Err(outcome) => outcome,
    }
}

async fn converse(
    parcel: &Parcel,
    receiver: &Receiver,
    depot: &Depot,
    secret: &[u8; SECRET_BYTES],
    mut tell: impl FnMut(Told),
) -> Result<Infallible, Outcome> {
    let at = &receiver.at;
    let (ticket, _) = at.permission.shown();
    let request = OfferRequest {
        ticket,
        root: parcel.root.as_bytes().to_vec(),
        name: parcel.name.clone(),
        size: parcel.size,
        collection: parcel.is_folder,
        addresses: depot.addresses.clone(),
        key: depot.key.as_bytes().to_vec(),
        secret: secret.to_vec(),
        total: parcel.total,
    };
    let mut answers = match at.detour.as_ref().filter(|detour| detour.is_sealed) {
        Some(detour) => {
            let offered = Offered::begin(detour, at.key, &request).await;
            Answers::Sealed(Box::new(offered.map_err(of_status)?))
        }
        None => {
            let (mut client, _) = reach(&at.addresses, at.key, at.detour.as_ref())
                .await
                .map_err(|error| Outcome::Lost(error.to_string()))?;
            let answers = client.offer(request).await.map_err(of_status)?;
            Answers::Tls(Box::new(answers.into_inner()))
        }
    };
    loop {
        let answer = answers.message().await.map_err(of_status)?;
        let Some(answer) = answer else {
            return Err(Outcome::Lost("it hung up".to_owned()));
        };
        match answer.state {
            Some(State::Asking(_)) => tell(Told::Asking),
            Some(State::Fetched(bytes)) => tell(Told::Fetched(bytes)),
            Some(State::Done(_)) => return Err(Outcome::Took),
            Some(State::Already(_)) => return Err(Outcome::Already),
            Some(State::Refused(why)) => return Err(Outcome::Refused(why)),
            // What a later version tells.
            None => {}
        }
    }
}

/// What a receiver says, over either kind of line.
enum Answers {
    Tls(Box<Streaming<OfferResponse>>),
    Sealed(Box<Offered>),
}

impl Answers {
    async fn message(&mut self) -> Result<Option<OfferResponse>, Status> {
        match self {
            Self::Tls(answers) => answers.message().await,
            Self::Sealed(offered) => offered.message().await,
        }
    }
}

fn of_status(status: Status) -> Outcome {
    let why = status.message().to_owned();
    let code = status.code();
    if code == Code::Unimplemented {
        Outcome::Closed
    } else if REFUSALS.contains(&code) {
        Outcome::Refused(why)
    } else {
        // The connection is lost; no other is sent by peers.
        Outcome::Lost(why)
    }
}
