//! Publishing: a batch that is answered as one, or message after message with confirms as they come.

use std::time::Duration;

use broker::{Refusal, RefusalKind};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt, unfold};
use futures_util::{FutureExt, Stream};
use rpc::v1;
use rpc::v1::PublishStatus;
use tonic::{Status, Streaming};

use super::call::Call;
use super::message::{Place, outgoing, position};
use super::status::{flawed, not_found, refused, unavailable};
use crate::flaw::Flaw;
use crate::gateway::{Link, Outgoing, PublishOutcome};

/// Messages of one batch.
const BATCH_MESSAGES_MAX: usize = 1_000;
/// Messages of a stream that are published together.
const TOGETHER_MAX: usize = 256;
/// Messages of a stream that may be under way; then it is not read for the time being.
const UNDER_WAY_MESSAGES_MAX: usize = 4_096;
/// The same in bytes of bodies.
const UNDER_WAY_BYTES_MAX: usize = 16 << 20;
/// How long a batch may wait for the log, for instance while the disk is full.
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome = Result<PublishOutcome, Refusal>;

/// Publishes a batch.
pub(super) async fn batch(
    call: &Call,
    request: v1::PublishRequest,
) -> Result<v1::PublishResponse, Status> {
    let place = Place::of(request.address).map_err(flawed)?;
    if !(1..=BATCH_MESSAGES_MAX).contains(&request.messages.len()) {
        let detail = format!("a batch has from 1 to {BATCH_MESSAGES_MAX} messages");
        return Err(flawed(Flaw::new("messages", detail)));
    }
    let bytes_max = call.web.settings().message_bytes_max;
    let mut messages = Vec::with_capacity(request.messages.len());
    for (index, message) in request.messages.into_iter().enumerate() {
        let ready = outgoing(message, &place, bytes_max)
            .map_err(|flaw| flawed(flaw.within(&format!("messages[{index}]"))));
        messages.push(ready?);
    }
    let link = call.link().await?;
    let outcomes = tokio::time::timeout(PATIENCE, link.publish(messages))
        .await
        .map_err(|_| {
            unavailable("publishers have to wait, as the server is low on memory or disk; try again later. What was sent may still be stored")
        })?
        .map_err(|_| call.why_closed())?;
    if let Some(status) = common_failure(&outcomes, &place) {
        return Err(status);
    }
    let results = outcomes.into_iter().map(|outcome| {
        let fate = fate(call, outcome, &place);
        v1::PublishResult {
            status: fate.status.into(),
            positions: fate.positions,
            detail: fate.detail,
        }
    });
    Ok(v1::PublishResponse {
        results: results.collect(),
    })
}

/// What is wrong with the address or the account itself, so that no message could be published.
fn common_failure(outcomes: &[Outcome], place: &Place) -> Option<Status> {
    let is_about_address = |refusal: &Refusal| match refusal.kind {
        // The account's quota is none of the message's either.
        RefusalKind::NotFound
        | RefusalKind::AccessRefused
        | RefusalKind::NotAllowed
        | RefusalKind::LimitExceeded => true,
        RefusalKind::PreconditionFailed
        | RefusalKind::ResourceLocked
        | RefusalKind::CommandInvalid
        | RefusalKind::NotImplemented
        | RefusalKind::Unavailable => false,
    };
    let first = outcomes.first()?;
    match first {
        Err(refusal) if is_about_address(refusal) && outcomes.iter().all(|one| one.is_err()) => {
            Some(refused(refusal.clone(), place.subject()))
        }
        Ok(outcome) if !outcome.is_routed && place.is_queue() => {
            let is_gone = |one: &Outcome| one.as_ref().is_ok_and(|one| !one.is_routed);
            let all = outcomes.iter().all(is_gone);
            all.then(|| not_found(place.subject(), place.unroutable()))
        }
        Ok(_) | Err(_) => None,
    }
}

/// A message that is ready, with its place, or why it is not.
type Prepared = Result<(Place, Outgoing), Fate>;

/// What became of one message.
struct Fate {
    status: PublishStatus,
    positions: Vec<v1::Position>,
    detail: String,
}

fn fate(call: &Call, outcome: Outcome, place: &Place) -> Fate {
    let without_place = |status, detail: String| Fate {
        status,
        positions: Vec::new(),
        detail,
    };
    match outcome {
        Err(refusal) => {
            let status = if refusal.kind == RefusalKind::Unavailable {
                PublishStatus::Unavailable
            } else {
                PublishStatus::Refused
            };
            without_place(status, refusal.detail)
        }
        Ok(outcome) if !outcome.is_routed => {
            without_place(PublishStatus::Unroutable, place.unroutable())
        }
        Ok(outcome) if outcome.is_rejected => {
            let detail = "the queue is full and refuses new messages; take some out first";
            without_place(PublishStatus::Rejected, detail.to_owned())
        }
        Ok(outcome) => {
            let engine = call.web.gateway().engine();
            let places = outcome.places.iter();
            Fate {
                status: PublishStatus::Confirmed,
                positions: places
                    .filter_map(|(queue, sequence)| {
                        position(engine, *queue, *sequence, outcome.is_duplicate)
                    })
                    .collect(),
                detail: String::new(),
            }
        }
    }
}

impl Fate {
    fn confirm(self, number: u64) -> v1::Confirm {
        v1::Confirm {
            number,
            status: self.status.into(),
            positions: self.positions,
            detail: self.detail,
        }
    }
}

/// Messages that are answered together.
struct Batch {
    confirms: Vec<v1::Confirm>,
    messages: usize,
    bytes: usize,
}

/// A stream of messages to be published.
struct Publisher {
    call: Call,
    link: Link,
    requests: Streaming<v1::PublishStreamRequest>,
    /// Where the last message went.
    place: Option<Place>,
    under_way: FuturesUnordered<BoxFuture<'static, Result<Batch, Status>>>,
    messages: usize,
    bytes: usize,
    /// The client has closed its side, or what is told to it when all before is answered.
    ended: Option<Result<(), Status>>,
}

/// Publishes messages as they come and confirms them as they become safe.
pub(super) async fn stream(
    call: Call,
    requests: Streaming<v1::PublishStreamRequest>,
) -> Result<impl Stream<Item = Result<v1::PublishStreamResponse, Status>>, Status> {
    let publisher = Publisher {
        link: call.own_link().await?,
        call,
        requests,
        place: None,
        under_way: FuturesUnordered::new(),
        messages: 0,
        bytes: 0,
        ended: None,
    };
    Ok(unfold(Some(publisher), |publisher| async move {
        let mut publisher = publisher?;
        match publisher.next().await {
            Some(Ok(confirms)) => {
                let response = v1::PublishStreamResponse { confirms };
                Some((Ok(response), Some(publisher)))
            }
            Some(Err(status)) => Some((Err(status), None)),
            None => None,
        }
    }))
}

impl Publisher {
    async fn next(&mut self) -> Option<Result<Vec<v1::Confirm>, Status>> {
        loop {
            let has_room =
                self.messages < UNDER_WAY_MESSAGES_MAX && self.bytes < UNDER_WAY_BYTES_MAX;
            let is_read = self.ended.is_none() && has_room;
            if self.ended.is_some() && self.under_way.is_empty() {
                return self.ended.take()?.err().map(Err);
            }
            tokio::select! {
                biased;
                Some(done) = self.under_way.next() => match done {
                    Ok(batch) => return Some(Ok(self.settled(batch))),
                    Err(status) => return Some(Err(status)),
                },
                request = self.requests.message(), if is_read => {
                    let refused = match request {
                        Ok(Some(request)) => self.take(request).await,
                        Ok(None) => {
                            self.ended = Some(Ok(()));
                            Vec::new()
                        }
                        Err(status) => return Some(Err(status)),
                    };
                    if !refused.is_empty() {
                        return Some(Ok(refused));
                    }
                }
                () = self.link.closed() => return Some(Err(self.call.why_closed())),
            }
        }
    }

    /// Answers what has become known together.
    fn settled(&mut self, batch: Batch) -> Vec<v1::Confirm> {
        let mut confirms = batch.confirms;
        self.messages -= batch.messages;
        self.bytes -= batch.bytes;
        while let Some(Some(done)) = self.under_way.next().now_or_never() {
            match done {
                Ok(more) => {
                    self.messages -= more.messages;
                    self.bytes -= more.bytes;
                    confirms.extend(more.confirms);
                }
                Err(status) => {
                    self.ended = Some(Err(status));
                    break;
                }
            }
        }
        confirms
    }

    /// Publishes a message and those that have come with it; returns confirms of those that cannot be published.
    async fn take(&mut self, first: v1::PublishStreamRequest) -> Vec<v1::Confirm> {
        let mut ready = Vec::new();
        let mut refused = Vec::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match self.prepare(request) {
                Ok((number, Ok((place, message)))) => {
                    bytes += message.body.len();
                    ready.push((number, place, message));
                }
                Ok((number, Err(fate))) => refused.push(fate.confirm(number)),
                Err(status) => {
                    self.ended = Some(Err(status));
                    break;
                }
            }
            let together = ready.len() + refused.len();
            if together >= TOGETHER_MAX || bytes >= UNDER_WAY_BYTES_MAX {
                break;
            }
            match self.requests.message().now_or_never() {
                Some(Ok(Some(request))) => next = Some(request),
                Some(Ok(None)) => self.ended = Some(Ok(())),
                Some(Err(status)) => self.ended = Some(Err(status)),
                None => {}
            }
        }
        if !ready.is_empty() {
            self.publish(ready, bytes).await;
        }
        refused
    }

    /// Reads one request: a message and its place, or why it is refused; an error ends the stream.
    fn prepare(&mut self, request: v1::PublishStreamRequest) -> Result<(u64, Prepared), Status> {
        let number = request.number;
        if request.address.is_some() || self.place.is_none() {
            self.place = Some(Place::of(request.address).map_err(flawed)?);
        }
        let place = self.place.clone().unwrap_or_default();
        let message = request.message.unwrap_or_default();
        let bytes_max = self.call.web.settings().message_bytes_max;
        let ready = outgoing(message, &place, bytes_max).map_err(|flaw| Fate {
            status: PublishStatus::Refused,
            positions: Vec::new(),
            detail: format!("{}: {}", flaw.field, flaw.detail),
        });
        Ok((number, ready.map(|message| (place, message))))
    }

    async fn publish(&mut self, ready: Vec<(u64, Place, Outgoing)>, bytes: usize) {
        let mut heads = Vec::with_capacity(ready.len());
        let mut messages = Vec::with_capacity(ready.len());
        for (number, place, message) in ready {
            heads.push((number, place));
            messages.push(message);
        }
        self.messages += heads.len();
        self.bytes += bytes;
        let call = self.call.clone();
        match self.link.begin_publish(messages).await {
            Ok(answer) => self.under_way.push(Box::pin(async move {
                let outcomes = answer.wait().await.map_err(|_| call.why_closed())?;
                let messages = heads.len();
                let confirms = heads
                    .into_iter()
                    .zip(outcomes)
                    .map(|((number, place), outcome)| fate(&call, outcome, &place).confirm(number));
                Ok(Batch {
                    confirms: confirms.collect(),
                    messages,
                    bytes,
                })
            })),
            Err(_) => self.ended = Some(Err(call.why_closed())),
        }
    }
}
