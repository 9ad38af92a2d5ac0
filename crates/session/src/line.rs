//! One connection of the chat's line protocol as a state machine: a dialogue with a person, or lines of JSON for a program.
//!
//! Bytes and events go in by `handle_*`, wishes come out by [`LineSession::poll_action`], bytes to write by [`LineSession::output`]. It
//! knows no JSON: in machine mode it hands over lines, and the caller writes what happens.
//!
//! # Order of calls
//!
//! After each call: write [`LineSession::take_output`], take every [`LineSession::poll_action`], and look at
//! [`LineSession::next_deadline`]. [`LineSession::handle_input`] takes nothing while it waits for an answer: call it again with what is
//! left once the answer was given, actions were taken or output was written.
//!
//! Start reading at [`LineSession`], whose file draws the states.

mod action;
mod answer;
mod dialogue;
mod event;
mod help;
mod listing;
mod open;
mod render;
mod session;
#[cfg(test)]
mod tests;

pub use action::{LineAction, LogInRefused, LoggedIn, Registering, Unreadable};
pub use render::{Rendering, render_message};
pub use session::{Greeting, LineSession, Registration};
