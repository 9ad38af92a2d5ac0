//! A file peer: what it shares, whom it tells, what it gives to others and fetches from them.
//!
//! What a content is and how it is verified, `files` says; here are the disk, the threads and the network. It must never give out a byte of a
//! file that is not shared, and never believe a byte that was not verified.
//!
//! Start reading at [`catalog`], then [`share`].

pub mod catalog;
pub mod share;
