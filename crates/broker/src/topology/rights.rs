//! The rules of access over what exists: who owns a name, and who may take one.
//!
//! Rights come before existence, everywhere: whoever lacks a right on a name hears the same whether anything has it or not.

use super::{Actor, Exchange, QueueEntry, Topology, Vhost, is_reserved};
use crate::access::{Access, Resource, Right};
use crate::{Name, Refusal};

impl Vhost {
    /// Checks one right of an actor on a name, whether or not anything has it.
    ///
    /// # Errors
    /// `AccessRefused`, the same for what does not exist.
    pub fn check(
        &self,
        right: Right,
        resource: Resource,
        name: &str,
        actor: &Actor<'_>,
    ) -> Result<(), Refusal> {
        let Some(access) = actor.access else {
            return Ok(());
        };
        let known_as = match resource {
            Resource::Queue => self.queue_known_as(name),
            Resource::Exchange if right != Right::Configure && self.may_chat(name, access) => {
                return Ok(());
            }
            Resource::Exchange => name,
        };
        access.check(right, resource, known_as, self.owner_of(resource, name))
    }

    /// Finds a queue that `actor` may use in the way of `right`.
    ///
    /// # Errors
    /// `AccessRefused` without the right, whether or not there is such a queue; `NotFound`; `ResourceLocked` when it is exclusive to
    /// another connection.
    pub fn usable_queue(
        &self,
        name: &str,
        right: Right,
        actor: &Actor<'_>,
    ) -> Result<&QueueEntry, Refusal> {
        self.check(right, Resource::Queue, name, actor)?;
        self.unlocked_queue(name, actor)
    }

    /// Finds a queue that `actor` has any right on, as a passive declaration does.
    ///
    /// # Errors
    /// As [`Self::usable_queue`].
    pub fn visible_queue(&self, name: &str, actor: &Actor<'_>) -> Result<&QueueEntry, Refusal> {
        if let Some(access) = actor.access {
            let owner = self.owner_of(Resource::Queue, name);
            access.check_any(Resource::Queue, self.queue_known_as(name), owner)?;
        }
        self.unlocked_queue(name, actor)
    }

    pub(super) fn unlocked_queue(
        &self,
        name: &str,
        actor: &Actor<'_>,
    ) -> Result<&QueueEntry, Refusal> {
        let entry = self
            .queues
            .get(name)
            .ok_or_else(|| Refusal::no_queue(name, &self.name))?;
        match entry.exclusive {
            Some(owner) if owner != actor.connection && actor.access.is_some() => {
                Err(Refusal::locked(name, &self.name))
            }
            _ => Ok(entry),
        }
    }

    pub(super) fn owner_of(&self, resource: Resource, name: &str) -> Option<&str> {
        let owner = match resource {
            Resource::Queue => self.queue(name)?.owner.as_ref(),
            Resource::Exchange => self.exchange(name)?.owner.as_ref(),
        };
        owner.map(|owner| &**owner)
    }

    fn exists(&self, resource: Resource, name: &str) -> bool {
        match resource {
            Resource::Queue => self.queue(name).is_some(),
            Resource::Exchange => self.exchange(name).is_some(),
        }
    }
}

/// A name that an actor wishes to declare, and who will own it if that is allowed.
pub(super) struct Claim<'a> {
    access: &'a Access,
    host: &'a Vhost,
    resource: Resource,
    name: &'a str,
    owner: Option<&'a str>,
}

impl<'a> Claim<'a> {
    /// Checks that the actor may declare the name: what exists by its rights on it, what does not by its patterns or, as a member, because
    /// nobody has it yet. `None` is the server, which may do everything.
    ///
    /// # Errors
    /// `AccessRefused`, the same for a name that is another's and for one that is the broker's own.
    pub(super) fn check(
        host: &'a Vhost,
        resource: Resource,
        name: &'a str,
        is_generated: bool,
        actor: &Actor<'a>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(access) = actor.access else {
            return Ok(None);
        };
        let owner = if host.exists(resource, name) {
            host.owner_of(resource, name)
        } else if is_generated || !is_reserved(name) {
            Some(&*access.login)
        } else {
            None
        };
        let known_as = match resource {
            Resource::Queue => host.queue_known_as(name),
            Resource::Exchange => name,
        };
        access.check(Right::Configure, resource, known_as, owner)?;
        Ok(Some(Self {
            access,
            host,
            resource,
            name,
            owner,
        }))
    }

    /// Checks that what dies in a queue, or finds no way through an exchange, may be taken from it and go to another exchange.
    ///
    /// `key` is the key that all of it gets. A member who may not write to the default exchange may name it with the key of a queue that it
    /// may write: any other key would lead to the queues of others.
    ///
    /// # Errors
    /// `AccessRefused` without read here or write there.
    pub(super) fn check_outlet(&self, exchange: &str, key: Option<&str>) -> Result<(), Refusal> {
        let Self {
            access,
            host,
            resource,
            name,
            owner,
        } = *self;
        access.check(Right::Read, resource, name, owner)?;
        host.check_no_outlet(exchange)?;
        if let Some(key) = key.filter(|_| exchange.is_empty()) {
            let is_own = resource == Resource::Queue && key == name;
            let target = if is_own {
                Some(owner)
            } else {
                host.queue(key).map(|queue| queue.owner.as_deref())
            };
            if target.is_some_and(|owner| access.may_address(key, owner)) {
                return Ok(());
            }
        }
        let is_own = resource == Resource::Exchange && exchange == name;
        let target = if is_own {
            owner
        } else {
            host.owner_of(Resource::Exchange, exchange)
        };
        access.check(Right::Write, Resource::Exchange, exchange, target)
    }
}

impl Topology {
    /// Takes a deleted account's name from what it owned, so that a later account of that name inherits nothing.
    pub fn disown(&mut self, login: &str) {
        let is_theirs = |owner: &mut Option<Name>| owner.as_deref() == Some(login);
        #[expect(clippy::disallowed_methods, reason = "each is changed for itself")]
        for host in self.vhosts.values_mut() {
            let queues = host
                .queues
                .values_mut()
                .map(|queue: &mut QueueEntry| &mut queue.owner);
            let exchanges = host
                .exchanges
                .values_mut()
                .map(|exchange: &mut Exchange| &mut exchange.owner);
            for owner in queues.chain(exchanges) {
                if is_theirs(owner) {
                    *owner = None;
                }
            }
        }
        // What connections learnt with the rights of an owner is void.
        self.version += 1;
    }
}
