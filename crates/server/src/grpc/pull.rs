//! Pulling under leases, and settling what was pulled.

use rpc::v1;
use rpc::v1::LeaseStatus;
use tonic::Status;

use super::call::Call;
use super::message::received;
use super::status::{Subject, flawed, not_as_needed, refused};
use super::value::signed;
use crate::flaw::Flaw;
use crate::gateway::{Delivered, LEASE_MS_MAX, Link, Pull, PullFrom, Settle, SettleKind};
use crate::http::DEFAULT_VHOST;

/// Messages of one pull.
const PULL_MAX: u32 = 1_000;
/// How long a pull may wait, in milliseconds.
const WAIT_MS_MAX: u32 = 60_000;
/// How long a message is leased when nothing else was asked for, in milliseconds.
const LEASE_MS_DEFAULT: u64 = 30_000;
/// Leases of one call.
const SETTLES_MAX: usize = 1_000;

/// Takes messages from a queue.
pub(super) async fn pull(
    call: &Call,
    request: v1::PullRequest,
) -> Result<v1::PullResponse, Status> {
    if request.max > PULL_MAX {
        let detail = format!("at most {PULL_MAX} messages at once");
        return Err(flawed(Flaw::new("max", detail)));
    }
    if request.wait_ms > WAIT_MS_MAX {
        let detail = format!("a pull waits at most {WAIT_MS_MAX} ms");
        return Err(flawed(Flaw::new("wait_ms", detail)));
    }
    let lease_ms = lease_ms(request.lease_ms).map_err(flawed)?;
    let link = call.link().await?;
    let pull = Pull {
        queue: request.queue.clone(),
        max: request.max.max(1),
        // Nobody is to wait on behalf of a client that has gone.
        wait_ms: u64::from(request.wait_ms).min(call.left_ms()),
        lease_ms,
        from: PullFrom::Queue,
        no_ack: false,
        hold: None,
    };
    let group = Some(&*request.group).filter(|group| !group.is_empty());
    let groups = call.web.gateway().groups();
    let delivered = groups.pull(&link, DEFAULT_VHOST, group, pull).await;
    let delivered =
        delivered.map_err(|refusal| refused(refusal, Subject::Queue(&request.queue)))?;
    let expires_at_ms = call
        .web
        .gateway()
        .engine()
        .now_ms()
        .saturating_add(lease_ms);
    let leases: Option<Vec<_>> = delivered
        .iter()
        .map(|delivered| lease(call, &link, delivered, expires_at_ms))
        .collect();
    // Only streams deliver without a lease.
    let leases = leases.ok_or_else(|| {
        let detail = format!(
            "'{}' is a stream; name a group, or read it with ReadStream",
            request.queue
        );
        not_as_needed("IS_STREAM", Subject::Queue(&request.queue), detail)
    })?;
    Ok(v1::PullResponse { leases })
}

fn lease(call: &Call, link: &Link, delivered: &Delivered, expires_at_ms: u64) -> Option<v1::Lease> {
    Some(v1::Lease {
        lease_id: link.lease_name(delivered.lease?),
        expires_at_ms: signed(expires_at_ms),
        received: Some(received(delivered, call.web.gateway().engine())),
    })
}

/// Reads how long a lease is to hold.
fn lease_ms(wish: u32) -> Result<u64, Flaw> {
    let lease_ms = match wish {
        0 => LEASE_MS_DEFAULT,
        wish => wish.into(),
    };
    if lease_ms > LEASE_MS_MAX {
        let detail = format!("a lease holds at most {LEASE_MS_MAX} ms");
        return Err(Flaw::new("lease_ms", detail));
    }
    Ok(lease_ms)
}

/// Reads what is to become of a message that could not be worked on.
pub(super) fn nack(delay_ms: u64, dead_letter: bool) -> Result<SettleKind, Flaw> {
    if delay_ms > LEASE_MS_MAX {
        let detail = format!("a message waits at most {LEASE_MS_MAX} ms");
        return Err(Flaw::new("delay_ms", detail));
    }
    if dead_letter && delay_ms > 0 {
        let detail = "a message that is given up is not delivered again";
        return Err(Flaw::new("delay_ms", detail));
    }
    Ok(if dead_letter {
        SettleKind::Reject
    } else {
        SettleKind::Nack { delay_ms }
    })
}

/// Settles or extends leases.
pub(super) async fn settle(
    call: &Call,
    request: v1::SettleLeasesRequest,
) -> Result<v1::SettleLeasesResponse, Status> {
    let wishes = wishes(request).map_err(flawed)?;
    let link = call.link().await?;
    let known: Vec<_> = wishes.iter().map(|(name, _)| link.lease_of(name)).collect();
    let settles = wishes.iter().zip(&known);
    let settles = settles.filter_map(|((_, kind), lease)| {
        let (lease, kind) = ((*lease)?, *kind);
        Some(Settle { lease, kind })
    });
    let held = link.settle(settles.collect()).await;
    let now_ms = call.web.gateway().engine().now_ms();
    let mut held = held.map_err(|_| call.why_closed())?.into_iter();
    let outcomes = wishes
        .into_iter()
        .zip(known)
        .map(|((lease_id, kind), lease)| {
            let is_held = lease.map(|_| held.next().unwrap_or_default());
            outcome(lease_id, kind, is_held, now_ms)
        });
    Ok(v1::SettleLeasesResponse {
        outcomes: outcomes.collect(),
    })
}

fn wishes(request: v1::SettleLeasesRequest) -> Result<Vec<(String, SettleKind)>, Flaw> {
    let count = request.acks.len() + request.nacks.len() + request.extensions.len();
    if count > SETTLES_MAX {
        let detail = format!("at most {SETTLES_MAX} leases at once");
        return Err(Flaw::new("acks", detail));
    }
    let mut wishes = Vec::with_capacity(count);
    wishes.extend(request.acks.into_iter().map(|id| (id, SettleKind::Ack)));
    for (index, one) in request.nacks.into_iter().enumerate() {
        let kind = nack(one.delay_ms, one.dead_letter);
        let kind = kind.map_err(|flaw| flaw.within(&format!("nacks[{index}]")))?;
        wishes.push((one.lease_id, kind));
    }
    for (index, one) in request.extensions.into_iter().enumerate() {
        let lease_ms = lease_ms(one.lease_ms);
        let lease_ms = lease_ms.map_err(|flaw| flaw.within(&format!("extensions[{index}]")))?;
        wishes.push((one.lease_id, SettleKind::Extend { lease_ms }));
    }
    Ok(wishes)
}

/// Says what became of a lease; `None` is one that this account's link never gave out.
fn outcome(
    lease_id: String,
    kind: SettleKind,
    is_held: Option<bool>,
    now_ms: u64,
) -> v1::LeaseOutcome {
    let extended_ms = match kind {
        SettleKind::Extend { lease_ms } => Some(lease_ms),
        SettleKind::Ack | SettleKind::Nack { .. } | SettleKind::Reject | SettleKind::Return => None,
    };
    let status = match (is_held, extended_ms) {
        (None, _) => LeaseStatus::NotFound,
        (Some(false), _) => LeaseStatus::Expired,
        (Some(true), None) => LeaseStatus::Settled,
        (Some(true), Some(_)) => LeaseStatus::Extended,
    };
    let ends = extended_ms.filter(|_| status == LeaseStatus::Extended);
    v1::LeaseOutcome {
        lease_id,
        status: status.into(),
        expires_at_ms: ends.map(|lease_ms| signed(now_ms.saturating_add(lease_ms))),
    }
}
