//! Reading all tables into one snapshot.

use std::collections::BTreeMap;

use rusqlite::{Connection, Result, Row};

use super::row;
use crate::model::Snapshot;

/// Reads all tables in one transaction.
pub(crate) fn load(connection: &Connection) -> Result<Snapshot> {
    // A read transaction, so that another process's write cannot come between.
    let transaction = connection.unchecked_transaction()?;
    let snapshot = Snapshot {
        vhosts: rows(
            &transaction,
            "SELECT * FROM vhosts ORDER BY name",
            row::vhost,
        )?,
        accounts: rows(
            &transaction,
            "SELECT * FROM accounts ORDER BY login",
            row::account,
        )?,
        permissions: rows(
            &transaction,
            "SELECT * FROM permissions ORDER BY vhost, login",
            row::permission,
        )?,
        topic_permissions: rows(
            &transaction,
            "SELECT * FROM topic_permissions ORDER BY vhost, login, exchange",
            row::topic_permission,
        )?,
        exchanges: rows(
            &transaction,
            "SELECT * FROM exchanges ORDER BY rowid",
            row::exchange,
        )?,
        queues: rows(&transaction, "SELECT * FROM queues ORDER BY id", row::queue)?,
        bindings: rows(
            &transaction,
            "SELECT * FROM bindings ORDER BY rowid",
            row::binding,
        )?,
        policies: rows(
            &transaction,
            "SELECT * FROM policies ORDER BY vhost, name",
            row::policy,
        )?,
        parameters: rows(&transaction, "SELECT key, value FROM parameters", |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .into_iter()
        .collect::<BTreeMap<String, String>>(),
        sessions: rows(
            &transaction,
            "SELECT * FROM sessions ORDER BY login, created_ms, id",
            row::session,
        )?,
        invitations: rows(
            &transaction,
            "SELECT * FROM invitations ORDER BY created_ms, code_hash",
            row::invitation,
        )?,
        grants: rows(
            &transaction,
            "SELECT * FROM grants ORDER BY vhost, resource, name, login",
            row::grant,
        )?,
        queue_keys: rows(
            &transaction,
            "SELECT * FROM queue_keys ORDER BY vhost, queue, id",
            row::queue_key,
        )?,
        quotas: rows(
            &transaction,
            "SELECT * FROM quotas ORDER BY login",
            row::quota,
        )?,
        webhooks: rows(
            &transaction,
            "SELECT * FROM webhooks ORDER BY id",
            row::webhook,
        )?,
        stream_groups: rows(
            &transaction,
            "SELECT * FROM stream_groups ORDER BY queue, name",
            row::stream_group,
        )?,
    };
    transaction.finish()?;
    Ok(snapshot)
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}
