//! The changes that the directory can make durable.

use crate::model::{
    Account, AuditRecord, Binding, Exchange, Grant, Invitation, Permission, Policy, Profile, Queue,
    QueueKey, Quota, ResourceKind, Role, Session, StreamGroup, TopicPermission, Webhook,
};

/// One modification of the directory.
///
/// Declaring what is already there in the same form and removing what is
/// already gone succeed without effect, except for virtual hosts and accounts:
/// there a person acts, and is told. What has a secret is never added twice.
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
    /// Adds an account. Refused if its login is taken or malformed, or if its
    /// role and its tags contradict each other.
    AccountAdded(Account),
    /// Replaces an account's password and ends its sessions. Refused if it is
    /// missing.
    AccountPassword {
        /// The account.
        login: String,
        /// The new password as a PHC string.
        password_hash: String,
    },
    /// Stores an account's password in another form; its sessions go on. Without
    /// effect if the password has been replaced meanwhile, or the account is gone.
    AccountRehashed {
        /// The account.
        login: String,
        /// What is stored for the password now.
        old_hash: String,
        /// The same password as a PHC string.
        new_hash: String,
    },
    /// Replaces an account's tags; its role follows, see
    /// [`Account::set_tags`]. Refused if it is missing, or the last
    /// administrator and would be none.
    AccountTags {
        /// The account.
        login: String,
        /// The new tags.
        tags: Vec<String>,
    },
    /// Replaces an account's role; its tags follow, see
    /// [`Account::set_role`]. Refused if it is missing, or the last
    /// administrator and would be none.
    AccountRole {
        /// The account.
        login: String,
        /// The new role.
        role: Role,
    },
    /// Replaces an account's profile. Refused if it is missing.
    AccountProfile {
        /// The account.
        login: String,
        /// The new profile.
        profile: Profile,
    },
    /// Deletes an account and its permissions, sessions, invitations, grants,
    /// webhooks and quota; its queues, exchanges and queue keys stay, without an
    /// owner. Refused if it is missing, or the last administrator.
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
    /// Deletes an exchange, its grants and the bindings at either end of it.
    ExchangeDeleted {
        /// The virtual host.
        vhost: String,
        /// Its name.
        name: String,
    },
    /// Adds a queue. Refused if one of that id or name differs.
    QueueDeclared(Queue),
    /// Gives a queue another name; the bindings that lead to it, its grants,
    /// keys and webhooks follow. Refused if it is missing or the name is taken.
    QueueRenamed {
        /// The number it was declared with.
        id: u64,
        /// The new name.
        name: String,
    },
    /// Deletes a queue, its grants, keys and webhooks, and the bindings that
    /// lead to it.
    QueueDeleted {
        /// The number it was declared with.
        id: u64,
    },
    /// Notes how far a group has read a stream; nothing if the stream is gone.
    StreamGroupSet(StreamGroup),
    /// Forgets a group of a stream.
    StreamGroupDeleted {
        /// The stream's number.
        queue: u64,
        /// The group's name.
        name: String,
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
    /// Adds a session. Refused if its id or token is another's.
    ///
    /// An account that has [`crate::limits::SESSIONS_PER_LOGIN_MAX`] already loses
    /// the oldest: the lowest `created_ms`, of equal ones the lowest id.
    SessionAdded(Session),
    /// Ends a session.
    SessionEnded {
        /// Which.
        id: String,
    },
    /// Ends the sessions of an account.
    SessionsEnded {
        /// The account.
        login: String,
        /// The session that goes on, for example the one that asks.
        except: Option<String>,
    },
    /// Notes that a session is in use. Without effect if it has ended.
    SessionSeen {
        /// Which.
        id: String,
        /// When.
        last_seen_ms: u64,
        /// Until when it holds from now on.
        expires_ms: u64,
    },
    /// Ends the sessions that have expired: those with `expires_ms <= now_ms`.
    SessionsExpired {
        /// The time.
        now_ms: u64,
    },
    /// Adds an invitation. Refused if its code is another's.
    InvitationAdded(Invitation),
    /// Takes one use off an invitation, and removes it with the last. Refused if
    /// there is none, or `expires_ms <= now_ms`.
    InvitationUsed {
        /// The code's hash.
        code_hash: [u8; 32],
        /// The time.
        now_ms: u64,
    },
    /// Deletes an invitation.
    InvitationDeleted {
        /// The code's hash.
        code_hash: [u8; 32],
    },
    /// Sets or replaces what an account may do with a queue or an exchange.
    GrantSet(Grant),
    /// Takes an account's grant away, if it has one. Refused if there is no such
    /// account or virtual host.
    GrantCleared {
        /// The virtual host.
        vhost: String,
        /// What `name` names.
        resource: ResourceKind,
        /// The queue or exchange.
        name: String,
        /// The account.
        login: String,
    },
    /// Adds a key to a queue. Refused if its id or secret is another's.
    QueueKeyAdded(QueueKey),
    /// Deletes a key.
    QueueKeyDeleted {
        /// Which.
        id: String,
    },
    /// Sets or replaces an account's quota.
    QuotaSet(Quota),
    /// Takes an account's quota away, if it has one. Refused if the account is
    /// missing.
    QuotaCleared {
        /// The account.
        login: String,
    },
    /// Adds a webhook, or replaces the one of its id.
    WebhookSet(Webhook),
    /// Deletes a webhook.
    WebhookDeleted {
        /// Which.
        id: String,
    },
    /// Adds an entry to the audit log, with the next number.
    AuditAdded(AuditRecord),
    /// Removes the entries of the audit log below a number.
    AuditTrimmed {
        /// The lowest number to keep.
        before_id: u64,
    },
}
