//! Every bound of the broker, by name.

/// The longest name of an exchange, queue or routing key, in bytes: what an AMQP short string holds.
pub const NAME_BYTES_MAX: usize = 255;
/// How many exchanges one message may pass through by exchange-to-exchange bindings and alternate exchanges.
pub const EXCHANGES_PER_ROUTE_MAX: usize = 1_000;
/// How many CC and BCC keys one message may carry; as many values as one table holds.
pub const CARBON_COPIES_MAX: usize = 12_288;
/// The highest priority level that a queue may declare.
pub const PRIORITY_MAX: u8 = 255;
/// The highest weight of a binding to a consistent-hash exchange.
pub const HASH_WEIGHT_MAX: u64 = 1_000_000;
/// Bytes of messages that one queue keeps in memory before it settles them into its segments.
pub const QUEUE_RESIDENT_BYTES_MAX: usize = 4 << 20;
/// Bytes that one queue may keep in memory while its shard is over [`SHARD_RESIDENT_BYTES_MAX`].
pub const QUEUE_RESIDENT_BYTES_MIN: usize = 64 << 10;
/// Bytes of unsettled messages that one shard keeps in memory before it asks every queue for less.
pub const SHARD_RESIDENT_BYTES_MAX: usize = 64 << 20;
/// Bytes that a queue reads from its backlog at once.
pub const BACKLOG_READ_BYTES: usize = 256 << 10;
/// How long a queue that could not move messages to its backlog, as on a full disk, keeps them in memory before it tries again, in
/// milliseconds.
pub const SETTLE_RETRY_MS: u64 = 1_000;
/// How long a queue waits before it tries its backlog again after the disk failed it, in milliseconds.
pub const BACKLOG_RETRY_MS: u64 = 1_000;
/// Encoded bytes that may wait for one connection's socket before its consumers are passed over.
pub const OUTBOX_BYTES_MAX: usize = 256 << 10;
/// Below this many waiting bytes the connection's consumers are served again.
pub const OUTBOX_BYTES_RESUME: usize = 128 << 10;
/// Bytes that a delivery takes on the wire beside its names, properties and body, at most: a method, a header with a table that was not
/// there, and the frames around them.
pub const DELIVERY_BYTES: usize = 84;
/// Above this many bytes of ready messages, publishers wait for consumers of the queue that are held up by their sockets alone.
pub const PACED_BYTES: usize = 1 << 20;
/// A socket that has taken nothing for this long holds up no publisher, in milliseconds.
pub const PACED_STALL_MS: u64 = 20;
/// How many consumers of a queue are looked at to tell whether its publishers are to wait.
pub const PACED_CONSUMERS_SEEN: usize = 4;
/// How often a stream looks for messages that are too old, in milliseconds.
pub const RETENTION_INTERVAL_MS: u64 = 1_000;
/// Up to this many bytes on disk are counted when a stream with a size limit is restored; above, its segments are taken as the count.
pub const STREAM_COUNTED_BYTES_MAX: u64 = 64 << 20;
/// How often a quorum queue delivers a message before it counts as poison, unless the queue says otherwise.
pub const DELIVERY_LIMIT_DEFAULT: u32 = 20;
/// The longest that a message may be delayed, in milliseconds: ten years. Longer delays are cut to it.
pub const DELAY_MS_MAX: u64 = 10 * 365 * 86_400_000;
/// Delayed messages that may wait in one queue; what comes beyond is refused. Each takes up to 64 bytes of memory.
pub const DELAYED_PER_QUEUE_MAX: usize = 10_000_000;
/// The longest id by which a repeated publish is known, in bytes.
pub const DEDUP_ID_BYTES_MAX: usize = 128;
/// Ids that one queue or stream remembers; the oldest go first. Each takes about 100 bytes of memory.
pub const DEDUP_IDS_MAX: usize = 100_000;
/// How long a queue remembers an id unless it says otherwise, in milliseconds.
pub const DEDUP_WINDOW_MS_DEFAULT: u64 = 300_000;
/// The longest that a queue may remember an id, in milliseconds: a day.
pub const DEDUP_WINDOW_MS_MAX: u64 = 86_400_000;
/// By how much later than their window ids may be dropped from the log, in milliseconds.
pub const DEDUP_SWEEP_MS: u64 = 1_000;
/// Distinct (queue, reason) pairs kept in a message's `x-death`.
pub const DEATHS_MAX: usize = 100;
/// Messages that one queue hands out or expires in one go before other work has its turn.
pub const DISPATCH_BATCH_MAX: usize = 4_096;
/// Queues of all virtual hosts together unless the operator says otherwise.
pub const QUEUES_MAX: usize = 200_000;
/// Bindings of all exchanges together unless the operator says otherwise; each queue's own to the default exchange does not count.
pub const BINDINGS_MAX: usize = 1_000_000;
/// Exchanges in one virtual host.
pub const EXCHANGES_MAX: usize = 100_000;
/// The argument of a queue that takes replies from anybody who knows its name.
pub const REPLY_ADDRESS_ARGUMENT: &str = "x-reply-address";
/// Partitions of one queue.
pub const PARTITIONS_MAX: u32 = 1_024;
/// Consumers of one queue.
pub const CONSUMERS_PER_QUEUE_MAX: usize = 100_000;

const _: () = assert!(OUTBOX_BYTES_RESUME < OUTBOX_BYTES_MAX);
const _: () = assert!(PACED_BYTES < QUEUE_RESIDENT_BYTES_MAX);
const _: () = assert!(
    QUEUE_RESIDENT_BYTES_MIN <= BACKLOG_READ_BYTES && BACKLOG_READ_BYTES < QUEUE_RESIDENT_BYTES_MAX
);
