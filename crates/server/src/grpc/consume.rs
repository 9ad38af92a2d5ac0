//! Consuming: deliveries as they come, settled by the same stream.
//!
//! A consumer with a prefetch is a consumer of the broker's. One with credit takes as many messages as it has credit for, and none
//! ahead: while it has no credit it holds up nothing.

mod source;
mod start;

use std::collections::HashMap;

use broker::{Refusal, RefusalKind};
use futures_util::Stream;
use futures_util::stream::unfold;
use rpc::v1;
use rpc::v1::CancelReason;
use rpc::v1::consume_request::Action;
use rpc::v1::consume_response::Event;
use tonic::{Status, Streaming};

use super::call::Call;
use super::message::received;
use super::pull::nack;
use super::status::{Subject, flawed, not_as_needed, refused};
use crate::flaw::Flaw;
use crate::gateway::{Delivered, LeaseId, Link, Settle, SettleKind};

use source::Source;
use start::Start;

/// Bytes of deliveries that left and of which the link has yet to hear.
const UNTOLD_BYTES_MAX: usize = 16 << 10;

/// One consumer.
struct Consumer {
    call: Call,
    link: Link,
    requests: Streaming<v1::ConsumeRequest>,
    queue: String,
    source: Source,
    is_automatic: bool,
    /// What is not settled; there is no lease for what comes from a stream by credit.
    unsettled: HashMap<u64, Option<LeaseId>>,
    last_tag: u64,
    untold_bytes: usize,
    /// The client may still send.
    is_heard: bool,
    /// What ends the stream, once everything before is told.
    end: Option<Result<(), Status>>,
}

/// Begins to consume.
pub(super) async fn consume(
    call: Call,
    mut requests: Streaming<v1::ConsumeRequest>,
) -> Result<impl Stream<Item = Result<v1::ConsumeResponse, Status>>, Status> {
    let first = requests.message().await?.and_then(|request| request.action);
    let Some(Action::Start(start)) = first else {
        let detail = "the first request of a consumer is its start";
        return Err(flawed(Flaw::new("start", detail)));
    };
    let start = Start::read(&call, start).await?;
    let link = call.own_link().await?;
    let tag = format!("grpc-{}", engine::accounts::random_name());
    let consumer = Consumer {
        source: start.open(&call, &link, &tag).await?,
        is_automatic: start.is_automatic,
        queue: start.queue,
        call,
        link,
        requests,
        unsettled: HashMap::new(),
        last_tag: 0,
        untold_bytes: 0,
        is_heard: true,
        end: None,
    };
    let started = v1::ConsumeStarted { consumer_tag: tag };
    let first = Some(Event::Started(started));
    Ok(unfold(
        (Some(consumer), first),
        |(consumer, first)| async move {
            let mut consumer = consumer?;
            let event = match first {
                Some(event) => Ok(event),
                None => match consumer.next().await {
                    Ok(event) => Ok(event?),
                    Err(status) => Err(status),
                },
            };
            match event {
                Ok(event) => {
                    let response = v1::ConsumeResponse { event: Some(event) };
                    Some((Ok(response), (Some(consumer), None)))
                }
                Err(status) => Some((Err(status), (None, None))),
            }
        },
    ))
}

/// What a consumer waits for.
enum Step {
    Asked(Result<Option<v1::ConsumeRequest>, Status>),
    Delivered(Delivered),
    /// The consumer was ended, for a reason if the broker gave one.
    Ended(Option<Refusal>),
    /// The link was closed.
    Closed,
}

impl Consumer {
    /// Waits for the next event; `None` ends the stream.
    async fn next(&mut self) -> Result<Option<Event>, Status> {
        loop {
            if let Some(end) = self.end.take() {
                return end.map(|()| None);
            }
            match self.step().await {
                Step::Asked(Ok(Some(request))) => self.act(request).await?,
                Step::Asked(Ok(None)) => {
                    self.is_heard = false;
                    // Nothing can be settled any more.
                    if !self.is_automatic {
                        self.end = Some(Ok(()));
                    }
                }
                Step::Asked(Err(status)) => return Err(status),
                Step::Delivered(delivered) => return Ok(Some(self.deliver(delivered).await)),
                Step::Ended(Some(refusal)) if !is_passing(&refusal) => {
                    return Err(refused(refusal, Subject::Queue(&self.queue)));
                }
                Step::Ended(_) => return Ok(Some(self.cancelled().await)),
                Step::Closed => return Ok(Some(self.closed())),
            }
        }
    }

    async fn step(&mut self) -> Step {
        tokio::select! {
            request = self.requests.message(), if self.is_heard => Step::Asked(request),
            delivered = self.source.next(&self.link) => {
                delivered.map_or_else(Step::Ended, Step::Delivered)
            }
            () = self.link.closed() => Step::Closed,
        }
    }

    async fn act(&mut self, request: v1::ConsumeRequest) -> Result<(), Status> {
        match request.action {
            Some(Action::Ack(ack)) => self.settle(&ack.tags, SettleKind::Ack).await,
            Some(Action::Nack(v1::ConsumeNack {
                tags,
                delay_ms,
                dead_letter,
            })) => {
                let kind = nack(delay_ms, dead_letter);
                let kind = kind.map_err(|flaw| flawed(flaw.within("nack")))?;
                self.settle(&tags, kind).await
            }
            Some(Action::Credit(credit)) => {
                self.source.add_credit(credit.deliveries).map_err(flawed)
            }
            Some(Action::Start(_)) => {
                let detail = "a consumer is started once; begin another one by another call";
                Err(flawed(Flaw::new("start", detail)))
            }
            None => {
                let detail = "each request is one of start, credit, ack and nack";
                Err(flawed(Flaw::new("action", detail)))
            }
        }
    }

    /// Settles deliveries, up to the first one that cannot be.
    async fn settle(&mut self, tags: &[u64], kind: SettleKind) -> Result<(), Status> {
        if tags.is_empty() {
            return Err(flawed(Flaw::new("tags", "name at least one delivery")));
        }
        let mut settles = Vec::with_capacity(tags.len());
        let mut unknown = None;
        for tag in tags {
            match self.unsettled.remove(tag) {
                Some(lease) => settles.extend(lease.map(|lease| Settle { lease, kind })),
                None => {
                    unknown = Some(*tag);
                    break;
                }
            }
        }
        if !settles.is_empty() {
            self.link.settle_silently(settles).await;
        }
        match unknown {
            None => Ok(()),
            Some(tag) => {
                let detail = format!("the tag {tag} is unknown, or settled already");
                let subject = Subject::Queue(&self.queue);
                Err(not_as_needed("TAG_UNKNOWN", subject, detail))
            }
        }
    }

    async fn deliver(&mut self, delivered: Delivered) -> Event {
        self.last_tag += 1;
        if !self.is_automatic {
            self.unsettled.insert(self.last_tag, delivered.lease);
        } else if let Some(lease) = delivered.lease {
            let kind = SettleKind::Ack;
            self.link
                .settle_silently(vec![Settle { lease, kind }])
                .await;
        }
        if self.source.counts_bytes() {
            self.untold_bytes += delivered.outbox_bytes;
        }
        if self.untold_bytes >= UNTOLD_BYTES_MAX {
            self.link
                .written(std::mem::take(&mut self.untold_bytes))
                .await;
        }
        Event::Delivery(v1::Delivery {
            tag: self.last_tag,
            received: Some(received(&delivered, self.call.web.gateway().engine())),
        })
    }

    /// Says why the broker ended the consumer.
    async fn cancelled(&mut self) -> Event {
        // When the link closes, its consumers end first: an answer says that it stands.
        if self.link.settle(Vec::new()).await.is_err() {
            return self.closed();
        }
        self.end = Some(Ok(()));
        let (reason, detail) = if self.call.find_queue(&self.queue).await.is_err() {
            (CancelReason::QueueDeleted, "the queue was deleted")
        } else {
            let detail = "the queue cannot be reached for now; consume again later";
            (CancelReason::Unavailable, detail)
        };
        cancelled(reason, detail)
    }

    fn closed(&mut self) -> Event {
        let status = self.call.why_closed();
        let detail = status.message().to_owned();
        let reason = if status.code() == tonic::Code::Unauthenticated {
            CancelReason::AccessRevoked
        } else {
            CancelReason::Unspecified
        };
        self.end = Some(Err(status));
        cancelled(reason, &detail)
    }
}

/// Whether a refusal tells of a change, and not of what the consumer may do.
const fn is_passing(refusal: &Refusal) -> bool {
    match refusal.kind {
        RefusalKind::NotFound | RefusalKind::Unavailable => true,
        RefusalKind::AccessRefused
        | RefusalKind::NotAllowed
        | RefusalKind::PreconditionFailed
        | RefusalKind::ResourceLocked
        | RefusalKind::CommandInvalid
        | RefusalKind::NotImplemented
        | RefusalKind::LimitExceeded => false,
    }
}

fn cancelled(reason: CancelReason, detail: &str) -> Event {
    Event::Cancelled(v1::ConsumeCancelled {
        reason: reason.into(),
        detail: detail.to_owned(),
    })
}
