//! The real process, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod lifecycle;
mod server;
