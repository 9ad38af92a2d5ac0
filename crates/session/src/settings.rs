//! What the operator decides about connections, and what the server says about itself.

use codec::amqp::field::{Table, Value};

/// What a listener's connections have in common.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Largest frame offered, overhead included. Units: bytes, 0 offers no limit; default 131,072.
    pub frame_max: u32,
    /// Highest channel number offered. Units: 0 offers no limit; default 2,047.
    pub channel_max: u16,
    /// Heartbeat offered. Units: seconds, 0 offers none; default 60.
    pub heartbeat_s: u16,
    /// How long everything up to connection.open-ok may take. Units: milliseconds; default 10,000.
    pub handshake_timeout_ms: u64,
    /// Largest body. Units: bytes; default 16 MiB.
    pub message_bytes_max: u64,
    /// Consumers of one channel. Default 10,000.
    pub consumers_per_channel_max: u32,
    /// Messages that the connection may have unacknowledged; with as many its consumers wait. Default 1,000,000.
    pub unacked_max: usize,
    /// What one channel's open transaction may hold. Units: bytes; default 64 MiB.
    pub transaction_bytes_max: usize,
    /// Server property `version`, which client libraries compare with RabbitMQ's.
    pub version: String,
    /// Server property `platform`.
    pub platform: String,
    /// Server property `information`.
    pub information: String,
    /// Server property `cluster_name`.
    pub cluster_name: String,
    /// Randomness for the consumer tags that the server chooses.
    pub tag_seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frame_max: 131_072,
            channel_max: 2_047,
            heartbeat_s: 60,
            handshake_timeout_ms: 10_000,
            message_bytes_max: 16 * 1024 * 1024,
            consumers_per_channel_max: 10_000,
            unacked_max: 1_000_000,
            transaction_bytes_max: 64 * 1024 * 1024,
            version: "4.0.0".to_owned(),
            platform: "Rust".to_owned(),
            information: "Licensed under the Apache License 2.0".to_owned(),
            cluster_name: "chaski".to_owned(),
            tag_seed: 0,
        }
    }
}

/// What a server may do that the specification does not have.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

impl Settings {
    /// The table of connection.start.
    pub(crate) fn server_properties(&self) -> Table {
        let capabilities: Table = CAPABILITIES
            .iter()
            .map(|name| ((*name).to_owned(), Value::Bool(true)))
            .collect();
        let mut properties = Table::new();
        properties.insert("capabilities", capabilities);
        properties.insert("cluster_name", self.cluster_name.as_str());
        properties.insert("copyright", "The Chaski authors");
        properties.insert("information", self.information.as_str());
        properties.insert("platform", self.platform.as_str());
        properties.insert("product", "Chaski");
        properties.insert("version", self.version.as_str());
        properties
    }
}
