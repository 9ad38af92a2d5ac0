//! A file peer: it has contents, tells the server which, gives them to other peers and fetches from them.
//!
//! Bytes go from peer to peer over TLS, checked group by group against the content's root ([`files::content`]); the server is asked who has
//! what and signs who may have it. What is known of the other end comes from the server: its addresses and the hash of its key.
//!
//! It must never give out a byte of a file that is not shared, write what was not checked, nor above the folder that it was told.
//!
//! Start reading at [`share`] and [`announce`], [`serving::serve`] and [`download`].

pub mod announce;
pub mod catalog;
pub mod classroom;
pub mod download;
pub mod finder;
pub mod folder;
pub mod identity;
mod limits;
pub mod put;
pub mod receive;
pub mod relay;
mod sealed;
pub mod serving;
pub mod share;
mod sink;
mod source;
pub mod throttle;
mod tls;
pub mod transfers;

use std::time::{SystemTime, UNIX_EPOCH};

use files::path::{PathRefused, RelativePath};

pub use sink::SinkError;
pub use source::{Permission, SourceError};

/// Takes a name that came from elsewhere as that of a file of ours: one that leads into no other folder.
///
/// # Errors
/// It is no such name; shown as it is, with what is wrong.
pub fn safe_name(name: &str) -> Result<String, PathRefused> {
    RelativePath::parse_name(name).map(|name| name.as_str().to_owned())
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
