//! The message log on disk: durable, fast and exact. It knows queues by number, records and positions.
//!
//! Start reading at [`Store::open`], [`ShardLog`] and [`QueueLog`]; `docs/format/store.md` draws the bytes.
//!
//! ```text
//!                 append, submit                    one frame, one sync
//!  shard thread ────────────────▶ ShardLog ──▶ committer ──▶ journal/0000000007.journal
//!       │                                          │ full?
//!       │ settle, read, ack                        ▼
//!       └───────────────────────▶ QueueLog ──▶ queues/0000000042-000001.segment ◀── sync ── checkpoint thread
//! ```
//!
//! # How a full journal file is released
//! ```text
//!  committer    file n is full ─▶ goes on in n+1 ─▶ asks every shard: settle_request(position)
//!  shard        settles what is live up to position into segments ─▶ settle_done: a state record per queue, into its batch
//!  checkpoint   syncs the segments ─▶ hands the turn to the committer
//!  committer    the states are durable ─▶ writes Settled(shard, n) ─▶ when every shard's is durable: file n is released
//! ```
//! - A state record describes a queue's segments at its place in the shard's stream of records, so what comes behind it in the
//!   journal applies to it. Recovery believes it only if the Settled record of the same turn is durable too: then its segments are.
//! - Until then file n is there, and recovery takes its messages from it: segments that are not believed are cut back or deleted.
//! - With nothing live, a rotation costs the state records and one small frame.
//! - A shard may settle more than it is asked for, at any time; it must not settle less.
//! - Files wait for the slowest shard. From two on, [`ShardLog::backpressure`] asks publishers to wait; acks go on.
//!
//! # What recovery relies on
//! - One frame is in flight at a time, and frames are numbered: a whole frame proves that all before it were durable.
//! - Each start writes a new journal file, which names the first frame number it may hold. A torn frame at the end of an older file
//!   has that number or a higher one and is void for good; nothing needs to be overwritten to cut it off.
//! - A segment is appended to only behind the bytes that a believed state describes.
//!
//! # Where this departs from its plan
//! - Segment files stand in one directory, `queues/<queue>-<segment>.segment`: a directory per queue would cost a sync each.
//! - The snapshot is not a frame of the committer's: each shard writes its queues' states into its own stream, which orders them
//!   against its acks without a lock.
//! - A full disk does not poison: frames go to space that was reserved, and if even that fails, the same frame is written again
//!   until it succeeds. A failed sync always poisons.
//!
//! # What it must never do
//! Know AMQP; reach the disk other than through [`disk::Disk`]; serve bytes that fail their checksum; call anything durable before
//! its sync has returned.

// Tests index and narrow freely: they fail by panicking.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::cast_possible_truncation)
)]

mod checkpoint;
mod committer;
mod damage;
pub mod disk;
mod failure;
mod fields;
mod frame;
#[cfg(any(test, feature = "faults"))]
mod fuzzing;
mod ids;
mod inspect;
mod limits;
mod newest;
mod quarantine;
mod queue;
mod record;
mod recovery;
mod shard;
mod shared;
mod store;

pub use damage::{Damage, DamageKind, Lost};
pub use failure::Failure;
#[cfg(any(test, feature = "faults"))]
pub use fuzzing::recover_bytes_for_fuzzing;
pub use ids::{Position, QueueId, Sequence};
pub use inspect::{InspectedJournal, InspectedQueue, InspectedSegment, Inspection, inspect};
pub use queue::{QueueLog, SettledRecord, Settling};
pub use recovery::{RecoveredMessage, RecoveredQueue, Recovery};
pub use shard::{QueueState, SettleRequest, ShardLog};
pub use shared::{Hooks, Options, Waker};
pub use store::Store;

#[cfg(test)]
mod tests;
