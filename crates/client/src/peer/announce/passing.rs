//! A peer that has nothing to be found, and that the server forgets at its end: one that brings something and goes.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::wire::{self, Announced};
use super::{HEARTBEAT_S, Me, PATIENCE, PATIENCE_AT_END, Stage, State};
use crate::api::{Api, ApiError};

/// Why a peer is not announced.
#[derive(Debug, thiserror::Error)]
pub enum PassingError {
    /// The server says no, or cannot be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The server answers something else.
    #[error("the server answers what this program does not know")]
    Answer,
    /// No thread can be started.
    #[error("cannot start a thread")]
    Thread(#[from] io::Error),
}

/// A peer that is announced without files, until this is dropped: then the server forgets it.
#[derive(Debug)]
pub struct Passing {
    addresses: Vec<String>,
    state: watch::Sender<State>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Passing {
    /// Announces a peer, and keeps it live.
    ///
    /// # Errors
    /// [`PassingError`].
    pub fn start(api: Api, me: Me) -> Result<Self, PassingError> {
        let api = api.with_patience(PATIENCE);
        let announced = announce(&api, &me)?;
        let seconds = announced.heartbeat_s;
        let heartbeat =
            Duration::from_secs(seconds.clamp(*HEARTBEAT_S.start(), *HEARTBEAT_S.end()));
        let (stop, stopped) = sync_channel::<()>(0);
        let thread = thread::Builder::new()
            .name("announce".to_owned())
            .spawn(move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(heartbeat) {
                    beat(&api, &me);
                }
                let path = format!("{}?forget=true", wire::peer_path(&me));
                // A server that is away drops this peer by itself.
                let _ = api
                    .with_patience(PATIENCE_AT_END)
                    .send("DELETE", &path, None);
            })?;
        Ok(Self {
            addresses: announced.addresses,
            state: watch::Sender::new(State {
                stage: Stage::Live,
                relay: announced.relay,
                ..State::default()
            }),
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// How it goes with the server, which does not change any more.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Where others are told that this peer is.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed where it happened.
            let _ = thread.join();
        }
    }
}

fn announce(api: &Api, me: &Me) -> Result<Announced, PassingError> {
    let answer = api.send("PUT", &wire::peer_path(me), Some(&wire::me(me)))?;
    Announced::read(&answer).ok_or(PassingError::Answer)
}

/// Is heard. Those who fetch need no server, so one that is away is only asked again.
fn beat(api: &Api, me: &Me) {
    let path = format!("{}/heartbeat", wire::peer_path(me));
    if let Err(ApiError::Refused { status: 404, .. }) = api.send("POST", &path, Some(&json!({}))) {
        let _ = announce(api, me);
    }
}
