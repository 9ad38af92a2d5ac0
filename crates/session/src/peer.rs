//! What is known about the other end.

use broker::Name;
use codec::amqp::field::{TableRef, ValueRef};

/// What a client said about itself and what was agreed with it.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// As they came: decoded they could take thirty times as much, and nobody is known yet.
    pub(crate) client_properties: Box<[u8]>,
    pub(crate) mechanism: String,
    pub(crate) login: Option<Name>,
    pub(crate) is_impersonator: bool,
    pub(crate) vhost: Option<String>,
    pub(crate) takes_blocked: bool,
    pub(crate) takes_consumer_cancel: bool,
    pub(crate) takes_authentication_failure: bool,
    pub(crate) frame_max: u32,
    pub(crate) channel_max: u16,
    pub(crate) heartbeat_s: u16,
}

impl Peer {
    /// Keeps the client's properties and reads its capabilities.
    pub(crate) fn introduce(&mut self, properties: TableRef<'_>) {
        let capabilities = properties.get("capabilities").and_then(ValueRef::as_table);
        let has = |name: &str| {
            capabilities
                .and_then(|table| table.get(name))
                .and_then(ValueRef::as_bool)
                .unwrap_or(false)
        };
        self.takes_blocked = has("connection.blocked");
        self.takes_consumer_cancel = has("consumer_cancel_notify");
        self.takes_authentication_failure = has("authentication_failure_close");
        self.client_properties = properties.as_bytes().into();
    }

    /// What the client says about itself.
    pub(crate) const fn client_properties(&self) -> TableRef<'_> {
        TableRef::new(&self.client_properties)
    }
}

/// A connection as listings show it.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// The account, once it is known.
    pub login: Option<&'a Name>,
    /// The virtual host, once it was asked for.
    pub vhost: Option<&'a str>,
    /// Everything that the client says about itself.
    pub client_properties: TableRef<'a>,
    /// Client property `product`.
    pub product: Option<&'a str>,
    /// Client property `platform`.
    pub platform: Option<&'a str>,
    /// Client property `connection_name`.
    pub connection_name: Option<&'a str>,
    /// Open channels.
    pub channels: usize,
    /// Consumers of all channels.
    pub consumers: usize,
    /// Deliveries that are not settled.
    pub unacked: usize,
    /// Largest frame. Units: bytes, 0 is no limit.
    pub frame_max: u32,
    /// Heartbeat. Units: seconds, 0 is off.
    pub heartbeat_s: u16,
}
