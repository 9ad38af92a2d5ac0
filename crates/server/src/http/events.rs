//! Server-sent events: messages pushed to a reader that needs nothing but HTTP.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use broker::StreamOffset;
use broker::arguments::QueueKind;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, poll_fn};
use serde::Deserialize;
use tokio::time::{Duration, Instant, Sleep};
use utoipa::IntoParams;

use super::Web;
use super::body::{InPath, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::feed::{Feed, FeedWish, Next, Reading};
use super::message::MessageOut;
use super::problem::Problem;
use super::pull::parse_offset;
use super::queues::find_as;

/// The header by which a reader that comes back says what it saw last.
const LAST_EVENT_ID: &str = "last-event-id";
/// How often a reader hears from a queue without messages.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Messages under way to one reader, when nothing else was asked for.
const PREFETCH_DEFAULT: u16 = 1_000;
/// When a reader whose connection broke is to come back.
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// When a reader is to come back that is asked to.
const RETRY_AT_ONCE: Duration = Duration::from_millis(50);

/// Events without end.
pub(super) type Events = Sse<BoxStream<'static, Result<Event, Infallible>>>;

/// How to be sent events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParams {
    /// At most so many messages are under way; from a queue so many until the answer ends and the reader is to come back.
    #[param(minimum = 1, maximum = 10_000, default = 1_000)]
    prefetch: Option<u16>,
    /// Where to begin in a stream: first, last, next, an offset, or a time as @SECONDS since 1970. Default next.
    offset: Option<String>,
    /// The group to read a stream in: its members share the partitions, and what was acknowledged is remembered. A group that has read
    /// goes on where it was.
    #[param(max_length = 255)]
    group: Option<String>,
    /// As the header Last-Event-ID, for readers that cannot set it.
    last_event_id: Option<String>,
}

/// Be sent a queue's messages as they come
///
/// Each event's data is a message as JSON. A reader that lost its connection comes back with the header `Last-Event-ID`, as browsers
/// do by themselves, and gets what follows that event.
///
/// From a stream that is always exactly so. Of a queue, no message is lost and some may come twice: nobody can tell what a reader has
/// read, so its messages are acknowledged when the reader comes back with `Last-Event-ID`, up to that event; those behind it are sent
/// again. After `prefetch` messages, or 8 MiB of bodies, the answer ends, so that the reader comes back. Whoever does not come back within
/// 30 seconds, or comes to a server that was started anew, leaves everything that was not acknowledged to the queue's next reader.
/// The WebSocket and pulls acknowledge each message for itself.
#[utoipa::path(get, path = "/v1/queues/{queue}/events", tag = "messages",
    params(("queue" = String, Path, description = "The queue or stream"), EventParams),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn of_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let view = find_as(&web, &access, &queue).await?;
    let last = last_event_id(&headers, params.last_event_id)?;
    let prefetch = prefetch_of(params.prefetch)?;
    let offset = params.offset.as_deref();
    if view.kind == QueueKind::Stream && params.group.is_none() {
        let offset = stream_start(last.as_deref(), offset)?;
        return stream_events(&web, &caller, queue, prefetch, offset, String::new()).await;
    }
    let source = source_of(&queue, params.group.as_deref());
    let resumed = last.as_deref().and_then(|id| {
        let (token, seen) = id.rsplit_once('.')?;
        let seen = seen.parse().ok()?;
        web.feeds().resume(token, seen, &caller.login.name, &source)
    });
    let reading = match resumed {
        Some(reading) => reading,
        None => {
            let wish = FeedWish {
                queue: queue.clone(),
                group: params.group.clone(),
                prefetch,
                offset: offset.map(parse_offset).transpose()?,
                is_kept: true,
            };
            start(&web, &caller, wish).await?
        }
    };
    Ok(events(Ids::Feed, reading))
}

/// Starts to read a stream whose events are named by `prefix` and their offset.
pub(super) async fn stream_events(
    web: &Web,
    caller: &Caller,
    queue: String,
    prefetch: u16,
    offset: StreamOffset,
    prefix: String,
) -> Result<Events, Problem> {
    let wish = FeedWish {
        queue,
        group: None,
        prefetch,
        offset: Some(offset),
        is_kept: false,
    };
    let reading = start(web, caller, wish).await?;
    Ok(events(Ids::Offsets(prefix), reading))
}

async fn start(web: &Web, caller: &Caller, wish: FeedWish) -> Result<Reading, Problem> {
    let source = source_of(&wish.queue, wish.group.as_deref());
    let link = caller.own_link(web, DEFAULT_VHOST).await?;
    let feed = Feed::start(web.gateway().groups(), link, wish).await?;
    Ok(web.feeds().read(feed, caller.login.name.clone(), source))
}

/// What a feed is from: who comes back to another queue or group begins there.
fn source_of(queue: &str, group: Option<&str>) -> String {
    match group {
        // No group's name has this character.
        Some(group) => format!("{queue}\n{group}"),
        None => queue.to_owned(),
    }
}

/// What events are named by.
enum Ids {
    /// The feed's token and the event's number in it.
    Feed,
    /// A prefix and the message's offset in its stream.
    Offsets(String),
}

impl Ids {
    fn name(&self, reading: &Reading, number: u64, message: &MessageOut) -> String {
        match (self, message.offset) {
            (Self::Offsets(prefix), Some(offset)) => format!("{prefix}{offset}"),
            (Self::Feed | Self::Offsets(_), _) => format!("{}.{number}", reading.token()),
        }
    }
}

/// The events of one answer.
struct Answer {
    ids: Ids,
    /// `None` once the answer ends.
    reading: Option<Reading>,
    heartbeat: Pin<Box<Sleep>>,
    is_begun: bool,
}

impl Answer {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        if !self.is_begun {
            self.is_begun = true;
            // Takes back the hurry that an answer before asked for.
            return Poll::Ready(Some(Event::default().retry(RETRY_AFTER)));
        }
        let event = match reading.poll_next(context) {
            Poll::Pending => {
                if self.heartbeat.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                Event::default().comment("")
            }
            Poll::Ready(Next::Message(number, delivered)) => {
                let mut message = MessageOut::of(&delivered, reading.link());
                // It is acknowledged here, not by the reader.
                message.lease = None;
                let event = Event::default().id(self.ids.name(reading, number, &message));
                // At once: an event that is written piece by piece looks through each piece for the ends of lines.
                event.data(serde_json::to_string(&message).unwrap_or_default())
            }
            Poll::Ready(Next::Full) => {
                // Given back before the reader can know that it is to come back.
                self.reading = None;
                let hurry = Event::default().retry(RETRY_AT_ONCE);
                hurry.comment("come back with Last-Event-ID")
            }
            Poll::Ready(Next::Elsewhere) => {
                self.reading = None;
                return Poll::Ready(None);
            }
            Poll::Ready(Next::End) => {
                self.reading = None;
                Event::default().event("end").data("the feed has ended")
            }
        };
        self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
        Poll::Ready(Some(event))
    }
}

fn events(ids: Ids, reading: Reading) -> Events {
    let mut answer = Answer {
        ids,
        reading: Some(reading),
        heartbeat: Box::pin(tokio::time::sleep(HEARTBEAT)),
        is_begun: false,
    };
    Sse::new(poll_fn(move |context| answer.poll(context).map(|event| event.map(Ok))).boxed())
}

/// Reads which event a reader saw last.
pub(super) fn last_event_id(
    headers: &HeaderMap,
    param: Option<String>,
) -> Result<Option<String>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str());
    match header.transpose() {
        Ok(header) => Ok(header.map(str::to_owned).or(param)),
        Err(_) => Err(Problem::bad_request(
            "Last-Event-ID is none that an event had",
        )),
    }
}

/// Reads where to begin in a stream: behind the last event, or where the reader asks.
pub(super) fn stream_start(
    last: Option<&str>,
    offset: Option<&str>,
) -> Result<StreamOffset, Problem> {
    match (last, offset) {
        (Some(last), _) => {
            let last: u64 = last
                .parse()
                .map_err(|_| Problem::bad_request("Last-Event-ID is no offset of this stream"))?;
            Ok(StreamOffset::Offset(last.saturating_add(1)))
        }
        (None, Some(offset)) => parse_offset(offset),
        (None, None) => Ok(StreamOffset::Next),
    }
}

/// Checks how many messages may be under way.
pub(super) fn prefetch_of(prefetch: Option<u16>) -> Result<u16, Problem> {
    match prefetch {
        None => Ok(PREFETCH_DEFAULT),
        Some(prefetch @ 1..=10_000) => Ok(prefetch),
        Some(_) => Err(Problem::invalid("prefetch is from 1 to 10000")),
    }
}
