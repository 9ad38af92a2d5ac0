//! The run's exchange and queues in an AMQP broker.

use tokio::runtime::{Builder, Runtime};

use super::super::error::LoadError;
use super::super::options::{LoadOptions, QueueArgument, Routing};
use super::super::plan::Plan;
use super::Topology;
use crate::amqp::{
    AmqpUrl, ClientError, ConnectOptions, Connection, ExchangeDeclaration, QueueDeclaration,
    ServerInfo, Table, Value,
};

/// Holds a connection beside the load's own.
pub(super) struct AmqpTopology {
    /// None when it is closed.
    admin: Option<(Runtime, Connection)>,
    keep: bool,
    plan: Plan,
}

impl AmqpTopology {
    /// Declares the exchange and the queues.
    pub(super) fn create(
        url: &AmqpUrl,
        connect: &ConnectOptions,
        options: &LoadOptions,
        plan: &Plan,
    ) -> Result<Self, LoadError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(LoadError::system("starting a runtime"))?;
        let mut connect = connect.clone();
        // Nobody answers heartbeats while the load runs.
        connect.heartbeat = 0;
        let connection = runtime
            .block_on(Connection::open(url, &connect))
            .map_err(LoadError::client("connecting"))?;
        let mut topology = Self {
            admin: Some((runtime, connection)),
            keep: options.keep,
            plan: plan.clone(),
        };
        topology.declare(options)?;
        Ok(topology)
    }

    fn declare(&mut self, options: &LoadOptions) -> Result<(), LoadError> {
        let Some((runtime, connection)) = &mut self.admin else {
            return Ok(());
        };
        runtime
            .block_on(declare(connection, options, &self.plan))
            .map_err(LoadError::client("declaring queues"))
    }
}

impl Topology for AmqpTopology {
    fn server(&self) -> ServerInfo {
        self.admin
            .as_ref()
            .map(|(_, connection)| connection.server().clone())
            .unwrap_or_default()
    }

    fn depth(&mut self) -> Result<u64, LoadError> {
        let Some((runtime, connection)) = &mut self.admin else {
            return Ok(0);
        };
        let count = async {
            let mut messages = 0;
            for queue in 0..self.plan.queues {
                let state = connection.queue_state(&self.plan.queue_name(queue)).await?;
                messages += u64::from(state.messages);
            }
            Ok::<_, ClientError>(messages)
        };
        runtime
            .block_on(count)
            .map_err(LoadError::client("looking at queues"))
    }

    fn remove(&mut self) -> Result<(), LoadError> {
        let Some((runtime, mut connection)) = self.admin.take() else {
            return Ok(());
        };
        let (keep, plan) = (self.keep, &self.plan);
        let remove = async {
            if !keep {
                for queue in 0..plan.queues {
                    connection
                        .delete_queue(&plan.queue_name(queue), false, false)
                        .await?;
                }
                let exchange = plan.exchange_name();
                if !exchange.is_empty() {
                    connection.delete_exchange(&exchange).await?;
                }
            }
            connection.close().await
        };
        runtime
            .block_on(remove)
            .map_err(LoadError::client("removing queues"))
    }
}

/// A run that fails leaves nothing behind either.
impl Drop for AmqpTopology {
    fn drop(&mut self) {
        // The run's own error says more than a failure to clear up after it.
        self.remove().ok();
    }
}

async fn declare(
    connection: &mut Connection,
    options: &LoadOptions,
    plan: &Plan,
) -> Result<(), ClientError> {
    let exchange = plan.exchange_name();
    if !exchange.is_empty() {
        let kind = match options.routing {
            Routing::Queue | Routing::Direct => "direct",
            Routing::Topic => "topic",
            Routing::Fanout => "fanout",
        };
        let declaration = ExchangeDeclaration {
            name: exchange.clone(),
            kind: kind.to_owned(),
            durable: options.durable,
            ..ExchangeDeclaration::default()
        };
        connection.declare_exchange(&declaration).await?;
    }
    let arguments = arguments(&options.queue_arguments);
    for queue in 0..plan.queues {
        let name = plan.queue_name(queue);
        let declaration = QueueDeclaration {
            name: name.clone(),
            durable: options.durable,
            arguments: arguments.clone(),
            ..QueueDeclaration::default()
        };
        let state = connection.declare_queue(&declaration).await?;
        if state.messages > 0 {
            connection.purge_queue(&name).await?;
        }
        if !exchange.is_empty() {
            connection
                .bind_queue(&name, &exchange, &name, &Table::new())
                .await?;
        }
    }
    Ok(())
}

fn arguments(given: &[(String, QueueArgument)]) -> Table {
    let mut table = Table::new();
    for (name, value) in given {
        let value = match value {
            QueueArgument::Number(number) => Value::I64(*number),
            QueueArgument::Text(text) => Value::from(text.as_str()),
            QueueArgument::Flag(flag) => Value::Bool(*flag),
        };
        table.insert(name.as_str(), value);
    }
    table
}
