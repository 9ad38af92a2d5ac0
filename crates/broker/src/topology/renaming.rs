//! Giving a queue another name.

use super::partitions::partition_name;
use super::rights::Claim;
use super::{Actor, Change, QueueEntry, Topology, Vhost, check_length, check_reserved, clean_name};
use crate::access::{Resource, Right};
use crate::arguments::QueueOptions;
use crate::routing::{Binding, Destination};
use crate::{Name, QueueId, QueueRef, Refusal};

/// A queue that has another name from now on, for its shard.
#[derive(Debug, Clone)]
pub struct QueueRenamed {
    /// Where it lives.
    pub place: QueueRef,
    /// The new name.
    pub name: Name,
    /// The options that hold for it now: other policies may name it.
    pub options: QueueOptions,
}

impl Topology {
    /// Renames a queue, with its partitions if it has some, which follow it in what is returned; its messages, consumers and bindings stay, and the default exchange leads to it by the new name. The name that it
    /// has already changes nothing.
    ///
    /// A consistent-hash exchange places a destination by its name, so that some keys go to other queues afterwards.
    ///
    /// # Errors
    /// `AccessRefused` without the right to configure the queue or to declare the new name, or when the new name would give the actor more
    /// rights on it; `NotFound`; `ResourceLocked` for another connection's exclusive queue; `PreconditionFailed` when the new name is
    /// taken by a queue that the actor may configure, is empty or too long.
    pub fn rename_queue(
        &mut self,
        vhost: &str,
        old: &str,
        new: &str,
        actor: &Actor<'_>,
    ) -> Result<Vec<QueueRenamed>, Refusal> {
        let (old, new) = (clean_name(old), clean_name(new));
        let host = self.vhost_mut(vhost)?;
        let entry = host.usable_queue(&old, Right::Configure, actor)?;
        host.check_is_whole(entry)?;
        let partitions = host.partitions_of(entry);
        if old != new {
            host.check_renaming(&old, &new, actor)?;
            self.move_queue(vhost, &old, &new)?;
            for index in 0..partitions {
                let [old, new] = [&old, &new].map(|head| partition_name(head, index));
                self.move_queue(vhost, &old, &new)?;
            }
            self.version += 1;
        }
        let host = self.vhost_mut(vhost)?;
        let renamed = (0..partitions).map(|index| partition_name(&new, index));
        let renamed = std::iter::once(new.clone()).chain(renamed);
        let entries = renamed.filter_map(|name| host.queue(&name));
        let tell = |entry: &QueueEntry| QueueRenamed {
            place: entry.place,
            name: entry.name.clone(),
            options: host.options_of(entry),
        };
        Ok(entries.map(tell).collect())
    }

    fn move_queue(&mut self, vhost: &str, old: &str, new: &str) -> Result<(), Refusal> {
        let host = self.vhost_mut(vhost)?;
        let Some(id) = host.move_queue(old, new) else {
            return Ok(());
        };
        if id.is_durable() {
            let change = Change::QueueRenamed {
                id,
                vhost: host.name.clone(),
                name: new.into(),
            };
            self.changes.push(change);
        }
        Ok(())
    }
}

impl Vhost {
    fn check_renaming(&self, old: &str, new: &str, actor: &Actor<'_>) -> Result<(), Refusal> {
        let what = format!("queue '{new}' in vhost '{}'", self.name);
        if new.is_empty() {
            return Err(Refusal::precondition(format!(
                "{what}: a name is not empty"
            )));
        }
        Claim::check(self, Resource::Queue, new, false, actor)?;
        if self.queue(new).is_some() {
            return Err(Refusal::precondition(format!("{what} exists already")));
        }
        check_reserved(new, "queue")?;
        check_length(new, &what)?;
        if let Some(entry) = self.queue(old) {
            self.check_partitions_renamed(entry, new)?;
        }
        // The owner stays: what a name gives beyond that must not be had by renaming.
        let owner = self.owner_of(Resource::Queue, old);
        for right in [Right::Write, Right::Read] {
            let gains =
                |access: &&crate::access::Access| access.may(right, Resource::Queue, new, owner);
            if let Some(access) = actor.access.filter(gains) {
                access.check(right, Resource::Queue, old, owner)?;
            }
        }
        Ok(())
    }

    fn move_queue(&mut self, old: &str, new: &str) -> Option<QueueId> {
        let mut entry = self.take_queue(old)?;
        let before = Destination::Queue(entry.name.clone(), entry.place);
        entry.name = new.into();
        if let Some(part) = &mut entry.partition_of {
            part.follow(new);
        }
        let id = entry.place.id;
        let after = Destination::Queue(entry.name.clone(), entry.place);
        for source in &entry.sources {
            let Some(exchange) = self.exchanges.get_mut(source) else {
                continue;
            };
            let leads_there = |binding: &&Binding| binding.destination == before;
            let moved: Vec<_> = exchange
                .bindings
                .iter()
                .filter(leads_there)
                .cloned()
                .collect();
            for binding in moved {
                exchange.bindings.remove(&binding);
                exchange.matcher.remove(&binding);
                let arguments = binding.table();
                let binding = Binding {
                    destination: after.clone(),
                    ..binding
                };
                exchange.matcher.add(&binding, &arguments);
                exchange.bindings.insert(binding);
            }
        }
        self.put_queue(entry);
        Some(id)
    }
}
