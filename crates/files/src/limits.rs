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

const _: () = assert!(
    GROUP_BYTES.is_power_of_two() && GROUP_BYTES >= 1_024 && SEGMENT_GROUPS.is_power_of_two(),
    "groups and segments are whole subtrees of BLAKE3"
);
const _: () = assert!(
    GROUPS_MAX.is_multiple_of(SEGMENT_GROUPS),
    "the largest content is made of whole segments"
);
