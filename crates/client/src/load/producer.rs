//! One publishing connection's part: what to send next, and when to wait.

use super::confirms::Confirms;
use super::context::Context;
use super::error::LoadError;
use super::options::{LoadOptions, SizeRange, Target};
use super::plan::Plan;
use super::shared::Counters;
use super::slab::{AmqpLayout, Layout, NatsLayout, Slab, SlabShape};
use super::transport::Transport;

/// Bytes that all producers' send buffers may take together.
const SLABS_BYTES_MAX: usize = 64 << 20;
const SLAB_BYTES_MIN: usize = 4 << 10;
const SLAB_BYTES_MAX: usize = 256 << 10;
/// Body lengths drawn for a range.
const SIZES_DRAWN: usize = 1_024;

/// Publishes on one connection.
pub(crate) struct Producer {
    id: u32,
    slab: Option<Slab>,
    confirms: Option<Confirms>,
    window: usize,
    /// Messages still to be sent; without end for a run by time.
    left: u64,
    sent: u64,
    pace: Option<Pace>,
    backlog_max: u64,
    copies: u64,
}

/// Due times of one producer among several that take turns.
#[derive(Clone, Copy)]
struct Pace {
    /// Nanoseconds between two messages of the whole run.
    interval: f64,
    turn: u64,
    turns: u64,
}

/// Why a producer stopped for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pumped {
    /// It did not: it gave way to others.
    More,
    /// The socket takes no more.
    Socket,
    /// Confirms must come first.
    Window,
    /// The next message is due at this time.
    Due(u64),
    /// Consumers must catch up first.
    Backlog,
    /// Everything is sent.
    Done,
}

impl Producer {
    /// Prepares producer number `id`; nothing is laid out until the frame size is known.
    pub(crate) fn new(id: usize, messages: u64, options: &LoadOptions, plan: &Plan) -> Self {
        let pace = options.rate.map(|rate| Pace {
            interval: 1e9 / rate,
            turn: id as u64,
            turns: plan.producers as u64,
        });
        Self {
            id: u32::try_from(id).unwrap_or(u32::MAX),
            slab: None,
            confirms: options.confirms.map(Confirms::new),
            window: options.confirms.unwrap_or(usize::MAX),
            left: messages,
            sent: 0,
            pace,
            backlog_max: options.backlog_max.unwrap_or(u64::MAX),
            copies: plan.copies(),
        }
    }

    /// Lays out the messages for frames of this size.
    pub(crate) fn prepare(&mut self, frame_max: u32, options: &LoadOptions, plan: &Plan) {
        let bytes = SLABS_BYTES_MAX / plan.producers.max(1);
        let id = self.id as usize;
        let layout: Box<dyn Layout> = match &options.target {
            Target::Amqp { .. } | Target::Relay(_) => Box::new(AmqpLayout {
                exchange: plan.exchange_name(),
                mandatory: options.mandatory,
                persistent: options.persistent,
                frame_max: frame_max as usize,
            }),
            Target::Nats(_) => Box::new(NatsLayout {
                inbox: options.confirms.map(|_| plan.inbox(id)),
            }),
            // Its clients make their messages themselves.
            Target::Web(_) => return,
        };
        let keys = match &options.target {
            Target::Amqp { .. } | Target::Relay(_) => plan.keys_of(id),
            Target::Nats(_) | Target::Web(_) => plan.subjects_of(id),
        };
        self.slab = Some(Slab::new(&SlabShape {
            layout: layout.as_ref(),
            keys: &keys,
            sizes: &draw_sizes(options.size, self.id),
            bytes_max: bytes.clamp(SLAB_BYTES_MIN, SLAB_BYTES_MAX),
            slots_max: self.window,
        }));
    }

    /// Sends nothing more but what is already in the send buffer.
    pub(crate) fn stop(&mut self) {
        self.left = 0;
    }

    /// Takes the server's confirm.
    #[inline]
    pub(crate) fn confirm(
        &mut self,
        tag: u64,
        multiple: bool,
        refused: bool,
        context: &mut Context,
    ) -> Result<(), LoadError> {
        let Some(confirms) = &mut self.confirms else {
            return Err(LoadError::Protocol("confirm without confirm mode"));
        };
        confirms.settle(tag, multiple, |stamp| {
            context.confirmed(stamp);
            if refused {
                context.books.refused += 1;
            }
        })
    }

    /// Takes a confirm that names only the low bits of its tag.
    #[inline]
    pub(crate) fn confirm_low(
        &mut self,
        low: u32,
        refused: bool,
        context: &mut Context,
    ) -> Result<(), LoadError> {
        let tag = self
            .confirms
            .as_ref()
            .map_or(0, |confirms| confirms.whole_tag(low));
        self.confirm(tag, false, refused, context)
    }

    /// Whether messages are marked and not yet written.
    pub(crate) fn has_pending(&self) -> bool {
        self.slab
            .as_ref()
            .is_some_and(|slab| !slab.pending().is_empty())
    }

    /// Marks what may be sent now and writes it, once around the send buffer.
    pub(crate) fn pump(
        &mut self,
        transport: &mut Transport,
        context: &mut Context,
    ) -> Result<Pumped, LoadError> {
        if self.slab.is_none() {
            return Ok(Pumped::Done);
        }
        let reason = self.fill(context);
        let Some(slab) = &mut self.slab else {
            return Ok(Pumped::Done);
        };
        while !slab.pending().is_empty() {
            match transport.write(slab.pending()) {
                Ok(written) => slab.wrote(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Ok(Pumped::Socket);
                }
                Err(error) => return Err(LoadError::system("writing to the server")(error)),
            }
        }
        Ok(reason)
    }

    /// Marks messages until a limit stops that.
    fn fill(&mut self, context: &mut Context) -> Pumped {
        context.tick();
        let now = context.now;
        let backlog_room = self.backlog_room(context);
        let mut room = self.left.min(backlog_room);
        let in_flight = self.confirms.as_ref().map_or(0, Confirms::in_flight);
        room = room.min((self.window - in_flight.min(self.window)) as u64);
        let due = self.pace.map_or(u64::MAX, |pace| {
            pace.due_until(now - context.shared.start().min(now))
        });
        room = room.min(due.saturating_sub(self.sent));
        let start = context.shared.start();
        let Some(slab) = &mut self.slab else {
            return Pumped::Done;
        };
        let counters = &mut context.counters;
        let mut pushed = 0;
        while pushed < room {
            let stamp = self
                .pace
                .map_or(now, |pace| start + pace.due(self.sent + pushed));
            let Some(bytes) = slab.push(stamp, self.id) else {
                break;
            };
            counters.published_bytes += bytes as u64;
            if let Some(confirms) = &mut self.confirms {
                confirms.sent(stamp);
            }
            pushed += 1;
        }
        self.sent += pushed;
        if self.left != u64::MAX {
            self.left -= pushed;
        }
        counters.published += pushed;
        counters.last_event = now;
        if pushed < room {
            return Pumped::More;
        }
        self.reason(backlog_room - pushed.min(backlog_room), start, due)
    }

    /// Says what the next message waits for, all that was allowed being sent.
    fn reason(&self, backlog_room: u64, start: u64, due: u64) -> Pumped {
        let in_flight = self.confirms.as_ref().map_or(0, Confirms::in_flight);
        if self.left == 0 {
            Pumped::Done
        } else if in_flight >= self.window {
            Pumped::Window
        } else if self.sent >= due {
            let next = self.pace.map_or(0, |pace| pace.due(self.sent));
            Pumped::Due(start + next)
        } else if backlog_room == 0 {
            Pumped::Backlog
        } else {
            Pumped::More
        }
    }

    fn backlog_room(&self, context: &Context) -> u64 {
        if self.backlog_max == u64::MAX {
            return u64::MAX;
        }
        // This thread's numbers are newer than what it last reported, others' are not.
        context.report();
        let Counters {
            published,
            delivered,
            ..
        } = context.shared.total();
        let waiting = (published * self.copies).saturating_sub(delivered);
        let room = self.backlog_max.saturating_sub(waiting);
        if waiting == 0 {
            (room / self.copies).max(1)
        } else {
            room / self.copies
        }
    }
}

impl Pace {
    /// When the producer's message number `index` is due, after the start.
    #[inline]
    fn due(self, index: u64) -> u64 {
        let place = index * self.turns + self.turn;
        // Exact to the nanosecond for a hundred days.
        (place as f64 * self.interval) as u64
    }

    /// How many of the producer's messages are due by now.
    #[inline]
    fn due_until(self, elapsed: u64) -> u64 {
        let places = (elapsed as f64 / self.interval) as u64 + 1;
        (places + self.turns - 1).saturating_sub(self.turn) / self.turns
    }
}

/// Draws body lengths, the same in every run.
fn draw_sizes(range: SizeRange, seed: u32) -> Vec<usize> {
    if range.min == range.max {
        return vec![range.min];
    }
    let span = (range.max - range.min) as u64 + 1;
    let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut draw = || {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    };
    (0..SIZES_DRAWN)
        .map(|_| range.min + usize::try_from(draw() % span).unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests;
