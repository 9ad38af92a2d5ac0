//! Grants, keys of queues and webhooks.

use rusqlite::{Connection, params};

use super::{
    Applied, already_exists, check_bytes, check_chars, check_id, exists, invalid, number,
    optional_number, require_account, require_exchange, require_owner, require_queue,
    require_vhost, run,
};
use crate::error::Subject;
use crate::limits::{NOTE_CHARS_MAX, SETTINGS_BYTES_MAX, URL_BYTES_MAX, WEBHOOK_SECRET_BYTES_MAX};
use crate::model::{Grant, QueueKey, ResourceKind, Webhook};

pub(super) fn set_grant(sql: &Connection, grant: &Grant) -> Applied {
    require_vhost(sql, &grant.vhost)?;
    require_account(sql, &grant.login)?;
    match grant.resource {
        ResourceKind::Queue => require_queue(sql, &grant.vhost, &grant.name)?,
        ResourceKind::Exchange => require_exchange(sql, &grant.vhost, &grant.name)?,
    }
    run(
        sql,
        "INSERT INTO grants (vhost, resource, name, login, configure, write, read)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET
             configure = excluded.configure, write = excluded.write, read = excluded.read",
        params![
            grant.vhost,
            grant.resource.as_str(),
            grant.name,
            grant.login,
            grant.configure,
            grant.write,
            grant.read
        ],
    )?;
    Ok(())
}

/// The resource need not exist: it took its grants with it.
pub(super) fn clear_grant(
    sql: &Connection,
    vhost: &str,
    resource: ResourceKind,
    name: &str,
    login: &str,
) -> Applied {
    require_vhost(sql, vhost)?;
    require_account(sql, login)?;
    run(
        sql,
        "DELETE FROM grants WHERE vhost = ?1 AND resource = ?2 AND name = ?3 AND login = ?4",
        params![vhost, resource.as_str(), name, login],
    )?;
    Ok(())
}

/// Removes what was granted on a queue or exchange that goes.
pub(super) fn clear_grants_on(
    sql: &Connection,
    vhost: &str,
    resource: ResourceKind,
    name: &str,
) -> Applied {
    run(
        sql,
        "DELETE FROM grants WHERE vhost = ?1 AND resource = ?2 AND name = ?3",
        params![vhost, resource.as_str(), name],
    )?;
    Ok(())
}

pub(super) fn add_key(sql: &Connection, key: &QueueKey) -> Applied {
    let subject = Subject::QueueKey;
    check_id(subject, &key.id)?;
    check_chars(subject, "the note", &key.note, NOTE_CHARS_MAX)?;
    let created_ms = number(subject, key.created_ms)?;
    let expires_ms = optional_number(subject, key.expires_ms)?;
    require_vhost(sql, &key.vhost)?;
    require_queue(sql, &key.vhost, &key.queue)?;
    require_owner(sql, key.created_by.as_deref())?;
    let is_taken = exists(
        sql,
        "SELECT 1 FROM queue_keys WHERE id = ?1 OR secret_hash = ?2",
        params![key.id, key.secret_hash],
    )?;
    if is_taken {
        return Err(already_exists(subject, &key.id).into());
    }
    run(
        sql,
        "INSERT INTO queue_keys
             (id, vhost, queue, secret_hash, write, read, note, created_by, created_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            key.id,
            key.vhost,
            key.queue,
            key.secret_hash,
            key.write,
            key.read,
            key.note,
            key.created_by,
            created_ms,
            expires_ms
        ],
    )?;
    Ok(())
}

pub(super) fn delete_key(sql: &Connection, id: &str) -> Applied {
    run(sql, "DELETE FROM queue_keys WHERE id = ?1", params![id])?;
    Ok(())
}

pub(super) fn set_webhook(sql: &Connection, webhook: &Webhook) -> Applied {
    let subject = Subject::Webhook;
    check_id(subject, &webhook.id)?;
    if webhook.url.is_empty() {
        return Err(invalid(subject, "it has to have an address").into());
    }
    check_bytes(subject, "the address", &webhook.url, URL_BYTES_MAX)?;
    check_bytes(
        subject,
        "the secret",
        &webhook.secret,
        WEBHOOK_SECRET_BYTES_MAX,
    )?;
    check_bytes(
        subject,
        "the settings",
        &webhook.settings,
        SETTINGS_BYTES_MAX,
    )?;
    let created_ms = number(subject, webhook.created_ms)?;
    require_account(sql, &webhook.owner)?;
    require_vhost(sql, &webhook.vhost)?;
    require_queue(sql, &webhook.vhost, &webhook.queue)?;
    run(
        sql,
        "INSERT INTO webhooks
             (id, owner, vhost, queue, url, secret, settings, is_paused, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET
             owner = excluded.owner, vhost = excluded.vhost, queue = excluded.queue,
             url = excluded.url, secret = excluded.secret, settings = excluded.settings,
             is_paused = excluded.is_paused, created_ms = excluded.created_ms",
        params![
            webhook.id,
            webhook.owner,
            webhook.vhost,
            webhook.queue,
            webhook.url,
            webhook.secret,
            webhook.settings,
            webhook.is_paused,
            created_ms
        ],
    )?;
    Ok(())
}

pub(super) fn delete_webhook(sql: &Connection, id: &str) -> Applied {
    run(sql, "DELETE FROM webhooks WHERE id = ?1", params![id])?;
    Ok(())
}
