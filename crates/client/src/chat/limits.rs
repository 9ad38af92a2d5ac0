//! The bounds of the terminal chat.

use std::time::Duration;

/// Messages of one page of history.
pub(crate) const PAGE: u32 = 100;
/// Messages that are kept of one room; older ones are paged again.
pub(crate) const WINDOW_MAX: usize = 600;
/// Notices of one room, such as that somebody came.
pub(crate) const NOTICES_MAX: usize = 200;
/// Messages that came while older ones were awaited; the server sends no more than a page at once.
pub(crate) const HELD_MAX: usize = 10_000;
/// Messages that were said and not acknowledged.
pub(crate) const UNACKNOWLEDGED_MAX: usize = 1_000;
/// The longest message, in bytes, as the server takes it.
pub(crate) const TEXT_BYTES_MAX: usize = 8_192;
/// The longest object that a server may send.
pub(crate) const FRAME_BYTES_MAX: usize = 16 << 20;
/// Commands on their way to the connection.
pub(crate) const COMMANDS_MAX: usize = 2_048;
/// Events on their way from it.
pub(crate) const EVENTS_MAX: usize = 256;
/// Lines that were typed before.
pub(crate) const TYPED_MAX: usize = 200;
/// Results of one page of a search.
pub(crate) const FOUND_PAGE: u32 = 50;
/// Results of a search that are kept.
pub(crate) const FOUND_MAX: usize = 1_000;
/// Rooms of one account that are remembered between runs: as many as the server lets one be in.
pub(crate) const ROOMS_REMEMBERED_MAX: usize = 200;
/// Accounts whose rooms are remembered.
pub(crate) const ACCOUNTS_REMEMBERED_MAX: usize = 50;

/// How long a connection may take, with the upgrade to a WebSocket and the server's first word.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A write that takes longer goes to nobody.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// A server that is silent for so long is asked whether it is there.
pub(crate) const QUIET: Duration = Duration::from_secs(12);
/// A server that is silent for so long is gone.
pub(crate) const DEAD: Duration = Duration::from_secs(30);
/// A connection that lasted so long was a good one: the next wait is a short one.
pub(crate) const GOOD: Duration = Duration::from_secs(5);
/// How long somebody is shown as writing.
pub(crate) const TYPING: Duration = Duration::from_secs(5);
/// How often others are told that one writes.
pub(crate) const TYPING_EVERY: Duration = Duration::from_secs(3);
/// Between two pictures: twenty in a second.
pub(crate) const FRAME: Duration = Duration::from_millis(50);

const _: () = assert!(QUIET.as_secs() < DEAD.as_secs());
const _: () = assert!(
    TYPING_EVERY.as_secs() < TYPING.as_secs(),
    "who goes on writing is shown all the time"
);
const _: () = assert!(PAGE as usize * 2 < WINDOW_MAX);
