//! Methods on an open channel: which function each one goes to.

use broker::{Outcome, Port};
use codec::amqp::method::{
    ChannelCloseOk, ChannelFlow, ChannelFlowOk, ChannelOpenOk, ConfirmSelect, ConfirmSelectOk,
    Method, TxSelectOk,
};
use codec::amqp::reply::ReplyCode;

use crate::confirms::Confirms;
use crate::faults::{Cause, Fault};
use crate::handshake::decode;
use crate::session::Session;

impl Session {
    /// A method on a channel that is not open: only channel.open may come.
    pub(crate) fn handle_first_method(&mut self, number: u16, payload: &[u8]) -> Result<(), Fault> {
        let Method::ChannelOpen(_) = decode(payload)? else {
            return Err(Fault::connection(
                ReplyCode::ChannelError,
                "expected 'channel.open'",
            ));
        };
        let highest = self.peer.channel_max;
        if number > highest {
            let open = self.channels.count();
            let detail = if open >= usize::from(highest) {
                format!(
                    "number of channels opened ({open}) has reached the negotiated channel_max ({highest})"
                )
            } else {
                format!("channel number {number} is beyond the negotiated channel_max ({highest})")
            };
            return Err(Fault::connection(ReplyCode::NotAllowed, detail));
        }
        self.channels.open(number);
        self.send(number, ChannelOpenOk {});
        Ok(())
    }

    /// A method on an open channel.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest is told apart by the function it goes to"
    )]
    pub(crate) fn handle_method<P: Port>(
        &mut self,
        number: u16,
        payload: &[u8],
        port: &mut P,
    ) -> Result<(), Fault> {
        let method = decode(payload)?;
        self.check_no_content_due(number)?;
        let cause = Cause::of(payload);
        match method {
            Method::BasicPublish(publish) => {
                self.begin_publish(number, &publish);
                Ok(())
            }
            Method::BasicAck(ack) => {
                self.settle(number, ack.delivery_tag, ack.multiple, Outcome::Acked, port)
            }
            Method::BasicNack(nack) => self.settle(
                number,
                nack.delivery_tag,
                nack.multiple,
                unwanted(nack.requeue),
                port,
            ),
            Method::BasicReject(reject) => self.settle(
                number,
                reject.delivery_tag,
                false,
                unwanted(reject.requeue),
                port,
            ),
            Method::BasicRecover(recover) => self.recover(number, recover.requeue, true, port),
            Method::BasicRecoverAsync(recover) => {
                self.recover(number, recover.requeue, false, port)
            }
            Method::BasicQos(qos) => self.qos(number, qos),
            Method::BasicConsume(consume) => self.consume(number, cause, &consume, port),
            Method::BasicCancel(cancel) => {
                self.cancel(number, cause, &cancel, port);
                Ok(())
            }
            Method::BasicGet(get) => self.get(number, cause, &get, port),
            Method::ConfirmSelect(select) => self.select_confirms(number, select),
            Method::TxSelect(_) => {
                self.select_transaction(number)?;
                self.send(number, TxSelectOk {});
                Ok(())
            }
            Method::TxCommit(_) => self.commit(number, cause, port),
            Method::TxRollback(_) => self.rollback(number),
            Method::ChannelOpen(_) => Err(Fault::connection(
                ReplyCode::ChannelError,
                "second 'channel.open' seen",
            )),
            Method::ChannelFlow(flow) => self.flow(number, flow),
            Method::ChannelFlowOk(_) => Ok(()),
            Method::ChannelClose(_) => {
                self.close_channel(number, port);
                Ok(())
            }
            other => self.handle_topology(number, cause, &other, port),
        }
    }

    /// Between a publish and the end of its content no other method may come.
    fn check_no_content_due(&mut self, number: u16) -> Result<(), Fault> {
        if let Some(assembly) = self
            .channels
            .find_open(number)
            .and_then(|channel| channel.assembly.as_ref())
        {
            return Err(Fault::unexpected_frame(if assembly.has_header() {
                "expected content body, got non content body frame instead"
            } else {
                "expected content header for class 60, got non content header frame instead"
            }));
        }
        Ok(())
    }

    fn close_channel<P: Port>(&mut self, number: u16, port: &mut P) {
        self.flush_confirms();
        self.release_channel(number, port);
        self.channels.remove(number);
        self.send(number, ChannelCloseOk {});
    }

    fn select_confirms(&mut self, number: u16, select: ConfirmSelect) -> Result<(), Fault> {
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        if channel.transaction.is_some() {
            return Err(Fault::precondition("cannot switch from tx to confirm mode"));
        }
        channel
            .confirms
            .get_or_insert_with(|| Confirms::new(self.numbers_until));
        if !select.no_wait {
            self.send(number, ConfirmSelectOk {});
        }
        Ok(())
    }

    fn flow(&mut self, number: u16, flow: ChannelFlow) -> Result<(), Fault> {
        if !flow.active {
            return Err(Fault::connection(ReplyCode::NotImplemented, "active=false"));
        }
        self.send(number, ChannelFlowOk { active: true });
        Ok(())
    }
}

const fn unwanted(requeue: bool) -> Outcome {
    if requeue {
        Outcome::Requeued
    } else {
        Outcome::Rejected
    }
}
