//! The rows of the directory as plain values.
//!
//! Nothing here knows AMQP's types: arguments are an encoded field table, kept
//! byte for byte, and kinds that the broker may add to are plain text.

mod account;
mod audit;
mod sharing;

use std::collections::BTreeMap;

pub use account::{Account, Invitation, Profile, Quota, Role, Session};
pub use audit::{AuditEntry, AuditFilter, AuditRecord};
pub use sharing::{Grant, QueueKey, ResourceKind, Webhook};

/// A name space of exchanges, queues, bindings, policies and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualHost {
    /// Its name, for example `/`.
    pub name: String,
}

/// What an account may do in a virtual host: one regular expression per right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The virtual host it applies to.
    pub vhost: String,
    /// The account it is given to.
    pub login: String,
    /// Names that may be declared and deleted.
    pub configure: String,
    /// Names that may be written to.
    pub write: String,
    /// Names that may be read from.
    pub read: String,
}

/// A further restriction on the routing keys of one topic exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    /// The virtual host it applies to.
    pub vhost: String,
    /// The account it is given to.
    pub login: String,
    /// The exchange it restricts; it need not exist yet.
    pub exchange: String,
    /// Routing keys that may be published with.
    pub write: String,
    /// Routing keys that may be bound with.
    pub read: String,
}

/// A durable exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The virtual host it is in.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// Its type as the client spelled it: `direct`, `fanout`, `topic`, …
    pub kind: String,
    /// Whether it outlives a restart.
    pub durable: bool,
    /// Whether it goes when its last binding goes.
    pub auto_delete: bool,
    /// Whether clients are kept from publishing to it.
    pub internal: bool,
    /// The declared arguments, an encoded field table.
    pub arguments: Vec<u8>,
    /// The account that declared it; `None` once that account is deleted.
    pub owner: Option<String>,
}

/// How a queue keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// A queue whose messages leave when settled.
    Classic,
    /// A durable queue with a delivery limit.
    Quorum,
    /// A log that many consumers read without removing anything.
    Stream,
}

/// A durable queue. Exclusive queues go with their connection and never get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The number under which the message log knows it.
    ///
    /// Units: `0..=i64::MAX`.
    pub id: u64,
    /// The virtual host it is in.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// How it keeps its messages.
    pub kind: QueueKind,
    /// Whether it outlives a restart.
    pub durable: bool,
    /// Whether it goes when its last consumer goes.
    pub auto_delete: bool,
    /// The declared arguments, an encoded field table.
    pub arguments: Vec<u8>,
    /// The account that declared it; `None` once that account is deleted, so
    /// that a later account of the same name inherits nothing.
    pub owner: Option<String>,
}

/// How far a group has read a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamGroup {
    /// The stream's number.
    pub queue: u64,
    /// The group's name.
    pub name: String,
    /// The first offset that is not done with.
    pub next_offset: u64,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// Another exchange.
    Exchange,
}

/// A rule that leads messages from an exchange to a queue or another exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The virtual host of both ends.
    pub vhost: String,
    /// The exchange that messages come from.
    pub source: String,
    /// What `destination` names.
    pub destination_kind: DestinationKind,
    /// The queue or exchange that messages go to.
    pub destination: String,
    /// The binding key. Bytes, because AMQP does not ask for UTF-8 here.
    pub routing_key: Vec<u8>,
    /// The arguments, an encoded field table.
    pub arguments: Vec<u8>,
}

/// What a policy applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApplyTo {
    /// Queues and exchanges.
    All,
    /// Exchanges.
    Exchanges,
    /// Queues and streams.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
}

/// Settings for all queues and exchanges whose name matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The virtual host it applies to.
    pub vhost: String,
    /// Its name.
    pub name: String,
    /// The regular expression that names are matched against.
    pub pattern: String,
    /// What it applies to.
    pub apply_to: ApplyTo,
    /// The highest one that matches wins.
    pub priority: i64,
    /// The settings, a JSON object as text.
    pub definition: String,
}

/// Everything in the directory at one moment, but for the audit log.
///
/// Shape: bindings and exchanges in the order of their declaration; queues and
/// webhooks by id; sessions by login, then by age, the oldest first; invitations
/// by age, too; grants by virtual host, resource, name and login; queue keys by
/// virtual host, queue and id; the rest by name, after their virtual host if
/// they are in one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The virtual hosts.
    pub vhosts: Vec<VirtualHost>,
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The permissions.
    pub permissions: Vec<Permission>,
    /// The topic permissions.
    pub topic_permissions: Vec<TopicPermission>,
    /// The exchanges.
    pub exchanges: Vec<Exchange>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// The bindings.
    pub bindings: Vec<Binding>,
    /// The policies.
    pub policies: Vec<Policy>,
    /// The server's own values by key.
    pub parameters: BTreeMap<String, String>,
    /// The sessions.
    pub sessions: Vec<Session>,
    /// The invitations.
    pub invitations: Vec<Invitation>,
    /// The grants.
    pub grants: Vec<Grant>,
    /// The keys of queues.
    pub queue_keys: Vec<QueueKey>,
    /// The quotas.
    pub quotas: Vec<Quota>,
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
    /// How far groups have read streams, by stream and name.
    pub stream_groups: Vec<StreamGroup>,
}

impl QueueKind {
    /// The word that names it in the database and in `x-queue-type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// Reads [`QueueKind::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Classic, Self::Quorum, Self::Stream]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl DestinationKind {
    /// The word that names it in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }

    /// Reads [`DestinationKind::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Queue, Self::Exchange]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl ApplyTo {
    /// The word that names it in the database and in RabbitMQ's tools.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }

    /// Reads [`ApplyTo::as_str`]'s word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::All,
            Self::Exchanges,
            Self::Queues,
            Self::ClassicQueues,
            Self::QuorumQueues,
            Self::Streams,
        ]
        .into_iter()
        .find(|apply_to| apply_to.as_str() == word)
    }
}
