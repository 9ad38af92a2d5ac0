//! A relay of bytes: a greeting, and then the producer's own AMQP frames.

use super::super::error::LoadError;
use super::amqp::AmqpWire;
use super::{Ends, Wire};
use crate::relay::Greeting;

/// One connection to a relay.
pub(super) struct RelayWire {
    greeting: Greeting,
    /// The relay answers its greeting with one byte.
    welcomed: bool,
    frames: AmqpWire,
}

impl RelayWire {
    /// Writes into a lane.
    pub(super) fn producer(lane: usize) -> Self {
        Self::new(Greeting::producer(lane))
    }

    /// Reads from a lane.
    pub(super) fn consumer(lane: usize) -> Self {
        Self::new(Greeting::consumer(lane))
    }

    fn new(greeting: Greeting) -> Self {
        Self {
            greeting,
            welcomed: false,
            frames: AmqpWire::bare(),
        }
    }
}

impl Wire for RelayWire {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.greeting.to_bytes());
    }

    fn receive(&mut self, bytes: &[u8], ends: Ends<'_>) -> Result<usize, LoadError> {
        let welcome = usize::from(!self.welcomed);
        let Some(frames) = bytes.get(welcome..) else {
            return Ok(0);
        };
        self.welcomed = true;
        Ok(welcome + self.frames.receive(frames, ends)?)
    }

    fn is_ready(&self) -> bool {
        self.welcomed
    }

    fn frame_max(&self) -> u32 {
        self.frames.frame_max()
    }

    /// Nobody acknowledges through a relay.
    fn ack_all(&mut self, _out: &mut Vec<u8>) {}

    fn say_goodbye(&mut self, _out: &mut Vec<u8>) -> bool {
        false
    }

    fn is_farewell(&self, _bytes: &[u8]) -> bool {
        true
    }

    fn cut(&self) -> LoadError {
        self.frames.cut()
    }
}
