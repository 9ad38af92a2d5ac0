//! What each change does to the tables, and when it is refused.
//!
//! Every rule is asked before a row is written; the schema's constraints are
//! there for hands other than ours, and one that breaks is a failure.

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::row;
use crate::account;
use crate::change::Change;
use crate::error::{Refused, Subject};
use crate::model::{
    Account, Binding, DestinationKind, Exchange, Permission, Policy, Queue, TopicPermission,
};
use crate::name;

/// Exchanges with this prefix come with their virtual host and have no row.
const PREDECLARED_PREFIX: &str = "amq.";

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

type Applied = Result<(), ApplyError>;

/// Applies one change inside the caller's transaction.
///
/// On an error the caller rolls back: part of the change may be written.
pub(crate) fn apply(sql: &Connection, change: &Change) -> Applied {
    match change {
        Change::VhostAdded { name } => add_vhost(sql, name),
        Change::VhostDeleted { name } => delete_vhost(sql, name),
        Change::AccountAdded(account) => add_account(sql, account),
        Change::AccountPassword {
            login,
            password_hash,
        } => set_password(sql, login, password_hash),
        Change::AccountTags { login, tags } => set_tags(sql, login, tags),
        Change::AccountDeleted { login } => delete_account(sql, login),
        Change::PermissionSet(permission) => set_permission(sql, permission),
        Change::PermissionCleared { vhost, login } => clear_permission(sql, vhost, login),
        Change::TopicPermissionSet(permission) => set_topic_permission(sql, permission),
        Change::TopicPermissionCleared {
            vhost,
            login,
            exchange,
        } => clear_topic_permission(sql, vhost, login, exchange.as_deref()),
        Change::ExchangeDeclared(exchange) => declare_exchange(sql, exchange),
        Change::ExchangeDeleted { vhost, name } => delete_exchange(sql, vhost, name),
        Change::QueueDeclared(queue) => declare_queue(sql, queue),
        Change::QueueDeleted { id } => delete_queue(sql, *id),
        Change::Bound(binding) => bind(sql, binding),
        Change::Unbound(binding) => unbind(sql, binding),
        Change::PolicySet(policy) => set_policy(sql, policy),
        Change::PolicyCleared { vhost, name } => clear_policy(sql, vhost, name),
        Change::ParameterSet { key, value } => {
            run(
                sql,
                "INSERT INTO parameters (key, value) VALUES (?1, ?2)
                 ON CONFLICT DO UPDATE SET value = excluded.value",
                params![key, value],
            )?;
            Ok(())
        }
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

fn add_account(sql: &Connection, account: &Account) -> Applied {
    account::check_login_name(&account.login).map_err(|error| Refused::Invalid {
        subject: Subject::Account,
        reason: error.to_string(),
    })?;
    check_tags(&account.tags)?;
    let added = run(
        sql,
        "INSERT INTO accounts (login, password_hash, tags) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        params![
            account.login,
            account.password_hash,
            row::join_tags(&account.tags)
        ],
    )?;
    if added == 0 {
        return Err(already_exists(Subject::Account, &account.login).into());
    }
    Ok(())
}

fn set_password(sql: &Connection, login: &str, password_hash: &str) -> Applied {
    let updated = run(
        sql,
        "UPDATE accounts SET password_hash = ?2 WHERE login = ?1",
        params![login, password_hash],
    )?;
    require(updated > 0, Subject::Account, login)
}

fn set_tags(sql: &Connection, login: &str, tags: &[String]) -> Applied {
    check_tags(tags)?;
    let updated = run(
        sql,
        "UPDATE accounts SET tags = ?2 WHERE login = ?1",
        params![login, row::join_tags(tags)],
    )?;
    require(updated > 0, Subject::Account, login)
}

fn delete_account(sql: &Connection, login: &str) -> Applied {
    let deleted = run(sql, "DELETE FROM accounts WHERE login = ?1", params![login])?;
    require(deleted > 0, Subject::Account, login)
}

fn set_permission(sql: &Connection, permission: &Permission) -> Applied {
    require_vhost(sql, &permission.vhost)?;
    require_account(sql, &permission.login)?;
    run(
        sql,
        "INSERT INTO permissions (vhost, login, configure, write, read)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET
             configure = excluded.configure, write = excluded.write, read = excluded.read",
        params![
            permission.vhost,
            permission.login,
            permission.configure,
            permission.write,
            permission.read
        ],
    )?;
    Ok(())
}

fn set_topic_permission(sql: &Connection, permission: &TopicPermission) -> Applied {
    require_vhost(sql, &permission.vhost)?;
    require_account(sql, &permission.login)?;
    run(
        sql,
        "INSERT INTO topic_permissions (vhost, login, exchange, write, read)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET write = excluded.write, read = excluded.read",
        params![
            permission.vhost,
            permission.login,
            permission.exchange,
            permission.write,
            permission.read
        ],
    )?;
    Ok(())
}

/// Whoever mistypes a name must not believe that rights were taken.
fn clear_permission(sql: &Connection, vhost: &str, login: &str) -> Applied {
    require_vhost(sql, vhost)?;
    require_account(sql, login)?;
    run(
        sql,
        "DELETE FROM permissions WHERE vhost = ?1 AND login = ?2",
        params![vhost, login],
    )?;
    Ok(())
}

fn clear_topic_permission(
    sql: &Connection,
    vhost: &str,
    login: &str,
    exchange: Option<&str>,
) -> Applied {
    require_vhost(sql, vhost)?;
    require_account(sql, login)?;
    run(
        sql,
        "DELETE FROM topic_permissions
         WHERE vhost = ?1 AND login = ?2 AND (?3 IS NULL OR exchange = ?3)",
        params![vhost, login, exchange],
    )?;
    Ok(())
}

fn declare_exchange(sql: &Connection, exchange: &Exchange) -> Applied {
    require_vhost(sql, &exchange.vhost)?;
    let present = sql
        .prepare_cached("SELECT * FROM exchanges WHERE vhost = ?1 AND name = ?2")?
        .query_row(params![exchange.vhost, exchange.name], row::exchange)
        .optional()?;
    match present {
        Some(present) if present == *exchange => Ok(()),
        Some(_) => Err(already_exists(Subject::Exchange, &exchange.name).into()),
        None => {
            run(
                sql,
                "INSERT INTO exchanges
                     (vhost, name, kind, durable, auto_delete, internal, arguments)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    exchange.vhost,
                    exchange.name,
                    exchange.kind,
                    exchange.durable,
                    exchange.auto_delete,
                    exchange.internal,
                    exchange.arguments
                ],
            )?;
            Ok(())
        }
    }
}

fn delete_exchange(sql: &Connection, vhost: &str, name: &str) -> Applied {
    run(
        sql,
        "DELETE FROM exchanges WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )?;
    run(
        sql,
        "DELETE FROM bindings WHERE vhost = ?1 AND source = ?2",
        params![vhost, name],
    )?;
    delete_bindings_to(sql, vhost, DestinationKind::Exchange, name)
}

fn declare_queue(sql: &Connection, queue: &Queue) -> Applied {
    let id = i64::try_from(queue.id).map_err(|_| Refused::Invalid {
        subject: Subject::Queue,
        reason: format!("the id {} is above {}", queue.id, i64::MAX),
    })?;
    require_vhost(sql, &queue.vhost)?;
    if let Some(owner) = &queue.owner {
        require_account(sql, owner)?;
    }
    let present = sql
        .prepare_cached("SELECT * FROM queues WHERE id = ?1 OR (vhost = ?2 AND name = ?3)")?
        .query_map(params![id, queue.vhost, queue.name], row::queue)?
        .collect::<Result<Vec<Queue>, _>>()?;
    match present.as_slice() {
        [] => {}
        [present] if present == queue => return Ok(()),
        // The id or the name is another queue's.
        _ => return Err(already_exists(Subject::Queue, &queue.name).into()),
    }
    run(
        sql,
        "INSERT INTO queues (id, vhost, name, kind, durable, auto_delete, arguments, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id,
            queue.vhost,
            queue.name,
            queue.kind.as_str(),
            queue.durable,
            queue.auto_delete,
            queue.arguments,
            queue.owner
        ],
    )?;
    Ok(())
}

fn delete_queue(sql: &Connection, id: u64) -> Applied {
    let Ok(id) = i64::try_from(id) else {
        // No such queue can have been declared.
        return Ok(());
    };
    let gone: Option<(String, String)> = sql
        .prepare_cached("DELETE FROM queues WHERE id = ?1 RETURNING vhost, name")?
        .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((vhost, name)) = gone {
        delete_bindings_to(sql, &vhost, DestinationKind::Queue, &name)?;
    }
    Ok(())
}

fn bind(sql: &Connection, binding: &Binding) -> Applied {
    require_vhost(sql, &binding.vhost)?;
    require_exchange(sql, &binding.vhost, &binding.source)?;
    match binding.destination_kind {
        DestinationKind::Queue => require_queue(sql, &binding.vhost, &binding.destination)?,
        DestinationKind::Exchange => require_exchange(sql, &binding.vhost, &binding.destination)?,
    }
    run(
        sql,
        "INSERT INTO bindings
             (vhost, source, destination_kind, destination, routing_key, arguments)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        binding_params(binding),
    )?;
    Ok(())
}

fn unbind(sql: &Connection, binding: &Binding) -> Applied {
    run(
        sql,
        "DELETE FROM bindings
         WHERE vhost = ?1 AND source = ?2 AND destination_kind = ?3 AND destination = ?4
           AND routing_key = ?5 AND arguments = ?6",
        binding_params(binding),
    )?;
    Ok(())
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

fn delete_bindings_to(
    sql: &Connection,
    vhost: &str,
    kind: DestinationKind,
    destination: &str,
) -> Applied {
    run(
        sql,
        "DELETE FROM bindings WHERE vhost = ?1 AND destination_kind = ?2 AND destination = ?3",
        params![vhost, kind.as_str(), destination],
    )?;
    Ok(())
}

/// The six columns of a binding, in the table's order.
fn binding_params(binding: &Binding) -> impl Params {
    (
        &binding.vhost,
        &binding.source,
        binding.destination_kind.as_str(),
        &binding.destination,
        row::routing_key(&binding.routing_key),
        &binding.arguments,
    )
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
    let found = exists(
        sql,
        "SELECT 1 FROM queues WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )?;
    require(found, Subject::Queue, name)
}

fn require_exchange(sql: &Connection, vhost: &str, name: &str) -> Applied {
    if name.starts_with(PREDECLARED_PREFIX) {
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

fn check_tags(tags: &[String]) -> Result<(), Refused> {
    account::check_tags(tags).map_err(|reason| Refused::Invalid {
        subject: Subject::Account,
        reason,
    })
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
