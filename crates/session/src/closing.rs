//! Endings: of a channel by a fault, of the connection by a fault, the operator, the peer or the socket.

use broker::{Outcome, Port};
use codec::amqp::frame::{self, Frame, FrameError, FrameKind};
use codec::amqp::method::{
    ChannelClose, ChannelCloseOk, ConnectionClose, ConnectionCloseOk, Method,
};
use codec::amqp::reply::ReplyCode;

use crate::channel::Phase;
use crate::faults::{Cause, Fault, Scope};
use crate::session::Session;
use crate::state::State;

#[cfg(test)]
mod tests;

/// connection.close-ok as it looks on the wire.
const CLOSE_OK_FRAME: [u8; 12] = [1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 51, 0xCE];

impl Session {
    /// Tells the peer of a fault and ends what it ends.
    #[cold]
    pub(crate) fn fail<P: Port>(
        &mut self,
        channel: u16,
        cause: Cause,
        fault: &Fault,
        port: &mut P,
    ) {
        if fault.scope == Scope::Connection || channel == 0 {
            self.fail_connection(cause, fault);
            return;
        }
        self.flush_confirms();
        self.release_channel(channel, port);
        if let Some(channel) = self.channels.find(channel) {
            channel.phase = Phase::Closing;
        }
        let Cause {
            class_id,
            method_id,
        } = cause;
        self.send(
            channel,
            ChannelClose {
                reply_code: fault.code.code(),
                reply_text: &fault.text,
                class_id,
                method_id,
            },
        );
    }

    /// Tells the peer why the connection ends and waits for its answer.
    #[cold]
    pub(crate) fn fail_connection(&mut self, cause: Cause, fault: &Fault) {
        self.flush_confirms();
        self.timers.start_close(self.state.is_handshake());
        let Cause {
            class_id,
            method_id,
        } = cause;
        self.send(
            0,
            ConnectionClose {
                reply_code: fault.code.code(),
                reply_text: &fault.text,
                class_id,
                method_id,
            },
        );
        self.state = State::Closing { is_garbled: false };
        self.outstanding = None;
        self.is_secret_pending = false;
        self.action = None;
    }

    /// Ends the connection because its bytes are no frames: from here on they cannot be cut any more.
    #[cold]
    pub(crate) fn fail_garbled(&mut self, error: &FrameError) {
        self.fail_connection(
            Cause::NONE,
            &Fault::connection(error.reply_code(), error.to_string()),
        );
        self.state = State::Closing { is_garbled: true };
    }

    /// Reads on for the answer to connection.close and ignores everything else.
    pub(crate) fn handle_closing(&mut self, rest: &[u8], is_garbled: bool) -> usize {
        if is_garbled {
            if rest.ends_with(&CLOSE_OK_FRAME) {
                self.state = State::Closed;
            }
            return rest.len();
        }
        match frame::parse(rest, self.peer.frame_max) {
            Ok(Some((
                Frame {
                    kind: FrameKind::Method,
                    channel: 0,
                    payload,
                },
                used,
            ))) => {
                match Method::decode(payload) {
                    Ok(Method::ConnectionCloseOk(_)) => self.state = State::Closed,
                    Ok(Method::ConnectionClose(_)) => {
                        // Both ends closed at once: the peer's wish is fulfilled.
                        self.send(0, ConnectionCloseOk {});
                        self.state = State::Closed;
                    }
                    Ok(_) | Err(_) => {}
                }
                used
            }
            Ok(Some((_, used))) => used,
            Ok(None) => 0,
            Err(_) => {
                self.state = State::Closing { is_garbled: true };
                rest.len()
            }
        }
    }

    /// Methods on a channel that waits for close-ok: all but two are ignored.
    pub(crate) fn handle_closing_channel(&mut self, channel: u16, payload: &[u8]) {
        match Method::decode(payload) {
            Ok(Method::ChannelCloseOk(_)) => self.channels.remove(channel),
            // The peer closed before it read ours; its close-ok to ours is still to come.
            Ok(Method::ChannelClose(_)) => self.send(channel, ChannelCloseOk {}),
            Ok(_) | Err(_) => {}
        }
    }

    /// Ends the connection by the operator's wish: tells the peer and waits for its answer up to a deadline.
    pub fn shutdown(&mut self, reason: &str, now_ms: u64) {
        self.timers.tick(now_ms);
        match self.state {
            State::Header | State::Start | State::Authenticating => self.state = State::Closed,
            State::Tune | State::Open | State::Opening | State::Running => {
                self.fail_connection(
                    Cause::NONE,
                    &Fault::connection(ReplyCode::ConnectionForced, reason),
                );
            }
            State::Closing { .. } | State::Closed => {}
        }
    }

    /// Takes note that the socket is gone: stops every consumer and requeues every delivery.
    pub fn close<P: Port>(&mut self, port: &mut P) {
        self.state = State::Closed;
        self.outstanding = None;
        self.release_if_over(Some(port));
    }

    /// Gives everything back once nothing will be read any more.
    #[inline]
    pub(crate) fn release_if_over<P: Port>(&mut self, port: Option<&mut P>) {
        let is_over = match self.state {
            State::Closing { .. } | State::Closed => true,
            State::Header
            | State::Start
            | State::Authenticating
            | State::Tune
            | State::Open
            | State::Opening
            | State::Running => false,
        };
        if !is_over || self.is_released {
            return;
        }
        if let Some(port) = port {
            self.release(port);
        }
    }

    #[cold]
    fn release<P: Port>(&mut self, port: &mut P) {
        self.is_released = true;
        let numbers = self.channels.numbers();
        // First all consumers, so that nothing comes back to another channel of a connection that ends.
        for number in &numbers {
            self.drop_consumers(*number, port);
        }
        for number in numbers {
            self.release_channel(number, port);
            self.channels.remove(number);
        }
    }

    fn drop_consumers<P: Port>(&mut self, number: u16, port: &mut P) {
        let Some(channel) = self.channels.find(number) else {
            return;
        };
        channel.reply = None;
        for consumer in std::mem::take(&mut channel.consumers) {
            self.consumers.remove(consumer);
            port.drop_consumer(consumer);
        }
    }

    /// Stops a channel's consumers, requeues its deliveries in their order and forgets what was begun.
    pub(crate) fn release_channel<P: Port>(&mut self, number: u16, port: &mut P) {
        self.drop_consumers(number, port);
        self.posts.forget(number);
        let Some(channel) = self.channels.find(number) else {
            return;
        };
        if let Some(assembly) = channel.assembly.take() {
            self.assembly_bytes = self.assembly_bytes.saturating_sub(assembly.received());
        }
        if let Some(confirms) = channel.confirms.take() {
            self.numbers_until = self.numbers_until.max(confirms.next() - 1);
        }
        if let Some(transaction) = channel.transaction.take() {
            channel.unacked.restore(transaction.into_settled());
        }
        for unacked in channel.unacked.drain() {
            self.unacked_count -= 1;
            port.settle(
                unacked.queue,
                unacked.consumer,
                unacked.sequence,
                Outcome::Requeued,
            );
        }
        self.load_fell();
    }
}
