//! What a run needs in the server: declared before, looked at and removed after.

use super::error::LoadError;
use super::options::{LoadOptions, Target};
use super::plan::Plan;
use crate::amqp::ServerInfo;

mod amqp;
mod nats;
mod web;

/// The run's queues, or what stands for them; it holds a connection beside the load's own.
pub(crate) trait Topology {
    /// How the server names itself.
    fn server(&self) -> ServerInfo;

    /// Counts the messages that wait in all queues.
    fn depth(&mut self) -> Result<u64, LoadError>;

    /// Removes what was declared, unless it is to be kept; the second time it does nothing.
    fn remove(&mut self) -> Result<(), LoadError>;
}

/// Declares what a run needs.
///
/// # Errors
///
/// Fails when the server cannot be reached or refuses.
pub(crate) fn create(options: &LoadOptions, plan: &Plan) -> Result<Box<dyn Topology>, LoadError> {
    Ok(match &options.target {
        Target::Amqp { url, connect } => {
            Box::new(amqp::AmqpTopology::create(url, connect, options, plan)?)
        }
        Target::Relay(_) => Box::new(Nothing),
        Target::Nats(url) => Box::new(nats::NatsTopology::create(url, options, plan)?),
        Target::Web(target) => Box::new(web::WebTopology::create(target, options, plan)?),
    })
}

/// A relay has no queues.
struct Nothing;

impl Topology for Nothing {
    fn server(&self) -> ServerInfo {
        ServerInfo::default()
    }

    fn depth(&mut self) -> Result<u64, LoadError> {
        Ok(0)
    }

    fn remove(&mut self) -> Result<(), LoadError> {
        Ok(())
    }
}
