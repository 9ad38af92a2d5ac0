//! Subscribing to a topic: a stream of the subscriber's own keeps what it has not seen, so that it may go on after an interruption.

use broker::{ExchangeKind, Request, StreamOffset};
use futures_util::Stream;
use futures_util::stream::unfold;
use rpc::v1;
use rpc::v1::subscribe_response::Event;
use tonic::Status;

use super::call::Call;
use super::message::received_somewhere;
use super::queues::find_topic;
use super::read::Reader;
use super::status::{Subject, flawed, gone_by, not_as_needed, refused};
use crate::flaw::Flaw;
use crate::gateway::Link;
use crate::http::{READER_PREFIX, reader_stream};

/// Patterns of one subscriber.
const PATTERNS_MAX: usize = 64;
/// The longest pattern.
const PATTERN_BYTES_MAX: usize = 255;

/// A subscriber.
struct Subscriber {
    reader: Reader,
    stream: String,
    next_offset: u64,
}

/// Subscribes to a topic.
pub(super) async fn subscribe(
    call: Call,
    request: v1::SubscribeRequest,
) -> Result<impl Stream<Item = Result<v1::SubscribeResponse, Status>>, Status> {
    let resumed = !request.resume_token.is_empty();
    let (stream, next_offset) = if resumed {
        find_place(&call, &request.resume_token).await?
    } else {
        (make_place(&call, &request).await?, 0)
    };
    let offset = StreamOffset::Offset(next_offset);
    let subscriber = Subscriber {
        reader: Reader::follow(call, stream.clone(), offset).await?,
        stream,
        next_offset,
    };
    let started = Some(Event::Started(v1::SubscribeStarted { resumed }));
    Ok(unfold(
        (Some(subscriber), started),
        |(subscriber, started)| async move {
            let mut subscriber = subscriber?;
            let event = match started {
                Some(event) => Ok(event),
                None => subscriber.next().await,
            };
            match event {
                Ok(event) => {
                    let response = v1::SubscribeResponse {
                        event: Some(event),
                        resume_token: subscriber.token(),
                    };
                    Some((Ok(response), (Some(subscriber), None)))
                }
                Err(status) => Some((Err(status), (None, None))),
            }
        },
    ))
}

impl Subscriber {
    async fn next(&mut self) -> Result<Event, Status> {
        let delivered = self.reader.next().await?;
        let delivered = delivered.ok_or_else(|| Status::internal("a reader without end ended"))?;
        // A stream's offsets are its sequence numbers less one.
        self.next_offset = delivered.sequence;
        // Where it lies is the subscription's own affair.
        Ok(Event::Received(received_somewhere(&delivered)))
    }

    fn token(&self) -> String {
        format!("{}.{}", self.stream, self.next_offset)
    }
}

/// Finds where an earlier subscription ended.
async fn find_place(call: &Call, token: &str) -> Result<(String, u64), Status> {
    let read = token.rsplit_once('.').and_then(|(stream, offset)| {
        let offset = offset.parse().ok()?;
        stream
            .starts_with(READER_PREFIX)
            .then(|| (stream.to_owned(), offset))
    });
    let (stream, offset) = read.ok_or_else(|| {
        flawed(Flaw::new(
            "resume_token",
            "this is none that a subscription gave; leave it empty",
        ))
    })?;
    match call.find_queue(&stream).await {
        Ok(_) => Ok((stream, offset)),
        Err(_) => Err(gone_by(
            "the subscription ended too long ago to go on with it; subscribe without a token",
        )),
    }
}

/// Makes a stream for a subscriber and leads the topic to it.
async fn make_place(call: &Call, request: &v1::SubscribeRequest) -> Result<String, Status> {
    let topic = find_topic(call, &request.topic)?;
    let patterns = patterns(topic.kind, request)?;
    let link = call.link().await?;
    let stream = format!("{READER_PREFIX}{}", engine::accounts::random_name());
    let made = link.request(reader_stream(&stream)).await;
    made.map_err(|refusal| refused(refusal, Subject::Several))?;
    for pattern in patterns {
        if let Err(status) = lead(&link, request, &stream, pattern).await {
            let delete = Request::QueueDelete {
                name: stream,
                if_unused: false,
                if_empty: false,
            };
            // Unread, it would go by itself.
            let _ = link.request(delete).await;
            return Err(status);
        }
    }
    Ok(stream)
}

async fn lead(
    link: &Link,
    request: &v1::SubscribeRequest,
    stream: &str,
    pattern: String,
) -> Result<(), Status> {
    let bound = link
        .request(Request::Bind {
            unbind: false,
            source: request.topic.clone(),
            destination: stream.to_owned(),
            to_exchange: false,
            routing_key: pattern,
            arguments: codec::amqp::field::Table::default(),
        })
        .await;
    bound
        .map(drop)
        .map_err(|refusal| refused(refusal, Subject::Topic(&request.topic)))
}

/// What is bound: the patterns of the request, or what matches every message.
fn patterns(kind: ExchangeKind, request: &v1::SubscribeRequest) -> Result<Vec<String>, Status> {
    if request.patterns.len() > PATTERNS_MAX {
        let detail = format!("a subscriber has at most {PATTERNS_MAX} patterns");
        return Err(flawed(Flaw::new("patterns", detail)));
    }
    if request
        .patterns
        .iter()
        .any(|pattern| pattern.len() > PATTERN_BYTES_MAX)
    {
        let detail = format!("a pattern has at most {PATTERN_BYTES_MAX} bytes");
        return Err(flawed(Flaw::new("patterns", detail)));
    }
    let everything = match kind {
        ExchangeKind::Topic => "#",
        // No arguments match all headers.
        ExchangeKind::Fanout | ExchangeKind::Headers => "",
        ExchangeKind::Direct if request.patterns.is_empty() => {
            let detail = format!(
                "'{}' compares whole keys: name those to be sent",
                request.topic
            );
            return Err(flawed(Flaw::new("patterns", detail)));
        }
        ExchangeKind::Direct => "",
        ExchangeKind::ConsistentHash => {
            let detail = format!(
                "'{}' shares its messages out: a subscriber would take them from others",
                request.topic
            );
            return Err(not_as_needed(
                "TOPIC_SHARES_OUT",
                Subject::Topic(&request.topic),
                detail,
            ));
        }
    };
    Ok(if request.patterns.is_empty() {
        vec![everything.to_owned()]
    } else {
        request.patterns.clone()
    })
}
