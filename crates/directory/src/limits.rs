//! The bounds of what the directory accepts.

use std::time::Duration;

/// The most tags of one account.
pub const TAGS_MAX: usize = 16;

/// The longest tag.
pub const TAG_BYTES_MAX: usize = 64;

/// The longest login name.
pub const LOGIN_BYTES_MAX: usize = 64;

/// The longest name of a virtual host or a policy.
pub const NAME_BYTES_MAX: usize = 255;

/// The longest password, so that hashing one costs a bounded time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The most memory that a stored hash may ask for when it is verified.
pub(crate) const HASH_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most passes that a stored hash may ask for when it is verified.
pub(crate) const HASH_PASSES_MAX: u32 = 64;

/// How long a statement waits for another process that has the database open.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many compiled statements are kept; more than there are in this crate.
pub(crate) const STATEMENTS_MAX: usize = 64;

/// How many problems an inspection reports.
pub(crate) const PROBLEMS_MAX: usize = 100;
