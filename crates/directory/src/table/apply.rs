//! What each change does to the tables, and when it is refused.
//!
//! Every rule is asked before a row is written; the schema's constraints are
//! there for hands other than ours, and one that breaks is a failure.

mod accounts;
mod audit;
mod permissions;
mod sessions;
mod sharing;
mod topology;

use rusqlite::{Connection, Params, params};

use crate::change::Change;
use crate::error::{Refused, Subject};
use crate::limits::ID_BYTES_MAX;
use crate::model::Policy;
use crate::name;

/// Why a change was not applied.
#[derive(Debug)]
pub(crate) enum ApplyError {
    Refused(Refused),
    Sql(rusqlite::Error),
}

impl From<Refused> for ApplyError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Exchanges with this prefix come with their virtual host and have no row.
const PREDECLARED_PREFIX: &str = "amq.";
/// The chat's exchange comes with its virtual host too.
const CHAT_EXCHANGE: &str = "chat";

type Applied = Result<(), ApplyError>;

/// Applies one change inside the caller's transaction.
///
/// On an error the caller rolls back: part of the change may be written.
pub(crate) fn apply(sql: &Connection, change: &Change) -> Applied {
    match change {
        Change::VhostAdded { name } => add_vhost(sql, name),
        Change::VhostDeleted { name } => delete_vhost(sql, name),
        Change::AccountAdded(account) => accounts::add(sql, account),
        Change::AccountPassword {
            login,
            password_hash,
        } => accounts::set_password(sql, login, password_hash),
        Change::AccountRehashed {
            login,
            old_hash,
            new_hash,
        } => accounts::rehash(sql, login, old_hash, new_hash),
        Change::AccountTags { login, tags } => accounts::set_tags(sql, login, tags),
        Change::AccountRole { login, role } => accounts::set_role(sql, login, *role),
        Change::AccountProfile { login, profile } => accounts::set_profile(sql, login, profile),
        Change::AccountDeleted { login } => accounts::delete(sql, login),
        Change::PermissionSet(permission) => permissions::set(sql, permission),
        Change::PermissionCleared { vhost, login } => permissions::clear(sql, vhost, login),
        Change::TopicPermissionSet(permission) => permissions::set_topic(sql, permission),
        Change::TopicPermissionCleared {
            vhost,
            login,
            exchange,
        } => permissions::clear_topic(sql, vhost, login, exchange.as_deref()),
        Change::ExchangeDeclared(exchange) => topology::declare_exchange(sql, exchange),
        Change::ExchangeDeleted { vhost, name } => topology::delete_exchange(sql, vhost, name),
        Change::QueueDeclared(queue) => topology::declare_queue(sql, queue),
        Change::QueueRenamed { id, name } => topology::rename_queue(sql, *id, name),
        Change::QueueDeleted { id } => topology::delete_queue(sql, *id),
        Change::StreamGroupSet(group) => topology::set_group(sql, group),
        Change::StreamGroupDeleted { queue, name } => topology::delete_group(sql, *queue, name),
        Change::Bound(binding) => topology::bind(sql, binding),
        Change::Unbound(binding) => topology::unbind(sql, binding),
        Change::PolicySet(policy) => set_policy(sql, policy),
        Change::PolicyCleared { vhost, name } => clear_policy(sql, vhost, name),
        Change::ParameterSet { key, value } => set_parameter(sql, key, value),
        Change::SessionAdded(session) => sessions::add(sql, session),
        Change::SessionEnded { id } => sessions::end(sql, id),
        Change::SessionsEnded { login, except } => sessions::end_all(sql, login, except.as_deref()),
        Change::SessionSeen {
            id,
            last_seen_ms,
            expires_ms,
        } => sessions::see(sql, id, *last_seen_ms, *expires_ms),
        Change::SessionsExpired { now_ms } => sessions::expire(sql, *now_ms),
        Change::InvitationAdded(invitation) => sessions::invite(sql, invitation),
        Change::InvitationUsed { code_hash, now_ms } => sessions::accept(sql, code_hash, *now_ms),
        Change::InvitationDeleted { code_hash } => sessions::uninvite(sql, code_hash),
        Change::GrantSet(grant) => sharing::set_grant(sql, grant),
        Change::GrantCleared {
            vhost,
            resource,
            name,
            login,
        } => sharing::clear_grant(sql, vhost, *resource, name, login),
        Change::QueueKeyAdded(key) => sharing::add_key(sql, key),
        Change::QueueKeyDeleted { id } => sharing::delete_key(sql, id),
        Change::QuotaSet(quota) => accounts::set_quota(sql, quota),
        Change::QuotaCleared { login } => accounts::clear_quota(sql, login),
        Change::WebhookSet(webhook) => sharing::set_webhook(sql, webhook),
        Change::WebhookDeleted { id } => sharing::delete_webhook(sql, id),
        Change::AuditAdded(record) => audit::add(sql, record),
        Change::AuditTrimmed { before_id } => audit::trim(sql, *before_id),
    }
}

fn add_vhost(sql: &Connection, name: &str) -> Applied {
    check_name(Subject::VirtualHost, name)?;
    let added = run(
        sql,
        "INSERT INTO vhosts (name) VALUES (?1) ON CONFLICT DO NOTHING",
        params![name],
    )?;
    if added == 0 {
        return Err(already_exists(Subject::VirtualHost, name).into());
    }
    Ok(())
}

fn delete_vhost(sql: &Connection, name: &str) -> Applied {
    let deleted = run(sql, "DELETE FROM vhosts WHERE name = ?1", params![name])?;
    require(deleted > 0, Subject::VirtualHost, name)
}

fn set_policy(sql: &Connection, policy: &Policy) -> Applied {
    check_name(Subject::Policy, &policy.name)?;
    require_vhost(sql, &policy.vhost)?;
    run(
        sql,
        "INSERT INTO policies (vhost, name, pattern, apply_to, priority, definition)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET
             pattern = excluded.pattern, apply_to = excluded.apply_to,
             priority = excluded.priority, definition = excluded.definition",
        params![
            policy.vhost,
            policy.name,
            policy.pattern,
            policy.apply_to.as_str(),
            policy.priority,
            policy.definition
        ],
    )?;
    Ok(())
}

fn clear_policy(sql: &Connection, vhost: &str, name: &str) -> Applied {
    require_vhost(sql, vhost)?;
    let cleared = run(
        sql,
        "DELETE FROM policies WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )?;
    require(cleared > 0, Subject::Policy, name)
}

fn set_parameter(sql: &Connection, key: &str, value: &str) -> Applied {
    run(
        sql,
        "INSERT INTO parameters (key, value) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET value = excluded.value",
        params![key, value],
    )?;
    Ok(())
}

fn require_vhost(sql: &Connection, name: &str) -> Applied {
    let found = exists(sql, "SELECT 1 FROM vhosts WHERE name = ?1", params![name])?;
    require(found, Subject::VirtualHost, name)
}

fn require_account(sql: &Connection, login: &str) -> Applied {
    let found = exists(
        sql,
        "SELECT 1 FROM accounts WHERE login = ?1",
        params![login],
    )?;
    require(found, Subject::Account, login)
}

fn require_queue(sql: &Connection, vhost: &str, name: &str) -> Applied {
    require(has_queue(sql, vhost, name)?, Subject::Queue, name)
}

fn has_queue(sql: &Connection, vhost: &str, name: &str) -> rusqlite::Result<bool> {
    exists(
        sql,
        "SELECT 1 FROM queues WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )
}

fn require_exchange(sql: &Connection, vhost: &str, name: &str) -> Applied {
    if name.starts_with(PREDECLARED_PREFIX) || name == CHAT_EXCHANGE {
        return Ok(());
    }
    let found = exists(
        sql,
        "SELECT 1 FROM exchanges WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )?;
    require(found, Subject::Exchange, name)
}

fn require(found: bool, subject: Subject, name: &str) -> Applied {
    if found {
        return Ok(());
    }
    Err(Refused::NotFound {
        subject,
        name: name.to_owned(),
    }
    .into())
}

fn check_name(subject: Subject, name: &str) -> Result<(), Refused> {
    name::check_name(name).map_err(|reason| Refused::Invalid { subject, reason })
}

fn already_exists(subject: Subject, name: &str) -> Refused {
    Refused::AlreadyExists {
        subject,
        name: name.to_owned(),
    }
}

fn exists(sql: &Connection, query: &str, params: impl Params) -> rusqlite::Result<bool> {
    sql.prepare_cached(query)?.exists(params)
}

fn run(sql: &Connection, statement: &str, params: impl Params) -> rusqlite::Result<usize> {
    sql.prepare_cached(statement)?.execute(params)
}

/// An owner that is named has to exist.
fn require_owner(sql: &Connection, owner: Option<&str>) -> Applied {
    owner.map_or(Ok(()), |owner| require_account(sql, owner))
}

fn invalid(subject: Subject, reason: impl Into<String>) -> Refused {
    Refused::Invalid {
        subject,
        reason: reason.into(),
    }
}

/// A number as the database takes it.
fn number(subject: Subject, value: u64) -> Result<i64, Refused> {
    i64::try_from(value)
        .map_err(|_| invalid(subject, format!("the number {value} is above {}", i64::MAX)))
}

fn optional_number(subject: Subject, value: Option<u64>) -> Result<Option<i64>, Refused> {
    value.map(|value| number(subject, value)).transpose()
}

/// An id that programs invent: neither empty nor long, and readable in a log.
fn check_id(subject: Subject, id: &str) -> Result<(), Refused> {
    if (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(invalid(
        subject,
        format!("an id has 1 to {ID_BYTES_MAX} visible ASCII characters"),
    ))
}

fn check_bytes(subject: Subject, what: &str, text: &str, bytes_max: usize) -> Result<(), Refused> {
    check_length(subject, what, text.len(), bytes_max, "bytes")
}

fn check_chars(subject: Subject, what: &str, text: &str, chars_max: usize) -> Result<(), Refused> {
    check_length(subject, what, text.chars().count(), chars_max, "characters")
}

fn check_length(
    subject: Subject,
    what: &str,
    length: usize,
    length_max: usize,
    unit: &str,
) -> Result<(), Refused> {
    if length <= length_max {
        return Ok(());
    }
    Err(invalid(
        subject,
        format!("{what} can have at most {length_max} {unit}, not {length}"),
    ))
}
