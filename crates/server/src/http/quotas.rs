//! What one account may use of the server.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use directory::{Change, Quota};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::accounts::find;
use super::body::{InPath, JsonBody};
use super::caller::Caller;
use super::problem::Problem;

/// How much an account may use; what is absent is as the server's configuration has it, by default without a limit.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QuotaForm {
    /// Queues that it owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    queues: Option<u64>,
    /// Bytes of messages in queues that it owns.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Connections at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u64>,
    /// Messages that it publishes in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    publish_rate: Option<u64>,
}

/// How much an account may use, and uses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QuotaOut {
    /// What it may use: its own limits, and the server's where it has none.
    limits: QuotaForm,
    /// Queues that it owns.
    queues: u64,
    /// Bytes of the messages that wait in them.
    bytes: u64,
    /// Its connections.
    connections: u64,
}

/// See how much an account may use, and uses
#[utoipa::path(get, path = "/v1/accounts/{login}/quota", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    responses(
        (status = 200, description = "Its limits and what it uses", body = QuotaOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn quota(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
) -> Result<Json<QuotaOut>, Problem> {
    caller.check_self_or_administrator(&login)?;
    let engine = web.gateway().engine();
    find(&web, &login)?;
    let limits = engine.account_limits(&login);
    let usage = engine.usage(&login).await;
    Ok(Json(QuotaOut {
        limits: QuotaForm {
            queues: limits.queues,
            bytes: limits.bytes,
            connections: limits.connections,
            publish_rate: limits.publish_rate,
        },
        queues: usage.queues,
        bytes: usage.bytes,
        connections: usage.connections,
    }))
}

/// Limit what an account may use
#[utoipa::path(put, path = "/v1/accounts/{login}/quota", tag = "accounts",
    params(("login" = String, Path, description = "The account")),
    request_body = QuotaForm,
    responses(
        (status = 204, description = "Limited"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set_quota(
    State(web): State<Web>,
    caller: Caller,
    InPath(login): InPath<String>,
    JsonBody(wish): JsonBody<QuotaForm>,
) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let quota = Quota {
        login,
        queues: wish.queues,
        bytes: wish.bytes,
        connections: wish.connections,
        publish_rate: wish.publish_rate,
    };
    caller.commit(&web, Change::QuotaSet(quota)).await
}
