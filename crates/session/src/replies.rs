//! Answers to requests: the method that tells the client, or the fault.

use broker::{Port, Refusal, Reply};
use codec::amqp::method::{
    BasicCancelOk, BasicConsumeOk, BasicGetEmpty, ExchangeBindOk, ExchangeDeclareOk,
    ExchangeDeleteOk, ExchangeUnbindOk, QueueBindOk, QueueDeclareOk, QueueDeleteOk, QueuePurgeOk,
    QueueUnbindOk, TxCommitOk,
};
use codec::amqp::reply::ReplyCode;

use crate::deliver;
use crate::faults::{Cause, Fault};
use crate::requests::{Ask, Outstanding};
use crate::session::Session;
use crate::state::State;

impl Session {
    /// Takes the answer to the outstanding request.
    pub(crate) fn reply<P: Port>(
        &mut self,
        number: u16,
        result: Result<Reply, Refusal>,
        port: &mut P,
    ) {
        let is_asked = self
            .outstanding
            .as_ref()
            .is_some_and(|asked| asked.channel == number);
        let Some(Outstanding {
            ask,
            no_wait,
            cause,
            ..
        }) = self.outstanding.take_if(|_| is_asked)
        else {
            // The connection closed meanwhile; what was handed out goes back.
            if let Ok(Reply::Got(delivery, _)) = result {
                deliver::give_back(&delivery, None, port);
            }
            return;
        };
        if self.state != State::Running {
            return;
        }
        match result {
            Ok(reply) => self.answer(number, ask, no_wait, cause, reply),
            Err(refusal) => {
                if let Ask::Consume(consumer) = ask {
                    self.consumers.remove(consumer);
                    port.drop_consumer(consumer);
                    if let Some(channel) = self.channels.find_open(number) {
                        channel.forget_consumer(consumer);
                    }
                }
                self.fail(number, cause, &Fault::from(refusal), port);
            }
        }
    }

    fn answer(&mut self, number: u16, ask: Ask, no_wait: bool, cause: Cause, reply: Reply) {
        let is_told = !no_wait;
        match (ask, reply) {
            (
                Ask::QueueDeclare,
                Reply::QueueDeclared {
                    name,
                    messages,
                    consumers,
                },
            ) => {
                if is_told {
                    let message_count = count(messages);
                    self.send(
                        number,
                        QueueDeclareOk {
                            queue: &name,
                            message_count,
                            consumer_count: consumers,
                        },
                    );
                }
                if let Some(channel) = self.channels.find_open(number) {
                    channel.last_queue = Some(name);
                }
            }
            (Ask::QueuePurge, Reply::Purged(messages)) if is_told => {
                self.send(
                    number,
                    QueuePurgeOk {
                        message_count: count(messages),
                    },
                );
            }
            (Ask::QueueDelete, Reply::Deleted(messages)) if is_told => {
                self.send(
                    number,
                    QueueDeleteOk {
                        message_count: count(messages),
                    },
                );
            }
            (Ask::QueuePurge, Reply::Purged(_)) | (Ask::QueueDelete, Reply::Deleted(_)) => {}
            (Ask::Get { no_ack }, Reply::Got(delivery, ready)) => {
                self.deliver_got(number, no_ack, &delivery, ready)
            }
            (Ask::Get { .. }, Reply::Empty) => self.send(number, BasicGetEmpty {}),
            (ask, Reply::Done) => self.answer_done(number, ask, is_told, cause),
            (ask, reply) => self.fail_reply(cause, &format!("{reply:?} is no answer to {ask:?}")),
        }
    }

    /// Answers what was carried out and has nothing to tell.
    fn answer_done(&mut self, number: u16, ask: Ask, is_told: bool, cause: Cause) {
        match ask {
            Ask::Cancel(consumer, tag) => {
                self.consumers.remove(consumer);
                if let Some(channel) = self.channels.find_open(number) {
                    channel.forget_consumer(consumer);
                }
                if is_told {
                    self.send(number, BasicCancelOk { consumer_tag: &tag });
                }
            }
            Ask::Consume(consumer) => {
                let tag = self.consumers.find(consumer).map(|known| known.tag.clone());
                if let (true, Some(tag)) = (is_told, tag) {
                    self.send(number, BasicConsumeOk { consumer_tag: &tag });
                }
            }
            Ask::Commit => self.send(number, TxCommitOk {}),
            Ask::ExchangeDeclare if is_told => self.send(number, ExchangeDeclareOk {}),
            Ask::ExchangeDelete if is_told => self.send(number, ExchangeDeleteOk {}),
            Ask::ExchangeBind if is_told => self.send(number, ExchangeBindOk {}),
            Ask::ExchangeUnbind if is_told => self.send(number, ExchangeUnbindOk {}),
            Ask::QueueBind if is_told => self.send(number, QueueBindOk {}),
            Ask::QueueUnbind if is_told => self.send(number, QueueUnbindOk {}),
            Ask::ExchangeDeclare
            | Ask::ExchangeDelete
            | Ask::ExchangeBind
            | Ask::ExchangeUnbind
            | Ask::QueueBind
            | Ask::QueueUnbind => {}
            Ask::QueueDeclare | Ask::QueuePurge | Ask::QueueDelete | Ask::Get { .. } => {
                self.fail_reply(cause, &format!("{ask:?} was answered without a value"));
            }
        }
    }

    /// A broken invariant between engine and session: this connection ends.
    #[cold]
    fn fail_reply(&mut self, cause: Cause, detail: &str) {
        self.fail_connection(cause, &Fault::connection(ReplyCode::InternalError, detail));
    }
}

/// A count as AMQP can tell it.
fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
