//! A stream to one peer that has what is wanted: over its addresses, or through the server while none of them answers.
//!
//! Start reading at [`Talk::open`].

mod answers;
mod sealed;
mod talk;

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _, unfold};
use hyper_util::rt::TokioIo;
use rpc::v1::FetchRequest;
use rpc::v1::peer_service_client::PeerServiceClient;
use rustls_pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::identity::Fingerprint;
use super::limits::{
    ANSWER_BYTES_MAX, CHANNEL, CONNECT_TIMEOUT, CONNECTION_WINDOW_BYTES, FRAME_BYTES, HEAD_START,
    KEEPALIVE, KEEPALIVE_TIMEOUT, READ_AHEAD_BYTES, RELAY_KEEPALIVE_TIMEOUT, STREAM_WINDOW_BYTES,
};
use super::relay::Detour;
use super::tls;
use crate::chat::link::socket::Stream;

use answers::{Answers, Passing, Undecoded};
pub(super) use sealed::Offered;
pub(super) use talk::{Heard, Talk};

/// Why there is no stream to a peer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// None of its addresses answers.
    #[error("cannot reach it at {addresses}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        addresses: String,
        /// What the last one said.
        reason: String,
    },
    /// It has no address.
    #[error("it tells no address")]
    NoAddress,
    /// None of its addresses answers, nor can it be called through the server.
    #[error("{direct}; through the server: {reason}")]
    NoWay {
        /// What came of its addresses.
        direct: Box<Self>,
        /// What the server said, or the peer behind it.
        reason: String,
    },
    /// It answers, but not as a peer.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It is there and says nothing.
    #[error("it does not answer")]
    Silent,
    /// It was there, and is not any more.
    #[error("{0}")]
    Lost(String),
}

/// What a peer is shown so that it gives.
#[derive(Clone, PartialEq, Eq)]
pub enum Permission {
    /// The server's.
    Ticket(Vec<u8>),
    /// The peer's own, which came with its offer.
    Secret(Vec<u8>),
}

impl Permission {
    /// Ticket and secret, one of them empty.
    pub(super) fn shown(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Ticket(ticket) => (ticket.clone(), Vec::new()),
            Self::Secret(secret) => (Vec::new(), secret.clone()),
        }
    }
}

// Written by hand so that no permission is ever printed.
impl std::fmt::Debug for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Ticket(_) => "Ticket",
            Self::Secret(_) => "Secret",
        })
    }
}

/// A connection to a peer.
type Client = PeerServiceClient<Passing<Channel>>;

/// An open stream: requests go in, answers come out, in the order of the requests.
struct Source {
    requests: mpsc::Sender<FetchRequest>,
    answers: Answers,
    /// The connection lasts as long as it.
    connection: Connection,
}

/// What keeps a connection open.
type Connection = Box<dyn std::any::Any + Send + Sync>;

/// Connects to the peer with this key at whichever of its addresses answers first, or else through the server, if that is a way; tells
/// whether it is the server.
///
/// # Errors
/// No way leads there.
pub(super) async fn reach(
    addresses: &[String],
    key: Fingerprint,
    detour: Option<&Detour>,
) -> Result<(Client, bool), SourceError> {
    let direct = connect(addresses, key);
    let Some(detour) = detour else {
        return Ok((direct.await?, false));
    };
    tokio::pin!(direct);
    let failed = match timeout(HEAD_START, &mut direct).await {
        Ok(Ok(client)) => return Ok((client, false)),
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    let relayed = call(detour, key);
    tokio::pin!(relayed);
    let direct = match failed {
        Some(error) => error,
        None => tokio::select! {
            client = &mut relayed => match client {
                Ok(client) => return Ok((client, true)),
                // There is still hope for the addresses.
                Err(reason) => return match direct.await {
                    Ok(client) => Ok((client, false)),
                    Err(error) => Err(no_way(error, reason)),
                },
            },
            client = &mut direct => match client {
                Ok(client) => return Ok((client, false)),
                Err(error) => error,
            },
        },
    };
    match relayed.await {
        Ok(client) => Ok((client, true)),
        Err(reason) => Err(no_way(direct, reason)),
    }
}

fn no_way(direct: SourceError, reason: String) -> SourceError {
    let direct = Box::new(direct);
    SourceError::NoWay { direct, reason }
}

/// Connects to the peer with this key, at whichever of its addresses answers first.
///
/// # Errors
/// None answers, or somebody else does.
pub(super) async fn connect(addresses: &[String], key: Fingerprint) -> Result<Client, SourceError> {
    let connector = connector(key)?;
    let attempts = addresses.iter().map(|address| secured(address, &connector));
    let mut attempts: FuturesUnordered<_> = attempts.collect();
    let mut reason = None;
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return channel(stream, KEEPALIVE_TIMEOUT).await,
            Err(error) => reason = Some(error.to_string()),
        }
    }
    Err(
        reason.map_or(SourceError::NoAddress, |reason| SourceError::Unreachable {
            addresses: addresses.join(", "),
            reason,
        }),
    )
}

fn connector(key: Fingerprint) -> Result<TlsConnector, SourceError> {
    let config =
        tls::client_config(key).map_err(|error| SourceError::Refused(error.to_string()))?;
    Ok(TlsConnector::from(config))
}

/// Opens a stream.
///
/// # Errors
/// The peer does not want to.
async fn fetch(mut client: Client) -> Result<Source, SourceError> {
    let (requests, outbox) = mpsc::channel::<FetchRequest>(CHANNEL);
    let asked = unfold(outbox, |mut outbox| async move {
        outbox.recv().await.map(|request| (request, outbox))
    });
    let response = client
        .fetch(asked)
        .await
        .map_err(|status| SourceError::Refused(status.message().to_owned()))?;
    let undecoded = response.extensions().get::<Undecoded>();
    let answers = undecoded
        .and_then(Undecoded::answers)
        .ok_or_else(|| SourceError::Refused("it answers without a body".to_owned()))?;
    Ok(Source {
        requests,
        answers,
        connection: Box::new(client),
    })
}

type Secured = tokio_rustls::client::TlsStream<Box<dyn Stream>>;

async fn secured(address: &str, connector: &TlsConnector) -> io::Result<Secured> {
    let connecting = async {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let socket = BufReader::with_capacity(READ_AHEAD_BYTES, socket);
        connector.connect(name()?, Box::new(socket) as _).await
    };
    timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Calls the peer with this key through the server.
async fn call(detour: &Detour, key: Fingerprint) -> Result<Client, String> {
    let tunnel = detour.relay.call(&detour.peer).await;
    let tunnel = tunnel.map_err(|fault| fault.to_string())?;
    let connector = connector(key).map_err(|error| error.to_string())?;
    let connecting = async { connector.connect(name()?, Box::new(tunnel) as _).await };
    let stream = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let stream = stream.map_err(|error| error.to_string())?;
    let client = channel(stream, RELAY_KEEPALIVE_TIMEOUT).await;
    client.map_err(|error| error.to_string())
}

fn name() -> io::Result<ServerName<'static>> {
    ServerName::try_from(tls::NAME).map_err(io::Error::other)
}

async fn channel(stream: Secured, patience: Duration) -> Result<Client, SourceError> {
    let endpoint = Endpoint::from_static("http://peer")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(patience);
    let channel = endpoint
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(|error| SourceError::Refused(error.to_string()))?;
    Ok(PeerServiceClient::new(Passing(channel)).max_decoding_message_size(ANSWER_BYTES_MAX))
}

/// Hands out a connection that is there already; when that is lost, there is no other.
struct Once(Option<Secured>);

impl Service<Uri> for Once {
    type Response = TokioIo<Secured>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<Secured>>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let stream = self
            .0
            .take()
            .ok_or_else(|| io::ErrorKind::NotConnected.into());
        std::future::ready(stream.map(TokioIo::new))
    }
}
