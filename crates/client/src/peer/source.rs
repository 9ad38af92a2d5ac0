//! A stream to one peer that has what is wanted.

use std::io;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt as _, unfold};
use hyper_util::rt::TokioIo;
use rpc::v1::peer_service_client::PeerServiceClient;
use rpc::v1::{FetchRequest, FetchResponse};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Streaming;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::identity::Fingerprint;
use super::limits::{
    ANSWER_BYTES_MAX, CHANNEL, CONNECT_TIMEOUT, CONNECTION_WINDOW_BYTES, KEEPALIVE,
    KEEPALIVE_TIMEOUT, STREAM_WINDOW_BYTES,
};
use super::tls;

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
    /// It answers, but not as a peer.
    #[error("it refuses: {0}")]
    Refused(String),
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

/// An open stream: requests go in, answers come out, in the order of the requests.
pub(super) struct Source {
    pub(super) requests: mpsc::Sender<FetchRequest>,
    pub(super) answers: Streaming<FetchResponse>,
}

/// Connects to the peer with this key, at whichever of its addresses answers first.
pub(super) async fn connect(
    addresses: &[String],
    key: Fingerprint,
) -> Result<PeerServiceClient<Channel>, SourceError> {
    let config =
        tls::client_config(key).map_err(|error| SourceError::Refused(error.to_string()))?;
    let connector = TlsConnector::from(config);
    let attempts = addresses.iter().map(|address| secured(address, &connector));
    let mut attempts: FuturesUnordered<_> = attempts.collect();
    let mut reason = None;
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return channel(stream).await,
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

/// Opens a stream.
pub(super) async fn fetch(client: &mut PeerServiceClient<Channel>) -> Result<Source, SourceError> {
    let (requests, outbox) = mpsc::channel::<FetchRequest>(CHANNEL);
    let asked = unfold(outbox, |mut outbox| async move {
        outbox.recv().await.map(|request| (request, outbox))
    });
    let answers = client
        .fetch(asked)
        .await
        .map_err(|status| SourceError::Refused(status.message().to_owned()))?
        .into_inner();
    Ok(Source { requests, answers })
}

type Secured = tokio_rustls::client::TlsStream<TcpStream>;

async fn secured(address: &str, connector: &TlsConnector) -> io::Result<Secured> {
    let name = ServerName::try_from(tls::NAME).map_err(io::Error::other)?;
    let connecting = async {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        connector.connect(name, socket).await
    };
    timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn channel(stream: Secured) -> Result<PeerServiceClient<Channel>, SourceError> {
    let endpoint = Endpoint::from_static("http://peer")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    let channel = endpoint
        .connect_with_connector(Once(Some(stream)))
        .await
        .map_err(|error| SourceError::Refused(error.to_string()))?;
    Ok(PeerServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
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
