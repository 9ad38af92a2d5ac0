//! Accepting HTTP connections: plain or TLS, HTTP/1.1 or HTTP/2, each within its deadlines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tower::ServiceExt as _;

use super::caller::PeerAddress;
use super::counted::Counted;
use super::leftover::Unhurried;
use crate::listen::ConnectionCount;
use crate::tls::TlsAcceptor;

/// How long the head of a request may take, and how long a connection may be idle between requests, at doors that say nothing else.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an HTTP/2 peer that says nothing is asked whether it is there, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that an HTTP/2 peer may have open at once.
const STREAMS_MAX: u32 = 256;
/// What an HTTP/2 peer may send ahead of whoever reads it, in bytes: on one stream, and on all of a connection.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The shortest frame of a stream of messages: gRPC's five bytes before a message of a field.
const FRAME_BYTES_MIN: u32 = 8;
/// What the library holds against a peer for a short frame that waits to be read. It allows half of the connection's window and cuts whoever
/// passes that: a client whose stream of small messages fills its window must stay below.
const SHORT_FRAME_COST: u32 = 256;
const _: () = assert!(
    STREAM_WINDOW_BYTES / FRAME_BYTES_MIN * SHORT_FRAME_COST <= CONNECTION_WINDOW_BYTES / 2
);
/// The greatest head of a request, in bytes.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// The most headers of a request.
const HEADERS_MAX: usize = 128;
/// How long to wait before accepting again when the process is out of file descriptors.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// One listener of HTTP.
pub(crate) struct HttpDoor {
    pub(crate) name: &'static str,
    pub(crate) socket: std::net::TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    /// How long the head of a request may take, and how long a connection may be idle between requests.
    pub(crate) patience: Duration,
}

/// What every connection needs.
#[derive(Clone)]
struct Reception {
    router: Router,
    count: ConnectionCount,
    tls: Option<TlsAcceptor>,
    patience: Duration,
    stopping: watch::Receiver<bool>,
}

/// Serves one listener until `stopping` turns true; then lets requests under way come to their end.
pub(crate) async fn serve(
    door: HttpDoor,
    router: Router,
    count: ConnectionCount,
    mut stopping: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(door.socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, name = door.name, "a listener cannot be served");
            return;
        }
    };
    let reception = Reception {
        router,
        count,
        tls: door.tls,
        patience: door.patience,
        stopping: stopping.clone(),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, address)) => welcome(stream, address, reception.clone()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

fn welcome(stream: TcpStream, address: SocketAddr, reception: Reception) {
    let Some(place) = reception.count.take() else {
        tracing::warn!(%address, "connection refused: the limit of connections is reached");
        return;
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a socket without TCP_NODELAY");
    }
    tokio::spawn(async move {
        match &reception.tls {
            None => converse(Counted::new(stream, place), address, reception).await,
            Some(acceptor) => {
                match tokio::time::timeout(TLS_TIMEOUT, acceptor.accept_http(stream)).await {
                    Ok(Ok(stream)) => {
                        converse(Counted::new(stream, place), address, reception).await;
                    }
                    Ok(Err(error)) => {
                        tracing::debug!(peer = %address, %error, "TLS handshake failed");
                    }
                    Err(_) => {}
                }
            }
        }
    });
}

async fn converse<S>(stream: S, address: SocketAddr, reception: Reception)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Reception {
        router,
        mut stopping,
        tls,
        patience,
        ..
    } = reception;
    let is_tls = tls.is_some();
    let begun = Arc::new(Notify::new());
    let silent = silence(begun.clone(), patience);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        begun.notify_one();
        let peer = PeerAddress { address, is_tls };
        request.extensions_mut().insert(peer);
        let (parts, body) = request.into_parts();
        let body = Unhurried::new(body, parts.version, &parts.headers);
        router
            .clone()
            .oneshot(Request::from_parts(parts, Body::new(body)))
    });
    let builder = connection_builder(patience);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %address, %error, "HTTP connection lost");
    }
}

/// Returns when no request began in time: the version of HTTP is told by the first bytes, for which nobody else sets a deadline.
async fn silence(begun: Arc<Notify>, patience: Duration) {
    let first = tokio::time::timeout(patience, begun.notified());
    if first.await.is_ok() {
        std::future::pending().await
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it the server.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}

fn connection_builder(patience: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .max_headers(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_MAX);
    builder
}
