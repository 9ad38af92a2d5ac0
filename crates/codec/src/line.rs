//! The line protocol of the chat: bytes to lines, lines to what they say, and other people's text to what a terminal may be sent.
//!
//! One line is one message or one command, in UTF-8; `nc` and telnet are clients. The `#` commands stand here and nowhere else. Pure
//! and bounded: a line has at most [`LINE_BYTES_MAX`] bytes, longer ones are skipped as they come, and between two lines nothing is
//! held.
//!
//! Start reading at [`LineDecoder`], then [`parse`] and [`sanitise`].

mod decoder;
mod parse;
mod sanitise;
pub mod telnet;
#[cfg(test)]
mod tests;
mod verb;

pub use decoder::{Heard, LineDecoder};
pub use parse::{Here, Own, Sanctioned, Shown, Spoken, parse};
pub use sanitise::{is_plain, sanitise};
pub use verb::Verb;

/// The longest line: the longest text, its command, and what a program puts around it.
pub const LINE_BYTES_MAX: usize = 9 << 10;
