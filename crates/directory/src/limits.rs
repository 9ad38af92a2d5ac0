//! The bounds of what the directory accepts.

use std::time::Duration;

/// The most tags of one account.
pub const TAGS_MAX: usize = 16;

/// The longest tag.
pub const TAG_BYTES_MAX: usize = 64;

/// The longest login name.
pub const LOGIN_BYTES_MAX: usize = 64;

/// The longest list of first or of last names.
pub const NAMES_CHARS_MAX: usize = 128;

/// The highest age.
pub const AGE_MAX: u8 = 150;

/// The longest gender.
pub const GENDER_CHARS_MAX: usize = 32;

/// The longest id of a session, a queue key or a webhook.
pub const ID_BYTES_MAX: usize = 64;

/// The longest name of an interface that a session came in by.
pub const DOOR_BYTES_MAX: usize = 64;

/// The longest address of a peer.
pub const ADDRESS_BYTES_MAX: usize = 256;

/// The longest name that the client of a session gives itself.
pub const CLIENT_CHARS_MAX: usize = 256;

/// The most sessions of one account; a further one ends the oldest.
pub const SESSIONS_PER_LOGIN_MAX: usize = 1000;

/// The longest note on a queue key.
pub const NOTE_CHARS_MAX: usize = 256;

/// The longest address of a webhook.
pub const URL_BYTES_MAX: usize = 2048;

/// The longest secret of a webhook.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 256;

/// The longest settings of a webhook.
pub const SETTINGS_BYTES_MAX: usize = 16 * 1024;

/// Where a text of an audit entry is cut off.
pub const AUDIT_TEXT_BYTES_MAX: usize = 1024;

/// Where the detail of an audit entry is cut off.
pub const AUDIT_DETAIL_BYTES_MAX: usize = 4096;

/// How many entries of the audit log are read unless told otherwise.
pub const AUDIT_PAGE_ENTRIES: usize = 100;

/// The most entries of the audit log that are read at once.
pub const AUDIT_LIMIT_MAX: usize = 10_000;
const _: () = assert!(AUDIT_PAGE_ENTRIES <= AUDIT_LIMIT_MAX);

/// The longest name of a virtual host or a policy, and of a queue that is renamed.
pub const NAME_BYTES_MAX: usize = 255;

/// The shortest password of a new account; what an operator sets may be shorter.
pub const PASSWORD_CHARS_MIN: usize = 8;

/// The longest password, so that hashing one costs a bounded time.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// The most memory that a stored hash may ask for when it is verified.
pub(crate) const HASH_MEMORY_KIB_MAX: u32 = 256 * 1024;

/// The most passes that a stored hash may ask for when it is verified.
pub(crate) const HASH_PASSES_MAX: u32 = 64;

/// How long a statement waits for another process that has the database open.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many compiled statements are kept; more than there are in this crate.
pub(crate) const STATEMENTS_MAX: usize = 128;

/// How many problems an inspection reports.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// The most different emojis under one message of the chat.
pub const EMOJIS_PER_MESSAGE_MAX: usize = 20;

/// How many messages of the chat are deleted at once, so that nobody waits long for it.
pub(crate) const CLEANED_AT_ONCE_MAX: usize = 10_000;

/// How many words of a search in the chat's history count.
pub const SEARCH_WORDS_MAX: usize = 32;

/// How many messages that are not indexed yet a search looks through at a time.
pub(crate) const SEARCH_STEP_MESSAGES: usize = 2_000;

/// The longest id of a file in its peer, and the longest path.
pub const FILE_ID_BYTES_MAX: usize = 4_096;

/// The longest name of a file or a peer.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// The longest media type of a file.
pub const FILE_TYPE_BYTES_MAX: usize = 128;

/// The most addresses of a peer.
pub const PEER_ADDRESSES_MAX: usize = 8;

/// The most rooms or accounts of one audience.
pub const AUDIENCE_MEMBERS_MAX: usize = 64;

/// The greatest size and revision: what JSON's readers hold exactly.
pub const FILE_NUMBER_MAX: u64 = (1 << 53) - 1;

/// The most links of one account.
pub const LINKS_PER_LOGIN_MAX: u64 = 10_000;

/// The most holders that are listed of a content.
pub const HOLDERS_MAX: usize = 100;

/// How many entries of one content are read of each peer, whatever the others have.
pub(crate) const PEER_ROWS_MAX: usize = 4;

/// How many entries of one content are read beyond those of each peer.
pub(crate) const GROUP_ROWS_MAX: usize = 1_000;

/// How many peers are read of that have a content.
pub(crate) const GROUP_PEERS_MAX: usize = 1_000;

/// How often it is looked behind entries of a content that are of no use: of a peer that is away, or for others.
pub(crate) const GROUP_LOOKS_MAX: usize = 10_000;

/// How many entries a search sorts itself; with more that may fit, it goes along an order.
pub(crate) const CANDIDATES_MAX: usize = if cfg!(test) { 400 } else { 4_000 };

/// How many entries a walk looks at for one page.
pub(crate) const WALK_ROWS_MAX: usize = if cfg!(test) { 700 } else { 5_000 };
const _: () = assert!(GROUP_PEERS_MAX >= HOLDERS_MAX);

/// The most entries whose words are kept in memory.
pub(crate) const WORD_INDEX_ENTRIES_MAX: u64 = 4_000_000;

/// The most words of all of them together.
pub(crate) const WORD_INDEX_OCCURRENCES_MAX: usize = 32_000_000;

/// How many entries in a row that went since the index of words was built are passed over in search of one that is there.
pub(crate) const GONE_IN_A_ROW_MAX: usize = 1_000;

/// The shortest beginning of a word that is looked up in the full-text index: fewer letters begin too many words.
pub(crate) const PREFIX_CHARS_MIN: usize = 3;

/// The longest pattern of a name.
pub const GLOB_BYTES_MAX: usize = 1_024;

/// How many entries of peers that are gone are deleted at once.
pub(crate) const SWEPT_AT_ONCE_MAX: usize = 500;
