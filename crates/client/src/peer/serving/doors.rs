//! Where callers come from: a port, the relay, or both.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::peer::classroom::Classroom;
use crate::peer::relay::Tunnel;

/// Where callers come from; without any, nobody comes.
#[derive(Debug, Default)]
pub struct Doors {
    /// Those who reach this peer directly.
    pub listener: Option<TcpListener>,
    /// Those who come through the server.
    pub tunnels: Option<mpsc::Receiver<Tunnel>>,
    /// What answers those who reach this peer directly and speak without TLS; without it they are closed.
    pub plain: Option<Arc<Classroom>>,
}

impl From<TcpListener> for Doors {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener: Some(listener),
            ..Self::default()
        }
    }
}

/// Somebody who is to be answered.
pub(super) enum Caller {
    /// Who reaches this peer directly.
    Direct(TcpStream),
    /// Who comes through the server.
    Relayed(Box<Tunnel>),
}

impl Caller {
    /// Where it is, as far as that can be told.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Direct(socket) => Some(socket.peer_addr().ok()?.ip().to_canonical()),
            Self::Relayed(_) => None,
        }
    }
}

impl Doors {
    /// Waits for the next caller.
    ///
    /// # Concurrency
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Caller> {
        let Self {
            listener, tunnels, ..
        } = self;
        loop {
            let tunnel = tokio::select! {
                direct = accept(listener.as_ref()) => return direct,
                tunnel = taken(tunnels.as_mut()) => tunnel,
            };
            match tunnel {
                Some(tunnel) => return Ok(Caller::Relayed(Box::new(tunnel))),
                // Nobody keeps the line any more.
                None => *tunnels = None,
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<Caller> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let (socket, _) = listener.accept().await?;
    // One that is gone by now is found out by its handshake.
    let _ = socket.set_nodelay(true);
    Ok(Caller::Direct(socket))
}

async fn taken(tunnels: Option<&mut mpsc::Receiver<Tunnel>>) -> Option<Tunnel> {
    match tunnels {
        Some(tunnels) => tunnels.recv().await,
        None => std::future::pending().await,
    }
}
