//! The changes that the directory can make durable.

use crate::model::{Account, Binding, Exchange, Permission, Policy, Queue, TopicPermission};

/// One modification of the directory.
///
/// Declaring what is already there in the same form and removing what is
/// already gone succeed without effect, except for virtual hosts and accounts:
/// there a person acts, and is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a virtual host. Refused if it exists.
    VhostAdded {
        /// Its name.
        name: String,
    },
    /// Deletes a virtual host and everything in it. Refused if it is missing.
    VhostDeleted {
        /// Its name.
        name: String,
    },
    /// Adds an account. Refused if the login is taken or malformed.
    AccountAdded(Account),
    /// Replaces an account's password. Refused if it is missing.
    AccountPassword {
        /// The account.
        login: String,
        /// The new password as a PHC string.
        password_hash: String,
    },
    /// Replaces an account's tags. Refused if it is missing.
    AccountTags {
        /// The account.
        login: String,
        /// The new tags.
        tags: Vec<String>,
    },
    /// Deletes an account and its permissions; its queues stay, without an
    /// owner. Refused if it is missing.
    AccountDeleted {
        /// The account.
        login: String,
    },
    /// Sets or replaces an account's permission in a virtual host.
    PermissionSet(Permission),
    /// Takes an account's permission in a virtual host away, if it has one. Refused
    /// if there is no such account or virtual host.
    PermissionCleared {
        /// The virtual host.
        vhost: String,
        /// The account.
        login: String,
    },
    /// Sets or replaces an account's permission on a topic exchange.
    TopicPermissionSet(TopicPermission),
    /// Takes an account's permissions on one topic exchange, or on all of a
    /// virtual host, away, if it has any. Refused if there is no such account or
    /// virtual host.
    TopicPermissionCleared {
        /// The virtual host.
        vhost: String,
        /// The account.
        login: String,
        /// The exchange, or all of them.
        exchange: Option<String>,
    },
    /// Adds an exchange. Refused if one of that name differs.
    ExchangeDeclared(Exchange),
    /// Deletes an exchange and the bindings at either end of it.
    ExchangeDeleted {
        /// The virtual host.
        vhost: String,
        /// Its name.
        name: String,
    },
    /// Adds a queue. Refused if one of that id or name differs.
    QueueDeclared(Queue),
    /// Deletes a queue and the bindings that lead to it.
    QueueDeleted {
        /// The number it was declared with.
        id: u64,
    },
    /// Adds a binding. Refused if an end of it is missing.
    Bound(Binding),
    /// Removes a binding.
    Unbound(Binding),
    /// Sets or replaces a policy.
    PolicySet(Policy),
    /// Removes a policy. Refused if there is none of that name.
    PolicyCleared {
        /// The virtual host.
        vhost: String,
        /// Its name.
        name: String,
    },
    /// Sets or replaces one of the server's own values.
    ParameterSet {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
}
