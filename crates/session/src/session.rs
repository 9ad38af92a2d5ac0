//! The session: what goes in and what comes out. `state.rs` draws the states.

use std::sync::Arc;

use broker::{Event, OutboxGauge, Port};
use bytes::Bytes;
use codec::amqp::field::ValueRef;
use codec::amqp::frame::{self, Frame, FrameKind};
use codec::amqp::method::{ConnectionBlocked, ConnectionUnblocked, Method};

use crate::action::Action;
use crate::channel::{Channels, Phase};
use crate::consumers::Consumers;
use crate::faults::{Cause, Fault};
use crate::output::Output;
use crate::peer::{Description, Peer};
use crate::posts::Posts;
use crate::requests::Outstanding;
use crate::settings::Settings;
use crate::state::State;
use crate::timers::Timers;
use crate::{limits, publish};

#[cfg(test)]
mod tests;

/// One connection, as the server's end of AMQP 0-9-1.
///
/// # Shape
/// All that grows with the peer's will is bounded: frames and half-received bodies by limits, output by a pause of reading, requests
/// by being one at a time.
#[derive(Debug)]
pub struct Session {
    pub(crate) settings: Arc<Settings>,
    pub(crate) gauge: Arc<OutboxGauge>,
    pub(crate) state: State,
    pub(crate) output: Output,
    pub(crate) action: Option<Action>,
    pub(crate) peer: Peer,
    pub(crate) channels: Channels,
    pub(crate) consumers: Consumers,
    pub(crate) outstanding: Option<Outstanding>,
    pub(crate) is_secret_pending: bool,
    pub(crate) timers: Timers,
    /// Bytes of half-received bodies, over all channels.
    pub(crate) assembly_bytes: usize,
    /// Deliveries of all channels that are not acknowledged.
    pub(crate) unacked_count: usize,
    /// There are as many as may be, and the gauge says so.
    pub(crate) is_laden: bool,
    /// The highest publish number of channels that are gone.
    pub(crate) numbers_until: u64,
    /// Channels with confirms to tell.
    pub(crate) confirms_due: Vec<u16>,
    /// Channels whose consumers are to be served again.
    pub(crate) resumes_due: Vec<u16>,
    /// Properties while they are rewritten.
    pub(crate) scratch: Vec<u8>,
    pub(crate) tags_generated: u64,
    gauge_bytes: usize,
    pub(crate) published: u64,
    pub(crate) posts: Posts,
    holds_publishes: bool,
    is_holding: bool,
    /// Consumers are stopped and deliveries requeued, since nothing will be read any more.
    pub(crate) is_released: bool,
}

impl Session {
    /// Starts with a peer that has sent nothing yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>, gauge: Arc<OutboxGauge>, now_ms: u64) -> Self {
        let timers = Timers::new(now_ms, settings.handshake_timeout_ms);
        Self {
            settings,
            gauge,
            state: State::Header,
            output: Output::default(),
            action: None,
            peer: Peer {
                frame_max: limits::HANDSHAKE_FRAME_MAX,
                ..Peer::default()
            },
            channels: Channels::default(),
            consumers: Consumers::default(),
            outstanding: None,
            is_secret_pending: false,
            timers,
            assembly_bytes: 0,
            unacked_count: 0,
            is_laden: false,
            numbers_until: 0,
            confirms_due: Vec::new(),
            resumes_due: Vec::new(),
            scratch: Vec::new(),
            tags_generated: 0,
            gauge_bytes: 0,
            published: 0,
            posts: Posts::default(),
            holds_publishes: false,
            is_holding: false,
            is_released: false,
        }
    }

    /// Works through complete frames and returns how many bytes it is done with; the rest stays with the caller.
    ///
    /// Stops early when paused ([`is_paused`](Self::is_paused)). Before the connection is open `port` may be `None`.
    ///
    /// # Units
    /// The caller's buffer must be able to grow to [`frame_max`](Self::frame_max) bytes, or, where that is 0, to what one frame takes
    /// and at least [`PUBLISH_WAIT_BYTES_MAX`](limits::PUBLISH_WAIT_BYTES_MAX).
    pub fn handle_input<P: Port>(
        &mut self,
        input: &Bytes,
        now_ms: u64,
        mut port: Option<&mut P>,
    ) -> usize {
        self.timers.heard(now_ms);
        self.release_if_over(port.as_deref_mut());
        let mut at = 0;
        while !self.is_paused() {
            let rest = input.get(at..).unwrap_or_default();
            let used = match self.state {
                State::Header => self.handle_header(rest),
                State::Start | State::Tune | State::Open => self.handle_handshake(rest),
                State::Running => match port.as_deref_mut() {
                    Some(port) => self.run(input, at, port),
                    None => 0,
                },
                State::Closing { is_garbled } => self.handle_closing(rest, is_garbled),
                State::Authenticating | State::Opening => 0,
                State::Closed => rest.len(),
            };
            at += used;
            if used == 0 {
                break;
            }
        }
        if let Some(port) = port.as_deref_mut() {
            self.resume_due(port);
        }
        self.release_if_over(port);
        self.flush_confirms();
        at
    }

    /// The frames of an open connection, from `start` on.
    fn run<P: Port>(&mut self, input: &Bytes, start: usize, port: &mut P) -> usize {
        let mut at = start;
        while self.state == State::Running && !self.is_paused() {
            let rest = input.get(at..).unwrap_or_default();
            match frame::parse(rest, self.peer.frame_max) {
                Ok(Some((frame, used))) => {
                    if publish::is_publish(&frame) {
                        if self.holds_publishes {
                            self.is_holding = true;
                            break;
                        }
                        match self.publish_whole(&frame, used, input, at, port) {
                            publish::Whole::Published(all) => {
                                at += all;
                                continue;
                            }
                            publish::Whole::Incomplete => break,
                            publish::Whole::InPieces => {}
                        }
                    }
                    at += used;
                    self.handle_frame(input, &frame, port);
                }
                Ok(None) => break,
                Err(error) => {
                    self.fail_garbled(&error);
                    at = input.len();
                }
            }
        }
        at - start
    }

    fn handle_frame<P: Port>(&mut self, input: &Bytes, frame: &Frame<'_>, port: &mut P) {
        let Frame {
            kind,
            channel,
            payload,
        } = *frame;
        let result = if channel == 0 {
            match kind {
                FrameKind::Method => self.handle_connection_method(payload),
                FrameKind::Heartbeat => Ok(()),
                FrameKind::Header | FrameKind::Body => {
                    Err(Fault::unexpected_frame("content on channel 0"))
                }
            }
        } else {
            match (
                kind,
                self.channels.find(channel).map(|channel| channel.phase),
            ) {
                (FrameKind::Heartbeat, _) => Err(Fault::unexpected_frame(
                    "heartbeat on a channel other than 0",
                )),
                (FrameKind::Method, Some(Phase::Open)) => {
                    self.handle_method(channel, payload, port)
                }
                (FrameKind::Method, None) => self.handle_first_method(channel, payload),
                (FrameKind::Method, Some(Phase::Closing)) => {
                    self.handle_closing_channel(channel, payload);
                    Ok(())
                }
                (FrameKind::Header, Some(Phase::Open)) => {
                    self.handle_content_header(channel, payload, port)
                }
                (FrameKind::Body, Some(Phase::Open)) => {
                    self.handle_content_body(channel, input, payload, port)
                }
                (FrameKind::Header | FrameKind::Body, Some(Phase::Closing)) => Ok(()),
                (FrameKind::Header | FrameKind::Body, None) => Err(Fault::unexpected_frame(
                    "content on a channel that is not open",
                )),
            }
        };
        if let Err(fault) = result {
            let cause = match kind {
                FrameKind::Method => Cause::of(payload),
                FrameKind::Header | FrameKind::Body => Cause::PUBLISH,
                FrameKind::Heartbeat => Cause::NONE,
            };
            self.fail(channel, cause, &fault, port);
        }
    }

    /// Takes what comes up from the broker.
    ///
    /// Only [`Event::Close`] is possible before the connection is open, and without a `port`.
    pub fn handle_event<P: Port>(&mut self, event: Event, now_ms: u64, port: Option<&mut P>) {
        self.timers.tick(now_ms);
        if let Event::Close(reason) = event {
            self.shutdown(&reason, now_ms);
            self.release_if_over(port);
            return;
        }
        let Some(port) = port else { return };
        self.release_if_over(Some(&mut *port));
        match event {
            Event::Deliver {
                channel,
                consumer,
                delivery,
            } => {
                self.gauge_bytes += delivery.outbox_bytes();
                self.deliver(channel, consumer, &delivery, port);
            }
            Event::Confirmed {
                channel,
                first,
                last,
                rejected,
            } => self.confirm(channel, first, last, rejected),
            Event::Posted { post, outcome } => {
                self.post_settled(post, outcome, port);
                self.resume_due(port);
            }
            Event::Replied { channel, result } => {
                if result.is_ok() && self.commit_waits(channel) {
                    return;
                }
                self.reply(channel, result, port);
                self.resume_due(port);
            }
            Event::ConsumerCancelled { channel, consumer } => {
                port.drop_consumer(consumer);
                self.consumer_cancelled(channel, consumer)
            }
            Event::Blocked(reason) => {
                if self.state == State::Running && self.peer.takes_blocked {
                    self.send(0, ConnectionBlocked { reason });
                }
            }
            Event::Unblocked => {
                if self.state == State::Running && self.peer.takes_blocked {
                    self.send(0, ConnectionUnblocked {});
                }
            }
            // Places are not asked for.
            Event::Placed { .. } | Event::Close(_) => {}
        }
        self.release_if_over(Some(port));
    }

    pub(crate) fn confirm(&mut self, number: u16, first: u64, last: u64, is_rejected: bool) {
        let Some(channel) = self.channels.find_open(number) else {
            return;
        };
        let Some(confirms) = &mut channel.confirms else {
            return;
        };
        if confirms.settle(first, last, is_rejected) && !confirms.is_due {
            confirms.is_due = true;
            self.confirms_due.push(number);
        }
    }

    /// Encodes the confirms that have gathered, as few frames as possible. To be called once after a batch of events.
    pub fn flush_confirms(&mut self) {
        while let Some(number) = self.confirms_due.pop() {
            let Some(channel) = self.channels.find_open(number) else {
                continue;
            };
            if let Some(confirms) = &mut channel.confirms
                && self.state == State::Running
            {
                confirms.is_due = false;
                confirms.flush(number, self.output.buffer());
            }
        }
    }

    /// What the session wants done and cannot do itself.
    pub const fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// What is to be written.
    pub const fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Says whether input is not worked through at the moment: an answer is awaited, or too much output waits.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let is_waiting = match self.state {
            State::Authenticating | State::Opening => true,
            State::Running => self.outstanding.is_some() || self.is_secret_pending,
            State::Header
            | State::Start
            | State::Tune
            | State::Open
            | State::Closing { .. }
            | State::Closed => false,
        };
        is_waiting || (self.output.len() > limits::OUTPUT_BYTES_MAX && self.state == State::Running)
    }

    /// Says whether all that is left is to write the output, close the socket and call [`close`](Self::close).
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Says whether the connection is open and nothing closes it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Running
    }

    /// Holds publishes back, or lets them go on unless too many posts wait: while they are held, input is taken up to the first of them.
    pub fn hold_publishes(&mut self, is_held: bool) {
        let is_held = is_held || self.posts.is_full();
        self.holds_publishes = is_held;
        self.is_holding &= is_held;
    }

    /// Says whether input waits behind a publish that is held back.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Says whether the peer ever published, so that an alarm concerns it.
    #[must_use]
    pub const fn has_published(&self) -> bool {
        self.published > 0
    }

    /// How many messages the peer has published, those of open and rolled back transactions included.
    #[must_use]
    pub const fn published(&self) -> u64 {
        self.published
    }

    /// The gauge's bytes of the deliveries that were handled since the last call, to be given back once they are written.
    pub const fn take_gauge_bytes(&mut self) -> usize {
        std::mem::replace(&mut self.gauge_bytes, 0)
    }

    /// The largest frame that may come in now. Units: bytes, overhead included; 0 is the codec's hard limit.
    #[must_use]
    pub const fn frame_max(&self) -> u32 {
        self.peer.frame_max
    }

    /// How many channels are open.
    #[must_use]
    pub const fn channel_count(&self) -> usize {
        self.channels.count()
    }

    /// The connection as listings show it.
    #[must_use]
    pub fn description(&self) -> Description<'_> {
        let properties = self.peer.client_properties();
        let text = |name: &str| properties.get(name).and_then(ValueRef::as_str);
        Description {
            login: self.peer.login.as_ref(),
            vhost: self.peer.vhost.as_deref(),
            client_properties: properties,
            product: text("product"),
            platform: text("platform"),
            connection_name: text("connection_name"),
            channels: self.channels.count(),
            consumers: self.consumers.count(),
            unacked: self.unacked_count,
            frame_max: self.peer.frame_max,
            heartbeat_s: self.peer.heartbeat_s,
        }
    }

    /// Encodes a method frame.
    #[inline]
    pub(crate) fn send<'m>(&mut self, channel: u16, method: impl Into<Method<'m>>) {
        method.into().encode_frame(channel, self.output.buffer());
    }
}
