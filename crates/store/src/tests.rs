//! The store as a whole.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alone;
mod basics;
mod decay;
mod faults;
mod fuzzed;
mod model;
mod real;
mod rig;
