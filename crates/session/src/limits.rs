//! Every bound of a session, by name.

/// Largest frame, overhead included, before the client's tune-ok: nobody is known yet.
pub const HANDSHAKE_FRAME_MAX: u32 = 8 * 1024;
/// How long a peer may take to answer connection.close.
pub const CLOSE_TIMEOUT_MS: u64 = 5_000;
/// Longest text that is kept of a login, in bytes.
pub const LOGIN_BYTES_MAX: usize = 255;
/// Bodies from this size on are shared with the read buffer instead of copied.
pub const SHARED_BODY_BYTES_MIN: usize = 4 * 1024;
/// A publish that is still coming in waits in the caller's buffer up to this size (and never over the frame limit); a larger one is
/// taken in piece by piece.
pub const PUBLISH_WAIT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of bodies that one connection may have half received over all its channels, unless one message may be larger.
pub const ASSEMBLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes that may wait to be written before the session stops reading.
pub const OUTPUT_BYTES_MAX: usize = 1024 * 1024;
/// Room that an empty output buffer keeps.
pub const OUTPUT_KEEP_BYTES: usize = 64 * 1024;
/// Written bytes at the front of an output buffer that are worth moving the rest for.
pub const OUTPUT_COMPACT_BYTES: usize = 64 * 1024;
/// Bodies from this size on are written by reference.
pub const OUTPUT_SHARED_BYTES_MIN: usize = SHARED_BODY_BYTES_MIN;
/// Room that an output buffer gets at once when it needs more than it keeps.
pub const OUTPUT_GROWN_BYTES: usize = broker::limits::OUTBOX_BYTES_MAX + OUTPUT_KEEP_BYTES;
/// Room for the frames around the next delivery, about.
pub const OUTPUT_SLACK_BYTES: usize = 1024;
/// Bytes that are copied at most when output is detached: what is beyond is one message larger than all else that may wait.
pub const OUTPUT_DETACH_BYTES_MAX: usize = 2 * broker::limits::OUTBOX_BYTES_MAX;
/// Consumers of one connection: as many as a slot number can name.
pub const CONSUMERS_MAX: usize = 1 << 16;
/// Settled entries that may lie between unsettled ones before a list of deliveries is compacted.
pub const UNACKED_SETTLED_MAX: usize = 1_024;
/// A connection that is laden with unacknowledged messages gets more when this part of them is acknowledged: one in so many.
pub const LADEN_RESUME_PART: usize = 16;
/// Longest expiration in milliseconds, which is RabbitMQ's.
pub const EXPIRATION_MS_MAX: u64 = u32::MAX as u64;
/// After how long consumers are served a second time when a shared credit was given back by another shard.
pub const RESUME_AGAIN_MS: u64 = 10;
/// How often: shards give credit back after others were asked, and a consumer lets others go first once.
pub const RESUMES_AGAIN: u8 = 4;
/// Messages for the chat that may wait for its answer before the session takes no more publishes; what was read by then goes on.
pub const POSTS_MAX: usize = 64;
/// What a buffered transaction counts for each operation beside its content.
pub const TRANSACTION_OVERHEAD_BYTES: usize = 128;

const _: () = assert!(OUTPUT_KEEP_BYTES <= OUTPUT_BYTES_MAX);
const _: () = assert!(SHARED_BODY_BYTES_MIN < PUBLISH_WAIT_BYTES_MAX);

/// Longest line of somebody who is not logged in: the longest password and more.
pub const LINE_LOGIN_BYTES_MAX: u16 = 2 * 1024;
/// Wishes of a line session that wait to be taken; it reads no further.
pub const LINE_ACTIONS_MAX: usize = 32;
/// Messages of a line session whose fate is not known; it reads no further.
pub const LINE_SAYS_MAX: u8 = 64;
/// Bytes of a line session's answers that wait to be written; it reads no further. One answer may be longer.
pub const LINE_OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Wrong passwords or tokens that close a line session.
pub const LINE_FAILURES_MAX: u8 = 3;
/// Messages that `#history` and `#search` show without a number.
pub const LINE_PAGE: u32 = 20;
