//! Declaring and deleting exchanges.

use codec::amqp::field::Table;

use super::rights::Claim;
use super::{Actor, Change, Exchange, Topology, Vhost, check_reserved, clean_name};
use crate::access::{Access, Resource, Right};
use crate::arguments::{check_flag, check_same};
use crate::routing::{ExchangeKind, Matcher};
use crate::{Name, Policy, Refusal, RefusalKind, limits};

/// A wish to declare an exchange.
#[derive(Debug, Clone)]
pub struct ExchangeDeclaration {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ExchangeKind,
    /// It outlives the process.
    pub durable: bool,
    /// It goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// Its arguments.
    pub arguments: Table,
}

impl Exchange {
    pub(super) fn new(
        declaration: ExchangeDeclaration,
        owner: Option<Name>,
        policies: &[Policy],
    ) -> Result<Self, Refusal> {
        let matcher = Matcher::new(declaration.kind, &declaration.arguments)?;
        let alternate = match declaration.arguments.get("alternate-exchange") {
            None => None,
            Some(value) => Some(value.as_str().map(Name::from).ok_or_else(|| {
                Refusal::precondition(format!(
                    "invalid arg 'alternate-exchange' for exchange '{}': it must be a text",
                    declaration.name
                ))
            })?),
        };
        let alternate_by_policy = Policy::for_exchange(policies, &declaration.name)
            .and_then(Policy::alternate_exchange)
            .cloned();
        Ok(Self {
            name: declaration.name.into(),
            kind: declaration.kind,
            durable: declaration.durable,
            auto_delete: declaration.auto_delete,
            internal: declaration.internal,
            arguments: declaration.arguments,
            owner,
            is_chat: false,
            alternate,
            alternate_by_policy,
            bindings: std::collections::BTreeSet::new(),
            matcher,
        })
    }

    /// Where a message goes that no binding takes.
    #[must_use]
    pub fn alternate(&self) -> Option<&Name> {
        self.alternate
            .as_ref()
            .or(self.alternate_by_policy.as_ref())
    }

    fn check_equivalent(&self, wish: &ExchangeDeclaration, vhost: &str) -> Result<(), Refusal> {
        let what = format!("exchange '{}' in vhost '{vhost}'", self.name);
        check_flag("type", self.kind.name(), wish.kind.name(), &what)?;
        if self.is_chat {
            // Clients declare it themselves, as they would any other.
            return Ok(());
        }
        check_flag("durable", self.durable, wish.durable, &what)?;
        check_flag("auto_delete", self.auto_delete, wish.auto_delete, &what)?;
        check_flag("internal", self.internal, wish.internal, &what)?;
        for name in ["alternate-exchange", "hash-header", "hash-property"] {
            check_same(
                name,
                self.arguments.get(name),
                wish.arguments.get(name),
                &what,
            )?;
        }
        Ok(())
    }
}

impl Topology {
    /// Asks whether an exchange exists (passive declaration).
    ///
    /// Services may ask after any exchange, as in RabbitMQ; members and keys need a right on it.
    ///
    /// # Errors
    /// `NotFound`, `AccessRefused`.
    pub fn find_exchange(
        &self,
        vhost: &str,
        name: &str,
        actor: &Actor<'_>,
    ) -> Result<&Exchange, Refusal> {
        let name = clean_name(name);
        let no_exchange = || Refusal::no_exchange(&name, vhost);
        let host = self.vhost(vhost).ok_or_else(no_exchange)?;
        let is_open = |access: &Access| access.is_service() || host.may_chat(&name, access);
        if let Some(access) = actor.access.filter(|access| !is_open(access)) {
            let owner = host.owner_of(Resource::Exchange, &name);
            access.check_any(Resource::Exchange, &name, owner)?;
        }
        host.exchange(&name).ok_or_else(no_exchange)
    }

    /// Declares an exchange; one that exists must be equivalent.
    ///
    /// # Errors
    /// `AccessRefused` without the right or for a reserved name, `PreconditionFailed` when one exists with other properties,
    /// `LimitExceeded` when there are too many.
    ///
    /// # Spec
    /// AMQP 0-9-1 exchange.declare.
    pub fn declare_exchange(
        &mut self,
        vhost: &str,
        mut wish: ExchangeDeclaration,
        actor: &Actor<'_>,
    ) -> Result<(), Refusal> {
        wish.name = clean_name(&wish.name);
        if wish.name.is_empty() {
            return Err(default_exchange_is_fixed());
        }
        let host = self.vhost_mut(vhost)?;
        if actor
            .access
            .is_some_and(|access| host.may_chat(&wish.name, access))
            && let Some(existing) = host.exchanges.get(&*wish.name)
        {
            return existing.check_equivalent(&wish, vhost);
        }
        let claim = Claim::check(host, Resource::Exchange, &wish.name, false, actor)?;
        if let (Some(claim), Some(alternate)) = (
            claim,
            wish.arguments
                .get("alternate-exchange")
                .and_then(|value| value.as_str()),
        ) {
            claim.check_outlet(alternate, None)?;
        }
        if let Some(existing) = host.exchanges.get(&*wish.name) {
            return existing.check_equivalent(&wish, vhost);
        }
        check_reserved(&wish.name, "exchange")?;
        self.insert_exchange(vhost, wish, actor.owner())
    }

    /// Puts back a durable exchange at start.
    ///
    /// # Errors
    /// As [`Self::declare_exchange`], when what is stored makes no sense any more.
    pub fn restore_exchange(
        &mut self,
        vhost: &str,
        wish: ExchangeDeclaration,
        owner: Option<Name>,
    ) -> Result<(), Refusal> {
        if let Some(existing) = self.vhost_mut(vhost)?.exchanges.get(&*wish.name) {
            return existing.check_equivalent(&wish, vhost);
        }
        check_reserved(&wish.name, "exchange")?;
        self.insert_exchange(vhost, wish, owner)
    }

    fn insert_exchange(
        &mut self,
        vhost: &str,
        wish: ExchangeDeclaration,
        owner: Option<Name>,
    ) -> Result<(), Refusal> {
        let host = self.vhost_mut(vhost)?;
        if host.exchanges.len() >= limits::EXCHANGES_MAX {
            return Err(Refusal::new(
                RefusalKind::LimitExceeded,
                format!("vhost '{vhost}' has its limit of exchanges"),
            ));
        }
        let exchange = Exchange::new(wish, owner, &host.policies)?;
        let change = exchange.durable.then(|| Change::ExchangeDeclared {
            vhost: host.name.clone(),
            name: exchange.name.clone(),
            kind: exchange.kind,
            auto_delete: exchange.auto_delete,
            internal: exchange.internal,
            arguments: exchange.arguments.clone(),
            owner: exchange.owner.clone(),
        });
        host.exchanges.insert(exchange.name.clone(), exchange);
        self.changes.extend(change);
        self.version += 1;
        Ok(())
    }

    /// Deletes an exchange with its bindings; one that does not exist is no error.
    ///
    /// # Errors
    /// `AccessRefused` without the right or for the broker's own exchanges; `PreconditionFailed` when `if_unused` is set and bindings
    /// start from it.
    ///
    /// # Spec
    /// AMQP 0-9-1 exchange.delete.
    pub fn delete_exchange(
        &mut self,
        vhost: &str,
        name: &str,
        if_unused: bool,
        actor: &Actor<'_>,
    ) -> Result<(), Refusal> {
        let name = clean_name(name);
        if name.is_empty() {
            return Err(default_exchange_is_fixed());
        }
        let host = self.vhost_mut(vhost)?;
        host.check(Right::Configure, Resource::Exchange, &name, actor)?;
        check_reserved(&name, "exchange")?;
        host.check_not_chat(&name, "deleted", actor)?;
        let Some(exchange) = host.exchanges.get(&*name) else {
            return Ok(());
        };
        if if_unused && !exchange.bindings.is_empty() {
            return Err(Refusal::precondition(format!(
                "exchange '{name}' in vhost '{vhost}' in use"
            )));
        }
        self.remove_exchange(vhost, &name);
        Ok(())
    }

    /// Removes an exchange, the bindings to and from it, and the auto-delete exchanges that lose their last binding by that.
    pub(super) fn remove_exchange(&mut self, vhost: &str, name: &str) {
        let mut doomed = vec![Name::from(name)];
        while let Some(name) = doomed.pop() {
            let Some(host) = self.vhosts.get_mut(vhost) else {
                return;
            };
            let Some(exchange) = host.exchanges.remove(&name) else {
                continue;
            };
            if exchange.durable {
                self.changes.push(Change::ExchangeDeleted {
                    vhost: host.name.clone(),
                    name: name.clone(),
                });
            }
            for binding in &exchange.bindings {
                if let Some(queue) = host
                    .queues
                    .get_mut(binding.destination.name())
                    .filter(|_| !binding.destination.is_exchange())
                {
                    queue.sources.remove(&name);
                }
            }
            let (also_doomed, dropped) = host.drop_bindings_to_exchange(&name);
            self.binding_count -= exchange.bindings.len() + dropped;
            doomed.extend(also_doomed);
        }
        self.version += 1;
    }
}

impl Vhost {
    /// Removes every binding that leads to an exchange; returns the auto-delete exchanges that have none left, and how many went.
    fn drop_bindings_to_exchange(&mut self, gone: &Name) -> (Vec<Name>, usize) {
        let (mut doomed, mut count) = (Vec::new(), 0);
        #[expect(clippy::disallowed_methods, reason = "what comes of it is sorted")]
        for exchange in self.exchanges.values_mut() {
            let leads_there = |binding: &&crate::routing::Binding| {
                binding.destination.is_exchange() && binding.destination.name() == gone
            };
            let dropped: Vec<_> = exchange
                .bindings
                .iter()
                .filter(leads_there)
                .cloned()
                .collect();
            for binding in &dropped {
                exchange.bindings.remove(binding);
                exchange.matcher.remove(binding);
            }
            count += dropped.len();
            if !dropped.is_empty() && exchange.auto_delete && exchange.bindings.is_empty() {
                doomed.push(exchange.name.clone());
            }
        }
        doomed.sort_unstable();
        (doomed, count)
    }
}

pub(super) fn default_exchange_is_fixed() -> Refusal {
    Refusal::access("operation not permitted on the default exchange")
}
