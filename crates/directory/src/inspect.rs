//! Looking at a database without modifying it, for `chaski doctor`.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::error::Failure;
use crate::file::open_read_only;
use crate::limits::PROBLEMS_MAX;
use crate::model::Snapshot;
use crate::reader::Reader;
use crate::schema::{self, Schema};

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection<C = Counts> {
    /// The schema version of the database.
    pub schema_version: i64,
    /// The schema version that this program writes.
    pub known_version: i64,
    /// What is wrong, each as a sentence for a person; empty if nothing is.
    ///
    /// Units: about a hundred at most.
    pub problems: Vec<String>,
    /// How much is in it; `None` unless the schema is the current one and the
    /// tables can be read.
    pub counts: Option<C>,
}

impl<C> Inspection<C> {
    /// Tells whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// How many rows each table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "each field is named after its table")]
pub struct Counts {
    pub vhosts: u64,
    pub accounts: u64,
    pub permissions: u64,
    pub topic_permissions: u64,
    pub exchanges: u64,
    pub queues: u64,
    pub bindings: u64,
    pub policies: u64,
    pub parameters: u64,
    pub sessions: u64,
    pub invitations: u64,
    pub grants: u64,
    pub queue_keys: u64,
    pub quotas: u64,
    pub webhooks: u64,
    pub stream_groups: u64,
    pub audit: u64,
}

/// Inspects a database, which may be in use, and modifies nothing in it.
///
/// Damage is a finding, not an error.
///
/// Errors: the file is missing or cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, Failure> {
    inspect_as(path, &schema::DIRECTORY, |connection, problems| {
        check_rows(connection, problems)?;
        count(connection)
    })
}

/// As [`inspect`], of a database of another schema; `look` looks at the rows, and counts them.
pub(crate) fn inspect_as<C>(
    path: &Path,
    schema: &Schema<'_>,
    look: impl FnOnce(&Connection, &mut Vec<String>) -> rusqlite::Result<C>,
) -> Result<Inspection<C>, Failure> {
    let fail = |source: rusqlite::Error| Failure::new("inspect", path, source);
    let connection = open_read_only(path).map_err(fail)?;
    let mut inspection = Inspection {
        schema_version: 0,
        known_version: schema.version(),
        problems: Vec::new(),
        counts: None,
    };
    match examine(&connection, schema, look, &mut inspection) {
        Ok(()) => Ok(inspection),
        Err(error) if is_damage(&error) => {
            inspection
                .problems
                .push(format!("the database is damaged: {error}"));
            Ok(inspection)
        }
        Err(error) => Err(fail(error)),
    }
}

/// Reads everything from a database, which may be in use, and modifies nothing in it.
///
/// Errors: the file is missing or damaged, or its schema is not the current one.
pub fn read(path: &Path) -> Result<Snapshot, Failure> {
    Reader::open(path)?.snapshot()
}

fn examine<C>(
    connection: &Connection,
    schema: &Schema<'_>,
    look: impl FnOnce(&Connection, &mut Vec<String>) -> rusqlite::Result<C>,
    inspection: &mut Inspection<C>,
) -> rusqlite::Result<()> {
    // One read transaction, so that all findings are of the same moment.
    let transaction = connection.unchecked_transaction()?;
    inspection.schema_version =
        transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    transaction.pragma(None, "quick_check", PROBLEMS_MAX as i64, |row| {
        let line: String = row.get(0)?;
        if line != "ok" {
            inspection.problems.push(line);
        }
        Ok(())
    })?;
    match schema.check(&transaction) {
        Ok(_) => {}
        Err(schema::MigrateError::Sql(error)) => return Err(error),
        Err(schema::MigrateError::Unusable(reason)) => {
            inspection.problems.push(reason.to_string());
            return Ok(());
        }
    }
    if inspection.schema_version != schema.version() {
        // Older, or empty: opening it brings it up to date.
        return Ok(());
    }
    inspection.counts = Some(look(&transaction, &mut inspection.problems)?);
    transaction.finish()
}

/// Finds rows that refer to something that is not there, or contradict themselves.
fn check_rows(connection: &Connection, problems: &mut Vec<String>) -> rusqlite::Result<()> {
    check_references(connection, problems)?;
    // Predeclared exchanges have no rows; see the rules for bindings.
    let mut report = |sql: &str, what: &str| report(connection, problems, sql, what);
    report(
        "SELECT count(*) FROM bindings AS b
         WHERE (b.source NOT GLOB 'amq.*' AND NOT EXISTS
                   (SELECT 1 FROM exchanges AS e WHERE e.vhost = b.vhost AND e.name = b.source))
            OR (b.destination_kind = 'queue' AND NOT EXISTS
                   (SELECT 1 FROM queues AS q WHERE q.vhost = b.vhost AND q.name = b.destination))
            OR (b.destination_kind = 'exchange' AND b.destination NOT GLOB 'amq.*' AND NOT EXISTS
                   (SELECT 1 FROM exchanges AS e
                    WHERE e.vhost = b.vhost AND e.name = b.destination))",
        "bindings lead from or to something that does not exist",
    )?;
    report(
        "SELECT count(*) FROM grants AS g
         WHERE (g.resource = 'queue' AND NOT EXISTS
                   (SELECT 1 FROM queues AS q WHERE q.vhost = g.vhost AND q.name = g.name))
            OR (g.resource = 'exchange' AND g.name NOT GLOB 'amq.*' AND NOT EXISTS
                   (SELECT 1 FROM exchanges AS e WHERE e.vhost = g.vhost AND e.name = g.name))",
        "grants are on something that does not exist",
    )?;
    report(
        "SELECT count(*) FROM accounts
         WHERE (instr(',' || tags || ',', ',administrator,') > 0) <> (role = 'administrator')",
        "accounts have a role that contradicts their tags",
    )
}

fn count(connection: &Connection) -> rusqlite::Result<Counts> {
    let rows = |table: &str| rows(connection, table);
    Ok(Counts {
        vhosts: rows("vhosts")?,
        accounts: rows("accounts")?,
        permissions: rows("permissions")?,
        topic_permissions: rows("topic_permissions")?,
        exchanges: rows("exchanges")?,
        queues: rows("queues")?,
        bindings: rows("bindings")?,
        policies: rows("policies")?,
        parameters: rows("parameters")?,
        sessions: rows("sessions")?,
        invitations: rows("invitations")?,
        grants: rows("grants")?,
        queue_keys: rows("queue_keys")?,
        quotas: rows("quotas")?,
        webhooks: rows("webhooks")?,
        stream_groups: rows("stream_groups")?,
        audit: rows("audit")?,
    })
}

/// Finds rows that refer to something that is not there.
pub(crate) fn check_references(
    connection: &Connection,
    problems: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT \"table\", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        problems.push(format!(
            "{count} rows of {table} refer to {parent} that do not exist"
        ));
    }
    Ok(())
}

/// Adds what is wrong with the rows that a query counts, if there are any.
pub(crate) fn report(
    connection: &Connection,
    problems: &mut Vec<String>,
    sql: &str,
    what: &str,
) -> rusqlite::Result<()> {
    let found: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if found > 0 {
        problems.push(format!("{found} {what}"));
    }
    Ok(())
}

/// Counts the rows of a table.
pub(crate) fn rows(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
        row.get::<_, i64>(0).map(i64::unsigned_abs)
    })
}

/// Tells whether the file holds what SQLite never writes.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error_code()
        .is_some_and(|code| [ErrorCode::DatabaseCorrupt, ErrorCode::NotADatabase].contains(&code))
}

#[cfg(test)]
mod tests;
