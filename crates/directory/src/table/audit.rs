//! Reading the audit log, a part at a time.

use rusqlite::types::Value;
use rusqlite::{Connection, Result, params_from_iter};

use super::row;
use crate::limits::AUDIT_LIMIT_MAX;
use crate::model::{AuditEntry, AuditFilter};

/// Reads the entries that a filter asks for.
pub(crate) fn audit(connection: &Connection, filter: &AuditFilter) -> Result<Vec<AuditEntry>> {
    let (statement, values) = question(filter);
    connection
        .prepare_cached(&statement)?
        .query_map(params_from_iter(values), row::audit_entry)?
        .collect()
}

/// The statement that asks for a filter's entries, and its values.
///
/// It names only what is asked for, so that each question finds its index.
fn question(filter: &AuditFilter) -> (String, Vec<Value>) {
    let mut conditions = vec!["id > ?"];
    let mut values = vec![number(filter.after_id)];
    let numbers = [
        ("id < ?", filter.before_id),
        ("at_ms >= ?", filter.since_ms),
        ("at_ms < ?", filter.until_ms),
    ];
    for (condition, bound) in numbers {
        if let Some(bound) = bound {
            conditions.push(condition);
            values.push(number(bound));
        }
    }
    let texts = [
        ("actor = ?", &filter.actor),
        ("action = ?", &filter.action),
        ("object = ?", &filter.object),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            conditions.push(condition);
            values.push(Value::Text(text.clone()));
        }
    }
    let limit = filter.limit.min(AUDIT_LIMIT_MAX);
    values.push(Value::Integer(limit as i64));
    let order = if filter.newest_first { "DESC" } else { "ASC" };
    let statement = format!(
        "SELECT * FROM audit WHERE {} ORDER BY id {order} LIMIT ?",
        conditions.join(" AND ")
    );
    (statement, values)
}

/// A bound above all that can be stored is as good as the highest of those.
fn number(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
