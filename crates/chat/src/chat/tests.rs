//! The chat's rules over a real history.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else an answer is, the test fails"
)]

mod coming;
mod moderating;
mod privately;
mod reading;
mod rig;
mod rooms;
mod saying;
