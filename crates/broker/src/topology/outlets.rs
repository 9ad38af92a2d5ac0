//! Where what dies in a queue, or finds no way through an exchange, may go.
//!
//! An outlet is the name of an exchange, and with the default exchange that of a queue. Names change hands, and rights are taken back: so a
//! member's outlet is held against the rights that the member has whenever something goes through, not only when it is declared.
//! Services name what they like once they may declare it, as in RabbitMQ.

use std::fmt;
use std::sync::Arc;

use super::routes::Routes;
use super::{Exchange, QueueEntry, Vhost};
use crate::access::{Access, Resource, Right};
use crate::shard::DeadLetter;
use crate::{Message, Name, Refusal};

/// What is known of the accounts that declared something, at the moment of the question: they need not be connected.
///
/// It is asked under the topology's lock, so it must not ask the topology.
pub trait Owners: fmt::Debug + Send + Sync {
    /// Says whether an account owns what it declares and is no operator.
    fn is_member(&self, login: &str) -> bool;

    /// The rights of an account in a virtual host; `None` when it has none there.
    fn access(&self, login: &str, vhost: &str) -> Option<Arc<Access>>;
}

impl Vhost {
    /// The exchange that takes what finds no way through another one.
    pub(super) fn alternate_of<'a>(&self, exchange: &'a Exchange) -> Option<&'a Name> {
        let alternate = exchange.alternate()?;
        // Where a policy leads is the operator's to know.
        let is_own = exchange.alternate.is_some();
        let owner = exchange.owner.as_deref();
        (!is_own || self.leads(owner, alternate, None)).then_some(alternate)
    }

    /// Adds the queues that a dead letter goes to; `message` is the letter with its new address. What is gone takes it nowhere, and neither
    /// does what the queue's owner may not write.
    ///
    /// # Errors
    /// As [`Self::route`].
    pub fn route_dead_letter(
        &self,
        letter: &DeadLetter,
        message: &Message,
        routes: &mut Routes,
    ) -> Result<(), Refusal> {
        // A queue that went with its virtual host has nobody who could answer for its letters.
        let Some(queue) = self.queue_of(letter) else {
            return Ok(());
        };
        // What was said by nobody is said to nobody.
        if self.is_chat(&letter.exchange) {
            return Ok(());
        }
        let is_own = queue.own_options.dead_letter_exchange.is_some();
        let owner = queue.owner.as_deref();
        let key = letter.routing_key.as_deref();
        if is_own && !self.leads(owner, &letter.exchange, key) {
            return Ok(());
        }
        self.route_message(message, routes)
    }

    fn queue_of(&self, letter: &DeadLetter) -> Option<&QueueEntry> {
        let by_name = self.queue(&letter.queue);
        by_name
            .filter(|queue| queue.place == letter.place)
            // Its shard may not have heard yet of another name.
            .or_else(|| self.queue(&self.name_of(letter.place)?))
    }

    /// Says whether what `owner` declared may lead on to an exchange now; `key` is the key that everything gets.
    fn leads(&self, owner: Option<&str>, exchange: &str, key: Option<&str>) -> bool {
        let Some(owners) = &self.owners else {
            return true;
        };
        let queue = key.filter(|_| exchange.is_empty());
        let target = match queue {
            Some(key) => self.owner_of(Resource::Queue, key),
            None => self.owner_of(Resource::Exchange, exchange),
        };
        let Some(owner) = owner else {
            // Its account is gone, and nobody can say what it might have written: members keep to themselves what is theirs.
            return !target.is_some_and(|target| owners.is_member(target));
        };
        if target == Some(owner) || !owners.is_member(owner) {
            return true;
        }
        let Some(access) = owners.access(owner, &self.name) else {
            return false;
        };
        let there = self.owner_of(Resource::Exchange, exchange);
        access.may(Right::Write, Resource::Exchange, exchange, there)
            || queue
                .and_then(|key| self.queue(key))
                .is_some_and(|queue| access.may_address(queue.known_as(), target))
    }
}
