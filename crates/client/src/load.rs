//! A load generator for AMQP 0-9-1 brokers, for NATS beside them, and for the doors of a Chaski server's HTTP port.
//!
//! [`run`] opens connections from [`LoadOptions`], publishes and consumes, and reports rates, latencies and whether every message
//! arrived once and in order. It is built to cost little beside the server that it shares a machine with: one epoll loop
//! for each thread, publishes laid out once and only re-marked (module `slab`), arrivals scanned in place (module `scan`), no allocation per message. What differs between protocols is
//! behind three small traits: `Wire` (a connection's bytes), `Layout` (a message's bytes) and `Topology` (queues). HTTP and gRPC have
//! clients from libraries in place of wires (module `web`).
//!
//! It must never make a server look better than it is: paced latencies count from a message's due time, figures cover
//! the measured span only, and a run whose messages are lost or doubled says so.

pub mod chat;
mod clock;
mod confirms;
mod conn;
mod consumer;
mod context;
mod error;
pub mod files;
mod latency;
mod mark;
mod options;
mod plan;
mod producer;
mod report;
mod roles;
mod run;
mod scan;
mod shared;
mod slab;
mod stage;
mod topology;
mod track;
mod transport;
mod usage;
mod web;
mod wire;
mod worker;

pub use error::LoadError;
pub use options::{
    AckMode, CONNECTIONS_MAX, Door, LoadOptions, QUEUES_MAX, QueueArgument, Routing, RunLength,
    SIZE_MAX, SizeRange, Target, WebTarget,
};
pub use report::{
    Checks, Connects, Count, Latency, LoadReport, Phase, Progress, Sample, StageReport, Usage,
};
pub use run::run;

pub(crate) use latency::summarize;
