//! The workloads, by name. Their sizes are fixed: a baseline means the work that stands here.

mod codec;
mod flow;
mod log;
mod many;

use std::path::Path;

use crate::world::World;

/// A fixed piece of work.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What the instructions are divided by.
    pub(crate) unit: &'static str,
    pub(crate) what: &'static str,
    /// Fills a directory, outside of callgrind.
    pub(crate) prepare: fn(&Path),
    /// Does the work and returns how many units were counted.
    pub(crate) run: fn(&Path) -> u64,
}

/// All workloads.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "codec-decode",
        unit: "publish",
        what: "frames, method, content header and properties of a 16 B publish",
        prepare: nothing,
        run: codec::decode,
    },
    Workload {
        name: "codec-encode",
        unit: "delivery",
        what: "the frames of a 16 B delivery",
        prepare: nothing,
        run: codec::encode,
    },
    Workload {
        name: "table-decode",
        unit: "table",
        what: "validate a field table of 10 entries, nested ones among them, look one up, copy it",
        prepare: nothing,
        run: codec::table,
    },
    Workload {
        name: "transient-16",
        unit: "message",
        what: "publish to deliver without acknowledgement, 16 B, 256 a read",
        prepare: fresh,
        run: flow::transient_16,
    },
    Workload {
        name: "transient-1k",
        unit: "message",
        what: "the same, 1 KiB, 64 a read",
        prepare: fresh,
        run: flow::transient_1k,
    },
    Workload {
        name: "transient-16k",
        unit: "message",
        what: "the same, 16 KiB, 8 a read",
        prepare: fresh,
        run: flow::transient_16k,
    },
    Workload {
        name: "durable-1k",
        unit: "message",
        what: "publish, commit, confirm, deliver, ack each, 1 KiB, 64 a read; the committer included",
        prepare: fresh,
        run: flow::durable_1k,
    },
    Workload {
        name: "durable-one",
        unit: "message",
        what: "the same, one message in flight",
        prepare: fresh,
        run: flow::durable_one,
    },
    Workload {
        name: "fanout-100",
        unit: "delivery",
        what: "100 B through a fanout exchange to 100 queues, a consumer on a connection of its own each",
        prepare: fresh,
        run: many::fanout_100,
    },
    Workload {
        name: "topic-1000",
        unit: "message",
        what: "16 B through a topic exchange with 1,000 bindings, by more keys than a connection remembers",
        prepare: fresh,
        run: many::topic_1000,
    },
    Workload {
        name: "queues-1000",
        unit: "message",
        what: "1,000 queues with a producer and a consumer each, one 16 B message a read: two wake-ups a message",
        prepare: fresh,
        run: many::queues_1000,
    },
    Workload {
        name: "connect",
        unit: "connection",
        what: "from protocol header to open channel, without the password's check",
        prepare: fresh,
        run: many::connect,
    },
    Workload {
        name: "stream-1k",
        unit: "message",
        what: "publish to a stream, commit, confirm, read it as it grows, ack each, 1 KiB",
        prepare: fresh,
        run: flow::stream_1k,
    },
    Workload {
        name: "backlog-in",
        unit: "message",
        what: "publish 100 B with confirms to a queue without consumers until it settles into segments",
        prepare: fresh,
        run: log::backlog_in,
    },
    Workload {
        name: "backlog-out",
        unit: "message",
        what: "consume such a backlog, ack each",
        prepare: log::prepare_backlog,
        run: log::backlog_out,
    },
    Workload {
        name: "journal-1k",
        unit: "record",
        what: "append 1 KiB to the journal, 64 a batch, and commit: encode, copy, checksum",
        prepare: nothing,
        run: log::journal_1k,
    },
    Workload {
        name: "recovery-10000",
        unit: "message",
        what: "start on a journal of 10,000 messages of 1 KiB, with everything else that a start does",
        prepare: log::prepare_recovery,
        run: log::recovery,
    },
];

fn nothing(_: &Path) {}

/// A data directory as after the first start: the hash of its passwords takes longer than any workload.
fn fresh(dir: &Path) {
    World::open(dir).close();
}
