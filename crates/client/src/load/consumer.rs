//! One consuming connection's part: booking messages and acknowledging them.

use super::context::Context;
use super::options::AckMode;
use super::scan::Delivery;

/// A `basic.ack` frame on channel 1; tag and flag are filled in.
const ACK_FRAME: [u8; 21] = [
    1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xCE,
];
const ACK_TAG: std::ops::Range<usize> = 11..19;
const ACK_MULTIPLE: usize = 19;

/// Consumes on one connection.
pub(crate) struct Consumer {
    acks: AckMode,
    /// The thread's number of each queue that is consumed, by consumer tag.
    queues: Vec<usize>,
    unacked: u16,
    last_tag: u64,
}

impl Consumer {
    /// Takes from the given queues.
    pub(crate) fn new(acks: AckMode, queues: Vec<usize>) -> Self {
        Self {
            acks,
            queues,
            unacked: 0,
            last_tag: 0,
        }
    }

    /// Books one message and appends the ack that it calls for.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        delivery: &Delivery,
        out: &mut Vec<u8>,
        context: &mut Context,
    ) {
        let queue = self.queues.get(delivery.consumer as usize);
        context.arrived(queue.copied().unwrap_or(usize::MAX), delivery);
        let AckMode::Manual { every, .. } = self.acks else {
            return;
        };
        self.unacked += 1;
        self.last_tag = delivery.tag;
        if self.unacked >= every {
            self.ack(every > 1, out);
        }
    }

    /// Acknowledges what the last ack left out.
    pub(crate) fn ack_rest(&mut self, out: &mut Vec<u8>) {
        if self.unacked > 0 {
            self.ack(true, out);
        }
    }

    #[inline]
    fn ack(&mut self, multiple: bool, out: &mut Vec<u8>) {
        let mut frame = ACK_FRAME;
        frame[ACK_TAG].copy_from_slice(&self.last_tag.to_be_bytes());
        frame[ACK_MULTIPLE] = u8::from(multiple);
        out.extend_from_slice(&frame);
        self.unacked = 0;
    }
}
