//! Transactions: publishes and settlements that take effect at commit, in their order.
//!
//! A commit is not atomic across a fault: when the broker refuses a publish of it, what came before stays done, what comes after is
//! undone with the channel, as in RabbitMQ.

use std::collections::VecDeque;

use broker::{Outcome, Port, Request};
use codec::amqp::method::TxRollbackOk;
use codec::amqp::reply::ReplyCode;

use crate::faults::{Cause, Fault};
use crate::limits;
use crate::publish::{Content, OwnedContent};
use crate::requests::Ask;
use crate::session::Session;
use crate::unacked::Unacked;

#[cfg(test)]
mod tests;

#[derive(Debug)]
enum Operation {
    Publish(Box<OwnedContent>),
    Settle(Unacked, Outcome),
}

/// What a channel did since tx.select or the last commit.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    operations: VecDeque<Operation>,
    bytes: usize,
}

impl Transaction {
    /// Keeps a publish.
    pub(crate) fn push_publish(
        &mut self,
        content: &Content<'_>,
        bytes_max: usize,
    ) -> Result<(), Fault> {
        let content = OwnedContent::new(content);
        let bytes = self.bytes.saturating_add(content.footprint());
        if bytes > bytes_max {
            return Err(Fault::channel(
                ReplyCode::ResourceError,
                format!("transaction is larger than {bytes_max} bytes"),
            ));
        }
        self.bytes = bytes;
        self.operations
            .push_back(Operation::Publish(Box::new(content)));
        Ok(())
    }

    /// Keeps a settlement; its number is bounded by that of deliveries.
    pub(crate) fn push_settle(&mut self, unacked: Unacked, outcome: Outcome) {
        self.bytes = self
            .bytes
            .saturating_add(limits::TRANSACTION_OVERHEAD_BYTES);
        self.operations
            .push_back(Operation::Settle(unacked, outcome));
    }

    /// The deliveries whose settlement is given up.
    pub(crate) fn into_settled(self) -> impl Iterator<Item = Unacked> {
        self.operations
            .into_iter()
            .filter_map(|operation| match operation {
                Operation::Settle(unacked, _) => Some(unacked),
                Operation::Publish(_) => None,
            })
    }
}

fn not_transactional() -> Fault {
    Fault::precondition("channel is not transactional")
}

impl Session {
    /// Makes a channel transactional.
    pub(crate) fn select_transaction(&mut self, number: u16) -> Result<(), Fault> {
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        if channel.confirms.is_some() {
            return Err(Fault::precondition("cannot switch from confirm to tx mode"));
        }
        channel.transaction.get_or_insert_default();
        Ok(())
    }

    /// Carries out what was kept, then asks for it to be durable; commit-ok follows the answer.
    pub(crate) fn commit<P: Port>(
        &mut self,
        number: u16,
        cause: Cause,
        port: &mut P,
    ) -> Result<(), Fault> {
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        let Some(mut transaction) = channel.transaction.take() else {
            return Err(not_transactional());
        };
        let has_settled = transaction
            .operations
            .iter()
            .any(|operation| matches!(operation, Operation::Settle(..)));
        let mut result = Ok(());
        while let Some(operation) = transaction.operations.pop_front() {
            match operation {
                Operation::Publish(content) => {
                    result = self.publish(number, &content.content(), port)
                }
                Operation::Settle(unacked, outcome) => {
                    port.settle(unacked.queue, unacked.consumer, unacked.sequence, outcome);
                    self.unacked_count -= 1;
                }
            }
            if result.is_err() {
                break;
            }
        }
        // After a fault it holds what was not reached, to be undone with the channel.
        transaction.bytes = 0;
        if let Some(channel) = self.channels.find_open(number) {
            channel.transaction = Some(transaction);
        }
        result?;
        if has_settled {
            self.credit_grew(number);
            self.load_fell();
        }
        self.ask(number, Ask::Commit, false, cause, Request::Sync, port);
        Ok(())
    }

    /// Forgets what was published and takes settlements back.
    pub(crate) fn rollback(&mut self, number: u16) -> Result<(), Fault> {
        let Some(channel) = self.channels.find_open(number) else {
            return Ok(());
        };
        let Some(transaction) = channel.transaction.as_mut() else {
            return Err(not_transactional());
        };
        let undone = std::mem::take(&mut **transaction);
        channel.unacked.restore(undone.into_settled());
        self.send(number, TxRollbackOk {});
        Ok(())
    }
}
