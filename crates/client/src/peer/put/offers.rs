//! Offering what a live peer serves: the server names receivers, and each may fetch as long as its offer lasts.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{Depot, Outcome, Parcel, Receiver, ReceiversError, To, Told, offer, receivers};
use crate::api::{Api, ApiError};
use crate::peer::now_ms;
use crate::peer::serving::{Gate, SECRET_BYTES};

/// Peers that the server may pick, one after the other, until one takes it.
const PICKS_MAX: usize = 16;
/// A ticket that ends sooner is asked for anew, in milliseconds.
const TICKET_LEFT_MS: u64 = 10_000;

/// What offers are made with. Whoever has it serves what is offered, by the same gate.
#[derive(Debug, Clone)]
pub struct Offers {
    /// The server.
    pub api: Arc<Api>,
    /// The id of the live peer that offers.
    pub peer: String,
    /// Where that can be fetched from.
    pub depot: Depot,
    /// Who lets receivers in.
    pub gate: Arc<Gate>,
}

impl Offers {
    /// Asks the server for receivers.
    ///
    /// # Errors
    /// [`ReceiversError`]; 404 where nobody is live.
    pub async fn receivers(
        &self,
        parcel: &Parcel,
        to: &To,
    ) -> Result<Vec<Receiver>, ReceiversError> {
        self.receivers_but(parcel, to, &BTreeSet::new()).await
    }

    /// The same; whom the server picks is none of `tried`.
    async fn receivers_but(
        &self,
        parcel: &Parcel,
        to: &To,
        tried: &BTreeSet<String>,
    ) -> Result<Vec<Receiver>, ReceiversError> {
        let (api, peer) = (Arc::clone(&self.api), self.peer.clone());
        let (parcel, to, tried) = (parcel.clone(), to.clone(), tried.clone());
        let asked = spawn_blocking(move || receivers(&api, &peer, &parcel, &to, &tried));
        asked.await.unwrap_or(Err(ReceiversError::Ended))
    }

    /// Offers to one, who may fetch as long as that lasts.
    pub async fn offer(
        &self,
        parcel: &Parcel,
        mut receiver: Receiver,
        tell: impl FnMut(Told),
    ) -> Outcome {
        if receiver.expires_ms < now_ms() + TICKET_LEFT_MS {
            // It had to wait for others for so long.
            let again = To::Peer(receiver.peer.clone());
            match self.receivers(parcel, &again).await {
                Ok(mut fresh) if !fresh.is_empty() => receiver = fresh.swap_remove(0),
                Ok(_) => return Outcome::Lost("it is not there any more".to_owned()),
                Err(error) => return Outcome::Lost(error.to_string()),
            }
        }
        let mut secret = [0; SECRET_BYTES];
        if getrandom::fill(&mut secret).is_err() {
            return Outcome::Lost("the system gives no random numbers".to_owned());
        }
        let opened = Opened::new(&self.gate, secret, parcel);
        offer(parcel, &receiver, &self.depot, &opened.secret, tell).await
    }
}

/// Those whom the server picks for one parcel, each of them once.
#[derive(Debug, Default)]
pub struct Picks {
    tried: BTreeSet<String>,
}

impl Picks {
    /// Has the server pick another one; `None` when everybody was asked, as far as it picks.
    ///
    /// # Errors
    /// [`ReceiversError`]; 404 where nobody is live.
    pub async fn next(
        &mut self,
        offers: &Offers,
        parcel: &Parcel,
    ) -> Result<Option<Receiver>, ReceiversError> {
        if self.tried.len() >= PICKS_MAX {
            return Ok(None);
        }
        let picked = match offers.receivers_but(parcel, &To::Any, &self.tried).await {
            Ok(picked) => picked,
            // Nobody is left.
            Err(ReceiversError::Api(ApiError::Refused { status: 404, .. }))
                if !self.tried.is_empty() =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut picked = picked.into_iter();
        Ok(picked.find(|receiver| self.tried.insert(receiver.peer.clone())))
    }
}

/// A secret that opens a parcel, until this is dropped.
struct Opened<'a> {
    gate: &'a Gate,
    secret: [u8; SECRET_BYTES],
}

impl<'a> Opened<'a> {
    fn new(gate: &'a Gate, secret: [u8; SECRET_BYTES], parcel: &Parcel) -> Self {
        gate.offer(secret, parcel.root);
        Self { gate, secret }
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.gate.withdraw(&self.secret);
    }
}
