//! The publishes of one channel that wait for their confirm, and the fewest frames that tell of them.

use std::collections::VecDeque;

use codec::amqp::method::{BasicAck, BasicNack, Method};

#[cfg(test)]
mod tests;

/// A queue took none of it.
const REJECTED: u16 = 1 << 15;
/// The publisher was told already, out of turn.
const TOLD: u16 = 1 << 14;
/// How many answers are still to come.
const REMAINING: u16 = TOLD - 1;

/// A channel in confirm mode.
///
/// # Shape
/// One entry per publish from `base` on: the answers still to come, and marks. Numbers go on where the channel number's earlier
/// tenant stopped, so that a late answer to that one finds nothing here; the peer's tags count from 1 (`number - offset`).
#[derive(Debug)]
pub(crate) struct Confirms {
    offset: u64,
    base: u64,
    window: VecDeque<u16>,
    /// Settled numbers that may have others before them.
    strays: Vec<(u64, u64)>,
    /// The channel is in the session's list of those to be told.
    pub(crate) is_due: bool,
}

impl Confirms {
    /// Starts confirming; the first publish gets the number after `offset`.
    pub(crate) const fn new(offset: u64) -> Self {
        Self {
            offset,
            base: offset + 1,
            window: VecDeque::new(),
            strays: Vec::new(),
            is_due: false,
        }
    }

    /// The number of the next publish.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.base + self.window.len() as u64
    }

    /// Enters the next publish, for which so many answers will come; returns true when there is something to tell already.
    #[inline]
    pub(crate) fn push(&mut self, answers: u32) -> bool {
        let answers = u16::try_from(answers).unwrap_or(REMAINING).min(REMAINING);
        if answers == 0 {
            let number = self.next();
            self.stray(number, number);
        }
        self.window.push_back(answers);
        answers == 0
    }

    /// Enters one answer to each of `first..=last`; returns true when there is something to tell.
    pub(crate) fn settle(&mut self, first: u64, last: u64, is_rejected: bool) -> bool {
        let first = first.max(self.base);
        let last = last.min(self.next() - 1);
        let mut has_settled = false;
        let start = first - self.base;
        let (Ok(start), Ok(count)) = (
            usize::try_from(start),
            usize::try_from((last + 1).saturating_sub(first)),
        ) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        let mut settled_from = None;
        let mut strays = std::mem::take(&mut self.strays);
        for (number, entry) in (first..=last).zip(self.window.range_mut(start..start + count)) {
            let remaining = *entry & REMAINING;
            if remaining == 0 {
                continue;
            }
            *entry -= 1;
            if is_rejected {
                *entry |= REJECTED;
            }
            if remaining == 1 {
                has_settled = true;
                settled_from.get_or_insert(number);
            } else if let Some(from) = settled_from.take() {
                strays.push((from, number - 1));
            }
        }
        self.strays = strays;
        if let Some(from) = settled_from {
            self.stray(from, last);
        }
        has_settled
    }

    /// Appends the frames that tell everything settled since the last time.
    pub(crate) fn flush(&mut self, channel: u16, out: &mut Vec<u8>) {
        self.flush_front(channel, out);
        let (base, offset) = (self.base, self.offset);
        for (first, last) in self.strays.drain(..) {
            for number in first.max(base)..=last {
                let Some(entry) = usize::try_from(number - base)
                    .ok()
                    .and_then(|at| self.window.get_mut(at))
                else {
                    break;
                };
                if *entry & (REMAINING | TOLD) == 0 {
                    tell(channel, number - offset, false, *entry & REJECTED != 0, out);
                    *entry |= TOLD;
                }
            }
        }
    }

    /// Tells the settled publishes that nothing unsettled precedes, each run of a kind at once.
    fn flush_front(&mut self, channel: u16, out: &mut Vec<u8>) {
        let mut run: Option<(u64, bool)> = None;
        let mut run_length = 0_u32;
        let mut settled = 0;
        for (number, entry) in (self.base..).zip(&self.window) {
            if *entry & REMAINING != 0 {
                break;
            }
            settled += 1;
            if *entry & TOLD != 0 {
                continue;
            }
            let is_rejected = *entry & REJECTED != 0;
            if let Some((last, kind)) = run
                && kind != is_rejected
            {
                tell(channel, last - self.offset, run_length > 1, kind, out);
                run_length = 0;
            }
            run = Some((number, is_rejected));
            run_length += 1;
        }
        if let Some((last, kind)) = run {
            tell(channel, last - self.offset, run_length > 1, kind, out);
        }
        self.window.drain(..settled);
        self.base += settled as u64;
        if self.window.is_empty() {
            self.strays.clear();
        }
    }

    fn stray(&mut self, first: u64, last: u64) {
        match self.strays.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => self.strays.push((first, last)),
        }
    }
}

fn tell(channel: u16, delivery_tag: u64, multiple: bool, is_rejected: bool, out: &mut Vec<u8>) {
    if is_rejected {
        Method::from(BasicNack {
            delivery_tag,
            multiple,
            requeue: false,
        })
        .encode_frame(channel, out);
    } else {
        Method::from(BasicAck {
            delivery_tag,
            multiple,
        })
        .encode_frame(channel, out);
    }
}
