//! Finding the queues of a message, once per batch and key.

use std::hash::BuildHasher;

use codec::amqp::field::{TableRef, ValueRef};
use codec::amqp::properties::PropertiesRef;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{Actor, Topology, Vhost};
use crate::access::{Resource, Right};
use crate::maps::AddressHasher;
use crate::routing::{Destination, ExchangeKind, Subject};
use crate::{Message, Name, QueueRef, Refusal, limits};

/// The queues that a message goes to, each once.
pub type Routes = SmallVec<[QueueRef; 4]>;

/// The address of a publish and what exchanges may look at.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// The properties.
    pub properties: &'a PropertiesRef<'a>,
}

/// How many routes a connection remembers; some 150 bytes each.
const REMEMBERED_MAX: usize = 1_024;

/// What one connection has learnt about its routes; forgotten whenever the topology or its rights change.
///
/// Most publishers use a handful of keys: the last one is compared first, then they are found by hash.
#[derive(Debug, Default)]
pub struct RouteCache {
    version: u64,
    last: usize,
    known: Vec<Known>,
    /// Places in `known` by the hash of the address.
    places: HashTable<u32>,
    hasher: AddressHasher,
    /// The newest route that depends on more than the exchange and the key.
    once: Option<Known>,
}

#[derive(Debug)]
struct Known {
    exchange: Name,
    routing_key: Box<str>,
    routes: Routes,
}

impl RouteCache {
    /// Forgets everything, as when the account's rights change.
    pub fn clear(&mut self) {
        self.forget();
        self.version = 0;
    }

    fn forget(&mut self) {
        self.known.clear();
        self.places.clear();
    }

    /// Finds the queues for a publish and the exchange's shared name.
    ///
    /// # Errors
    /// `NotFound` for an unknown exchange, `AccessRefused` without the right to write to it, by the default exchange to a queue, or for an
    /// internal one, `PreconditionFailed` for CC or BCC that is no array.
    #[inline]
    pub fn route(
        &mut self,
        topology: &Topology,
        vhost: &str,
        publish: &Addressed<'_>,
        actor: &Actor<'_>,
    ) -> Result<(&Name, &Routes), Refusal> {
        if self.version != topology.version() {
            self.forget();
            self.version = topology.version();
        }
        let place = self.recall(publish);
        let known = match place {
            Some(place) => {
                self.last = place;
                self.known.get(place)
            }
            None => self.learn(topology, vhost, publish, actor)?,
        };
        let known = known.expect("a route was found or learnt just now");
        Ok((&known.exchange, &known.routes))
    }

    #[inline]
    fn recall(&self, publish: &Addressed<'_>) -> Option<usize> {
        let is_it = |known: &Known| {
            *known.exchange == *publish.exchange && *known.routing_key == *publish.routing_key
        };
        if publish.properties.headers.is_some_and(has_carbon_copies) {
            None
        } else if self.known.get(self.last).is_some_and(is_it) {
            Some(self.last)
        } else {
            self.find(publish.exchange, publish.routing_key)
        }
    }

    fn find(&self, exchange: &str, routing_key: &str) -> Option<usize> {
        let is_it = |place: &u32| {
            let known = self.known.get(*place as usize);
            known.is_some_and(|known| {
                *known.exchange == *exchange && *known.routing_key == *routing_key
            })
        };
        let hash = self.hasher.hash_one((exchange, routing_key));
        self.places.find(hash, is_it).map(|place| *place as usize)
    }

    fn learn(
        &mut self,
        topology: &Topology,
        vhost: &str,
        publish: &Addressed<'_>,
        actor: &Actor<'_>,
    ) -> Result<Option<&Known>, Refusal> {
        let Addressed {
            exchange,
            routing_key,
            properties,
        } = *publish;
        let not_found = || Refusal::no_exchange(exchange, vhost);
        let host = topology.vhost(vhost).ok_or_else(not_found)?;
        host.check_publish(publish, actor)?;
        let found = host.exchange(exchange).ok_or_else(not_found)?;
        if let (Some(access), ExchangeKind::Topic) = (actor.access, found.kind) {
            access.check_topic(Right::Write, exchange, routing_key)?;
        }
        if found.internal && actor.access.is_some() {
            let detail =
                format!("cannot publish to internal exchange '{exchange}' in vhost '{vhost}'");
            return Err(Refusal::access(detail));
        }
        let mut routes = Routes::new();
        if actor.access.is_some_and(|access| found.takes_posts(access)) {
            // Nothing that a client says reaches a queue by this way: see [`crate::POSTED`].
            Vhost::check_post(properties)?;
            self.once = Some(Known {
                exchange: found.name.clone(),
                routing_key: routing_key.into(),
                routes,
            });
            return Ok(self.once.as_ref());
        }
        let by_key_alone = host.route(&found.name, routing_key, properties, &mut routes)?;
        let known = Known {
            exchange: found.name.clone(),
            routing_key: routing_key.into(),
            routes,
        };
        if !by_key_alone {
            self.once = Some(known);
            return Ok(self.once.as_ref());
        }
        if self.known.len() >= REMEMBERED_MAX {
            self.forget();
        }
        self.last = self.known.len();
        let place = u32::try_from(self.last).expect("fewer than REMEMBERED_MAX are known");
        let hash_of = |known: &Known| {
            self.hasher
                .hash_one((&*known.exchange, &*known.routing_key))
        };
        let again = |place: &u32| self.known.get(*place as usize).map_or(0, hash_of);
        self.places.insert_unique(hash_of(&known), place, again);
        self.known.push(known);
        Ok(self.known.last())
    }
}

fn has_carbon_copies(headers: TableRef<'_>) -> bool {
    !headers.is_empty() && (headers.get("CC").is_some() || headers.get("BCC").is_some())
}

impl Vhost {
    /// Checks that an actor may publish: to an exchange that it may write, or by the default exchange to queues that it may write, each of
    /// which must exist. Copies are no way around.
    fn check_publish(&self, publish: &Addressed<'_>, actor: &Actor<'_>) -> Result<(), Refusal> {
        let Addressed {
            exchange,
            routing_key,
            properties,
        } = *publish;
        let Some(access) = actor.access else {
            return Ok(());
        };
        let owner = self.owner_of(Resource::Exchange, exchange);
        if access.may(Right::Write, Resource::Exchange, exchange, owner)
            || self.may_chat(exchange, access)
        {
            return Ok(());
        }
        let may_address = |key: &&str| {
            let queue = self.queue(key);
            queue.is_some_and(|queue| {
                queue.takes_replies()
                    || access.may_address(queue.known_as(), queue.owner.as_deref())
            })
        };
        if exchange.is_empty() && keys_of(routing_key, properties)?.iter().all(may_address) {
            return Ok(());
        }
        Err(access.refusal(Right::Write, Resource::Exchange, exchange))
    }

    /// Adds the queues of a message that carries its address, as a dead letter does; an exchange that is gone takes it nowhere.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub fn route_message(&self, message: &Message, routes: &mut Routes) -> Result<(), Refusal> {
        let properties = PropertiesRef::parse(message.properties()).unwrap_or_default();
        self.route(
            message.exchange(),
            message.routing_key(),
            &properties,
            routes,
        )
        .map(|_| ())
    }

    /// Adds the queues of a message published to `exchange`; true when they follow from the exchange and the key alone.
    ///
    /// # Errors
    /// `PreconditionFailed` for CC or BCC that is no array.
    pub fn route(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: &PropertiesRef<'_>,
        routes: &mut Routes,
    ) -> Result<bool, Refusal> {
        let keys = keys_of(routing_key, properties)?;
        let mut by_key_alone = keys.len() == 1;
        let mut visited: SmallVec<[&str; 4]> = SmallVec::new();
        visited.push(exchange);
        let mut next = 0;
        while let Some(name) = visited.get(next).copied() {
            next += 1;
            if next > limits::EXCHANGES_PER_ROUTE_MAX {
                break;
            }
            let Some(exchange) = self.exchange(name) else {
                continue;
            };
            if exchange.is_chat && next > 1 {
                // No binding and no alternate exchange leads there: what people hear there, somebody said.
                continue;
            }
            by_key_alone &= exchange.kind.routes_by_key_alone();
            let mut is_taken = false;
            for key in &keys {
                if name.is_empty() {
                    if let Some(queue) = self.queue(key) {
                        is_taken = true;
                        routes.push(queue.place);
                    }
                    continue;
                }
                exchange.matcher.route(
                    &Subject {
                        routing_key: key,
                        properties,
                    },
                    &mut |destination| {
                        is_taken = true;
                        match destination {
                            Destination::Queue(_, place) => routes.push(*place),
                            Destination::Exchange(name) => {
                                if !visited.contains(&&**name) {
                                    visited.push(name);
                                }
                            }
                        }
                    },
                );
            }
            if !is_taken
                && let Some(alternate) = self.alternate_of(exchange)
                && !visited.contains(&&**alternate)
            {
                visited.push(alternate);
            }
        }
        if !self.rings.is_empty() {
            // A queue that is found twice is one.
            routes.sort_unstable();
            routes.dedup();
            by_key_alone &= !self.spread(routes, properties);
        }
        if routes.len() > 1 {
            routes.sort_unstable();
            routes.dedup();
        }
        Ok(by_key_alone)
    }
}

/// The routing key and the keys of copies.
fn keys_of<'a>(
    routing_key: &'a str,
    properties: &PropertiesRef<'a>,
) -> Result<SmallVec<[&'a str; 4]>, Refusal> {
    let mut keys = SmallVec::new();
    keys.push(routing_key);
    if let Some(headers) = properties.headers {
        carbon_copies(headers, "CC", &mut keys)?;
        carbon_copies(headers, "BCC", &mut keys)?;
    }
    Ok(keys)
}

fn carbon_copies<'a>(
    headers: TableRef<'a>,
    name: &str,
    keys: &mut SmallVec<[&'a str; 4]>,
) -> Result<(), Refusal> {
    let wrong = || Refusal::precondition(format!("invalid header '{name}': it must be an array"));
    let copies = match headers.get(name) {
        None => return Ok(()),
        Some(ValueRef::Array(copies)) => copies,
        Some(_) => return Err(wrong()),
    };
    for copy in copies.iter() {
        // What is no text leads nowhere, like a key that nothing is bound with.
        let Some(key) = copy.map_err(|_| wrong())?.as_str() else {
            continue;
        };
        keys.push(key);
        if keys.len() > limits::CARBON_COPIES_MAX {
            return Err(Refusal::precondition(format!(
                "header '{name}' has more than {} keys",
                limits::CARBON_COPIES_MAX
            )));
        }
    }
    Ok(())
}
