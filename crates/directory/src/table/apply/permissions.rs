//! Permissions and topic permissions.

use rusqlite::{Connection, params};

use super::{Applied, require_account, require_vhost, run};
use crate::model::{Permission, TopicPermission};

pub(super) fn set(sql: &Connection, permission: &Permission) -> Applied {
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

pub(super) fn set_topic(sql: &Connection, permission: &TopicPermission) -> Applied {
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
pub(super) fn clear(sql: &Connection, vhost: &str, login: &str) -> Applied {
    require_vhost(sql, vhost)?;
    require_account(sql, login)?;
    run(
        sql,
        "DELETE FROM permissions WHERE vhost = ?1 AND login = ?2",
        params![vhost, login],
    )?;
    Ok(())
}

pub(super) fn clear_topic(
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
