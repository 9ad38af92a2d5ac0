//! The tables, and how an older database becomes a current one.
//!
//! `PRAGMA user_version` counts the steps of [`STEPS`] that a database has been
//! through. A released step is never edited; a modification is a further step.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::error::Unusable;

/// The schema of one kind of database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema<'a> {
    /// Tells `file` and us whose database it is.
    pub(crate) application_id: i32,
    /// Each takes the schema one version up.
    pub(crate) steps: &'a [&'a str],
    /// Refuses a database that has been through so many steps, with a sentence in place of a broken constraint.
    pub(crate) refuse: fn(&Connection, usize) -> Result<(), MigrateError>,
}

/// The schema of the directory; its id is `Chsk`.
pub(crate) const DIRECTORY: Schema<'static> = Schema {
    application_id: 0x4368_736B,
    steps: STEPS,
    refuse: refuse_twins,
};

/// Each takes the schema one version up.
pub(crate) const STEPS: &[&str] = &[
    "
CREATE TABLE vhosts (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    login         TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,  -- argon2id, PHC string; empty: no password logs in
    tags          TEXT NOT NULL   -- separated by commas
) STRICT, WITHOUT ROWID;

CREATE TABLE permissions (
    vhost     TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    login     TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    configure TEXT NOT NULL,
    write     TEXT NOT NULL,
    read      TEXT NOT NULL,
    PRIMARY KEY (vhost, login)
) STRICT, WITHOUT ROWID;
CREATE INDEX permissions_by_login ON permissions (login);

CREATE TABLE topic_permissions (
    vhost    TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    login    TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    write    TEXT NOT NULL,
    read     TEXT NOT NULL,
    PRIMARY KEY (vhost, login, exchange)
) STRICT, WITHOUT ROWID;
CREATE INDEX topic_permissions_by_login ON topic_permissions (login);

CREATE TABLE exchanges (
    vhost       TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    durable     INTEGER NOT NULL CHECK (durable IN (0, 1)),
    auto_delete INTEGER NOT NULL CHECK (auto_delete IN (0, 1)),
    internal    INTEGER NOT NULL CHECK (internal IN (0, 1)),
    arguments   BLOB NOT NULL,    -- encoded field table
    PRIMARY KEY (vhost, name)
) STRICT;

CREATE TABLE queues (
    id          INTEGER PRIMARY KEY CHECK (id >= 0),  -- the message log's number
    vhost       TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('classic', 'quorum', 'stream')),
    durable     INTEGER NOT NULL CHECK (durable IN (0, 1)),
    auto_delete INTEGER NOT NULL CHECK (auto_delete IN (0, 1)),
    arguments   BLOB NOT NULL,    -- encoded field table
    owner       TEXT REFERENCES accounts ON DELETE SET NULL,
    UNIQUE (vhost, name)
) STRICT;
CREATE INDEX queues_by_owner ON queues (owner);

CREATE TABLE bindings (
    vhost            TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    source           TEXT NOT NULL,
    destination_kind TEXT NOT NULL CHECK (destination_kind IN ('queue', 'exchange')),
    destination      TEXT NOT NULL,
    routing_key      ANY NOT NULL,   -- text, or a blob where it is not UTF-8
    arguments        BLOB NOT NULL,  -- encoded field table
    PRIMARY KEY (vhost, source, destination_kind, destination, routing_key, arguments)
) STRICT;
CREATE INDEX bindings_by_destination ON bindings (vhost, destination_kind, destination);

CREATE TABLE policies (
    vhost      TEXT NOT NULL REFERENCES vhosts ON DELETE CASCADE,
    name       TEXT NOT NULL,
    pattern    TEXT NOT NULL,
    apply_to   TEXT NOT NULL CHECK (apply_to IN
        ('all', 'exchanges', 'queues', 'classic_queues', 'quorum_queues', 'streams')),
    priority   INTEGER NOT NULL,
    definition TEXT NOT NULL,        -- JSON
    PRIMARY KEY (vhost, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE parameters (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
",
    include_str!("schema/step2.sql"),
    include_str!("schema/step3.sql"),
];

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrateError {
    /// It must not be touched.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// A step failed, and was undone.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl Schema<'_> {
    /// The version that this program writes.
    pub(crate) const fn version(&self) -> i64 {
        self.steps.len() as i64
    }

    /// Finds how many steps a database has been through, without modifying it.
    ///
    /// Errors: it was written by a later version or by another program.
    pub(crate) fn check(&self, connection: &Connection) -> Result<i64, MigrateError> {
        let known = self.version();
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let application: i32 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let blank = application == 0 && version == 0 && tables == 0;
        if !blank && (application != self.application_id || version < 1) {
            return Err(Unusable::Foreign.into());
        }
        if version > known {
            return Err(Unusable::Newer {
                found: version,
                known,
            }
            .into());
        }
        Ok(version)
    }

    /// Finds that a database is of exactly the current version, without modifying it.
    pub(crate) fn check_current(&self, connection: &Connection) -> Result<(), MigrateError> {
        let known = self.version();
        let found = self.check(connection)?;
        if found < known {
            return Err(Unusable::Older { found, known }.into());
        }
        Ok(())
    }

    /// Takes a database through the steps that it lacks, all of them or none.
    ///
    /// Durability: on return the new version is on disk.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> Result<(), MigrateError> {
        let known = self.version();
        if self.check(connection)? == known {
            return Ok(());
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Again, now that nobody else can be migrating.
        let done = self.check(&transaction)?;
        let done = usize::try_from(done).expect("versions below 0 are refused");
        (self.refuse)(&transaction, done)?;
        for step in self.steps.iter().skip(done) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", self.application_id)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()?;
        Ok(())
    }
}

/// Refuses to take accounts through the second step that it would not keep
/// apart, with a sentence in place of a broken constraint.
fn refuse_twins(connection: &Connection, done: usize) -> Result<(), MigrateError> {
    if done != 1 {
        return Ok(());
    }
    let twins = connection
        .query_row(
            "SELECT min(login), max(login) FROM accounts
             GROUP BY lower(login) HAVING count(*) > 1 LIMIT 1",
            [],
            |row| {
                Ok(Unusable::Twins {
                    one: row.get(0)?,
                    other: row.get(1)?,
                })
            },
        )
        .optional()?;
    twins.map_or(Ok(()), |twins| Err(twins.into()))
}

#[cfg(test)]
mod tests;
