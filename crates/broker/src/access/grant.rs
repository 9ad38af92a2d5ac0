//! Rights on single names: what an owner gives to others, and what a queue's key opens.

use super::{Resource, Right};
use crate::Name;
use crate::maps::NameMap;

/// Some of the three rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// Redeclare, rename, delete.
    pub configure: bool,
    /// Publish to, bind as a destination.
    pub write: bool,
    /// Consume from, bind as a source, purge.
    pub read: bool,
}

impl Rights {
    /// Says whether one right is among them.
    #[must_use]
    pub const fn include(self, right: Right) -> bool {
        match right {
            Right::Configure => self.configure,
            Right::Write => self.write,
            Right::Read => self.read,
        }
    }
}

/// Rights that an account was given on single names of one virtual host, beside its patterns.
///
/// They belong to a name: whoever deletes or renames what has it is to take them away or along.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    queues: NameMap<Rights>,
    exchanges: NameMap<Rights>,
}

impl Grants {
    /// Gives rights on a name, in place of those given before.
    pub fn give(&mut self, resource: Resource, name: Name, rights: Rights) {
        let by_name = match resource {
            Resource::Queue => &mut self.queues,
            Resource::Exchange => &mut self.exchanges,
        };
        by_name.insert(name, rights);
    }

    /// The rights given on a name.
    #[must_use]
    pub fn rights(&self, resource: Resource, name: &str) -> Rights {
        let by_name = match resource {
            Resource::Queue => &self.queues,
            Resource::Exchange => &self.exchanges,
        };
        by_name.get(name).copied().unwrap_or_default()
    }
}

impl FromIterator<(Resource, Name, Rights)> for Grants {
    fn from_iter<I: IntoIterator<Item = (Resource, Name, Rights)>>(given: I) -> Self {
        let mut grants = Self::default();
        for (resource, name, rights) in given {
            grants.give(resource, name, rights);
        }
        grants
    }
}

/// What the key of one queue opens to a login that is no account: publishing to it, reading from it, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueKey {
    /// The queue.
    pub queue: Name,
    /// It may be published to.
    pub write: bool,
    /// It may be read from.
    pub read: bool,
}

impl QueueKey {
    /// Says whether the key gives a right; that to configure it never gives.
    #[must_use]
    pub fn opens(&self, right: Right, resource: Resource, name: &str) -> bool {
        let is_given = match right {
            Right::Configure => false,
            Right::Write => self.write,
            Right::Read => self.read,
        };
        is_given && resource == Resource::Queue && *self.queue == *name
    }
}
