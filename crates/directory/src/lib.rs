//! Accounts and topology in one SQLite file that people may open and look at.
//!
//! It holds what has to outlive a restart and is not a message: virtual hosts,
//! accounts with their permissions, sessions and quotas, exchanges, queues,
//! bindings and policies, what lets others at a queue, and the audit log.
//! Everything but that log is read once, as a [`Snapshot`], and then modified by
//! [`Change`]s; nothing is ever looked up here while messages flow.
//!
//! It must never know AMQP's types, decide who may do what, or hold a password
//! or a token. [`password`], [`credentials`] and [`token`] are here because they
//! belong to the stored hashes; they touch no disk.
//!
//! Start reading at [`Directory::commit_batches`].

pub mod account;
mod change;
pub mod chat;
pub mod credentials;
mod directory;
mod error;
mod file;
pub mod files;
mod inspect;
pub mod limits;
mod model;
mod name;
pub mod password;
mod reader;
mod schema;
mod table;
pub mod token;

pub use change::Change;
pub use directory::Directory;
pub use error::{CommitError, Failure, Refused, Subject};
pub use inspect::{Counts, Inspection, inspect, read};
pub use model::{
    Account, ApplyTo, AuditEntry, AuditFilter, AuditRecord, Binding, DestinationKind, Exchange,
    Grant, Invitation, Permission, Policy, Profile, Queue, QueueKey, QueueKind, Quota,
    ResourceKind, Role, Session, Snapshot, StreamGroup, TopicPermission, VirtualHost, Webhook,
};
pub use name::check_name;
pub use reader::Reader;
