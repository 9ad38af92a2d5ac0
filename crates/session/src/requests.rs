//! Methods that become a request to the broker; reading pauses until it is answered.

use std::sync::Arc;

use broker::{ConsumerNumber, Port, Request};
use codec::amqp::DecodeError;
use codec::amqp::field::{Table, TableRef};
use codec::amqp::method::{ExchangeDeclare, Method, QueueDeclare, QueueDeclareOk};
use codec::amqp::reply::ReplyCode;

use crate::faults::{Cause, Fault};
use crate::session::Session;

#[cfg(test)]
mod tests;

/// The queue that stands for direct replies.
pub(crate) const REPLY_QUEUE: &str = "amq.rabbitmq.reply-to";

/// What was asked, as far as the answer needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    ExchangeDeclare,
    ExchangeDelete,
    ExchangeBind,
    ExchangeUnbind,
    QueueDeclare,
    QueueBind,
    QueueUnbind,
    QueuePurge,
    QueueDelete,
    Consume(ConsumerNumber),
    Cancel(ConsumerNumber, Arc<str>),
    Get { no_ack: bool },
    Commit,
}

/// The request that is not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outstanding {
    pub(crate) channel: u16,
    pub(crate) ask: Ask,
    /// The client wants no answer but a refusal.
    pub(crate) no_wait: bool,
    pub(crate) cause: Cause,
}

/// A request, whether its answer is unwanted, and what to remember of it.
type Prepared = (Ask, bool, Request);

impl Session {
    /// Hands a request down and remembers it.
    pub(crate) fn ask<P: Port>(
        &mut self,
        channel: u16,
        ask: Ask,
        no_wait: bool,
        cause: Cause,
        request: Request,
        port: &mut P,
    ) {
        self.outstanding = Some(Outstanding {
            channel,
            ask,
            no_wait,
            cause,
        });
        port.request(channel, request);
    }

    /// The methods of the classes exchange and queue; any other is not for clients to send here.
    pub(crate) fn handle_topology<P: Port>(
        &mut self,
        number: u16,
        cause: Cause,
        method: &Method<'_>,
        port: &mut P,
    ) -> Result<(), Fault> {
        if let Method::QueueDeclare(declare) = method
            && declare.queue == REPLY_QUEUE
        {
            self.declare_reply_queue(number, declare);
            return Ok(());
        }
        let found = match exchange_request(method)? {
            Some(found) => Some(found),
            None => self.queue_request(number, method)?,
        };
        let Some((ask, no_wait, request)) = found else {
            let detail = format!("{} is not for clients to send on a channel", method.name());
            return Err(Fault::connection(ReplyCode::CommandInvalid, detail));
        };
        self.ask(number, ask, no_wait, cause, request, port);
        Ok(())
    }

    /// The methods of the class queue; `None` for any other.
    #[expect(clippy::wildcard_enum_match_arm, reason = "one class of many")]
    fn queue_request(
        &mut self,
        number: u16,
        method: &Method<'_>,
    ) -> Result<Option<Prepared>, Fault> {
        Ok(Some(match method {
            Method::QueueDeclare(declare) => {
                (Ask::QueueDeclare, declare.no_wait, queue_declare(declare)?)
            }
            Method::QueueBind(bind) => {
                let request = self.queue_binding(
                    number,
                    false,
                    bind.queue,
                    bind.exchange,
                    bind.routing_key,
                    bind.arguments,
                )?;
                (Ask::QueueBind, bind.no_wait, request)
            }
            Method::QueueUnbind(bind) => {
                let request = self.queue_binding(
                    number,
                    true,
                    bind.queue,
                    bind.exchange,
                    bind.routing_key,
                    bind.arguments,
                )?;
                (Ask::QueueUnbind, false, request)
            }
            Method::QueuePurge(purge) => {
                let name = self.queue_name(number, purge.queue)?;
                (Ask::QueuePurge, purge.no_wait, Request::QueuePurge { name })
            }
            Method::QueueDelete(delete) => {
                let name = self.queue_name(number, delete.queue)?;
                let request = Request::QueueDelete {
                    name,
                    if_unused: delete.if_unused,
                    if_empty: delete.if_empty,
                };
                (Ask::QueueDelete, delete.no_wait, request)
            }
            _ => return Ok(None),
        }))
    }

    /// The pseudo-queue of direct replies is always there.
    fn declare_reply_queue(&mut self, number: u16, declare: &QueueDeclare<'_>) {
        if !declare.no_wait {
            self.send(
                number,
                QueueDeclareOk {
                    queue: REPLY_QUEUE,
                    message_count: 0,
                    consumer_count: 1,
                },
            );
        }
    }

    fn queue_binding(
        &mut self,
        number: u16,
        unbind: bool,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: TableRef<'_>,
    ) -> Result<Request, Fault> {
        let destination = self.queue_name(number, queue)?;
        // Neither named: the last declared queue is meant, under its own name.
        let routing_key = if queue.is_empty() && routing_key.is_empty() {
            destination.clone()
        } else {
            routing_key.to_owned()
        };
        let arguments = owned(arguments)?;
        Ok(Request::Bind {
            unbind,
            source: clean(exchange),
            destination,
            to_exchange: false,
            routing_key,
            arguments,
        })
    }

    /// A queue by its name, or the channel's last declared one.
    pub(crate) fn queue_name(&mut self, number: u16, name: &str) -> Result<String, Fault> {
        if !name.is_empty() {
            return Ok(clean(name));
        }
        let last = self
            .channels
            .find_open(number)
            .and_then(|channel| channel.last_queue.as_deref());
        last.map(ToOwned::to_owned)
            .ok_or_else(|| Fault::channel(ReplyCode::NotFound, "no previously declared queue"))
    }
}

/// The methods of the class exchange; `None` for any other.
#[expect(clippy::wildcard_enum_match_arm, reason = "one class of many")]
fn exchange_request(method: &Method<'_>) -> Result<Option<Prepared>, Fault> {
    Ok(Some(match method {
        Method::ExchangeDeclare(declare) => (
            Ask::ExchangeDeclare,
            declare.no_wait,
            exchange_declare(declare)?,
        ),
        Method::ExchangeDelete(delete) => {
            let request = Request::ExchangeDelete {
                name: clean(delete.exchange),
                if_unused: delete.if_unused,
            };
            (Ask::ExchangeDelete, delete.no_wait, request)
        }
        Method::ExchangeBind(bind) => {
            let request = exchange_binding(
                false,
                bind.source,
                bind.destination,
                bind.routing_key,
                bind.arguments,
            )?;
            (Ask::ExchangeBind, bind.no_wait, request)
        }
        Method::ExchangeUnbind(bind) => {
            let request = exchange_binding(
                true,
                bind.source,
                bind.destination,
                bind.routing_key,
                bind.arguments,
            )?;
            (Ask::ExchangeUnbind, bind.no_wait, request)
        }
        _ => return Ok(None),
    }))
}

fn exchange_declare(declare: &ExchangeDeclare<'_>) -> Result<Request, Fault> {
    Ok(Request::ExchangeDeclare {
        name: clean(declare.exchange),
        kind: declare.kind.to_owned(),
        passive: declare.passive,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: owned(declare.arguments)?,
    })
}

fn exchange_binding(
    unbind: bool,
    source: &str,
    destination: &str,
    routing_key: &str,
    arguments: TableRef<'_>,
) -> Result<Request, Fault> {
    Ok(Request::Bind {
        unbind,
        source: clean(source),
        destination: clean(destination),
        to_exchange: true,
        routing_key: routing_key.to_owned(),
        arguments: owned(arguments)?,
    })
}

fn queue_declare(declare: &QueueDeclare<'_>) -> Result<Request, Fault> {
    Ok(Request::QueueDeclare {
        name: clean(declare.queue),
        passive: declare.passive,
        durable: declare.durable,
        exclusive: declare.exclusive,
        auto_delete: declare.auto_delete,
        arguments: owned(declare.arguments)?,
    })
}

/// A name without carriage returns and line feeds, which RabbitMQ strips too.
fn clean(name: &str) -> String {
    name.chars()
        .filter(|character| !matches!(character, '\r' | '\n'))
        .collect()
}

fn owned(table: TableRef<'_>) -> Result<Table, Fault> {
    table
        .to_owned()
        .map_err(|error: DecodeError| Fault::connection(error.reply_code(), error.to_string()))
}
