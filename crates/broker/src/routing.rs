//! How each exchange type finds the destinations of a message.

mod hash;
mod headers;
mod topic;

use std::cmp::Ordering;

use codec::amqp::field::{Table, TableRef};
use codec::amqp::properties::PropertiesRef;

use crate::maps::NameMap;
use crate::{Name, QueueRef, Refusal, RefusalKind};
use hash::HashRing;
pub(crate) use hash::key_hash;
use headers::HeaderBindings;
use topic::TopicTree;

/// The types of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// The routing key equals the binding's.
    Direct,
    /// Every binding.
    Fanout,
    /// The binding's key is a pattern of words, `*` for one and `#` for any number.
    Topic,
    /// The binding's arguments are compared with the message's headers.
    Headers,
    /// One binding by the hash of the routing key, a header or a property; the binding's key is its weight.
    ConsistentHash,
}

impl ExchangeKind {
    /// The name that clients use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "x-consistent-hash",
        }
    }

    /// Finds the type by its name.
    ///
    /// # Errors
    /// `CommandInvalid` for any other name.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        [
            Self::Direct,
            Self::Fanout,
            Self::Topic,
            Self::Headers,
            Self::ConsistentHash,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| {
            Refusal::new(
                RefusalKind::CommandInvalid,
                format!("unknown exchange type '{name}'"),
            )
        })
    }

    /// Says whether the same exchange and routing key always lead to the same queues.
    pub(crate) const fn routes_by_key_alone(self) -> bool {
        matches!(self, Self::Direct | Self::Fanout | Self::Topic)
    }
}

/// Where a binding leads.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// A queue by its name and place.
    Queue(Name, QueueRef),
    /// Another exchange.
    Exchange(Name),
}

impl Destination {
    pub(crate) const fn name(&self) -> &Name {
        match self {
            Self::Queue(name, _) | Self::Exchange(name) => name,
        }
    }

    pub(crate) const fn is_exchange(&self) -> bool {
        matches!(self, Self::Exchange(_))
    }
}

// A queue is deleted and renamed with its bindings, so that its name identifies it while they exist.
impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        self.is_exchange() == other.is_exchange() && self.name() == other.name()
    }
}

impl Eq for Destination {}

impl Ord for Destination {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.is_exchange(), self.name()).cmp(&(other.is_exchange(), other.name()))
    }
}

impl PartialOrd for Destination {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One binding of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Binding {
    pub(crate) destination: Destination,
    pub(crate) routing_key: Name,
    /// The encoded arguments: equal bytes, equal binding.
    pub(crate) arguments: Box<[u8]>,
}

impl Binding {
    /// The arguments.
    pub(crate) fn table(&self) -> Table {
        TableRef::new(&self.arguments)
            .to_owned()
            .unwrap_or_default()
    }
}

/// What an exchange looks at in a message.
pub(crate) struct Subject<'a> {
    pub(crate) routing_key: &'a str,
    pub(crate) properties: &'a PropertiesRef<'a>,
}

/// An index of one exchange's bindings for its type of routing.
#[derive(Debug)]
pub(crate) enum Matcher {
    Direct(NameMap<Vec<Destination>>),
    Fanout(Vec<Destination>),
    Topic(TopicTree),
    Headers(HeaderBindings),
    Hash(HashRing),
}

impl Matcher {
    pub(crate) fn new(kind: ExchangeKind, arguments: &Table) -> Result<Self, Refusal> {
        Ok(match kind {
            ExchangeKind::Direct => Self::Direct(NameMap::default()),
            ExchangeKind::Fanout => Self::Fanout(Vec::new()),
            ExchangeKind::Topic => Self::Topic(TopicTree::default()),
            ExchangeKind::Headers => Self::Headers(HeaderBindings::default()),
            ExchangeKind::ConsistentHash => Self::Hash(HashRing::new(arguments)?),
        })
    }

    /// Refuses a binding that this type of exchange cannot carry out.
    pub(crate) fn check(&self, routing_key: &str, arguments: &Table) -> Result<(), Refusal> {
        match self {
            Self::Direct(_) | Self::Fanout(_) | Self::Topic(_) => Ok(()),
            Self::Headers(_) => headers::check(arguments),
            Self::Hash(_) => hash::parse_weight(routing_key).map(|_| ()),
        }
    }

    pub(crate) fn add(&mut self, binding: &Binding, arguments: &Table) {
        let destination = binding.destination.clone();
        match self {
            Self::Direct(by_key) => by_key
                .entry(binding.routing_key.clone())
                .or_default()
                .push(destination),
            Self::Fanout(all) => all.push(destination),
            Self::Topic(tree) => tree.add(&binding.routing_key, destination),
            Self::Headers(bindings) => {
                bindings.add(binding.arguments.clone(), arguments, destination)
            }
            Self::Hash(ring) => ring.add(&binding.routing_key, destination),
        }
    }

    pub(crate) fn remove(&mut self, binding: &Binding) {
        match self {
            Self::Direct(by_key) => {
                if let Some(destinations) = by_key.get_mut(&binding.routing_key) {
                    remove_one(destinations, &binding.destination);
                    if destinations.is_empty() {
                        by_key.remove(&binding.routing_key);
                    }
                }
            }
            Self::Fanout(all) => remove_one(all, &binding.destination),
            Self::Topic(tree) => tree.remove(&binding.routing_key, &binding.destination),
            Self::Headers(bindings) => bindings.remove(&binding.arguments, &binding.destination),
            Self::Hash(ring) => ring.remove(&binding.routing_key, &binding.destination),
        }
    }

    /// Calls `found` for every destination; one may come several times.
    pub(crate) fn route<'a>(
        &'a self,
        subject: &Subject<'_>,
        found: &mut dyn FnMut(&'a Destination),
    ) {
        match self {
            Self::Direct(by_key) => by_key
                .get(subject.routing_key)
                .into_iter()
                .flatten()
                .for_each(found),
            Self::Fanout(all) => all.iter().for_each(found),
            Self::Topic(tree) => tree.route(subject.routing_key, found),
            Self::Headers(bindings) => bindings.route(subject.properties, found),
            Self::Hash(ring) => ring.route(subject).into_iter().for_each(found),
        }
    }
}

fn remove_one(destinations: &mut Vec<Destination>, gone: &Destination) {
    if let Some(index) = destinations
        .iter()
        .position(|destination| destination == gone)
    {
        destinations.remove(index);
    }
}

#[cfg(test)]
mod tests;
