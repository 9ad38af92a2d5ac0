//! What files are between peers: content and the tree that verifies it, names, folders, tickets, and the plan of a transfer.
//!
//! Values and state machines: bytes, events and the time go in, answers come out. It serves the index and the peer alike, so it stands alone.
//!
//! It must never touch a disk or a socket, start a thread, or ask for the time or for randomness: those are parameters.
//!
//! Start reading at [`content`], then [`plan::Plan`].

pub mod collection;
pub mod content;
pub mod have;
pub mod limits;
pub mod path;
pub mod plan;
pub mod ticket;
