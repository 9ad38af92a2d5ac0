//! One function per table that reads a row, shared by loading and comparing.

use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result, Row};

use crate::error::Unusable;
use crate::model::{
    Account, ApplyTo, AuditEntry, AuditRecord, Binding, DestinationKind, Exchange, Grant,
    Invitation, Permission, Policy, Profile, Queue, QueueKey, QueueKind, Quota, ResourceKind, Role,
    Session, StreamGroup, TopicPermission, VirtualHost, Webhook,
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
        role: word(row, "accounts", "role", Role::parse)?,
        profile: Profile {
            first_names: row.get("first_names")?,
            last_names: row.get("last_names")?,
            age: row.get("age")?,
            gender: row.get("gender")?,
        },
        created_ms: number(row, "accounts", "created_ms")?,
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
        owner: row.get("owner")?,
    })
}

pub(super) fn queue(row: &Row<'_>) -> Result<Queue> {
    Ok(Queue {
        id: number(row, "queues", "id")?,
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

pub(super) fn session(row: &Row<'_>) -> Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        login: row.get("login")?,
        token_hash: row.get("token_hash")?,
        door: row.get("door")?,
        address: row.get("address")?,
        client: row.get("client")?,
        created_ms: number(row, "sessions", "created_ms")?,
        last_seen_ms: number(row, "sessions", "last_seen_ms")?,
        expires_ms: number(row, "sessions", "expires_ms")?,
        csrf_hash: row.get("csrf_hash")?,
    })
}

pub(super) fn invitation(row: &Row<'_>) -> Result<Invitation> {
    Ok(Invitation {
        code_hash: row.get("code_hash")?,
        created_by: row.get("created_by")?,
        created_ms: number(row, "invitations", "created_ms")?,
        expires_ms: number(row, "invitations", "expires_ms")?,
        uses_left: row.get("uses_left")?,
        role: word(row, "invitations", "role", Role::parse)?,
    })
}

pub(super) fn grant(row: &Row<'_>) -> Result<Grant> {
    Ok(Grant {
        vhost: row.get("vhost")?,
        resource: word(row, "grants", "resource", ResourceKind::parse)?,
        name: row.get("name")?,
        login: row.get("login")?,
        configure: row.get("configure")?,
        write: row.get("write")?,
        read: row.get("read")?,
    })
}

pub(super) fn queue_key(row: &Row<'_>) -> Result<QueueKey> {
    Ok(QueueKey {
        id: row.get("id")?,
        vhost: row.get("vhost")?,
        queue: row.get("queue")?,
        secret_hash: row.get("secret_hash")?,
        write: row.get("write")?,
        read: row.get("read")?,
        note: row.get("note")?,
        created_by: row.get("created_by")?,
        created_ms: number(row, "queue_keys", "created_ms")?,
        expires_ms: optional_number(row, "queue_keys", "expires_ms")?,
    })
}

pub(super) fn quota(row: &Row<'_>) -> Result<Quota> {
    Ok(Quota {
        login: row.get("login")?,
        queues: optional_number(row, "quotas", "queues")?,
        bytes: optional_number(row, "quotas", "bytes")?,
        connections: optional_number(row, "quotas", "connections")?,
        publish_rate: optional_number(row, "quotas", "publish_rate")?,
    })
}

pub(super) fn webhook(row: &Row<'_>) -> Result<Webhook> {
    Ok(Webhook {
        id: row.get("id")?,
        owner: row.get("owner")?,
        vhost: row.get("vhost")?,
        queue: row.get("queue")?,
        url: row.get("url")?,
        secret: row.get("secret")?,
        settings: row.get("settings")?,
        is_paused: row.get("is_paused")?,
        created_ms: number(row, "webhooks", "created_ms")?,
    })
}

pub(super) fn stream_group(row: &Row<'_>) -> Result<StreamGroup> {
    Ok(StreamGroup {
        queue: number(row, "stream_groups", "queue")?,
        name: row.get("name")?,
        next_offset: number(row, "stream_groups", "next_offset")?,
    })
}

pub(super) fn audit_entry(row: &Row<'_>) -> Result<AuditEntry> {
    Ok(AuditEntry {
        id: number(row, "audit", "id")?,
        record: AuditRecord {
            at_ms: number(row, "audit", "at_ms")?,
            actor: row.get("actor")?,
            door: row.get("door")?,
            address: row.get("address")?,
            action: row.get("action")?,
            object_kind: row.get("object_kind")?,
            object: row.get("object")?,
            outcome: row.get("outcome")?,
            detail: row.get("detail")?,
        },
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

/// Reads a column that holds a number which is never negative.
fn number(row: &Row<'_>, table: &'static str, column: &str) -> Result<u64> {
    unsigned(table, row.get(column)?)
}

/// As [`number`], where there may be none.
fn optional_number(row: &Row<'_>, table: &'static str, column: &str) -> Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| unsigned(table, value)).transpose()
}

fn unsigned(table: &'static str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| not_allowed(table, &value.to_string()))
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
