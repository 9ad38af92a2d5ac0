//! What a session may ask of the engine while it works through a batch of input.

use codec::amqp::properties::PropertiesRef;

use crate::{Body, ConsumerNumber, Outcome, QueueRef, Refusal, Request};

/// One message to be published.
#[derive(Debug, Clone)]
pub struct Publish<'a> {
    /// The channel that it came on.
    pub channel: u16,
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// The properties as they came: what exchanges look at.
    pub properties: &'a PropertiesRef<'a>,
    /// The properties in wire form as they go on: without BCC, with a rewritten reply-to.
    pub forwarded: &'a [u8],
    /// The body.
    pub body: Body<'a>,
    /// Delivery mode 2.
    pub persistent: bool,
    /// The priority, 0 when absent.
    pub priority: u8,
    /// The expiration.
    pub expiration_ms: Option<u64>,
    /// Queues deliver it at this time, in milliseconds since 1970; at once if that is past. Streams take no notice.
    pub deliver_at_ms: Option<u64>,
    /// The id by which a queue or stream that took the message already knows it again; of up to [`crate::limits::DEDUP_ID_BYTES_MAX`]
    /// bytes, none otherwise. By convention also a header of the message, `x-deduplication-header`.
    pub dedup_id: Option<&'a str>,
    /// The publish's number in its channel, when the channel confirms.
    pub number: Option<u64>,
    /// The publisher wants an [`crate::Event::Placed`] from every queue that takes the message; needs a `number`.
    pub wants_place: bool,
}

/// What [`Port::publish`] returns for a message that the chat was given, not a queue: one [`crate::Event::Posted`] will tell what became
/// of it. The n-th on a connection has the number n.
pub const POSTED: u32 = u32::MAX;

/// The engine as one connection sees it during one batch.
///
/// Nothing here waits: what takes time answers by an [`crate::Event`].
pub trait Port {
    /// Publishes a message; returns by how many [`crate::Event::Confirmed`] its number will be confirmed, 0 when no queue took it,
    /// [`POSTED`] when the chat was given it.
    ///
    /// # Errors
    /// The message was not published.
    fn publish(&mut self, publish: &Publish<'_>) -> Result<u32, Refusal>;

    /// Settles one delivered message; `consumer` is who had it, `None` a get.
    fn settle(
        &mut self,
        queue: QueueRef,
        consumer: Option<ConsumerNumber>,
        sequence: u64,
        outcome: Outcome,
    );

    /// Says whether a queue is still there: what is settled of one that was deleted goes nowhere.
    fn has_queue(&self, queue: QueueRef) -> bool;

    /// Asks for something; one [`crate::Event::Replied`] will come on the channel.
    fn request(&mut self, channel: u16, request: Request);

    /// Stops a consumer without an answer, as when its channel closes.
    fn drop_consumer(&mut self, consumer: ConsumerNumber);

    /// Serves a consumer again whose channel's shared credit grew.
    fn resume(&mut self, consumer: ConsumerNumber);

    /// Opens a direct reply address for a consumer; returns the name that others reply to.
    fn open_reply_address(&mut self, channel: u16, consumer: ConsumerNumber) -> String;
}
