//! Requests that concern only the directory, as changes to it and answers from it.

use directory::{
    Account, ApplyTo, Change, CommitError, Permission, Policy, Refused, Snapshot, TopicPermission,
    password,
};
use regex::Regex;
use serde_json::Value;

use super::request::{Password, PolicyTarget, Request};
use super::response::{
    ErrorCode, PermissionRow, PolicyRow, Response, TopicPermissionRow, UserRow, VhostRow,
};

/// The pattern of everything.
const EVERYTHING: &str = ".*";

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Plan {
    /// By committing these changes; then [`answer_commit`].
    Change(Vec<Change>),
    /// By [`read`] from a snapshot of the directory.
    Read,
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
        } => Change::PolicySet(Policy {
            vhost,
            name,
            pattern: pattern(matching)?,
            apply_to: stored_target(apply_to),
            priority,
            definition: Value::Object(definition).to_string(),
        }),
        Request::PolicyClear { vhost, name } => Change::PolicyCleared { vhost, name },
        Request::UserList
        | Request::VhostList
        | Request::PermissionList { .. }
        | Request::PolicyList { .. } => return Ok(Plan::Read),
        Request::QueueList { .. }
        | Request::ExchangeList { .. }
        | Request::BindingList { .. }
        | Request::ConnectionList { .. }
        | Request::ConnectionClose { .. }
        | Request::ConsumerList { .. }
        | Request::AlarmSet { .. }
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
                Refused::AlreadyExists { .. } => ErrorCode::AlreadyExists,
                Refused::NotFound { .. } => ErrorCode::NotFound,
                Refused::Invalid { .. } => ErrorCode::Invalid,
            };
            Response::error(code, refused.to_string())
        }
        Err(CommitError::Failure(failure)) => {
            Response::error(ErrorCode::Failed, with_causes(&failure))
        }
    }
}

/// Answers a request that [`plan`] called [`Plan::Read`]; `None` for any other.
#[must_use]
pub fn read(request: &Request, snapshot: &Snapshot) -> Option<Response> {
    match request {
        Request::UserList => Some(users(snapshot)),
        Request::VhostList => Some(vhosts(snapshot)),
        Request::PermissionList { login, vhost } => {
            Some(permissions(snapshot, login.as_deref(), vhost.as_deref()))
        }
        Request::PolicyList { vhost } => Some(policies(snapshot, vhost.as_deref())),
        Request::UserAdd { .. }
        | Request::UserPassword { .. }
        | Request::UserTags { .. }
        | Request::UserDelete { .. }
        | Request::VhostAdd { .. }
        | Request::VhostDelete { .. }
        | Request::PermissionSet { .. }
        | Request::PermissionClear { .. }
        | Request::TopicPermissionSet { .. }
        | Request::TopicPermissionClear { .. }
        | Request::PolicySet { .. }
        | Request::PolicyClear { .. }
        | Request::QueueList { .. }
        | Request::ExchangeList { .. }
        | Request::BindingList { .. }
        | Request::ConnectionList { .. }
        | Request::ConnectionClose { .. }
        | Request::ConsumerList { .. }
        | Request::AlarmSet { .. }
        | Request::AlarmClear { .. }
        | Request::Reload
        | Request::Status => None,
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
    let account = Change::AccountAdded(Account {
        login,
        password_hash: hash(password)?,
        tags,
    });
    Ok(std::iter::once(account).chain(everything).collect())
}

fn hash(password: &Password) -> Result<String, Response> {
    password::hash(password.expose())
        .map_err(|error| Response::error(ErrorCode::Invalid, error.to_string()))
}

/// Refuses a pattern that could never match, before it is stored and locks somebody out.
fn pattern(pattern: String) -> Result<String, Response> {
    match Regex::new(&pattern) {
        Ok(_) => Ok(pattern),
        Err(error) => Err(Response::error(
            ErrorCode::Invalid,
            format!("`{pattern}` is not a regular expression: {error}"),
        )),
    }
}

fn users(snapshot: &Snapshot) -> Response {
    let rows = snapshot.accounts.iter().map(|account| UserRow {
        login: account.login.clone(),
        tags: account.tags.clone(),
    });
    Response::Users(sorted(rows, |row| row.login.clone()))
}

fn vhosts(snapshot: &Snapshot) -> Response {
    let rows = snapshot.vhosts.iter().map(|vhost| VhostRow {
        name: vhost.name.clone(),
    });
    Response::Vhosts(sorted(rows, |row| row.name.clone()))
}

fn permissions(snapshot: &Snapshot, login: Option<&str>, vhost: Option<&str>) -> Response {
    let wanted = |row_login: &str, row_vhost: &str| {
        login.is_none_or(|login| login == row_login) && vhost.is_none_or(|vhost| vhost == row_vhost)
    };
    let permissions = snapshot
        .permissions
        .iter()
        .filter(|row| wanted(&row.login, &row.vhost))
        .map(|row| PermissionRow {
            vhost: row.vhost.clone(),
            login: row.login.clone(),
            configure: row.configure.clone(),
            write: row.write.clone(),
            read: row.read.clone(),
        });
    let topic_permissions = snapshot
        .topic_permissions
        .iter()
        .filter(|row| wanted(&row.login, &row.vhost))
        .map(|row| TopicPermissionRow {
            vhost: row.vhost.clone(),
            login: row.login.clone(),
            exchange: row.exchange.clone(),
            write: row.write.clone(),
            read: row.read.clone(),
        });
    Response::Permissions {
        permissions: sorted(permissions, |row| (row.vhost.clone(), row.login.clone())),
        topic_permissions: sorted(topic_permissions, |row| {
            (row.vhost.clone(), row.login.clone(), row.exchange.clone())
        }),
    }
}

fn policies(snapshot: &Snapshot, vhost: Option<&str>) -> Response {
    let rows = snapshot
        .policies
        .iter()
        .filter(|row| vhost.is_none_or(|vhost| vhost == row.vhost))
        .map(|row| PolicyRow {
            vhost: row.vhost.clone(),
            name: row.name.clone(),
            pattern: row.pattern.clone(),
            apply_to: shown_target(row.apply_to),
            priority: row.priority,
            // What somebody else wrote into the table is shown as it stands.
            definition: serde_json::from_str(&row.definition)
                .unwrap_or_else(|_| Value::String(row.definition.clone())),
        });
    Response::Policies(sorted(rows, |row| (row.vhost.clone(), row.name.clone())))
}

fn sorted<T, K: Ord>(rows: impl Iterator<Item = T>, key: impl FnMut(&T) -> K) -> Vec<T> {
    let mut rows: Vec<T> = rows.collect();
    rows.sort_by_key(key);
    rows
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

fn shown_target(target: ApplyTo) -> PolicyTarget {
    match target {
        ApplyTo::All => PolicyTarget::All,
        ApplyTo::Exchanges => PolicyTarget::Exchanges,
        ApplyTo::Queues => PolicyTarget::Queues,
        ApplyTo::ClassicQueues => PolicyTarget::ClassicQueues,
        ApplyTo::QuorumQueues => PolicyTarget::QuorumQueues,
        ApplyTo::Streams => PolicyTarget::Streams,
    }
}
