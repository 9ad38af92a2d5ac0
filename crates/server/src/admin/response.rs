//! What an operator gets.

use directory::{Refused, Subject};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::page::Page;
use super::request::{Alarm, PolicyTarget};

/// The one response to a request.
///
/// *Shape*: a JSON object whose member `response` names the variant in snake case and whose
/// member `value`, if the variant has one, holds the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "response", content = "value", rename_all = "snake_case")]
pub enum Response {
    /// It is done.
    Done,
    /// The accounts, by name.
    Users(Vec<UserRow>),
    /// The virtual hosts, by name.
    Vhosts(Vec<VhostRow>),
    /// The permissions asked for.
    Permissions {
        /// By virtual host and account.
        permissions: Vec<PermissionRow>,
        /// By virtual host, account and exchange.
        topic_permissions: Vec<TopicPermissionRow>,
    },
    /// Queues.
    Queues(Page<QueueRow>),
    /// Exchanges.
    Exchanges(Page<ExchangeRow>),
    /// Bindings.
    Bindings(Page<BindingRow>),
    /// Connections.
    Connections(Page<ConnectionRow>),
    /// Consumers.
    Consumers(Page<ConsumerRow>),
    /// Policies.
    Policies(Vec<PolicyRow>),
    /// Connections are being closed.
    Closed {
        /// How many.
        connections: u64,
    },
    /// The invitation, which nobody is shown again.
    Invited(Invited),
    /// How the server is.
    Status(Box<Status>),
    /// It was not done.
    Error {
        /// The kind, for programs.
        code: ErrorCode,
        /// What is wrong and what to do, for people.
        message: String,
    },
}

impl Response {
    /// Builds an error.
    pub fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Error {
            code,
            message: message.into(),
        }
    }

    /// Builds the error for something that does not exist, in the directory's words.
    pub(crate) fn not_found(subject: Subject, name: &str) -> Self {
        let refused = Refused::NotFound {
            subject,
            name: name.to_owned(),
        };
        Self::error(ErrorCode::NotFound, refused.to_string())
    }
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// What the request names does not exist.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// The request or a value in it is wrong.
    Invalid,
    /// The rules forbid it.
    Refused,
    /// Not now: the server starts, stops, or is too busy.
    Unavailable,
    /// The server or its disk failed; its log says more.
    Failed,
}

/// An invitation that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// What whoever is invited shows.
    pub code: String,
    /// Where a browser follows it; absent if HTTP listens nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How many accounts may be made with it.
    pub uses: u32,
    /// Until when it holds, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl std::fmt::Debug for Invited {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Invited");
        shown.field("uses", &self.uses);
        shown.field("expires_ms", &self.expires_ms);
        shown.finish_non_exhaustive()
    }
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The name.
    pub login: String,
    /// Its roles.
    pub tags: Vec<String>,
}

/// One virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VhostRow {
    /// The name.
    pub name: String,
}

/// What one account may do in one virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionRow {
    /// The virtual host.
    pub vhost: String,
    /// The account.
    pub login: String,
    /// Pattern of what it may declare and delete.
    pub configure: String,
    /// Pattern of what it may publish to and bind.
    pub write: String,
    /// Pattern of what it may consume, purge and bind from.
    pub read: String,
}

/// Which routing keys one account may use with one topic exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermissionRow {
    /// The virtual host.
    pub vhost: String,
    /// The account.
    pub login: String,
    /// The exchange.
    pub exchange: String,
    /// Pattern of routing keys that it may publish.
    pub write: String,
    /// Pattern of binding keys that it may bind.
    pub read: String,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The virtual host.
    pub vhost: String,
    /// The name.
    pub name: String,
    /// `classic`, `quorum` or `stream`.
    pub kind: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Whether it belongs to one connection.
    pub exclusive: bool,
    /// The arguments of its declaration.
    pub arguments: Value,
    /// Messages that wait for a consumer.
    pub messages_ready: u64,
    /// Messages delivered and not yet acknowledged.
    pub messages_unacked: u64,
    /// Consumers.
    pub consumers: u64,
    /// Bodies of its messages, in bytes.
    pub message_bytes: u64,
    /// `running`, `idle`, or what keeps it.
    pub state: String,
    /// The policy that applies.
    #[serde(default)]
    pub policy: Option<String>,
}

/// One exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExchangeRow {
    /// The virtual host.
    pub vhost: String,
    /// The name; empty = the default exchange.
    pub name: String,
    /// `direct`, `fanout`, `topic`, `headers` or `x-consistent-hash`.
    pub kind: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients may not publish to it.
    pub internal: bool,
    /// The arguments of its declaration.
    pub arguments: Value,
    /// The policy that applies.
    #[serde(default)]
    pub policy: Option<String>,
}

/// One binding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BindingRow {
    /// The virtual host.
    pub vhost: String,
    /// The exchange that messages come from.
    pub source: String,
    /// `queue` or `exchange`.
    pub destination_kind: String,
    /// What messages go to.
    pub destination: String,
    /// The routing key or pattern.
    pub routing_key: String,
    /// The arguments of the binding.
    pub arguments: Value,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// The number by which it can be closed.
    pub id: u64,
    /// The client's address.
    pub peer: String,
    /// The listener: `amqp` or `amqps`.
    pub listener: String,
    /// The account, once logged in.
    pub login: Option<String>,
    /// The virtual host, once opened.
    pub vhost: Option<String>,
    /// The name that the client gives itself (`connection_name`).
    pub name: Option<String>,
    /// The client library and its version, as it says.
    pub client: Option<String>,
    /// Open channels.
    pub channels: u64,
    /// Seconds since it was accepted.
    pub age_s: u64,
    /// `handshake`, `running`, `blocked` or `closing`.
    pub state: String,
}

/// One consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerRow {
    /// The virtual host.
    pub vhost: String,
    /// The queue.
    pub queue: String,
    /// The consumer tag.
    pub tag: String,
    /// The connection's number.
    pub connection: u64,
    /// The channel's number.
    pub channel: u16,
    /// Messages that it may hold unacknowledged; 0 = any number.
    pub prefetch: u64,
    /// Whether it must acknowledge.
    pub ack_required: bool,
    /// Whether it is the queue's only one by its own wish.
    pub exclusive: bool,
    /// Whether it gets messages, or waits for its turn (single active consumer).
    pub active: bool,
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// The virtual host.
    pub vhost: String,
    /// The policy's name.
    pub name: String,
    /// Which names it applies to.
    pub pattern: String,
    /// Which kinds of things it applies to.
    pub apply_to: PolicyTarget,
    /// The greatest applies where several match.
    pub priority: i64,
    /// The arguments that it gives.
    pub definition: Value,
}

/// How the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the server.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// What listens where: `("amqp", "127.0.0.1:5672")`.
    pub listeners: Vec<(String, String)>,
    /// How much there is of what.
    pub counts: Counts,
    /// Alarms that pause publishers.
    pub alarms: Vec<Alarm>,
    /// Memory of the process, in bytes.
    pub memory_bytes: u64,
    /// Free space of the data directory's disk, in bytes.
    pub disk_free_bytes: u64,
}

/// How much there is of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Open connections.
    pub connections: u64,
    /// Open channels.
    pub channels: u64,
    /// Consumers.
    pub consumers: u64,
    /// Queues.
    pub queues: u64,
    /// Exchanges.
    pub exchanges: u64,
    /// Messages that wait for a consumer.
    pub messages_ready: u64,
    /// Messages delivered and not yet acknowledged.
    pub messages_unacked: u64,
}
