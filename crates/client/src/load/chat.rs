//! A load generator for chats: members in rooms, of which some talk, and who else hears it, when and in which order.
//!
//! [`run`] opens a connection for each member, lets them enter their rooms, and talks at an offered rate; or it holds idle members, or drops them
//! all and lets them come back. One thread with one epoll loop (module `crowd`) drives all members; what differs between protocols is behind the
//! trait `Dialect`. Every message carries its sender, its number and when it was due (module `speech`), and every member is held
//! against what its room has heard (module `room`).

mod accounts;
mod crowd;
mod dialect;
mod member;
mod options;
mod room;
mod run;
mod script;
mod speech;
mod stage;

pub use options::{ChatOptions, ChatProtocol, ChatWork};
pub use run::run;
