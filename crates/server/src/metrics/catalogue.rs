//! Every family of metrics, by name. `docs/metrics.md` says the same for people.

use super::text::Kind::{self, Counter, Gauge, Histogram};

/// Numbers of one meaning.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What tells its numbers apart.
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

macro_rules! families {
    ($list:ident: $($constant:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) static $constant: Family = Family {
            name: $name,
            kind: $kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order in which they are exported.
        #[cfg(test)]
        pub(super) static $list: &[&Family] = &[$(&$constant),*];
    };
}

families! { TOTALS:
    BUILD_INFO = "chaski_build_info", Gauge, ["version"],
        "Always 1; the label says which version runs.";
    START_TIME = "process_start_time_seconds", Gauge, [],
        "When the process started, in seconds since 1970.";
    RESIDENT_BYTES = "process_resident_memory_bytes", Gauge, [],
        "Memory that the process holds, at the last look.";
    DISK_FREE_BYTES = "chaski_disk_free_bytes", Gauge, [],
        "Free space where the data directory is, at the last look.";
    ALARM = "chaski_alarm", Gauge, ["cause"],
        "1 while publishers wait for this cause: memory, disk, or the operator for either.";
    VHOSTS = "chaski_vhosts", Gauge, [],
        "Virtual hosts.";
    EXCHANGES = "chaski_exchanges", Gauge, [],
        "Exchanges, those that every virtual host has included.";
    QUEUES = "chaski_queues", Gauge, [],
        "Queues and streams.";
    BINDINGS = "chaski_bindings", Gauge, [],
        "Bindings, those of the default exchange excepted.";
    CONNECTIONS = "chaski_connections", Gauge, ["protocol"],
        "Open connections by the door that they came through. Short requests of one account over HTTP share one.";
    CHANNELS = "chaski_channels", Gauge, [],
        "Open channels of AMQP connections.";
    CONSUMERS = "chaski_consumers", Gauge, [],
        "Consumers attached to queues.";
    READY = "chaski_messages_ready", Gauge, [],
        "Messages that wait for delivery.";
    UNACKED = "chaski_messages_unacknowledged", Gauge, [],
        "Messages that were delivered and not settled.";
    READY_BYTES = "chaski_message_ready_bytes", Gauge, [],
        "Bytes of the bodies of messages that wait.";
    MEMORY_BYTES = "chaski_message_memory_bytes", Gauge, [],
        "Bytes of messages that are in memory alone.";
    SEGMENT_BYTES = "chaski_message_segment_bytes", Gauge, [],
        "Bytes in the segments of queues and streams on disk, without the journal.";
    PUBLISHED = "chaski_messages_published_total", Counter, [],
        "Messages that clients published and were allowed to, also those that no queue took.";
    UNROUTABLE = "chaski_messages_unroutable_total", Counter, [],
        "Published messages that no queue took: returned to their publisher if they were mandatory, else dropped.";
    DELIVERED = "chaski_messages_delivered_total", Counter, ["way"],
        "Messages handed to clients: to consumers, or to the answer of a get.";
    REDELIVERED = "chaski_messages_redelivered_total", Counter, [],
        "Those of them that may have been handed out before.";
    SETTLED = "chaski_messages_settled_total", Counter, ["outcome"],
        "Messages that clients acked, rejected or requeued. Automatic acknowledgements are not among them.";
    DIED = "chaski_messages_died_total", Counter, ["reason"],
        "Messages that left a queue without being consumed: rejected, expired, maxlen or delivery_limit, with dead letters or without.";
    DEAD_LETTERED = "chaski_messages_dead_lettered_total", Counter, [],
        "Messages that were sent to a dead-letter exchange.";
    CHAT_ROOMS = "chaski_chat_rooms", Gauge, [],
        "Rooms of the chat, the default one included.";
    CHAT_SESSIONS = "chaski_chat_sessions", Gauge, ["door"],
        "Sessions that listen to the chat, by the door that they came through.";
    CHAT_SAID = "chaski_chat_messages_said_total", Counter, [],
        "Messages that were said in rooms and in private, counted when they are on disk.";
    CHAT_DELIVERED = "chaski_chat_messages_delivered_total", Counter, [],
        "Messages of the chat that sessions were told, those that they had missed included. Queues of AMQP are no sessions.";
    CHAT_REFUSED = "chaski_chat_refused_total", Counter, ["reason"],
        "What was refused for coming too fast: flood by the bound of an account, slow by that of a room.";
    CHAT_COMMIT_SECONDS = "chaski_chat_commit_duration_seconds", Histogram, [],
        "Time from the moment when changes of the chat are handed over to be written until they are on disk, for each batch.";
    REQUESTS = "chaski_http_requests_total", Counter, ["method", "route", "status"],
        "Answered requests by the template of their path; (none) is a path that leads nowhere.";
    REQUEST_SECONDS = "chaski_http_request_duration_seconds", Histogram, ["method", "route"],
        "Time from the head of a request to the head of its answer. A pull may wait in it.";
    REQUESTS_IN_FLIGHT = "chaski_http_requests_in_flight", Gauge, [],
        "Requests that were not answered yet, this one included.";
    REQUESTS_GIVEN_UP = "chaski_http_requests_given_up_total", Counter, [],
        "Requests whose client went before the answer.";
    PEERS = "chaski_file_peers", Gauge, [],
        "Peers that are live.";
    FILES = "chaski_files", Gauge, [],
        "Files that live peers have announced.";
    FILE_SEARCHES = "chaski_file_searches_total", Counter, [],
        "Searches of the file index.";
    FILE_TICKETS = "chaski_file_tickets_total", Counter, [],
        "Tickets that were given to fetch or send a file.";
    FILE_OFFERS = "chaski_file_offers_total", Counter, [],
        "Offers of files that found a receiver.";
    FILE_REPORTS = "chaski_file_peer_reports_total", Counter, [],
        "Reports of peers that sent what was not the content.";
    RELAY_LINES = "chaski_file_relay_lines", Gauge, [],
        "Peers that can be called through this server.";
    RELAY_CALLS = "chaski_file_relay_calls", Gauge, [],
        "Calls between peers through this server that are open or wait to be taken.";
    RELAY_BYTES = "chaski_file_relay_bytes_total", Counter, [],
        "Bytes that passed through this server between peers, both ways.";
    RELAY_REFUSED = "chaski_file_relay_refused_total", Counter, [],
        "Calls that were refused as there were too many.";
    TRACE_SPANS = "chaski_trace_spans_total", Counter, ["outcome"],
        "Spans of traces: exported, failed as the collector did not take them, or dropped as too many waited for it or were open. 0 while traces are off.";
}

families! { PER_QUEUE:
    QUEUE_READY = "chaski_queue_messages_ready", Gauge, ["vhost", "queue"],
        "Messages that wait in the queue.";
    QUEUE_UNACKED = "chaski_queue_messages_unacknowledged", Gauge, ["vhost", "queue"],
        "Messages of the queue that were delivered and not settled.";
    QUEUE_READY_BYTES = "chaski_queue_message_ready_bytes", Gauge, ["vhost", "queue"],
        "Bytes of the bodies of messages that wait in the queue.";
    QUEUE_CONSUMERS = "chaski_queue_consumers", Gauge, ["vhost", "queue"],
        "Consumers attached to the queue.";
}
