//! One AMQP 0-9-1 connection as a protocol state machine, seen from the server.
//!
//! Bytes, events and the time go in by `handle_*`; calls to a [`broker::Port`], bytes to write ([`Output`]) and wishes that take
//! time ([`Action`]) come out. It must never touch a socket, a clock, a thread or hidden randomness: time is a parameter, in
//! milliseconds from any fixed point.
//!
//! Start reading at [`Session`], whose file draws the states; then `publish.rs` and `deliver.rs`, where the messages pass.
//!
//! # Order of calls
//!
//! After each `handle_*`: write [`Session::output`], take [`Session::poll_action`], and look at [`Session::next_deadline`]. After a
//! batch of events: [`Session::flush_confirms`]. When a pause ended or output was written: `handle_input` again with what is left.
#![deny(clippy::indexing_slicing)]

mod acks;
mod action;
mod channel;
mod closing;
mod confirms;
mod consume;
mod consumers;
mod deliver;
mod faults;
mod handshake;
#[cfg(test)]
mod harness;
pub mod limits;
pub mod line;
mod methods;
mod output;
mod peer;
mod posts;
mod publish;
mod replies;
mod requests;
mod sasl;
mod session;
mod settings;
mod state;
mod timers;
mod transaction;
mod unacked;

pub use action::{Action, Denied, Login};
pub use output::Output;
pub use peer::Description;
pub use session::Session;
pub use settings::Settings;
