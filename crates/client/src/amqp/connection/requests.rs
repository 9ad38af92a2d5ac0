//! Requests about queues, exchanges, consumers and single messages.

use codec::amqp::field::{Table, TableRef};
use codec::amqp::method::{
    BasicAck, BasicCancel, BasicConsume, BasicGet, BasicNack, BasicQos, ConfirmSelect,
    ExchangeDeclare, ExchangeDelete, Method, QueueBind, QueueDeclare, QueueDelete, QueuePurge,
};

use super::super::error::ClientError;
use super::super::incoming::{Incoming, Message, QueueState, Reply};
use super::{CHANNEL, Confirms, Connection};

/// Describes a queue.
#[derive(Clone, Debug, Default)]
pub struct QueueDeclaration {
    /// Name; empty lets the server choose one.
    pub name: String,
    /// Survives a restart of the server.
    pub durable: bool,
    /// Only this connection may use it, and it ends with it.
    pub exclusive: bool,
    /// Goes when its last consumer goes.
    pub auto_delete: bool,
    /// The `x-…` arguments.
    pub arguments: Table,
}

/// Describes an exchange.
#[derive(Clone, Debug, Default)]
pub struct ExchangeDeclaration {
    /// Name.
    pub name: String,
    /// `direct`, `fanout`, `topic`, `headers` or another type that the server has.
    pub kind: String,
    /// Survives a restart of the server.
    pub durable: bool,
    /// Goes when its last binding goes.
    pub auto_delete: bool,
    /// Further arguments.
    pub arguments: Table,
}

/// Describes a consumer.
#[derive(Clone, Debug, Default)]
pub struct Consume {
    /// Queue that it takes from.
    pub queue: String,
    /// Tag; empty lets the server choose one.
    pub tag: String,
    /// The server settles messages on sending.
    pub no_ack: bool,
    /// Refuses other consumers on the queue.
    pub exclusive: bool,
    /// The `x-…` arguments.
    pub arguments: Table,
}

impl Connection {
    /// Declares a queue.
    ///
    /// # Errors
    ///
    /// Fails with 406 when a queue of that name differs, 405 when another connection owns it.
    pub async fn declare_queue(
        &mut self,
        queue: &QueueDeclaration,
    ) -> Result<QueueState, ClientError> {
        let arguments = queue.arguments.to_bytes();
        let request = QueueDeclare {
            queue: &queue.name,
            durable: queue.durable,
            exclusive: queue.exclusive,
            auto_delete: queue.auto_delete,
            arguments: TableRef::new(&arguments),
            ..QueueDeclare::default()
        };
        self.call_queue(request).await
    }

    /// Asks about a queue without creating it.
    ///
    /// # Errors
    ///
    /// Fails with 404 when there is no such queue.
    pub async fn queue_state(&mut self, name: &str) -> Result<QueueState, ClientError> {
        let request = QueueDeclare {
            queue: name,
            passive: true,
            ..QueueDeclare::default()
        };
        self.call_queue(request).await
    }

    async fn call_queue(&mut self, request: QueueDeclare<'_>) -> Result<QueueState, ClientError> {
        let reply = self.call(request, "queue.declare-ok").await?;
        if let Reply::Queue(state) = reply {
            Ok(state)
        } else {
            Err(reply.unexpected("queue.declare-ok"))
        }
    }

    /// Deletes a queue and gives the number of messages that went with it; an absent queue is no error.
    ///
    /// # Errors
    ///
    /// Fails with 406 when the queue is not as the conditions want it.
    pub async fn delete_queue(
        &mut self,
        name: &str,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<u32, ClientError> {
        let request = QueueDelete {
            queue: name,
            if_unused,
            if_empty,
            no_wait: false,
        };
        let reply = self.call(request, "queue.delete-ok").await?;
        if let Reply::Removed(messages) = reply {
            Ok(messages)
        } else {
            Err(reply.unexpected("queue.delete-ok"))
        }
    }

    /// Removes a queue's ready messages and gives their number.
    ///
    /// # Errors
    ///
    /// Fails with 404 when there is no such queue.
    pub async fn purge_queue(&mut self, name: &str) -> Result<u32, ClientError> {
        let request = QueuePurge {
            queue: name,
            no_wait: false,
        };
        let reply = self.call(request, "queue.purge-ok").await?;
        if let Reply::Removed(messages) = reply {
            Ok(messages)
        } else {
            Err(reply.unexpected("queue.purge-ok"))
        }
    }

    /// Declares an exchange.
    ///
    /// # Errors
    ///
    /// Fails with 406 when an exchange of that name differs.
    pub async fn declare_exchange(
        &mut self,
        exchange: &ExchangeDeclaration,
    ) -> Result<(), ClientError> {
        let arguments = exchange.arguments.to_bytes();
        let request = ExchangeDeclare {
            exchange: &exchange.name,
            kind: &exchange.kind,
            durable: exchange.durable,
            auto_delete: exchange.auto_delete,
            arguments: TableRef::new(&arguments),
            ..ExchangeDeclare::default()
        };
        self.call(request, "exchange.declare-ok").await?;
        Ok(())
    }

    /// Deletes an exchange; an absent one is no error.
    ///
    /// # Errors
    ///
    /// Fails when the server refuses.
    pub async fn delete_exchange(&mut self, name: &str) -> Result<(), ClientError> {
        let request = ExchangeDelete {
            exchange: name,
            ..ExchangeDelete::default()
        };
        self.call(request, "exchange.delete-ok").await?;
        Ok(())
    }

    /// Binds a queue to an exchange.
    ///
    /// # Errors
    ///
    /// Fails with 404 when one of them does not exist.
    pub async fn bind_queue(
        &mut self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
        arguments: &Table,
    ) -> Result<(), ClientError> {
        let arguments = arguments.to_bytes();
        let request = QueueBind {
            queue,
            exchange,
            routing_key,
            no_wait: false,
            arguments: TableRef::new(&arguments),
        };
        self.call(request, "queue.bind-ok").await?;
        Ok(())
    }

    /// Asks for confirms of all further publishes.
    ///
    /// # Errors
    ///
    /// Fails when the channel does.
    pub async fn select_confirms(&mut self) -> Result<(), ClientError> {
        if self.confirms.is_none() {
            self.call(ConfirmSelect { no_wait: false }, "confirm.select-ok")
                .await?;
            self.confirms = Some(Confirms::default());
        }
        Ok(())
    }

    /// Takes one message from a queue, with the number of messages left; none when it is empty.
    ///
    /// # Errors
    ///
    /// Fails with 404 when there is no such queue.
    pub async fn get(
        &mut self,
        queue: &str,
        no_ack: bool,
    ) -> Result<Option<(Message, u32)>, ClientError> {
        Method::from(BasicGet { queue, no_ack }).encode_frame(CHANNEL, &mut self.output);
        self.flush().await?;
        loop {
            match self.incoming().await? {
                Incoming::Got(message, left) => return Ok(Some((message, left))),
                Incoming::Reply(Reply::Empty) => return Ok(None),
                Incoming::Reply(other) => return Err(other.unexpected("basic.get-ok")),
                event @ (Incoming::Delivery(_)
                | Incoming::Returned(_)
                | Incoming::Confirm { .. }
                | Incoming::Cancelled(_)
                | Incoming::Closed(_)
                | Incoming::ChannelClosed(_)
                | Incoming::Nothing) => self.keep(event)?,
            }
        }
    }

    /// Limits the unacknowledged messages of consumers started from now on.
    ///
    /// # Errors
    ///
    /// Fails when the channel does.
    pub async fn set_prefetch(&mut self, prefetch: u16) -> Result<(), ClientError> {
        let request = BasicQos {
            prefetch_count: prefetch,
            ..BasicQos::default()
        };
        self.call(request, "basic.qos-ok").await?;
        Ok(())
    }

    /// Starts a consumer and gives its tag; its messages come from [`Connection::next_delivery`].
    ///
    /// # Errors
    ///
    /// Fails with 404 when there is no such queue, 403 when it refuses.
    pub async fn consume(&mut self, consume: &Consume) -> Result<String, ClientError> {
        let arguments = consume.arguments.to_bytes();
        let request = BasicConsume {
            queue: &consume.queue,
            consumer_tag: &consume.tag,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            arguments: TableRef::new(&arguments),
            ..BasicConsume::default()
        };
        let reply = self.call(request, "basic.consume-ok").await?;
        if let Reply::Consumer(tag) = reply {
            Ok(tag)
        } else {
            Err(reply.unexpected("basic.consume-ok"))
        }
    }

    /// Stops a consumer; messages that are under way still come from [`Connection::next_delivery`].
    ///
    /// # Errors
    ///
    /// Fails when the channel does.
    pub async fn cancel(&mut self, tag: &str) -> Result<(), ClientError> {
        let request = BasicCancel {
            consumer_tag: tag,
            no_wait: false,
        };
        self.call(request, "basic.cancel-ok").await?;
        Ok(())
    }

    /// Acknowledges one delivery, or all up to it.
    ///
    /// # Errors
    ///
    /// Fails when writing does; a wrong tag closes the channel later with 406.
    pub async fn ack(&mut self, delivery_tag: u64, multiple: bool) -> Result<(), ClientError> {
        let ack = BasicAck {
            delivery_tag,
            multiple,
        };
        Method::from(ack).encode_frame(CHANNEL, &mut self.output);
        self.flush().await
    }

    /// Refuses one delivery, or all up to it, back to the queue or away.
    ///
    /// # Errors
    ///
    /// As [`Connection::ack`].
    pub async fn nack(
        &mut self,
        delivery_tag: u64,
        multiple: bool,
        requeue: bool,
    ) -> Result<(), ClientError> {
        let nack = BasicNack {
            delivery_tag,
            multiple,
            requeue,
        };
        Method::from(nack).encode_frame(CHANNEL, &mut self.output);
        self.flush().await
    }
}

impl Reply {
    fn unexpected(&self, wanted: &'static str) -> ClientError {
        let got = match self {
            Self::Queue(_) => "queue.declare-ok",
            Self::Removed(_) => "queue.delete-ok or queue.purge-ok",
            Self::Consumer(_) => "basic.consume-ok",
            Self::Empty => "basic.get-empty",
            Self::Plain(name) => name,
        };
        ClientError::Unexpected { wanted, got }
    }
}
