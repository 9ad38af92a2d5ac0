//! The exchange `chat`: the chat's rooms as topics.
//!
//! A queue that is bound with `room.<name>` gets what is said in that room. Only the server publishes to these bindings: what a client
//! publishes there is a post, which goes to the chat and comes back from it to everyone ([`crate::POSTED`]). So nothing may lead into the
//! exchange but that: no binding, no alternate exchange, no dead letter, no copy.
//!
//! Who may hear a room is the chat's to say. What is decided here follows from the binding alone.

use codec::amqp::field::Table;
use codec::amqp::properties::PropertiesRef;

use super::bindings::{BindingView, clean_ends};
use super::{Actor, Exchange, ExchangeDeclaration, Topology, Vhost, clean_name};
use crate::access::{Access, Office};
use crate::routing::{Destination, ExchangeKind, Subject};
use crate::{Name, Refusal, limits};

/// The exchange's name.
pub const CHAT_EXCHANGE: &str = "chat";
/// What stands before a room's name in its key.
const PREFIX: &str = "room.";

/// The key of a room.
#[must_use]
pub fn room_key(room: &str) -> String {
    format!("{PREFIX}{room}")
}

/// The room that a key names; `None` for a pattern, or what no room can be called.
#[must_use]
pub fn room_of(key: &str) -> Option<&str> {
    let room = key.strip_prefix(PREFIX)?;
    (!room.is_empty() && !room.contains(['.', '*', '#'])).then_some(room)
}

/// What hears a room by the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listeners {
    /// Nothing.
    None,
    /// Only what goes with the process.
    Transient,
    /// Something durable, too.
    Durable,
}

/// What is to be bound to the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearer {
    /// The account that declared the queue; `None` for an exchange, and once that account is deleted.
    pub owner: Option<Name>,
    /// It outlives the process.
    pub is_durable: bool,
}

/// A binding of the exchange to a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomBinding {
    /// The binding.
    pub binding: BindingView,
    /// The account that declared the queue; `None` once that account is deleted.
    pub owner: Option<Name>,
}

impl Exchange {
    /// Says whether it is the chat's.
    #[must_use]
    pub const fn is_chat(&self) -> bool {
        self.is_chat
    }

    /// Says whether what this login publishes to it is a post.
    pub(super) fn takes_posts(&self, access: &Access) -> bool {
        self.is_chat && access.office != Office::Server
    }
}

impl Topology {
    /// Makes a virtual host's exchange `chat`. One that was restored under its name before stays what it was declared as.
    pub fn add_chat(&mut self, vhost: &str) {
        let Some(host) = self.vhosts.get_mut(vhost) else {
            return;
        };
        let declaration = ExchangeDeclaration {
            name: CHAT_EXCHANGE.to_owned(),
            kind: ExchangeKind::Topic,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Table::new(),
        };
        if let Ok(mut exchange) = Exchange::new(declaration, None, &host.policies) {
            exchange.is_chat = true;
            host.exchanges
                .entry(CHAT_EXCHANGE.into())
                .or_insert(exchange);
            self.version += 1;
        }
    }

    /// Says whether a binding starts from the exchange `chat`.
    #[must_use]
    pub fn is_of_chat(&self, wish: &BindingView) -> bool {
        let host = self.vhost(&wish.vhost);
        host.is_some_and(|host| host.is_chat(&clean_name(&wish.source)))
    }

    /// Checks everything about a binding that starts from the exchange but whether the room may be heard.
    ///
    /// # Errors
    /// As [`Self::bind`], and as [`Vhost::check_chat`].
    pub fn check_room_binding(
        &self,
        wish: &BindingView,
        actor: &Actor<'_>,
    ) -> Result<Hearer, Refusal> {
        let wish = clean_ends(wish.clone())?;
        let host = self
            .vhost(&wish.vhost)
            .ok_or_else(|| Refusal::no_exchange(&wish.source, &wish.vhost))?;
        host.check_ends(&wish, actor)?;
        host.check_chat(&wish, actor)?;
        let (destination, is_durable) = host.destination(&wish, actor)?;
        let queue = host.queue(destination.name()).filter(|_| !wish.to_exchange);
        Ok(Hearer {
            owner: queue.and_then(|queue| queue.owner.clone()),
            is_durable,
        })
    }

    /// What hears a room; `key` as rooms are spelt in bindings.
    #[must_use]
    pub fn listeners(&self, vhost: &str, key: &str) -> Listeners {
        let Some(host) = self.vhost(vhost) else {
            return Listeners::None;
        };
        let Some(chat) = host.exchange(CHAT_EXCHANGE).filter(|found| found.is_chat) else {
            return Listeners::None;
        };
        let mut listeners = Listeners::None;
        let subject = Subject {
            routing_key: key,
            properties: &PropertiesRef::default(),
        };
        chat.matcher.route(&subject, &mut |destination| {
            let is_durable = match destination {
                Destination::Queue(_, place) => place.id.is_durable(),
                Destination::Exchange(name) => host.exchange(name).is_some_and(|to| to.durable),
            };
            let found = if is_durable {
                Listeners::Durable
            } else {
                Listeners::Transient
            };
            listeners = listeners.max(found);
        });
        listeners
    }

    /// Says whether anything is bound to the exchange.
    #[must_use]
    pub fn has_room_bindings(&self, vhost: &str) -> bool {
        let chat = self
            .vhost(vhost)
            .and_then(|host| host.exchange(CHAT_EXCHANGE));
        chat.is_some_and(|found| found.is_chat && !found.bindings.is_empty())
    }

    /// The bindings of the exchange to queues.
    #[must_use]
    pub fn room_bindings(&self, vhost: &str) -> Vec<RoomBinding> {
        let Some(host) = self.vhost(vhost) else {
            return Vec::new();
        };
        let Some(chat) = host.exchange(CHAT_EXCHANGE).filter(|found| found.is_chat) else {
            return Vec::new();
        };
        let to_queues = chat
            .bindings
            .iter()
            .filter(|binding| !binding.destination.is_exchange());
        to_queues
            .map(|binding| RoomBinding {
                owner: host
                    .queue(binding.destination.name())
                    .and_then(|queue| queue.owner.clone()),
                binding: BindingView {
                    vhost: host.name.clone(),
                    source: chat.name.clone(),
                    destination: binding.destination.name().clone(),
                    to_exchange: false,
                    routing_key: binding.routing_key.clone(),
                    arguments: binding.table(),
                },
            })
            .collect()
    }
}

impl Vhost {
    /// Says whether a name is that of the chat's exchange.
    #[must_use]
    pub fn is_chat(&self, exchange: &str) -> bool {
        exchange == CHAT_EXCHANGE && self.exchange(exchange).is_some_and(Exchange::is_chat)
    }

    /// Says whether a name is that of the chat's exchange, and the login an account, as all of which may chat.
    pub(super) fn may_chat(&self, exchange: &str, access: &Access) -> bool {
        self.is_chat(exchange) && access.is_account()
    }

    /// Refuses to do away with the chat's exchange.
    pub(super) fn check_not_chat(
        &self,
        name: &str,
        what: &str,
        actor: &Actor<'_>,
    ) -> Result<(), Refusal> {
        if actor.access.is_some() && self.is_chat(name) {
            return Err(Refusal::access(format!(
                "exchange '{name}' is the chat's and cannot be {what}"
            )));
        }
        Ok(())
    }

    /// Checks what a binding from or to the chat's exchange has to be like. Whether the room may be heard is the chat's to say.
    ///
    /// # Errors
    /// `AccessRefused` for a binding that leads into it, and for patterns and exchanges unless an administrator binds them;
    /// `PreconditionFailed` for a key that names no room.
    pub fn check_chat(&self, wish: &BindingView, actor: &Actor<'_>) -> Result<(), Refusal> {
        let Some(access) = actor.access else {
            return Ok(());
        };
        if wish.to_exchange && self.is_chat(&clean_name(&wish.destination)) {
            let detail =
                "nothing can be bound to exchange 'chat': publish to it what is to be said";
            return Err(Refusal::access(detail));
        }
        if !self.is_chat(&clean_name(&wish.source)) || access.office != Office::None {
            return Ok(());
        }
        let key = &*wish.routing_key;
        if wish.to_exchange {
            return Err(Refusal::access(
                "only administrators bind exchanges to exchange 'chat'; bind a queue with 'room.<name>'",
            ));
        }
        if key.split('.').any(|word| matches!(word, "*" | "#")) {
            return Err(Refusal::access(format!(
                "only administrators bind to exchange 'chat' with the pattern '{key}', which would lead past bans; bind each room with \
                 'room.<name>'"
            )));
        }
        if room_of(key).is_none() {
            return Err(no_room(key));
        }
        Ok(())
    }

    /// Checks what only an exchange that routes could carry out.
    ///
    /// # Errors
    /// `PreconditionFailed` for copies.
    pub(super) fn check_post(properties: &PropertiesRef<'_>) -> Result<(), Refusal> {
        let has = |name: &str| {
            let headers = properties.headers;
            headers.is_some_and(|headers| headers.get(name).is_some())
        };
        if has("CC") || has("BCC") {
            return Err(Refusal::precondition(
                "a message to exchange 'chat' is said in one room: it takes no CC and no BCC",
            ));
        }
        Ok(())
    }

    /// Refuses the chat's exchange as what takes dead letters, or what finds no way.
    pub(super) fn check_no_outlet(&self, exchange: &str) -> Result<(), Refusal> {
        if self.is_chat(exchange) {
            return Err(Refusal::access(
                "exchange 'chat' takes what people say, no dead letters and nothing that found no way through another exchange",
            ));
        }
        Ok(())
    }
}

/// What whoever names no room is told.
fn no_room(key: &str) -> Refusal {
    let key = if key.len() > limits::NAME_BYTES_MAX {
        ""
    } else {
        key
    };
    Refusal::precondition(format!(
        "the key '{key}' names no room of the chat: it has to be 'room.<name>'"
    ))
}
