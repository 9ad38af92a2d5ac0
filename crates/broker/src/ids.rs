//! Identities: small, copyable, never reused within a process.

/// Numbers a queue for good: a queue that is deleted and declared again gets another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

impl QueueId {
    /// The bit that marks queues whose messages do not outlive the process.
    pub const TRANSIENT: u64 = 1 << 62;

    /// The bit that marks the part of a queue that holds its delayed messages: another queue to the log, on the same shard.
    const DELAYED: u64 = 1 << 61;

    /// What the log calls the part of this queue that holds its delayed messages.
    ///
    /// # Shape
    /// Both parts share one run of sequence numbers; a number is in one of them.
    #[must_use]
    pub const fn delayed(self) -> Self {
        Self(self.0 | Self::DELAYED)
    }

    /// The bit that marks the part of a queue that remembers the ids of messages.
    const DEDUP: u64 = 1 << 60;

    /// What the log calls the part of this queue that remembers the ids of its messages, by their sequence numbers.
    #[must_use]
    pub const fn dedup(self) -> Self {
        Self(self.0 | Self::DEDUP)
    }

    /// The queue that this is a part of, as the log calls it.
    #[must_use]
    pub const fn whole(self) -> Self {
        Self(self.0 & !(Self::DELAYED | Self::DEDUP))
    }

    /// Says whether the log keeps messages under this number, not their ids alone.
    #[must_use]
    pub const fn has_messages(self) -> bool {
        self.0 & Self::DEDUP == 0
    }

    /// Says whether the queue's declaration is on disk.
    #[must_use]
    pub const fn is_durable(self) -> bool {
        self.0 & Self::TRANSIENT == 0
    }
}

/// Names a connection: its shard in the upper 16 bits, a number that the shard never uses again in the lower ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// Builds the identity of connection `number` on `shard`.
    #[must_use]
    pub const fn new(shard: u16, number: u64) -> Self {
        Self(((shard as u64) << 48) | (number & 0x0000_FFFF_FFFF_FFFF))
    }

    /// The shard that hosts the connection.
    #[must_use]
    pub const fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// Numbers a consumer within its connection; the consumer's tag stays with the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerNumber(pub u32);

/// Where a queue lives: the shard that owns it, its slot there, and the number that tells it from the slot's earlier tenants.
///
/// `epoch` is the shard's term of ownership: a settlement that carries an older one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueRef {
    /// The queue's number.
    pub id: QueueId,
    /// The slot in the owning shard's table.
    pub slot: u32,
    /// The owning shard.
    pub shard: u16,
    /// The term of the shard's owner.
    pub epoch: u16,
}
