//! The HTTP client of webhooks: one request, one answer, within a deadline.
//!
//! It speaks HTTP/1.1 over a connection that it opened itself, to an address that was judged. It follows no redirect, asks no proxy,
//! keeps no cookie and reads no more of an answer than its bound; what it reads is dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::address::{Reach, Resolver};
use super::backoff::retry_after;
use super::fault::Fault;
use super::letter::Letter;
use super::settings::Target;

/// What is read of an answer's body.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long an answer's body is read once its status is known.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// The greatest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The most headers of an answer.
const HEADERS_MAX: usize = 128;
/// How long a connection is kept for the next request.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// What every webhook sends with.
#[derive(Debug)]
pub(super) struct Client {
    resolver: Resolver,
    tls: OnceCell<Arc<ClientConfig>>,
}

/// The connections that one webhook keeps open between requests.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Vec<Connection>>);

/// What a receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long it asks to wait before the next attempt.
    pub(super) retry_after: Option<Duration>,
}

/// One connection, and the task that drives it, which ends with it.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Body>,
    driver: JoinHandle<()>,
    used: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A socket, with or without TLS.
trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Kept {
    /// Takes the connection that was used last, if it may be used again.
    fn take(&self) -> Option<Connection> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|connection| {
            connection.used.elapsed() < IDLE_MAX && connection.sender.is_ready()
        });
        all.pop()
    }

    fn put(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(connection);
    }
}

impl Client {
    pub(super) fn new(reach: Reach) -> Self {
        Self {
            resolver: Resolver::new(reach),
            tls: OnceCell::new(),
        }
    }

    /// Says whether a target may be reached as far as that is known: a name that cannot be resolved for now may be so later.
    ///
    /// # Errors
    /// It may not.
    pub(super) async fn check(&self, target: &Target, patience: Duration) -> Result<(), Fault> {
        match timeout(patience, self.resolver.resolve(&target.host, target.port)).await {
            Ok(Err(Fault::Forbidden)) => Err(Fault::Forbidden),
            Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
        }
    }

    /// Sends a request within a time and waits for its answer.
    ///
    /// # Errors
    /// There is none. The receiver may have got the request all the same.
    ///
    /// # Concurrency
    /// Dropping the future ends the connection.
    pub(super) async fn post(
        &self,
        kept: &Kept,
        target: &Target,
        letter: &Letter,
        time: Duration,
    ) -> Result<Answer, Fault> {
        let deadline = Instant::now() + time;
        let exchange = async {
            if let Some(mut connection) = kept.take() {
                // Its other end may have closed it meanwhile; then a fresh one tells.
                let sent = connection.sender.send_request(request(target, letter)?);
                if let Ok(response) = sent.await {
                    return Ok((connection, response));
                }
            }
            let mut connection = self.connect(target, time).await?;
            let sent = connection.sender.send_request(request(target, letter)?);
            let response = sent.await.map_err(|_| Fault::NoAnswer)?;
            Ok((connection, response))
        };
        let answered = timeout_at(deadline, exchange).await;
        let (connection, response) = answered.unwrap_or(Err(Fault::Timeout))?;
        let answer = Answer {
            status: response.status(),
            retry_after: retry_after(response.headers(), SystemTime::now()),
        };
        let patience = deadline.min(Instant::now() + ANSWER_PATIENCE);
        if let Ok(true) = timeout_at(patience, read_to_end(response.into_body())).await {
            kept.put(connection);
        }
        Ok(answer)
    }

    async fn connect(&self, target: &Target, time: Duration) -> Result<Connection, Fault> {
        let addresses = self.resolver.resolve(&target.host, target.port).await?;
        let each = time / u32::try_from(addresses.len()).unwrap_or(1);
        let stream = reach_one(&addresses, each).await?;
        // One small request at a time gains nothing from waiting for more.
        let _ = stream.set_nodelay(true);
        let socket: Box<dyn Socket> = if target.is_tls {
            let connector = TlsConnector::from(self.tls().await?);
            let name = server_name(target)?;
            let tls = connector.connect(name, stream).await;
            Box::new(tls.map_err(|_| Fault::Tls)?)
        } else {
            Box::new(stream)
        };
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|_| Fault::NoAnswer)?;
        Ok(Connection {
            sender,
            driver: tokio::spawn(async move {
                // What went wrong is told to whoever waits for the answer.
                let _ = driver.await;
            }),
            used: Instant::now(),
        })
    }

    /// The certificates that this machine trusts, read once.
    async fn tls(&self) -> Result<Arc<ClientConfig>, Fault> {
        let made = self.tls.get_or_try_init(|| async {
            let read = tokio::task::spawn_blocking(trusting_this_machine).await;
            read.map_err(|_| Fault::Tls)?.map_err(|error| {
                tracing::error!(%error, "webhooks cannot use TLS");
                Fault::Tls
            })
        });
        made.await.cloned()
    }
}

fn trusting_this_machine() -> Result<Arc<ClientConfig>, rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates of authorities cannot be read");
    }
    let mut roots = rustls::RootCertStore::empty();
    let (trusted, _) = roots.add_parsable_certificates(found.certs);
    if trusted == 0 {
        tracing::warn!("this machine trusts no certificate authority; webhooks over TLS will fail");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn server_name(target: &Target) -> Result<ServerName<'static>, Fault> {
    match &target.host {
        url::Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_owned();
            ServerName::try_from(name).map_err(|_| Fault::Tls)
        }
        url::Host::Ipv4(address) => Ok(std::net::IpAddr::from(*address).into()),
        url::Host::Ipv6(address) => Ok(std::net::IpAddr::from(*address).into()),
    }
}

/// Connects to the first address that answers.
async fn reach_one(addresses: &[SocketAddr], each: Duration) -> Result<TcpStream, Fault> {
    for address in addresses {
        let connected: Result<io::Result<_>, _> = timeout(each, TcpStream::connect(address)).await;
        if let Ok(Ok(stream)) = connected {
            return Ok(stream);
        }
    }
    Err(Fault::Unreachable)
}

fn request(target: &Target, letter: &Letter) -> Result<Request<Body>, Fault> {
    let host = HeaderValue::from_str(&target.authority).map_err(|_| Fault::UnknownName)?;
    let mut request = Request::post(target.path.as_str())
        .body(Body::from(letter.body.clone()))
        .map_err(|_| Fault::UnknownName)?;
    request.headers_mut().clone_from(&letter.headers);
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
}

/// Reads a body and drops it; false when it is longer than its bound, or does not come to its end.
async fn read_to_end(body: Incoming) -> bool {
    let mut chunks = Body::new(body).into_data_stream();
    let mut read = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            return false;
        };
        read = read.saturating_add(chunk.len());
        if read > ANSWER_BYTES_MAX {
            return false;
        }
    }
    true
}
