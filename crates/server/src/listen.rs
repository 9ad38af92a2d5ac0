//! Opening listeners and accepting connections.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::Shard;
use session::Settings;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::amqp::{Peer, drive};
use crate::tls::TlsAcceptor;
use crate::traces::Traces;
use crate::transport::Transport;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4_096;
/// How long a TLS handshake may take.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before accepting again when the process is out of file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// One door: its name and its sockets, one for each shard.
pub(crate) struct Door {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    sockets: Vec<std::net::TcpListener>,
}

/// How many connections are open, and how many may be.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionCount {
    open: Arc<AtomicU32>,
    max: u32,
}

/// One connection's place, given back when it is dropped.
pub(crate) struct Place(Arc<AtomicU32>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ConnectionCount {
    pub(crate) fn new(max: u32) -> Self {
        Self {
            open: Arc::default(),
            max,
        }
    }

    /// Takes a place, if there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        let place = Place(self.open.clone());
        (self.open.fetch_add(1, Ordering::Relaxed) < self.max).then_some(place)
    }
}

impl Door {
    /// Opens a door; the kernel spreads its connections over the shards.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(crate) fn open(
        name: &'static str,
        address: SocketAddr,
        tls: bool,
        shards: u16,
    ) -> io::Result<Self> {
        // Sockets that share their port would quietly share it with another server too: ask for it alone first.
        let alone = socket(address, false)?;
        let address = alone.local_addr()?.as_socket().unwrap_or(address);
        drop(alone);
        let sockets = (0..shards.max(1)).map(|_| socket(address, true).map(Into::into));
        Ok(Self {
            name,
            address,
            tls,
            sockets: sockets.collect::<io::Result<_>>()?,
        })
    }

    /// Takes the socket of one shard.
    pub(crate) fn take_socket(&mut self) -> Option<std::net::TcpListener> {
        self.sockets.pop()
    }
}

fn socket(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if is_shared {
        socket.listen(BACKLOG)?;
    } else {
        // An address that another socket listens on is refused here.
        socket.listen(1)?;
    }
    Ok(socket)
}

/// What every accepted connection needs.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) shard: Rc<Shard>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) count: ConnectionCount,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) traces: Option<Traces>,
}

/// Accepts connections until the task is dropped.
pub(crate) async fn accept(listener: TcpListener, name: &'static str, reception: Reception) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(place) = reception.count.take() else {
                    tracing::warn!(%address, "connection refused: the limit of connections is reached");
                    continue;
                };
                let reception = reception.clone();
                tokio::task::spawn_local(async move {
                    welcome(
                        stream,
                        Peer {
                            address,
                            listener: name,
                        },
                        reception,
                    )
                    .await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

async fn welcome(stream: TcpStream, peer: Peer, reception: Reception) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket without TCP_NODELAY");
    }
    let transport = match &reception.tls {
        None => Transport::Plain(stream),
        Some(acceptor) => {
            match tokio::time::timeout(TLS_HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                Ok(Err(error)) => {
                    tracing::debug!(peer = %peer.address, %error, "TLS handshake failed");
                    return;
                }
                Err(_) => return,
            }
        }
    };
    let Reception {
        shard,
        settings,
        traces,
        ..
    } = reception;
    drive(transport, peer, shard, settings, traces).await;
}
