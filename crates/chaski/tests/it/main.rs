//! The real process, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a client library may name later fails a test too"
)]

mod abuse;
mod cli;
mod client;
mod faults;
mod lifecycle;
mod server;
mod shards;
mod tls;
mod wire;
