//! Callers without TLS: told from others by their first byte, let in or not, and answered as long as they ask something.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rpc::pserver::p_server_server::PServerServer;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::interval;

use super::service::Service;
use super::{Callers, Classroom};
use crate::peer::limits::{
    KEEPALIVE, KEEPALIVE_TIMEOUT, PLAIN_CALLERS_MAX, PLAIN_CALLERS_PER_ADDRESS_MAX, PLAIN_IDLE,
    PLAIN_STREAMS_MAX, REQUEST_BYTES_MAX,
};

/// The first byte of HTTP/2 without TLS, `PRI * HTTP/2.0`; TLS begins with 0x16.
const FIRST: u8 = b'P';

/// Whether a caller begins to speak without TLS. Waits until it says something, and leaves what it said where it is.
///
/// # Errors
/// The connection is lost.
pub(in crate::peer) async fn is_plain(socket: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(socket.peek(&mut first).await? == 1 && first == [FIRST])
}

/// Those who are being answered, each as often as it has connections.
pub(super) type Present = Vec<IpAddr>;

/// A caller that is let in, until this is dropped.
pub(in crate::peer) struct Visit {
    classroom: Arc<Classroom>,
    from: IpAddr,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut present = self.classroom.present();
        if let Some(place) = present.iter().position(|from| *from == self.from) {
            present.swap_remove(place);
        }
    }
}

impl Classroom {
    /// Lets a caller in, if it is one whose calls are taken and there is room.
    pub(in crate::peer) fn admit(self: &Arc<Self>, socket: &TcpStream) -> Option<Visit> {
        let from = socket.peer_addr().ok()?.ip().to_canonical();
        let here = socket.local_addr().ok()?.ip().to_canonical();
        if self.terms.callers == Callers::Local && !is_local(from, here) {
            return None;
        }
        let mut present = self.present();
        let own = present.iter().filter(|each| **each == from).count();
        if present.len() >= PLAIN_CALLERS_MAX || own >= PLAIN_CALLERS_PER_ADDRESS_MAX {
            return None;
        }
        present.push(from);
        drop(present);
        Some(Visit {
            classroom: Arc::clone(self),
            from,
        })
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a caller is on this machine: at its loopback address, or at the very address that it calls.
pub(super) fn is_local(from: IpAddr, here: IpAddr) -> bool {
    from.is_loopback() || from == here
}

/// What is asked on one connection.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A call that is being answered, until this is dropped.
pub(super) struct Beat<'a>(&'a Pulse);

impl Pulse {
    pub(super) fn beat(&self) -> Beat<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Beat(self)
    }

    /// How many calls there were; `None` while one is being answered.
    fn at_rest(&self) -> Option<u64> {
        let ended = self.ended.load(Ordering::Relaxed);
        (self.begun.load(Ordering::Relaxed) == ended).then_some(ended)
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Visit {
    /// Answers, until the caller goes, asks nothing for a while, or the peer ends.
    pub(in crate::peer) async fn answer(
        self,
        socket: TcpStream,
        mut stopping: watch::Receiver<bool>,
    ) {
        let pulse = Arc::<Pulse>::default();
        let service = Service {
            classroom: Arc::clone(&self.classroom),
            from: self.from,
            pulse: Arc::clone(&pulse),
        };
        let service = PServerServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(PLAIN_STREAMS_MAX)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        tokio::pin!(connection);
        let mut look = interval(PLAIN_IDLE);
        look.tick().await;
        let mut seen = 0;
        loop {
            tokio::select! {
                // How it ended is the caller's business.
                _ = &mut connection => return,
                _ = stopping.wait_for(|stops| *stops) => return,
                _ = look.tick() => match pulse.at_rest() {
                    Some(calls) if calls == seen => return,
                    Some(calls) => seen = calls,
                    None => seen = u64::MAX,
                },
            }
        }
    }
}
