//! The real process, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "what a client library may name later fails a test too"
)]

mod abuse;
mod bench;
mod cli;
mod client;
mod damage;
mod data_directory;
mod disk;
mod doors;
mod faults;
mod lifecycle;
mod mistakes;
mod observe;
mod server;
mod shards;
mod terminal;
mod tls;
mod traces;
mod wire;
