//! Metrics for Prometheus and its like.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Web;
use super::body::Params;
use super::caller::Caller;
use super::problem::Problem;
use crate::metrics;

/// What to tell apart.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Per {
    /// Every queue has numbers of its own.
    Queue,
}

/// Which metrics are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ScrapeParams {
    per: Option<Per>,
}

/// Read metrics
///
/// In Prometheus' text format: totals, or with `per=queue` the numbers of every queue. For administrators and accounts with the tag
/// `monitoring`; with the setting `metrics.open` totals are for everybody.
#[utoipa::path(get, path = "/metrics", tag = "server", 
    params(("per" = inline(Option<Per>), Query, description = "The numbers of every queue instead of totals")),
    responses(
        (status = 200, description = "The metrics", body = String),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn metrics(
    State(web): State<Web>,
    Params(params): Params<ScrapeParams>,
    request: Request,
) -> Result<Response, Problem> {
    let observer = web.observer();
    // Names of queues tell more than how much there is.
    if params.per.is_some() || !observer.is_open() {
        let (mut parts, _) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, &web).await?;
        let accounts = web.gateway().engine().accounts();
        if !accounts.may_monitor(&caller.login) {
            return Err(Problem::forbidden(
                "metrics are for administrators and for accounts with the tag monitoring",
            ));
        }
    }
    let engine = web.gateway().engine();
    let page = match params.per {
        None => {
            let chat = web.chat().numbers().await;
            metrics::totals(engine, &chat, web.files(), observer).await
        }
        Some(Per::Queue) => metrics::queues(engine).await,
    };
    let headers = [
        (header::CONTENT_TYPE, metrics::CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, page).into_response())
}
