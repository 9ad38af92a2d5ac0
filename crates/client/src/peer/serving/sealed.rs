//! Answering over the sealed line: the calls of the gRPC service, for those who speak no TLS.

use bytes::Bytes;
use prost::Message as _;
use rpc::v1::{FetchRequest, OfferRequest, OfferResponse};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tonic::Status;

use super::{Contents, Service};
use crate::peer::limits::REQUEST_BYTES_MAX;
use crate::peer::relay::Tunnel;
use crate::peer::sealed::{
    BEAT, FETCH, Incoming, OFFER, Reader, SealedError, Writer, refusal, said,
};

/// What comes from a caller, and what goes to it.
pub(super) type Line = (Reader<ReadHalf<Tunnel>>, Writer<WriteHalf<Tunnel>>);

type Comes = Incoming<ReadHalf<Tunnel>>;
type Goes = Writer<WriteHalf<Tunnel>>;

/// Answers the call of one line.
pub(super) async fn answer<C: Contents>(
    line: Line,
    service: Service<C>,
    mut stopping: watch::Receiver<bool>,
) {
    let (reader, mut writer) = line;
    tokio::select! {
        // How it ended is the caller's business.
        _ = converse(Incoming::new(reader), &mut writer, &service) => {}
        _ = stopping.wait_for(|stops| *stops) => {}
    }
    writer.close().await;
}

async fn converse<C: Contents>(
    mut comes: Comes,
    goes: &mut Goes,
    service: &Service<C>,
) -> Result<(), SealedError> {
    let patience = service.gate.terms().patience.first;
    let call = timeout(patience, comes.message(REQUEST_BYTES_MAX)).await;
    let Some(call) = call.unwrap_or(Ok(None))? else {
        return Ok(());
    };
    let begun = match *call {
        [FETCH] => {
            let (commands, framed) = service.begin();
            Ok((Some(commands), Outbox::Fetch(framed)))
        }
        [OFFER] => {
            let offer = timeout(patience, comes.decoded::<OfferRequest>(REQUEST_BYTES_MAX));
            match offer.await.unwrap_or(Ok(None))? {
                Some(offer) => service
                    .receive(&offer, true)
                    .map(|states| (None, Outbox::Offer(states))),
                None => return Ok(()),
            }
        }
        _ => Err(Status::unimplemented("there is no such call")),
    };
    let (commands, mut outbox) = match begun {
        Ok(begun) => begun,
        Err(status) => return goes.send(&refusal(&status)).await,
    };
    // It is answered: the first message says so, and nothing else.
    goes.send(&said(&[])).await?;
    let mut listening = JoinSet::new();
    listening.spawn(listen(comes, commands));
    let mut beat = interval(BEAT);
    loop {
        tokio::select! {
            answer = outbox.next() => match answer {
                Some(Ok(framed)) => goes.send(&framed).await?,
                Some(Err(status)) => return goes.send(&refusal(&status)).await,
                None => return Ok(()),
            },
            _ = beat.tick() => goes.beat().await?,
            // Whoever has hung up waits for nothing.
            _ = listening.join_next() => return Ok(()),
        }
    }
}

/// Passes requests on until the caller has hung up.
async fn listen(mut comes: Comes, commands: Option<mpsc::Sender<FetchRequest>>) {
    while let Ok(Some(request)) = comes.decoded(REQUEST_BYTES_MAX).await {
        let Some(commands) = &commands else {
            // Nothing more is to be said of an offer.
            return;
        };
        // What comes when nobody is served any more is not wanted; the answers say so, and end the line.
        let _ = commands.send(request).await;
    }
}

/// Where the answers of a call come from.
enum Outbox {
    Fetch(mpsc::Receiver<super::answers::Framed>),
    Offer(mpsc::Receiver<Result<OfferResponse, Status>>),
}

impl Outbox {
    /// Waits for the next answer, with its head.
    ///
    /// # Concurrency
    /// Cancel safe.
    async fn next(&mut self) -> Option<Result<Bytes, Status>> {
        match self {
            Self::Fetch(framed) => framed.recv().await,
            Self::Offer(states) => {
                let state = states.recv().await?;
                Some(state.map(|state| said(&state.encode_to_vec()).into()))
            }
        }
    }
}
