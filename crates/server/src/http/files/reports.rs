//! Peers that sent what was not the content, as others say.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Sharer;
use super::forms::{check_peer_id, unhex};
use crate::files::FilesError;
use crate::http::Web;
use crate::http::body::{InPath, JsonBody};
use crate::http::problem::Problem;

/// What a peer sent something else for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PeerReport)]
pub(crate) struct ReportIn {
    /// The BLAKE3 root of the content that was asked for.
    root: String,
}

/// Report a peer that lied
///
/// It sent bytes that are not the content's. For an hour you get no ticket for that content from it; when three accounts say so, others
/// get theirs from it last.
#[utoipa::path(post, path = "/v1/peers/{peer}/reports", tag = "files",
    params(("peer" = String, Path, description = "The peer's id")),
    request_body = ReportIn,
    responses(
        (status = 204, description = "It is noted"),
        (status = "4XX", description = "You could not have fetched that from it", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(in crate::http) async fn report(
    State(web): State<Web>,
    sharer: Sharer,
    InPath(peer): InPath<String>,
    JsonBody(report): JsonBody<ReportIn>,
) -> Result<StatusCode, Problem> {
    report_as(&web, &sharer, &peer, &report.root).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Notes what somebody says of a peer.
///
/// # Errors
/// See [`report`].
pub(crate) async fn report_as(
    web: &Web,
    sharer: &Sharer,
    peer: &str,
    root: &str,
) -> Result<(), Problem> {
    check_peer_id(peer)?;
    let root = unhex("root", root)?;
    let account = sharer.account();
    let viewer = sharer.viewer(web).await?;
    // Whoever could not have fetched it from there has nothing to say of it.
    let contents = web.files().contents(root, viewer).await?;
    let is_holder = |holder: &directory::files::FileHolder| holder.peer.draft.id == peer;
    let mut holders = contents.iter().flat_map(|content| &content.holders);
    if !holders.any(is_holder) {
        return Err(FilesError::NotFound.into());
    }
    let now_ms = web.gateway().engine().now_ms();
    let from = account.name.clone();
    let accounts = {
        let mut reports = web.files().reports()?;
        reports.note(peer, account, root, now_ms);
        reports.accounts(peer, now_ms)
    };
    tracing::warn!(%peer, %from, accounts, "a peer is reported to send what is not the content");
    if let Some(counts) = web.files().counts() {
        counts.reports.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
