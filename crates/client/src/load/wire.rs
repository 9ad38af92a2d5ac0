//! What one connection speaks: everything that differs between the protocols, behind one trait.
//!
//! A wire is asked once for each buffer of bytes that arrived and never for each message, so the trait costs nothing that can
//! be measured: the loop over a buffer's messages is the wire's own.

use super::context::Context;
use super::error::LoadError;
use super::options::{LoadOptions, Target};
use super::plan::Plan;
use super::roles::Role;

mod amqp;
mod nats;
mod relay;

/// One connection's protocol, from the first byte on.
pub(crate) trait Wire: Send {
    /// Begins when the socket is connected.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Acts on everything complete in `bytes` and gives how many bytes that took.
    ///
    /// # Errors
    ///
    /// Fails when the server breaks the protocol or refuses something.
    fn receive(&mut self, bytes: &[u8], ends: Ends<'_>) -> Result<usize, LoadError>;

    /// Whether everything is set up.
    fn is_ready(&self) -> bool;

    /// The largest frame that the server takes.
    fn frame_max(&self) -> u32;

    /// Acknowledges everything that was delivered.
    fn ack_all(&mut self, out: &mut Vec<u8>);

    /// Asks the server to close; false when it need not be asked.
    fn say_goodbye(&mut self, out: &mut Vec<u8>) -> bool;

    /// Whether bytes end with the answer to a goodbye.
    fn is_farewell(&self, bytes: &[u8]) -> bool;

    /// What it means that the server cut the connection now.
    fn cut(&self) -> LoadError;
}

/// What a wire acts on while it reads.
pub(crate) struct Ends<'a> {
    pub(crate) role: &'a mut Role,
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) context: &'a mut Context,
}

/// Makes a producer's wire; none for a target that has clients of its own.
pub(crate) fn for_producer(id: usize, options: &LoadOptions, plan: &Plan) -> Option<Box<dyn Wire>> {
    Some(match &options.target {
        Target::Amqp { url, connect } => {
            let steps = amqp::producer_steps(options);
            Box::new(amqp::AmqpWire::new(
                url.clone(),
                connect.name.clone(),
                steps,
            ))
        }
        Target::Relay(_) => Box::new(relay::RelayWire::producer(lane(id, plan))),
        Target::Nats(url) => Box::new(nats::NatsWire::producer(id, url, options, plan)),
        Target::Web(_) => return None,
    })
}

/// Makes a consumer's wire; a delivery's consumer number is the place of its queue in `queues`. None as for a producer.
pub(crate) fn for_consumer(
    id: usize,
    queues: &[usize],
    options: &LoadOptions,
    plan: &Plan,
) -> Option<Box<dyn Wire>> {
    Some(match &options.target {
        Target::Amqp { url, connect } => {
            let steps = amqp::consumer_steps(queues, options, plan);
            Box::new(amqp::AmqpWire::new(
                url.clone(),
                connect.name.clone(),
                steps,
            ))
        }
        Target::Relay(_) => Box::new(relay::RelayWire::consumer(lane(id, plan))),
        Target::Nats(url) => Box::new(nats::NatsWire::consumer(queues, url, options, plan)),
        Target::Web(_) => return None,
    })
}

/// Makes the wire of a connection without work; none as for a producer.
pub(crate) fn for_idle(id: usize, options: &LoadOptions) -> Option<Box<dyn Wire>> {
    Some(match &options.target {
        Target::Amqp { url, connect } => {
            let steps = amqp::idle_steps();
            Box::new(amqp::AmqpWire::new(
                url.clone(),
                connect.name.clone(),
                steps,
            ))
        }
        Target::Relay(_) => Box::new(relay::RelayWire::consumer(id)),
        Target::Nats(url) => Box::new(nats::NatsWire::idle(url)),
        Target::Web(_) => return None,
    })
}

/// The lane of a relay that stands for a queue; a fan-out has one for all.
fn lane(id: usize, plan: &Plan) -> usize {
    if plan.copies() == 1 {
        id % plan.queues
    } else {
        0
    }
}
