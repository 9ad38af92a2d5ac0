//! WebSocket: messages pushed to a reader that acknowledges them and says how many it wants.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::SinkExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::Web;
use super::body::{InPath, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::events::prefetch_of;
use super::message::MessageOut;
use super::problem::Problem;
use super::pull::parse_offset;
use crate::gateway::{ConsumeWish, Delivered, LeaseId, Link, Settle, SettleKind};

/// The greatest message that a reader may send.
const WORD_BYTES_MAX: usize = 64 << 10;
/// How often a silent reader is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Messages under way to one reader, when nothing else was asked for.
const PREFETCH_DEFAULT: u16 = 200;
/// How long the reader's half of the closing may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// A closing frame has 125 bytes, two of them for its code (RFC 6455, section 5.5).
const REASON_BYTES_MAX: usize = 123;
/// Pings that may stay unanswered.
const PINGS_MAX: u32 = 2;

/// How to be sent messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SocketParams {
    /// At most so many messages are unacknowledged.
    #[param(minimum = 1, maximum = 10_000, default = 200)]
    prefetch: Option<u16>,
    /// So many messages are sent before the reader asks for more by a `credit` word. Absent = as many as `prefetch` allows.
    credit: Option<u32>,
    /// Where to begin in a stream: first, last, next, an offset, or a time as @SECONDS since 1970. Default next.
    offset: Option<String>,
    /// The group to read a stream in: its members share the partitions, and what was acknowledged is remembered. A group that has read
    /// goes on where it was.
    #[param(max_length = 255)]
    group: Option<String>,
}

/// What a reader says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Word {
    /// Messages are done with.
    Ack { tags: Vec<u64> },
    /// Messages go back to their queue.
    Nack {
        tags: Vec<u64>,
        #[serde(default)]
        delay_ms: u64,
    },
    /// Messages are not wanted.
    Reject { tags: Vec<u64> },
    /// So many more may come.
    Credit { credit: u32 },
}

/// What a reader hears.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Answer<'a> {
    /// A message.
    Message {
        /// What to acknowledge it by.
        tag: u64,
        #[serde(flatten)]
        message: Box<MessageOut>,
    },
    /// Tags that are not held: settled before, or of messages that went back.
    Unknown { tags: &'a [u64] },
}

/// Be sent a queue's messages over a WebSocket
///
/// Each message is a JSON object `{"type":"message","tag":1,...}`. The reader answers with `{"type":"ack","tags":[1]}`,
/// `{"type":"nack","tags":[1],"delay_ms":0}` or `{"type":"reject","tags":[1]}`, and `{"type":"credit","credit":10}` where it asked
/// for credit. What it has not acknowledged when the socket closes goes back to the queue.
#[utoipa::path(get, path = "/v1/queues/{queue}/ws", tag = "messages",
    params(("queue" = String, Path, description = "The queue or stream"), SocketParams),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn of_queue(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    Params(params): Params<SocketParams>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    check_origin(&headers)?;
    let prefetch = prefetch_of(params.prefetch.or(Some(PREFETCH_DEFAULT)))?;
    let offset = params.offset.as_deref().map(parse_offset).transpose()?;
    let link = caller.own_link(&web, DEFAULT_VHOST).await?;
    let wish = ConsumeWish {
        vhost: DEFAULT_VHOST.to_owned(),
        queue,
        group: params.group,
        prefetch,
        offset,
        exclusive: false,
        priority: 0,
        tag: None,
    };
    let consumed = web.gateway().groups().consume(&link, wish).await?;
    let deliveries = consumed.receiver;
    let conversation = Conversation {
        link,
        deliveries,
        credit: params.credit,
        unanswered: 0,
    };
    let upgrade = upgrade
        .max_message_size(WORD_BYTES_MAX)
        .max_frame_size(WORD_BYTES_MAX);
    Ok(upgrade
        .on_upgrade(|socket| conversation.hold(socket))
        .into_response())
}

/// Refuses pages of other sites: a browser sends its cookies along, whoever opens the socket.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let site = origin.split_once("://").map(|(_, site)| site);
    if site.is_some() && site == text(header::HOST) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "a page of another site may not open a WebSocket here",
    ))
}

/// One open socket.
struct Conversation {
    link: Link,
    deliveries: mpsc::Receiver<Delivered>,
    credit: Option<u32>,
    unanswered: u32,
}

/// Why a conversation ends.
enum End {
    /// The reader went.
    Gone,
    /// The reader closes in good order.
    Closed,
    /// It said what cannot be understood.
    Misunderstood(String),
    /// The queue is gone, or the login does not hold any more.
    Over,
}

impl Conversation {
    async fn hold(mut self, mut socket: WebSocket) {
        let end = self.talk(&mut socket).await;
        // What it held goes back now, not when the reader has closed.
        drop(self);
        let (code, reason) = match end {
            End::Gone => return,
            End::Closed => return await_close(socket).await,
            End::Misunderstood(reason) => (close_code::POLICY, reason),
            End::Over => (
                close_code::AWAY,
                "the queue is gone, the session was ended, or the server stops".to_owned(),
            ),
        };
        let frame = CloseFrame {
            code,
            reason: shortened(&reason).into(),
        };
        // The reader may be gone already.
        if socket.send(Message::Close(Some(frame))).await.is_ok() {
            await_close(socket).await;
        }
    }

    async fn talk(&mut self, socket: &mut WebSocket) -> End {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            let may_send = self.credit != Some(0);
            tokio::select! {
                word = socket.recv() => match word {
                    None | Some(Err(_)) => return End::Gone,
                    Some(Ok(word)) => if let Err(end) = self.hear(word, socket).await {
                        return end;
                    },
                },
                delivered = self.deliveries.recv(), if may_send => {
                    let Some(delivered) = delivered else { return End::Over };
                    if self.pass_on(delivered, socket).await.is_err() {
                        return End::Gone;
                    }
                }
                () = self.link.closed() => return End::Over,
                _ = ping.tick() => {
                    self.unanswered += 1;
                    let is_lost = self.unanswered > PINGS_MAX;
                    if is_lost || socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                        return End::Gone;
                    }
                }
            }
        }
    }

    async fn pass_on(
        &mut self,
        delivered: Delivered,
        socket: &mut WebSocket,
    ) -> Result<(), axum::Error> {
        let mut message = MessageOut::of(&delivered, &self.link);
        message.lease = None;
        let answer = Answer::Message {
            tag: delivered.lease.map_or(0, |lease| lease.0),
            message: Box::new(message),
        };
        self.credit = self.credit.map(|credit| credit.saturating_sub(1));
        say(socket, &answer).await?;
        self.link.written(delivered.outbox_bytes).await;
        Ok(())
    }

    async fn hear(&mut self, word: Message, socket: &mut WebSocket) -> Result<(), End> {
        self.unanswered = 0;
        let text = match &word {
            Message::Text(text) => text.as_str(),
            // Answered before more is read: who pings and never reads is to wait, not to fill our memory with pongs.
            Message::Ping(_) => return socket.flush().await.map_err(|_| End::Gone),
            Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Closed),
            Message::Binary(_) => {
                return Err(End::Misunderstood("send text, not bytes".to_owned()));
            }
        };
        let word: Word = serde_json::from_str(text)
            .map_err(|error| End::Misunderstood(format!("not understood: {error}")))?;
        let (tags, kind) = match word {
            Word::Ack { tags } => (tags, SettleKind::Ack),
            Word::Reject { tags } => (tags, SettleKind::Reject),
            Word::Nack { tags, delay_ms } => (tags, SettleKind::Nack { delay_ms }),
            Word::Credit { credit } => {
                self.credit = self.credit.map(|left| left.saturating_add(credit));
                return Ok(());
            }
        };
        let lease = |tag: &u64| Settle {
            lease: LeaseId(*tag),
            kind,
        };
        let settles = tags.iter().map(lease).collect();
        let held = self.link.settle(settles).await.map_err(|_| End::Over)?;
        let unknown: Vec<u64> = tags
            .into_iter()
            .zip(held)
            .filter_map(|(tag, is_held)| (!is_held).then_some(tag))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let answer = Answer::Unknown { tags: &unknown };
        say(socket, &answer).await.map_err(|_| End::Gone)
    }
}

/// Answers the reader's close, and waits for it: closing TCP before that may reset what the reader has not read yet.
pub(super) async fn await_close(mut socket: WebSocket) {
    let closing = async { while let Some(Ok(_)) = socket.recv().await {} };
    // A reader that goes on as if nothing was is cut off.
    let _ = tokio::time::timeout(CLOSE_PATIENCE, closing).await;
}

/// What of a reason a closing frame has room for.
fn shortened(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len()))
        .rev()
        .find(|end| reason.is_char_boundary(*end));
    reason.get(..end.unwrap_or_default()).unwrap_or_default()
}

async fn say(socket: &mut WebSocket, answer: &Answer<'_>) -> Result<(), axum::Error> {
    let text = serde_json::to_string(answer).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
}
