//! Runs the broker: shard threads, batches, group commit; over the store's log and the directory's tables.
//!
//! # Concurrency
//! Each shard is owned by one thread, which also hosts the connections that were accepted there. Shards talk by [`mailbox`]es of plain
//! letters. One thread commits the journal (in the store), one commits the directory ([`metadata`]), a few check passwords
//! ([`accounts`]), one watches memory and disk ([`alarm`]). Locks, by rank: the topology, then a mailbox; neither is held across an
//! await. It never speaks a client protocol.
//!
//! Start reading at [`Engine`], then [`Connection`].

pub mod accounts;
mod administration;
mod alarm;
mod aside;
pub mod audit;
mod clock;
mod connection;
mod crowds;
mod declared;
mod embedded;
mod groups;
mod housekeeping;
mod kept;
mod mailbox;
mod management;
mod metadata;
mod outbox;
mod partitions;
mod policies;
mod quotas;
mod record;
mod renaming;
mod reply_address;
mod requests;
#[cfg(test)]
mod rig;
mod rooms;
pub mod sessions;
mod shard;
mod startup;
mod totals;
mod visible;

use std::sync::Arc;

pub use administration::{
    AccountView, Admission, Closer, ConnectionView, ExchangeView, Handle, QueueKeyView, QueueView,
    Registration,
};
pub use alarm::{Alarm, Alarms};
pub use aside::aside;
pub use clock::Clock;
pub use connection::{Batch, Connection, ConnectionInfo};
pub use directory::{Change, CommitError};
pub use groups::{QueueParts, check_group_name};
pub use policies::check_policy;
pub use quotas::{AccountLimits, PublishWait, Usage};
pub use rooms::{Hearing, Post, Rooms, Said};
pub use shard::Shard;
pub use startup::{Engine, EngineError, FirstStart, Options, ShardSeed, Unservable, unservable};
pub use store::{Damage, Failure as StoreFailure, Inspection};
pub use totals::{MessageCounts, Totals};

/// Examines the message log of a data directory without modifying it.
///
/// # Errors
/// The directory cannot be read.
pub fn inspect(data: &std::path::Path) -> Result<Inspection, StoreFailure> {
    store::inspect(&store::disk::RealDisk::new(), data)
}

/// What all shards share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) topology: std::sync::RwLock<broker::topology::Topology>,
    pub(crate) mailboxes: Vec<mailbox::Mailbox>,
    /// Per shard: its crowded queues.
    pub(crate) crowds: Vec<crowds::Crowds>,
    pub(crate) metadata: metadata::Metadata,
    pub(crate) accounts: Arc<accounts::Accounts>,
    pub(crate) alarms: Alarms,
    pub(crate) replies: reply_address::ReplyAddresses,
    pub(crate) connections: administration::ConnectionTable,
    /// The policies as they are stored; locked only while some are changed.
    pub(crate) policies: std::sync::Mutex<Vec<directory::Policy>>,
    pub(crate) audit: audit::Audit,
    pub(crate) groups: groups::StreamGroups,
    pub(crate) quotas: quotas::Quotas,
    /// The chat, once there is one.
    pub(crate) rooms: std::sync::OnceLock<Arc<dyn Rooms>>,
    pub(crate) directory_path: std::path::PathBuf,
    /// Nobody new is let in.
    pub(crate) is_draining: std::sync::atomic::AtomicBool,
    /// Keeps the letters of two alarms in the order in which these changed.
    pub(crate) alarm_order: std::sync::Mutex<()>,
}

impl Shared {
    /// Reads the topology. A panic while it was written stops the process before anyone can read it.
    pub(crate) fn topology(&self) -> std::sync::RwLockReadGuard<'_, broker::topology::Topology> {
        self.topology
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn topology_mut(
        &self,
    ) -> std::sync::RwLockWriteGuard<'_, broker::topology::Topology> {
        self.topology
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The names of all virtual hosts.
    pub(crate) fn vhost_names(&self) -> Vec<broker::Name> {
        let topology = self.topology();
        let all = topology.vhosts();
        all.iter().map(|vhost| vhost.name.clone()).collect()
    }

    /// Says how crowded a queue of another shard is, as that shard last saw it.
    pub(crate) fn crowd_elsewhere(&self, queue: broker::QueueRef) -> Option<broker::shard::Crowd> {
        self.crowds.get(usize::from(queue.shard))?.find(queue)
    }

    /// Posts a letter to a shard.
    pub(crate) fn post(&self, shard: u16, letter: mailbox::Letter) {
        if let Some(mailbox) = self.mailboxes.get(usize::from(shard)) {
            mailbox.post(letter);
        }
    }
}

/// A handle on the engine's shared parts.
pub(crate) type SharedRef = Arc<Shared>;
