//! Requests that concern only the directory, as changes to it and questions about it.

use broker::{POLICY_HINTS, POLICY_KEYS};
use directory::{
    Account, ApplyTo, Change, CommitError, Permission, Policy, Refused, TopicPermission, password,
};
use serde_json::{Map, Value};

use super::reading::Reading;
use super::request::{Password, PolicyTarget, Request};
use super::response::{ErrorCode, Response};
use crate::config::nearest;

/// The pattern of everything.
const EVERYTHING: &str = ".*";

/// Arguments that shape a queue when it is made, so that no policy can give them later.
const DECLARED_ONLY: [&str; 3] = ["max-priority", "queue-type", "single-active-consumer"];

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Plan {
    /// By committing these changes; then [`answer_commit`].
    Change(Vec<Change>),
    /// From a snapshot of the directory.
    Read(Reading),
    /// By the running server only.
    Live,
}

/// Finds how a request is answered; an error is the response itself.
///
/// *Concurrency*: hashes a password, so a request that carries one takes tens of milliseconds:
/// not on a thread that serves connections.
pub fn plan(request: &Request) -> Result<Plan, Response> {
    let change = match request.clone() {
        Request::UserAdd {
            login,
            password,
            tags,
            full_access,
        } => return Ok(Plan::Change(user_add(login, &password, tags, full_access)?)),
        Request::UserPassword { login, password } => Change::AccountPassword {
            login,
            password_hash: hash(&password)?,
        },
        Request::UserTags { login, tags } => Change::AccountTags { login, tags },
        Request::UserDelete { login } => Change::AccountDeleted { login },
        Request::VhostAdd { name } => Change::VhostAdded { name },
        Request::VhostDelete { name } => Change::VhostDeleted { name },
        Request::PermissionSet {
            login,
            vhost,
            configure,
            write,
            read,
        } => Change::PermissionSet(Permission {
            vhost,
            login,
            configure: pattern(configure)?,
            write: pattern(write)?,
            read: pattern(read)?,
        }),
        Request::PermissionClear { login, vhost } => Change::PermissionCleared { vhost, login },
        Request::TopicPermissionSet {
            login,
            vhost,
            exchange,
            write,
            read,
        } => Change::TopicPermissionSet(TopicPermission {
            vhost,
            login,
            exchange,
            write: pattern(write)?,
            read: pattern(read)?,
        }),
        Request::TopicPermissionClear {
            login,
            vhost,
            exchange,
        } => Change::TopicPermissionCleared {
            vhost,
            login,
            exchange,
        },
        Request::PolicySet {
            vhost,
            name,
            pattern: matching,
            apply_to,
            priority,
            definition,
        } => {
            check_keys(&name, &definition)?;
            Change::PolicySet(checked(Policy {
                vhost,
                name,
                pattern: matching,
                apply_to: stored_target(apply_to),
                priority,
                definition: Value::Object(definition).to_string(),
            })?)
        }
        Request::PolicyClear { vhost, name } => Change::PolicyCleared { vhost, name },
        Request::UserList => return Ok(Plan::Read(Reading::Users)),
        Request::VhostList => return Ok(Plan::Read(Reading::Vhosts)),
        Request::PermissionList { login, vhost } => {
            return Ok(Plan::Read(Reading::Permissions { login, vhost }));
        }
        Request::PolicyList { vhost } => return Ok(Plan::Read(Reading::Policies { vhost })),
        Request::QueueList { .. }
        | Request::ExchangeList { .. }
        | Request::BindingList { .. }
        | Request::ConnectionList { .. }
        | Request::ConnectionClose { .. }
        | Request::ConsumerList { .. }
        | Request::AlarmSet { .. }
        | Request::Invite { .. }
        | Request::AlarmClear { .. }
        | Request::Reload
        | Request::Status => return Ok(Plan::Live),
    };
    Ok(Plan::Change(vec![change]))
}

/// Says in a response how a commit went.
#[must_use]
pub fn answer_commit(outcome: Result<(), CommitError>) -> Response {
    match outcome {
        Ok(()) => Response::Done,
        Err(CommitError::Refused(refused)) => {
            let code = match &refused {
                Refused::AlreadyExists { .. } | Refused::LoginTaken { .. } => {
                    ErrorCode::AlreadyExists
                }
                Refused::NotFound { .. } => ErrorCode::NotFound,
                Refused::Invalid { .. } => ErrorCode::Invalid,
                Refused::LastAdministrator { .. } | Refused::InvitationVoid => ErrorCode::Refused,
            };
            Response::error(code, refused.to_string())
        }
        Err(CommitError::Failure(failure)) => {
            Response::error(ErrorCode::Failed, with_causes(&failure))
        }
    }
}

/// Joins an error and its causes into one line for the operator.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn user_add(
    login: String,
    password: &Password,
    tags: Vec<String>,
    full_access: Vec<String>,
) -> Result<Vec<Change>, Response> {
    let everything: Vec<Change> = full_access
        .into_iter()
        .map(|vhost| {
            Change::PermissionSet(Permission {
                vhost,
                login: login.clone(),
                configure: EVERYTHING.to_owned(),
                write: EVERYTHING.to_owned(),
                read: EVERYTHING.to_owned(),
            })
        })
        .collect();
    let created_ms = engine::Clock::default().now_ms();
    let account = Account::with_tags(login, hash(password)?, tags, created_ms);
    let account = Change::AccountAdded(account);
    Ok(std::iter::once(account).chain(everything).collect())
}

fn hash(password: &Password) -> Result<String, Response> {
    password::hash(password.expose())
        .map_err(|error| Response::error(ErrorCode::Invalid, error.to_string()))
}

/// Refuses a pattern that cannot be used, before it is stored and locks somebody out.
fn pattern(pattern: String) -> Result<String, Response> {
    match broker::access::Pattern::compile(&pattern) {
        Ok(_) => Ok(pattern),
        Err(reason) => Err(Response::error(ErrorCode::Invalid, reason)),
    }
}

/// Tells which keys of a policy's definition are taken for RabbitMQ's sake and change nothing here.
pub fn policy_hints(definition: &Map<String, Value>) -> Vec<&str> {
    let is_hint = |key: &&str| POLICY_HINTS.contains(key);
    definition
        .keys()
        .map(String::as_str)
        .filter(is_hint)
        .collect()
}

/// Refuses a key that no policy gives, with the key that may have been meant.
fn check_keys(policy: &str, definition: &Map<String, Value>) -> Result<(), Response> {
    let is_known = |key: &str| POLICY_KEYS.contains(&key) || POLICY_HINTS.contains(&key);
    let Some(key) = definition.keys().find(|key| !is_known(key)) else {
        return Ok(());
    };
    let advice = if DECLARED_ONLY.contains(&key.as_str()) {
        format!("it can only be declared with the queue, as `x-{key}`")
    } else {
        let known = POLICY_KEYS.into_iter().chain(POLICY_HINTS);
        nearest(key, known).map_or_else(
            || "`chaski policy set --help` lists all keys".to_owned(),
            |near| format!("did you mean `{near}`?"),
        )
    };
    Err(Response::error(
        ErrorCode::Invalid,
        format!("policy '{policy}': no policy gives `{key}`; {advice}"),
    ))
}

/// Refuses a policy that could not be applied, before it is stored and keeps the next start from succeeding.
fn checked(policy: Policy) -> Result<Policy, Response> {
    match engine::check_policy(&policy) {
        Ok(()) => Ok(policy),
        Err(refusal) => Err(Response::error(ErrorCode::Invalid, refusal.detail)),
    }
}

fn stored_target(target: PolicyTarget) -> ApplyTo {
    match target {
        PolicyTarget::All => ApplyTo::All,
        PolicyTarget::Exchanges => ApplyTo::Exchanges,
        PolicyTarget::Queues => ApplyTo::Queues,
        PolicyTarget::ClassicQueues => ApplyTo::ClassicQueues,
        PolicyTarget::QuorumQueues => ApplyTo::QuorumQueues,
        PolicyTarget::Streams => ApplyTo::Streams,
    }
}
