//! The two ways in which the directory says no: the rules, and the disk.

use std::path::PathBuf;
use std::sync::Arc;

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A virtual host.
    VirtualHost,
    /// An account.
    Account,
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A policy.
    Policy,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::VirtualHost => "virtual host",
            Self::Account => "account",
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Policy => "policy",
        })
    }
}

/// The rules say no; nothing of the batch was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Something of that name, and not the same thing, is there.
    #[error("{subject} '{name}' already exists")]
    AlreadyExists {
        /// What.
        subject: Subject,
        /// Which.
        name: String,
    },
    /// Something that the change needs is not there.
    #[error("{subject} '{name}' does not exist")]
    NotFound {
        /// What.
        subject: Subject,
        /// Which.
        name: String,
    },
    /// A value is outside of its bounds.
    #[error("{subject}: {reason}")]
    Invalid {
        /// What.
        subject: Subject,
        /// What is wrong, for a person to read.
        reason: String,
    },
}

/// The disk or the database failed; see its source.
///
/// Cloneable, because one failed transaction fails all batches in it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct Failure {
    /// What was attempted, as the rest of "cannot …".
    pub operation: &'static str,
    /// The database.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    pub(crate) fn new(
        operation: &'static str,
        path: impl Into<PathBuf>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            operation,
            path: path.into(),
            source: Arc::new(source),
        }
    }
}

/// Why a batch was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The rules say no; other batches of the same group are unaffected.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The disk or the database failed; nothing of the group was committed.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The database is not one that this version can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// Written by a later version.
    #[error(
        "its schema version is {found}, but this program knows versions up to {known}; \
         use the version of chaski that wrote it, or a later one"
    )]
    Newer { found: i64, known: i64 },
    /// Some other program's database.
    #[error("it is an SQLite database of another program")]
    Foreign,
    /// A value that the schema does not allow.
    #[error("table {table} holds a value that is not allowed: '{value}'")]
    Value { table: &'static str, value: String },
}
