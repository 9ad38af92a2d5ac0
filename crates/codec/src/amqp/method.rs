//! Methods: the commands and answers of the protocol.
//!
//! [`Method`] has a variant per method, each with a struct of its arguments; all of them come
//! from the one table at the end of this file. Strings and tables borrow from the payload.
//! A table in a decoded method is valid to its depths, as by
//! [`TableRef::validate`](super::field::TableRef::validate).
//!
//! # Shape
//!
//! Class id (`u16`), method id (`u16`), then the arguments; successive bits share octets.
//!
//! # Spec
//!
//! AMQP 0-9-1, section 4.2.4, with RabbitMQ's extensions (`basic.nack`, `confirm.*`,
//! `connection.blocked`, `connection.update-secret`, `exchange.bind`). The deprecated class
//! `access` is not known.

use thiserror::Error;

use super::field::TableRef;
use super::frame::{FRAME_END, FRAME_METHOD};
use super::reply::ReplyCode;
use super::wire::{DecodeError, Reader, Writer, begin_length, end_length};

#[macro_use]
mod definition;
#[cfg(test)]
mod tests;

/// Tells why the payload of a method frame is not a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MethodError {
    /// No method has these ids.
    #[error("unknown method {method_id} of class {class_id}")]
    UnknownMethod {
        /// Class id as received.
        class_id: u16,
        /// Method id as received.
        method_id: u16,
    },
    /// The payload ends before the ids do.
    #[error("method frame without class and method id")]
    MissingId,
    /// The arguments are not what the method takes.
    #[error("malformed arguments of {method}")]
    Malformed {
        /// Name of the method, as `basic.publish`.
        method: &'static str,
        /// What is wrong with them.
        source: DecodeError,
    },
}

impl MethodError {
    /// Returns the reply code the connection is closed with.
    pub const fn reply_code(self) -> ReplyCode {
        match self {
            Self::UnknownMethod { .. } => ReplyCode::NotImplemented,
            Self::MissingId | Self::Malformed { .. } => ReplyCode::SyntaxError,
        }
    }
}

/// The arguments of one method, as the table of methods defines them.
trait Arguments<'a>: Sized {
    const CLASS_ID: u16;
    const METHOD_ID: u16;
    const NAME: &'static str;

    /// Reads the arguments, which must be all that is left.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends ids and arguments.
    fn write(&self, out: &mut Vec<u8>);

    #[inline]
    fn decode(bytes: &'a [u8]) -> Result<Self, MethodError> {
        Self::read(&mut Reader::new(bytes)).map_err(|source| MethodError::Malformed {
            method: Self::NAME,
            source,
        })
    }
}

impl<'a> Method<'a> {
    /// Reads the payload of a method frame.
    ///
    /// # Errors
    ///
    /// When no method has the ids, or the arguments are cut short, malformed or followed by more
    /// bytes.
    #[inline]
    pub fn decode(payload: &'a [u8]) -> Result<Self, MethodError> {
        let Some((&[c1, c0, m1, m0], arguments)) = payload.split_first_chunk::<4>() else {
            return Err(MethodError::MissingId);
        };
        let class_id = u16::from_be_bytes([c1, c0]);
        let method_id = u16::from_be_bytes([m1, m0]);
        // The methods every message costs; the rest is not worth inlining.
        match (class_id, method_id) {
            (BasicPublish::CLASS_ID, BasicPublish::METHOD_ID) => {
                BasicPublish::decode(arguments).map(Method::BasicPublish)
            }
            (BasicAck::CLASS_ID, BasicAck::METHOD_ID) => {
                BasicAck::decode(arguments).map(Method::BasicAck)
            }
            (BasicDeliver::CLASS_ID, BasicDeliver::METHOD_ID) => {
                BasicDeliver::decode(arguments).map(Method::BasicDeliver)
            }
            (BasicNack::CLASS_ID, BasicNack::METHOD_ID) => {
                BasicNack::decode(arguments).map(Method::BasicNack)
            }
            _ => Self::decode_by_ids(class_id, method_id, arguments),
        }
    }

    /// Appends the method as a whole frame. Short strings over 255 bytes are cut.
    #[inline]
    pub fn encode_frame(&self, channel: u16, out: &mut Vec<u8>) {
        let [c1, c0] = channel.to_be_bytes();
        out.extend_from_slice(&[FRAME_METHOD, c1, c0]);
        let at = begin_length(out);
        self.write(out);
        end_length(out, at);
        out.push(FRAME_END);
    }
}

methods! {
    10 {
        /// Opens the negotiation and says what the server offers.
        10 "connection.start" ConnectionStart<'a> {
            version_major: octet,
            version_minor: octet,
            server_properties: table,
            /// Names of SASL mechanisms, separated by spaces.
            mechanisms: longstr,
            locales: longstr,
        }
        /// Chooses a mechanism and locale, and presents the client.
        11 "connection.start-ok" ConnectionStartOk<'a> {
            client_properties: table,
            mechanism: shortstr,
            response: longstr,
            locale: shortstr,
        }
        /// Asks for more in the dialogue of the mechanism.
        20 "connection.secure" ConnectionSecure<'a> {
            challenge: longstr,
        }
        /// Answers a challenge.
        21 "connection.secure-ok" ConnectionSecureOk<'a> {
            response: longstr,
        }
        /// Proposes limits; 0 stands for none.
        30 "connection.tune" ConnectionTune {
            channel_max: short,
            /// Bytes, overhead included.
            frame_max: long,
            /// Seconds.
            heartbeat: short,
        }
        /// Settles the limits.
        31 "connection.tune-ok" ConnectionTuneOk {
            channel_max: short,
            /// Bytes, overhead included.
            frame_max: long,
            /// Seconds.
            heartbeat: short,
        }
        /// Enters a virtual host.
        40 "connection.open" ConnectionOpen<'a> {
            virtual_host: shortstr,
            /// Deprecated; send it empty.
            capabilities: shortstr,
            /// Deprecated; send it false.
            insist: bit,
        }
        /// Confirms that the connection is ready.
        41 "connection.open-ok" ConnectionOpenOk {
            _: shortstr,
        }
        /// Ends the connection and says why.
        50 "connection.close" ConnectionClose<'a> {
            reply_code: short,
            reply_text: shortstr,
            /// Class of the method that failed, or 0.
            class_id: short,
            /// The method that failed, or 0.
            method_id: short,
        }
        /// Confirms the end of the connection.
        51 "connection.close-ok" ConnectionCloseOk {}
        /// Tells a publisher that the server takes no more for now.
        60 "connection.blocked" ConnectionBlocked<'a> {
            reason: shortstr,
        }
        /// Tells a publisher that the server takes messages again.
        61 "connection.unblocked" ConnectionUnblocked {}
        /// Replaces credentials that are about to expire.
        70 "connection.update-secret" ConnectionUpdateSecret<'a> {
            new_secret: longstr,
            reason: shortstr,
        }
        /// Confirms the new credentials.
        71 "connection.update-secret-ok" ConnectionUpdateSecretOk {}
    }
    20 {
        /// Opens a channel.
        10 "channel.open" ChannelOpen {
            _: shortstr,
        }
        /// Confirms that the channel is open.
        11 "channel.open-ok" ChannelOpenOk {
            _: longstr,
        }
        /// Pauses or resumes deliveries.
        20 "channel.flow" ChannelFlow {
            active: bit,
        }
        /// Confirms a pause or its end.
        21 "channel.flow-ok" ChannelFlowOk {
            active: bit,
        }
        /// Ends the channel and says why.
        40 "channel.close" ChannelClose<'a> {
            reply_code: short,
            reply_text: shortstr,
            /// Class of the method that failed, or 0.
            class_id: short,
            /// The method that failed, or 0.
            method_id: short,
        }
        /// Confirms the end of the channel.
        41 "channel.close-ok" ChannelCloseOk {}
    }
    40 {
        /// Creates an exchange or checks that it is there.
        10 "exchange.declare" ExchangeDeclare<'a> {
            _: short,
            exchange: shortstr,
            /// `direct`, `fanout`, `topic`, `headers`.
            kind: shortstr,
            passive: bit,
            durable: bit,
            auto_delete: bit,
            internal: bit,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the exchange.
        11 "exchange.declare-ok" ExchangeDeclareOk {}
        /// Deletes an exchange.
        20 "exchange.delete" ExchangeDelete<'a> {
            _: short,
            exchange: shortstr,
            if_unused: bit,
            no_wait: bit,
        }
        /// Confirms the deletion.
        21 "exchange.delete-ok" ExchangeDeleteOk {}
        /// Binds an exchange to another.
        30 "exchange.bind" ExchangeBind<'a> {
            _: short,
            destination: shortstr,
            source: shortstr,
            routing_key: shortstr,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the binding.
        31 "exchange.bind-ok" ExchangeBindOk {}
        /// Removes a binding between exchanges.
        40 "exchange.unbind" ExchangeUnbind<'a> {
            _: short,
            destination: shortstr,
            source: shortstr,
            routing_key: shortstr,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the removal.
        51 "exchange.unbind-ok" ExchangeUnbindOk {}
    }
    50 {
        /// Creates a queue or checks that it is there.
        10 "queue.declare" QueueDeclare<'a> {
            _: short,
            /// Empty to let the server choose.
            queue: shortstr,
            passive: bit,
            durable: bit,
            exclusive: bit,
            auto_delete: bit,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the queue and says what it holds.
        11 "queue.declare-ok" QueueDeclareOk<'a> {
            queue: shortstr,
            /// Messages ready for delivery.
            message_count: long,
            consumer_count: long,
        }
        /// Binds a queue to an exchange.
        20 "queue.bind" QueueBind<'a> {
            _: short,
            queue: shortstr,
            exchange: shortstr,
            routing_key: shortstr,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the binding.
        21 "queue.bind-ok" QueueBindOk {}
        /// Removes the messages that are ready.
        30 "queue.purge" QueuePurge<'a> {
            _: short,
            queue: shortstr,
            no_wait: bit,
        }
        /// Says how many messages were removed.
        31 "queue.purge-ok" QueuePurgeOk {
            message_count: long,
        }
        /// Deletes a queue.
        40 "queue.delete" QueueDelete<'a> {
            _: short,
            queue: shortstr,
            if_unused: bit,
            if_empty: bit,
            no_wait: bit,
        }
        /// Says how many messages went with the queue.
        41 "queue.delete-ok" QueueDeleteOk {
            message_count: long,
        }
        /// Removes a binding of a queue.
        50 "queue.unbind" QueueUnbind<'a> {
            _: short,
            queue: shortstr,
            exchange: shortstr,
            routing_key: shortstr,
            arguments: table,
        }
        /// Confirms the removal.
        51 "queue.unbind-ok" QueueUnbindOk {}
    }
    60 {
        /// Limits how much may be delivered and not acknowledged.
        10 "basic.qos" BasicQos {
            prefetch_size: long,
            prefetch_count: short,
            /// For the whole channel, rather than each consumer started from now on.
            global: bit,
        }
        /// Confirms the limit.
        11 "basic.qos-ok" BasicQosOk {}
        /// Starts a consumer.
        20 "basic.consume" BasicConsume<'a> {
            _: short,
            queue: shortstr,
            /// Empty to let the server choose.
            consumer_tag: shortstr,
            no_local: bit,
            no_ack: bit,
            exclusive: bit,
            no_wait: bit,
            arguments: table,
        }
        /// Confirms the consumer.
        21 "basic.consume-ok" BasicConsumeOk<'a> {
            consumer_tag: shortstr,
        }
        /// Stops a consumer; from the server, tells that it was stopped.
        30 "basic.cancel" BasicCancel<'a> {
            consumer_tag: shortstr,
            no_wait: bit,
        }
        /// Confirms the stop.
        31 "basic.cancel-ok" BasicCancelOk<'a> {
            consumer_tag: shortstr,
        }
        /// Publishes the content that follows.
        40 "basic.publish" BasicPublish<'a> {
            _: short,
            exchange: shortstr,
            routing_key: shortstr,
            /// Return the message if no queue takes it.
            mandatory: bit,
            /// Not supported by RabbitMQ.
            immediate: bit,
        }
        /// Gives back a message that could not be routed; its content follows.
        50 "basic.return" BasicReturn<'a> {
            reply_code: short,
            reply_text: shortstr,
            exchange: shortstr,
            routing_key: shortstr,
        }
        /// Delivers the content that follows to a consumer.
        60 "basic.deliver" BasicDeliver<'a> {
            consumer_tag: shortstr,
            delivery_tag: longlong,
            redelivered: bit,
            exchange: shortstr,
            routing_key: shortstr,
        }
        /// Asks for one message.
        70 "basic.get" BasicGet<'a> {
            _: short,
            queue: shortstr,
            no_ack: bit,
        }
        /// Delivers the content that follows in answer to a get.
        71 "basic.get-ok" BasicGetOk<'a> {
            delivery_tag: longlong,
            redelivered: bit,
            exchange: shortstr,
            routing_key: shortstr,
            /// Messages left in the queue.
            message_count: long,
        }
        /// Says that the queue of a get is empty.
        72 "basic.get-empty" BasicGetEmpty {
            _: shortstr,
        }
        /// Acknowledges deliveries; from the server, confirms publishes.
        80 "basic.ack" BasicAck {
            delivery_tag: longlong,
            /// All up to and including the tag; with tag 0, all there are.
            multiple: bit,
        }
        /// Rejects one delivery.
        90 "basic.reject" BasicReject {
            delivery_tag: longlong,
            requeue: bit,
        }
        /// Asks for unacknowledged messages again, without an answer. Deprecated.
        100 "basic.recover-async" BasicRecoverAsync {
            requeue: bit,
        }
        /// Asks for unacknowledged messages again.
        110 "basic.recover" BasicRecover {
            requeue: bit,
        }
        /// Confirms a recover.
        111 "basic.recover-ok" BasicRecoverOk {}
        /// Rejects deliveries; from the server, tells of publishes it could not take.
        120 "basic.nack" BasicNack {
            delivery_tag: longlong,
            /// All up to and including the tag; with tag 0, all there are.
            multiple: bit,
            requeue: bit,
        }
    }
    85 {
        /// Asks for a confirm of every message published on the channel.
        10 "confirm.select" ConfirmSelect {
            no_wait: bit,
        }
        /// Agrees to confirm.
        11 "confirm.select-ok" ConfirmSelectOk {}
    }
    90 {
        /// Makes the channel transactional.
        10 "tx.select" TxSelect {}
        /// Agrees to transactions.
        11 "tx.select-ok" TxSelectOk {}
        /// Commits what was published and acknowledged since the last time.
        20 "tx.commit" TxCommit {}
        /// Confirms the commit.
        21 "tx.commit-ok" TxCommitOk {}
        /// Undoes what was published and acknowledged since the last commit.
        30 "tx.rollback" TxRollback {}
        /// Confirms the rollback.
        31 "tx.rollback-ok" TxRollbackOk {}
    }
}
