//! Binding and unbinding.

use codec::amqp::field::Table;

use super::exchanges::default_exchange_is_fixed;
use super::{Actor, Change, Topology, Vhost, clean_name};
use crate::access::{Resource, Right};
use crate::routing::{Binding, Destination, ExchangeKind};
use crate::{Name, QueueRef, Refusal, RefusalKind};

/// A binding by the names of its ends.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingView {
    /// The virtual host.
    pub vhost: Name,
    /// The exchange that messages come from.
    pub source: Name,
    /// The queue or exchange that they go to.
    pub destination: Name,
    /// The destination is an exchange.
    pub to_exchange: bool,
    /// The binding's key.
    pub routing_key: Name,
    /// The binding's arguments.
    pub arguments: Table,
}

impl Topology {
    /// Binds a queue or an exchange to an exchange; a binding that exists stays.
    ///
    /// # Errors
    /// `NotFound` for either end, `AccessRefused` without write on the destination and read on the source or on the default exchange,
    /// `PreconditionFailed` for arguments that the exchange's type cannot use, `ResourceLocked` for another connection's exclusive queue.
    ///
    /// # Spec
    /// AMQP 0-9-1 queue.bind; RabbitMQ's exchange.bind.
    pub fn bind(&mut self, wish: BindingView, actor: &Actor<'_>) -> Result<(), Refusal> {
        let wish = clean_ends(wish)?;
        let host = self
            .vhosts
            .get_mut(&wish.vhost)
            .ok_or_else(|| Refusal::no_exchange(&wish.source, &wish.vhost))?;
        host.check_ends(&wish, actor)?;
        host.check_chat(&wish, actor)?;
        let (destination, is_destination_durable) = host.destination(&wish, actor)?;
        let exchange = host
            .exchanges
            .get_mut(&wish.source)
            .ok_or_else(|| Refusal::no_exchange(&wish.source, &wish.vhost))?;
        if let (Some(access), ExchangeKind::Topic) = (actor.access, exchange.kind) {
            access.check_topic(Right::Read, &wish.source, &wish.routing_key)?;
        }
        exchange.matcher.check(&wish.routing_key, &wish.arguments)?;
        let binding = Binding {
            destination,
            routing_key: wish.routing_key.clone(),
            arguments: wish.arguments.to_bytes().into_boxed_slice(),
        };
        if exchange.bindings.contains(&binding) {
            return Ok(());
        }
        if self.binding_count >= self.quotas.bindings && actor.access.is_some() {
            let detail = format!(
                "cannot bind '{}' to exchange '{}': binding limit in cluster ({}) is reached",
                wish.destination, wish.source, self.quotas.bindings
            );
            return Err(Refusal::new(RefusalKind::LimitExceeded, detail));
        }
        exchange.matcher.add(&binding, &wish.arguments);
        exchange.bindings.insert(binding);
        self.binding_count += 1;
        let is_durable = exchange.durable && is_destination_durable;
        if let Some(queue) = host
            .queues
            .get_mut(&wish.destination)
            .filter(|_| !wish.to_exchange)
        {
            queue.sources.insert(wish.source.clone());
        }
        self.version += 1;
        if is_durable {
            self.changes.push(Change::Bound(wish));
        }
        Ok(())
    }

    /// Removes a binding; one that does not exist, or whose ends do not, is no error.
    ///
    /// # Errors
    /// `AccessRefused` and `ResourceLocked` as for [`Self::bind`].
    ///
    /// # Spec
    /// AMQP 0-9-1 queue.unbind; RabbitMQ's exchange.unbind.
    pub fn unbind(&mut self, wish: BindingView, actor: &Actor<'_>) -> Result<(), Refusal> {
        let wish = clean_ends(wish)?;
        let Some(host) = self.vhosts.get_mut(&wish.vhost) else {
            return Ok(());
        };
        host.check_ends(&wish, actor)?;
        let (destination, is_destination_durable) = match host.destination(&wish, actor) {
            Ok(found) => found,
            Err(refusal) if refusal.kind == RefusalKind::NotFound => return Ok(()),
            Err(refusal) => return Err(refusal),
        };
        let Some(exchange) = host.exchanges.get_mut(&wish.source) else {
            return Ok(());
        };
        let binding = Binding {
            destination,
            routing_key: wish.routing_key.clone(),
            arguments: wish.arguments.to_bytes().into_boxed_slice(),
        };
        if !exchange.bindings.remove(&binding) {
            return Ok(());
        }
        self.binding_count -= 1;
        exchange.matcher.remove(&binding);
        let still_bound = exchange
            .bindings
            .iter()
            .any(|other| other.destination == binding.destination);
        let is_spent = exchange.auto_delete && exchange.bindings.is_empty();
        if exchange.durable && is_destination_durable {
            self.changes.push(Change::Unbound(wish.clone()));
        }
        if let Some(queue) = host
            .queues
            .get_mut(&wish.destination)
            .filter(|_| !wish.to_exchange && !still_bound)
        {
            queue.sources.remove(&wish.source);
        }
        self.version += 1;
        if is_spent {
            self.remove_exchange(&wish.vhost, &wish.source);
        }
        Ok(())
    }
}

impl Vhost {
    pub(super) fn check_ends(&self, wish: &BindingView, actor: &Actor<'_>) -> Result<(), Refusal> {
        let resource = if wish.to_exchange {
            Resource::Exchange
        } else {
            Resource::Queue
        };
        self.check(Right::Write, resource, &wish.destination, actor)?;
        self.check(Right::Read, Resource::Exchange, &wish.source, actor)
    }

    pub(super) fn destination(
        &self,
        wish: &BindingView,
        actor: &Actor<'_>,
    ) -> Result<(Destination, bool), Refusal> {
        if wish.to_exchange {
            let exchange = self
                .exchange(&wish.destination)
                .ok_or_else(|| Refusal::no_exchange(&wish.destination, &self.name))?;
            return Ok((
                Destination::Exchange(exchange.name.clone()),
                exchange.durable,
            ));
        }
        let queue = self.unlocked_queue(&wish.destination, actor)?;
        Ok((
            Destination::Queue(queue.name.clone(), queue.place),
            queue.place.id.is_durable(),
        ))
    }

    /// All bindings, also the default exchange's to every queue, by source and destination.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "they are sorted")]
    pub fn bindings(&self) -> Vec<BindingView> {
        let explicit = self.exchanges.values().flat_map(|exchange| {
            exchange.bindings.iter().map(|binding| BindingView {
                vhost: self.name.clone(),
                source: exchange.name.clone(),
                destination: binding.destination.name().clone(),
                to_exchange: binding.destination.is_exchange(),
                routing_key: binding.routing_key.clone(),
                arguments: binding.table(),
            })
        });
        let implied = self.queues.values().map(|queue| BindingView {
            vhost: self.name.clone(),
            source: "".into(),
            destination: queue.name.clone(),
            to_exchange: false,
            routing_key: queue.name.clone(),
            arguments: Table::new(),
        });
        let mut all: Vec<_> = explicit.chain(implied).collect();
        all.sort_by(|a, b| order_of(a).cmp(&order_of(b)));
        all
    }

    /// What leads to a queue, but for the default exchange: that leads to all.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "they are sorted")]
    pub fn bindings_to_queue(&self, name: &str) -> Vec<BindingView> {
        let mut found: Vec<_> = self
            .exchanges
            .values()
            .flat_map(|exchange| exchange.bindings.iter().map(move |one| (exchange, one)))
            .filter(|(_, one)| !one.destination.is_exchange() && **one.destination.name() == *name)
            .map(|(exchange, binding)| BindingView {
                vhost: self.name.clone(),
                source: exchange.name.clone(),
                destination: binding.destination.name().clone(),
                to_exchange: false,
                routing_key: binding.routing_key.clone(),
                arguments: binding.table(),
            })
            .collect();
        found.sort_by(|a, b| order_of(a).cmp(&order_of(b)));
        found
    }

    /// Drops every binding of a queue that is gone; returns the auto-delete exchanges that have none left, and how many went.
    pub(super) fn drop_bindings_to_queue(
        &mut self,
        name: &Name,
        place: QueueRef,
        sources: impl Iterator<Item = Name>,
    ) -> (Vec<Name>, usize) {
        let gone = Destination::Queue(name.clone(), place);
        let (mut doomed, mut count) = (Vec::new(), 0);
        for source in sources {
            let Some(exchange) = self.exchanges.get_mut(&source) else {
                continue;
            };
            let dropped: Vec<_> = exchange
                .bindings
                .iter()
                .filter(|binding| binding.destination == gone)
                .cloned()
                .collect();
            count += dropped.len();
            for binding in &dropped {
                exchange.bindings.remove(binding);
                exchange.matcher.remove(binding);
            }
            if exchange.auto_delete && exchange.bindings.is_empty() {
                doomed.push(source);
            }
        }
        (doomed, count)
    }
}

fn order_of(binding: &BindingView) -> (&Name, &Name, bool, &Name) {
    (
        &binding.source,
        &binding.destination,
        binding.to_exchange,
        &binding.routing_key,
    )
}

pub(super) fn clean_ends(mut wish: BindingView) -> Result<BindingView, Refusal> {
    wish.source = clean_name(&wish.source).into();
    wish.destination = clean_name(&wish.destination).into();
    if wish.source.is_empty() || (wish.to_exchange && wish.destination.is_empty()) {
        return Err(default_exchange_is_fixed());
    }
    Ok(wish)
}
