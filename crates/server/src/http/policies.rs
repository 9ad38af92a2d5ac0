//! Policies: arguments given to queues and topics by their names.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use directory::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::Caller;
use super::problem::Problem;
use crate::admin::{self, ErrorCode, Plan, PolicyTarget, Request, Response};

/// What a policy applies to.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Target {
    /// Queues and exchanges, which topics are.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of every kind.
    Queues,
    /// Queues that do not count deliveries.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
}

/// A policy to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyWish {
    /// Which names it applies to, a regular expression.
    #[schema(max_length = 1_024)]
    pattern: String,
    /// To what of that name.
    #[serde(default)]
    apply_to: Target,
    /// The greatest applies where several match.
    #[serde(default)]
    priority: i64,
    /// The arguments that it gives, in RabbitMQ's words: message-ttl, max-length, dead-letter-exchange…
    #[schema(value_type = Object)]
    definition: Map<String, Value>,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PolicyOut {
    /// The virtual host.
    vhost: String,
    /// Its name.
    name: String,
    /// Which names it applies to.
    pattern: String,
    /// To what of that name.
    apply_to: Target,
    /// The greatest applies where several match.
    priority: i64,
    /// The arguments that it gives.
    #[schema(value_type = Object)]
    definition: Map<String, Value>,
}

/// Policies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Policies {
    /// By virtual host and name.
    items: Vec<PolicyOut>,
}

/// Which policies to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyListParams {
    /// Only those of this virtual host.
    vhost: Option<String>,
}

impl Target {
    const fn target(self) -> PolicyTarget {
        match self {
            Self::All => PolicyTarget::All,
            Self::Exchanges => PolicyTarget::Exchanges,
            Self::Queues => PolicyTarget::Queues,
            Self::ClassicQueues => PolicyTarget::ClassicQueues,
            Self::QuorumQueues => PolicyTarget::QuorumQueues,
            Self::Streams => PolicyTarget::Streams,
        }
    }

    const fn of(applies: directory::ApplyTo) -> Self {
        match applies {
            directory::ApplyTo::All => Self::All,
            directory::ApplyTo::Exchanges => Self::Exchanges,
            directory::ApplyTo::Queues => Self::Queues,
            directory::ApplyTo::ClassicQueues => Self::ClassicQueues,
            directory::ApplyTo::QuorumQueues => Self::QuorumQueues,
            directory::ApplyTo::Streams => Self::Streams,
        }
    }
}

impl From<Policy> for PolicyOut {
    fn from(policy: Policy) -> Self {
        Self {
            vhost: policy.vhost,
            name: policy.name,
            pattern: policy.pattern,
            apply_to: Target::of(policy.apply_to),
            priority: policy.priority,
            // Only what is an object is ever stored.
            definition: serde_json::from_str(&policy.definition).unwrap_or_default(),
        }
    }
}

/// List policies
///
/// Those of the virtual hosts that you have any right in; administrators and accounts with the tag `monitoring` see all.
#[utoipa::path(get, path = "/v1/policies", tag = "virtual hosts", params(PolicyListParams),
    responses(
        (status = 200, description = "The policies", body = Policies),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<PolicyListParams>,
) -> Result<Json<Policies>, Problem> {
    let engine = web.gateway().engine();
    let sees_all = engine.accounts().may_monitor(&caller.login);
    let policies = engine.policies().into_iter();
    let seen = policies.filter(|policy| {
        params
            .vhost
            .as_ref()
            .is_none_or(|wanted| *wanted == policy.vhost)
            && (sees_all || engine.access(&caller.login, &policy.vhost).is_some())
    });
    Ok(Json(Policies {
        items: seen.map(PolicyOut::from).collect(),
    }))
}

/// Set a policy
#[utoipa::path(put, path = "/v1/vhosts/{vhost}/policies/{policy}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("policy" = String, Path, description = "The policy")),
    request_body = PolicyWish,
    responses(
        (status = 204, description = "It is in force"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn set(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<PolicyWish>,
) -> Result<StatusCode, Problem> {
    let request = Request::PolicySet {
        vhost,
        name,
        pattern: wish.pattern,
        apply_to: wish.apply_to.target(),
        priority: wish.priority,
        definition: wish.definition,
    };
    operate(&web, &caller, &request).await
}

/// Clear a policy
#[utoipa::path(delete, path = "/v1/vhosts/{vhost}/policies/{policy}", tag = "virtual hosts",
    params(("vhost" = String, Path, description = "The virtual host"), ("policy" = String, Path, description = "The policy")),
    responses(
        (status = 204, description = "It applies to nothing any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn clear(
    State(web): State<Web>,
    caller: Caller,
    InPath((vhost, name)): InPath<(String, String)>,
) -> Result<StatusCode, Problem> {
    operate(&web, &caller, &Request::PolicyClear { vhost, name }).await
}

/// Carries out what the command line could be asked for, in the caller's name.
async fn operate(web: &Web, caller: &Caller, request: &Request) -> Result<StatusCode, Problem> {
    caller.check_administrator()?;
    let changes = match admin::plan(request) {
        Ok(Plan::Change(changes)) => changes,
        Ok(Plan::Read(_) | Plan::Live) => Vec::new(),
        Err(Response::Error { code, message }) => return Err(refused(code, message)),
        Err(_) => return Err(Problem::unavailable("the change was not made")),
    };
    let engine = web.gateway().engine();
    engine.commit_as(&caller.author(), changes).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(code: ErrorCode, message: String) -> Problem {
    match code {
        ErrorCode::NotFound => Problem::not_found(message),
        ErrorCode::AlreadyExists => Problem::conflict(message),
        ErrorCode::Invalid => Problem::invalid(message),
        ErrorCode::Refused => Problem::forbidden(message),
        ErrorCode::Unavailable | ErrorCode::Failed => Problem::unavailable(message),
    }
}
