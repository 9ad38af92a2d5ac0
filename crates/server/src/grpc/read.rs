//! Reading a stream from any place in it: to its end, or further as messages come.

use std::collections::VecDeque;

use broker::StreamOffset;
use broker::arguments::QueueKind;
use engine::Handle;
use futures_util::Stream;
use futures_util::stream::unfold;
use rpc::v1;
use tokio::sync::mpsc;
use tonic::Status;

use super::call::Call;
use super::message::{received, stream_offset};
use super::status::{Subject, flawed, not_as_needed, refused, unavailable};
use crate::gateway::{Delivered, Link, Pull, PullFrom, Settle, SettleKind, Subscription};

/// Messages that are read ahead of the client.
const AHEAD_MAX: u16 = 256;
/// Messages of which the link is told together that they left.
const TOGETHER_MAX: usize = 64;

/// One reader of a stream.
pub(super) struct Reader {
    call: Call,
    link: Link,
    queue: String,
    /// How many messages may still come.
    left: u64,
    source: Source,
}

/// Where a reader's messages come from.
enum Source {
    /// From a consumer, without end.
    Follow(Follow),
    /// From pulls, up to the message that was the last when reading began.
    UpTo {
        last: u64,
        from: StreamOffset,
        ready: VecDeque<Delivered>,
    },
    /// The stream was empty.
    Nothing,
}

/// A consumer's deliveries.
struct Follow {
    deliveries: mpsc::Receiver<Delivered>,
    /// Received, not yet sent.
    ready: VecDeque<Delivered>,
    acks: Vec<Settle>,
    written: usize,
}

/// Reads a stream.
pub(super) async fn read(
    call: Call,
    request: v1::ReadStreamRequest,
) -> Result<impl Stream<Item = Result<v1::ReadStreamResponse, Status>>, Status> {
    let from = stream_offset(request.stream_start).map_err(flawed)?;
    let queue = request.queue;
    match call.find_queue(&queue).await?.kind {
        QueueKind::Stream => {}
        QueueKind::Classic | QueueKind::Quorum => {
            let detail = format!("'{queue}' is no stream; use Consume or Pull");
            return Err(not_as_needed(
                "NOT_A_STREAM",
                Subject::Queue(&queue),
                detail,
            ));
        }
    }
    let mut reader = if request.follow {
        Reader::follow(call, queue, from).await?
    } else {
        Reader::up_to_last(call, queue, from).await?
    };
    if request.max > 0 {
        reader.left = request.max;
    }
    Ok(unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(delivered)) => {
                let received = Some(received(&delivered, reader.engine()));
                Some((Ok(v1::ReadStreamResponse { received }), Some(reader)))
            }
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    }))
}

async fn pull(
    link: &Link,
    queue: &str,
    from: StreamOffset,
    max: u16,
) -> Result<Vec<Delivered>, Status> {
    let pull = Pull {
        queue: queue.to_owned(),
        max: max.into(),
        wait_ms: 0,
        lease_ms: 1,
        from: PullFrom::Stream(from),
        no_ack: false,
        hold: None,
    };
    let pulled = link.pull(pull).await;
    pulled.map_err(|refusal| refused(refusal, Subject::Queue(queue)))
}

impl Reader {
    /// Reads from a place in a stream, and further as messages come.
    pub(super) async fn follow(
        call: Call,
        queue: String,
        offset: StreamOffset,
    ) -> Result<Self, Status> {
        let (sink, deliveries) = mpsc::channel(AHEAD_MAX.into());
        let subscription = Subscription {
            queue: queue.clone(),
            prefetch: AHEAD_MAX,
            offset,
            exclusive: false,
            priority: 0,
            tag: None,
            sink,
            hold: None,
        };
        let link = call.own_link().await?;
        let subscribed = link.subscribe(subscription).await;
        subscribed.map_err(|refusal| refused(refusal, Subject::Queue(&queue)))?;
        let source = Source::Follow(Follow {
            deliveries,
            ready: VecDeque::new(),
            acks: Vec::new(),
            written: 0,
        });
        Ok(Self::new(call, link, queue, source))
    }

    async fn up_to_last(call: Call, queue: String, from: StreamOffset) -> Result<Self, Status> {
        let link = call.own_link().await?;
        let last = pull(&link, &queue, StreamOffset::Last, 1).await?;
        let source = match last.last() {
            None => Source::Nothing,
            Some(last) => Source::UpTo {
                last: last.sequence,
                from,
                ready: VecDeque::new(),
            },
        };
        Ok(Self::new(call, link, queue, source))
    }

    const fn new(call: Call, link: Link, queue: String, source: Source) -> Self {
        Self {
            call,
            link,
            queue,
            left: u64::MAX,
            source,
        }
    }

    /// The engine behind it.
    pub(super) fn engine(&self) -> &Handle {
        self.call.web.gateway().engine()
    }

    /// Waits for the next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Delivered>, Status> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        match &mut self.source {
            Source::Nothing => Ok(None),
            Source::Follow(follow) => match follow.next(&self.link).await {
                Some(delivered) => Ok(Some(delivered)),
                None => Err(self.why_ended().await),
            },
            Source::UpTo { last, from, ready } => {
                if ready.is_empty() {
                    ready.extend(pull(&self.link, &self.queue, *from, AHEAD_MAX).await?);
                }
                let next = ready.pop_front();
                Ok(next.filter(|next| next.sequence <= *last).inspect(|next| {
                    // A stream's offsets are its sequence numbers less one.
                    *from = StreamOffset::Offset(next.sequence);
                }))
            }
        }
    }

    async fn why_ended(&self) -> Status {
        // When the link closes, its consumers end first: an answer says that it stands.
        if self.link.settle(Vec::new()).await.is_err() {
            return self.call.why_closed();
        }
        match self.call.find_queue(&self.queue).await {
            Err(gone) => gone,
            Ok(_) => unavailable("the stream cannot be reached for now; read on later"),
        }
    }
}

impl Follow {
    /// Waits for the next message; `None` when there will be none any more.
    async fn next(&mut self, link: &Link) -> Option<Delivered> {
        if self.ready.is_empty() {
            link.move_on(&mut self.acks, &mut self.written).await;
            let mut received = Vec::new();
            self.deliveries.recv_many(&mut received, TOGETHER_MAX).await;
            self.ready.extend(received);
        }
        let delivered = self.ready.pop_front()?;
        self.written += delivered.outbox_bytes;
        self.acks.extend(delivered.lease.map(|lease| Settle {
            lease,
            kind: SettleKind::Ack,
        }));
        Some(delivered)
    }
}
