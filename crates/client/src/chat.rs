//! The chat, for terminals and scripts: a connection that comes back by itself, and what is made of it.
//!
//! It speaks the WebSocket of `docs/chat.md`. [`link`] keeps the connection and the server's clock; [`model`] is what a person sees of the
//! chat, without a terminal; `view` draws it, `run` joins the two; [`memory`] is
//! what one finds again the next time. [`plain`] is the line mode, [`script`] says and listens for scripts.
//!
//! It must never link the server, and never send to a terminal what others wrote without `safe`.
//!
//! Start reading at [`link::Link`], then [`model::Model`].

pub mod clock;
pub mod command;
mod input;
mod keys;
mod ledger;
mod limits;
pub mod link;
pub mod memory;
pub mod model;
pub mod plain;
pub mod run;
mod safe;
pub mod script;
pub mod settings;
mod terminal;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys of a terminal do nothing here"
)]
mod ui;
mod view;
pub mod wire;
