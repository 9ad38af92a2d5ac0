//! A second opinion: frames as another implementation of AMQP reads and writes them.

use amq_protocol::frame::{AMQPFrame, WriteContext, gen_frame, parse_frame};

/// Parses one frame, which must be all of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Option<AMQPFrame> {
    let (rest, frame) = parse_frame(bytes).ok()?;
    rest.is_empty().then_some(frame)
}

/// Parses one frame and writes it again.
pub(crate) fn rewrite(bytes: &[u8]) -> Vec<u8> {
    let frame = parse(bytes).unwrap_or_else(|| panic!("the oracle refuses {bytes:02x?}"));
    let context = WriteContext::from(Vec::new());
    let written = gen_frame(&frame)(context).expect("the oracle writes what it read");
    written.into_inner().0
}
