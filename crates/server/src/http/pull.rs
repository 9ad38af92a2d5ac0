//! Pulling: taking messages from a queue under leases, or reading a stream.

use axum::Json;
use axum::extract::State;
use broker::StreamOffset;
use broker::arguments::QueueKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, JsonBody};
use super::caller::{Caller, DEFAULT_VHOST};
use super::message::MessageOut;
use super::problem::Problem;
use super::queues::find_as;
use crate::gateway::{LEASE_MS_MAX, Pull, PullFrom};

/// Messages of one pull.
const PULL_MAX: u32 = 1_000;
/// How long a pull may wait, in milliseconds.
const WAIT_MS_MAX: u64 = 60_000;
/// How long a message is leased when nothing else was asked for, in milliseconds.
const LEASE_MS_DEFAULT: u64 = 30_000;

/// How to take messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PullRequest {
    /// At most so many messages.
    #[schema(minimum = 1, maximum = 1_000, default = 1)]
    max: u32,
    /// How many milliseconds to wait for the first one.
    #[schema(maximum = 60_000, default = 0)]
    wait_ms: u64,
    /// For how many milliseconds each is leased. One that is not settled by then goes back to the queue.
    #[schema(minimum = 1, maximum = 43_200_000, default = 30_000)]
    lease_ms: u64,
    /// They are done with as they are taken, without leases. A lost answer loses them.
    auto_ack: bool,
    /// Where to begin in a stream: first, last, next, an offset, or a time as @SECONDS since 1970.
    offset: Option<String>,
    /// The group to read a stream in: what was acknowledged is remembered, and a group that has read goes on where it was.
    #[schema(max_length = 255)]
    group: Option<String>,
}

impl Default for PullRequest {
    fn default() -> Self {
        Self {
            max: 1,
            wait_ms: 0,
            lease_ms: LEASE_MS_DEFAULT,
            auto_ack: false,
            offset: None,
            group: None,
        }
    }
}

/// Messages that were taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pulled {
    /// The messages, in order; none when there was none in time.
    messages: Vec<MessageOut>,
    /// Where to go on, when they come from a stream that is read without a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

/// Take messages from a queue
///
/// Each message is held under a lease: acknowledge it, give it back, or extend it in time; else it is delivered again. While messages of
/// a partition are under lease, nobody else gets others of it, so that messages with the same key keep their order. A stream is read
/// without leases from `offset`, or under leases by a `group`.
#[utoipa::path(post, path = "/v1/queues/{queue}/pull", tag = "messages",
    params(("queue" = String, Path, description = "The queue")),
    request_body = PullRequest,
    responses(
        (status = 200, description = "What there was", body = Pulled),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn pull(
    State(web): State<Web>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(wish): JsonBody<PullRequest>,
) -> Result<Json<Pulled>, Problem> {
    if !(1..=PULL_MAX).contains(&wish.max) {
        return Err(Problem::invalid(format!("max is from 1 to {PULL_MAX}")));
    }
    if wish.wait_ms > WAIT_MS_MAX {
        return Err(Problem::invalid(format!(
            "wait_ms is at most {WAIT_MS_MAX}"
        )));
    }
    if !(1..=LEASE_MS_MAX).contains(&wish.lease_ms) {
        return Err(Problem::invalid(format!(
            "lease_ms is from 1 to {LEASE_MS_MAX}"
        )));
    }
    let from = match wish.offset.as_deref() {
        None => PullFrom::Queue,
        Some(text) => PullFrom::Stream(parse_offset(text)?),
    };
    if wish.offset.is_some() {
        let access = caller.access(&web, DEFAULT_VHOST)?;
        if find_as(&web, &access, &queue).await?.kind != QueueKind::Stream {
            return Err(Problem::invalid(
                "only a stream is read from an offset; this is a queue, take its messages from the head",
            ));
        }
    }
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    let pull = Pull {
        queue,
        max: wish.max,
        wait_ms: wish.wait_ms,
        lease_ms: wish.lease_ms,
        from,
        no_ack: wish.auto_ack,
        hold: None,
    };
    let group = wish.group.as_deref();
    let groups = web.gateway().groups();
    let delivered = groups.pull(&link, DEFAULT_VHOST, group, pull).await?;
    let messages: Vec<_> = delivered
        .iter()
        .map(|delivered| MessageOut::of(delivered, &link))
        .collect();
    let last = messages.last().filter(|_| group.is_none());
    let next_offset = last.and_then(|last| Some(last.offset? + 1));
    Ok(Json(Pulled {
        messages,
        next_offset,
    }))
}

/// Reads where to begin in a stream.
pub(super) fn parse_offset(text: &str) -> Result<StreamOffset, Problem> {
    let wrong = || {
        Problem::invalid(format!(
            "'{text}' is no offset: write first, last, next, a number, or @SECONDS since 1970"
        ))
    };
    Ok(match text {
        "first" => StreamOffset::First,
        "last" => StreamOffset::Last,
        "next" => StreamOffset::Next,
        _ => match text.strip_prefix('@') {
            Some(seconds) => {
                let seconds: u64 = seconds.parse().map_err(|_| wrong())?;
                StreamOffset::Timestamp(seconds.checked_mul(1_000).ok_or_else(wrong)?)
            }
            None => StreamOffset::Offset(text.parse().map_err(|_| wrong())?),
        },
    })
}
