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
    /// A session.
    Session,
    /// An invitation.
    Invitation,
    /// A grant.
    Grant,
    /// A key of a queue.
    QueueKey,
    /// A quota.
    Quota,
    /// A webhook.
    Webhook,
    /// A group of a stream.
    StreamGroup,
    /// An entry of the audit log.
    AuditEntry,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::VirtualHost => "virtual host",
            Self::Account => "account",
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Policy => "policy",
            Self::Session => "session",
            Self::Invitation => "invitation",
            Self::Grant => "grant",
            Self::QueueKey => "queue key",
            Self::Quota => "quota",
            Self::Webhook => "webhook",
            Self::StreamGroup => "group",
            Self::AuditEntry => "audit entry",
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
    /// Another account's login differs only in the case of its letters.
    #[error("login taken: '{login}' and the existing '{existing}' differ only in case")]
    LoginTaken {
        /// The login asked for.
        login: String,
        /// The one that is there.
        existing: String,
    },
    /// Nobody would be left who may do everything.
    #[error("'{login}' is the last administrator; make another account one first")]
    LastAdministrator {
        /// The account.
        login: String,
    },
    /// The code invites nobody; which of the three it is, is nobody's business.
    #[error("the invitation does not exist, has expired or is used up")]
    InvitationVoid,
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
    /// Written by an earlier version, and not yet brought up to date.
    #[error("its schema version is {found}, not {known}; starting the server brings it up to date")]
    Older { found: i64, known: i64 },
    /// Accounts that a later schema does not keep apart.
    #[error(
        "the logins '{one}' and '{other}' differ only in case, which this version does not allow; \
         delete one of the two accounts with the version of chaski that wrote them"
    )]
    Twins { one: String, other: String },
    /// A value that the schema does not allow.
    #[error("table {table} holds a value that is not allowed: '{value}'")]
    Value { table: &'static str, value: String },
}
