//! What clients say about deliveries: ack, nack, reject, recover; and how many they want at once: qos.

use broker::{Outcome, Port};
use codec::amqp::method::{BasicQos, BasicQosOk, BasicRecoverOk};
use codec::amqp::reply::ReplyCode;

use crate::channel::Channel;
use crate::faults::Fault;
use crate::limits;
use crate::session::Session;
use crate::unacked::Unacked;

#[cfg(test)]
mod tests;

impl Session {
    /// Settles one delivery, or all up to `tag`; with tag 0 and `is_multiple`, all there are.
    #[inline]
    pub(crate) fn settle<P: Port>(
        &mut self,
        number: u16,
        tag: u64,
        is_multiple: bool,
        outcome: Outcome,
        port: &mut P,
    ) -> Result<(), Fault> {
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        if is_multiple {
            if tag != 0 && !channel.unacked.contains(tag) {
                return Err(unknown_tag(tag));
            }
            let until = if tag == 0 { u64::MAX } else { tag };
            while let Some(unacked) = channel.unacked.take_until(until) {
                self.unacked_count -= settle_one(channel, unacked, outcome, port);
            }
        } else {
            let unacked = channel.unacked.take(tag).ok_or_else(|| unknown_tag(tag))?;
            self.unacked_count -= settle_one(channel, unacked, outcome, port);
        }
        if channel.credit_limit != 0 {
            self.credit_grew(number);
        }
        if self.is_laden {
            self.load_fell();
        }
        Ok(())
    }

    /// Puts back every unsettled delivery of the channel.
    pub(crate) fn recover<P: Port>(
        &mut self,
        number: u16,
        requeue: bool,
        is_answered: bool,
        port: &mut P,
    ) -> Result<(), Fault> {
        if !requeue {
            return Err(Fault::connection(
                ReplyCode::NotImplemented,
                "requeue=false",
            ));
        }
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        for unacked in channel.unacked.drain() {
            port.settle(
                unacked.queue,
                unacked.consumer,
                unacked.sequence,
                Outcome::Recovered,
            );
            self.unacked_count -= 1;
        }
        self.credit_grew(number);
        self.load_fell();
        if is_answered {
            self.send(number, BasicRecoverOk {});
        }
        Ok(())
    }

    /// Limits deliveries: of the channel together, or of each consumer that starts from now on.
    pub(crate) fn qos(&mut self, number: u16, qos: BasicQos) -> Result<(), Fault> {
        if qos.prefetch_size > 0 {
            let detail = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Fault::connection(ReplyCode::NotImplemented, detail));
        }
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        let limit = u32::from(qos.prefetch_count);
        if qos.global {
            channel.credit.set_limit(limit);
            channel.credit_limit = limit;
            self.mark_resume(number);
        } else {
            channel.prefetch = limit;
        }
        self.send(number, BasicQosOk {});
        Ok(())
    }

    /// Has the channel's consumers served again if they share a limit.
    pub(crate) fn credit_grew(&mut self, number: u16) {
        if self
            .channels
            .find_open(number)
            .is_some_and(|channel| channel.credit_limit != 0)
        {
            self.mark_resume(number);
        }
    }

    /// Has all consumers served again once the connection is rid of enough of what it had not acknowledged.
    #[cold]
    pub(crate) fn load_fell(&mut self) {
        let max = self.settings.unacked_max;
        let resume = max - max / limits::LADEN_RESUME_PART - 1;
        if !self.is_laden || self.unacked_count > resume {
            return;
        }
        self.is_laden = false;
        self.gauge.set_laden(false);
        for number in self.channels.numbers() {
            self.mark_resume(number);
        }
    }

    fn mark_resume(&mut self, number: u16) {
        if let Some(channel) = self.channels.find_open(number)
            && !channel.is_resume_due
        {
            channel.is_resume_due = true;
            self.resumes_due.push(number);
        }
    }

    /// Serves the consumers of channels whose shared credit grew in this batch.
    #[inline]
    pub(crate) fn resume_due<P: Port>(&mut self, port: &mut P) {
        while let Some(number) = self.resumes_due.pop() {
            let Some(channel) = self.channels.find_open(number) else {
                continue;
            };
            channel.is_resume_due = false;
            resume_in_turn(channel, port);
            if channel.consumers.len() > 1 && channel.credit_limit != 0 {
                // Credit is given back by the queue's shard; another one may be asked to resume before that.
                self.timers.resume_again();
            }
        }
    }

    /// Serves the consumers of all channels with shared credit once more.
    pub(crate) fn resume_shared<P: Port>(&mut self, port: &mut P) {
        for number in self.channels.numbers() {
            if let Some(channel) = self.channels.find_open(number)
                && channel.credit_limit != 0
            {
                resume_in_turn(channel, port);
            }
        }
    }
}

/// Serves a channel's consumers, each time another one first, so that none starves.
fn resume_in_turn<P: Port>(channel: &mut Channel, port: &mut P) {
    channel.turn = if channel.turn + 1 < channel.consumers.len() {
        channel.turn + 1
    } else {
        0
    };
    let reply = channel.reply.as_ref().map(|reply| reply.number);
    let (before, from) = channel.consumers.split_at(channel.turn);
    for consumer in from.iter().chain(before) {
        if Some(*consumer) != reply {
            port.resume(*consumer);
        }
    }
}

/// Settles one delivery, or keeps that for the commit; returns how many that takes off the connection.
#[inline]
fn settle_one<P: Port>(
    channel: &mut Channel,
    unacked: Unacked,
    outcome: Outcome,
    port: &mut P,
) -> usize {
    match &mut channel.transaction {
        Some(transaction) => {
            transaction.push_settle(unacked, outcome);
            0
        }
        None => {
            port.settle(unacked.queue, unacked.consumer, unacked.sequence, outcome);
            1
        }
    }
}

#[cold]
fn unknown_tag(tag: u64) -> Fault {
    Fault::precondition(format!("unknown delivery tag {tag}"))
}
