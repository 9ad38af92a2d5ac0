//! Who may do what: the one set of rules for every door.
//!
//! A right on a queue or an exchange comes from RabbitMQ-style patterns over names, from a grant on the single name, or from owning what
//! has it, which counts for members alone: a service that declares something has what its patterns give, as in RabbitMQ. Whoever logged
//! in with a queue's key has what that gives and nothing else.
//!
//! Start reading at [`Access::may`]; [`crate::topology::Vhost::check`] asks it with the owner filled in. It must never tell whoever lacks
//! a right whether the thing exists: the refusal says the same in both cases.

mod grant;
mod pattern;

use std::sync::Arc;

use crate::topology::{Exchange, QueueEntry};
use crate::{Name, Refusal};

pub use grant::{Grants, QueueKey, Rights};
pub use pattern::Pattern;

/// The three rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Declare, rename, delete.
    Configure,
    /// Publish to, bind as a destination.
    Write,
    /// Consume from, bind as a source, purge.
    Read,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Configure, Self::Write, Self::Read];

    const fn name(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// What a name stands for, in refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl Resource {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        }
    }

    /// The name that rights are asked for: the default exchange's is empty, which no pattern could tell from none.
    fn known_as(self, name: &str) -> &str {
        match self {
            Self::Exchange if name.is_empty() => "amq.default",
            Self::Exchange | Self::Queue => name,
        }
    }
}

/// Rights on routing keys of one topic exchange.
#[derive(Debug, Clone)]
pub struct TopicAccess {
    /// The exchange they concern.
    pub exchange: String,
    /// Keys that may be published with.
    pub write: Pattern,
    /// Keys that may be bound with.
    pub read: Pattern,
}

/// What a login is beyond its rights on names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Office {
    /// Nothing more.
    #[default]
    None,
    /// An administrator of the server.
    Administrator,
    /// The server itself: it may do everything, and alone publishes to the bindings of the exchange `chat`.
    Server,
}

/// The rights of one login in one virtual host.
#[derive(Debug, Clone)]
pub struct Access {
    /// The account, or what a login by key is called.
    pub login: Name,
    /// The virtual host.
    pub vhost: Name,
    /// Names that it may configure.
    pub configure: Pattern,
    /// Names that it may write.
    pub write: Pattern,
    /// Names that it may read.
    pub read: Pattern,
    /// Rights on routing keys; an exchange without an entry is open.
    pub topics: Vec<TopicAccess>,
    /// The account may name others in the user-id property.
    pub impersonator: bool,
    /// The account is a member: it may take names that nobody has, and has every right on what it owns.
    pub is_member: bool,
    /// Rights on single names.
    pub grants: Arc<Grants>,
    /// The login is no account but holds a queue's key: nothing else counts.
    pub key: Option<QueueKey>,
    /// What it is beyond that.
    pub office: Office,
}

impl Access {
    /// The rights of the server itself in a virtual host.
    #[must_use]
    pub fn of_server(login: Name, vhost: Name) -> Self {
        let [configure, write, read] = [Pattern::NOTHING; 3];
        Self {
            login,
            vhost,
            configure,
            write,
            read,
            topics: Vec::new(),
            impersonator: true,
            is_member: false,
            grants: Arc::default(),
            key: None,
            office: Office::Server,
        }
    }

    /// The same account with nothing that it may do.
    #[must_use]
    pub fn without_rights(&self) -> Self {
        let [configure, write, read] = [Pattern::NOTHING; 3];
        Self {
            configure,
            write,
            read,
            is_member: false,
            grants: Arc::default(),
            office: Office::None,
            key: self.key.as_ref().map(|key| QueueKey {
                write: false,
                read: false,
                ..key.clone()
            }),
            ..self.clone()
        }
    }

    /// Says whether a right is given on a name whose owner, if anything has the name, is `owner`.
    #[must_use]
    pub fn may(&self, right: Right, resource: Resource, name: &str, owner: Option<&str>) -> bool {
        if let Some(key) = &self.key {
            return key.opens(right, resource, name);
        }
        if self.office == Office::Server {
            return true;
        }
        let pattern = match right {
            Right::Configure => &self.configure,
            Right::Write => &self.write,
            Right::Read => &self.read,
        };
        let known_as = resource.known_as(name);
        pattern.matches(known_as)
            || self.grants.rights(resource, known_as).include(right)
            || (self.is_member && owner == Some(&*self.login))
    }

    /// Says whether the account has what RabbitMQ's have and no more: patterns and grants, without owning anything.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        !self.is_member && self.key.is_none()
    }

    /// Says whether the login is an account's, and not that of a queue's key.
    #[must_use]
    pub const fn is_account(&self) -> bool {
        self.key.is_none()
    }

    /// Says whether the login may publish to a queue that exists through the default exchange although it may not write to that exchange.
    ///
    /// A pattern for the queue counts for members: to services, as in RabbitMQ, the default exchange is one like any other.
    #[must_use]
    pub fn may_address(&self, queue: &str, owner: Option<&str>) -> bool {
        if self.is_service() {
            self.grants.rights(Resource::Queue, queue).write
        } else {
            self.may(Right::Write, Resource::Queue, queue, owner)
        }
    }

    /// Says whether the account sees a queue in listings: whoever has any right on it does.
    #[must_use]
    pub fn sees_queue(&self, queue: &QueueEntry) -> bool {
        self.has_any(Resource::Queue, queue.known_as(), queue.owner.as_deref())
    }

    /// Says whether the account sees an exchange in listings: whoever has any right on it does.
    #[must_use]
    pub fn sees_exchange(&self, exchange: &Exchange) -> bool {
        if exchange.is_chat() && self.is_account() {
            return true;
        }
        self.has_any(
            Resource::Exchange,
            &exchange.name,
            exchange.owner.as_deref(),
        )
    }

    fn has_any(&self, resource: Resource, name: &str, owner: Option<&str>) -> bool {
        Right::ALL
            .into_iter()
            .any(|right| self.may(right, resource, name, owner))
    }

    /// Checks one right on a name whose owner, if anything has the name, is `owner`.
    ///
    /// # Errors
    /// `AccessRefused`, naming the right, the resource and the account.
    pub fn check(
        &self,
        right: Right,
        resource: Resource,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.may(right, resource, name, owner) {
            return Ok(());
        }
        Err(self.refusal(right, resource, name))
    }

    /// Checks that there is any of the three rights.
    ///
    /// # Errors
    /// `AccessRefused`, naming the right to configure, the resource and the account.
    pub fn check_any(
        &self,
        resource: Resource,
        name: &str,
        owner: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.has_any(resource, name, owner) {
            return Ok(());
        }
        Err(self.refusal(Right::Configure, resource, name))
    }

    /// What whoever lacks a right is told, whether the thing exists or not.
    pub(crate) fn refusal(&self, right: Right, resource: Resource, name: &str) -> Refusal {
        Refusal::access(format!(
            "{} access to {} '{}' in vhost '{}' refused for user '{}'",
            right.name(),
            resource.name(),
            resource.known_as(name),
            self.vhost,
            self.login
        ))
    }

    /// Checks a routing key on a topic exchange.
    ///
    /// # Errors
    /// `AccessRefused`, naming the key, the exchange and the account.
    pub fn check_topic(
        &self,
        right: Right,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), Refusal> {
        let Some(topic) = self.topics.iter().find(|topic| topic.exchange == exchange) else {
            return Ok(());
        };
        let pattern = if right == Right::Write {
            &topic.write
        } else {
            &topic.read
        };
        if pattern.matches(routing_key) {
            return Ok(());
        }
        Err(Refusal::access(format!(
            "{} access to topic '{routing_key}' in exchange '{exchange}' in vhost '{}' refused for user '{}'",
            right.name(),
            self.vhost,
            self.login
        )))
    }
}
