//! The bounds of files and their transfers.

/// Bytes of a chunk group: what is verified at once, so all that a lie can cost.
///
/// A power of two of BLAKE3's chunks of 1,024 bytes. A group is 8,192 times its value in the list, and is hashed at full speed by one core.
pub const GROUP_BYTES: u64 = 256 << 10;
/// Groups of a segment, whose values are one list of 128 KiB.
pub const SEGMENT_GROUPS: u32 = 4_096;
/// Bytes of a segment.
pub const SEGMENT_BYTES: u64 = GROUP_BYTES * SEGMENT_GROUPS as u64;
/// Groups of the largest content.
pub const GROUPS_MAX: u32 = 1 << 26;
/// Bytes of the largest content: 16 TiB.
pub const CONTENT_BYTES_MAX: u64 = GROUP_BYTES * GROUPS_MAX as u64;
/// Segments of the largest content, whose values are one list of 512 KiB.
pub const SEGMENTS_MAX: u32 = GROUPS_MAX / SEGMENT_GROUPS;
/// The longest name of a file or folder, in bytes, as file systems have it.
pub const NAME_BYTES_MAX: usize = 255;
/// The longest path of a file below its folder, in bytes, as Linux has it.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Files and folders of one collection.
pub const COLLECTION_ENTRIES_MAX: usize = 1_000_000;
/// Bytes of a collection's manifest.
pub const COLLECTION_BYTES_MAX: usize = 64 << 20;
/// Bytes of the longest signed ticket: of a scope and an account with the longest logins.
pub const TICKET_BYTES_MAX: usize = 7 + 16 + 32 + 256 + 256 + 64;
/// The longest life of a ticket: an hour, since none is taken back.
pub const TICKET_LIFE_MS_MAX: u64 = 3_600_000;
/// How far the clock of a peer may be behind the server's.
pub const TICKET_CLOCK_TOLERANCE_MS: u64 = 30_000;
/// Sources of one download at a time.
pub const SOURCES_MAX: usize = 63;
/// Sources that one download may find to lie; then it takes no new ones.
pub const BANNED_MAX: usize = 1_024;
/// Groups of one request: 4 MiB.
pub const RUN_GROUPS_MAX: u32 = 16;
/// The least that a source may have under way, in groups: one that comes and one that waits.
pub const WINDOW_GROUPS_MIN: u64 = 2;
/// The most that a source may have under way, in groups: 32 MiB, 128 MiB/s over the slowest usual path.
pub const WINDOW_GROUPS_MAX: u64 = 128;
/// How much of a source's speed is under way beyond the way there and back, in milliseconds.
pub const WINDOW_MS: u64 = 250;
/// How long a rate is measured, in milliseconds.
pub const RATE_SAMPLE_MS: u64 = 200;
/// Sources that send a group at once.
pub const COPIES_MAX: u32 = 2;
/// How long a group is under way before another source is asked for it too, in milliseconds: twice what a window should take.
pub const DUPLICATE_AGE_MS: u64 = 500;
/// Bytes that one download may ask for while another source sends them.
pub const DUPLICATE_BYTES_MAX: u64 = 16 << 20;
/// The shortest time without progress after which a source is given up for now, in milliseconds.
pub const DEADLINE_MS_MIN: u64 = 2_000;
/// The longest such time of a source that has not been given up before, in milliseconds.
pub const DEADLINE_MS_MAX: u64 = 60_000;
/// That of a source whose speed is not known yet, in milliseconds.
pub const DEADLINE_MS_UNKNOWN: u64 = 10_000;
/// How many times longer a source is waited for that was given up again and again.
pub const PATIENCE_MAX: u64 = 16;
/// The longest that a busy source is left alone, in milliseconds.
pub const REST_MS_MAX: u64 = 60_000;
/// Cancels that wait to be taken.
pub const CANCELS_MAX: usize = 4_096;

const _: () = assert!(
    GROUP_BYTES.is_power_of_two() && GROUP_BYTES >= 1_024 && SEGMENT_GROUPS.is_power_of_two(),
    "groups and segments are whole subtrees of BLAKE3"
);
const _: () = assert!(
    GROUPS_MAX.is_multiple_of(SEGMENT_GROUPS),
    "the largest content is made of whole segments"
);
