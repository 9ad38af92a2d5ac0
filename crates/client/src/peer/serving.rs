//! Serving contents to other peers: the gRPC service over TLS, and who may have what. Callers without TLS get no content; they are passed on to
//! what answers those of an older system, where that is wanted.
//!
//! Start reading at [`serve`].

mod answers;
mod callers;
mod doors;
mod gate;
mod opening;
mod sealed;
mod shared;
mod stream;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use files::content::Root;
use files::have::Have;
use futures_util::stream::{BoxStream, Empty, empty, unfold};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rpc::v1::peer_service_server::{PeerService, PeerServiceServer};
use rpc::v1::{FetchRequest, FetchResponse, OfferRequest, OfferResponse};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming};

use super::classroom::{Classroom, Visit, is_plain};
use super::identity::Identity;
use super::limits::{
    ACCEPT_PAUSE, CHANNEL, CONNECTION_WINDOW_BYTES, HANDSHAKE_TIMEOUT, HANDSHAKES_MAX, KEEPALIVE,
    KEEPALIVE_TIMEOUT, LINGER, RELAY_KEEPALIVE_TIMEOUT, REQUEST_BYTES_MAX, STREAM_WINDOW_BYTES,
    STREAMS_MAX,
};
use super::receive::Inbox;
use super::sealed::{MAGIC, Signer};
use super::tls;
use crate::chat::link::socket::Stream;
use answers::{Framing, Outbox};
use callers::{Call, Callers, Calls};
use doors::Caller;

pub use doors::Doors;
pub use gate::{Denied, Gate, Patience, SECRET_BYTES, Terms};

/// A content as it lies on disk.
#[derive(Debug)]
pub struct Stored {
    /// Its bytes.
    pub file: File,
    /// How many there are.
    pub size: u64,
    /// When it was changed last, as it was hashed; `None` for a file that is still being fetched.
    pub modified: Option<SystemTime>,
    /// The values of all its segments, 32 bytes each; empty for contents of at most one group.
    pub segments: Vec<u8>,
    /// Which groups are there, when not all are.
    pub have: Option<Have>,
}

/// What a peer has.
pub trait Contents: Send + Sync + 'static {
    /// Opens a content; `None` if it is not there.
    ///
    /// # Errors
    /// The disk fails.
    fn open(&self, root: &Root) -> io::Result<Option<Stored>>;

    /// Reads the values of a segment's groups, 32 bytes each.
    ///
    /// # Errors
    /// The disk fails.
    fn segment(&self, root: &Root, segment: u32) -> io::Result<Option<Vec<u8>>>;

    /// Tells whether a collection that is here names a content.
    ///
    /// # Errors
    /// The disk fails.
    fn is_member(&self, collection: &Root, root: &Root) -> io::Result<bool>;
}

/// Serves other peers until `stopping` turns true.
///
/// # Errors
/// The identity cannot be used for TLS.
pub async fn serve<C: Contents>(
    doors: impl Into<Doors>,
    identity: &Identity,
    contents: Arc<C>,
    gate: Arc<Gate>,
    stopping: watch::Receiver<bool>,
) -> Result<(), rustls::Error> {
    serve_and_receive(doors, identity, contents, gate, None, stopping).await
}

/// Serves as [`serve`] does, and takes offers if there is an inbox for them.
///
/// # Errors
/// The identity cannot be used for TLS.
pub async fn serve_and_receive<C: Contents>(
    doors: impl Into<Doors>,
    identity: &Identity,
    contents: Arc<C>,
    gate: Arc<Gate>,
    inbox: Option<Arc<Inbox>>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), rustls::Error> {
    let acceptor = TlsAcceptor::from(tls::server_config(identity)?);
    let signer = Signer::of(identity).map(Arc::new);
    let streams = gate.terms().streams;
    let service = Service {
        contents,
        gate,
        inbox,
        streams: Arc::new(Semaphore::new(streams)),
        calls: Calls::new(),
    };
    let callers = Callers::new(streams);
    let mut doors = doors.into();
    let plain = doors.plain.take();
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        // Whoever comes while all are busy waits in the system's queue.
        let Ok(permit) = handshakes.clone().acquire_owned().await else {
            return Ok(());
        };
        let caller = tokio::select! {
            caller = doors.next() => caller,
            _ = stopping.wait_for(|stops| *stops) => return Ok(()),
        };
        let Ok(caller) = caller else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Whoever is too many is closed, and may come again.
        let Some(place) = callers.enter(caller.address()) else {
            continue;
        };
        let (acceptor, service, stopping) = (acceptor.clone(), service.anew(), stopping.clone());
        let (signer, plain) = (signer.clone(), plain.clone());
        tokio::spawn(async move {
            let keys = (&acceptor, signer.as_deref());
            let secured = timeout(HANDSHAKE_TIMEOUT, secure(caller, keys, plain.as_ref()));
            let secured = secured.await;
            drop(permit);
            match secured {
                Ok(Some(Answered::Tls(stream, patience))) => {
                    answer(*stream, patience, service, stopping).await;
                }
                Ok(Some(Answered::Sealed(line))) => sealed::answer(*line, service, stopping).await,
                Ok(Some(Answered::Plain(visit, socket))) => {
                    // These are counted by themselves.
                    drop(place);
                    return visit.answer(socket, stopping).await;
                }
                // It is none of this protocol's, or has gone.
                Ok(None) | Err(_) => {}
            }
            drop(place);
        });
    }
}

/// A caller who is answered: one with whom nobody else can read or speak, but for those of the older system.
enum Answered {
    /// With how long it may take to say that it is there.
    Tls(Box<Secured>, Duration),
    Sealed(Box<sealed::Line>),
    Plain(Visit, TcpStream),
}

/// Secures a call. Callers say by their first byte how: those through the server always, others where some may speak without TLS.
async fn secure(
    caller: Caller,
    (acceptor, signer): (&TlsAcceptor, Option<&Signer>),
    plain: Option<&Arc<Classroom>>,
) -> Option<Answered> {
    let (stream, patience): (Box<dyn Stream>, _) = match caller {
        Caller::Direct(socket) => {
            if let Some(plain) = plain
                && is_plain(&socket).await.ok()?
            {
                return Some(Answered::Plain(plain.admit(&socket)?, socket));
            }
            (Box::new(socket), KEEPALIVE_TIMEOUT)
        }
        Caller::Relayed(mut tunnel) => {
            if tunnel.first().await.ok()? == MAGIC.first().copied() {
                let line = super::sealed::answer(*tunnel, signer?).await;
                return line.ok().map(|line| Answered::Sealed(Box::new(line)));
            }
            (Box::new(tunnel), RELAY_KEEPALIVE_TIMEOUT)
        }
    };
    let stream = acceptor.accept(stream).await.ok()?;
    Some(Answered::Tls(Box::new(stream), patience))
}

type Secured = tokio_rustls::server::TlsStream<Box<dyn Stream>>;

/// Answers the calls of one connection; `patience` is how long the caller may take to say that it is there.
async fn answer<C: Contents>(
    stream: Secured,
    patience: Duration,
    service: Service<C>,
    mut stopping: watch::Receiver<bool>,
) {
    let (calls, idle) = (service.calls.clone(), service.gate.terms().patience);
    let service = PeerServiceServer::new(service).max_decoding_message_size(REQUEST_BYTES_MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(2 << 20)
        .max_concurrent_streams(u32::try_from(STREAMS_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(patience)
        .serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(Framing(service)),
        );
    tokio::pin!(connection);
    tokio::select! {
        // How it ended is the caller's business.
        _ = &mut connection => {}
        () = calls.rest(idle.connection, idle.served) => {}
        _ = stopping.wait_for(|stops| *stops) => {}
    }
}

/// What answers calls.
struct Service<C> {
    contents: Arc<C>,
    gate: Arc<Gate>,
    inbox: Option<Arc<Inbox>>,
    streams: Arc<Semaphore>,
    /// What is answered on this connection.
    calls: Calls,
}

impl<C> Clone for Service<C> {
    fn clone(&self) -> Self {
        Self {
            contents: self.contents.clone(),
            gate: self.gate.clone(),
            inbox: self.inbox.clone(),
            streams: self.streams.clone(),
            calls: self.calls.clone(),
        }
    }
}

impl<C> Service<C> {
    /// The same for another connection.
    fn anew(&self) -> Self {
        Self {
            calls: Calls::new(),
            ..self.clone()
        }
    }
}

impl<C: Contents> Service<C> {
    /// Begins to serve a stream: requests go in, answers come out until everything that was asked is answered.
    fn begin(&self) -> (mpsc::Sender<FetchRequest>, mpsc::Receiver<answers::Framed>) {
        let (commands, mut inbox) = mpsc::channel(CHANNEL);
        let (answers, outbox) = mpsc::channel(CHANNEL);
        let service = self.clone();
        tokio::spawn(async move {
            let patience = service.gate.terms().patience.first;
            let first = tokio::select! {
                first = timeout(patience, inbox.recv()) => first,
                () = answers.closed() => return,
            };
            match first {
                // Files are read on a thread of their own, which ends with the stream. Whoever asks for nothing costs none.
                Ok(Some(first)) => drop(tokio::task::spawn_blocking(move || {
                    let Self {
                        contents,
                        gate,
                        streams,
                        calls,
                        ..
                    } = service;
                    let places = (streams, calls);
                    stream::Worker::new(&*contents, &gate, places, answers).run(first, inbox);
                })),
                Ok(None) => {}
                Err(_) => {
                    let text = format!("nothing was asked for in {} s", patience.as_secs());
                    // It may have gone.
                    let _ = answers.send(Err(Status::deadline_exceeded(text))).await;
                }
            }
        });
        (commands, outbox)
    }

    /// Judges an offer; tells what becomes of it. One that came over the sealed line is fetched over one.
    fn receive(
        &self,
        offer: &OfferRequest,
        is_sealed: bool,
    ) -> Result<mpsc::Receiver<Result<OfferResponse, Status>>, Status> {
        let Some(inbox) = &self.inbox else {
            return Err(Status::unimplemented("this peer takes no files"));
        };
        inbox.receive(&self.gate, &self.contents, offer, is_sealed)
    }
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl<C: Contents> PeerService for Service<C> {
    /// Answers go past the encoder, by an [`Outbox`].
    type FetchStream = Empty<Result<FetchResponse, Status>>;
    type OfferStream = Answers<OfferResponse>;

    async fn fetch(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let (commands, outbox) = self.begin();
        tokio::spawn(pass_on(request.into_inner(), commands));
        let mut response = Response::new(empty());
        response.extensions_mut().insert(Outbox::new(outbox));
        Ok(response)
    }

    async fn offer(
        &self,
        request: Request<OfferRequest>,
    ) -> Result<Response<Self::OfferStream>, Status> {
        let outbox = self.receive(request.get_ref(), false)?;
        Ok(Response::new(drained(outbox, self.calls.begin())))
    }
}

/// Passes requests on until the caller has closed its side, or is served no longer.
async fn pass_on(mut requests: Streaming<FetchRequest>, commands: mpsc::Sender<FetchRequest>) {
    loop {
        let request = tokio::select! {
            request = requests.message() => request,
            () = commands.closed() => break,
        };
        let Ok(Some(request)) = request else {
            return;
        };
        if commands.send(request).await.is_err() {
            break;
        }
    }
    // A stream that is reset takes the last answers along.
    let rest = async { while let Ok(Some(_)) = requests.message().await {} };
    let _ = timeout(LINGER, rest).await;
}

/// Sends what comes until nothing does.
fn drained<T: Send + 'static>(outbox: mpsc::Receiver<Result<T, Status>>, call: Call) -> Answers<T> {
    Box::pin(unfold((outbox, call), |(mut outbox, call)| async move {
        let answer = outbox.recv().await?;
        Some((answer, (outbox, call)))
    }))
}
