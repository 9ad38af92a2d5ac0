//! The message broker as rules: virtual hosts, exchanges, bindings, queues, streams, consumers, confirms and permissions.
//!
//! Everything here is deterministic. Time is a parameter, a log and a backlog are traits ([`log`]), and effects come back through a
//! [`Sink`]. It must never touch a disk, a clock, a thread or a socket.
//!
//! Start reading at [`topology::Topology`] (what exists and where a message goes) and [`shard::Shard`] (the queues that one thread owns).
#![deny(clippy::indexing_slicing)]

pub mod access;
pub mod arguments;
mod command;
mod death;
mod dedup;
mod event;
mod ids;
pub mod limits;
pub mod log;
mod maps;
mod message;
mod policy;
mod port;
mod queue;
mod refusal;
mod routing;
pub mod shard;
mod stream;
pub mod topology;

pub use command::{
    ConsumeRequest, Credit, OutboxGauge, Outcome, PublishTicket, Request, StreamOffset,
};
pub use death::{Deaths, Reason};
pub use dedup::DedupId;
pub use event::{Annotation, Delivery, Event, PostOutcome, Reply, Sink};
pub use ids::{ConnectionId, ConsumerNumber, QueueId, QueueRef};
pub use message::{Body, Message, Name};
pub use policy::{ApplyTo, POLICY_HINTS, POLICY_KEYS, Policy};
pub use port::{POSTED, Port, Publish};
pub use queue::QueueStatistics;
pub use refusal::{Refusal, RefusalKind};
pub use routing::ExchangeKind;
