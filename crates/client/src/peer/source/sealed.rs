//! Calling a peer over the sealed line: one that is a browser, through the server.

use std::time::Duration;

use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use prost::Message as _;
use rpc::v1::{FetchRequest, OfferRequest, OfferResponse};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tonic::Status;
use tonic::body::Body;

use super::answers::Answers;
use super::{Source, SourceError};
use crate::peer::identity::Fingerprint;
use crate::peer::limits::{CHANNEL, CONNECT_TIMEOUT, REQUEST_BYTES_MAX};
use crate::peer::relay::{Detour, Tunnel};
use crate::peer::sealed::{BEAT, FETCH, Incoming, OFFER, SealedError, Writer, call, said};

type Comes = Incoming<ReadHalf<Tunnel>>;
type Goes = Writer<WriteHalf<Tunnel>>;

/// Calls the peer with this key.
async fn open(detour: &Detour, key: Fingerprint) -> Result<(Comes, Goes), SealedError> {
    let tunnel = detour.relay.call(&detour.peer).await;
    let tunnel = tunnel.map_err(std::io::Error::other)?;
    let line = timeout(CONNECT_TIMEOUT, call(tunnel, key)).await;
    let line =
        line.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
    let (reader, writer) = line?;
    Ok((Incoming::new(reader), writer))
}

/// Waits until the call is answered.
async fn answered(comes: &mut Comes) -> Result<(), SealedError> {
    match comes.message(0).await? {
        Some(_) => Ok(()),
        None => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Opens a stream; once called, the peer may take so long to answer.
///
/// # Errors
/// The peer cannot be called, or does not want to.
pub(super) async fn fetch(
    detour: &Detour,
    key: Fingerprint,
    patience: Duration,
) -> Result<Source, SourceError> {
    let refused = |error: SealedError| SourceError::Refused(error.to_string());
    let (mut comes, mut goes) = open(detour, key).await.map_err(refused)?;
    let asking = async {
        goes.send(&said(&[FETCH])).await?;
        answered(&mut comes).await
    };
    let asked = timeout(patience, asking).await;
    asked.map_err(|_| SourceError::Silent)?.map_err(refused)?;
    let (requests, outbox) = mpsc::channel(CHANNEL);
    let (heard, frames) = mpsc::channel(CHANNEL);
    let mut line = JoinSet::new();
    line.spawn(speak(goes, outbox));
    line.spawn(listen(comes, heard));
    let frames = unfold(frames, |mut frames| async move {
        frames.recv().await.map(|frame| (frame, frames))
    });
    Ok(Source {
        requests,
        answers: Answers::new(Body::new(StreamBody::new(frames))),
        connection: Box::new(line),
    })
}

/// Sends requests until nobody has one any more.
async fn speak(mut goes: Goes, mut outbox: mpsc::Receiver<FetchRequest>) {
    let mut beat = interval(BEAT);
    loop {
        let sent = tokio::select! {
            request = outbox.recv() => match request {
                Some(request) => goes.send(&said(&request.encode_to_vec())).await,
                None => break,
            },
            _ = beat.tick() => goes.beat().await,
        };
        // Why is said where answers are waited for.
        if sent.is_err() {
            return;
        }
    }
    goes.close().await;
}

/// Passes on what comes, as frames of a body whose messages are put together elsewhere.
async fn listen(mut comes: Comes, heard: mpsc::Sender<Result<Frame<bytes::Bytes>, Status>>) {
    loop {
        let frame = match comes.bytes().await {
            Ok(Some(bytes)) => Ok(Frame::data(bytes)),
            Ok(None) => return,
            Err(error) => Err(error.into()),
        };
        let is_last = frame.is_err();
        if heard.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

/// What becomes of an offer over the sealed line.
pub(in crate::peer) struct Offered {
    comes: Comes,
    /// Keeps the line open, and hangs up with this.
    _line: JoinSet<()>,
}

impl Offered {
    /// Offers something to the peer with this key.
    ///
    /// # Errors
    /// It cannot be called, or says no at once.
    pub(in crate::peer) async fn begin(
        detour: &Detour,
        key: Fingerprint,
        offer: &OfferRequest,
    ) -> Result<Self, Status> {
        let (mut comes, mut goes) = open(detour, key).await?;
        goes.send(&said(&[OFFER])).await?;
        goes.send(&said(&offer.encode_to_vec())).await?;
        answered(&mut comes).await?;
        let mut line = JoinSet::new();
        line.spawn(async move {
            let mut beat = interval(BEAT);
            loop {
                beat.tick().await;
                if goes.beat().await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { comes, _line: line })
    }

    /// Waits for what comes next.
    ///
    /// # Concurrency
    /// Not cancel safe.
    ///
    /// # Errors
    /// The line is lost.
    pub(in crate::peer) async fn message(&mut self) -> Result<Option<OfferResponse>, Status> {
        Ok(self.comes.decoded(REQUEST_BYTES_MAX).await?)
    }
}
