//! The server as a relay, for peers that cannot reach each other directly: the line on which a peer is told of calls, and the tunnels
//! through which bytes pass. In a tunnel peers speak TLS as they do over TCP, each with the other's key alone, so the server sees nothing
//! of what passes.
//!
//! Start reading at [`Standing::start`] and [`Relay::call`].

#[cfg(test)]
mod tests;
mod tunnel;

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::announce::{Stage, State};
use super::limits::{LINE_SILENCE, TAKES_MAX, TUNNEL_BYTES_MAX};
use crate::api::{Api, escape};
use crate::backoff::Backoff;
use crate::chat::link::socket::{Socket, open_at};
use crate::chat::link::{Door, Fault};

pub use tunnel::Tunnel;

/// The server, through which peers can be called; cheap to clone.
#[derive(Debug, Clone)]
pub struct Relay(Arc<Door>);

impl Relay {
    /// The same server as somebody's.
    #[must_use]
    pub fn of(api: &Api) -> Self {
        let (url, credentials, ca) = api.whereabouts();
        Self(Arc::new(Door {
            url: url.to_owned(),
            credentials: credentials.clone(),
            ca: ca.map(Path::to_owned),
        }))
    }

    /// Calls a peer; it is there, or was there when the server said so, and takes the call or not.
    pub(super) async fn call(&self, peer: &str) -> Result<Tunnel, Fault> {
        let path = format!("/v1/peers/{}/call", escape(peer));
        self.open(&path).await.map(Tunnel::new)
    }

    async fn take(&self, peer: &str, call: &str) -> Result<Tunnel, Fault> {
        let path = format!("/v1/peers/{}/relay/{}", escape(peer), escape(call));
        self.open(&path).await.map(Tunnel::new)
    }

    async fn stand(&self, peer: &str) -> Result<Socket, Fault> {
        self.open(&format!("/v1/peers/{}/relay", escape(peer)))
            .await
    }

    async fn open(&self, path: &str) -> Result<Socket, Fault> {
        open_at(&self.0, path, TUNNEL_BYTES_MAX).await
    }
}

/// How a peer can be reached when none of its addresses answers.
#[derive(Debug, Clone)]
pub struct Detour {
    /// Through which server.
    pub relay: Relay,
    /// The peer's id there.
    pub peer: String,
    /// It speaks the sealed line and no TLS, as browsers do: there is no other way to it.
    pub is_sealed: bool,
}

/// The line on which this peer hears of calls, kept as long as this is not dropped.
#[derive(Debug)]
pub struct Standing {
    is_open: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Standing {
    /// Begins to keep the line of a peer whenever `state` says that the server knows the peer and relays; calls that were taken go to
    /// `tunnels`.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn start(
        relay: Relay,
        peer: String,
        state: watch::Receiver<State>,
        tunnels: mpsc::Sender<Tunnel>,
    ) -> Self {
        let (shown, is_open) = watch::channel(false);
        let keeper = Keeper {
            relay,
            peer,
            state,
            tunnels,
            takes: Arc::new(Semaphore::new(TAKES_MAX)),
            shown,
        };
        let task = tokio::spawn(keeper.run());
        Self { is_open, task }
    }

    /// Follows whether others can call.
    #[must_use]
    pub fn is_open(&self) -> watch::Receiver<bool> {
        self.is_open.clone()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper {
    relay: Relay,
    peer: String,
    state: watch::Receiver<State>,
    tunnels: mpsc::Sender<Tunnel>,
    takes: Arc<Semaphore>,
    shown: watch::Sender<bool>,
}

impl Keeper {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            // An error means that nobody announces this peer any more.
            if self.state.wait_for(is_wanted).await.is_err() {
                return;
            }
            if let Ok(line) = self.relay.stand(&self.peer).await {
                backoff = Backoff::default();
                self.shown.send_replace(true);
                self.attend(line).await;
                self.shown.send_replace(false);
            }
            let wait = backoff.next(getrandom::u32().unwrap_or(0));
            tokio::select! {
                () = sleep(wait) => {}
                // When the server knows this peer again, it takes its line.
                _ = self.state.wait_for(|state| !is_wanted(state)) => {}
            }
        }
    }

    /// Takes calls until the line is lost.
    async fn attend(&self, mut line: Socket) {
        while let Ok(Some(Ok(heard))) = timeout(LINE_SILENCE, line.next()).await {
            let Message::Text(text) = heard else {
                continue;
            };
            let word: Option<Value> = serde_json::from_str(&text).ok();
            let call = word.as_ref().and_then(|word| word["call"].as_str());
            // Whoever calls too many at once waits in vain, and calls again.
            let (Some(call), Ok(permit)) = (call, self.takes.clone().try_acquire_owned()) else {
                continue;
            };
            let (relay, peer, call) = (self.relay.clone(), self.peer.clone(), call.to_owned());
            let tunnels = self.tunnels.clone();
            tokio::spawn(async move {
                if let Ok(tunnel) = relay.take(&peer, &call).await {
                    // Nobody serves any more.
                    let _ = tunnels.send(tunnel).await;
                }
                drop(permit);
            });
        }
    }
}

/// Whether the server knows this peer and lets it be called.
fn is_wanted(state: &State) -> bool {
    match state.stage {
        Stage::Telling | Stage::Live => state.relay,
        Stage::Connecting | Stage::Away { .. } => false,
    }
}
