//! The run's streams and consumers in JetStream.

use super::super::error::LoadError;
use super::super::options::{AckMode, LoadOptions};
use super::super::plan::Plan;
use super::Topology;
use crate::amqp::ServerInfo;
use crate::nats::{
    ConsumerShape, NatsConnection, NatsError, NatsUrl, create_consumer, create_stream,
    delete_stream, stream_messages,
};

/// Knows the streams; without durable messages there are none.
///
/// It connects whenever it has to do something: a server cuts connections that answer no pings while a run lasts.
pub(super) struct NatsTopology {
    url: NatsUrl,
    server: ServerInfo,
    /// Streams that exist.
    streams: Vec<String>,
    keep: bool,
}

impl NatsTopology {
    /// Creates a stream for each queue and a consumer on each stream.
    pub(super) fn create(
        url: &NatsUrl,
        options: &LoadOptions,
        plan: &Plan,
    ) -> Result<Self, LoadError> {
        let mut connection = NatsConnection::open(url).map_err(LoadError::nats("connecting"))?;
        let mut topology = Self {
            url: url.clone(),
            server: connection.server().clone(),
            streams: Vec::new(),
            keep: options.keep,
        };
        if options.durable {
            topology
                .declare(&mut connection, options, plan)
                .map_err(LoadError::nats("creating streams"))?;
        }
        Ok(topology)
    }

    fn declare(
        &mut self,
        connection: &mut NatsConnection,
        options: &LoadOptions,
        plan: &Plan,
    ) -> Result<(), NatsError> {
        for queue in 0..plan.queues {
            let stream = plan.stream_name(queue);
            create_stream(connection, &stream, &plan.subject(queue))?;
            self.streams.push(stream.clone());
            let AckMode::Manual { prefetch, .. } = options.acks else {
                continue;
            };
            if options.consumers == 0 {
                continue;
            }
            let group = plan.queue_name(queue);
            let shape = ConsumerShape {
                stream: &stream,
                name: &stream,
                deliver_subject: &plan.deliver_subject(queue),
                deliver_group: (plan.consumers_of(queue) > 1).then_some(&group),
                max_ack_pending: prefetch,
            };
            create_consumer(connection, &shape)?;
        }
        Ok(())
    }
}

impl Topology for NatsTopology {
    fn server(&self) -> ServerInfo {
        self.server.clone()
    }

    fn depth(&mut self) -> Result<u64, LoadError> {
        let count = || {
            let mut connection = NatsConnection::open(&self.url)?;
            let mut messages = 0;
            for stream in &self.streams {
                messages += stream_messages(&mut connection, stream)?;
            }
            Ok(messages)
        };
        count().map_err(LoadError::nats("looking at streams"))
    }

    fn remove(&mut self) -> Result<(), LoadError> {
        let streams = std::mem::take(&mut self.streams);
        if self.keep || streams.is_empty() {
            return Ok(());
        }
        let remove = || {
            let mut connection = NatsConnection::open(&self.url)?;
            for stream in &streams {
                delete_stream(&mut connection, stream)?;
            }
            Ok(())
        };
        remove().map_err(LoadError::nats("removing streams"))
    }
}

/// A run that fails leaves nothing behind either.
impl Drop for NatsTopology {
    fn drop(&mut self) {
        // The run's own error says more than a failure to clear up after it.
        self.remove().ok();
    }
}
