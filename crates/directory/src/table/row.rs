//! One function per table that reads a row, shared by loading and comparing.

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row};

use crate::error::Unusable;
use crate::model::{
    Account, ApplyTo, Binding, DestinationKind, Exchange, Permission, Policy, Queue, QueueKind,
    TopicPermission, VirtualHost,
};

pub(super) fn vhost(row: &Row<'_>) -> Result<VirtualHost> {
    Ok(VirtualHost {
        name: row.get("name")?,
    })
}

pub(super) fn account(row: &Row<'_>) -> Result<Account> {
    let tags: String = row.get("tags")?;
    Ok(Account {
        login: row.get("login")?,
        password_hash: row.get("password_hash")?,
        tags: split_tags(&tags),
    })
}

pub(super) fn permission(row: &Row<'_>) -> Result<Permission> {
    Ok(Permission {
        vhost: row.get("vhost")?,
        login: row.get("login")?,
        configure: row.get("configure")?,
        write: row.get("write")?,
        read: row.get("read")?,
    })
}

pub(super) fn topic_permission(row: &Row<'_>) -> Result<TopicPermission> {
    Ok(TopicPermission {
        vhost: row.get("vhost")?,
        login: row.get("login")?,
        exchange: row.get("exchange")?,
        write: row.get("write")?,
        read: row.get("read")?,
    })
}

pub(super) fn exchange(row: &Row<'_>) -> Result<Exchange> {
    Ok(Exchange {
        vhost: row.get("vhost")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        durable: row.get("durable")?,
        auto_delete: row.get("auto_delete")?,
        internal: row.get("internal")?,
        arguments: row.get("arguments")?,
    })
}

pub(super) fn queue(row: &Row<'_>) -> Result<Queue> {
    let id: i64 = row.get("id")?;
    Ok(Queue {
        id: u64::try_from(id).map_err(|_| not_allowed("queues", &id.to_string()))?,
        vhost: row.get("vhost")?,
        name: row.get("name")?,
        kind: word(row, "queues", "kind", QueueKind::parse)?,
        durable: row.get("durable")?,
        auto_delete: row.get("auto_delete")?,
        arguments: row.get("arguments")?,
        owner: row.get("owner")?,
    })
}

pub(super) fn binding(row: &Row<'_>) -> Result<Binding> {
    let routing_key = row.get_ref("routing_key")?;
    Ok(Binding {
        vhost: row.get("vhost")?,
        source: row.get("source")?,
        destination_kind: word(row, "bindings", "destination_kind", DestinationKind::parse)?,
        destination: row.get("destination")?,
        routing_key: routing_key
            .as_bytes()
            .map_err(|_| not_allowed("bindings", &format!("{routing_key:?}")))?
            .to_vec(),
        arguments: row.get("arguments")?,
    })
}

pub(super) fn policy(row: &Row<'_>) -> Result<Policy> {
    Ok(Policy {
        vhost: row.get("vhost")?,
        name: row.get("name")?,
        pattern: row.get("pattern")?,
        apply_to: word(row, "policies", "apply_to", ApplyTo::parse)?,
        priority: row.get("priority")?,
        definition: row.get("definition")?,
    })
}

/// Joins tags as [`split_tags`] splits them; no tag holds a comma.
pub(super) fn join_tags(tags: &[String]) -> String {
    tags.join(",")
}

/// A routing key as text where it is UTF-8, so that people can read it.
///
/// The same bytes always take the same form, so equal keys stay equal.
pub(super) fn routing_key(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(if std::str::from_utf8(bytes).is_ok() {
        ValueRef::Text(bytes)
    } else {
        ValueRef::Blob(bytes)
    })
}

fn split_tags(tags: &str) -> Vec<String> {
    tags.split(',')
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Reads a column that holds one of a few words.
fn word<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T> {
    let text: String = row.get(column)?;
    parse(&text).ok_or_else(|| not_allowed(table, &text))
}

fn not_allowed(table: &'static str, value: &str) -> Error {
    let source = Unusable::Value {
        table,
        value: value.to_owned(),
    };
    // The column's number is not known here; the message names the value.
    Error::FromSqlConversionFailure(0, Type::Text, Box::new(source))
}
