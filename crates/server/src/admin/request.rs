//! What an operator may ask.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::page::PageRequest;

/// One request of an operator.
///
/// *Shape*: a JSON object whose member `request` names the variant in snake case; unknown
/// variants and members are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "request",
    rename_all = "snake_case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub enum Request {
    /// Makes an account.
    UserAdd {
        /// The name.
        login: String,
        /// The password.
        password: Password,
        /// Roles, as in RabbitMQ (`administrator`, `monitoring`, `impersonator`...).
        #[serde(default)]
        tags: Vec<String>,
        /// Virtual hosts in which the account may do everything.
        #[serde(default)]
        full_access: Vec<String>,
    },
    /// Lists the accounts.
    UserList,
    /// Sets the password of an account.
    UserPassword {
        /// The account.
        login: String,
        /// The new password.
        password: Password,
    },
    /// Replaces the tags of an account.
    UserTags {
        /// The account.
        login: String,
        /// All its tags from now on.
        tags: Vec<String>,
    },
    /// Deletes an account; its connections are closed.
    UserDelete {
        /// The account.
        login: String,
    },
    /// Makes a virtual host.
    VhostAdd {
        /// The name.
        name: String,
    },
    /// Deletes a virtual host with everything in it.
    VhostDelete {
        /// The name.
        name: String,
    },
    /// Lists the virtual hosts.
    VhostList,
    /// Sets what an account may do in a virtual host, by patterns of names.
    PermissionSet {
        /// The account.
        login: String,
        /// The virtual host.
        vhost: String,
        /// What it may declare and delete.
        configure: String,
        /// What it may publish to and bind.
        write: String,
        /// What it may consume, purge and bind from.
        read: String,
    },
    /// Takes all rights of an account in a virtual host.
    PermissionClear {
        /// The account.
        login: String,
        /// The virtual host.
        vhost: String,
    },
    /// Lists permissions, of one account or in one virtual host if given.
    PermissionList {
        /// The account.
        #[serde(default)]
        login: Option<String>,
        /// The virtual host.
        #[serde(default)]
        vhost: Option<String>,
    },
    /// Sets which routing keys an account may use with a topic exchange.
    TopicPermissionSet {
        /// The account.
        login: String,
        /// The virtual host.
        vhost: String,
        /// The exchange.
        exchange: String,
        /// Routing keys that it may publish.
        write: String,
        /// Binding keys that it may bind.
        read: String,
    },
    /// Clears topic permissions: for one exchange, or all of the account in the virtual host.
    TopicPermissionClear {
        /// The account.
        login: String,
        /// The virtual host.
        vhost: String,
        /// The exchange.
        #[serde(default)]
        exchange: Option<String>,
    },
    /// Lists queues with their counts.
    QueueList {
        /// Only in this virtual host.
        #[serde(default)]
        vhost: Option<String>,
        /// Which part of the list.
        #[serde(default)]
        page: PageRequest,
    },
    /// Lists exchanges.
    ExchangeList {
        /// Only in this virtual host.
        #[serde(default)]
        vhost: Option<String>,
        /// Which part of the list.
        #[serde(default)]
        page: PageRequest,
    },
    /// Lists bindings.
    BindingList {
        /// Only in this virtual host.
        #[serde(default)]
        vhost: Option<String>,
        /// Which part of the list.
        #[serde(default)]
        page: PageRequest,
    },
    /// Lists open connections.
    ConnectionList {
        /// Which part of the list.
        #[serde(default)]
        page: PageRequest,
    },
    /// Closes connections with reply code 320.
    ConnectionClose {
        /// Which ones.
        target: ConnectionTarget,
        /// What the client is told.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Lists consumers.
    ConsumerList {
        /// Only in this virtual host.
        #[serde(default)]
        vhost: Option<String>,
        /// Which part of the list.
        #[serde(default)]
        page: PageRequest,
    },
    /// Sets a policy.
    PolicySet {
        /// The virtual host.
        vhost: String,
        /// The policy's name.
        name: String,
        /// Which names it applies to.
        pattern: String,
        /// Which kinds of things it applies to.
        apply_to: PolicyTarget,
        /// The greatest applies where several match.
        priority: i64,
        /// The arguments that it gives, as a JSON object.
        definition: serde_json::Map<String, serde_json::Value>,
    },
    /// Clears a policy.
    PolicyClear {
        /// The virtual host.
        vhost: String,
        /// The policy's name.
        name: String,
    },
    /// Lists policies.
    PolicyList {
        /// Only in this virtual host.
        #[serde(default)]
        vhost: Option<String>,
    },
    /// Raises an alarm by hand, which pauses publishers until it is cleared.
    AlarmSet {
        /// Which one.
        alarm: Alarm,
    },
    /// Clears an alarm that was raised by hand.
    AlarmClear {
        /// Which one.
        alarm: Alarm,
    },
    /// Makes an invitation, in the name of the oldest administrator.
    Invite {
        /// How many accounts may be made with it; one if absent.
        #[serde(default)]
        uses: Option<u32>,
        /// For how many milliseconds it holds; a week if absent, a day for administrators.
        #[serde(default)]
        ttl_ms: Option<u64>,
        /// Whether these accounts are administrators.
        #[serde(default)]
        administrator: bool,
    },
    /// Loads the TLS certificates again.
    Reload,
    /// Asks how the server is.
    Status,
}

/// A password on its way to be hashed; its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(password)
    }

    /// Gives the password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// Which connections to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionTarget {
    /// Every open connection.
    All,
    /// The connection with this number in the list.
    Id(u64),
}

/// A reason to pause publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// The process uses too much memory.
    Memory,
    /// The disk is nearly full.
    Disk,
}

impl Alarm {
    /// Names the alarm as in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

/// What a policy applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyTarget {
    /// Queues and exchanges.
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of every kind.
    Queues,
    /// Classic queues.
    ClassicQueues,
    /// Quorum queues.
    QuorumQueues,
    /// Streams.
    Streams,
}

impl PolicyTarget {
    /// Names the target as in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::ClassicQueues => "classic_queues",
            Self::QuorumQueues => "quorum_queues",
            Self::Streams => "streams",
        }
    }
}
