//! One consuming connection's part: booking messages and saying when an ack is due.

use super::context::Context;
use super::options::AckMode;
use super::scan::Delivery;

/// Consumes on one connection.
pub(crate) struct Consumer {
    acks: AckMode,
    /// The thread's number of each queue that is consumed, by consumer number.
    queues: Vec<usize>,
    unacked: u16,
}

/// An ack that is due for the message that was just booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckDue {
    /// It stands for earlier messages too.
    pub(crate) multiple: bool,
}

impl Consumer {
    /// Takes from the given queues.
    pub(crate) fn new(acks: AckMode, queues: Vec<usize>) -> Self {
        Self {
            acks,
            queues,
            unacked: 0,
        }
    }

    /// Books one message and says whether it calls for an ack.
    #[inline]
    pub(crate) fn deliver(&mut self, delivery: &Delivery, context: &mut Context) -> Option<AckDue> {
        let queue = self.queues.get(delivery.consumer as usize);
        context.arrived(queue.copied().unwrap_or(usize::MAX), delivery);
        let AckMode::Manual { every, .. } = self.acks else {
            return None;
        };
        self.unacked += 1;
        if self.unacked < every {
            return None;
        }
        self.unacked = 0;
        Some(AckDue {
            multiple: every > 1,
        })
    }

    /// Whether the last ack left something out, which is settled now.
    pub(crate) fn take_rest(&mut self) -> bool {
        std::mem::take(&mut self.unacked) > 0
    }
}
