//! The bounds of everything that the store holds, and how they relate.

/// A frame starts at a multiple of this, so that no sector of a confirmed frame is ever written again.
pub(crate) const BLOCK_BYTES: u64 = 4096;
/// A commit stops taking further batches once its frame is this large. One batch may be larger.
pub(crate) const FRAME_BYTES_TARGET: usize = 8 << 20;
/// No frame is larger: its length is a 32-bit number.
pub(crate) const FRAME_BYTES_MAX: usize = 1 << 30;
/// A batch that has grown this large is handed over, whether the shard asks for it or not.
pub(crate) const BATCH_BYTES_MAX: usize = 64 << 20;
/// A journal file whose header cannot be read is not read further when it is larger than this.
pub(crate) const JOURNAL_BYTES_MAX: u64 = 8 << 30;
/// Numbers that are only ever counted up stay below this; what claims more is damaged.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;
/// A segment is not read whole when it is larger than this.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 2 << 30;
/// Buffers that grew larger than this are given back to the allocator once they are empty.
pub(crate) const BUFFER_BYTES_KEPT: usize = 4 << 20;
/// How many empty buffers a shard keeps.
pub(crate) const BUFFERS_KEPT: usize = 4;
/// Publishers are slowed while this many full journal files wait for their live messages to be settled.
pub(crate) const FULL_FILES_BEFORE_BACKPRESSURE: usize = 2;
/// A journal file is at least this many times as large as the description of all queues, which each file repeats.
pub(crate) const JOURNAL_PER_STATE: u64 = 4;
/// The first journal file after a start that finds none to write again. Small, as its blocks are zeroed while the start waits;
/// the next is made meanwhile.
pub(crate) const FIRST_JOURNAL_BYTES: u64 = 1 << 20;
/// How many ranges of acks a shard merges at a time.
pub(crate) const ACK_RANGES: usize = 8;
/// A segment notes the place of a record about every so many bytes.
pub(crate) const INDEX_BYTES: u64 = 64 << 10;
/// How much is read from a segment at once.
pub(crate) const READ_BYTES: usize = 256 << 10;
/// How much is read from a segment to find one record.
pub(crate) const FETCH_BYTES: usize = 16 << 10;
/// A shard that wrote more segments than this since its last checkpoint has the whole file system synced instead of each file,
/// and keeps no more of them open.
pub(crate) const DIRTY_FILES_MAX: usize = 64;
/// How many targets one message record names; a message for more queues takes several records.
pub(crate) const TARGETS_MAX: usize = 1024;
/// How long a commit waits before it tries again to write to a full disk.
pub(crate) const FULL_DISK_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

const _: () = assert!(
    FRAME_BYTES_TARGET < FRAME_BYTES_MAX,
    "a frame may pass its target by one batch"
);
const _: () = assert!(
    FRAME_BYTES_MAX as u64 * 2 <= JOURNAL_BYTES_MAX,
    "the largest frame fits a file"
);
const _: () = assert!(
    TARGETS_MAX <= u16::MAX as usize,
    "the number of targets is a 16-bit number"
);
const _: () = assert!(FETCH_BYTES <= READ_BYTES, "a fetch is the smaller read");
