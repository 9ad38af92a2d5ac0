//! Settling what was pulled: acknowledge, give back, extend; singly or in bulk.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, JsonBody};
use super::caller::{Caller, DEFAULT_VHOST};
use super::problem::Problem;
use crate::gateway::{LEASE_MS_MAX, Settle, SettleKind};

/// Leases of one request.
const SETTLES_MAX: usize = 10_000;

/// A lease to be given back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NackOne {
    /// The lease.
    lease: String,
    /// How many milliseconds nobody gets the message.
    #[serde(default)]
    #[schema(maximum = 43_200_000)]
    delay_ms: u64,
}

/// A lease to be extended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendOne {
    /// The lease.
    lease: String,
    /// It ends so many milliseconds from now.
    #[schema(minimum = 1, maximum = 43_200_000)]
    lease_ms: u64,
}

/// Leases to be settled together.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SettleRequest {
    /// These messages are done with.
    #[schema(max_items = 10_000)]
    ack: Vec<String>,
    /// These go back to their queue.
    #[schema(max_items = 10_000)]
    nack: Vec<NackOne>,
    /// These are not wanted: they are dead-lettered, or dropped where the queue has no dead letters.
    #[schema(max_items = 10_000)]
    reject: Vec<String>,
    /// These are kept longer.
    #[schema(max_items = 10_000)]
    extend: Vec<ExtendOne>,
}

/// How to give a message back.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct NackRequest {
    /// How many milliseconds nobody gets the message.
    #[schema(maximum = 43_200_000)]
    delay_ms: u64,
    /// It is not wanted: dead-lettered, or dropped where the queue has no dead letters.
    reject: bool,
}

/// How to extend a lease.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtendRequest {
    /// It ends so many milliseconds from now.
    #[schema(minimum = 1, maximum = 43_200_000)]
    lease_ms: u64,
}

/// What became of leases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Settled {
    /// How many were held and are settled or extended now.
    settled: usize,
    /// Those that are not held: settled before, or ended, and then their messages are or will be delivered again, or gone with their queue.
    ended: Vec<String>,
}

/// Settle or extend many leases
#[utoipa::path(post, path = "/v1/leases", tag = "messages",
    request_body = SettleRequest,
    responses(
        (status = 200, description = "What became of them", body = Settled),
        (status = "4XX", description = "Refused; nothing was settled", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn settle_many(
    State(web): State<Web>,
    caller: Caller,
    JsonBody(wish): JsonBody<SettleRequest>,
) -> Result<Json<Settled>, Problem> {
    let acks = wish.ack.into_iter().map(|lease| (lease, SettleKind::Ack));
    let rejects = wish.reject.into_iter();
    let rejects = rejects.map(|lease| (lease, SettleKind::Reject));
    let nacks = wish.nack.into_iter().map(|nack| {
        let delay_ms = nack.delay_ms;
        (nack.lease, SettleKind::Nack { delay_ms })
    });
    let extends = wish.extend.into_iter().map(|extend| {
        let lease_ms = extend.lease_ms;
        (extend.lease, SettleKind::Extend { lease_ms })
    });
    let all: Vec<_> = acks.chain(rejects).chain(nacks).chain(extends).collect();
    if all.len() > SETTLES_MAX {
        return Err(Problem::too_large(format!(
            "at most {SETTLES_MAX} leases at once"
        )));
    }
    settle(&web, &caller, all).await.map(Json)
}

/// Acknowledge a message: it is done with
#[utoipa::path(delete, path = "/v1/leases/{lease}", tag = "messages",
    params(("lease" = String, Path, description = "The lease")),
    responses(
        (status = 204, description = "Done"),
        (status = "4XX", description = "The lease is not held", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn ack(
    State(web): State<Web>,
    caller: Caller,
    InPath(lease): InPath<String>,
) -> Result<StatusCode, Problem> {
    settle_one(&web, &caller, lease, SettleKind::Ack).await
}

/// Keep a message longer
#[utoipa::path(patch, path = "/v1/leases/{lease}", tag = "messages",
    params(("lease" = String, Path, description = "The lease")),
    request_body = ExtendRequest,
    responses(
        (status = 204, description = "Extended"),
        (status = "4XX", description = "The lease is not held", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn extend(
    State(web): State<Web>,
    caller: Caller,
    InPath(lease): InPath<String>,
    JsonBody(wish): JsonBody<ExtendRequest>,
) -> Result<StatusCode, Problem> {
    let lease_ms = wish.lease_ms;
    settle_one(&web, &caller, lease, SettleKind::Extend { lease_ms }).await
}

/// Give a message back to its queue, at once or after a delay
#[utoipa::path(post, path = "/v1/leases/{lease}/nack", tag = "messages",
    params(("lease" = String, Path, description = "The lease")),
    request_body = NackRequest,
    responses(
        (status = 204, description = "Given back"),
        (status = "4XX", description = "The lease is not held", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn nack(
    State(web): State<Web>,
    caller: Caller,
    InPath(lease): InPath<String>,
    JsonBody(wish): JsonBody<NackRequest>,
) -> Result<StatusCode, Problem> {
    let kind = if wish.reject {
        SettleKind::Reject
    } else {
        SettleKind::Nack {
            delay_ms: wish.delay_ms,
        }
    };
    settle_one(&web, &caller, lease, kind).await
}

async fn settle_one(
    web: &Web,
    caller: &Caller,
    lease: String,
    kind: SettleKind,
) -> Result<StatusCode, Problem> {
    let settled = settle(web, caller, vec![(lease, kind)]).await?;
    match settled.ended.as_slice() {
        [] => Ok(StatusCode::NO_CONTENT),
        [lease, ..] => Err(Problem::not_found(format!(
            "the lease '{lease}' is not held: it was settled before, it has ended and its message is delivered again, or its queue is gone"
        ))),
    }
}

async fn settle(
    web: &Web,
    caller: &Caller,
    wishes: Vec<(String, SettleKind)>,
) -> Result<Settled, Problem> {
    for (_, kind) in &wishes {
        check_duration(*kind)?;
    }
    let link = caller.link(web, DEFAULT_VHOST).await?;
    let (known, unknown): (Vec<_>, Vec<_>) = wishes
        .into_iter()
        .map(|(name, kind)| (link.lease_of(&name), name, kind))
        .partition(|(lease, _, _)| lease.is_some());
    let mut ended: Vec<String> = unknown.into_iter().map(|(_, name, _)| name).collect();
    let (names, settles): (Vec<_>, Vec<_>) = known
        .into_iter()
        .filter_map(|(lease, name, kind)| {
            Some((
                name,
                Settle {
                    lease: lease?,
                    kind,
                },
            ))
        })
        .unzip();
    let held = link.settle(settles).await?;
    let settled = held.iter().filter(|is_held| **is_held).count();
    let lost = names.into_iter().zip(held).filter(|(_, is_held)| !is_held);
    ended.extend(lost.map(|(name, _)| name));
    Ok(Settled { settled, ended })
}

fn check_duration(kind: SettleKind) -> Result<(), Problem> {
    let (name, duration, least) = match kind {
        SettleKind::Ack | SettleKind::Reject | SettleKind::Return => return Ok(()),
        SettleKind::Nack { delay_ms } => ("delay_ms", delay_ms, 0),
        SettleKind::Extend { lease_ms } => ("lease_ms", lease_ms, 1),
    };
    if (least..=LEASE_MS_MAX).contains(&duration) {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "{name} is from {least} to {LEASE_MS_MAX}"
    )))
}
