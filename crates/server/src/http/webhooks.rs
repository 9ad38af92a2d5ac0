//! Webhooks over HTTP: made, listed, looked at, changed, deleted, tried out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Web;
use super::body::{InPath, JsonBody};
use super::caller::{Caller, DEFAULT_VHOST};
use super::problem::Problem;
use crate::webhooks::{HookError, HookView, Hooks, Tried, Wish};

/// How long to wait before there may be room again, in seconds.
const RETRY_AFTER_S: u32 = 1;

/// How a message is tried again.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RetryWish {
    /// Attempts for one message. Default 12.
    #[schema(minimum = 1, maximum = 100)]
    max_attempts: Option<u32>,
    /// The wait after the first failure, in milliseconds; it doubles each time. Default 1000.
    #[schema(minimum = 10, maximum = 86_400_000)]
    first_ms: Option<u64>,
    /// The longest wait, in milliseconds. Default 600000.
    #[schema(minimum = 10, maximum = 86_400_000)]
    max_ms: Option<u64>,
}

/// A webhook to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Where messages are posted: https:// or http://, at a public address, without login and password.
    url: String,
    /// What requests are signed with; the server makes one when it is absent.
    #[serde(default)]
    #[schema(min_length = 16, max_length = 256)]
    secret: Option<String>,
    /// Messages under way at once; with 1 they come in order. Default 1.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 64)]
    max_in_flight: Option<u16>,
    /// How long one attempt may take, in milliseconds. Default 10000.
    #[serde(default)]
    #[schema(minimum = 100, maximum = 60_000)]
    timeout_ms: Option<u64>,
    /// How a message is tried again.
    #[serde(default)]
    retry: RetryWish,
    /// Nothing is sent for now.
    #[serde(default)]
    paused: bool,
}

/// What is to be otherwise; what is absent stays.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WebhookChange {
    /// Where messages are posted.
    url: Option<String>,
    /// What requests are signed with.
    #[schema(min_length = 16, max_length = 256)]
    secret: Option<String>,
    /// The server makes a new secret.
    new_secret: bool,
    /// Messages under way at once.
    #[schema(minimum = 1, maximum = 64)]
    max_in_flight: Option<u16>,
    /// How long one attempt may take, in milliseconds.
    #[schema(minimum = 100, maximum = 60_000)]
    timeout_ms: Option<u64>,
    /// How a message is tried again.
    retry: RetryWish,
    /// Nothing is sent for now, or again.
    paused: Option<bool>,
}

/// How a webhook is doing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WebhookState {
    /// It sends what comes.
    Active,
    /// It sends nothing until it is told to.
    Paused,
    /// The last attempt failed; it is tried again.
    Failing,
}

/// How messages are tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retry {
    /// Attempts for one message.
    max_attempts: u32,
    /// The wait after the first failure, in milliseconds.
    first_ms: u64,
    /// The longest wait, in milliseconds.
    max_ms: u64,
}

/// What went wrong last.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookError {
    /// When, in milliseconds since 1970.
    at_ms: u64,
    /// What.
    reason: String,
    /// The HTTP status that the receiver answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookOut {
    /// Its id.
    id: String,
    /// The queue whose messages it posts.
    queue: String,
    /// The account in whose name it reads the queue.
    owner: String,
    /// Where it posts to; without its path for others than its owner.
    url: String,
    /// What requests are signed with; shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Messages under way at once.
    max_in_flight: u16,
    /// How long one attempt may take, in milliseconds.
    timeout_ms: u64,
    /// How messages are tried again.
    retry: Retry,
    /// How it is doing.
    state: WebhookState,
    /// Why the server paused it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_because: Option<String>,
    /// What went wrong last, since the server started.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<WebhookError>,
    /// When the next attempt is due, in milliseconds since 1970, if one is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_ms: Option<u64>,
    /// Messages that the receiver took, since the server started.
    delivered: u64,
    /// Attempts that failed, since the server started.
    failed_attempts: u64,
    /// Messages that were given up and became dead letters, since the server started.
    dead_lettered: u64,
    /// Messages being delivered now, those that wait for their next attempt included.
    in_flight: usize,
    /// When it was made, in milliseconds since 1970.
    created_ms: u64,
}

/// The webhooks of a queue.
#[derive(Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// The webhooks, by id.
    items: Vec<WebhookOut>,
}

/// What came of trying a webhook out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookTest {
    /// The receiver answered with success.
    ok: bool,
    /// The HTTP status that it answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

impl RetryWish {
    fn put_into(self, wish: Wish) -> Wish {
        Wish {
            max_attempts: self.max_attempts,
            backoff_first_ms: self.first_ms,
            backoff_max_ms: self.max_ms,
            ..wish
        }
    }
}

impl WebhookOut {
    fn of(view: HookView, secret: Option<String>) -> Self {
        let (settings, progress) = (view.settings, view.progress);
        let state = match (view.is_paused, progress.is_failing) {
            (true, _) => WebhookState::Paused,
            (false, true) => WebhookState::Failing,
            (false, false) => WebhookState::Active,
        };
        Self {
            id: view.id,
            queue: view.queue,
            owner: view.owner,
            url: view.url,
            secret,
            max_in_flight: settings.max_in_flight,
            timeout_ms: settings.timeout_ms,
            retry: Retry {
                max_attempts: settings.max_attempts,
                first_ms: settings.backoff_first_ms,
                max_ms: settings.backoff_max_ms,
            },
            state,
            paused_because: settings.paused_because,
            last_error: progress.last_error.map(|error| WebhookError {
                at_ms: error.at_ms,
                reason: error.reason,
                status: error.status,
            }),
            next_attempt_ms: progress.next_attempt_ms,
            delivered: progress.delivered,
            failed_attempts: progress.failed_attempts,
            dead_lettered: progress.dead_lettered,
            in_flight: progress.in_flight,
            created_ms: view.created_ms,
        }
    }
}

impl WebhookTest {
    fn of(tried: Tried) -> Self {
        Self {
            ok: tried
                .status
                .is_some_and(|status| (200..300).contains(&status)),
            status: tried.status,
            error: tried.error,
            took_ms: tried.took_ms,
        }
    }
}

impl From<HookError> for Problem {
    fn from(error: HookError) -> Self {
        match error {
            HookError::NotFound => Self::not_found("there is no such webhook that you may see"),
            HookError::Forbidden(detail) => Self::forbidden(detail),
            HookError::Invalid(detail) => Self::invalid(detail),
            HookError::TooMany(detail) => Self::too_many(detail, RETRY_AFTER_S),
            HookError::Conflict(detail) => Self::conflict(detail),
            HookError::Unavailable(detail) => Self::unavailable(detail),
        }
    }
}

/// Post the messages of a queue to a URL
///
/// Needs the right to read the queue, for as long as the webhook works. Each message is one POST with the message's body; 2xx
/// acknowledges it, anything else is tried again. Check `Chaski-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 under the secret of
/// `SECONDS.ID.BODY` with the ID of `Chaski-Delivery-Id`, which stays the same over all attempts.
#[utoipa::path(post, path = "/v1/queues/{queue}/webhooks", tag = "webhooks",
    params(("queue" = String, Path, description = "The queue")),
    request_body = NewWebhook,
    responses(
        (status = 201, description = "It is there, with its secret, which is shown this once", body = WebhookOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(queue): InPath<String>,
    JsonBody(wish): JsonBody<NewWebhook>,
) -> Result<(StatusCode, Json<WebhookOut>), Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let wish = wish.retry.put_into(Wish {
        url: Some(wish.url),
        secret: wish.secret,
        max_in_flight: wish.max_in_flight,
        timeout_ms: wish.timeout_ms,
        paused: Some(wish.paused),
        ..Wish::default()
    });
    let (view, secret) = hooks.create(&access, &queue, &wish).await?;
    let made = WebhookOut::of(view, Some(secret));
    Ok((StatusCode::CREATED, Json(made)))
}

/// List the webhooks of a queue
///
/// Your own; also those of others when you may configure the queue.
#[utoipa::path(get, path = "/v1/queues/{queue}/webhooks", tag = "webhooks",
    params(("queue" = String, Path, description = "The queue")),
    responses(
        (status = 200, description = "The webhooks", body = Webhooks),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(queue): InPath<String>,
) -> Result<Json<Webhooks>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let views = hooks.list(&access, &queue).await?;
    let items = views.into_iter().map(|view| WebhookOut::of(view, None));
    Ok(Json(Webhooks {
        items: items.collect(),
    }))
}

/// List the webhooks of all queues
///
/// Your own; also those of others for queues that you may configure.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks",
    responses(
        (status = 200, description = "The webhooks", body = Webhooks),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list_all(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
) -> Result<Json<Webhooks>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let views = hooks.list_all(&access).await?;
    let items = views.into_iter().map(|view| WebhookOut::of(view, None));
    Ok(Json(Webhooks {
        items: items.collect(),
    }))
}

/// Look at a webhook
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses(
        (status = 200, description = "The webhook", body = WebhookOut),
        (status = "4XX", description = "There is none that you may see", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<WebhookOut>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let view = hooks.show(&access, &id).await?;
    Ok(Json(WebhookOut::of(view, None)))
}

/// Change, pause or resume a webhook
///
/// What was under way is sent again by the new settings, perhaps behind messages that came later.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    request_body = WebhookChange,
    responses(
        (status = 200, description = "It is changed; with its secret if that is a new one", body = WebhookOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn change(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(id): InPath<String>,
    JsonBody(wish): JsonBody<WebhookChange>,
) -> Result<Json<WebhookOut>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let wish = wish.retry.put_into(Wish {
        url: wish.url,
        secret: wish.secret,
        wants_new_secret: wish.new_secret,
        max_in_flight: wish.max_in_flight,
        timeout_ms: wish.timeout_ms,
        paused: wish.paused,
        ..Wish::default()
    });
    let (view, secret) = hooks.update(&access, &id, &wish).await?;
    Ok(Json(WebhookOut::of(view, secret)))
}

/// Delete a webhook
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses(
        (status = 204, description = "It is gone; what was under way is in its queue again"),
        (status = "4XX", description = "There is none that you may see", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<StatusCode, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    hooks.delete(&access, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a webhook out with a request that carries no message
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The webhook")),
    responses(
        (status = 200, description = "What came of it", body = WebhookTest),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn test(
    State(web): State<Web>,
    Extension(hooks): Extension<Hooks>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<WebhookTest>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let tried = hooks.try_out(&access, &id).await?;
    Ok(Json(WebhookTest::of(tried)))
}
